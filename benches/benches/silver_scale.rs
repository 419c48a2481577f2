//! Batches of changes onto Silver tables of several sizes, in one run: what a batch takes must not grow with the table.
//!
//! `cargo bench -p sluice-benches --bench silver_scale`; sizes from `SLUICE_BENCH_SIZES` (rows, with commas between them),
//! `SLUICE_BENCH_VECTORS` (deletion vectors in a Puffin file), `SLUICE_BENCH_WARM` and `SLUICE_BENCH_BATCHES` (batches), `SLUICE_BENCH_CHANGES` (changes in a batch) and `SLUICE_BENCH_MEMORY` (bytes).
//! With `SLUICE_BENCH_FOLDER` the lakes stay there, each in a folder named after its size, for readers.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sluice_benches::cost::Cost;
use sluice_benches::place::{Board, Place, caught_up};
use sluice_benches::{Failure, size, usage, workload};
use sluice_pipeline::{BatchSettings, ProcessSettings};
use sluice_platform::{LocalStorage, ObjectMeta, Storage, StorageError};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of one file of a full load.
const LOAD_ROWS: u64 = 1_000_000;

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Plan {
    warm: u64,
    batches: u64,
    changes: u64,
    memory: usize,
}

/// What one batch takes in the middle.
struct Measured {
    seconds: f64,
}

fn main() -> Result<(), Failure> {
    let sizes = std::env::var("SLUICE_BENCH_SIZES").unwrap_or_else(|_| "1000000,10000000".to_owned());
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.trim().parse()).collect::<Result<_, _>>()?;
    let plan = Plan {
        warm: size("SLUICE_BENCH_WARM", 20),
        batches: size("SLUICE_BENCH_BATCHES", 40),
        changes: size("SLUICE_BENCH_CHANGES", 100_000),
        memory: size("SLUICE_BENCH_MEMORY", ProcessSettings::default().memory_bytes as u64) as usize,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut first: Option<f64> = None;
    for rows in sizes {
        let Measured { seconds } = runtime.block_on(measure(rows, plan))?;
        let ratio = seconds / *first.get_or_insert(seconds);
        println!("{rows} rows: a batch takes {ratio:.2} of what it takes at the first size\n");
    }
    Ok(())
}

async fn measure(rows: u64, plan: Plan) -> Result<Measured, Failure> {
    let (folder, _temporary) = folder(rows)?;
    let tables = vec![("shop.orders".parse()?, workload::schema())];
    let storage = Arc::new(CountingStorage::default());
    let place = Place::new(&folder, tables).with_vectors_per_file(size("SLUICE_BENCH_VECTORS", 1) as usize);
    let place = place.on(storage.clone(), &LocalStorage::location(&folder));
    let table = place.table_folder(&place.tables[0].0);
    std::fs::create_dir_all(&table)?;
    let batch = BatchSettings { max_rows: plan.changes.max(100_000) as usize, ..BatchSettings::default() };
    let supervisor = place.supervisor(batch, plan.memory)?;
    let mut board = supervisor.status();
    let stop = CancellationToken::new();
    let running = tokio::spawn(supervisor.run(false, stop.clone()));
    usage::reset_peak_memory();
    let mut rng = StdRng::seed_from_u64(rows);
    let (load, ()) = Cost::of(load(&table, &mut board, &mut rng, rows)).await?;
    load.print("full load", rows);
    let load_peak = usage::peak_memory_bytes();
    usage::reset_peak_memory();
    let mut feed = Feed { table, staged: folder.join("staged.csv"), loaded: rows, next: rows + 1, number: 0 };
    let mut committed = rows;
    let mut times = Vec::new();
    let mut cost = (0.0, 0);
    for number in 0..plan.warm + plan.batches {
        feed.generate(&mut rng, plan.changes)?;
        let (cpu, bytes, begun) = (usage::cpu_seconds(), storage.written(), Instant::now());
        feed.deliver()?;
        committed += plan.changes;
        caught_up(&mut board, committed).await?;
        if number >= plan.warm {
            times.push(begun.elapsed().as_secs_f64());
            cost = (cost.0 + usage::cpu_seconds() - cpu, cost.1 + storage.written() - bytes);
        }
    }
    stop.cancel();
    running.await?;
    let tenth = (times.len() / 10).max(1);
    let (early, late) = (median(&times[..tenth]), median(&times[times.len() - tenth..]));
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let changed = (plan.batches * plan.changes) as f64;
    let (peak, rewrites) = (usage::peak_memory_bytes(), board.borrow()[0].rewrites);
    println!(
        "{} batches of {} changes: median {:.3} s, 95 % {:.3} s, longest {:.3} s; {:.0} changes/cpu-s; {:.0} B written a change; \
         first tenth {early:.3} s, last tenth {late:.3} s ({:.2}); {rewrites} rewrites; index {} MiB on disk; peak memory {} MiB (load {} MiB) of {} MiB",
        plan.batches,
        plan.changes,
        at(0.5),
        at(0.95),
        at(1.0),
        changed / cost.0,
        cost.1 as f64 / changed,
        late / early,
        folder_bytes(&folder.join("cache"))? >> 20,
        peak >> 20,
        load_peak >> 20,
        plan.memory >> 20,
    );
    println!(
        "{{\"benchmark\":\"silver_scale\",\"rows\":{rows},\"median_seconds\":{:.4},\"longest_seconds\":{:.4},\
         \"changes_per_cpu_second\":{:.0},\"bytes_per_change\":{:.1},\"peak_bytes\":{peak},\"load_peak_bytes\":{load_peak}}}",
        at(0.5),
        at(1.0),
        changed / cost.0,
        cost.1 as f64 / changed,
    );
    Ok(Measured { seconds: at(0.5) })
}

