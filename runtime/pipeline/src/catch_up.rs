//! Brings Silver up to Bronze: the rows of the log from Silver's own number on, in the log's order.

use arrow_array::RecordBatch;
use arrow_ord::sort::sort_to_indices;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use sluice_change::{ChangeCounts, Checkpoint, FileProgress, Mark, Position};
use sluice_lake::ScanFilter;
use tracing::info;

use crate::bronze::{self, LoggedChanges};
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::live_rows;
use crate::logged::{self, Target};
use crate::tables::{Bronze, Tables};
use crate::write::epoch;

/// Rows of the log read at a time.
const SCAN_ROWS: usize = 65_536;

/// Merges what Bronze holds and Silver does not, a bounded stretch at a time.
pub async fn catch_up(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    let end = tables.bronze.stored.next_sequence;
    let mut announced = false;
    while let Some(silver) = tables.silver.as_ref().filter(|silver| silver.stored.next_sequence < end) {
        let from = silver.stored.next_sequence;
        if !announced {
            info!(table = %context.table(), from, to = end, "Silver catches up from Bronze");
            announced = true;
        }
        let to = end.min(from + context.settings.batch.max_rows.max(1) as u64);
        let Some(rows) = read(&tables.bronze, from, to).await? else {
            return Err(LaneError::LogGap { table: context.table().clone(), from });
        };
        let now = |name: &str| tables.bronze.table.current_name(name).map(str::to_owned);
        let changes = bronze::read_back(&rows, now)?;
        let stretches = stretches(&changes, furthest(&silver.stored.position));
        for stretch in stretches {
            apply(context, tables, &changes, &stretch, end).await?;
        }
        if tables.silver.as_ref().is_some_and(|silver| silver.stored.next_sequence <= from) {
            return Err(LaneError::LogGap { table: context.table().clone(), from });
        }
    }
    Ok(())
}

/// Rows of the log with `from <= number < to`, in order of their numbers; `None` if there are none.
async fn read(log: &Bronze, from: u64, to: u64) -> Result<Option<RecordBatch>, LaneError> {
    let names = bronze::logged_columns(&log.table);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let filter = ScanFilter::Between { column: bronze::SEQUENCE.to_owned(), from: from as i64, to: to as i64 - 1 };
    let mut scan = log.table.scan(&names, filter, SCAN_ROWS).await?;
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
    tables: &mut Tables,
    changes: &LoggedChanges,
    stretch: &Stretch,
    end: u64,
) -> Result<(), LaneError> {
    let Tables { schema: source, bronze: log, silver: Some(silver), rejects: letters } = tables else { return Ok(()) };
    let changes = changes.slice(stretch.start, stretch.end - stretch.start);
    let mut counts = ChangeCounts::default();
    counts.add_ops(&changes.ops);
    let last = changes.len() - 1;
    let next_sequence = changes.sequences.value(last) as u64 + 1;
    let position = if next_sequence == end {
        log.stored.position.clone()
    } else {
        let (order, number) = changes.place(last);
        passed(&silver.stored.position, &log.stored.position, order, number)
    };
    let next = Checkpoint {
        position,
        next_sequence,
        commit_id: format!("{}-{next_sequence}", log.stored.commit_id),
        writer: context.writer.clone(),
        epoch: epoch(context, &silver.stored),
        transform: silver.transform.digest().map(str::to_owned),
        bronze_snapshot: log.table.snapshot_id(),
        counts,
        source_times: None,
    };
    let target = Target { source, log: &log.table, silver, letters };
    logged::apply(context, target, changes, stretch.late, next).await?;
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
