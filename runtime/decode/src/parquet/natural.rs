//! What the values of a Parquet column are, before anybody declares anything.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray, new_null_array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use parquet::basic::ConvertedType;
use parquet::schema::types::Type;
use sluice_change::ColumnType;

use crate::parse::{Unfit, rescale};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const DAY_MILLIS: i64 = 86_400_000;

const TOO_FINE: Unfit = Unfit("it is finer than microseconds");
const OUT_OF_RANGE: Unfit = Unfit("it is out of range");
const CLOCK: Unfit = Unfit("there is no such time of day");
const HAS_TIME: Unfit = Unfit("it has a time of day");
const TOO_LONG: Unfit = Unfit("it has more digits than the column's type");

/// Rows whose value does not fit, in ascending order for each conversion.
pub(super) type UnfitRows = Vec<(usize, Unfit)>;

/// The column type that holds every value of a Parquet column, if there is one.
pub(super) fn natural_type(data_type: &DataType, parquet: &Type) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::String,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::Long,
        DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            // Of more digits than a column may have, those that are there decide row by row.
            let precision = (*precision).clamp(1, 38);
            let scale = u8::try_from(*scale).ok().filter(|&scale| scale <= precision)?;
            ColumnType::Decimal { precision, scale }
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Timestamp(_, Some(_)) if !is_legacy(parquet) => ColumnType::TimestampTz,
        DataType::Timestamp(_, _) => ColumnType::Timestamp,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Binary
        }
        DataType::Dictionary(_, values) => natural_type(values, parquet)?,
        _ => return None,
    })
}

/// Whether only the legacy annotation says that this is a timestamp. It cannot tell one without a zone from an instant
/// (Parquet format, "LogicalTypes": it counts as adjusted to UTC), and DMS uses it for both.
fn is_legacy(parquet: &Type) -> bool {
    let info = parquet.get_basic_info();
    info.logical_type_ref().is_none()
        && matches!(info.converted_type(), ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS)
}

/// Brings a column into the Arrow type of its natural column type.
pub(super) fn to_natural(array: &ArrayRef, natural: ColumnType, unfit: &mut UnfitRows) -> Result<ArrayRef, ArrowError> {
    let wanted = natural.arrow();
    if let DataType::Dictionary(_, values) = array.data_type() {
        return to_natural(&cast(array, values)?, natural, unfit);
    }
    Ok(match (array.data_type(), natural) {
        (DataType::Null, _) => new_null_array(&wanted, array.len()),
        (DataType::UInt64, ColumnType::Decimal { .. }) => {
            finish(convert::<UInt64Type, Decimal128Type>(array, unfit, |value| Ok(i128::from(value))), wanted)
        }
        (DataType::Decimal128(_, from), ColumnType::Decimal { precision, scale }) => {
            let from = *from;
            // A file can hold more digits than its schema says.
            let check = |value| rescale(value, from, precision, scale).map_err(|_| TOO_LONG);
            finish(convert::<Decimal128Type, Decimal128Type>(array, unfit, check), wanted)
        }
        (DataType::Decimal256(_, from), ColumnType::Decimal { precision, scale }) => {
            let from = *from;
            let narrow = |value: arrow_buffer::i256| {
                let value = value.to_i128().ok_or(TOO_LONG)?;
                rescale(value, from, precision, scale).map_err(|_| TOO_LONG)
            };
            finish(convert::<Decimal256Type, Decimal128Type>(array, unfit, narrow), wanted)
        }
        (DataType::Date64, _) => {
            let days = |millis: i64| match millis % DAY_MILLIS {
                0 => i32::try_from(millis / DAY_MILLIS).map_err(|_| OUT_OF_RANGE),
                _ => Err(HAS_TIME),
            };
            finish(convert::<Date64Type, Date32Type>(array, unfit, days), wanted)
        }
        (DataType::Time32(_) | DataType::Time64(_), _) => finish(time_of_day(array, unfit), wanted),
        (DataType::Timestamp(_, _), _) => finish(micros(array, unfit), wanted),
        (same, _) if *same == wanted => Arc::clone(array),
        // The rest are the same values in another layout: narrower integers, longer offsets, views, fixed lengths.
        _ => cast(array, &wanted)?,
    })
}

fn time_of_day(array: &ArrayRef, unfit: &mut UnfitRows) -> PrimitiveArray<Time64MicrosecondType> {
    let within = |micros: i64| if (0..DAY).contains(&micros) { Ok(micros) } else { Err(CLOCK) };
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            convert::<Time32SecondType, _>(array, unfit, |value| within(i64::from(value) * SECOND))
        }
        DataType::Time32(_) => {
            convert::<Time32MillisecondType, _>(array, unfit, |value| within(i64::from(value) * 1000))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            convert::<Time64NanosecondType, _>(array, unfit, |value| nanos(value).and_then(within))
        }
        _ => convert::<Time64MicrosecondType, _>(array, unfit, within),
    }
}

fn micros(array: &ArrayRef, unfit: &mut UnfitRows) -> PrimitiveArray<TimestampMicrosecondType> {
    let times = |value: i64, factor: i64| value.checked_mul(factor).ok_or(OUT_OF_RANGE);
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            convert::<TimestampSecondType, _>(array, unfit, |value| times(value, SECOND))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            convert::<TimestampMillisecondType, _>(array, unfit, |value| times(value, 1000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => convert::<TimestampNanosecondType, _>(array, unfit, nanos),
        _ => array.as_primitive().clone(),
    }
}

fn nanos(value: i64) -> Result<i64, Unfit> {
    if value % 1000 == 0 { Ok(value / 1000) } else { Err(TOO_FINE) }
}

/// Every value of a column through a function; a row that it refuses is unfit, and what it gets means nothing.
pub(super) fn convert<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    array: &dyn Array,
    unfit: &mut UnfitRows,
    value_of: impl Fn(A::Native) -> Result<B::Native, Unfit>,
) -> PrimitiveArray<B> {
    let array = array.as_primitive::<A>();
    let convert_one = |(row, &value): (usize, &A::Native)| {
        if array.is_null(row) {
            return B::Native::default();
        }
        value_of(value).unwrap_or_else(|why| {
            unfit.push((row, why));
            B::Native::default()
        })
    };
    let values: Vec<B::Native> = array.values().iter().enumerate().map(convert_one).collect();
    PrimitiveArray::new(values.into(), array.nulls().cloned())
}

/// The same values under a type of the same layout: a decimal's digits, a timestamp's zone.
pub(super) fn finish<A: ArrowPrimitiveType>(array: PrimitiveArray<A>, wanted: DataType) -> ArrayRef {
    Arc::new(array.with_data_type(wanted))
}
