//! CSV: a header line, perhaps types in it (`id:long`) or in a line of their own, then rows.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use sluice_change::{Column, ColumnType, Origin, TableSchema};
use sluice_decode::{
    CsvSettings, Decode, DecodeError, Decoded, FileContext, HeaderMode, MOST_BATCH_BYTES, OpColumn, Step, csv_decoder,
    describe_csv,
};

use super::{SampleError, SampleOptions};

/// Rows in one batch of a decoder.
const BATCH_ROWS: usize = 65_536;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(path: &Path, bytes: &[u8], options: &SampleOptions) -> Result<RecordBatch, SampleError> {
    let wrong = |reason: String| SampleError::Wrong { path: path.to_owned(), reason };
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| wrong(format!("it is no UTF-8 from byte {} on: save it as UTF-8", error.valid_up_to())))?;
    let (header, rest) = record(text);
    let mut columns = header.iter().map(|name| named(name)).collect::<Result<Vec<_>, String>>().map_err(wrong)?;
    let (second, after) = record(rest);
    let types: Option<Vec<ColumnType>> = second.iter().map(|text| text.parse().ok()).collect();
    let rest = match types {
        Some(types) if types.len() == columns.len() => {
            columns.iter_mut().zip(types).for_each(|((_, known), stated)| *known = Some(stated));
            after
        }
        _ => rest,
    };
    let known: Vec<Column> = columns
        .iter()
        .filter_map(|(name, stated)| Some(Column::new(name, stated.or_else(|| options.declared(name))?)))
        .collect();
    let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
    let text = format!("{}\n{rest}", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","));
    let declared = TableSchema { columns: known, key: Vec::new() };
    let found = describe_csv(&settings(), true, &declared, text.as_bytes(), true);
    let found = found.map_err(decode_error(path))?.unwrap_or_default();
    let typed = |name: &String| {
        let column = found.iter().find(|column| column.name == *name);
        Column::new(name, column.map_or(ColumnType::String, |column| column.column_type))
    };
    rows(path, text, names.iter().map(typed).collect())
}

/// Reads CSV whose header line names exactly these columns.
pub(super) fn rows(path: &Path, text: String, columns: Vec<Column>) -> Result<RecordBatch, SampleError> {
    let schema = TableSchema { columns, key: Vec::new() };
    let empty = RecordBatch::new_empty(schema.arrow());
    let decoder = csv_decoder(&settings(), context(path, text.len(), schema)).map_err(decode_error(path))?;
    together(path, drive(path, decoder, text.into())?, empty)
}

fn settings() -> CsvSettings {
    CsvSettings { header: HeaderMode::Present, op_column: OpColumn::Absent, ..CsvSettings::default() }
}

pub(super) fn context(path: &Path, length: usize, schema: TableSchema) -> FileContext {
    let name = path.display().to_string();
    FileContext {
        origin: Arc::new(Origin { partition: String::new(), order: name.clone(), name }),
        length: length as u64,
        full_load: true,
        skip: 0,
        schema,
        batch_rows: BATCH_ROWS,
        batch_bytes: MOST_BATCH_BYTES,
    }
}

pub(super) fn decode_error(path: &Path) -> impl Fn(DecodeError) -> SampleError {
    let path = path.to_owned();
    move |source| SampleError::Decode { path: path.clone(), source: Box::new(source) }
}

/// Decodes a file that is in memory.
pub(super) fn drive(path: &Path, mut decoder: Box<dyn Decode>, bytes: Bytes) -> Result<Vec<Decoded>, SampleError> {
    let mut found = Vec::new();
    loop {
        match decoder.step().map_err(decode_error(path))? {
            Step::Need(ranges) => {
                for range in ranges {
                    let piece = bytes.slice(range.start as usize..range.end as usize);
                    decoder.supply(range, piece);
                }
            }
            Step::Batch(decoded) => found.push(decoded),
            Step::End => return Ok(found),
        }
    }
}

/// All rows in one batch; a record that cannot be read is an error, since a sample is there to be read.
pub(super) fn together(path: &Path, found: Vec<Decoded>, empty: RecordBatch) -> Result<RecordBatch, SampleError> {
    if let Some(reject) = found.iter().flat_map(|decoded| &decoded.rejects).next() {
        let column = reject.column.as_ref().map(|column| format!(", column `{column}`")).unwrap_or_default();
        let reason = format!("record {}{column}: {}", reject.row_number, reject.reason);
        return Err(SampleError::Wrong { path: path.to_owned(), reason });
    }
    let batches: Vec<RecordBatch> = found.into_iter().map(|decoded| decoded.rows).collect();
    let Some(first) = batches.first() else { return Ok(empty) };
    Ok(concat_batches(&first.schema(), &batches)?)
}

