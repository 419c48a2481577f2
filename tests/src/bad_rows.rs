//! Records that cannot be represented exactly: a good CSV record with one thing wrong.

use sluice_change::ColumnType;

use crate::spec::TableSpec;
use crate::write_csv;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKind {
    /// More fields than there are columns.
    TooWide,
    /// Fewer fields than there are columns.
    TooNarrow,
    /// Bytes that are no UTF-8 in a text.
    Utf8,
    /// A day that does not exist.
    Date,
    /// More digits than the decimal has.
    DecimalRange,
    /// More digits after the point than the decimal has; it must not be rounded.
    DecimalScale,
    /// A number beyond the integer's range.
    IntegerRange,
    /// An operation that there is not.
    Operation,
    /// A key column without a value.
    NullKey,
}

impl BadKind {
    /// All kinds.
    pub const ALL: [BadKind; 9] = [
        BadKind::TooWide,
        BadKind::TooNarrow,
        BadKind::Utf8,
        BadKind::Date,
        BadKind::DecimalRange,
        BadKind::DecimalScale,
        BadKind::IntegerRange,
        BadKind::Operation,
        BadKind::NullKey,
    ];

    /// What to put into the first column that can go wrong so, by that column's type.
    fn value(self, column_type: ColumnType) -> Option<Vec<u8>> {
        match (self, column_type) {
            (BadKind::Utf8, ColumnType::String) => Some(b"ab\xff\xfecd".to_vec()),
            (BadKind::Date, ColumnType::Date) => Some(b"2026-02-30".to_vec()),
            (BadKind::Date, ColumnType::Timestamp) => Some(b"2026-13-01 00:00:00.000000".to_vec()),
            (BadKind::DecimalRange, ColumnType::Decimal { precision, .. }) => {
                Some("9".repeat(usize::from(precision) + 1).into_bytes())
            }
            (BadKind::DecimalScale, ColumnType::Decimal { scale, .. }) => {
                Some(format!("0.{}1", "0".repeat(usize::from(scale))).into_bytes())
            }
            (BadKind::IntegerRange, ColumnType::Int) => Some(b"2147483648".to_vec()),
            (BadKind::IntegerRange, ColumnType::Long) => Some(b"9223372036854775808".to_vec()),
            _ => None,
        }
    }
}

/// The kinds that a record of this table can have.
pub(crate) fn candidates(spec: &TableSpec, width: usize, load: bool) -> Vec<BadKind> {
    let fits = |kind: &BadKind| match kind {
        BadKind::TooWide | BadKind::NullKey => true,
        // Without a first field that is never empty the rest could look like an empty line.
        BadKind::TooNarrow => lead(spec, load) > 0 && width > 1,
        BadKind::Operation => write_csv::has_op(spec, load),
        kind => column(spec, *kind).is_some(),
    };
    BadKind::ALL.into_iter().filter(fits).collect()
}

/// The record with that wrong.
pub(crate) fn spoil(spec: &TableSpec, kind: BadKind, mut fields: Vec<Vec<u8>>, load: bool) -> Vec<u8> {
    let lead = lead(spec, load);
    match kind {
        BadKind::TooWide => fields.extend([b"one".to_vec(), b"too".to_vec(), b"many".to_vec()]),
        BadKind::TooNarrow => fields.truncate(1),
        BadKind::Operation => fields[0] = b"Q".to_vec(),
        BadKind::NullKey => {
            let key = spec.schema.columns.iter().position(|column| spec.schema.is_key(&column.name));
            fields[lead + key.expect("a key column")] = spec.layout.null.text().into();
        }
        kind => {
            let (index, value) = column(spec, kind).expect("only kinds that fit are chosen");
            fields[lead + index] = value;
        }
    }
    fields.join(&spec.layout.delimiter)
}

/// How many fields come before the table's own.
fn lead(spec: &TableSpec, load: bool) -> usize {
    usize::from(write_csv::has_op(spec, load)) + usize::from(spec.layout.time_column.is_some())
}

fn column(spec: &TableSpec, kind: BadKind) -> Option<(usize, Vec<u8>)> {
    let columns = spec.schema.columns[..spec.first_width].iter().enumerate();
    columns.filter_map(|(index, column)| Some((index, kind.value(column.column_type)?))).next()
}
