//! Types.

mod calendar;
mod number;
mod read;
mod temporal;
mod write;

use std::sync::Arc;

use arrow_array::{Array, BinaryArray, StringArray};
use sluice_change::ColumnType;

pub(super) use read::read;

use super::column::{Column, KernelError, Limits};

/// The column in another type; null where a value has no place in it.
///
/// Text is written and read as in the tables' CSV; `string` and `binary` cast to each other by their bytes. Numbers cast to
/// each other, digits that the new type has no room for rounded away, halves away from zero. `boolean` casts to and from
/// `int` and `long` (1 and 0), `date` to and from `timestamp` and `timestamptz` (midnight) and `int` (days), `time`,
/// `timestamp` and `timestamptz` to and from `long` (microseconds), both timestamps to each other (as UTC) and to `time`.
pub fn cast(of: &Column, to: ColumnType, limits: Limits) -> Result<Column, KernelError> {
    let from = of.column_type()?;
    let rows = of.array().len();
    if from == to {
        return Ok(of.clone());
    }
    limits.check(rows.saturating_mul(to.arrow().primitive_width().unwrap_or(0)))?;
    Ok(of.with_array(match (from, to) {
        (ColumnType::String, ColumnType::Binary) => Arc::new(BinaryArray::from(of.texts()?.clone())),
        (ColumnType::String, _) => read(of.texts()?, to)?,
        (_, ColumnType::String) => Arc::new(write::write(of, limits)?),
        _ if let Some(array) = number::cast(of, to)? => array,
        _ if let Some(array) = temporal::cast(of, from, to)? => array,
        _ => return Err(KernelError(format!("a `{from}` cannot be cast to `{to}`"))),
    }))
}

/// A constant: `value` as a cast from `string` reads it, `None` for null. A text that cannot be read is an error.
pub fn constant(column_type: ColumnType, value: Option<&str>) -> Result<Column, KernelError> {
    let array = read(&StringArray::from(vec![value]), column_type)?;
    match value {
        Some(value) if array.null_count() > 0 => Err(KernelError(format!("`{value}` is no `{column_type}`"))),
        _ => Column::constant(array),
    }
}
