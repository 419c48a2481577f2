//! `sluice verify`: proves that Silver is what Bronze comes to.

mod arguments;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_lake::Role;
use sluice_pipeline::{
    LaneSettings, Progress, Scope, VerifyError, VerifyReport, VerifySeams, VerifySettings, explain, verify,
};
use sluice_platform::Entropy;
use tracing::warn;

pub(crate) use arguments::{VERIFY_HELP, VerifyArguments};
use report::{Shown, TableOutcome, VerifyOutcome};

use crate::config::Config;
use crate::exit::Exit;
use crate::outputs::Outputs;
use crate::services::{Machine, StartError};
use crate::signals::Signals;
use crate::target::{Target, unknown};

/// Memory for rows.
const MEMORY: usize = 128 << 20;
/// The same where it goes on and on beside other work.
const LOW_MEMORY: usize = 32 << 20;

/// Verifies the tables that were named, once or until it is stopped.
pub(crate) async fn command(
    config: &Config,
    arguments: &VerifyArguments,
    outputs: &Outputs,
) -> Result<Exit, StartError> {
    let threads = if arguments.watch.is_some() { 1 } else { config.cpu_threads };
    let machine = Machine::reaching(config.aws.clone(), threads)?;
    let lanes = chosen(machine.lanes(config).await?, arguments)?;
    let Some(lake) = machine.existing_lake(config)? else { return Err(Target::nothing_yet(config)) };
    let seams = VerifySeams {
        lake,
        cpu: machine.cpu.clone(),
        components: Arc::clone(&machine.components),
        clock: Arc::clone(&machine.clock),
    };
    let seed = arguments.seed.unwrap_or_else(|| seed(&*machine.entropy));
    let rounds = Rounds { seams, lanes, arguments, seed, was_different: AtomicBool::new(false), outputs };
    tokio::select! {
        exit = rounds.go() => Ok(exit),
        name = stopped() => {
            warn!(signal = name, "verification is stopped");
            Ok(rounds.stopped())
        }
    }
}

/// The lanes of the tables that were named.
fn chosen(lanes: Vec<LaneSettings>, arguments: &VerifyArguments) -> Result<Vec<LaneSettings>, StartError> {
    if arguments.all {
        return Ok(lanes);
    }
    let names: Vec<String> = lanes.iter().map(|lane| lane.table.to_string()).collect();
    let find = |name: &String| {
        let lane = lanes.iter().find(|lane| lane.table.to_string() == *name);
        lane.cloned().ok_or_else(|| StartError::Asked(unknown(name, &names)))
    };
    arguments.tables.iter().map(find).collect()
}

fn seed(entropy: &dyn Entropy) -> u64 {
    entropy.uuid().as_u64_pair().0
}

/// Waits for a signal that asks to stop.
async fn stopped() -> &'static str {
    match Signals::catch() {
        Some(mut signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

/// What is gone round.
struct Rounds<'a> {
    seams: VerifySeams,
    lanes: Vec<LaneSettings>,
    arguments: &'a VerifyArguments,
    seed: u64,
    /// Whether some table was not what it has to be.
    was_different: AtomicBool,
    outputs: &'a Outputs,
}

impl Rounds<'_> {
    async fn go(&self) -> Exit {
        let Some(pause) = self.arguments.watch else {
            let mut tables = Vec::with_capacity(self.lanes.len());
            for lane in &self.lanes {
                tables.push(self.table(lane, 0).await);
            }
            let outcome = VerifyOutcome { tables };
            let terminal = &self.outputs.terminal;
            if self.arguments.json {
                terminal.say_json(&outcome)
            } else {
                terminal.say(&outcome.render())
            }
            return outcome.exit();
        };
        for turn in 0.. {
            for lane in &self.lanes {
                let outcome = self.table(lane, turn).await;
                self.note(&outcome);
            }
            self.seams.clock.sleep(pause.0).await;
        }
        Exit::Success
    }

    /// How it ends when it is stopped: one that goes on and on has done what it was asked for.
    fn stopped(&self) -> Exit {
        let is_done = self.arguments.watch.is_some() && !self.was_different.load(Ordering::Relaxed);
        if is_done { Exit::Success } else { Exit::Partial }
    }

    /// Says what became of a table, as soon as it is known.
    fn note(&self, outcome: &TableOutcome) {
        if !outcome.is_fine() {
            self.was_different.store(true, Ordering::Relaxed);
            warn!(table = outcome.table, "Silver is not verified: see the report");
        }
        match (self.arguments.json, serde_json::to_string(outcome)) {
            (true, Ok(line)) => self.outputs.terminal.say(&line),
            _ => self.outputs.terminal.say(&outcome.render()),
        }
    }

    async fn table(&self, lane: &LaneSettings, turn: u64) -> TableOutcome {
        let usual = if self.arguments.watch.is_some() { LOW_MEMORY } else { MEMORY };
        let share = self.arguments.sample;
        let settings = VerifySettings {
            scope: if self.arguments.full { Scope::Full } else { Scope::Sample { share, turn } },
            seed: self.seed,
            memory_bytes: self.arguments.memory.map_or(usual, |memory| memory.0),
            folder: self.arguments.spill.clone().unwrap_or_else(std::env::temp_dir),
            shown: self.arguments.limit,
            anyway: self.arguments.anyway,
        };
        let table = lane.table.to_string();
        let line = Line::new(&table, self.outputs.watched.then_some(&self.outputs.progress));
        let verified = verify(lane, &self.seams, &settings, &|progress| line.tell(progress)).await;
        drop(line);
        match verified {
            Ok(report) => match self.shown(lane, &report).await {
                Ok(first) => TableOutcome::of(report, first),
                Err(error) => TableOutcome::of(report, Vec::new()).with_error(explain(&error)),
            },
            Err(error) => {
                let is_asked = matches!(error, VerifyError::OtherTransform { .. } | VerifyError::OpenRename { .. });
                TableOutcome::failed(table, explain(&error), is_asked)
            }
        }
    }

    /// The differences with the histories of their keys.
    async fn shown(&self, lane: &LaneSettings, report: &VerifyReport) -> Result<Vec<Shown>, StartError> {
        if report.first.is_empty() {
            return Ok(Vec::new());
        }
        let Some(bronze) = self.seams.lake.open(&lane.bronze, Role::Reader).await? else { return Ok(Vec::new()) };
        let mut shown = Vec::with_capacity(report.first.len());
        for difference in &report.first {
            shown.push(Shown::of(difference, lane, &report.key, &bronze).await?);
        }
        Ok(shown)
    }
}

/// The line that shows how far a table is, where people are watching.
struct Line {
    bar: ProgressBar,
}

impl Line {
    fn new(table: &str, shown: Option<&MultiProgress>) -> Self {
        let Some(progress) = shown else { return Self { bar: ProgressBar::hidden() } };
        let style = ProgressStyle::with_template("{msg}  {bar:32}  {percent:>3} %  {human_pos} of {human_len} rows")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = progress.add(ProgressBar::new(0).with_style(style));
        bar.set_message(table.to_owned());
        Self { bar }
    }

    fn tell(&self, progress: Progress) {
        self.bar.set_length(progress.total.max(progress.rows));
        self.bar.set_position(progress.rows);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
