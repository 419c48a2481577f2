//! Days and times.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use sluice_change::ColumnType;

use super::calendar::DAY;
use crate::kernels::column::{Column, KernelError};
use crate::kernels::fill::fill;

/// The day or time in another type, or as the number behind it; `None` if the types do not go together.
pub(super) fn cast(of: &Column, from: ColumnType, to: ColumnType) -> Result<Option<ArrayRef>, KernelError> {
    use ColumnType::{Date, Int, Long, Time, Timestamp, TimestampTz};
    let array = of.array();
    Ok(Some(match (from, to) {
        (Date, Int) => renamed::<Date32Type, Int32Type>(array, to),
        (Int, Date) => renamed::<Int32Type, Date32Type>(array, to),
        (Time, Long) => renamed::<Time64MicrosecondType, Int64Type>(array, to),
        (Long, Time) => {
            let values = array.as_primitive::<Int64Type>().values();
            let time = |row: usize| Some(values[row]).filter(|micros| (0..DAY).contains(micros));
            Arc::new(fill::<Time64MicrosecondType>(array.len(), array.nulls().cloned(), time))
        }
        (Timestamp | TimestampTz, Long) => renamed::<TimestampMicrosecondType, Int64Type>(array, to),
        (Long, Timestamp | TimestampTz) => renamed::<Int64Type, TimestampMicrosecondType>(array, to),
        (Timestamp, TimestampTz) | (TimestampTz, Timestamp) => {
            renamed::<TimestampMicrosecondType, TimestampMicrosecondType>(array, to)
        }
        (Date, Timestamp | TimestampTz) => {
            let values = array.as_primitive::<Date32Type>().values();
            let midnight = |row: usize| i64::from(values[row]).checked_mul(DAY);
            let array = fill::<TimestampMicrosecondType>(array.len(), array.nulls().cloned(), midnight);
            Arc::new(array.with_data_type(to.arrow()))
        }
        (Timestamp | TimestampTz, Date) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            // A day of 64-bit microseconds always fits 32 bits.
            Arc::new(micros.unary::<_, Date32Type>(|micros| micros.div_euclid(DAY) as i32))
        }
        (Timestamp | TimestampTz, Time) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            Arc::new(micros.unary::<_, Time64MicrosecondType>(|micros| micros.rem_euclid(DAY)))
        }
        _ => return Ok(None),
    }))
}

/// The same numbers under another type.
fn renamed<F, T>(array: &ArrayRef, to: ColumnType) -> ArrayRef
where
    F: ArrowPrimitiveType,
    T: ArrowPrimitiveType<Native = F::Native>,
{
    let array = array.as_primitive::<F>();
    let renamed = PrimitiveArray::<T>::new(array.values().clone(), array.nulls().cloned());
    Arc::new(renamed.with_data_type(to.arrow()))
}
