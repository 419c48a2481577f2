//! Single values, as samples write them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use serde_json::Value;

/// A value as text, in the form in which CSV is read; `None` is NULL.
pub(crate) fn text(array: &ArrayRef, row: usize) -> Result<Option<String>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f+00"));
    Ok(Some(ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).try_to_string()?))
}

/// A value as JSON: numbers where JSON's are exact, else text.
pub(crate) fn json(array: &ArrayRef, row: usize) -> Result<Value, ArrowError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let double = |number: f64| serde_json::Number::from_f64(number).map(Value::Number);
    let plain = match array.data_type() {
        DataType::Boolean => Some(Value::Bool(array.as_boolean().value(row))),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float32 => double(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
        _ => None,
    };
    match plain {
        Some(value) => Ok(value),
        None => Ok(text(array, row)?.map_or(Value::Null, Value::String)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Decimal128Array, Float64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn values_are_written_as_samples_are_read() {
        let shown = |array: ArrayRef| text(&array, 0).unwrap().unwrap();
        let time = TimestampMicrosecondArray::from(vec![951_827_400_123_000]);
        assert_eq!(shown(Arc::new(time.clone())), "2000-02-29 12:30:00.123");
        assert_eq!(shown(Arc::new(time.with_timezone("+00:00"))), "2000-02-29 12:30:00.123+00");
        assert_eq!(shown(Arc::new(BinaryArray::from_vec(vec![b"\x00\xff"]))), "00ff");
    }

    #[test]
    fn json_keeps_every_digit() {
        let decimal: ArrayRef =
            Arc::new(Decimal128Array::from(vec![Some(1230), None]).with_precision_and_scale(10, 2).unwrap());
        assert_eq!([json(&decimal, 0).unwrap(), json(&decimal, 1).unwrap()], [Value::from("12.30"), Value::Null]);
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
        assert_eq!(json(&odd, 0).unwrap(), Value::from("NaN"));
    }
}
