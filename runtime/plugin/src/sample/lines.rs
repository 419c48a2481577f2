//! JSON lines: one object a row. It becomes CSV, so that values are read as they are everywhere.

use std::fmt;
use std::path::Path;

use arrow_array::RecordBatch;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use sluice_change::{Column, ColumnType};

use super::delimited::{quoted, rows};
use super::{SampleError, SampleOptions};

/// An object with its names in the order of the file.
struct Row(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Row;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    found.push(entry);
                }
                Ok(Row(found))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

pub(super) fn read(path: &Path, bytes: &[u8], options: &SampleOptions) -> Result<RecordBatch, SampleError> {
    let wrong = |reason: String| SampleError::Wrong { path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(format!("it is no UTF-8: {error}")))?;
    let mut found: Vec<Row> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row = serde_json::from_str(line);
        found.push(row.map_err(|error| wrong(format!("line {}: {error}; each line is a JSON object", number + 1)))?);
    }
    let columns = columns(&found, options);
    let header: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let mut text = header.join(",") + "\n";
    for Row(row) in &found {
        for (place, column) in columns.iter().enumerate() {
            let value = row.iter().rev().find(|(name, _)| *name == column.name).map(|(_, value)| value);
            text.push_str(if place > 0 { "," } else { "" });
            match value {
                // A record of one value that is not there is an empty line, which CSV passes over.
                None | Some(Value::Null) => text.push_str("NULL"),
                Some(Value::String(value)) => text.push_str(&quoted(value)),
                Some(value) => text.push_str(&quoted(&value.to_string())),
            }
        }
        text.push('\n');
    }
    rows(path, text, columns)
}

/// The columns in the order in which they first occur, each in the type that holds all of its values.
fn columns(rows: &[Row], options: &SampleOptions) -> Vec<Column> {
    let mut found: Vec<(String, Option<ColumnType>)> = Vec::new();
    for (name, value) in rows.iter().flat_map(|Row(row)| row) {
        let natural = natural(value);
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = common(*known, natural),
            None => found.push((name.clone(), natural)),
        }
    }
    let typed = |(name, natural): (String, Option<ColumnType>)| {
        let column_type = options.declared(&name).or(natural).unwrap_or(ColumnType::String);
        Column { name, column_type }
    };
    found.into_iter().map(typed).collect()
}

fn natural(value: &Value) -> Option<ColumnType> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => ColumnType::Boolean,
        Value::Number(number) if number.is_i64() => ColumnType::Long,
        Value::Number(_) => ColumnType::Double,
        Value::String(_) | Value::Array(_) | Value::Object(_) => ColumnType::String,
    })
}

fn common(a: Option<ColumnType>, b: Option<ColumnType>) -> Option<ColumnType> {
    use ColumnType::{Double, Long, String};
    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Long | Double), Some(Long | Double)) => Some(Double),
        _ => Some(String),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::super::Sample;
    use super::*;

    fn sample(text: &str, options: &SampleOptions) -> Result<Sample, SampleError> {
        Sample::of(read(Path::new("sample.jsonl"), text.as_bytes(), options)?, options)
    }

    #[test]
    fn columns_keep_their_order_and_take_the_type_of_their_values() {
        let text =
            "{\"id\": 1, \"name\": \"a, \\\"b\\\"\", \"doc\": {\"x\": [1]}}\n\n{\"id\": 2, \"ok\": true, \"n\": 1.5}\n";
        let sample = sample(text, &SampleOptions::default()).unwrap();
        let types: Vec<String> =
            sample.schema.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        assert_eq!(types, ["id long", "name string", "doc string", "ok boolean", "n double"]);
        let rows = &sample.input.rows;
        assert_eq!(rows.column(1).as_string::<i32>().value(0), "a, \"b\"");
        assert_eq!(rows.column(2).as_string::<i32>().value(0), "{\"x\":[1]}");
        assert_eq!([1, 2, 3].map(|column| rows.column(column).null_count()), [1, 1, 1]);
    }

    #[test]
    fn the_text_null_stays_a_text_and_a_row_of_nothing_is_a_row() {
        let sample = sample("{\"a\": \"NULL\"}\n{}\n{\"a\": \"\"}\n", &SampleOptions::default()).unwrap();
        let column = sample.input.rows.column(0).as_string::<i32>();
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some("NULL"), None, Some("")]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = sample("{\"a\": 1}\n[1]\n", &SampleOptions::default()).unwrap_err().to_string();
        assert!(error.contains("sample.jsonl: line 2"), "{error}");
    }
}
