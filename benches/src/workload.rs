//! The workload of the whole-pipeline benchmark: a full load, then batches of uniform changes, as DMS writes them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::{Column, ColumnType, TableSchema};

use crate::size;

const CITIES: [&str; 8] = ["Berlin", "Lisboa", "Reykjavik", "Osaka", "Montevideo", "Cape Town", "Tromso", "Wellington"];
const STATUS: [&str; 5] = ["open", "paid", "shipped", "returned", "closed"];

/// Size of the workload.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Rows of the full load.
    pub loaded: u64,
    /// Batches of changes; each is one file.
    pub batches: u64,
    /// Changes in a batch: 20 % inserts, 70 % updates, 10 % deletes, over uniform keys.
    pub changes: u64,
    /// Seed of the generator.
    pub seed: u64,
}

impl Workload {
    /// A million rows and ten batches of 100,000 changes, unless `SLUICE_BENCH_LOADED`, `SLUICE_BENCH_BATCHES` and
    /// `SLUICE_BENCH_CHANGES` say otherwise.
    pub fn from_environment() -> Self {
        Self {
            loaded: size("SLUICE_BENCH_LOADED", 1_000_000),
            batches: size("SLUICE_BENCH_BATCHES", 10),
            changes: size("SLUICE_BENCH_CHANGES", 100_000),
            seed: 7,
        }
    }
}

/// The generated files.
#[derive(Debug)]
pub struct Files {
    /// The full load.
    pub load: Vec<PathBuf>,
    /// The changes, in order.
    pub changes: Vec<PathBuf>,
}

/// The table: eleven columns, keyed by `id`.
pub fn schema() -> TableSchema {
    let decimal = ColumnType::Decimal { precision: 12, scale: 2 };
    let columns = [
        ("id", ColumnType::Long),
        ("customer_id", ColumnType::Long),
        ("status", ColumnType::String),
        ("quantity", ColumnType::Int),
        ("amount", decimal),
        ("discount", ColumnType::Double),
        ("ordered_on", ColumnType::Date),
        ("updated_at", ColumnType::Timestamp),
        ("city", ColumnType::String),
        ("email", ColumnType::String),
        ("gift", ColumnType::Boolean),
    ];
    TableSchema {
        columns: columns.into_iter().map(|(name, column_type)| Column::new(name, column_type)).collect(),
        key: vec!["id".into()],
    }
}

/// Writes the files below `folder`, those of the full load in place and the changes under `staged`.
pub fn generate(workload: Workload, table: &Path, staged: &Path) -> io::Result<Files> {
    fs::create_dir_all(table)?;
    fs::create_dir_all(staged)?;
    let mut rng = StdRng::seed_from_u64(workload.seed);
    let load = table.join("LOAD00000001.csv");
    load_file(&load, &mut rng, 1..=workload.loaded)?;
    // Keys that are there, so that an update or a delete always meets one.
    let mut live: Vec<u64> = (1..=workload.loaded).collect();
    let mut next = workload.loaded + 1;
    let mut changes = Vec::new();
    for batch in 0..workload.batches {
        let path = staged.join(format!("20260101-{:02}0000000.csv", batch));
        let mut out = BufWriter::new(File::create(&path)?);
        for number in 0..workload.changes {
            let micros = number * 1_000_000 / workload.changes;
            let stamp = format!("2026-01-01 {batch:02}:00:00.{micros:06}");
            match rng.random_range(0..10) {
                0..=1 => {
                    write!(out, "I,{stamp},")?;
                    row(&mut out, &mut rng, next)?;
                    live.push(next);
                    next += 1;
                }
                2..=8 => {
                    let id = live[rng.random_range(0..live.len())];
                    write!(out, "U,{stamp},")?;
                    row(&mut out, &mut rng, id)?;
                }
                _ => {
                    let place = rng.random_range(0..live.len());
                    let id = live.swap_remove(place);
                    writeln!(out, "D,{stamp},{id},,,,,,,,,,")?;
                }
            }
        }
        out.flush()?;
        changes.push(path);
    }
    Ok(Files { load: vec![load], changes })
}

/// Writes a file of a full load.
pub fn load_file(path: &Path, rng: &mut StdRng, ids: impl Iterator<Item = u64>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for id in ids {
        write!(out, "2026-01-01 00:00:00.000000,")?;
        row(&mut out, rng, id)?;
    }
    out.flush()
}

/// Writes a file of so many changes: 20 % inserts from the key `next` on, 70 % updates and 10 % deletes of uniform keys up to
/// `loaded`, some of which may be gone. It needs no memory for the keys. Returns the next key.
pub fn change_file(path: &Path, rng: &mut StdRng, changes: u64, loaded: u64, mut next: u64) -> io::Result<u64> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..changes {
        let stamp = format!("2026-01-02 00:00:00.{:06}", number * 1_000_000 / changes);
        let id = rng.random_range(1..=loaded);
        match rng.random_range(0..10) {
            0..=1 => {
                write!(out, "I,{stamp},")?;
                row(&mut out, rng, next)?;
                next += 1;
            }
            2..=8 => {
                write!(out, "U,{stamp},")?;
                row(&mut out, rng, id)?;
            }
            _ => writeln!(out, "D,{stamp},{id},,,,,,,,,,")?,
        }
    }
    out.flush()?;
    Ok(next)
}

fn row(out: &mut impl Write, rng: &mut StdRng, id: u64) -> io::Result<()> {
    let customer = rng.random_range(1..2_000_000_u64);
    writeln!(
        out,
        "{id},{customer},{},{},{}.{:02},{:.4},2025-{:02}-{:02},2025-12-{:02} {:02}:{:02}:{:02}.{:06},{},user{customer}@example.org,{}",
        STATUS[rng.random_range(0..STATUS.len())],
        rng.random_range(1..100),
        rng.random_range(1..100_000),
        rng.random_range(0..100),
        rng.random::<f64>(),
        rng.random_range(1..=12),
        rng.random_range(1..=28),
        rng.random_range(1..=28),
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60),
        rng.random_range(0..1_000_000),
        CITIES[rng.random_range(0..CITIES.len())],
        rng.random::<bool>(),
    )
}
