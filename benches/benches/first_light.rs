//! The whole pipeline: DMS CSV to committed Bronze and Silver, in rows per processor second, beside its own decoder.
//!
//! `cargo bench -p sluice-benches --bench first_light`; sizes from `SLUICE_BENCH_LOADED`, `SLUICE_BENCH_BATCHES` and
//! `SLUICE_BENCH_CHANGES`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_benches::usage;
use sluice_benches::workload::{self, Files, Workload};
use sluice_change::{Position, TableName};
use sluice_lake::{FormatVersion, Lake, LakeSettings, SqliteCatalog, TableIdent};
use sluice_pipeline::{
    BatchSettings, LaneSettings, LaneState, LaneStatus, ProcessSettings, RetrySettings, Services, Supervisor,
};
use sluice_platform::{CpuPool, LocalStorage, SystemClock, SystemEntropy};
use sluice_source::{DmsSettings, DmsSource, DmsTableSettings, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let workload = Workload {
        loaded: size("SLUICE_BENCH_LOADED", 1_000_000),
        batches: size("SLUICE_BENCH_BATCHES", 10),
        changes: size("SLUICE_BENCH_CHANGES", 100_000),
        seed: 7,
    };
    let folder = tempfile::tempdir()?;
    let files = workload::generate(workload, &folder.path().join("dms/shop/orders"), &folder.path().join("staged"))?;
    let bytes = files.changes.iter().map(|path| Ok(path.metadata()?.len())).sum::<Result<u64, std::io::Error>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(folder.path(), workload, files, bytes))
}

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What one stretch of work took.
struct Cost {
    cpu: f64,
    wall: Duration,
}

impl Cost {
    async fn of<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<(Cost, T), Failure> {
        let (cpu, start) = (usage::cpu_seconds(), Instant::now());
        let result = work.await?;
        Ok((Cost { cpu: usage::cpu_seconds() - cpu, wall: start.elapsed() }, result))
    }

    fn print(&self, what: &str, rows: u64) -> f64 {
        let rate = rows as f64 / self.cpu;
        println!(
            "{what:<28} {rows:>9} rows  {:>6.2} cpu s  {:>6.2} wall s  {rate:>9.0} rows/cpu-s",
            self.cpu,
            self.wall.as_secs_f64()
        );
        rate
    }
}

async fn measure(folder: &Path, workload: Workload, files: Files, bytes: u64) -> Result<(), Failure> {
    let rows = workload.batches * workload.changes;
    println!("{rows} changes of {:.0} B onto {} rows", bytes as f64 / rows as f64, workload.loaded);
    usage::reset_peak_memory();
    let supervisor = Supervisor::new(services(folder)?, process(), vec![lane(workload)?]);
    let mut status = supervisor.status();
    let stop = CancellationToken::new();
    let (load, running) = Cost::of(async {
        let running = tokio::spawn(supervisor.run(false, stop.clone()));
        until(&mut status, |lane| lane.committed.changes() == workload.loaded).await?;
        Ok(running)
    })
    .await?;
    load.print("full load", workload.loaded);
    let load_peak = usage::peak_memory_bytes();
    usage::reset_peak_memory();
    let before = status.borrow()[0].commits;
    let (changes, ()) = Cost::of(async {
        for path in &files.changes {
            std::fs::rename(path, files.load[0].with_file_name(path.file_name().unwrap_or_default()))?;
        }
        until(&mut status, |lane| lane.committed.changes() == workload.loaded + rows).await
    })
    .await?;
    let rate = changes.print("changes, Bronze and Silver", rows);
    let peak = usage::peak_memory_bytes();
    let commits = status.borrow()[0].commits - before;
    stop.cancel();
    running.await?;
    let (decode, decoded) = Cost::of(decode_only(folder)).await?;
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

async fn until(
    status: &mut watch::Receiver<Arc<Vec<LaneStatus>>>,
    done: impl Fn(&LaneStatus) -> bool,
) -> Result<(), Failure> {
    loop {
        {
            let lanes = status.borrow_and_update();
            match &lanes[0].state {
                LaneState::Retrying { reason, .. }
                | LaneState::Quarantined { reason }
                | LaneState::Fenced { reason } => {
                    return Err(reason.clone().into());
                }
                LaneState::CaughtUp if done(&lanes[0]) => return Ok(()),
                _ => {}
            }
        }
        status.changed().await?;
    }
}

fn source(folder: &Path) -> Result<DmsSource, Failure> {
    let mut settings = DmsSettings::new(LocalStorage::location(&folder.join("dms")));
    settings.settle = Duration::ZERO;
    settings.csv.timestamp_column = Some("ts".into());
    let table = DmsTableSettings { csv: settings.csv.clone(), declared: workload::schema(), ..Default::default() };
    settings.tables.insert(table_name()?, table);
    Ok(DmsSource::new(Arc::new(LocalStorage), CpuPool::new(0)?, settings))
}

fn table_name() -> Result<TableName, Failure> {
    Ok("shop.orders".parse()?)
}

fn services(folder: &Path) -> Result<Services, Failure> {
    let (clock, entropy, cpu) = (Arc::new(SystemClock), Arc::new(SystemEntropy), CpuPool::new(0)?);
    let warehouse = LocalStorage::location(&folder.join("lake"));
    std::fs::create_dir_all(folder.join("lake"))?;
    let catalog = Arc::new(SqliteCatalog::open(&folder.join("lake/catalog.db"), "sluice")?);
    let settings = LakeSettings::default();
    let lake =
        Lake::new(Arc::new(LocalStorage), catalog, clock.clone(), entropy.clone(), cpu.clone(), &warehouse, settings);
    Ok(Services { clock, entropy, cpu, source: Arc::new(source(folder)?), lake })
}

fn process() -> ProcessSettings {
    ProcessSettings { poll_interval: Duration::from_millis(20), ..ProcessSettings::default() }
}

fn lane(workload: Workload) -> Result<LaneSettings, Failure> {
    Ok(LaneSettings {
        table: table_name()?,
        bronze: "bronze.orders".parse::<TableIdent>()?,
        silver: "silver.orders".parse()?,
        rejects: "dead_letters.orders".parse()?,
        declared: workload::schema(),
        schema: Default::default(),
        renames: Default::default(),
        guess_types: false,
        format_version: FormatVersion::V3,
        bronze_partition: vec!["day(_commit_ts)".parse()?],
        silver_partition: Vec::new(),
        // One commit a batch file.
        batch: BatchSettings { max_rows: workload.changes as usize, ..BatchSettings::default() },
        retry: RetrySettings { max_attempts: 1, ..RetrySettings::default() },
    })
}

/// The limit: the change files read and decoded, and nothing else.
async fn decode_only(folder: &Path) -> Result<u64, Failure> {
    let mut position = Position::start();
    position.advance_file(&table_name()?.to_string(), "0/LOAD00000001.csv", i64::MAX, u64::MAX, true);
    let mut reader = source(folder)?.open(&table_name()?, &workload::schema(), position).await?;
    let mut rows = 0;
    while let Some(batch) = reader.next().await? {
        rows += batch.len() as u64;
    }
    Ok(rows)
}
