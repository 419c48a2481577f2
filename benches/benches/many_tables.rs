//! Many tables in one process: 80 tables beside one table of as many rows, three of the 80 broken; and a small table beside
//! a large one.
//!
//! `cargo bench -p sluice-benches --bench many_tables`; sizes from `SLUICE_BENCH_TABLES`, `SLUICE_BENCH_ROWS` (of each
//! table) and `SLUICE_BENCH_MEMORY` (bytes of the process's budget).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_benches::cost::Cost;
use sluice_benches::place::{Place, until};
use sluice_benches::workload::{self, Workload};
use sluice_benches::{Failure, size, usage};
use sluice_change::TableName;
use sluice_pipeline::{BatchSettings, LaneState, LaneStatus};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The tables that something is wrong with: a truncated file, a file of other columns, a key that is no column.
const BROKEN: usize = 3;

fn main() -> Result<(), Failure> {
    let tables = size("SLUICE_BENCH_TABLES", 80) as usize;
    let rows = size("SLUICE_BENCH_ROWS", 50_000);
    let memory = size("SLUICE_BENCH_MEMORY", 256 << 20) as usize;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let good = (tables - BROKEN) as u64 * rows;
        let one = one_table(good, memory).await?;
        let many = many_tables(tables, rows, memory).await?;
        println!("rows per CPU-second of {tables} tables: {:.2} of one table's", many / one);
        small_beside_large(good, memory).await
    })
}

fn workload(rows: u64, seed: u64) -> Workload {
    Workload { loaded: rows, batches: 0, changes: 1, seed }
}

async fn one_table(rows: u64, memory: usize) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let place = Place::new(folder.path(), vec![("shop.orders".parse()?, workload::schema())]);
    workload::generate(workload(rows, 7), &place.table_folder(&place.tables[0].0), folder.path())?;
    let cost = load(&place, memory, &[], rows).await?;
    Ok(cost.print("one table", rows))
}

async fn many_tables(tables: usize, rows: u64, memory: usize) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let names: Result<Vec<TableName>, _> = (0..tables).map(|n| format!("shop.table_{n:02}").parse()).collect();
    let mut place = Place::new(folder.path(), names?.into_iter().map(|name| (name, workload::schema())).collect());
    for (seed, (name, _)) in place.tables.iter().enumerate() {
        workload::generate(workload(rows, seed as u64), &place.table_folder(name), folder.path())?;
    }
    let broken = break_some(&mut place)?;
    let good = (tables - broken.len()) as u64 * rows;
    let cost = load(&place, memory, &broken, good).await?;
    Ok(cost.print(&format!("{tables} tables, {BROKEN} broken"), good))
}

/// Breaks the first tables, each in its way.
fn break_some(place: &mut Place) -> Result<Vec<TableName>, Failure> {
    let broken: Vec<TableName> = place.tables[..BROKEN].iter().map(|(name, _)| name.clone()).collect();
    let file = |name: &TableName| place.table_folder(name).join("LOAD00000001.csv");
    // Gzip that ends early.
    fs::remove_file(file(&broken[0]))?;
    fs::write(file(&broken[0]).with_extension("csv.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b])?;
    // Parquet that is none.
    fs::write(file(&broken[1]).with_extension("parquet"), b"PAR1 and nothing else PAR1")?;
    fs::remove_file(file(&broken[1]))?;
    // A key that is no column.
    place.tables[2].1.key = vec!["no_such_column".into()];
    Ok(broken)
}

/// Takes everything in, once. The tables in `broken` have to end in quarantine, all others caught up.
async fn load(place: &Place, memory: usize, broken: &[TableName], rows: u64) -> Result<Cost, Failure> {
    usage::reset_peak_memory();
    let supervisor = place.supervisor(BatchSettings::default(), memory)?;
    let (cost, report) = Cost::of(async { Ok(supervisor.run(true, CancellationToken::new()).await) }).await?;
    let peak = usage::peak_memory_bytes() >> 20;
    for lane in &report.lanes {
        match (&lane.state, broken.contains(&lane.table)) {
            (LaneState::CaughtUp, false) => {}
            (LaneState::Quarantined { reason }, true) => println!("  {}: {reason}", lane.table),
            (state, _) => return Err(format!("{}: {state:?}", lane.table).into()),
        }
    }
    let (committed, held) = report.lanes.iter().fold((0, 0), |(committed, held), lane| {
        (committed + lane.committed.changes(), held + lane.silver_rows.unwrap_or(0))
    });
    if (committed, held) != (rows, rows) {
        return Err(format!("{rows} rows were there, {committed} were committed, Silver holds {held}").into());
    }
    println!("  peak memory {peak} MiB of a budget of {} MiB", memory >> 20);
    Ok(cost)
}

/// How soon a small table is there while a large one loads.
async fn small_beside_large(rows: u64, memory: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let tables = ["shop.large", "shop.small"].map(|name| name.parse::<TableName>());
    let tables = tables.into_iter().collect::<Result<Vec<_>, _>>()?;
    let place = Place::new(folder.path(), tables.into_iter().map(|name| (name, workload::schema())).collect());
    let generate = |n: usize, rows: u64, at: &Path| workload::generate(workload(rows, 3), at, folder.path()).map(|_| n);
    generate(0, rows, &place.table_folder(&place.tables[0].0))?;
    // Its folder is there before it is looked at: one that comes to be during a look is a passing fault.
    fs::create_dir_all(place.table_folder(&place.tables[1].0))?;
    let supervisor = place.supervisor(BatchSettings::default(), memory)?;
    let mut board = supervisor.status();
    let stop = CancellationToken::new();
    let running = tokio::spawn(supervisor.run(false, stop.clone()));
    until(&mut board, |_| false, |lanes| lanes[0].commits > 0).await?;
    // The large table is in full swing when the small one's file arrives.
    let start = Instant::now();
    generate(1, 100, &place.table_folder(&place.tables[1].0))?;
    until(&mut board, |_| false, |lanes| lanes[1].commits > 0).await?;
    let small = start.elapsed();
    let loaded = |lane: &LaneStatus| lane.committed.changes();
    let then = loaded(&board.borrow()[0]);
    until(&mut board, |_| false, |lanes| loaded(&lanes[0]) == rows).await?;
    let large = start.elapsed();
    stop.cancel();
    running.await?;
    let millis = |time: Duration| time.as_millis();
    println!(
        "a table of 100 rows is committed {} ms after its file arrived, {then} of {rows} rows into the load of another, \
         which went on for {} ms",
        millis(small),
        millis(large)
    );
    Ok(())
}
