//! Bronze's own columns in a sample.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use sluice_change::{ColumnType, Op, UnsentBuilder};
use sluice_transform::Input;

const OP: &str = "_op";
const SEQUENCE: &str = "_seq";
const COMMIT_TIME: &str = "_commit_ts";
const UNSENT: &str = "_unsent";
/// Begins the names of columns with values before the change.
pub(super) const BEFORE_PREFIX: &str = "_before_";
/// The others say where a row came from, which no transform sees.
const META: [(&str, ColumnType); 8] = [
    (OP, ColumnType::String),
    (COMMIT_TIME, ColumnType::TimestampTz),
    (UNSENT, ColumnType::String),
    (SEQUENCE, ColumnType::Long),
    ("_source_file", ColumnType::String),
    ("_source_row", ColumnType::Long),
    ("_source_order", ColumnType::String),
    ("_ingested_at", ColumnType::TimestampTz),
];

/// The type of one of Bronze's own columns.
pub(super) fn meta_type(name: &str) -> Option<ColumnType> {
    META.iter().find(|(meta, _)| *meta == name).map(|(_, column_type)| *column_type)
}

/// Rows of the log as a transform gets them. What is wrong with them is said in words.
pub fn from_log(rows: &RecordBatch) -> Result<Input, String> {
    let count = rows.num_rows();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if let Some(wanted) = meta_type(field.name())
            && *column.data_type() != wanted.arrow()
        {
            return Err(format!("column `{}` is {} and has to be {wanted}", field.name(), column.data_type()));
        }
    }
    let ops = match rows.column_by_name(OP) {
        Some(codes) => ops(codes)?,
        None => vec![Op::Insert; count],
    };
    let ordinals = match rows.column_by_name(SEQUENCE) {
        Some(numbers) if numbers.null_count() == 0 => numbers.as_primitive::<Int64Type>().clone(),
        Some(_) => return Err(format!("column `{SEQUENCE}` has no value in some row")),
        None => Int64Array::from_iter_values(0..count as i64),
    };
    let times = rows.column_by_name(COMMIT_TIME).map(|times| times.as_primitive::<TimestampMicrosecondType>().clone());
    let own = pick(rows, false)?;
    let before = pick(rows, true)?;
    for field in before.schema().fields() {
        if own.column_by_name(field.name()).is_none() {
            return Err(format!("there is `{BEFORE_PREFIX}{0}` and no column `{0}`", field.name()));
        }
    }
    let unsent = match rows.column_by_name(UNSENT) {
        Some(names) => unsent(names, &own)?,
        None => UnsentBuilder::default(),
    };
    let schema = own.schema();
    let unsent = unsent.finish(|column| schema.field(column as usize).name().clone());
    let before = (before.num_columns() > 0).then_some(before);
    Ok(Input { rows: own, ops, ordinals, times, before, unsent })
}

fn ops(codes: &ArrayRef) -> Result<Vec<Op>, String> {
    let codes = codes.as_string::<i32>();
    let op = |(row, code): (usize, Option<&str>)| match code.map(|code| Op::from_code(code.as_bytes())) {
        None => Ok(Op::Insert),
        Some(Some(op)) if op != Op::Truncate => Ok(op),
        Some(_) => Err(format!(
            "row {}: `{}` in column `{OP}` is none of L (full load), I (insert), U (update) and D (delete)",
            row + 1,
            code.unwrap_or_default()
        )),
    };
    codes.iter().enumerate().map(op).collect()
}

fn unsent(names: &ArrayRef, own: &RecordBatch) -> Result<UnsentBuilder, String> {
    let mut builder = UnsentBuilder::default();
    for (row, names) in names.as_string::<i32>().iter().enumerate() {
        let names = names.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let number = |name: &str| {
            let number = own.schema().index_of(name);
            number
                .map(|number| number as u32)
                .map_err(|_| format!("row {}: column `{UNSENT}` names `{name}`, and there is no such column", row + 1))
        };
        let mut columns = names.map(number).collect::<Result<Vec<u32>, String>>()?;
        columns.sort_unstable();
        columns.dedup();
        builder.push(&columns);
    }
    Ok(builder)
}

/// The table's own columns, or those with values before the change under the names of these.
fn pick(rows: &RecordBatch, before: bool) -> Result<RecordBatch, String> {
    let schema = rows.schema();
    let chosen =
        schema.fields().iter().zip(rows.columns()).filter(|(field, _)| {
            meta_type(field.name()).is_none() && field.name().starts_with(BEFORE_PREFIX) == before
        });
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = chosen
        .map(|(field, column)| {
            let name = field.name().strip_prefix(BEFORE_PREFIX).unwrap_or(field.name());
            (Field::new(name, field.data_type().clone(), true), Arc::clone(column))
        })
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| error.to_string())
}
