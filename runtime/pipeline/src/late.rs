//! Changes that arrive after newer ones: the newer ones, which Bronze holds, keep the last word.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::{filter, filter_record_batch};
use sluice_change::{ChangeBatch, Op};
use sluice_lake::{LakeTable, ScanFilter};

use crate::bronze;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::live_rows;
use crate::merge::{self, Fold, changed_keys};
use crate::shaping::Shaping;
use crate::tables::Silver;

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;

/// Takes out of `fold` every key of which Bronze holds a later change than the last one of it here. `places` are those of
/// the rows that were folded. Rows of Bronze from number `below` on do not count.
pub async fn supersede(
    context: &LaneContext,
    log: &LakeTable,
    silver: &Silver,
    shaping: &Shaping,
    places: &[(&str, i64)],
    below: u64,
    fold: &mut Fold,
) -> Result<(), LaneError> {
    let Some(oldest) = places.iter().min() else { return Ok(()) };
    let names = if shaping.changes_rows() { bronze::logged_columns(log) } else { key_columns(log, silver) };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let filter = ScanFilter::Text { column: bronze::SOURCE_ORDER.to_owned(), from: oldest.0.to_owned(), to: None };
    let mut scan = log.scan(&names, filter, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        let Some(newer) = newer(oldest, places, &before(live_rows(&found)?, below)?, fold)? else { continue };
        if shaping.changes_rows() {
            supersede_by_shaped(context, log, silver, shaping, places, &newer, fold).await?;
        } else {
            supersede_by(silver, places, &newer, fold)?;
        }
    }
    Ok(())
}

/// Those of the rows of Bronze whose number is below this.
fn before(rows: RecordBatch, below: u64) -> Result<RecordBatch, ArrowError> {
    if below == u64::MAX {
        return Ok(rows);
    }
    let is_before = |number: Option<i64>| Some(number.is_some_and(|number| number.unsigned_abs() < below));
    let wanted: BooleanArray = bronze::sequences(&rows)?.iter().map(is_before).collect();
    if wanted.true_count() == rows.num_rows() { Ok(rows) } else { filter_record_batch(&rows, &wanted) }
}

/// What is read of Bronze where its rows have Silver's keys.
fn key_columns(log: &LakeTable, silver: &Silver) -> Vec<String> {
    let stored: Vec<String> = log.columns().into_iter().map(|column| column.name).collect();
    let before = silver.key.iter().map(|key| format!("{}{key}", bronze::BEFORE_PREFIX));
    let own = [bronze::OP, bronze::SOURCE_ORDER, bronze::SOURCE_ROW, bronze::SEQUENCE].map(str::to_owned);
    own.into_iter().chain(silver.key.iter().cloned()).chain(before.filter(|name| stored.contains(name))).collect()
}

/// The rows of Bronze that are newer than the oldest place, where there are any. What newer rows empty goes out of `fold`.
fn newer(
    oldest: &(&str, i64),
    places: &[(&str, i64)],
    log: &RecordBatch,
    fold: &mut Fold,
) -> Result<Option<RecordBatch>, LaneError> {
    let all = Log::of(log)?;
    let truncate = Op::Truncate.code();
    let is_truncate = |row: &usize| all.ops.value(*row) == truncate;
    let truncated = (0..log.num_rows()).filter(is_truncate).map(|row| all.place(row)).max();
    if let Some(truncated) = truncated.filter(|truncated| truncated > oldest) {
        fold.supersede_before_truncate(|row| places[row] < truncated);
    }
    let newer = |row: usize| all.place(row) > *oldest && !is_truncate(&row);
    let newer = BooleanArray::from_iter((0..log.num_rows()).map(|row| Some(newer(row))));
    Ok(if newer.true_count() == 0 { None } else { Some(filter_record_batch(log, &newer)?) })
}

/// The newer rows have Silver's keys themselves.
fn supersede_by(silver: &Silver, places: &[(&str, i64)], log: &RecordBatch, fold: &mut Fold) -> Result<(), LaneError> {
    let newer = Log::of(log)?;
    let keys = silver.key_columns(log)?;
    fold.supersede(&silver.extractor.extract(&keys)?, |index, row| newer.place(index) > places[row]);
    if let Some(before) = bronze::before_columns(log)?
        && let Some(changed) = changed_keys(&silver.extractor, &keys, &silver.key_columns(&before)?)?
    {
        fold.supersede(&changed.keys, |index, row| newer.place(changed.rows[index]) > places[row]);
    }
    Ok(())
}

