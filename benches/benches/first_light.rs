//! The whole pipeline: DMS CSV to committed Bronze and Silver, in rows per processor second, beside its own decoder.
//!
//! `cargo bench -p sluice-benches --bench first_light`; sizes from `SLUICE_BENCH_LOADED`, `SLUICE_BENCH_BATCHES` and
//! `SLUICE_BENCH_CHANGES`.

use std::path::Path;

use sluice_benches::cost::Cost;
use sluice_benches::place::{Place, caught_up};
use sluice_benches::workload::{self, Files, Workload};
use sluice_benches::{Failure, usage};
use sluice_change::Position;
use sluice_pipeline::{BatchSettings, ProcessSettings};
use sluice_source::Source;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    let workload = Workload::from_environment();
    let folder = tempfile::tempdir()?;
    let place = Place::new(folder.path(), vec![("shop.orders".parse()?, workload::schema())]);
    let table = place.table_folder(&place.tables[0].0);
    let files = workload::generate(workload, &table, &folder.path().join("staged"))?;
    let bytes = files.changes.iter().map(|path| Ok(path.metadata()?.len())).sum::<Result<u64, std::io::Error>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&place, &table, workload, files, bytes))
}

async fn measure(place: &Place, table: &Path, workload: Workload, files: Files, bytes: u64) -> Result<(), Failure> {
    let rows = workload.batches * workload.changes;
    println!("{rows} changes of {:.0} B onto {} rows", bytes as f64 / rows as f64, workload.loaded);
    usage::reset_peak_memory();
    // One commit a batch file.
    let batch = BatchSettings { max_rows: workload.changes as usize, ..BatchSettings::default() };
    let supervisor = place.supervisor(batch, ProcessSettings::default().memory_bytes)?;
    let mut status = supervisor.status();
    let stop = CancellationToken::new();
    let (load, running) = Cost::of(async {
        let running = tokio::spawn(supervisor.run(false, stop.clone()));
        caught_up(&mut status, workload.loaded).await?;
        Ok(running)
    })
    .await?;
    load.print("full load", workload.loaded);
    let load_peak = usage::peak_memory_bytes();
    usage::reset_peak_memory();
    let before = status.borrow()[0].commits;
    let (changes, ()) = Cost::of(async {
        for path in &files.changes {
            std::fs::rename(path, table.join(path.file_name().unwrap_or_default()))?;
        }
        caught_up(&mut status, workload.loaded + rows).await
    })
    .await?;
    let rate = changes.print("changes, Bronze and Silver", rows);
    let peak = usage::peak_memory_bytes();
    let commits = status.borrow()[0].commits - before;
    stop.cancel();
    running.await?;
    let (decode, decoded) = Cost::of(decode_only(place)).await?;
    let limit = decode.print("decode alone", decoded);
    println!(
        "{commits} commits; peak memory {} MiB in the changes, {} MiB in the full load; {:.2} of decode alone",
        peak >> 20,
        load_peak >> 20,
        rate / limit
    );
    println!(
        "{{\"benchmark\":\"first_light\",\"rows_per_cpu_second\":{rate:.0},\"peak_bytes\":{peak},\"commits\":{commits},\
         \"wall_seconds\":{:.3},\"cpu_seconds\":{:.3}}}",
        changes.wall.as_secs_f64(),
        changes.cpu
    );
    Ok(())
}

/// The limit: the change files read and decoded, and nothing else.
async fn decode_only(place: &Place) -> Result<u64, Failure> {
    let (table, schema) = &place.tables[0];
    let mut position = Position::start();
    position.advance_file(&table.to_string(), "0/LOAD00000001.csv", i64::MAX, u64::MAX, true);
    let mut reader = place.source(ProcessSettings::default().memory_bytes)?.open(table, schema, position).await?;
    let mut rows = 0;
    while let Some(batch) = reader.next().await? {
        rows += batch.len() as u64;
    }
    Ok(rows)
}
