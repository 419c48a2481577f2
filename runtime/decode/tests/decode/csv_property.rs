use std::io::Write;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::Index;
use sluice_change::{Column, ColumnType, Op, TableSchema};
use sluice_decode::{CsvSettings, FileContext, HeaderMode, OpColumn, csv_decoder};

use crate::drive::{context, drive, schema};

/// Days of 0000-01-01 and 9999-12-31, between which dates are written with four digits of the year.
const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;
const DAY_MICROS: i64 = 86_400_000_000;

/// What a value is made from, whatever the type of its column.
#[derive(Debug, Clone)]
struct Cell {
    null: bool,
    number: i128,
    text: String,
    quoted: bool,
}

#[derive(Debug, Clone)]
struct Row {
    cells: Vec<Cell>,
    op: Index,
    fault: Option<Fault>,
    carriage_return: bool,
    blank_before: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    TooWide,
    Torn,
    BadKey,
    NotUtf8,
    BadOp,
}

#[derive(Debug, Clone)]
struct Case {
    types: Vec<ColumnType>,
    rows: Vec<Row>,
    header: bool,
    gzip: bool,
    last_line_end: bool,
    pieces: Vec<usize>,
    batch_rows: usize,
    resume: Index,
}

fn column_type() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        Just(ColumnType::Boolean),
        Just(ColumnType::Int),
        Just(ColumnType::Long),
        Just(ColumnType::Float),
        Just(ColumnType::Double),
        (1_u8..=38)
            .prop_flat_map(|precision| (Just(precision), 0..=precision))
            .prop_map(|(precision, scale)| ColumnType::Decimal { precision, scale }),
        Just(ColumnType::Date),
        Just(ColumnType::Time),
        Just(ColumnType::Timestamp),
        Just(ColumnType::TimestampTz),
        Just(ColumnType::String),
        Just(ColumnType::Binary),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("NULL".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-z ]{0,12}",
        "[,\"\n\r\\\\a界 ]{0,10}",
        "(\\PC|\n){0,80}",
    ]
}

fn cell() -> impl Strategy<Value = Cell> {
    let number = prop_oneof![-5_i128..5, any::<i32>().prop_map(i128::from), any::<i128>()];
    (prop::bool::weighted(0.2), number, text(), any::<bool>()).prop_map(|(null, number, text, quoted)| Cell {
        null,
        number,
        text,
        quoted,
    })
}

