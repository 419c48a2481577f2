use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use sluice_change::{Column, ColumnType, Op};

use super::layout::Place;
use super::nulls::NullStrings;
use super::split::{Field, Rows};
use crate::parse::{self, Unfit};
use crate::reject::{missing_key, quoted};

/// Records that have been split, on their way into columns.
pub(super) struct Chunk<'a> {
    pub(super) text: &'a [u8],
    pub(super) rows: &'a mut Rows,
    pub(super) nulls: &'a NullStrings,
    pub(super) quote: u8,
    /// What each record does.
    pub(super) ops: &'a [Op],
    /// The columns of the layout.
    pub(super) places: &'a [Place],
    /// Records that turned out to be bad.
    pub(super) bad: &'a mut Vec<Bad>,
}

/// A record that cannot be represented, by its place in the chunk.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) row: usize,
    pub(super) column: Option<String>,
    pub(super) reason: String,
}

impl Chunk<'_> {
    /// Names of the key columns that are NULL in a record.
    #[cold]
    fn missing_key(&self, row: usize) -> Vec<&str> {
        let missing = |place: &&Place| place.key && self.nulls.hold(self.rows.field(row, place.field), self.text);
        self.places.iter().filter(missing).map(|place| place.column.name.as_str()).collect()
    }

    /// Notes a bad record and makes the columns after this one pass it over.
    pub(super) fn spoil(&mut self, row: usize, column: Option<&str>, reason: String) {
        self.rows.void(row);
        self.bad.push(Bad { row, column: column.map(str::to_owned), reason });
    }
}

/// A column that grows chunk by chunk.
pub(super) struct ColumnBuilder {
    field: usize,
    column: Column,
    key: bool,
    values: Values,
    validity: NullBufferBuilder,
    trouble: Trouble,
}

/// What was not an ordinary value in the chunk at hand.
#[derive(Default)]
struct Trouble {
    null_rows: Vec<usize>,
    unfit: Vec<(usize, Unfit)>,
}

enum Values {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>, u8, u8),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    TimestampTz(Vec<i64>),
    Text(Stretches),
    Bytes(Stretches),
}

/// Values of any length, one after another.
struct Stretches {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Stretches {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { bytes: Vec::with_capacity(bytes), ends }
    }

    /// Ends the value that has been appended. A chunk's text and with it the batch's is far below 2 GiB.
    #[inline]
    fn end(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    fn finish(self) -> (OffsetBuffer<i32>, Buffer) {
        (OffsetBuffer::new(ScalarBuffer::from(fitted(self.ends))), Buffer::from_vec(fitted(self.bytes)))
    }
}

impl ColumnBuilder {
    /// An empty column with room for `rows` values and, if they have no fixed length, `bytes` in all.
    pub(super) fn new(column: Column, field: usize, key: bool, rows: usize, bytes: usize) -> Self {
        let values = match column.column_type {
            ColumnType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            ColumnType::Int => Values::Int(Vec::with_capacity(rows)),
            ColumnType::Long => Values::Long(Vec::with_capacity(rows)),
            ColumnType::Float => Values::Float(Vec::with_capacity(rows)),
            ColumnType::Double => Values::Double(Vec::with_capacity(rows)),
            ColumnType::Decimal { precision, scale } => Values::Decimal(Vec::with_capacity(rows), precision, scale),
            ColumnType::Date => Values::Date(Vec::with_capacity(rows)),
            ColumnType::Time => Values::Time(Vec::with_capacity(rows)),
            ColumnType::Timestamp => Values::Timestamp(Vec::with_capacity(rows)),
            ColumnType::TimestampTz => Values::TimestampTz(Vec::with_capacity(rows)),
            ColumnType::String => Values::Text(Stretches::with_capacity(rows, bytes)),
            ColumnType::Binary => Values::Bytes(Stretches::with_capacity(rows, bytes)),
        };
        Self { field, column, key, values, validity: NullBufferBuilder::new(rows), trouble: Trouble::default() }
    }

