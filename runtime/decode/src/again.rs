//! Reads single records again that were set aside, without their files.
//!
//! What a record alone does not tell is kept beside it (see [`sluice_change::Reject::layout`]): the header line of its
//! file, or whether its file's records begin with the operation. The row of a Parquet file was kept as one line of JSON
//! with its values as text; it is read as a record of CSV under a header line of its own.

use std::sync::Arc;

use bytes::Bytes;
use sluice_change::{Origin, TableSchema};

use crate::csv::{CsvSettings, HeaderMode, OpColumn, RowDelimiter, csv_decoder};
use crate::step::{FileContext, Step};
use crate::{DecodeError, Decoded};

const HEADER: &str = "header ";
const WITH_OP: &str = "op ";
const WITHOUT_OP: &str = "no op ";

/// A record that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The file that it came from.
    pub origin: Arc<Origin>,
    /// Its number within the file.
    pub row_number: u64,
    /// The record as it was kept.
    pub raw: Bytes,
    /// What was kept of its file's layout.
    pub layout: Option<Arc<str>>,
}

/// The layout of a file with a header line.
pub(crate) fn header_layout(line: &[u8]) -> Arc<str> {
    format!("{HEADER}{}", String::from_utf8_lossy(line)).into()
}

/// The layout of a file without one, whose records have so many values.
pub(crate) fn place_layout(has_op: bool, width: usize) -> Arc<str> {
    format!("{}{width}", if has_op { WITH_OP } else { WITHOUT_OP }).into()
}

/// Whether a file's records begin with the operation, and how many values they have.
fn parse_place_layout(layout: &str) -> Option<(bool, usize)> {
    let (has_op, width) = match layout.strip_prefix(WITH_OP) {
        Some(width) => (true, width),
        None => (false, layout.strip_prefix(WITHOUT_OP)?),
    };
    Some((has_op, width.parse().ok()?))
}

/// Reads one record again with the settings as they are now. `full_load` and `parquet` say what its file is.
///
/// It becomes one row or one reject; everything else is an error in words, and the record stays where it is.
pub fn decode_again(
    settings: &CsvSettings,
    schema: &TableSchema,
    full_load: bool,
    parquet: bool,
    record: &SetAside,
) -> Result<Decoded, String> {
    let (settings, text) = if parquet {
        let settings = CsvSettings {
            delimiter: b',',
            quote: b'"',
            null_strings: vec![String::new()],
            header: HeaderMode::Present,
            op_column: OpColumn::Auto,
            row_delimiter: RowDelimiter::Line,
            quoting: true,
            ..settings.clone()
        };
        let text = json_as_csv(&record.raw).ok_or("the row of a Parquet file was not kept as JSON")?;
        let op_column = if text.starts_with(b"\"Op\"") { OpColumn::Present } else { OpColumn::Absent };
        (CsvSettings { op_column, ..settings }, text)
    } else {
        as_file(settings, record)?
    };
    let file = FileContext {
        origin: Arc::clone(&record.origin),
        length: text.len() as u64,
        full_load,
        skip: 0,
        schema: schema.clone(),
        batch_rows: 2,
        batch_bytes: crate::MOST_BATCH_BYTES,
    };
    let mut found = drive(&settings, file, text.into()).map_err(|error| error.to_string())?;
    match (found.pop(), found.is_empty()) {
        (Some(decoded), true) if decoded.ops.len() + decoded.rejects.len() == 1 => wide_enough(decoded, record),
        (Some(_), _) => Err("with the present settings it is more than one record".to_owned()),
        (None, _) => Err("with the present settings it is no record".to_owned()),
    }
}

/// Refuses a record that is narrower than its file: alone it would pass for one from before columns were added.
fn wide_enough(decoded: Decoded, record: &SetAside) -> Result<Decoded, String> {
    let Some((has_op, wanted)) = record.layout.as_deref().and_then(parse_place_layout) else { return Ok(decoded) };
    let before = decoded.before.as_ref().map_or(0, |before| before.num_columns());
    let leading = usize::from(has_op) + usize::from(decoded.commit_times.is_some());
    let width = leading + decoded.rows.num_columns() + before;
    if decoded.rejects.is_empty() && width < wanted {
        return Err(format!("it has {width} values, and the records of its file have {wanted}"));
    }
    Ok(decoded)
}

/// The record as a file of its own.
fn as_file(settings: &CsvSettings, record: &SetAside) -> Result<(CsvSettings, Vec<u8>), String> {
    let mut text = Vec::with_capacity(record.raw.len() + 2);
    let places = record.layout.as_deref().and_then(parse_place_layout);
    let (header, op_column) = match (record.layout.as_deref(), places) {
        (_, Some((true, _))) => (HeaderMode::Absent, OpColumn::Present),
        (_, Some((false, _))) => (HeaderMode::Absent, OpColumn::Absent),
        (Some(kept), None) if kept.starts_with(HEADER) => {
            text.extend_from_slice(&kept.as_bytes()[HEADER.len()..]);
            text.extend_from_slice(settings.row_delimiter.as_bytes());
            (HeaderMode::Present, settings.op_column)
        }
        _ if settings.header == HeaderMode::Present => {
            return Err("the header line of its file was not kept with it".to_owned());
        }
        _ => (HeaderMode::Absent, settings.op_column),
    };
    text.extend_from_slice(&record.raw);
    text.extend_from_slice(settings.row_delimiter.as_bytes());
    Ok((CsvSettings { header, op_column, ..settings.clone() }, text))
}

