//! Decodes generated CSV changes from memory and prints how many rows a second one core does.
//!
//! `cargo run --release -p sluice-decode --example decode_rate [rows]`

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sluice_change::{Column, ColumnType, Origin, TableSchema};
use sluice_decode::{CsvSettings, DecodeError, FileContext, Step, csv_decoder};

const REPEATS: u32 = 5;
const BATCH_ROWS: usize = 64 << 10;

fn schema() -> TableSchema {
    let columns = [
        ("id", ColumnType::Long),
        ("customer_id", ColumnType::Long),
        ("status", ColumnType::String),
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("quantity", ColumnType::Int),
        ("ordered_on", ColumnType::Date),
        ("updated_at", ColumnType::Timestamp),
        ("note", ColumnType::String),
        ("paid", ColumnType::Boolean),
    ];
    let columns = columns.map(|(name, column_type)| Column::new(name, column_type)).to_vec();
    TableSchema { columns, key: vec!["id".into()] }
}

/// About 140 bytes a row, 11 values with operation and commit time.
fn generate(rows: u64) -> String {
    let mut text = String::with_capacity(rows as usize * 150);
    let mut random = 88_172_645_463_325_252_u64;
    for row in 0..rows {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (second, day) = (row % 60, random % 28 + 1);
        let op = ["I", "U", "U", "U", "D"][(random % 5) as usize];
        let status = ["new", "paid", "shipped", "returned"][(random >> 8) as usize % 4];
        let _ = writeln!(
            text,
            "{op},2024-05-{day:02} 10:{second:02}:{second:02}.{micros:06},{row},{customer},{status},{amount}.{cents:02},\
             {quantity},2024-05-{day:02},2024-05-{day:02} 09:{second:02}:00.000000,order note {random:x} for row,{paid}",
            micros = random % 1_000_000,
            customer = random % 1_000_000,
            amount = random % 100_000,
            cents = random % 100,
            quantity = random % 500,
            paid = random & 1 == 0,
        );
    }
    text
}

fn decode(file: &Bytes) -> Result<usize, DecodeError> {
    let settings = CsvSettings { timestamp_column: Some("ts".into()), ..CsvSettings::default() };
    let origin = Origin { partition: "public.orders".into(), name: "generated.csv".into(), order: "1".into() };
    let context = FileContext {
        origin: Arc::new(origin),
        length: file.len() as u64,
        full_load: false,
        skip: 0,
        schema: schema(),
        batch_rows: BATCH_ROWS,
        batch_bytes: sluice_decode::MOST_BATCH_BYTES,
    };
    let mut decoder = csv_decoder(&settings, context)?;
    let mut rows = 0;
    loop {
        match decoder.step()? {
            Step::Need(ranges) => {
                for range in ranges {
                    let bytes = file.slice(range.start as usize..range.end as usize);
                    decoder.supply(range, bytes);
                }
            }
            Step::Batch(batch) => rows += batch.rows.num_rows(),
            Step::End => return Ok(rows),
        }
    }
}

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement has to see the time and to be seen")]
fn main() -> Result<(), DecodeError> {
    let rows = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let file = Bytes::from(generate(rows));
    for _ in 0..REPEATS {
        let start = Instant::now();
        let decoded = decode(&file)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{decoded} rows of {} B: {:.2} M rows/s, {:.0} ns a row, {:.0} MB/s",
            file.len() as u64 / rows.max(1),
            decoded as f64 / seconds / 1e6,
            seconds * 1e9 / decoded.max(1) as f64,
            file.len() as f64 / seconds / 1e6
        );
    }
    Ok(())
}