fn row(columns: usize) -> impl Strategy<Value = Row> {
    let fault = prop_oneof![
        Just(Fault::TooWide),
        Just(Fault::Torn),
        Just(Fault::BadKey),
        Just(Fault::NotUtf8),
        Just(Fault::BadOp)
    ];
    let cells = prop::collection::vec(cell(), columns);
    (cells, any::<Index>(), prop::option::weighted(0.15, fault), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(cells, op, fault, carriage_return, blank_before)| Row { cells, op, fault, carriage_return, blank_before },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let types = prop::collection::vec(column_type(), 0..7);
    types.prop_flat_map(|types| {
        let rows = prop::collection::vec(row(types.len()), 0..40);
        let pieces = prop::collection::vec(1_usize..200, 1..20);
        (Just(types), rows, any::<[bool; 3]>(), pieces, 1_usize..50, any::<Index>()).prop_map(
            |(types, rows, [header, gzip, last_line_end], pieces, batch_rows, resume)| Case {
                types,
                rows,
                header,
                gzip,
                last_line_end,
                pieces,
                batch_rows,
                resume,
            },
        )
    })
}

/// The column as Arrow has it, built without the decoder.
fn array(column_type: ColumnType, rows: &[Row], place: usize) -> ArrayRef {
    let cells = || rows.iter().map(|row| Some(&row.cells[place]).filter(|cell| !cell.null));
    let within = |cell: &Cell, span: i64| (cell.number.rem_euclid(i128::from(span))) as i64;
    let day = |cell: &Cell| DAYS.start() + within(cell, i64::from(DAYS.end() - DAYS.start()) + 1) as i32;
    let micros = |cell: &Cell| i64::from(day(cell)) * DAY_MICROS + within(cell, DAY_MICROS - 1);
    match column_type {
        ColumnType::Boolean => {
            Arc::new(cells().map(|cell| cell.map(|cell| cell.number % 2 == 0)).collect::<BooleanArray>())
        }
        ColumnType::Int => Arc::new(cells().map(|cell| cell.map(|cell| cell.number as i32)).collect::<Int32Array>()),
        ColumnType::Long => Arc::new(cells().map(|cell| cell.map(|cell| cell.number as i64)).collect::<Int64Array>()),
        ColumnType::Float => Arc::new(
            cells()
                .map(|cell| cell.map(|cell| f32::from_bits(cell.number as u32)))
                .map(no_payload)
                .collect::<Float32Array>(),
        ),
        ColumnType::Double => {
            Arc::new(cells().map(|cell| cell.map(|cell| cell.number as f64 / 7e5)).collect::<Float64Array>())
        }
        ColumnType::Decimal { precision, scale } => {
            let limit = 10_i128.pow(u32::from(precision));
            let values = cells().map(|cell| cell.map(|cell| cell.number % limit)).collect::<Decimal128Array>();
            Arc::new(values.with_precision_and_scale(precision, scale as i8).unwrap())
        }
        ColumnType::Date => Arc::new(cells().map(|cell| cell.map(day)).collect::<Date32Array>()),
        ColumnType::Time => {
            Arc::new(cells().map(|cell| cell.map(|cell| within(cell, DAY_MICROS))).collect::<Time64MicrosecondArray>())
        }
        ColumnType::Timestamp => Arc::new(cells().map(|cell| cell.map(micros)).collect::<TimestampMicrosecondArray>()),
        ColumnType::TimestampTz => Arc::new(
            cells().map(|cell| cell.map(micros)).collect::<TimestampMicrosecondArray>().with_timezone("+00:00"),
        ),
        ColumnType::String => {
            Arc::new(cells().map(|cell| cell.map(|cell| cell.text.as_str())).collect::<StringArray>())
        }
        ColumnType::Binary => {
            Arc::new(cells().map(|cell| cell.map(|cell| cell.text.as_bytes())).collect::<BinaryArray>())
        }
    }
}

/// One NaN for all: text does not tell them apart.
fn no_payload(value: Option<f32>) -> Option<f32> {
    value.map(|value| if value.is_nan() { f32::NAN } else { value })
}

fn table(case: &Case) -> (TableSchema, RecordBatch) {
    let mut schema = TableSchema { columns: vec![Column::new("key", ColumnType::Long)], key: vec!["key".into()] };
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..case.rows.len() as i64))];
    for (place, &column_type) in case.types.iter().enumerate() {
        schema.columns.push(Column::new(format!("c{place}"), column_type));
        columns.push(array(column_type, &case.rows, place));
    }
    let batch = RecordBatch::try_new(schema.arrow(), columns).unwrap();
    (schema, batch)
}