    /// Bytes of the values that have no fixed length.
    pub(super) fn stretch_bytes(&self) -> usize {
        match &self.values {
            Values::Text(values) | Values::Bytes(values) => values.bytes.len(),
            _ => 0,
        }
    }

    /// Appends this column's values of all records of the chunk. A bad record gets a place too, until it is filtered.
    pub(super) fn append(&mut self, chunk: &mut Chunk<'_>) {
        let (field, trouble) = (self.field, &mut self.trouble);
        match &mut self.values {
            Values::Boolean(values) => fill(values, chunk, field, trouble, parse::boolean),
            Values::Int(values) => fill(values, chunk, field, trouble, parse::int),
            Values::Long(values) => fill(values, chunk, field, trouble, parse::long),
            Values::Float(values) => fill(values, chunk, field, trouble, parse::float),
            Values::Double(values) => fill(values, chunk, field, trouble, parse::double),
            Values::Decimal(values, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                fill(values, chunk, field, trouble, |text| parse::decimal(text, precision, scale));
            }
            Values::Date(values) => fill(values, chunk, field, trouble, parse::date),
            Values::Time(values) => fill(values, chunk, field, trouble, parse::time),
            Values::Timestamp(values) => fill(values, chunk, field, trouble, parse::timestamp),
            Values::TimestampTz(values) => fill(values, chunk, field, trouble, parse::timestamptz),
            Values::Text(values) => fill_text(values, chunk, field, trouble),
            Values::Bytes(values) => fill_bytes(values, chunk, field, trouble),
        }
        self.settle(chunk);
    }

    /// Turns what was not an ordinary value into nulls and bad records.
    fn settle(&mut self, chunk: &mut Chunk<'_>) {
        let count = chunk.rows.len();
        let Trouble { null_rows, unfit } = &mut self.trouble;
        if null_rows.is_empty() {
            self.validity.append_n_non_nulls(count);
            return;
        }
        let mut unfit = unfit.drain(..).peekable();
        let mut next = 0;
        for row in null_rows.drain(..) {
            self.validity.append_n_non_nulls(row - next);
            self.validity.append_null();
            next = row + 1;
            let fault = unfit.next_if(|(place, _)| *place == row).map(|(_, unfit)| unfit);
            let value = chunk.rows.field(row, self.field);
            let reason = match fault {
                // A delete need not fill more than the key; what it has instead may be an empty value.
                Some(_) if !self.key && chunk.ops[row] == Op::Delete && value.of(chunk.text).is_empty() => continue,
                Some(Unfit(why)) => {
                    format!("{} is no {}: {why}", quoted(value.of(chunk.text)), self.column.column_type)
                }
                None if self.key && !value.is_void() => missing_key(&chunk.missing_key(row)),
                None => continue,
            };
            chunk.spoil(row, Some(&self.column.name), reason);
        }
        self.validity.append_n_non_nulls(count - next);
    }

    /// The finished column.
    pub(super) fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls: Option<NullBuffer> = self.validity.finish();
        Ok(match self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(fitted(values).into(), nulls)),
            Values::Int(values) => Arc::new(Int32Array::try_new(fitted(values).into(), nulls)?),
            Values::Long(values) => Arc::new(Int64Array::try_new(fitted(values).into(), nulls)?),
            Values::Float(values) => Arc::new(Float32Array::try_new(fitted(values).into(), nulls)?),
            Values::Double(values) => Arc::new(Float64Array::try_new(fitted(values).into(), nulls)?),
            Values::Decimal(values, precision, scale) => Arc::new(
                Decimal128Array::try_new(fitted(values).into(), nulls)?
                    .with_precision_and_scale(precision, scale as i8)?,
            ),
            Values::Date(values) => Arc::new(Date32Array::try_new(fitted(values).into(), nulls)?),
            Values::Time(values) => Arc::new(Time64MicrosecondArray::try_new(fitted(values).into(), nulls)?),
            Values::Timestamp(values) => Arc::new(TimestampMicrosecondArray::try_new(fitted(values).into(), nulls)?),
            Values::TimestampTz(values) => {
                Arc::new(TimestampMicrosecondArray::try_new(fitted(values).into(), nulls)?.with_timezone("+00:00"))
            }
            Values::Text(values) => {
                let (offsets, bytes) = values.finish();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Bytes(values) => {
                let (offsets, bytes) = values.finish();
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
            }
        })
    }
}

