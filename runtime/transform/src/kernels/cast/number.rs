//! Numbers and truth values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use sluice_change::ColumnType;

use crate::kernels::column::{Column, KernelError};
use crate::kernels::fill::{fill, fill_booleans};
use crate::kernels::number::decimal::{POWERS, fitting, rescaled};
use crate::kernels::number::shortest::Shortest;
use crate::kernels::number::{Kind, doubles, floats, longs};

/// The number in another type; `None` if one of the types is no number's.
pub(super) fn cast(of: &Column, to: ColumnType) -> Result<Option<ArrayRef>, KernelError> {
    let (from, array) = (of.column_type()?, of.array());
    if let (ColumnType::Boolean, ColumnType::Int | ColumnType::Long) = (from, to) {
        let values = array.as_boolean();
        return Ok(Some(match to {
            ColumnType::Int => Arc::new(each::<Int32Type>(array, |row| Some(values.value(row).into()))),
            _ => Arc::new(each::<Int64Type>(array, |row| Some(values.value(row).into()))),
        }));
    }
    if let (ColumnType::Int | ColumnType::Long, ColumnType::Boolean) = (from, to) {
        let values = longs(of)?;
        return Ok(Some(Arc::new(fill_booleans(array.len(), array.nulls().cloned(), |row| match values.value(row) {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }))));
    }
    let (Some(from), Some(wanted)) = (Kind::of_type(from), Kind::of_type(to)) else {
        return Ok(None);
    };
    Ok(Some(match to {
        ColumnType::Long if from == Kind::Int => Arc::new(longs(of)?),
        ColumnType::Int => Arc::new(units::<Int32Type>(of, 0, |units| units.try_into().ok())?),
        ColumnType::Long => Arc::new(units::<Int64Type>(of, 0, |units| units.try_into().ok())?),
        ColumnType::Decimal { precision, scale } => {
            let decimals = units::<Decimal128Type>(of, scale, |units| fitting(units, precision))?;
            Arc::new(decimals.with_data_type(to.arrow()))
        }
        ColumnType::Float if from > wanted => {
            let values = array.as_primitive::<Float64Type>().values();
            Arc::new(each::<Float32Type>(array, |row| {
                // NaN may come with bits that differ from processor to processor.
                let value = if values[row].is_nan() { f32::NAN } else { values[row] as f32 };
                (value.is_finite() || !values[row].is_finite()).then_some(value)
            }))
        }
        ColumnType::Float => Arc::new(floats(of)?),
        _ => Arc::new(doubles(of)?),
    }))
}

/// The number in units of a decimal, as `finish` gives it.
fn units<T: ArrowPrimitiveType>(
    of: &Column,
    scale: u8,
    finish: impl Fn(i128) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, KernelError> {
    let array = of.array();
    let power = POWERS[usize::from(scale)];
    Ok(match of.column_type()? {
        ColumnType::Int => {
            let values = array.as_primitive::<Int32Type>().values();
            each(array, |row| finish(i128::from(values[row]).checked_mul(power)?))
        }
        ColumnType::Long => {
            let values = array.as_primitive::<Int64Type>().values();
            each(array, |row| finish(i128::from(values[row]).checked_mul(power)?))
        }
        ColumnType::Decimal { scale: from, .. } => {
            let values = array.as_primitive::<Decimal128Type>().values();
            each(array, |row| finish(rescaled(values[row], from, scale)?))
        }
        ColumnType::Float => {
            let values = array.as_primitive::<Float32Type>().values();
            each(array, |row| finish(Shortest::of(values[row])?.units(scale)?))
        }
        ColumnType::Double => {
            let values = array.as_primitive::<Float64Type>().values();
            each(array, |row| finish(Shortest::of(values[row])?.units(scale)?))
        }
        _ => return Err(of.unfit("a number")),
    })
}

fn each<T: ArrowPrimitiveType>(array: &dyn Array, compute: impl Fn(usize) -> Option<T::Native>) -> PrimitiveArray<T> {
    fill(array.len(), array.nulls().cloned(), compute)
}
