//! What a masking transform takes of the whole pipeline: the load and the changes of `first_light`, one lake each.

use std::path::Path;
use std::sync::Arc;

use sluice_benches::cost::Cost;
use sluice_benches::place::{Place, caught_up};
use sluice_benches::workload::{self, Files, Workload};
use sluice_benches::{Failure, size};
use sluice_pipeline::{BatchSettings, ProcessSettings};
use sluice_transform::host::{CodeCache, Host, HostSettings};
use sluice_transform::{StepSettings, TransformSettings};
use tokio_util::sync::CancellationToken;

use crate::guests::{self, Guests};

const CONTESTANTS: [(&str, &str); 6] = [
    ("rust", "bytes"),
    ("c", "bytes"),
    ("go", "bytes"),
    ("rust", "kernels"),
    ("javascript", "kernels"),
    ("python", "kernels"),
];

/// Runs the pipeline without a transform and with each, in turn, and prints the share that each takes.
pub fn measure(guests: &Guests, folder: &Path, cache: Option<CodeCache>) -> Result<(), Failure> {
    let workload = Workload::from_environment();
    let rounds = size("SLUICE_BENCH_PIPELINE_ROUNDS", 5) as usize;
    let files = workload::generate(workload, &folder.join("load"), &folder.join("staged"))?;
    let host = Arc::new(Host::new(&HostSettings::for_threads(2), cache)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut seconds = vec![Vec::new(); CONTESTANTS.len() + 1];
    for _ in 0..rounds {
        for (at, seconds) in seconds.iter_mut().enumerate() {
            let mut transform = TransformSettings::default();
            if let Some((language, mode)) = at.checked_sub(1).map(|at| CONTESTANTS[at]) {
                transform.steps.push(StepSettings::Component(guests::settings(guests.file(language), mode)?));
            }
            let place = tempfile::tempdir_in(folder)?;
            let tables = vec![("shop.orders".parse()?, workload::schema())];
            let place = Place::new(place.path(), tables).shaped(Arc::clone(&host) as _, transform);
            seconds.push(runtime.block_on(run(&place, workload, &files))?);
        }
    }
    let rows = workload.batches * workload.changes;
    println!("the pipeline, {rows} changes onto {} rows, processor time, median of {rounds} runs", workload.loaded);
    let mut without = 0.0;
    for (at, seconds) in seconds.iter_mut().enumerate() {
        seconds.sort_by(f64::total_cmp);
        let (least, median, most) = (seconds[0], seconds[rounds / 2], seconds[rounds - 1]);
        let name = match at.checked_sub(1).map(|at| CONTESTANTS[at]) {
            Some((language, mode)) => format!("{language}, {mode}"),
            None => {
                without = median;
                "without a transform".to_owned()
            }
        };
        println!(
            "  {name:24} {median:6.3} s ({least:.3} to {most:.3})  {:6.0} ns a row  {:+6.1} %",
            median * 1e9 / rows as f64,
            (median / without - 1.0) * 100.0
        );
    }
    println!();
    Ok(())
}

/// Loads, then takes in the changes; answers the processor seconds of the changes.
async fn run(place: &Place, workload: Workload, files: &Files) -> Result<f64, Failure> {
    let table = place.table_folder(&place.tables[0].0);
    std::fs::create_dir_all(&table)?;
    let put = |path: &Path| std::fs::hard_link(path, table.join(path.file_name().unwrap_or_default()));
    files.load.iter().try_for_each(|path| put(path))?;
    let batch = BatchSettings { max_rows: workload.changes as usize, ..BatchSettings::default() };
    let supervisor = place.supervisor(batch, ProcessSettings::default().memory_bytes)?;
    let mut board = supervisor.status();
    let stop = CancellationToken::new();
    let running = tokio::spawn(supervisor.run(false, stop.clone()));
    caught_up(&mut board, workload.loaded).await?;
    let (cost, ()) = Cost::of(async {
        files.changes.iter().try_for_each(|path| put(path))?;
        caught_up(&mut board, workload.loaded + workload.batches * workload.changes).await
    })
    .await?;
    stop.cancel();
    running.await?;
    Ok(cost.cpu)
}