/// Gives room back that a small batch did not need, so that it does not count as memory held.
pub(super) fn fitted<T>(mut values: Vec<T>) -> Vec<T> {
    if values.len() < values.capacity() / 2 {
        values.shrink_to_fit();
    }
    values
}

#[inline]
fn fill<T: Copy + Default>(
    out: &mut Vec<T>,
    chunk: &Chunk<'_>,
    field: usize,
    trouble: &mut Trouble,
    parse: impl Fn(&[u8]) -> Result<T, Unfit>,
) {
    out.reserve(chunk.rows.len());
    for (row, value) in chunk.rows.column(field).enumerate() {
        if chunk.nulls.hold(value, chunk.text) {
            trouble.null_rows.push(row);
            out.push(T::default());
            continue;
        }
        out.push(match parse(value.of(chunk.text)) {
            Ok(value) => value,
            Err(unfit) => {
                trouble.null_rows.push(row);
                trouble.unfit.push((row, unfit));
                T::default()
            }
        });
    }
}

fn fill_text(out: &mut Stretches, chunk: &Chunk<'_>, field: usize, trouble: &mut Trouble) {
    for (row, value) in chunk.rows.column(field).enumerate() {
        if chunk.nulls.hold(value, chunk.text) {
            trouble.null_rows.push(row);
        } else if value.is_escaped() {
            parse::unescape(value.of(chunk.text), chunk.quote, &mut out.bytes);
        } else {
            out.bytes.extend_from_slice(value.of(chunk.text));
        }
        out.end();
    }
}

fn fill_bytes(out: &mut Stretches, chunk: &Chunk<'_>, field: usize, trouble: &mut Trouble) {
    for (row, value) in chunk.rows.column(field).enumerate() {
        if chunk.nulls.hold(value, chunk.text) {
            trouble.null_rows.push(row);
        } else if let Err(unfit) = parse::hex(value.of(chunk.text), &mut out.bytes) {
            trouble.null_rows.push(row);
            trouble.unfit.push((row, unfit));
        }
        out.end();
    }
}

/// What the records of a chunk do; without a column for it, all do `default`.
pub(super) fn append_ops(
    out: &mut Vec<Op>,
    place: Option<usize>,
    default: Op,
    text: &[u8],
    rows: &mut Rows,
) -> Vec<Bad> {
    let mut bad = Vec::new();
    let Some(place) = place else {
        out.resize(out.len() + rows.len(), default);
        return bad;
    };
    for (row, field) in rows.column(place).enumerate() {
        out.push(match field.of(text) {
            b"I" => Op::Insert,
            b"U" => Op::Update,
            b"D" => Op::Delete,
            other => {
                let reason = format!("{} is no operation: expected I, U or D", quoted(other));
                bad.push(Bad { row, column: Some("Op".into()), reason });
                default
            }
        });
    }
    for fault in &bad {
        rows.void(fault.row);
    }
    bad
}

/// The field of a record that is not valid UTF-8, if one is.
pub(super) fn invalid_text(text: &[u8], rows: &Rows, row: usize) -> Option<(usize, Field)> {
    let fields = &rows.fields[row * rows.width..][..rows.width];
    fields.iter().copied().enumerate().find(|(_, field)| std::str::from_utf8(field.of(text)).is_err())
}
