//! The same work with source and lake on local disk and on an S3 server on this machine, in one run.
//!
//! `cargo bench -p sluice-benches --bench object_storage`; sizes from `SLUICE_BENCH_LOADED`, `SLUICE_BENCH_BATCHES` and
//! `SLUICE_BENCH_CHANGES`, pairs of runs from `SLUICE_BENCH_RUNS`. Only this process's own processor time counts, not the
//! server's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sluice_aws::{AwsContext, AwsSettings, S3Storage, StaticCredentials};
use sluice_benches::cost::Cost;
use sluice_benches::place::Place;
use sluice_benches::workload::{self, Workload};
use sluice_benches::{Failure, size, usage};
use sluice_pipeline::{BatchSettings, LaneState, ProcessSettings};
use sluice_platform::{Secret, Storage, SystemClock, SystemEntropy};
use sluice_tests::services::bucket::Account;
use sluice_tests::services::versitygw;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    let workload = Workload::from_environment();
    let server = versitygw::start().ok_or("versitygw cannot be had here: it needs Go")?;
    server.bucket("bench");
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("made");
    let files = workload::generate(workload, &table, &table)?;
    let files: Vec<PathBuf> = files.load.into_iter().chain(files.changes).collect();
    let rows = workload.loaded + workload.batches * workload.changes;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let s3 = s3(&server.endpoint());
        let mut ratios = Vec::new();
        for run in 0..size("SLUICE_BENCH_RUNS", 3) {
            let place = |name: &str| folder.path().join(format!("{name}-{run}"));
            let tables = vec![("shop.orders".parse()?, workload::schema())];
            let local = Place::new(&place("local"), tables.clone());
            let local = measure(&local, &sluice_platform::LocalStorage, &files, rows, "local disk").await?;
            let cloud = Place::new(&place("s3"), tables).on(s3.clone(), &format!("s3://bench/{run}"));
            let cloud = measure(&cloud, s3.as_ref(), &files, rows, "S3").await?;
            ratios.push(cloud / local);
            println!("S3 against local disk, rows per CPU-second: {:.2}", cloud / local);
        }
        ratios.sort_by(f64::total_cmp);
        println!("median {:.2}", ratios[ratios.len() / 2]);
        Ok(())
    })
}

fn s3(endpoint: &str) -> Arc<S3Storage> {
    let account = Account::default();
    let settings = AwsSettings {
        endpoint: Some(endpoint.to_owned()),
        region: Some(account.region),
        credentials: Some(StaticCredentials {
            access_key_id: account.access_key,
            secret_access_key: Secret::new(account.secret_key),
            session_token: None,
        }),
        ..AwsSettings::default()
    };
    Arc::new(S3Storage::new(AwsContext::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy))))
}

/// Delivers the files, then takes them all in once.
async fn measure(
    place: &Place,
    storage: &dyn Storage,
    files: &[PathBuf],
    rows: u64,
    what: &str,
) -> Result<f64, Failure> {
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let location = format!("{}/{name}", place.table_location(&place.tables[0].0));
        storage.write(&location, read(file)?).await?;
    }
    usage::reset_peak_memory();
    let batch = BatchSettings { max_rows: 100_000, ..BatchSettings::default() };
    let supervisor = place.supervisor(batch, ProcessSettings::default().memory_bytes)?;
    let (cost, report) = Cost::of(async { Ok(supervisor.run(true, CancellationToken::new()).await) }).await?;
    let lane = &report.lanes[0];
    if lane.state != LaneState::CaughtUp || lane.committed.changes() != rows {
        return Err(format!("{:?} after {} of {rows} rows", lane.state, lane.committed.changes()).into());
    }
    let rate = cost.print(what, rows);
    println!("  {} commits, peak memory {} MiB", lane.commits, usage::peak_memory_bytes() >> 20);
    Ok(rate)
}

fn read(file: &Path) -> Result<Bytes, Failure> {
    Ok(Bytes::from(std::fs::read(file)?))
}
