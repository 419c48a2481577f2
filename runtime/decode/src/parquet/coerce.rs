//! Columns become columns of the types that the table has: exactly, or the row is told to be unfit.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};
use sluice_change::ColumnType;

use super::natural::{UnfitRows, convert, finish};
use crate::parse::{self, Unfit, rescale};

const DAY: i64 = 86_400_000_000;

const INEXACT: Unfit = Unfit("it cannot be represented exactly");
const OUT_OF_RANGE: Unfit = Unfit("it is out of range");
const HAS_TIME: Unfit = Unfit("it has a time of day");
const NOT_UTF8: Unfit = Unfit("it is not valid UTF-8");
const NO_TRUTH: Unfit = Unfit("expected 0 or 1");

/// Whether there are values of one type that are values of the other.
pub(super) fn can_coerce(from: ColumnType, to: ColumnType) -> bool {
    use ColumnType::{Boolean, Date, Decimal, Double, Float, Int, Long, String, Timestamp, TimestampTz};
    from == to
        || matches!(
            (from, to),
            (_, String)
                | (String, _)
                | (Int | Long | Decimal { .. }, Int | Long | Decimal { .. })
                | (Int | Long | Float | Double, Float | Double)
                | (Boolean, Int | Long)
                | (Int | Long, Boolean)
                | (Date | Timestamp | TimestampTz, Timestamp | TimestampTz)
                | (Timestamp | TimestampTz, Date)
        )
}

/// Brings a column in the Arrow type of `from` into that of `to`.
pub(super) fn coerce(
    array: &ArrayRef,
    from: ColumnType,
    to: ColumnType,
    unfit: &mut UnfitRows,
) -> Result<ArrayRef, ArrowError> {
    use ColumnType::{Binary, Boolean, Date, Decimal, Double, Float, Int, Long, String, Timestamp, TimestampTz};
    let wanted = to.arrow();
    Ok(match (from, to) {
        (from, to) if from == to => Arc::clone(array),
        (Binary, String) => text_of_bytes(array, unfit),
        (String, to) => of_text(array, to, unfit),
        (Int | Boolean, Long) | (Boolean, Int) | (Float, Double) | (_, String) => cast(array, &wanted)?,
        (Int | Long, Decimal { precision, scale }) => {
            let longs = cast(array, &DataType::Int64)?;
            let units = |value: i64| rescale(i128::from(value), 0, precision, scale).map_err(|_| OUT_OF_RANGE);
            finish(convert::<Int64Type, Decimal128Type>(&longs, unfit, units), wanted)
        }
        (Long, Int) => {
            let narrow = |value: i64| i32::try_from(value).map_err(|_| OUT_OF_RANGE);
            finish(convert::<Int64Type, Int32Type>(array, unfit, narrow), wanted)
        }
        (Decimal { scale: from, .. }, Decimal { precision, scale }) => {
            let units = |value: i128| rescale(value, from as i8, precision, scale);
            finish(convert::<Decimal128Type, Decimal128Type>(array, unfit, units), wanted)
        }
        (Decimal { scale, .. }, Int) => {
            let whole = |value: i128| i32::try_from(rescale(value, scale as i8, 38, 0)?).map_err(|_| OUT_OF_RANGE);
            finish(convert::<Decimal128Type, Int32Type>(array, unfit, whole), wanted)
        }
        (Decimal { scale, .. }, _) => {
            let whole = |value: i128| i64::try_from(rescale(value, scale as i8, 38, 0)?).map_err(|_| OUT_OF_RANGE);
            finish(convert::<Decimal128Type, Int64Type>(array, unfit, whole), wanted)
        }
        (Int | Long, Float) => {
            let longs = cast(array, &DataType::Int64)?;
            let near = |value: i64| exact(value, value as f32, |near| near as i128);
            finish(convert::<Int64Type, Float32Type>(&longs, unfit, near), wanted)
        }
        (Int | Long, Double) => {
            let longs = cast(array, &DataType::Int64)?;
            let near = |value: i64| exact(value, value as f64, |near| near as i128);
            finish(convert::<Int64Type, Float64Type>(&longs, unfit, near), wanted)
        }
        (Double, _) => {
            let narrow = |value: f64| match value as f32 {
                near if f64::from(near) == value || value.is_nan() => Ok(near),
                _ => Err(INEXACT),
            };
            finish(convert::<Float64Type, Float32Type>(array, unfit, narrow), wanted)
        }
        (Int | Long, _) => truth(&cast(array, &DataType::Int64)?, unfit),
        (Date, _) => {
            let midnight = |days: i32| Ok(i64::from(days) * DAY);
            finish(convert::<Date32Type, TimestampMicrosecondType>(array, unfit, midnight), wanted)
        }
        (Timestamp | TimestampTz, Date) => {
            let day = |micros: i64| match micros.rem_euclid(DAY) {
                0 => i32::try_from(micros.div_euclid(DAY)).map_err(|_| OUT_OF_RANGE),
                _ => Err(HAS_TIME),
            };
            finish(convert::<TimestampMicrosecondType, Date32Type>(array, unfit, day), wanted)
        }
        // What has no zone is in UTC, as everywhere in sluice.
        (Timestamp | TimestampTz, _) => finish(array.as_primitive::<TimestampMicrosecondType>().clone(), wanted),
        // `can_coerce` has refused every other pair before a row was read.
        _ => cast(array, &wanted)?,
    })
}

