use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};

use super::error::FilesError;

/// The same values as `expected`, if that can be had exactly.
///
/// Covers the promotions of the Iceberg specification ("Schema Evolution") and other layouts of the same type; a
/// dictionary is unpacked.
pub(super) fn conform(array: &ArrayRef, expected: &DataType, column: &str) -> Result<ArrayRef, FilesError> {
    if array.data_type() == expected {
        return Ok(Arc::clone(array));
    }
    if let (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) =
        (array.data_type(), expected)
    {
        // Both count microseconds of UTC: only the label differs, and a cast would go through the zone's rules.
        let relabelled = array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone.clone());
        return Ok(Arc::new(relabelled));
    }
    if !is_exact(array.data_type(), expected) {
        return Err(FilesError::ColumnType {
            column: column.to_owned(),
            expected: expected.clone(),
            found: array.data_type().clone(),
        });
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, expected, &options)
        .map_err(FilesError::arrow(format!("convert column `{column}` to {expected}")))
}

/// Whether every value of `from` has exactly one of `to`, and a cast either finds it or fails.
fn is_exact(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Date32, Decimal32, Decimal64, Decimal128, Dictionary, Float32, Float64, Int8, Int16, Int32,
        Int64, LargeBinary, LargeUtf8, Null, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, Utf8, Utf8View,
    };
    match (from, to) {
        (a, b) if a == b => true,
        (Dictionary(_, value), to) => is_exact(value, to),
        (Null, _) => true,
        (Int8 | Int16 | UInt8 | UInt16, Int32 | Int64) | (Int32 | UInt32, Int64) | (Float32, Float64) => true,
        (Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s), Decimal128(q, t)) => s == t && p <= q,
        (Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView, Utf8) => true,
        (Utf8 | LargeUtf8 | Utf8View | LargeBinary | BinaryView, Binary) => true,
        (Time32(TimeUnit::Millisecond), Time64(TimeUnit::Microsecond)) => true,
        (Timestamp(TimeUnit::Second | TimeUnit::Millisecond, a), Timestamp(TimeUnit::Microsecond, b)) => {
            a.is_some() == b.is_some()
        }
        // Version 3 of the specification: a date becomes midnight.
        (Date32, Timestamp(TimeUnit::Microsecond, None)) => true,
        _ => false,
    }
}
