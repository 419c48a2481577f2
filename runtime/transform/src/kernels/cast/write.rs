//! Values as text.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, BinaryArray, StringArray};
use sluice_change::ColumnType;

use super::calendar::{DATE_BYTES, DAY, TIME_BYTES, write_date, write_time};
use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::fill::Missing;
use crate::kernels::writer::Writer;

/// Bytes of the longest number: a decimal of 38 digits, a sign, a point and a 0 before it.
const NUMBER_BYTES: usize = 48;
/// Bytes of `2024-02-29 13:45:00.123456+00`.
const TIMESTAMP_BYTES: usize = DATE_BYTES + 1 + TIME_BYTES + 3;

/// Text as the tables' CSV writes it.
pub(super) fn write(of: &Column, limits: Limits) -> Result<StringArray, KernelError> {
    let array = of.array();
    match of.column_type()? {
        ColumnType::Boolean => {
            let values = array.as_boolean();
            each(array, 5, limits, |row, out| {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
                true
            })
        }
        ColumnType::Int => {
            let values = array.as_primitive::<Int32Type>().values();
            each(array, NUMBER_BYTES, limits, |row, out| whole(i128::from(values[row]), out))
        }
        ColumnType::Long => {
            let values = array.as_primitive::<Int64Type>().values();
            each(array, NUMBER_BYTES, limits, |row, out| whole(i128::from(values[row]), out))
        }
        ColumnType::Float => {
            let values = array.as_primitive::<Float32Type>().values();
            each(array, NUMBER_BYTES, limits, |row, out| floating(values[row], values[row].is_finite(), out))
        }
        ColumnType::Double => {
            let values = array.as_primitive::<Float64Type>().values();
            each(array, NUMBER_BYTES, limits, |row, out| floating(values[row], values[row].is_finite(), out))
        }
        ColumnType::Decimal { scale, .. } => {
            let values = array.as_primitive::<Decimal128Type>().values();
            each(array, NUMBER_BYTES, limits, |row, out| decimal(values[row], usize::from(scale), out))
        }
        ColumnType::Date => {
            let values = array.as_primitive::<Date32Type>().values();
            each(array, DATE_BYTES, limits, |row, out| write_date(values[row], out))
        }
        ColumnType::Time => {
            let values = array.as_primitive::<Time64MicrosecondType>().values();
            each(array, TIME_BYTES, limits, |row, out| write_time(values[row], out))
        }
        ColumnType::Timestamp => {
            let values = array.as_primitive::<TimestampMicrosecondType>().values();
            each(array, TIMESTAMP_BYTES, limits, |row, out| timestamp(values[row], b"", out))
        }
        ColumnType::TimestampTz => {
            let values = array.as_primitive::<TimestampMicrosecondType>().values();
            each(array, TIMESTAMP_BYTES, limits, |row, out| timestamp(values[row], b"+00", out))
        }
        ColumnType::Binary => bytes(of.binaries()?, limits),
        ColumnType::String => Ok(of.texts()?.clone()),
    }
}

/// Writes each value; `write` says whether there is a text for it.
fn each(
    array: &dyn Array,
    width: usize,
    limits: Limits,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> bool,
) -> Result<StringArray, KernelError> {
    let rows = array.len();
    let mut out = Writer::new(rows, rows.saturating_mul(width.min(24)), limits)?;
    let mut missing = Missing::default();
    for row in 0..rows {
        if array.is_valid(row) {
            let mut written = false;
            out.push_with(width, |bytes| written = write(row, bytes))?;
            if !written {
                out.take_back();
                missing.add(row);
            }
        }
        out.end();
    }
    out.text(missing.nulls(rows, array.nulls().cloned()))
}

fn whole(value: i128, out: &mut Vec<u8>) -> bool {
    decimal(value, 0, out)
}

/// All digits after the point, zeros too.
fn decimal(units: i128, scale: usize, out: &mut Vec<u8>) -> bool {
    let mut digits = [b'0'; NUMBER_BYTES];
    let mut begin = digits.len();
    let mut rest = units.unsigned_abs();
    while rest > 0 {
        // Eighteen digits at a time: 128-bit division is slow.
        let (mut low, high) = ((rest % 1_000_000_000_000_000_000) as u64, rest / 1_000_000_000_000_000_000);
        let end = begin;
        while low > 0 {
            begin -= 1;
            digits[begin] = b'0' + (low % 10) as u8;
            low /= 10;
        }
        if high > 0 {
            begin = end - 18;
        }
        rest = high;
    }
    begin = begin.min(digits.len() - scale - 1);
    if units < 0 {
        out.push(b'-');
    }
    let (whole, fraction) = digits[begin..].split_at(digits.len() - begin - scale);
    out.extend_from_slice(whole);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    true
}

/// The fewest digits that read back as the same number, with at least one after the point, or an exponent below 1e-5 and
/// from 1e16 on.
fn floating(value: impl std::fmt::Debug + PartialOrd + Default, finite: bool, out: &mut Vec<u8>) -> bool {
    if finite {
        return write!(out, "{value:?}").is_ok();
    }
    let text: &[u8] = match value.partial_cmp(&Default::default()) {
        None => b"NaN",
        Some(std::cmp::Ordering::Less) => b"-Infinity",
        Some(_) => b"Infinity",
    };
    out.extend_from_slice(text);
    true
}

fn timestamp(micros: i64, zone: &[u8], out: &mut Vec<u8>) -> bool {
    let day = micros.div_euclid(DAY) as i32;
    let written = write_date(day, out);
    out.push(b' ');
    let written = written && write_time(micros.rem_euclid(DAY), out);
    out.extend_from_slice(zone);
    written
}

fn bytes(array: &BinaryArray, limits: Limits) -> Result<StringArray, KernelError> {
    if let Ok(texts) = StringArray::try_from_binary(array.clone()) {
        return Ok(texts);
    }
    // Some are no UTF-8.
    let mut out = Writer::new(array.len(), array.value_data().len(), limits)?;
    let mut missing = Missing::default();
    for row in 0..array.len() {
        match std::str::from_utf8(array.value(row)) {
            Ok(text) if array.is_valid(row) => out.push(text.as_bytes())?,
            Ok(_) => {}
            Err(_) => missing.add(row),
        }
        out.end();
    }
    out.text(missing.nulls(array.len(), array.nulls().cloned()))
}