fn drive(settings: &CsvSettings, file: FileContext, text: Bytes) -> Result<Vec<Decoded>, DecodeError> {
    let mut decoder = csv_decoder(settings, file)?;
    let mut found = Vec::new();
    loop {
        match decoder.step()? {
            Step::Need(ranges) => {
                for range in ranges {
                    let bytes = text.slice(range.start as usize..range.end as usize);
                    decoder.supply(range, bytes);
                }
            }
            Step::Batch(decoded) => found.push(decoded),
            Step::End => return Ok(found),
        }
    }
}

/// A row that was kept as one JSON object, as CSV: a line of names, the operation's first, and a line of values.
fn json_as_csv(raw: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?;
    let mut rest = text.strip_prefix('{')?;
    let mut fields: Vec<(String, Option<String>)> = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = json_text(rest)?;
        let after = after.strip_prefix(": ")?;
        let (value, after) = match after.strip_prefix("null") {
            Some(after) => (None, after),
            None if after.starts_with('"') => json_text(after).map(|(value, after)| (Some(value), after))?,
            None => {
                let end = after.find([',', '}'])?;
                (Some(after[..end].to_owned()), &after[end..])
            }
        };
        fields.push((name, value));
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    fields.sort_by_key(|(name, _)| name != "Op");
    let line = |texts: Vec<String>| texts.join(",");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let names = line(fields.iter().map(|(name, _)| quoted(name)).collect());
    let values = line(fields.iter().map(|(_, value)| value.as_deref().map(quoted).unwrap_or_default()).collect());
    Some(format!("{names}\n{values}\n").into_bytes())
}

/// A JSON text at the beginning, and what follows it.
fn json_text(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut letters = text.strip_prefix('"')?.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((found, &text[at + 2..])),
            '\\' => match letters.next()?.1 {
                'n' => found.push('\n'),
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    found.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => found.push(other),
            },
            other => found.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use sluice_change::{Column, ColumnType, Op};

    use super::*;

    fn record(raw: &[u8], layout: Option<&str>) -> SetAside {
        let origin = Origin { partition: "s.t".into(), name: "s/t/f.csv".into(), order: "1/f.csv".into() };
        SetAside {
            origin: Arc::new(origin),
            row_number: 7,
            raw: Bytes::copy_from_slice(raw),
            layout: layout.map(Arc::from),
        }
    }

    fn schema(amount: ColumnType) -> TableSchema {
        let columns = vec![Column::new("id", ColumnType::Long), Column::new("amount", amount)];
        TableSchema { columns, key: vec!["id".into()] }
    }

    #[test]
    fn a_record_reads_once_its_column_is_declared_rightly() {
        let record = record(b"U,4,lots", Some("op 3"));
        let settings = CsvSettings::default();
        let still = decode_again(&settings, &schema(ColumnType::Int), false, false, &record).unwrap();
        assert_eq!((still.ops.len(), still.rejects.len()), (0, 1));
        let mended = decode_again(&settings, &schema(ColumnType::String), false, false, &record).unwrap();
        assert_eq!((mended.ops.as_slice(), mended.rejects.len()), (&[Op::Update][..], 0));
    }

    #[test]
    fn a_record_cut_short_does_not_pass_for_an_older_one() {
        let settings = CsvSettings::default();
        let read =
            |record: &super::SetAside| decode_again(&settings, &schema(ColumnType::String), false, false, record);
        let error = read(&record(b"U,4", Some("op 3"))).unwrap_err();
        assert_eq!(error, "it has 2 values, and the records of its file have 3");
        assert!(read(&record(b"U,4", Some("op 2"))).is_ok());
    }

    #[test]
    fn a_kept_header_line_names_the_columns_in_its_own_order() {
        let record = record(b"U,lots,4", Some("header Op,amount,id"));
        let decoded =
            decode_again(&CsvSettings::default(), &schema(ColumnType::String), false, false, &record).unwrap();
        let names: Vec<String> = decoded.rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["amount", "id"]);
        let settings = CsvSettings { header: HeaderMode::Present, ..CsvSettings::default() };
        let unknown = super::SetAside { layout: None, ..record };
        let error = decode_again(&settings, &schema(ColumnType::String), false, false, &unknown).unwrap_err();
        assert!(error.contains("header line"), "{error}");
    }

    #[test]
    fn a_row_of_a_parquet_file_reads_from_its_json() {
        let raw = b"{\"Op\": \"I\", \"id\": 9, \"amount\": \"a \\\"b\\\", c\\n\\u0001\", \"extra\": null}";
        let decoded =
            decode_again(&CsvSettings::default(), &schema(ColumnType::String), false, true, &record(raw, None));
        let decoded = decoded.unwrap();
        assert_eq!(decoded.ops, [Op::Insert]);
        let amount = decoded.rows.column_by_name("amount").unwrap();
        let amount = arrow_array::cast::AsArray::as_string::<i32>(amount);
        assert_eq!(amount.value(0), "a \"b\", c\n\u{1}");
    }

    #[test]
    fn what_has_become_several_records_stays() {
        let error = decode_again(
            &CsvSettings { quote: b'\'', ..CsvSettings::default() },
            &schema(ColumnType::String),
            false,
            false,
            &record(b"U,4,\"a\nU,5,b\"", Some("op 3")),
        );
        assert!(error.unwrap_err().contains("more than one record"));
    }
}
