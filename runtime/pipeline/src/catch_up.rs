//! Brings Silver up to Bronze: the rows of the log from Silver's own number on, in the log's order.

use arrow_array::RecordBatch;
use arrow_ord::sort::sort_to_indices;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use sluice_change::{ChangeCounts, Checkpoint, FileProgress, Mark, Position};
use sluice_lake::{LakeTable, ScanFilter};
use tracing::info;

use crate::bronze::{self, LoggedChanges};
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::live_rows;
use crate::logged::{self, Target};
use crate::rejects::Known;
use crate::tables::Tables;
use crate::write::epoch;

/// Rows of the log read at a time.
const SCAN_ROWS: usize = 65_536;

/// How far Silver is to come.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The number up to which it includes the log.
    pub next_sequence: u64,
    /// The position that it has then.
    pub position: Position,
    /// Names the work.
    pub name: String,
}

/// Merges what Bronze holds and Silver does not.
pub async fn catch_up(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    let Tables { schema: source, bronze, silver: Some(silver), rejects: letters } = tables else { return Ok(()) };
    let stored = &bronze.stored;
    let goal =
        Goal { next_sequence: stored.next_sequence, position: stored.position.clone(), name: stored.commit_id.clone() };
    let anew = goal.position.generation() > silver.stored.position.generation();
    let mut target = Target { source, log: &bronze.table, silver, letters, known: Known::ByLetter, anew };
    let from = target.silver.stored.next_sequence;
    if from < goal.next_sequence {
        info!(table = %context.table(), from, to = goal.next_sequence, "Silver catches up from Bronze");
    }
    while step(context, &mut target, &goal).await? {}
    Ok(())
}

/// Merges the next bounded stretch of the log; `false` once Silver has come to its goal.
pub async fn step(context: &LaneContext, target: &mut Target<'_>, goal: &Goal) -> Result<bool, LaneError> {
    let from = target.silver.stored.next_sequence;
    if from >= goal.next_sequence {
        return Ok(false);
    }
    let to = goal.next_sequence.min(from + context.settings.batch.max_rows.max(1) as u64);
    let gap = || LaneError::LogGap { table: context.table().clone(), from };
    let rows = read(target.log, from, to).await?.ok_or_else(gap)?;
    let now = |name: &str| target.log.current_name(name).map(str::to_owned);
    let changes = bronze::read_back(&rows, now)?;
    for stretch in stretches(&changes, furthest(&target.silver.stored.position)) {
        apply(context, target, &changes, &stretch, goal).await?;
    }
    if target.silver.stored.next_sequence <= from { Err(gap()) } else { Ok(true) }
}

/// Rows of the log with `from <= number < to`, in order of their numbers; `None` if there are none.
async fn read(log: &LakeTable, from: u64, to: u64) -> Result<Option<RecordBatch>, LaneError> {
    let names = bronze::logged_columns(log);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let filter = ScanFilter::Between { column: bronze::SEQUENCE.to_owned(), from: from as i64, to: to as i64 - 1 };
    let mut scan = log.scan(&names, filter, SCAN_ROWS).await?;
    let mut batches = Vec::new();
    while let Some(found) = scan.next().await? {
        let rows = live_rows(&found)?;
        let sequences = bronze::sequences(&rows)?;
        let wanted = sequences.iter().map(|number| Some(number.is_some_and(|n| (from..to).contains(&(n as u64)))));
        let batch = filter_record_batch(&rows, &wanted.collect())?;
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    let Some(first) = batches.first() else { return Ok(None) };
    let all = concat_batches(&first.schema(), &batches)?;
    let order = sort_to_indices(&bronze::sequences(&all)?, None, None)?;
    Ok(Some(take_record_batch(&all, &order)?))
}

/// Rows that may be merged together: in order throughout, or all from one file and late or replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    start: usize,
    end: usize,
    late: bool,
}

/// The furthest record that a position covers: its file's order and its number there.
fn furthest(position: &Position) -> Option<(String, i64)> {
    let of = |(partition, mark): (&str, &Mark)| {
        let order = position.furthest_file(partition).filter(|_| matches!(mark, Mark::Files(_)))?;
        let rows = match position.file(partition, order, i64::MIN) {
            FileProgress::Rows(rows) => i64::try_from(rows).unwrap_or(i64::MAX),
            FileProgress::Whole | FileProgress::Unseen => i64::MAX,
        };
        Some((order.to_owned(), rows))
    };
    position.marks().filter_map(of).max()
}

fn stretches(changes: &LoggedChanges, furthest: Option<(String, i64)>) -> Vec<Stretch> {
    let (mut furthest, mut number) = furthest.unwrap_or_default();
    let mut found: Vec<Stretch> = Vec::new();
    for row in 0..changes.len() {
        let place = changes.place(row);
        let order = place.0;
        let late = place <= (furthest.as_str(), number);
        let same =
            found.last().is_some_and(|last| last.late == late && (!late || changes.orders.value(last.start) == order));
        match found.last_mut() {
            Some(last) if same => last.end = row + 1,
            _ => found.push(Stretch { start: row, end: row + 1, late }),
        }
        if !late {
            if order != furthest {
                furthest.clear();
                furthest.push_str(order);
            }
            number = place.1;
        }
    }
    found
}

async fn apply(
    context: &LaneContext,
    target: &mut Target<'_>,
    changes: &LoggedChanges,
    stretch: &Stretch,
    goal: &Goal,
) -> Result<(), LaneError> {
    let stored = &target.silver.stored;
    let changes = changes.slice(stretch.start, stretch.end - stretch.start);
    let mut counts = ChangeCounts::default();
    counts.add_ops(&changes.ops);
    let last = changes.len() - 1;
    let next_sequence = changes.sequences.value(last) as u64 + 1;
    let position = if next_sequence == goal.next_sequence {
        goal.position.clone()
    } else {
        let (order, number) = changes.place(last);
        passed(&stored.position, &goal.position, order, number)
    };
    let next = Checkpoint {
        position,
        next_sequence,
        commit_id: format!("{}-{next_sequence}", goal.name),
        writer: context.writer.clone(),
        epoch: epoch(context, stored),
        transform: target.silver.transform.digest().map(str::to_owned),
        bronze_snapshot: target.log.snapshot_id(),
        counts,
        source_times: None,
    };
    // What came later had not been there when this was late, and is merged after it.
    let late = stretch.late.then(|| changes.sequences.value(0).unsigned_abs());
    logged::apply(context, target, changes, late, next).await?;
    Ok(())
}

/// Silver's position half-way: it only has to remember the furthest record, so that late ones are told apart after a
/// crash.
fn passed(silver: &Position, log: &Position, order: &str, number: i64) -> Position {
    let mut position = silver.clone();
    if let Some((partition, _)) = log.marks().find(|(_, mark)| matches!(mark, Mark::Files(_))) {
        position.advance_file(partition, order, 0, number.unsigned_abs(), false);
    }
    position
}