/// The middle of some times.
fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Where the lake is, and what takes it away in the end.
fn folder(rows: u64) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    let Some(kept) = std::env::var_os("SLUICE_BENCH_FOLDER") else {
        let temporary = tempfile::tempdir()?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    let folder = PathBuf::from(kept).join(rows.to_string());
    std::fs::create_dir_all(&folder)?;
    Ok((folder, None))
}

/// Takes the full load in, a file at a time, so that never more than a few files are on disk.
async fn load(table: &Path, board: &mut Board, rng: &mut StdRng, rows: u64) -> Result<(), Failure> {
    let staged = table.parent().unwrap_or(table).join("staged.csv");
    let mut held: Vec<PathBuf> = Vec::new();
    for first in (1..=rows).step_by(LOAD_ROWS as usize) {
        let last = (first + LOAD_ROWS - 1).min(rows);
        workload::load_file(&staged, rng, first..=last)?;
        caught_up(board, first - 1).await?;
        let path = table.join(format!("LOAD{:08}.csv", first / LOAD_ROWS + 1));
        std::fs::rename(&staged, &path)?;
        held.push(path);
        if held.len() > 2 {
            std::fs::remove_file(held.remove(0))?;
        }
    }
    caught_up(board, rows).await
}

/// Files of changes, one after the other.
struct Feed {
    table: PathBuf,
    staged: PathBuf,
    loaded: u64,
    next: u64,
    number: u64,
}

impl Feed {
    fn generate(&mut self, rng: &mut StdRng, changes: u64) -> Result<(), Failure> {
        self.next = workload::change_file(&self.staged, rng, changes, self.loaded, self.next)?;
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), Failure> {
        let path = self.table.join(format!("20260102-{:09}.csv", self.number));
        self.number += 1;
        Ok(std::fs::rename(&self.staged, path)?)
    }
}

fn folder_bytes(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { folder_bytes(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}

/// Local storage that counts the bytes that are written to it.
#[derive(Debug, Default)]
struct CountingStorage {
    inner: LocalStorage,
    written: AtomicU64,
}

impl CountingStorage {
    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Storage for CountingStorage {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        self.inner.list_after(prefix, after).await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.inner.list_folders(prefix).await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        self.inner.head(location).await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        self.inner.read(location).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.inner.read_range(location, range).await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.inner.write(location, bytes).await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.inner.delete(location).await
    }
}
