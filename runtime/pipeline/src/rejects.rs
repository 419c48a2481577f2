//! The dead letters: their layout, and how they are stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, Schema};
use sluice_change::{ChangeCounts, Checkpoint, Column, ColumnType, Origin, Reject, SchemaChange};
use sluice_lake::{LakeColumn, LakeError, LakeTable, ScanFilter, TableChange};
use sluice_platform::failpoint;
use sluice_transform::Rejected;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::live_rows;
use crate::write::{epoch, land};
use crate::{row_json, tables};

const COLUMNS: [(&str, ColumnType, bool, &str); 8] = [
    ("source_file", ColumnType::String, true, "File or partition that the record came from"),
    ("source_row", ColumnType::Long, true, "Record number within the file, from 1"),
    ("source_order", ColumnType::String, true, "Sorts the files in the order in which their changes happened"),
    ("column", ColumnType::String, false, "Column at fault"),
    ("reason", ColumnType::String, true, "Why the record could not be taken in"),
    ("raw", ColumnType::Binary, true, "The record as it came; as JSON where a transform rejected it"),
    ("rejected_at", ColumnType::TimestampTz, true, "When it was set aside"),
    ("layout", ColumnType::String, false, "What its file says of the layout of its records, for a replay"),
];

/// The layout of a record that a transform rejected: it is in Bronze, and its replay begins there.
pub const IN_BRONZE: &str = "bronze";
/// The column that holds it.
const LAYOUT: &str = "layout";
/// Rows read at a time.
const SCAN_ROWS: usize = 16_384;

/// The columns of a dead-letter table.
pub fn columns() -> Vec<LakeColumn> {
    let column = |(name, column_type, required, doc): &(&str, ColumnType, bool, &str)| LakeColumn {
        name: (*name).to_owned(),
        column_type: *column_type,
        required: *required,
        doc: Some((*doc).to_owned()),
    };
    COLUMNS.iter().map(column).collect()
}

/// Whether an attempt which died before Bronze has stored a dead letter already: the same work, or other work that held
/// some of the same records.
fn is_stored(reject: &Reject, stored: Option<&Checkpoint>, work: &str) -> bool {
    let origin = &reject.origin;
    stored.is_some_and(|stored| {
        stored.commit_id == work || stored.position.remembers_row(&origin.partition, &origin.order, reject.row_number)
    })
}

/// What tells which dead letters are stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The position of their table, for records that are read for the first time.
    ByPosition,
    /// The letters themselves, for records that a transform rejected and that were read before.
    ByLetter,
    /// The same while another process may run the table: its position stays as it is.
    Beside,
}

/// Stores dead letters, those that are not stored yet. `letters` is made where it is missing. Returns how many were new.
pub async fn commit(
    context: &LaneContext,
    letters: &mut Option<LakeTable>,
    rejects: Vec<&Reject>,
    next: &Checkpoint,
    known: Known,
) -> Result<u64, LaneError> {
    if rejects.is_empty() {
        return Ok(0);
    }
    failpoint::hit("rejects.before-files");
    let mut table = match letters.take() {
        Some(table) => table,
        None => tables::create_rejects(context).await?,
    };
    if known == Known::Beside {
        table.refresh().await?;
    }
    let stored = table.checkpoint()?;
    let is_stored = |reject: &&Reject| is_stored(reject, stored.as_ref(), &next.commit_id);
    let (told, mut new): (Vec<&Reject>, Vec<&Reject>) = match known {
        Known::ByPosition => rejects.into_iter().partition(is_stored),
        Known::ByLetter | Known::Beside => (rejects, Vec::new()),
    };
    // Another transform may have let pass what this one rejects: only the letters themselves tell.
    let told: Vec<&Reject> = told.into_iter().filter(|reject| reject.layout.as_deref() == Some(IN_BRONZE)).collect();
    let held = held(&table, &told).await?;
    new.extend(told.into_iter().filter(|reject| !held.contains(&place(reject))));
    if !new.is_empty() {
        let schema = with_layout(&table);
        let rows = rows(&new, context.services.clock.now_us(), table.arrow_schema_after(&schema)?.as_ref())?;
        let encoder = table.encoder_after(&schema)?;
        let encoded = context.services.cpu.run(move || encoder.encode(&[rows])).await?;
        let files = table.store(encoded).await?;
        if known == Known::Beside {
            let count = new.len() as u64;
            let id = context.services.entropy.uuid().to_string();
            if let Err(error) = table.append_beside(&files, &schema, &id).await {
                if !matches!(error, LakeError::Unresolved { .. }) {
                    table.discard(files).await;
                }
                return Err(error.into());
            }
            *letters = Some(table);
            return Ok(count);
        }
        let expected = stored.clone();
        let mut position = next.position.clone();
        if let Some(stored) = &stored {
            // Not only what Bronze will cover: an attempt that died may have been further in some files.
            position.merge(&stored.position);
        }
        let epoch = stored.map_or(1, |stored| epoch(context, &stored));
        let counts = ChangeCounts { rejected: new.len() as u64, ..ChangeCounts::default() };
        let checkpoint = Checkpoint { position, epoch, counts, next_sequence: 0, ..next.clone() };
        land(&mut table, TableChange { files, schema, checkpoint, expected, ..TableChange::default() }).await?;
    }
    *letters = Some(table);
    Ok(new.len() as u64)
}

