//! Progress lines: one for each table that has something to tell, and one for all.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_pipeline::{IndexProgress, LaneState, LaneStatus};
use sluice_platform::Clock;
use tokio::sync::watch;

use crate::outputs::Outputs;
use crate::words;

/// Tables shown one a line at most; with more of them, those that have most to tell.
const SHOWN: usize = 12;
/// Lines of a terminal that are left to other words.
const LEFT_LINES: usize = 4;
/// Lines of a terminal that does not say how many it has.
const USUAL_LINES: usize = 24;
/// How often the lines are drawn anew: calm for the eye, soon enough to see that it goes on.
const EVERY: Duration = Duration::from_millis(400);
/// Share of the newest measurement in a shown rate.
const FRESHNESS: f64 = 0.3;

/// A line that says what is being done; nothing where nobody watches.
pub(crate) fn spinner(outputs: &Outputs) -> ProgressBar {
    if !outputs.watched {
        return ProgressBar::hidden();
    }
    let bar = outputs.progress.add(ProgressBar::new_spinner());
    bar.enable_steady_tick(EVERY);
    bar
}

/// Draws until it is dropped or the lanes are gone.
pub(crate) async fn show(
    mut status: watch::Receiver<Arc<Vec<LaneStatus>>>,
    clock: Arc<dyn Clock>,
    progress: MultiProgress,
) {
    let height = console_height().unwrap_or(USUAL_LINES);
    let shown = SHOWN.min(height.saturating_sub(LEFT_LINES)).max(1);
    let lines = status.borrow().len().min(shown) + 1;
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bars: Vec<ProgressBar> =
        (0..lines).map(|_| progress.add(ProgressBar::new_spinner().with_style(style.clone()))).collect();
    let _clear = ClearOnDrop { bars: bars.clone(), progress };
    let mut rates = Rates::default();
    let mut last_us = clock.now_us();
    loop {
        let lanes = Arc::clone(&status.borrow_and_update());
        let now_us = clock.now_us();
        rates.measure(&lanes, now_us - last_us);
        last_us = now_us;
        let mut texts = lines_for(&lanes, &rates.per_second, shown).into_iter();
        for bar in &bars {
            bar.set_message(texts.next().unwrap_or_default());
            bar.tick();
        }
        clock.sleep(EVERY).await;
        if status.has_changed().is_err() {
            return;
        }
    }
}

/// Lines of the terminal on standard error, as far as it tells through the environment.
fn console_height() -> Option<usize> {
    std::env::var("LINES").ok()?.parse().ok().filter(|lines| *lines > 0)
}

/// Takes the lines away, also when the drawing task is aborted.
struct ClearOnDrop {
    bars: Vec<ProgressBar>,
    progress: MultiProgress,
}

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        for bar in &self.bars {
            self.progress.remove(bar);
        }
        // A terminal that has gone away needs no clearing.
        let _ = self.progress.clear();
    }
}

/// Rows a second of each lane, smoothed.
#[derive(Debug, Default)]
struct Rates {
    seen: Vec<u64>,
    per_second: Vec<f64>,
}

impl Rates {
    fn measure(&mut self, lanes: &[LaneStatus], elapsed_us: i64) {
        if self.seen.len() != lanes.len() {
            self.seen = lanes.iter().map(|lane| lane.committed.changes()).collect();
            self.per_second = vec![0.0; lanes.len()];
            return;
        }
        let seconds = (elapsed_us.max(1)) as f64 / 1e6;
        for (index, lane) in lanes.iter().enumerate() {
            let now = lane.committed.changes();
            let rate = now.saturating_sub(self.seen[index]) as f64 / seconds;
            self.per_second[index] += FRESHNESS * (rate - self.per_second[index]);
            self.seen[index] = now;
        }
    }
}

/// The lines for people: those tables that have most to tell, in table order, then the sum of all.
fn lines_for(lanes: &[LaneStatus], rates: &[f64], shown: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    if order.len() > shown {
        order.sort_by_key(|index| {
            (
                urgency(&lanes[*index].state),
                std::cmp::Reverse(lanes[*index].backlog_bytes),
                std::cmp::Reverse(rate_of(rates, *index)),
            )
        });
        order.truncate(shown);
        order.sort_unstable();
    }
    let width = order.iter().map(|index| lanes[*index].table.to_string().chars().count()).max().unwrap_or(0);
    let rate = |index: usize| rates.get(index).copied().unwrap_or(0.0);
    let mut lines: Vec<String> = order.iter().map(|index| line(&lanes[*index], rate(*index), width)).collect();
    let hidden = lanes.len() - order.len();
    let of_all = total(lanes, rates.iter().sum());
    lines.push(if hidden == 0 { of_all } else { format!("{hidden} more not shown · {of_all}") });
    lines
}

/// Rows a second, whole.
fn rate_of(rates: &[f64], index: usize) -> u64 {
    rates.get(index).map_or(0, |rate| rate.round() as u64)
}

fn urgency(state: &LaneState) -> u8 {
    match state {
        LaneState::Quarantined { .. } | LaneState::Fenced { .. } => 0,
        LaneState::Retrying { .. } => 1,
        LaneState::Running => 2,
        LaneState::Starting => 3,
        LaneState::CaughtUp => 4,
        LaneState::Stopped => 5,
    }
}

