//! Brings Silver up to Bronze: the rows of the log from Silver's own number on, in the log's order.

use arrow_array::{Array, RecordBatch};
use arrow_ord::sort::sort_to_indices;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use sluice_change::{ChangeCounts, Checkpoint, FileProgress, Mark, Position, TableSchema, conform};
use sluice_lake::ScanFilter;
use tracing::info;

use crate::bronze::{self, LoggedChanges};
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index_build::{follow_key, live_rows};
use crate::late;
use crate::merge::{MergePart, UnsentCells};
use crate::tables::{Bronze, Silver};
use crate::write::{commit_silver, epoch, fold, merge};

/// Rows of the log read at a time.
const SCAN_ROWS: usize = 65_536;

/// Merges what Bronze holds and Silver does not, a bounded stretch at a time.
pub async fn catch_up(
    context: &LaneContext,
    log: &Bronze,
    silver: &mut Silver,
    source: &TableSchema,
) -> Result<(), LaneError> {
    let end = log.stored.next_sequence;
    if silver.stored.next_sequence < end {
        info!(
            table = %context.table(), from = silver.stored.next_sequence, to = end,
            "Silver catches up from Bronze"
        );
    }
    while silver.stored.next_sequence < end {
        let from = silver.stored.next_sequence;
        let to = end.min(from + context.settings.batch.max_rows.max(1) as u64);
        let Some(rows) = read(log, from, to).await? else {
            return Err(LaneError::LogGap { table: context.table().clone(), from });
        };
        let now = |name: &str| log.table.current_name(name).map(str::to_owned);
        let changes = bronze::read_back(&rows, now)?;
        let stretches = stretches(&changes, furthest(&silver.stored.position));
        for stretch in stretches {
            apply(context, log, silver, source, &changes, &stretch, end).await?;
        }
        if silver.stored.next_sequence <= from {
            return Err(LaneError::LogGap { table: context.table().clone(), from });
        }
    }
    Ok(())
}

/// Rows of the log with `from <= number < to`, in order of their numbers; `None` if there are none.
async fn read(log: &Bronze, from: u64, to: u64) -> Result<Option<RecordBatch>, LaneError> {
    let names: Vec<String> = log.table.columns().into_iter().map(|column| column.name).collect();
    let unused = [bronze::SOURCE_FILE, bronze::COMMIT_TIME, bronze::INGESTED_AT];
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !unused.contains(name)).collect();
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
    for row in 0..changes.orders.len() {
        let order = changes.orders.value(row);
        let place = (order, changes.numbers.value(row));
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
    log: &Bronze,
    silver: &mut Silver,
    source: &TableSchema,
    changes: &LoggedChanges,
    stretch: &Stretch,
    end: u64,
) -> Result<(), LaneError> {
    let length = stretch.end - stretch.start;
    let schema = silver.change_for(context, source)?;
    follow_key(context, silver, &schema).await?;
    let rows = conform(&changes.rows.slice(stretch.start, length), &silver.row_schema(&schema)?)?;
    let before = match &changes.before {
        Some(before) => Some(silver.key_columns(&before.slice(stretch.start, length))?),
        None => None,
    };
    let ops = changes.ops[stretch.start..stretch.end].to_vec();
    let mut counts = ChangeCounts::default();
    counts.add_ops(&ops);
    let unsent = changes.unsent.as_ref().and_then(|unsent| unsent.slice(stretch.start, length));
    let unsent = unsent.and_then(|unsent| UnsentCells::of(&unsent, &rows));
    let mut fold = fold(context, silver, vec![MergePart { rows, ops, before, unsent }]).await?;
    if stretch.late {
        let place = |row: usize| (changes.orders.value(row), changes.numbers.value(row));
        let places: Vec<(&str, i64)> = (stretch.start..stretch.end).map(place).collect();
        late::supersede(&log.table, silver, &places, &mut fold).await?;
    }
    let next_sequence = changes.sequences.value(stretch.end - 1) as u64 + 1;
    let position = if next_sequence == end {
        log.stored.position.clone()
    } else {
        let last = stretch.end - 1;
        passed(&silver.stored.position, &log.stored.position, changes.orders.value(last), changes.numbers.value(last))
    };
    let next = Checkpoint {
        position,
        next_sequence,
        commit_id: format!("{}-{next_sequence}", log.stored.commit_id),
        writer: context.writer.clone(),
        epoch: epoch(context, &silver.stored),
        transform: context.transform.digest().map(str::to_owned),
        bronze_snapshot: log.table.snapshot_id(),
        counts,
        source_times: None,
    };
    let merged = merge(context, silver, &schema, fold).await?;
    commit_silver(context, silver, merged, schema, next).await
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
