use sluice_change::{Column, ColumnType, TableSchema};

use super::layout::{First, Layout, Plan};
use super::nulls::NullStrings;
use super::settings::{CsvSettings, HeaderMode};
use super::split::{Halt, Rows, Splitter};
use crate::gzip::Gunzip;
use crate::{DecodeError, parse};

/// Most text of a sample that is looked at.
const SAMPLE_TEXT: usize = 1 << 20;
/// Most records of a sample that are looked at.
const SAMPLE_RECORDS: usize = 10_000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The name that errors have for the file: the caller knows its real one.
const FILE: &str = "the file";

/// The business columns of a CSV file, as far as its beginning tells; `None` where it does not.
///
/// `sample` is the beginning of the file, gzip or not. A header line names the columns, in file order; without one they
/// are the first of the `declared` ones. A column that is not declared is text or, with `guess`, what all of its
/// values in the sample are.
pub fn describe_csv(
    settings: &CsvSettings,
    full_load: bool,
    declared: &TableSchema,
    sample: &[u8],
    guess: bool,
) -> Result<Option<Vec<Column>>, DecodeError> {
    settings.check()?;
    let text = beginning(sample)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let nulls = NullStrings::new(&settings.null_strings);
    let plan = Plan { settings, full_load, schema: declared };
    let mut splitter = settings.splitter(plan.has_several_values(), SAMPLE_RECORDS);
    let (mut rows, mut at) = (Rows::default(), 0);
    let Some((layout, is_header)) = first_layout(plan, splitter, text, &nulls, &mut rows, &mut at)? else {
        return Ok(None);
    };
    splitter.skip_blank = layout.width != 1;
    let unknown = |column: &Column| declared.column(&column.name).is_none();
    let mut columns: Vec<(usize, Column)> =
        layout.columns.iter().map(|place| (place.field, place.column.clone())).collect();
    if is_header && guess && columns.iter().any(|(_, column)| unknown(column)) {
        split_sample(splitter, text, layout.width, &mut rows, &mut at);
        for (place, column) in columns.iter_mut().filter(|(_, column)| unknown(column)) {
            column.column_type = guess_type(&rows, *place, text, &nulls);
        }
    }
    Ok(Some(columns.into_iter().map(|(_, column)| column).collect()))
}

/// The text at the beginning of a CSV file, gzip or not, as far as the sample and a limit of 1 MiB reach.
pub fn beginning(sample: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if !Gunzip::recognises(sample) {
        return Ok(sample[..sample.len().min(SAMPLE_TEXT)].to_vec());
    }
    let (mut gunzip, mut text, mut rest) = (Gunzip::new(), Vec::with_capacity(SAMPLE_TEXT), sample);
    loop {
        let before = text.len();
        let taken = gunzip.feed(rest, &mut text).map_err(|source| DecodeError::Gzip {
            file: FILE.into(),
            records: 0,
            source,
        })?;
        rest = &rest[taken..];
        if text.len() >= SAMPLE_TEXT || (taken == 0 && text.len() == before) {
            return Ok(text);
        }
    }
}

/// The layout that the first possible record decides, and whether that was a header line, which `at` is then behind.
fn first_layout(
    plan: Plan<'_>,
    splitter: Splitter,
    text: &[u8],
    nulls: &NullStrings,
    rows: &mut Rows,
    at: &mut usize,
) -> Result<Option<(Layout, bool)>, DecodeError> {
    loop {
        // The sample may be cut anywhere: a record without line end says nothing.
        let Halt::Odd { next, torn, .. } = splitter.split(text, at, false, rows) else {
            return Ok(None);
        };
        if !torn {
            let unknown = plan.schema.columns.is_empty() && plan.settings.header != HeaderMode::Present;
            let first = match plan.decide(rows.rest(), text, nulls) {
                Err(_) if unknown && plan.settings.header == HeaderMode::Auto => {
                    return named_by_evidence(plan, splitter, text, nulls, rows, at, next);
                }
                Err(_) if unknown => return Ok(None),
                first => first.map_err(|reason| DecodeError::Columns { file: FILE.into(), reason })?,
            };
            match first {
                First::Header(layout) => {
                    *at = next;
                    return Ok(Some((layout, true)));
                }
                First::Record(layout) => return Ok(Some((layout, false))),
                First::Misfit(_) => {}
            }
        }
        *at = next;
    }
}

