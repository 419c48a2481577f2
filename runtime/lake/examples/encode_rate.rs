//! Nanoseconds a row for encoding data files, for tables like those of the benchmark: eleven business columns
//! (Silver), and the same with the record columns in front (Bronze).
//!
//! `cargo run --release -p sluice-lake --example encode_rate [rows in a batch] [batches]`
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, dead_code, unused_imports)]

// The room's interface has no Iceberg type, so the module is measured from inside.
#[path = "../src/files/mod.rs"]
mod files;

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use iceberg::spec::{NestedField, PartitionSpec, PrimitiveType, Schema, Transform, Type};
use sluice_platform::{Clock, SystemClock};

use files::{FileLayout, FileSettings, encode_data_files};

/// A stream of numbers without a pattern that compression could find (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Processor time of this thread where the system tells it (other work on the machine does not count), else the time.
fn spent_us() -> i64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = spent.and_then(|text| text.split(' ').next()?.parse::<i64>().ok());
    nanos.map_or_else(|| SystemClock.now_us(), |nanos| nanos / 1000)
}

type Column = (&'static str, PrimitiveType, ArrayRef);

fn business_columns(rows: usize, noise: &mut Noise) -> Vec<Column> {
    use PrimitiveType::{Date, Decimal, Int, Long, String as Text, Timestamp};
    let statuses = ["new", "paid", "shipped", "returned"];
    let amounts = Decimal128Array::from_iter_values((0..rows).map(|_| i128::from(noise.below(100_000_000))));
    let instants = (0..rows).map(|_| 1_700_000_000_000_000 + noise.below(31_536_000_000_000) as i64);
    let instants: Vec<i64> = instants.collect();
    vec![
        ("order_id", Long, Arc::new(Int64Array::from_iter_values((0..rows).map(|_| noise.below(1_000_000) as i64)))),
        ("customer_id", Long, Arc::new(Int64Array::from_iter_values((0..rows).map(|_| noise.below(200_000) as i64)))),
        ("status", Text, Arc::new(StringArray::from_iter_values((0..rows).map(|_| statuses[noise.below(4) as usize])))),
        ("quantity", Int, Arc::new(Int32Array::from_iter_values((0..rows).map(|_| noise.below(100) as i32)))),
        ("amount", Decimal { precision: 12, scale: 2 }, Arc::new(amounts.with_precision_and_scale(12, 2).unwrap())),
        (
            "sku",
            Text,
            Arc::new(StringArray::from_iter_values((0..rows).map(|_| format!("SKU-{:06}", noise.below(50_000))))),
        ),
        (
            "note",
            Text,
            Arc::new(StringArray::from_iter_values((0..rows).map(|_| format!("note {:016x}", noise.next())))),
        ),
        ("day", Date, Arc::new(Date32Array::from_iter_values((0..rows).map(|_| 19_000 + noise.below(365) as i32)))),
        ("created_at", Timestamp, Arc::new(TimestampMicrosecondArray::from(instants.clone()))),
        ("updated_at", Timestamp, Arc::new(TimestampMicrosecondArray::from(instants))),
        ("country", Text, Arc::new(StringArray::from_iter_values((0..rows).map(|_| format!("C{}", noise.below(60)))))),
    ]
}

fn record_columns(rows: usize, batch: usize) -> Vec<Column> {
    use PrimitiveType::{Long, String as Text, Timestamptz};
    let text = |values: Vec<&str>| Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>()) as ArrayRef;
    let file = format!("sales/orders/20240101-{batch:09}.csv");
    let first = (batch * rows) as i64;
    let seconds = (0..rows).map(|row| 1_704_067_200_000_000 + (row / 50) as i64 * 1_000_000);
    vec![
        ("_seq", Long, Arc::new(Int64Array::from_iter_values(first..first + rows as i64))),
        ("_op", Text, text((0..rows).map(|row| ["U", "U", "I", "U", "D"][row % 5]).collect())),
        (
            "_commit_time",
            Timestamptz,
            Arc::new(TimestampMicrosecondArray::from_iter_values(seconds).with_timezone("+00:00")),
        ),
        ("_source_file", Text, text(vec![file.as_str(); rows])),
        ("_source_row", Long, Arc::new(Int64Array::from_iter_values(1..=rows as i64))),
        ("_source_order", Text, text(vec![file.as_str(); rows])),
        (
            "_ingested_at",
            Timestamptz,
            Arc::new(TimestampMicrosecondArray::from(vec![1_704_067_200_000_000; rows]).with_timezone("+00:00")),
        ),
    ]
}

fn measure(name: &str, batches: Vec<Vec<Column>>, partition: Option<&str>) {
    let columns = batches.first().unwrap();
    let fields = columns.iter().enumerate().map(|(position, (name, kind, _))| {
        Arc::new(NestedField::optional(position as i32 + 1, *name, Type::Primitive(kind.clone())))
    });
    let schema = Arc::new(Schema::builder().with_fields(fields).build().unwrap());
    let mut spec = PartitionSpec::builder(Arc::clone(&schema));
    if let Some(column) = partition {
        spec = spec.add_partition_field(column, "commit_day", Transform::Day).unwrap();
    }
    let layout = FileLayout::new(schema, Arc::new(spec.build().unwrap()), FileSettings::default()).unwrap();
    let batches: Vec<RecordBatch> = batches
        .into_iter()
        .map(|columns| RecordBatch::try_from_iter(columns.into_iter().map(|(name, _, array)| (name, array))).unwrap())
        .collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    for _ in 0..5 {
        let start = spent_us();
        let encoded = encode_data_files(&layout, &batches).unwrap();
        let micros = spent_us() - start;
        let bytes: usize = encoded.iter().map(|file| file.bytes.len()).sum();
        println!(
            "{name}: {:.0} ns a row, {:.1} bytes a row, {} file(s)",
            micros as f64 * 1000.0 / rows as f64,
            bytes as f64 / rows as f64,
            encoded.len()
        );
    }
}

fn main() {
    let argument = |place: usize, default: usize| {
        std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (rows, batches) = (argument(1, 100_000), argument(2, 10));
    let mut noise = Noise(1);
    let silver: Vec<_> = (0..batches).map(|_| business_columns(rows, &mut noise)).collect();
    let bronze: Vec<_> = silver
        .iter()
        .enumerate()
        .map(|(batch, columns)| {
            let mut all = record_columns(rows, batch);
            all.extend(columns.iter().cloned());
            all
        })
        .collect();
    measure("silver", silver, None);
    measure("bronze", bronze.clone(), None);
    measure("bronze by day of commit", bronze, Some("_commit_time"));
}
