//! Passes on what a transform says, at a rate that cannot flood a log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::said::{Level, Said};

/// Lines passed on in one interval.
const LINES: u32 = 50;
/// How long an interval lasts.
const INTERVAL: Duration = Duration::from_secs(60);
/// Metrics kept for a table.
const MOST_METRICS: usize = 64;

/// What one transform of one table says, over all its batches.
#[derive(Debug)]
pub(super) struct Voice {
    table: String,
    transform: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
    metrics: BTreeMap<String, f64>,
    /// Whether the metrics grew since they were logged.
    grew: bool,
}

impl Voice {
    pub fn new(table: &str, transform: &str) -> Self {
        Self { table: table.to_owned(), transform: transform.to_owned(), state: Mutex::new(State::default()) }
    }

    /// The sums of its metrics.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).metrics.clone()
    }

    /// Logs what was said, as far as the rate allows, and the sums of the metrics once an interval.
    #[allow(clippy::disallowed_methods, reason = "limits a log; nothing depends on it")]
    pub fn pass_on(&self, said: Said) {
        if said == Said::default() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in said.metrics {
            if state.metrics.len() < MOST_METRICS || state.metrics.contains_key(&name) {
                *state.metrics.entry(name).or_default() += value;
                state.grew = true;
            }
        }
        let now = Instant::now();
        if state.since.is_none_or(|since| now.duration_since(since) >= INTERVAL) {
            if state.left_out > 0 {
                warn!(
                    table = self.table,
                    transform = self.transform,
                    lines = state.left_out,
                    "log lines were left out"
                );
            }
            if std::mem::take(&mut state.grew) {
                info!(table = self.table, transform = self.transform, metrics = ?state.metrics, "metrics of the transform");
            }
            state.since = Some(now);
            state.passed = 0;
            state.left_out = 0;
        }
        state.left_out += said.lines_left_out;
        for (level, line) in said.lines {
            if state.passed >= LINES {
                state.left_out += 1;
                continue;
            }
            state.passed += 1;
            let (table, transform) = (&self.table, &self.transform);
            match level {
                Level::Debug => debug!(table, transform, "{line}"),
                Level::Info => info!(table, transform, "{line}"),
                Level::Warn => warn!(table, transform, "{line}"),
                Level::Error => error!(table, transform, "{line}"),
            }
        }
    }
}