/// The state in a word or two.
pub(crate) fn state_word(state: &LaneState) -> String {
    match state {
        LaneState::Starting => "starting".into(),
        LaneState::Running => "running".into(),
        LaneState::CaughtUp => "caught up".into(),
        LaneState::Retrying { attempt, .. } => format!("retrying ({attempt})"),
        LaneState::Quarantined { .. } => "quarantined".into(),
        LaneState::Fenced { .. } => "fenced".into(),
        LaneState::Stopped => "stopped".into(),
    }
}

fn line(lane: &LaneStatus, rate: f64, width: usize) -> String {
    let committed = &lane.committed;
    let mut text = format!(
        "{:<width$}  {:<12} {:>9} rows/s {:>13} committed",
        lane.table.to_string(),
        state_word(&lane.state),
        words::count(rate.round() as u64),
        words::count(committed.changes()),
    );
    text.push_str(&ahead(lane.backlog_files, lane.backlog_bytes));
    text.push_str(&rejected(committed.rejected));
    if let Some(IndexProgress { read, rows }) = lane.index_progress {
        text.push_str(&format!(" · key index {} of {} rows", words::count(read), words::count(rows)));
    }
    text
}

fn total(lanes: &[LaneStatus], rate: f64) -> String {
    let mut states: Vec<(u8, &'static str, usize)> = Vec::new();
    for lane in lanes {
        let (rank, word) = match &lane.state {
            LaneState::Quarantined { .. } => (0, "quarantined"),
            LaneState::Fenced { .. } => (1, "fenced"),
            LaneState::Retrying { .. } => (2, "retrying"),
            LaneState::Running => (3, "running"),
            LaneState::Starting => (4, "starting"),
            LaneState::CaughtUp => (5, "caught up"),
            LaneState::Stopped => (6, "stopped"),
        };
        match states.iter_mut().find(|(other, ..)| *other == rank) {
            Some((.., count)) => *count += 1,
            None => states.push((rank, word, 1)),
        }
    }
    states.sort_unstable();
    let states: Vec<String> = states.iter().map(|(_, word, count)| format!("{count} {word}")).collect();
    let sum = |get: fn(&LaneStatus) -> u64| lanes.iter().map(get).sum::<u64>();
    format!(
        "{}: {} · {} rows/s · {} committed{}{}",
        words::things(lanes.len(), "table"),
        states.join(", "),
        words::count(rate.round() as u64),
        words::count(sum(|lane| lane.committed.changes())),
        ahead(sum(|lane| lane.backlog_files), sum(|lane| lane.backlog_bytes)),
        rejected(sum(|lane| lane.committed.rejected)),
    )
}

fn ahead(files: u64, bytes: u64) -> String {
    match files {
        0 => String::new(),
        1 => format!(" · 1 file ahead ({})", words::bytes(bytes)),
        _ => format!(" · {} files ahead ({})", words::count(files), words::bytes(bytes)),
    }
}

fn rejected(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" · {} rejected", words::count(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str, state: LaneState, loads: u64) -> LaneStatus {
        let mut lane = LaneStatus::new(name.parse().unwrap());
        lane.state = state;
        lane.committed.loads = loads;
        lane
    }

    #[test]
    fn few_tables_are_all_shown_in_table_order() {
        let mut second = lane("public.orders", LaneState::Running, 12_345);
        second.backlog_files = 2;
        second.backlog_bytes = 2048;
        second.committed.rejected = 3;
        let lanes = [lane("public.a", LaneState::CaughtUp, 5), second];
        assert_eq!(
            lines_for(&lanes, &[0.0, 1500.4], 12),
            [
                "public.a       caught up            0 rows/s             5 committed",
                "public.orders  running          1,500 rows/s        12,345 committed · 2 files ahead (2.0 KiB) · 3 rejected",
                "2 tables: 1 running, 1 caught up · 1,500 rows/s · 12,350 committed · 2 files ahead (2.0 KiB) · 3 rejected",
            ]
        );
    }

    #[test]
    fn of_many_tables_those_are_shown_that_have_most_to_tell() {
        let mut lanes: Vec<LaneStatus> =
            (0..80).map(|n| lane(&format!("public.t{n:02}"), LaneState::CaughtUp, 1)).collect();
        lanes[50].state = LaneState::Quarantined { reason: "r".into() };
        lanes[60].state = LaneState::Running;
        let lines = lines_for(&lanes, &vec![0.0; 80], 2);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("public.t50  quarantined"));
        assert!(lines[1].starts_with("public.t60  running"));
        assert!(lines[2].starts_with("78 more not shown · 80 tables: 1 quarantined, 1 running, 78 caught up"));
    }

    #[test]
    fn how_far_a_key_index_is_can_be_seen() {
        let mut lanes = [lane("public.a", LaneState::Starting, 0)];
        lanes[0].index_progress = Some(IndexProgress { read: 2_000_000, rows: 10_000_000 });
        assert!(lines_for(&lanes, &[0.0], 12)[0].ends_with(" · key index 2,000,000 of 10,000,000 rows"));
    }

    #[test]
    fn rates_follow_what_was_committed() {
        let mut rates = Rates::default();
        rates.measure(&[lane("a.b", LaneState::Running, 100)], 0);
        rates.measure(&[lane("a.b", LaneState::Running, 1_100)], 1_000_000);
        assert_eq!(rates.per_second, [FRESHNESS * 1000.0]);
    }
}
