//! The dead letters' layout.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, Schema};
use sluice_change::{Checkpoint, ColumnType, Reject};
use sluice_lake::{LakeColumn, LakeTable};

const COLUMNS: [(&str, ColumnType, bool, &str); 8] = [
    ("source_file", ColumnType::String, true, "File or partition that the record came from"),
    ("source_row", ColumnType::Long, true, "Record number within the file, from 1"),
    ("source_order", ColumnType::String, true, "Sorts the files in the order in which their changes happened"),
    ("column", ColumnType::String, false, "Column at fault"),
    ("reason", ColumnType::String, true, "Why the record could not be taken in"),
    ("raw", ColumnType::Binary, true, "The record as it came"),
    ("rejected_at", ColumnType::TimestampTz, true, "When it was set aside"),
    ("layout", ColumnType::String, false, "What its file says of the layout of its records, for a replay"),
];

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

/// The dead letters that an attempt which died before Bronze has not stored already: the same work, or other work that
/// held some of the same records.
pub fn not_stored<'a>(
    rejects: impl Iterator<Item = &'a Reject>,
    stored: Option<&Checkpoint>,
    work: &str,
) -> Vec<&'a Reject> {
    let is_new = |reject: &&Reject| {
        let origin = &reject.origin;
        !stored.is_some_and(|stored| {
            stored.commit_id == work
                || stored.position.remembers_row(&origin.partition, &origin.order, reject.row_number)
        })
    };
    rejects.filter(is_new).collect()
}

/// Rows of the dead-letter table.
pub fn rows(rejects: &[&Reject], rejected_us: i64, table: &LakeTable) -> Result<RecordBatch, ArrowError> {
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
    let schema = table.arrow_schema();
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
