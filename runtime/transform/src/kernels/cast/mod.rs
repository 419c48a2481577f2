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

#[cfg(test)]
mod tests {
    use arrow_array::types::{
        Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{
        ROOMY, binaries, booleans, numbers, one, read_binaries, read_booleans, read_numbers, read_texts, texts, words,
    };

    fn to(column: &Column, column_type: &str) -> Column {
        cast(column, column_type.parse().unwrap(), ROOMY).unwrap()
    }

    /// What a value becomes, as text.
    fn of(from: &str, value: &str, column_type: &str) -> Option<String> {
        let found = to(&one(from, Some(value)), column_type);
        assert_eq!(found.column_type().unwrap().to_string(), column_type);
        assert!(found.is_constant());
        read_texts(&to(&found, "string")).remove(0)
    }

    fn is(from: &str, value: &str, column_type: &str, expected: impl Into<Option<&'static str>>) {
        assert_eq!(of(from, value, column_type).as_deref(), expected.into(), "{from} {value} to {column_type}");
    }

    #[test]
    fn texts_are_written_as_in_the_tables() {
        is("boolean", "T", "boolean", "true");
        is("int", "-2147483648", "string", "-2147483648");
        is("long", "0", "string", "0");
        is("long", "-9223372036854775808", "string", "-9223372036854775808");
        is("decimal(5,2)", "-12.5", "string", "-12.50");
        is("decimal(5,2)", "-0.01", "string", "-0.01");
        is("decimal(5,5)", "0.00001", "string", "0.00001");
        is("decimal(38,0)", "1000000000000000000000000000001", "string", "1000000000000000000000000000001");
        is(
            "decimal(38,20)",
            "100000000000000000.00000000000000000001",
            "string",
            "100000000000000000.00000000000000000001",
        );
        is("float", "0.1", "string", "0.1");
        is("double", "1", "string", "1.0");
        is("double", "1e16", "string", "1e16");
        is("double", "123456789012345.6", "string", "123456789012345.6");
        is("double", "0.00001", "string", "1e-5");
        is("double", "0.0001", "string", "0.0001");
        is("double", "-0", "string", "-0.0");
        is("double", "-inf", "string", "-Infinity");
        is("double", "inf", "string", "Infinity");
        is("double", "nan", "string", "NaN");
        is("date", "2024-02-29", "string", "2024-02-29");
        is("date", "0000-01-01", "string", "0000-01-01");
        is("date", "9999-12-31", "string", "9999-12-31");
        is("time", "13:45:00", "string", "13:45:00");
        is("time", "13:45:00.5", "string", "13:45:00.500000");
        is("timestamp", "1969-12-31T23:59:59.999999", "string", "1969-12-31 23:59:59.999999");
        is("timestamptz", "2024-02-29 13:45:00+02:00", "string", "2024-02-29 11:45:00+00");
    }

    #[test]
    fn texts_that_are_no_values_are_null() {
        for (column_type, text) in [
            ("boolean", "yes"),
            ("int", "2147483648"),
            ("int", "1.0"),
            ("long", ""),
            ("decimal(4,2)", "1.234"),
            ("decimal(4,2)", "100"),
            ("double", "1e400"),
            ("date", "2023-02-29"),
            ("time", "24:00:00"),
            ("timestamp", "2024-02-29 00:00:00+00"),
            ("timestamptz", "2024-02-29"),
        ] {
            is("string", text, column_type, None);
            let error = constant(column_type.parse().unwrap(), Some(text)).unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is no `{column_type}`"));
        }
    }

    #[test]
    fn numbers_lose_what_has_no_room_and_are_null_where_they_have_none() {
        is("long", "2147483648", "int", None);
        is("int", "7", "long", "7");
        is("double", "2.5", "int", "3");
        is("double", "-2.5", "int", "-3");
        is("double", "9223372036854775808", "long", None);
        is("double", "NaN", "long", None);
        is("float", "Infinity", "decimal(38,0)", None);
        is("decimal(5,2)", "2.49", "int", "2");
        is("decimal(5,2)", "2.50", "long", "3");
        is("decimal(5,2)", "999.99", "decimal(4,1)", None);
        is("decimal(5,2)", "999.94", "decimal(4,1)", "999.9");
        is("decimal(5,2)", "999.94", "decimal(38,36)", None);
        is("int", "123", "decimal(5,2)", "123.00");
        is("int", "1234", "decimal(5,2)", None);
        is("double", "0.145", "decimal(5,2)", "0.15");
        is("double", "1e-40", "decimal(38,38)", "0.00000000000000000000000000000000000000");
        is("double", "1e37", "decimal(38,0)", "10000000000000000000000000000000000000");
        is("double", "1e300", "decimal(38,0)", None);
        is("float", "0.1", "decimal(5,2)", "0.10");
        is("float", "0.1", "double", "0.10000000149011612");
        is("double", "1e39", "float", None);
        is("double", "Infinity", "float", "Infinity");
        is("double", "1e-50", "float", "0.0");
        is("long", "9007199254740993", "double", "9007199254740992.0");
        is("decimal(38,0)", "9007199254740993", "double", "9007199254740992.0");
        is("decimal(38,38)", "0.1", "double", "0.1");
        is("decimal(38,0)", "16777217", "float", "16777216.0");
        is("boolean", "true", "int", "1");
        is("boolean", "false", "long", "0");
        is("int", "1", "boolean", "true");
        is("long", "2", "boolean", None);
    }

    #[test]
    fn days_and_times_become_each_other() {
        is("date", "2024-02-29", "timestamp", "2024-02-29 00:00:00");
        is("date", "2024-02-29", "timestamptz", "2024-02-29 00:00:00+00");
        is("timestamp", "1969-12-31 23:59:59.999999", "date", "1969-12-31");
        is("timestamptz", "1969-12-31 23:59:59.999999", "time", "23:59:59.999999");
        is("timestamp", "2024-02-29 13:45:00", "timestamptz", "2024-02-29 13:45:00+00");
        is("timestamptz", "2024-02-29 13:45:00+01", "timestamp", "2024-02-29 12:45:00");
        is("date", "1970-01-02", "int", "1");
        is("int", "-1", "date", "1969-12-31");
        is("int", "2147483647", "date", None);
        is("time", "00:00:01", "long", "1000000");
        is("long", "86400000000", "time", None);
        is("long", "-1", "timestamp", "1969-12-31 23:59:59.999999");
        is("timestamptz", "1970-01-01 00:00:01", "long", "1000000");
        let far = to(&to(&one("int", Some("2147483647")), "date"), "timestamp");
        assert_eq!(read_numbers::<TimestampMicrosecondType>(&far), [None]);
    }

    #[test]
    fn text_and_bytes_become_each_other_as_they_are() {
        assert_eq!(read_binaries(&to(&words(["äb"]), "binary")), [Some("äb".as_bytes().to_vec())]);
        let found = to(&binaries(&[Some(b"ab".to_vec()), None, Some(vec![0xff]), Some(vec![])]), "string");
        assert_eq!(read_texts(&found), [Some("ab".to_owned()), None, None, Some(String::new())]);
        // A character that begins in one value and ends in the next.
        let found = to(&binaries(&[Some(vec![0xc3]), Some(vec![0xa4])]), "string");
        assert_eq!(read_texts(&found), [None, None]);
    }

    #[test]
    fn types_that_do_not_go_together_are_refused() {
        for (from, to) in
            [("date", "long"), ("boolean", "double"), ("int", "time"), ("binary", "int"), ("time", "timestamp")]
        {
            let error = cast(&one(from, None), to.parse().unwrap(), ROOMY).unwrap_err();
            assert_eq!(error.to_string(), format!("a `{from}` cannot be cast to `{to}`"));
        }
    }

    #[test]
    fn wider_types_and_texts_are_held_to_the_limit() {
        let values = booleans(&[Some(true); 100]);
        assert!(cast(&values, ColumnType::Long, Limits { bytes: 799 }).is_err());
        assert!(cast(&values, ColumnType::String, Limits { bytes: 404 + 399 }).is_err());
        assert!(cast(&values, ColumnType::String, Limits { bytes: 404 + 401 }).is_ok());
    }

    #[test]
    fn a_constant_may_be_null() {
        let null = constant(ColumnType::Date, None).unwrap();
        assert!(null.is_constant());
        assert_eq!(read_numbers::<Date32Type>(&null), [None]);
    }

    /// Writes a column as text, reads that again, and compares.
    macro_rules! comes_back {
        ($values:expr, $arrow:ty, $column_type:expr, $bits:expr) => {
            let column = numbers::<$arrow>(&$values, $column_type);
            let text = cast(&column, ColumnType::String, ROOMY).unwrap();
            let found = read_numbers::<$arrow>(&cast(&text, $column_type, ROOMY).unwrap());
            prop_assert_eq!(
                found.iter().map(|value| value.map($bits)).collect::<Vec<_>>(),
                $values.iter().map(|value| value.map($bits)).collect::<Vec<_>>()
            );
        };
    }

    fn some<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<Option<T>>> {
        prop::collection::vec(prop::option::weighted(0.9, value), 0..12)
    }

    proptest! {
        #[test]
        fn every_value_comes_back_from_its_text(
            ints in some(any::<i32>()), longs in some(any::<i64>()), floats in some(any::<f32>()), doubles in some(any::<f64>()),
            units in some(any::<i128>()), scale in 0_u8..=38,
            days in some(-719_528_i32..=2_932_896), micros in some(0_i64..86_400_000_000),
            instants in some(-62_167_219_200_000_000_i64..=253_402_300_799_999_999), bits in some(any::<bool>()),
        ) {
            comes_back!(ints, Int32Type, ColumnType::Int, |value| value);
            comes_back!(longs, Int64Type, ColumnType::Long, |value| value);
            comes_back!(floats, Float32Type, ColumnType::Float, f32::to_bits);
            comes_back!(doubles, Float64Type, ColumnType::Double, f64::to_bits);
            let units: Vec<Option<i128>> = units.into_iter().map(|units| units.map(|units| units % 10_i128.pow(38))).collect();
            comes_back!(units, Decimal128Type, ColumnType::Decimal { precision: 38, scale }, |value| value);
            comes_back!(days, Date32Type, ColumnType::Date, |value| value);
            comes_back!(micros, Time64MicrosecondType, ColumnType::Time, |value| value);
            comes_back!(instants, TimestampMicrosecondType, ColumnType::Timestamp, |value| value);
            comes_back!(instants, TimestampMicrosecondType, ColumnType::TimestampTz, |value| value);
            let text = cast(&booleans(&bits), ColumnType::String, ROOMY).unwrap();
            prop_assert_eq!(read_booleans(&cast(&text, ColumnType::Boolean, ROOMY).unwrap()), bits);
        }

        #[test]
        fn numbers_go_to_the_nearest(values in some(any::<f64>()), longs in some(any::<i64>()), units in some(any::<i128>()), scale in 0_u8..=38) {
            let doubles = numbers::<Float64Type>(&values, ColumnType::Double);
            let small: Vec<Option<i64>> = values.iter().map(|value| {
                let rounded = (*value)?.round();
                (rounded.abs() < 9e15).then_some(rounded as i64)
            }).collect();
            let found = read_numbers::<Int64Type>(&to(&doubles, "long"));
            for (found, expected) in found.iter().zip(&small) {
                prop_assert!(expected.is_none() || found == expected);
            }
            let found = read_numbers::<Float64Type>(&to(&numbers::<Int64Type>(&longs, ColumnType::Long), "double"));
            prop_assert_eq!(found, longs.iter().map(|value| value.map(|value| value as f64)).collect::<Vec<_>>());
            let units: Vec<Option<i128>> = units.iter().map(|units| units.map(|units| units % 10_i128.pow(38))).collect();
            let decimals = numbers::<Decimal128Type>(&units, ColumnType::Decimal { precision: 38, scale });
            let read = |text: &Option<String>| text.as_ref().map(|text| text.parse::<f64>().unwrap());
            let expected: Vec<Option<f64>> = read_texts(&to(&decimals, "string")).iter().map(read).collect();
            prop_assert_eq!(read_numbers::<Float64Type>(&to(&decimals, "double")), expected);
        }
    }

    #[test]
    fn what_stays_the_same_is_not_copied() {
        let text = texts(&[Some("a"), None]);
        assert!(Arc::ptr_eq(cast(&text, ColumnType::String, Limits { bytes: 0 }).unwrap().array(), text.array()));
    }
}