/// Which keys of Silver the newer rows change only the transform can say; those that it rejects change none.
async fn supersede_by_shaped(
    context: &LaneContext,
    log: &LakeTable,
    silver: &Silver,
    shaping: &Shaping,
    places: &[(&str, i64)],
    newer: &RecordBatch,
    fold: &mut Fold,
) -> Result<(), LaneError> {
    let newer = bronze::read_back(newer, |name| log.current_name(name).map(str::to_owned))?;
    let (shaping, input) = (shaping.clone(), newer.input());
    let shaped = context.services.cpu.run(move || shaping.shape(input)).await?;
    let place = |row: usize| newer.place(shaped.sources.as_ref().map_or(row, |sources| sources.value(row) as usize));
    let keys = merge::key_columns(&shaped.part.rows, &silver.key)?;
    fold.supersede(&silver.extractor.extract(&keys)?, |index, row| place(index) > places[row]);
    if let Some(before) = &shaped.part.before
        && let Some(changed) = changed_keys(&silver.extractor, &keys, before)?
    {
        fold.supersede(&changed.keys, |index, row| place(changed.rows[index]) > places[row]);
    }
    Ok(())
}

/// Where rows of Bronze came from, and what they do.
struct Log<'a> {
    ops: &'a arrow_array::StringArray,
    orders: &'a arrow_array::StringArray,
    numbers: &'a arrow_array::Int64Array,
}

impl<'a> Log<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| Ok::<_, ArrowError>(rows.column(rows.schema_ref().index_of(name)?));
        Ok(Self {
            ops: column(bronze::OP)?.as_string(),
            orders: column(bronze::SOURCE_ORDER)?.as_string(),
            numbers: column(bronze::SOURCE_ROW)?.as_primitive(),
        })
    }

    fn place(&self, row: usize) -> (&'a str, i64) {
        (self.orders.value(row), self.numbers.value(row))
    }
}

/// The number of the last record of a file that Bronze holds, 0 if none: a file whose arrival was changed by `chmod` or by
/// copying it again looks late although all of it has been stored.
pub async fn stored_rows(log: &LakeTable, order: &str) -> Result<i64, LaneError> {
    let mut highest = 0;
    let mut found = Records::of(log, order, [bronze::SOURCE_ORDER, bronze::SOURCE_ROW]).await?;
    while let Some(numbers) = found.next().await? {
        highest = numbers.into_iter().fold(highest, i64::max);
    }
    Ok(highest)
}

/// The records of a file that are among the dead letters.
pub async fn stored_letters(letters: &LakeTable, order: &str) -> Result<HashSet<u64>, LaneError> {
    let mut all = HashSet::new();
    let mut found = Records::of(letters, order, ["source_order", "source_row"]).await?;
    while let Some(numbers) = found.next().await? {
        all.extend(numbers.into_iter().map(i64::unsigned_abs));
    }
    Ok(all)
}

/// The numbers of the records of one file that a table holds, a stretch at a time.
struct Records<'a> {
    scan: sluice_lake::Scan,
    order: &'a str,
}

impl<'a> Records<'a> {
    async fn of(table: &LakeTable, order: &'a str, [orders, numbers]: [&str; 2]) -> Result<Self, LaneError> {
        let (from, to) = (order.to_owned(), Some(order.to_owned()));
        let filter = ScanFilter::Text { column: orders.to_owned(), from, to };
        Ok(Self { scan: table.scan(&[orders, numbers], filter, SCAN_ROWS).await?, order })
    }

    async fn next(&mut self) -> Result<Option<Vec<i64>>, LaneError> {
        let Some(found) = self.scan.next().await? else { return Ok(None) };
        let rows = live_rows(&found)?;
        let (orders, numbers) = (rows.column(0).as_string::<i32>(), rows.column(1).as_primitive::<Int64Type>());
        let of_file = orders.iter().zip(numbers.values()).filter(|(order, _)| *order == Some(self.order));
        Ok(Some(of_file.map(|(_, number)| *number).collect()))
    }
}

/// Takes out of batches the records up to number `stored`, and the dead letters that are `known`. Returns how many rows
/// went.
pub fn drop_stored(batches: &mut [ChangeBatch], stored: i64, known: &HashSet<u64>) -> Result<usize, ArrowError> {
    let mut dropped = 0;
    for batch in batches {
        let is_new = |number: u64| number > stored.unsigned_abs() && !known.contains(&number);
        batch.rejects.retain(|reject| is_new(reject.row_number));
        let keep: Vec<bool> = batch.row_numbers.values().iter().map(|number| *number > stored).collect();
        if keep.iter().all(|keep| *keep) {
            continue;
        }
        dropped += keep.iter().filter(|keep| !**keep).count();
        batch.unsent = batch.unsent.take().and_then(|unsent| unsent.filter(|row| keep[row]));
        let mut kept = keep.iter();
        batch.ops.retain(|_| kept.next() == Some(&true));
        let mask = BooleanArray::from(keep);
        batch.rows = filter_record_batch(&batch.rows, &mask)?;
        batch.row_numbers = filter(&batch.row_numbers, &mask)?.as_primitive().clone();
        if let Some(times) = &batch.commit_times {
            batch.commit_times = Some(filter(times, &mask)?.as_primitive().clone());
        }
        if let Some(before) = &batch.before {
            batch.before = Some(filter_record_batch(before, &mask)?);
        }
    }
    Ok(dropped)
}
