//! What the process that runs a configuration says of itself, in a small file beside it, for `sluice status`.
//!
//! The file is a cache of that process's state: nothing is lost with it, and where it cannot be written the run goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_pipeline::{LaneState, LaneStatus};
use sluice_platform::Clock;
use tokio::sync::watch;
use tracing::debug;

use crate::config::Config;

/// How often the file is written, if anything changed.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is written if nothing changed.
const BEAT_US: i64 = 5_000_000;
/// A process that has not written for so long is gone, or stuck.
const SILENT_US: i64 = 20_000_000;

/// What a process says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Its number.
    pub pid: u32,
    /// When it began, microseconds since the epoch.
    pub started_us: i64,
    /// When it last wrote this.
    pub written_us: i64,
    /// Whether it has ended.
    pub ended: bool,
    pub lanes: Vec<LaneStanding>,
}

/// What it is doing with a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneStanding {
    pub table: String,
    /// In a word.
    pub state: String,
    /// Why, where something is wrong.
    pub reason: Option<String>,
    pub late_files: u64,
    pub deletes_without_row: u64,
    pub updates_without_row: u64,
}

impl Standing {
    /// The file beside the configuration.
    fn path(config: &Config) -> PathBuf {
        config.beside("status.json")
    }

    /// What the last process said; `None` where none did.
    pub fn read(config: &Config) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(config)).ok()?).ok()
    }

    /// Whether the process is still at work, as far as this tells.
    pub fn is_alive(&self, now_us: i64) -> bool {
        !self.ended && now_us - self.written_us < SILENT_US
    }

    /// What it said of a table.
    pub fn lane(&self, table: &str) -> Option<&LaneStanding> {
        self.lanes.iter().find(|lane| lane.table == table)
    }

    /// Writes it, if that can be done.
    fn put(&self, path: &Path) {
        if let Err(error) = self.write(path) {
            debug!(path = %path.display(), %error, "the status file cannot be written; the run goes on");
        }
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        // Under another name first: a reader never sees half a file.
        let unfinished = path.with_extension(format!("{}.unfinished", self.pid));
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(&unfinished, path)
    }
}

/// Keeps the file up to date until it is dropped; then the file says that the process has ended.
pub(crate) struct Keeper {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    status: watch::Receiver<Arc<Vec<LaneStatus>>>,
    started_us: i64,
}

impl Keeper {
    pub fn new(config: &Config, clock: Arc<dyn Clock>, status: watch::Receiver<Arc<Vec<LaneStatus>>>) -> Self {
        let started_us = clock.now_us();
        Self { path: Standing::path(config), clock, status, started_us }
    }

    /// Writes now and then.
    pub async fn keep(mut self) {
        let (mut last, mut written_us) = (Vec::new(), i64::MIN);
        loop {
            let lanes = of_lanes(&self.status.borrow_and_update());
            if lanes != last || self.clock.now_us().saturating_sub(written_us) >= BEAT_US {
                let (path, standing) = (self.path.clone(), self.standing(lanes.clone(), false));
                (written_us, last) = (standing.written_us, lanes);
                // Best effort, like the writing itself.
                let _ = tokio::task::spawn_blocking(move || standing.put(&path)).await;
            }
            self.clock.sleep(EVERY).await;
        }
    }

    fn standing(&self, lanes: Vec<LaneStanding>, ended: bool) -> Standing {
        let written_us = self.clock.now_us();
        Standing { pid: std::process::id(), started_us: self.started_us, written_us, ended, lanes }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let lanes = of_lanes(&self.status.borrow());
        self.standing(lanes, true).put(&self.path);
    }
}

fn of_lanes(lanes: &[LaneStatus]) -> Vec<LaneStanding> {
    lanes
        .iter()
        .map(|lane| LaneStanding {
            table: lane.table.to_string(),
            state: word(&lane.state).to_owned(),
            reason: reason(&lane.state).map(str::to_owned),
            late_files: lane.late_files,
            deletes_without_row: lane.deletes_without_row,
            updates_without_row: lane.updates_without_row,
        })
        .collect()
}

fn word(state: &LaneState) -> &'static str {
    match state {
        LaneState::Starting => "starting",
        LaneState::Running => "running",
        LaneState::CaughtUp => "caught-up",
        LaneState::Retrying { .. } => "retrying",
        LaneState::Quarantined { .. } => "quarantined",
        LaneState::Fenced { .. } => "fenced",
        LaneState::Stopped => "stopped",
    }
}

fn reason(state: &LaneState) -> Option<&str> {
    match state {
        LaneState::Retrying { reason, .. } | LaneState::Quarantined { reason } | LaneState::Fenced { reason } => {
            Some(reason)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sluice_platform::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_quarantine_is_seen_from_outside_while_the_process_works_and_after_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sluice.toml");
        let text = "source.location = 'dms'\nlake.warehouse = 'lake'\ntables.'a.b' = { key = ['id'] }\n";
        fs::write(&path, text).unwrap();
        let config = Config::load(&path).unwrap();
        let mut lane = LaneStatus::new("a.b".parse().unwrap());
        lane.state = LaneState::Quarantined { reason: "no columns".into() };
        let (_send, status) = watch::channel(Arc::new(vec![lane]));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keeper = Keeper::new(&config, Arc::clone(&clock), status);
        keeper.standing(of_lanes(&keeper.status.borrow()), false).put(&keeper.path);
        let standing = Standing::read(&config).unwrap();
        assert!(standing.is_alive(clock.now_us()));
        assert_eq!(standing.lane("a.b").unwrap().reason.as_deref(), Some("no columns"));
        drop(keeper);
        let standing = Standing::read(&config).unwrap();
        assert!(standing.ended && !standing.is_alive(clock.now_us()));
    }
}
