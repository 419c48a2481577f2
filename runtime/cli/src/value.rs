//! Single values of tables, for people and for machines.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use serde_json::Value;

/// Characters of a value that a table for people shows.
const SHOWN: usize = 48;

/// A value as text; `None` is NULL.
pub(crate) fn text(array: &ArrayRef, row: usize) -> Result<Option<String>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let options = FormatOptions::default();
    Ok(Some(ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).try_to_string()?))
}

/// A value in one short line; an empty text is told from NULL.
pub(crate) fn cell(text: Option<&str>) -> String {
    match text {
        None => "NULL".to_owned(),
        Some("") => "''".to_owned(),
        Some(text) => line(text),
    }
}

/// A text in one short line.
pub(crate) fn line(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { '⏎' } else { letter }).collect();
    match plain.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
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

    use arrow_array::{Decimal128Array, Int64Array};

    use super::*;

    #[test]
    fn decimals_are_text_in_json_and_integers_numbers() {
        let decimals: ArrayRef =
            Arc::new(Decimal128Array::from(vec![Some(1230), None]).with_precision_and_scale(10, 2).unwrap());
        assert_eq!(json(&decimals, 0).unwrap(), Value::from("12.30"));
        assert_eq!(json(&decimals, 1).unwrap(), Value::Null);
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
        assert_eq!(json(&integers, 0).unwrap(), Value::from(i64::MAX));
    }

    #[test]
    fn cells_are_short_lines() {
        assert_eq!(cell(None), "NULL");
        assert_eq!(cell(Some("")), "''");
        assert_eq!(line("a\nb"), "a⏎b");
        assert_eq!(line(&"x".repeat(60)).chars().count(), SHOWN + 1);
    }
}