/// With no column known, a first line counts as names if they can be such and a column below one of them has values of
/// another kind throughout.
fn named_by_evidence(
    plan: Plan<'_>,
    splitter: Splitter,
    text: &[u8],
    nulls: &NullStrings,
    rows: &mut Rows,
    at: &mut usize,
    next: usize,
) -> Result<Option<(Layout, bool)>, DecodeError> {
    let names: Vec<&[u8]> = rows.rest().iter().map(|field| field.of(text)).collect();
    let width = names.len();
    if !names.iter().all(|name| is_name(name)) {
        return Ok(None);
    }
    let settings = CsvSettings { header: HeaderMode::Present, ..plan.settings.clone() };
    let first = Plan { settings: &settings, ..plan }.decide(rows.rest(), text, nulls);
    let (mut below, mut place) = (Rows::default(), next);
    split_sample(splitter, text, width, &mut below, &mut place);
    if !(0..width).any(|column| guess_type(&below, column, text, nulls) != ColumnType::String) {
        return Ok(None);
    }
    *at = next;
    match first {
        Ok(First::Header(layout)) => Ok(Some((layout, true))),
        Ok(_) => Ok(None),
        // A header line that cannot be the table's, say without a column of the key, is worth saying so.
        Err(reason) => Err(DecodeError::Columns { file: FILE.into(), reason }),
    }
}

/// Whether a text could be a column's name: a letter or underscore, then those, digits and a few signs.
fn is_name(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii();
    text.first().is_some_and(letter)
        && text.iter().all(|byte| letter(byte) || byte.is_ascii_digit() || b" $#-.".contains(byte))
}

/// Splits the records of a sample, leaving out odd ones and one that the sample cuts.
fn split_sample(splitter: Splitter, text: &[u8], width: usize, rows: &mut Rows, at: &mut usize) {
    rows.clear();
    rows.width = width;
    while let Halt::Odd { next, .. } = splitter.split(text, at, false, rows) {
        *at = next;
    }
}

/// The type that all values of a column have, or text.
fn guess_type(rows: &Rows, place: usize, text: &[u8], nulls: &NullStrings) -> ColumnType {
    let values = || {
        rows.column(place).filter(|&field| !nulls.hold(field, text)).map(|field| (field.of(text), field.is_quoted()))
    };
    if values().next().is_none() {
        return ColumnType::String;
    }
    let all = |column_type: ColumnType| values().all(|(value, _)| parse::fits(column_type, value));
    if values().all(|(value, _)| value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false")) {
        return ColumnType::Boolean;
    }
    // A quoted number and one with leading zeros or a plus is text that happens to be digits: a code, a telephone.
    let plain = |(value, quoted): (&[u8], bool)| {
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        !quoted
            && digits.first().is_some_and(u8::is_ascii_digit)
            && (digits[0] != b'0' || !digits.get(1).is_some_and(u8::is_ascii_digit))
    };
    if values().all(plain) && all(ColumnType::Long) {
        return ColumnType::Long;
    }
    if values().all(plain) && values().all(|(value, _)| !value.iter().any(|byte| matches!(byte, b'e' | b'E'))) {
        let digits = |(value, _): (&[u8], bool)| value.iter().rev().position(|&byte| byte == b'.').unwrap_or_default();
        if let Ok(scale @ 0..=38) = u8::try_from(values().map(digits).max().unwrap_or_default())
            && all(ColumnType::Decimal { precision: 38, scale })
        {
            return ColumnType::Decimal { precision: 38, scale };
        }
    }
    let exponent = |(value, quoted): (&[u8], bool)| !quoted && value.iter().any(|byte| matches!(byte, b'e' | b'E'));
    if values().all(exponent) && all(ColumnType::Double) {
        return ColumnType::Double;
    }
    [ColumnType::Timestamp, ColumnType::TimestampTz, ColumnType::Time]
        .into_iter()
        .find(|&column_type| all(column_type))
        .or_else(|| values().all(|(value, _)| value.len() == 10).then_some(ColumnType::Date).filter(|&date| all(date)))
        .unwrap_or(ColumnType::String)
}