/// A column's name, and its type where the name has one behind a colon.
fn named(text: &str) -> Result<(String, Option<ColumnType>), String> {
    match text.split_once(':') {
        Some((name, stated)) => {
            let stated = stated.parse().map_err(|error| format!("header line, column `{name}`: {error}"))?;
            Ok((name.trim().to_owned(), Some(stated)))
        }
        None => Ok((text.trim().to_owned(), None)),
    }
}

/// The values of the first record, and what follows it.
fn record(text: &str) -> (Vec<String>, &str) {
    let (mut values, mut value, mut within) = (Vec::new(), String::new(), false);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if within && letters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            '"' => within = !within,
            ',' if !within => values.push(std::mem::take(&mut value)),
            '\n' if !within => {
                values.push(value.trim_end_matches('\r').to_owned());
                return (values, &text[at + 1..]);
            }
            letter => value.push(letter),
        }
    }
    values.push(value);
    (values, "")
}

/// A value that CSV reads as this text, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;

    fn sample(text: &str, options: &SampleOptions) -> Result<Sample, SampleError> {
        let path = Path::new("sample.csv");
        Sample::of(read(path, text.as_bytes(), options)?, options)
    }

    fn types(sample: &Sample) -> Vec<String> {
        sample.schema.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect()
    }

    #[test]
    fn types_come_from_the_header_a_line_of_types_or_the_values() {
        let plain = SampleOptions::default();
        let named = sample("id:int,\"total:decimal(10,2)\",note\n1,2.50,x\n", &plain).unwrap();
        assert_eq!(types(&named), ["id int", "total decimal(10,2)", "note string"]);
        let below = sample("id,total\nint,\"decimal(10,2)\"\n1,2.50\n", &plain).unwrap();
        assert_eq!(types(&below), ["id int", "total decimal(10,2)"]);
        assert_eq!(below.len(), 1);
        let guessed = sample("id,code,at\n1,007,2024-02-29 10:00:00\n", &plain).unwrap();
        assert_eq!(types(&guessed), ["id long", "code string", "at timestamp"]);
        let declared = SampleOptions { columns: vec![Column::new("code", ColumnType::Int)], ..plain };
        assert_eq!(types(&sample("id,code\n1,007\n", &declared).unwrap()), ["id long", "code int"]);
    }

    #[test]
    fn a_null_is_told_from_an_empty_text_and_the_first_column_is_the_key() {
        let sample = sample("id,a,b\n1,,\"\"\n", &SampleOptions::default()).unwrap();
        assert_eq!(sample.schema.key, ["id"]);
        assert_eq!([1, 2].map(|column| sample.input.rows.column(column).null_count()), [1, 0]);
    }

    #[test]
    fn columns_of_the_log_say_what_a_row_does() {
        let text = "_op,_seq,id,name,_before_id,_unsent,_commit_ts\nI,10,1,a,,,2024-01-01 00:00:00\nU,11,2,,1,name,\nD,12,2,,,,\n";
        let sample = sample(text, &SampleOptions::default()).unwrap();
        assert_eq!(types(&sample), ["id long", "name string"]);
        let input = &sample.input;
        assert_eq!(input.ops.iter().map(|op| op.code()).collect::<String>(), "IUD");
        assert_eq!(input.ordinals.values()[..], [10, 11, 12]);
        assert_eq!(input.before.as_ref().unwrap().column(0).null_count(), 2);
        assert_eq!(input.unsent.as_ref().unwrap().rows(), [0, 1, 0]);
    }

    #[test]
    fn what_cannot_be_read_says_where_and_what_to_do() {
        let message = |text: &str| {
            let error =
                sample(text, &SampleOptions { key: vec!["id".into()], ..SampleOptions::default() }).unwrap_err();
            error.to_string()
        };
        let value = message("id:int,b\nx,1\n");
        assert!(value.contains("record 1, column `id`"), "{value}");
        assert!(message("id:integer\n1\n").contains("column `id`: `integer` is not a column type"));
        assert!(message("a,b\n1,2\n").contains("no column `id` for the key; the columns are a, b"));
        assert!(message("_op,id\nX,1\n").contains("row 1: `X`"));
    }

    #[test]
    fn a_sample_without_rows_has_columns() {
        let sample = sample("id:long,name:string\n", &SampleOptions::default()).unwrap();
        assert_eq!((types(&sample), sample.is_empty()), (vec!["id long".to_owned(), "name string".to_owned()], true));
    }
}
