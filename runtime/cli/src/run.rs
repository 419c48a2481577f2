//! `sluice run`: all lanes until a signal, or until everything that is there has been committed.

use std::fmt::Write;
use std::sync::Arc;

use sluice_aws::{Notifications, QueueSettings};
use sluice_pipeline::{LaneState, LaneStatus, RunReport, Supervisor};
use sluice_source::DmsSource;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::config::Config;
use crate::exit::{Exit, LEFT_AT_ONCE};
use crate::grid::Grid;
use crate::outputs::Outputs;
use crate::progress::{self, state_word};
use crate::services::{Machine, StartError};
use crate::signals::Signals;
use crate::standing::Keeper;
use crate::words;

/// Runs, reports, and says how it ended.
pub(crate) async fn command(config: &Config, once: bool, json: bool, outputs: &Outputs) -> Result<Exit, StartError> {
    let report = take_in(config, once, outputs).await?;
    let exit = Exit::of_run(&report, once);
    if json {
        outputs.terminal.say_json(&report);
    } else if once || outputs.watched {
        outputs.terminal.say(&render(&report));
    }
    info!(code = exit as u8, "sluice ends");
    Ok(exit)
}

/// Runs the lanes, with progress lines where people are watching.
pub(crate) async fn take_in(config: &Config, once: bool, outputs: &Outputs) -> Result<RunReport, StartError> {
    let machine = Machine::new(config)?;
    let lanes = machine.lanes(config).await?;
    let source = Arc::new(machine.source(config, &lanes));
    let services = machine.services(config, Arc::<DmsSource>::clone(&source))?;
    if lanes.is_empty() {
        warn!(source = config.source_location, "the source holds no tables yet; start again when it does");
    }
    info!(tables = lanes.len(), source = config.source_location, warehouse = config.warehouse, once, "sluice starts");
    let stop = CancellationToken::new();
    let _signals = AbortOnDropHandle::new(tokio::spawn(obey_signals(stop.clone())));
    // A run that ends with what is there has no use for word of more.
    let queue = config.notifications.clone().filter(|_| !once);
    let _word = queue.map(|queue| AbortOnDropHandle::new(tokio::spawn(listen(&machine, queue, source, stop.clone()))));
    let supervisor = Supervisor::new(services, config.process, lanes);
    let drawing = outputs.watched.then(|| {
        tokio::spawn(progress::show(supervisor.status(), Arc::clone(&machine.clock), outputs.progress.clone()))
    });
    let keeper = Keeper::new(config, Arc::clone(&machine.clock), supervisor.status());
    let keeping = AbortOnDropHandle::new(tokio::spawn(keeper.keep()));
    let report = supervisor.run(once, stop).await;
    keeping.abort();
    // The last word is written once the task is gone.
    let _ = keeping.await;
    if let Some(drawing) = drawing {
        drawing.abort();
        // The lines are gone once the task is.
        let _ = drawing.await;
    }
    Ok(report)
}

/// Passes word of new files on to the source.
fn listen(
    machine: &Machine,
    queue: QueueSettings,
    source: Arc<DmsSource>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let notifications = Notifications::new(Arc::clone(&machine.aws), queue);
    async move { notifications.listen(stop, |location| source.notice(location)).await }
}

/// The first signal asks the lanes to stop, the second ends the process.
pub(crate) async fn obey_signals(stop: CancellationToken) {
    let Some(mut signals) = Signals::catch() else {
        warn!("signals cannot be caught; a signal ends the process at once, which loses nothing");
        return;
    };
    loop {
        let name = signals.next().await;
        if stop.is_cancelled() {
            warn!(signal = name, "leaving at once; what was not committed is read again by the next run");
            std::process::exit(LEFT_AT_ONCE);
        }
        warn!(signal = name, "stopping: batches in flight are finished first; a second signal leaves at once");
        stop.cancel();
    }
}

/// The report for people: a line a table, then what went wrong in words.
pub(crate) fn render(report: &RunReport) -> String {
    let mut grid = Grid::new(&[
        "table",
        "state",
        ">loads",
        ">inserts",
        ">updates",
        ">deletes",
        ">rejected",
        ">Silver rows",
        ">commits",
    ]);
    for lane in &report.lanes {
        let counts = &lane.committed;
        let numbers = [counts.loads, counts.inserts, counts.updates, counts.deletes, counts.rejected];
        let mut cells = vec![lane.table.to_string(), state_word(&lane.state)];
        cells.extend(numbers.iter().map(|number| words::count(*number)));
        cells.push(lane.silver_rows.map_or_else(|| "–".to_owned(), words::count));
        cells.push(words::count(lane.commits));
        grid.row(cells);
    }
    let mut text = grid.render();
    for lane in &report.lanes {
        for remark in remarks(lane) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "\n{}: {remark}", lane.table);
        }
    }
    text
}

fn remarks(lane: &LaneStatus) -> Vec<String> {
    let mut remarks = Vec::new();
    match &lane.state {
        LaneState::Retrying { reason, .. } => remarks.push(format!("failed: {reason}")),
        LaneState::Quarantined { reason } => remarks.push(format!("quarantined: {reason}")),
        LaneState::Fenced { reason } => remarks.push(format!("fenced: {reason}")),
        _ => {}
    }
    let mut counted = |count: u64, words: &str| {
        if count > 0 {
            remarks.push(format!("{words}: {}", words::count(count)));
        }
    };
    let rejected = "records that could not be taken in exactly and are in its dead letters";
    counted(lane.committed.rejected, &format!("{rejected} (`sluice rejects {}` shows them)", lane.table));
    counted(lane.replayed, "dead letters replayed");
    counted(lane.late_files, "late files: they came after files that sort behind them, and were taken in all the same");
    counted(lane.deletes_without_row, "deletes of keys that Silver did not hold");
    counted(
        lane.updates_without_row,
        "updates of keys that Silver did not hold (no insert seen, or a key changed unseen)",
    );
    counted(
        lane.unsent_without_row,
        "rows of keys that Silver did not hold, whose columns that were not sent are null",
    );
    counted(lane.committed.truncates, "truncates, each of which emptied Silver at its place");
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_per_table_what_was_done_and_what_went_wrong() {
        let mut orders = LaneStatus::new("public.orders".parse().unwrap());
        orders.state = LaneState::CaughtUp;
        orders.committed.loads = 1_200;
        orders.committed.rejected = 2;
        orders.silver_rows = Some(1_150);
        orders.commits = 3;
        let mut items = LaneStatus::new("public.items".parse().unwrap());
        items.state = LaneState::Quarantined { reason: "its folder cannot be listed".into() };
        let text = render(&RunReport { lanes: vec![items, orders] });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>()[..3], ["table", "state", "loads"]);
        assert!(lines[3].starts_with("public.orders  caught up    1,200"), "{text}");
        assert!(text.contains("public.items: quarantined: its folder cannot be listed"));
        assert!(text.contains(
            "public.orders: records that could not be taken in exactly and are in its dead letters (`sluice rejects \
                           public.orders` shows them): 2"
        ));
    }
}
