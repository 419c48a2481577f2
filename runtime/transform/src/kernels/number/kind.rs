//! The types of numbers, from narrow to wide.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, PrimitiveArray};
use sluice_change::ColumnType;

use super::decimal;
use crate::kernels::column::{Column, KernelError};

/// What a number is; of two, both become the wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kernels) enum Kind {
    Int,
    Long,
    Decimal,
    Float,
    Double,
}

impl Kind {
    /// Of a type, if it is a number's.
    pub fn of_type(column_type: ColumnType) -> Option<Self> {
        Some(match column_type {
            ColumnType::Int => Kind::Int,
            ColumnType::Long => Kind::Long,
            ColumnType::Decimal { .. } => Kind::Decimal,
            ColumnType::Float => Kind::Float,
            ColumnType::Double => Kind::Double,
            _ => return None,
        })
    }

    /// Of a column of numbers.
    pub fn of(column: &Column) -> Result<Self, KernelError> {
        Self::of_type(column.column_type()?).ok_or_else(|| column.unfit("a number"))
    }

    /// The one that both become.
    pub fn wider(left: &Column, right: &Column) -> Result<Self, KernelError> {
        Ok(Self::of(left)?.max(Self::of(right)?))
    }
}

fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<&PrimitiveArray<T>> {
    array.as_primitive_opt::<T>()
}

fn too_wide(column: &Column) -> KernelError {
    column.unfit("a narrower number")
}

/// Values as `int`.
pub(in crate::kernels) fn ints(column: &Column) -> Result<Int32Array, KernelError> {
    values::<Int32Type>(column.array()).cloned().ok_or_else(|| too_wide(column))
}

/// Values as `long`; never out of range.
pub(in crate::kernels) fn longs(column: &Column) -> Result<Int64Array, KernelError> {
    if let Some(ints) = values::<Int32Type>(column.array()) {
        return Ok(ints.unary(i64::from));
    }
    values::<Int64Type>(column.array()).cloned().ok_or_else(|| too_wide(column))
}

/// Values as decimals: the units, the precision and the scale.
pub(in crate::kernels) fn decimals(column: &Column) -> Result<(Decimal128Array, u8, u8), KernelError> {
    let array = column.array();
    if let Some(ints) = values::<Int32Type>(array) {
        return Ok((ints.unary::<_, Decimal128Type>(i128::from), 10, 0));
    }
    if let Some(longs) = values::<Int64Type>(array) {
        return Ok((longs.unary::<_, Decimal128Type>(i128::from), 19, 0));
    }
    let found = values::<Decimal128Type>(array).ok_or_else(|| too_wide(column))?;
    match column.column_type()? {
        ColumnType::Decimal { precision, scale } => Ok((found.clone(), precision, scale)),
        _ => Err(too_wide(column)),
    }
}

/// Values as the nearest `float`.
pub(in crate::kernels) fn floats(column: &Column) -> Result<Float32Array, KernelError> {
    let array = column.array();
    if let Some(ints) = values::<Int32Type>(array) {
        return Ok(ints.unary(|value| value as f32));
    }
    if let Some(longs) = values::<Int64Type>(array) {
        return Ok(longs.unary(|value| value as f32));
    }
    if let Some(floats) = values::<Float32Type>(array) {
        return Ok(floats.clone());
    }
    let (units, _, scale) = decimals(column)?;
    Ok(units.unary(|units| decimal::float(units, scale)))
}

/// Values as the nearest `double`.
pub(in crate::kernels) fn doubles(column: &Column) -> Result<Float64Array, KernelError> {
    let array = column.array();
    if let Some(ints) = values::<Int32Type>(array) {
        return Ok(ints.unary(f64::from));
    }
    if let Some(longs) = values::<Int64Type>(array) {
        return Ok(longs.unary(|value| value as f64));
    }
    if let Some(floats) = values::<Float32Type>(array) {
        // NaN may come with bits that differ from processor to processor.
        return Ok(floats.unary(|value| if value.is_nan() { f64::NAN } else { f64::from(value) }));
    }
    if let Some(doubles) = values::<Float64Type>(array) {
        return Ok(doubles.clone());
    }
    let (units, _, scale) = decimals(column)?;
    Ok(units.unary(|units| decimal::double(units, scale)))
}
