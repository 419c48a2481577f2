use std::process::ExitCode;

use sluice_pipeline::{LaneState, RunReport};

/// How the program ends; the numbers are part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything went well.
    Success = 0,
    /// Sluice could not start or go on: the source as a whole, the warehouse or the catalog cannot be used.
    Failure = 1,
    /// The command line or the configuration is wrong; nothing was started.
    Configuration = 2,
    /// Some tables failed, were quarantined or were cut short; the others are fine.
    Partial = 3,
    /// Another process has taken over all tables that are not fine.
    Fenced = 4,
    /// All tables failed.
    AllFailed = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The code after a second signal, as shells have it: nothing was finished, nothing is lost.
pub(crate) const LEFT_AT_ONCE: i32 = 130;

/// What every `--help` says of exit codes.
pub(crate) const EXIT_HELP: &str = "\
Exit codes:
  0    success
  1    sluice could not start or go on (source, warehouse or catalog cannot be used)
  2    the command line or the configuration is wrong
  3    partial failure: some tables failed, were quarantined or were cut short, the others are fine
  4    fenced: another process has taken over all tables that are not fine
  5    all tables failed
  130  left at once after a second signal";

impl Exit {
    /// The code of a run. With `once`, a table that did not get to its end was cut short.
    pub fn of_run(report: &RunReport, once: bool) -> Exit {
        let bad = |state: &LaneState| match state {
            LaneState::Retrying { .. } | LaneState::Quarantined { .. } | LaneState::Fenced { .. } => true,
            LaneState::Starting | LaneState::Running | LaneState::Stopped => once,
            LaneState::CaughtUp => false,
        };
        let bad: Vec<&LaneState> = report.lanes.iter().map(|lane| &lane.state).filter(|state| bad(state)).collect();
        let cut_short =
            |state: &&LaneState| matches!(state, LaneState::Starting | LaneState::Running | LaneState::Stopped);
        if bad.is_empty() {
            Exit::Success
        } else if bad.iter().all(|state| matches!(state, LaneState::Fenced { .. })) {
            Exit::Fenced
        } else if bad.len() < report.lanes.len() || bad.iter().any(cut_short) {
            Exit::Partial
        } else {
            Exit::AllFailed
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_pipeline::LaneStatus;

    use super::*;

    fn report(states: &[LaneState]) -> RunReport {
        let lane = |(index, state): (usize, &LaneState)| {
            let mut lane = LaneStatus::new(format!("s.t{index}").parse().unwrap());
            lane.state = state.clone();
            lane
        };
        RunReport { lanes: states.iter().enumerate().map(lane).collect() }
    }

    fn quarantined() -> LaneState {
        LaneState::Quarantined { reason: "r".into() }
    }

    fn fenced() -> LaneState {
        LaneState::Fenced { reason: "r".into() }
    }

    #[test]
    fn the_code_says_how_much_went_wrong() {
        let code = |states: &[LaneState]| Exit::of_run(&report(states), true);
        assert_eq!(code(&[]), Exit::Success);
        assert_eq!(code(&[LaneState::CaughtUp, LaneState::CaughtUp]), Exit::Success);
        assert_eq!(code(&[LaneState::CaughtUp, quarantined()]), Exit::Partial);
        assert_eq!(code(&[LaneState::CaughtUp, fenced()]), Exit::Fenced);
        assert_eq!(code(&[LaneState::CaughtUp, fenced(), quarantined()]), Exit::Partial);
        assert_eq!(code(&[fenced(), quarantined()]), Exit::AllFailed);
        assert_eq!(code(&[quarantined()]), Exit::AllFailed);
    }

    #[test]
    fn a_stop_is_a_success_unless_everything_was_asked_for() {
        let stopped = report(&[LaneState::Stopped, LaneState::Running]);
        assert_eq!(Exit::of_run(&stopped, false), Exit::Success);
        assert_eq!(Exit::of_run(&stopped, true), Exit::Partial);
    }

    #[test]
    fn the_help_names_every_code() {
        for exit in [Exit::Success, Exit::Failure, Exit::Configuration, Exit::Partial, Exit::Fenced, Exit::AllFailed] {
            assert!(EXIT_HELP.contains(&format!("\n  {}    ", exit as u8)));
        }
    }
}
