//! Rows with values of every type.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};
use sluice_change::{Column, ColumnType, Op, TableSchema};
use sluice_transform::Input;

const DECIMAL_MAX: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
/// A day ends here, in microseconds.
const LAST_MICROSECOND: i64 = 86_399_999_999;

/// How many of the values are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    None,
    Some,
    All,
}

impl Nulls {
    fn at(self, row: usize, column: usize) -> bool {
        match self {
            Nulls::None => false,
            Nulls::Some => (row * 7 + column * 3).is_multiple_of(4),
            Nulls::All => true,
        }
    }
}

/// A table keyed by `id`, with these columns beside it.
#[derive(Debug, Clone)]
pub struct Rows {
    names: Vec<String>,
    arrays: Vec<ArrayRef>,
    rows: usize,
}

impl Rows {
    /// Rows with an `id` that counts from 0.
    pub fn new(rows: usize) -> Self {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        Self { names: vec!["id".to_owned()], arrays: vec![ids], rows }
    }

    pub fn with(mut self, name: &str, array: impl Array + 'static) -> Self {
        assert_eq!(array.len(), self.rows, "{name}");
        self.names.push(name.to_owned());
        self.arrays.push(Arc::new(array));
        self
    }

    pub fn column(&self, name: &str) -> &ArrayRef {
        let place = self.names.iter().position(|found| found == name).unwrap_or_else(|| panic!("no column {name}"));
        &self.arrays[place]
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn schema(&self) -> TableSchema {
        let column = |(name, array): (&String, &ArrayRef)| {
            let column_type = ColumnType::from_arrow(array.data_type()).expect("a type of a table");
            Column::new(name, column_type)
        };
        let columns = self.names.iter().zip(&self.arrays).map(column).collect();
        TableSchema { columns, key: vec!["id".to_owned()] }
    }

    /// The rows as what `ops` do, over and over.
    pub fn input(&self, ops: &[Op]) -> Input {
        let fields: Vec<Field> = self
            .names
            .iter()
            .zip(&self.arrays)
            .map(|(name, array)| Field::new(name, array.data_type().clone(), name != "id"))
            .collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), self.arrays.clone()).expect("a batch");
        Input {
            rows,
            ops: (0..self.rows).map(|row| ops[row % ops.len()]).collect(),
            ordinals: Int64Array::from_iter_values((0..self.rows as i64).map(|row| row * 3 + 1)),
            times: None,
            before: None,
            unsent: None,
        }
    }
}

/// The column of a type: `value` of each row, null where `nulls` says so.
fn column<T>(rows: usize, at: usize, nulls: Nulls, value: impl Fn(usize) -> T) -> Vec<Option<T>> {
    (0..rows).map(|row| (!nulls.at(row, at)).then(|| value(row))).collect()
}

fn pick<T: Copy>(values: &[T]) -> impl Fn(usize) -> T {
    move |row| values[row % values.len()]
}

/// Rows with a column of every type, with the values at its ends and those that are easily got wrong.
pub fn of_every_type(rows: usize, nulls: Nulls) -> Rows {
    let utc = |array: TimestampMicrosecondArray| array.with_timezone("+00:00");
    let decimals = |at: usize, precision: u8, scale: i8, values: &[i128]| {
        Decimal128Array::from(column(rows, at, nulls, pick(values)))
            .with_precision_and_scale(precision, scale)
            .expect("digits that fit")
    };
    Rows::new(rows)
        .with("a_boolean", BooleanArray::from(column(rows, 1, nulls, |row| row % 3 == 0)))
        .with("an_int", Int32Array::from(column(rows, 2, nulls, pick(&[0, 1, -1, i32::MAX, i32::MIN]))))
        .with("a_long", Int64Array::from(column(rows, 3, nulls, pick(&LONGS))))
        .with("a_float", Float32Array::from(column(rows, 4, nulls, pick(&FLOATS))))
        .with("a_double", Float64Array::from(column(rows, 5, nulls, pick(&DOUBLES))))
        .with("a_small_decimal", decimals(6, 9, 2, &[0, 1, -1, 999_999_999, -999_999_999, 50]))
        .with("a_decimal", decimals(7, 18, 4, &[0, 1, -1, 999_999_999_999_999_999, -999_999_999_999_999_999]))
        .with("a_whole_decimal", decimals(8, 38, 0, &[0, 1, -1, DECIMAL_MAX, -DECIMAL_MAX, 1 << 64, -(1 << 64)]))
        .with("a_fraction", decimals(9, 38, 38, &[0, 1, -1, DECIMAL_MAX, -DECIMAL_MAX]))
        .with("a_date", Date32Array::from(column(rows, 10, nulls, pick(&DATES))))
        .with("a_time", Time64MicrosecondArray::from(column(rows, 11, nulls, pick(&[0, 1, LAST_MICROSECOND]))))
        .with("a_timestamp", TimestampMicrosecondArray::from(column(rows, 12, nulls, pick(&MOMENTS))))
        .with("an_instant", utc(TimestampMicrosecondArray::from(column(rows, 13, nulls, pick(&MOMENTS)))))
        .with("a_text", StringArray::from(column(rows, 14, nulls, pick(&TEXTS))))
        .with("a_binary", BinaryArray::from(column(rows, 15, nulls, pick(&BINARIES))))
}

/// Rows with a few columns and values that differ from row to row.
pub fn many(rows: usize) -> Rows {
    let nulls = Nulls::Some;
    Rows::new(rows)
        .with(
            "number",
            Int64Array::from(column(rows, 1, nulls, |row| (row as i64).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64))),
        )
        .with("flag", BooleanArray::from(column(rows, 2, nulls, |row| row % 7 < 3)))
        .with("text", {
            let texts = column(rows, 3, nulls, |row| format!("{}{row}", TEXTS[row % TEXTS.len()]));
            StringArray::from(texts)
        })
}

const LONGS: [i64; 7] = [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1];
const FLOATS: [f32; 10] = [
    0.0,
    -0.0,
    1.5,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    // The smallest that is not zero.
    f32::from_bits(1),
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];
const DOUBLES: [f64; 11] = [
    0.0,
    -0.0,
    0.1,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    f64::from_bits(1),
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    // With a payload, and negative.
    f64::from_bits(0xFFF8_0000_0000_1234),
];
/// The first days of the years 1 and 1970, the last of 9999, a leap day, and the ends.
const DATES: [i32; 8] = [0, -1, -719_162, 2_932_896, 19_782, i32::MAX, i32::MIN, -719_163];
const MOMENTS: [i64; 9] = [
    0,
    -1,
    1_709_164_800_123_456,
    // The year 1, and the last microsecond of 9999.
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    -62_135_596_800_000_001,
    253_402_300_800_000_000,
    i64::MAX,
    i64::MIN,
];
const TEXTS: [&str; 12] = [
    "",
    "plain",
    "\0",
    "with\0in it",
    " two\tspaces \r\n",
    "Zoë",
    "Zoe\u{308}",
    "日本語",
    "🦀👩‍👩‍👧",
    "مرحبا",
    "\u{10FFFF}\u{FEFF}",
    "\"quoted\", {json}: \\n",
];
const BINARIES: [&[u8]; 6] = [b"", b"\0", b"\xff\xfe\0\x80", b"text", b"\xc3\x28", &[0x7f; 40]];
