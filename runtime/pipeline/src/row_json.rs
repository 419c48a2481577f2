//! Rows as JSON, for dead letters whose bytes are gone.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use serde_json::Value;

/// The chosen rows, each as a JSON object: numbers where JSON's are exact, else text.
pub fn texts(batch: &RecordBatch, rows: impl Iterator<Item = usize>) -> Result<Vec<String>, ArrowError> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let schema = batch.schema();
    let text = |row: usize| {
        let mut object = serde_json::Map::new();
        for ((field, column), shown) in schema.fields().iter().zip(batch.columns()).zip(&columns) {
            let value = match column.data_type() {
                _ if column.is_null(row) => Value::Null,
                DataType::Boolean => column.as_boolean().value(row).into(),
                DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
                DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
                _ => shown.value(row).try_to_string()?.into(),
            };
            object.insert(field.name().clone(), value);
        }
        Ok(Value::Object(object).to_string())
    };
    rows.map(text).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_row_is_an_object_with_exact_values() {
        let amounts = Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap();
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(vec![i64::MAX, 2]))),
            ("name", Arc::new(StringArray::from(vec!["a\"b", "c"]))),
            ("amount", Arc::new(amounts)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let texts = texts(&batch, [0, 1].into_iter()).unwrap();
        let read: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(read[0], serde_json::json!({ "id": i64::MAX, "name": "a\"b", "amount": "12.50" }));
        assert_eq!(read[1]["amount"], Value::Null);
    }
}