/// A table that an older sluice made has no column for the layout.
fn with_layout(table: &LakeTable) -> SchemaChange {
    let is_there = table.columns().iter().any(|column| column.name == LAYOUT);
    let added = if is_there { Vec::new() } else { vec![Column::new(LAYOUT, ColumnType::String)] };
    SchemaChange { added, ..SchemaChange::default() }
}

fn place(reject: &Reject) -> (&str, u64) {
    (&reject.origin.order, reject.row_number)
}

/// The places of those of `rejects` of which a transform's dead letter is stored.
async fn held<'a>(letters: &LakeTable, rejects: &[&'a Reject]) -> Result<HashSet<(&'a str, u64)>, LaneError> {
    let mut held = HashSet::new();
    let mut wanted: HashMap<&str, HashSet<u64>> = HashMap::new();
    for reject in rejects {
        wanted.entry(&reject.origin.order).or_default().insert(reject.row_number);
    }
    let orders = rejects.iter().map(|reject| reject.origin.order.as_str());
    let (Some(first), Some(last)) = (orders.clone().min(), orders.max()) else { return Ok(held) };
    if !with_layout(letters).is_empty() {
        return Ok(held);
    }
    let (column, from) = ("source_order".to_owned(), first.to_owned());
    let filter = ScanFilter::Text { column, from, to: Some(last.to_owned()) };
    let mut scan = letters.scan(&["source_order", "source_row", LAYOUT], filter, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        let rows = live_rows(&found)?;
        let (orders, layouts) = (rows.column(0).as_string::<i32>(), rows.column(2).as_string::<i32>());
        let numbers = rows.column(1).as_primitive::<Int64Type>();
        for row in (0..rows.num_rows()).filter(|row| layouts.is_valid(*row) && layouts.value(*row) == IN_BRONZE) {
            let number = numbers.value(row).unsigned_abs();
            let known = wanted.get_key_value(orders.value(row)).filter(|(_, wanted)| wanted.contains(&number));
            held.extend(known.map(|(order, _)| (*order, number)));
        }
    }
    Ok(held)
}

/// Dead letters of rows that a transform rejected. `place` gives the file of a row and its number there.
pub fn of_rows(
    rows: &RecordBatch,
    rejected: Vec<Rejected>,
    place: impl Fn(usize) -> (Arc<Origin>, u64),
) -> Result<Vec<Reject>, ArrowError> {
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    let layout: Arc<str> = Arc::from(IN_BRONZE);
    let texts = row_json::texts(rows, rejected.iter().map(|rejected| rejected.row as usize))?;
    let letters = rejected.into_iter().zip(texts).map(|(rejected, text)| {
        let (origin, row_number) = place(rejected.row as usize);
        let (column, reason) = (rejected.column, rejected.reason);
        Reject { origin, row_number, column, reason, raw: text.into(), layout: Some(Arc::clone(&layout)) }
    });
    Ok(letters.collect())
}

/// Rows of the dead-letter table.
fn rows(rejects: &[&Reject], rejected_us: i64, schema: &Schema) -> Result<RecordBatch, ArrowError> {
    let text = |get: fn(&Reject) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| get(reject))))
    };
    let numbers = rejects.iter().map(|reject| reject.row_number as i64);
    let columns: Vec<ArrayRef> = vec![
        text(|reject| &reject.origin.name),
        Arc::new(Int64Array::from_iter_values(numbers)),
        text(|reject| &reject.origin.order),
        Arc::new(StringArray::from_iter(rejects.iter().map(|reject| reject.column.as_deref()))),
        text(|reject| &reject.reason),
        Arc::new(BinaryArray::from_iter_values(rejects.iter().map(|reject| &reject.raw))),
        Arc::new(TimestampMicrosecondArray::from_value(rejected_us, rejects.len()).with_timezone("+00:00")),
        Arc::new(StringArray::from_iter(rejects.iter().map(|reject| reject.layout.as_deref()))),
    ];
    // The table's own order of columns, which a person may have changed.
    let ordered = schema.fields().iter().map(|field| {
        let place = COLUMNS.iter().position(|(name, ..)| name == field.name());
        place.map_or_else(
            || arrow_array::new_null_array(field.data_type(), rejects.len()),
            |place| Arc::clone(&columns[place]),
        )
    });
    RecordBatch::try_new(Arc::new(Schema::new(schema.fields().clone())), ordered.collect())
}
