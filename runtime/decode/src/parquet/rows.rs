use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, make_array};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use sluice_change::{ColumnType, Op, Origin, Reject};

use super::coerce::coerce;
use super::layout::{Layout, Place};
use super::natural::{UnfitRows, to_natural};
use crate::Decoded;
use crate::filter::remove_rows;
use crate::parse::Unfit;
use crate::reject::{missing_key, quoted, reject};

/// Turns batches of a file into changes.
pub(super) struct RowReader<'a> {
    pub(super) layout: &'a Layout,
    pub(super) origin: &'a Arc<Origin>,
    /// What a row does that does not say; `None` where every row has to say it.
    pub(super) default_op: Option<Op>,
}

/// Bad rows, each with the column at fault and the reason; the first fault of a row counts.
type BadRows = BTreeMap<usize, (String, String)>;

impl RowReader<'_> {
    /// A batch of the file, whose first row is the record `first`, as changes.
    pub(super) fn read(&self, batch: &RecordBatch, first: u64) -> Result<Decoded, ArrowError> {
        let count = batch.num_rows();
        let mut bad = BadRows::new();
        let ops = self.ops(batch, &mut bad)?;
        let time = self.layout.time.as_ref().map(|place| column(place, batch, &ops, &mut bad)).transpose()?;
        let rows = record_batch(&self.layout.columns, batch, &ops, &mut bad)?;
        let before = match self.layout.before.as_slice() {
            [] => None,
            places => Some(record_batch(places, batch, &ops, &mut bad)?),
        };
        note_missing_keys(&self.layout.columns, &rows, &mut bad);
        let mut rejects: Vec<Reject> = Vec::with_capacity(bad.len());
        for (row, (column, reason)) in &bad {
            let raw = row_text(batch, *row)?;
            rejects.push(reject(self.origin, first + *row as u64, Some(column), reason.clone(), raw.as_bytes()));
        }
        let end = first + count as u64;
        let mut decoded = Decoded {
            rows,
            ops,
            row_numbers: Int64Array::from_iter_values(first as i64..end as i64),
            commit_times: time.map(|time| time.as_primitive::<TimestampMicrosecondType>().clone()),
            before,
            unsent: None,
            rejects,
            consumed: end - 1,
        };
        if !bad.is_empty() {
            remove_rows(&mut decoded, &bad.into_keys().collect::<Vec<_>>())?;
        }
        Ok(decoded)
    }

    fn ops(&self, batch: &RecordBatch, bad: &mut BadRows) -> Result<Vec<Op>, ArrowError> {
        let default = self.default_op.unwrap_or(Op::Insert);
        let Some(place) = &self.layout.op else {
            return Ok(vec![default; batch.num_rows()]);
        };
        let texts = column(place, batch, &[], bad)?;
        let op_of = |(row, text): (usize, Option<&str>)| match text {
            Some("I") => Op::Insert,
            Some("U") => Op::Update,
            Some("D") => Op::Delete,
            None if self.default_op.is_some() => default,
            other => {
                let other = other.map_or_else(|| "NULL".to_owned(), |other| quoted(other.as_bytes()));
                let reason = format!("{other} is no operation: expected I, U or D");
                bad.entry(row).or_insert_with(|| (place.column.name.clone(), reason));
                default
            }
        };
        Ok(texts.as_string::<i32>().iter().enumerate().map(op_of).collect())
    }
}

fn record_batch(
    places: &[Place],
    batch: &RecordBatch,
    ops: &[Op],
    bad: &mut BadRows,
) -> Result<RecordBatch, ArrowError> {
    let field = |place: &Place| Field::new(&place.column.name, place.column.column_type.arrow(), true);
    let schema = Schema::new(places.iter().map(field).collect::<Vec<_>>());
    let columns = places.iter().map(|place| column(place, batch, ops, bad)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
}

/// A column in the type in which it is given out.
fn column(place: &Place, batch: &RecordBatch, ops: &[Op], bad: &mut BadRows) -> Result<ArrayRef, ArrowError> {
    let array = batch.column(place.field);
    let wanted = place.column.column_type;
    let (mut strange, mut unfit) = (UnfitRows::new(), UnfitRows::new());
    let natural = to_natural(array, place.natural, &mut strange)?;
    let column = coerce(&natural, place.natural, wanted, &mut unfit)?;
    let faults = [(strange, place.natural), (unfit, wanted)];
    if faults.iter().any(|(rows, _)| !rows.is_empty()) {
        note_unfit(place, array, ops, faults, bad)?;
    }
    Ok(column)
}

/// Rows without all of their key are bad.
fn note_missing_keys(places: &[Place], rows: &RecordBatch, bad: &mut BadRows) {
    let keys = places.iter().zip(rows.columns()).filter(|(place, _)| place.key);
    let keys: Vec<(&str, &ArrayRef)> = keys.map(|(place, column)| (place.column.name.as_str(), column)).collect();
    if keys.iter().all(|(_, column)| column.logical_null_count() == 0) {
        return;
    }
    for row in 0..rows.num_rows() {
        let missing = keys.iter().filter(|(_, column)| column.is_null(row));
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        if let Some(first) = missing.first() {
            bad.entry(row).or_insert_with(|| ((*first).to_owned(), missing_key(&missing)));
        }
    }
}

#[cold]
fn note_unfit(
    place: &Place,
    array: &ArrayRef,
    ops: &[Op],
    faults: [(UnfitRows, ColumnType); 2],
    bad: &mut BadRows,
) -> Result<(), ArrowError> {
    for (rows, wanted) in faults {
        for (row, Unfit(why)) in rows {
            let value = value_text(array, row)?;
            // A delete need not fill more than the key; what it has instead may be an empty text.
            if value.is_empty() && !place.key && ops.get(row) == Some(&Op::Delete) {
                continue;
            }
            let reason = || format!("{} is no {wanted}: {why}", quoted(value.as_bytes()));
            bad.entry(row).or_insert_with(|| (place.column.name.clone(), reason()));
        }
    }
    Ok(())
}

/// A row as JSON, which stands for the bytes that a row of a columnar file does not have.
fn row_text(batch: &RecordBatch, row: usize) -> Result<String, ArrowError> {
    let mut text = String::from("{");
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if text.len() > 1 {
            text.push_str(", ");
        }
        push_json(&mut text, field.name());
        text.push_str(": ");
        let value = value_text(array, row)?;
        match array.data_type() {
            _ if array.is_null(row) => text.push_str("null"),
            DataType::Boolean => text.push_str(&value),
            number if number.is_integer() || number.is_decimal() => text.push_str(&value),
            _ => push_json(&mut text, &value),
        }
    }
    text.push('}');
    Ok(text)
}

/// A value as text, in UTC if it is an instant; one that no calendar has is written as the number that it is stored as.
fn value_text(array: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    let one = array.slice(row, 1);
    let one = match one.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            // The formatter knows zones as offsets only.
            let in_utc = DataType::Timestamp(*unit, Some(Arc::from("+00:00")));
            make_array(one.to_data().into_builder().data_type(in_utc).build()?)
        }
        _ => one,
    };
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(&one, &options)?.value(0).try_to_string() {
        Ok(text) => Ok(text),
        Err(_) => ArrayFormatter::try_new(&cast(&one, &DataType::Int64)?, &options)?.value(0).try_to_string(),
    }
}

fn push_json(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            // Writing to a string cannot fail.
            control if control < ' ' => drop(write!(text, "\\u{:04x}", control as u32)),
            other => text.push(other),
        }
    }
    text.push('"');
}