/// A value as text, quoted where it has to be and where the case wants it.
fn field(value: &str, cell: &Cell) -> String {
    let has = |letters: &[char]| value.contains(letters);
    let must = has(&[',', '\n', '\r']) || value.starts_with('"') || value.is_empty() || value == "NULL";
    if must || cell.quoted { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

fn encode(case: &Case, schema: &TableSchema, batch: &RecordBatch) -> Vec<u8> {
    let options = FormatOptions::default();
    let formatters: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let mut file = Vec::new();
    if case.header {
        let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        file.extend_from_slice(format!("Op,{}\n", names.join(",")).as_bytes());
    }
    for (n, row) in case.rows.iter().enumerate() {
        if row.blank_before {
            file.extend_from_slice(b"\r\n");
        }
        file.extend_from_slice(if matches!(row.fault, Some(Fault::BadOp)) { b"Q" } else { op(row).code().as_bytes() });
        file.extend_from_slice(match row.fault {
            Some(Fault::BadKey) => b",12x",
            Some(Fault::NotUtf8) => b",\xc3\x28",
            Some(Fault::Torn) => b",\"1\"1",
            _ => b",",
        });
        if !matches!(row.fault, Some(Fault::BadKey | Fault::NotUtf8 | Fault::Torn)) {
            file.extend_from_slice(n.to_string().as_bytes());
        }
        // A torn record ends at its line end, wherever quotes may open later.
        let simple = matches!(row.fault, Some(Fault::Torn));
        for (cell, (formatter, column)) in row.cells.iter().zip(formatters.iter().zip(batch.columns()).skip(1)) {
            file.push(b',');
            if simple || column.is_null(n) {
                file.extend_from_slice(if cell.quoted { b"NULL" } else { b"" });
            } else {
                file.extend_from_slice(field(&formatter.value(n).to_string(), cell).as_bytes());
            }
        }
        if matches!(row.fault, Some(Fault::TooWide)) {
            file.extend_from_slice(b",1");
        }
        file.extend_from_slice(if row.carriage_return { b"\r\n" } else { b"\n" });
    }
    if !case.last_line_end && file.last() == Some(&b'\n') {
        file.pop();
    }
    file
}

fn op(row: &Row) -> Op {
    [Op::Insert, Op::Update, Op::Delete][row.op.index(3)]
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let (first, second) = text.split_at(text.len() / 3);
    let member = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    [member(first), member(second)].concat()
}

fn check(case: &Case, schema: &TableSchema, expected: &RecordBatch, file: &[u8], skip: usize) {
    let context = FileContext { skip: skip as u64, batch_rows: case.batch_rows, ..context(schema.clone(), file.len()) };
    let settings = CsvSettings {
        header: if case.header { HeaderMode::Auto } else { HeaderMode::Absent },
        ..CsvSettings::default()
    };
    let mut pieces = case.pieces.iter().copied().cycle();
    let outcome = drive(csv_decoder(&settings, context).unwrap(), file, || pieces.next().unwrap());
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let good: Vec<bool> = case.rows.iter().enumerate().map(|(n, row)| n >= skip && row.fault.is_none()).collect();
    let expected = filter_record_batch(expected, &good.clone().into()).unwrap();
    let batches: Vec<RecordBatch> =
        outcome.batches.iter().map(|batch| batch.rows.clone()).filter(|rows| rows.num_columns() > 0).collect();
    assert_eq!(concat_batches(&schema.arrow(), &batches).unwrap(), expected);
    let ops: Vec<Op> = outcome.batches.iter().flat_map(|batch| batch.ops.clone()).collect();
    let wanted = case.rows.iter().zip(&good).filter(|(_, good)| **good).map(|(row, _)| op(row)).collect::<Vec<_>>();
    assert_eq!(ops, wanted);
    let numbers: Vec<i64> = outcome.batches.iter().flat_map(|batch| batch.row_numbers.values().to_vec()).collect();
    let wanted = good.iter().enumerate().filter(|(_, good)| **good).map(|(n, _)| n as i64 + 1).collect::<Vec<_>>();
    assert_eq!(numbers, wanted);
    let rejected: Vec<u64> =
        outcome.batches.iter().flat_map(|batch| &batch.rejects).map(|reject| reject.row_number).collect();
    let bad = |&(n, row): &(usize, &Row)| n >= skip && row.fault.is_some();
    let wanted = case.rows.iter().enumerate().filter(bad).map(|(n, _)| n as u64 + 1).collect::<Vec<_>>();
    assert_eq!(rejected, wanted);
    if skip < case.rows.len() {
        assert_eq!(outcome.batches.last().map(|batch| batch.consumed), Some(case.rows.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_is_decoded_from_any_point_on(case in case()) {
        let (schema, expected) = table(&case);
        let text = encode(&case, &schema, &expected);
        let file = if case.gzip { gzip(&text) } else { text };
        check(&case, &schema, &expected, &file, 0);
        check(&case, &schema, &expected, &file, case.resume.index(case.rows.len() + 1));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_without_a_panic(
        bytes in prop::collection::vec(prop_oneof![
            3 => Just(b','), 3 => Just(b'"'), 3 => Just(b'\n'), 1 => Just(b'\r'), 2 => Just(b'I'), 2 => Just(b'1'),
            2 => any::<u8>()], 0..600),
        piece in 1_usize..100,
        modes in any::<[bool; 5]>(),
        skip in 0_u64..5,
        batch_rows in 1_usize..20,
        squeeze in any::<bool>(),
    ) {
        let [full_load, timed, before, present, absent] = modes;
        let settings = CsvSettings {
            timestamp_column: timed.then(|| "ts".into()),
            before_prefix: before.then(|| "BI_".into()),
            header: if present { HeaderMode::Present } else { HeaderMode::Auto },
            op_column: if absent { OpColumn::Absent } else { OpColumn::Auto },
            ..CsvSettings::default()
        };
        let columns = ["*a int", "b string", "c decimal(5,2)", "d binary", "e timestamp"];
        let mut file = bytes;
        if squeeze {
            let text = gzip(&file);
            let cut = text.len() - text.len() / 10;
            file = text[..cut].to_vec();
        }
        let schema = if skip == 4 { schema(&[]) } else { schema(&columns) };
        let context = FileContext { full_load, skip, batch_rows, ..context(schema.clone(), file.len()) };
        drive(csv_decoder(&settings, context).unwrap(), &file, || piece);
        let _ = sluice_decode::describe_csv(&settings, full_load, &schema, &file, true);
    }
}