/// A whole number as the nearest float, if it comes back from that.
fn exact<T: Copy>(value: i64, near: T, back: impl Fn(T) -> i128) -> Result<T, Unfit> {
    if back(near) == i128::from(value) { Ok(near) } else { Err(INEXACT) }
}

fn truth(longs: &ArrayRef, unfit: &mut UnfitRows) -> ArrayRef {
    let longs = longs.as_primitive::<Int64Type>();
    let values = longs.iter().enumerate().map(|(row, value)| match value {
        Some(0) => Some(false),
        Some(1) => Some(true),
        None => None,
        Some(_) => {
            unfit.push((row, NO_TRUTH));
            None
        }
    });
    Arc::new(values.collect::<BooleanArray>())
}

fn text_of_bytes(array: &ArrayRef, unfit: &mut UnfitRows) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(array.len(), 0);
    for (row, bytes) in array.as_binary::<i32>().iter().enumerate() {
        let text = bytes.map(std::str::from_utf8).transpose();
        builder.append_option(text.unwrap_or_else(|_| {
            unfit.push((row, NOT_UTF8));
            None
        }));
    }
    Arc::new(builder.finish())
}

fn of_text(array: &ArrayRef, to: ColumnType, unfit: &mut UnfitRows) -> ArrayRef {
    let wanted = to.arrow();
    match to {
        ColumnType::Boolean => {
            let values = texts(array, unfit, parse::boolean);
            Arc::new(values.collect::<BooleanArray>())
        }
        ColumnType::Int => parsed::<Int32Type>(array, wanted, unfit, parse::int),
        ColumnType::Long => parsed::<Int64Type>(array, wanted, unfit, parse::long),
        ColumnType::Float => parsed::<Float32Type>(array, wanted, unfit, parse::float),
        ColumnType::Double => parsed::<Float64Type>(array, wanted, unfit, parse::double),
        ColumnType::Decimal { precision, scale } => {
            parsed::<Decimal128Type>(array, wanted, unfit, |text| parse::decimal(text, precision, scale))
        }
        ColumnType::Date => parsed::<Date32Type>(array, wanted, unfit, parse::date),
        ColumnType::Time => parsed::<Time64MicrosecondType>(array, wanted, unfit, parse::time),
        ColumnType::Timestamp => parsed::<TimestampMicrosecondType>(array, wanted, unfit, parse::timestamp),
        ColumnType::TimestampTz => parsed::<TimestampMicrosecondType>(array, wanted, unfit, parse::timestamptz),
        ColumnType::String => Arc::clone(array),
        ColumnType::Binary => {
            let mut builder = BinaryBuilder::new();
            let bytes = |text: &[u8]| {
                let mut bytes = Vec::new();
                parse::hex(text, &mut bytes).map(|()| bytes)
            };
            for value in texts(array, unfit, bytes) {
                builder.append_option(value);
            }
            Arc::new(builder.finish())
        }
    }
}

/// The values that texts are; a text that is none is unfit and becomes null.
fn texts<'a, T>(
    array: &'a ArrayRef,
    unfit: &'a mut UnfitRows,
    parse: impl Fn(&[u8]) -> Result<T, Unfit> + 'a,
) -> impl Iterator<Item = Option<T>> + 'a {
    array.as_string::<i32>().iter().enumerate().map(move |(row, text)| match parse(text?.as_bytes()) {
        Ok(value) => Some(value),
        Err(why) => {
            unfit.push((row, why));
            None
        }
    })
}

fn parsed<A: ArrowPrimitiveType>(
    array: &ArrayRef,
    wanted: DataType,
    unfit: &mut UnfitRows,
    parse: impl Fn(&[u8]) -> Result<A::Native, Unfit>,
) -> ArrayRef {
    finish(texts(array, unfit, parse).collect::<PrimitiveArray<A>>(), wanted)
}
