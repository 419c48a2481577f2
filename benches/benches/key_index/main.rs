//! The key index beside fjall, redb and a map in memory: load, batches of changes, size, memory, opening again.
//!
//! `cargo bench -p sluice-benches --bench key_index`; sizes from `SLUICE_BENCH_KEYS` (10,000,000), `SLUICE_BENCH_BATCHES` (60 of
//! 100,000 changes for each workload) and `SLUICE_BENCH_BUDGET_MIB` (64), `SLUICE_BENCH_ONLY` names some of the subjects. Each
//! subject runs in a process of its own, so that peaks of memory are its own.
//!
//! All of it is warm: to be cold, pages of the kernel's cache would have to be dropped, which takes a system call that is not
//! reachable without `unsafe`, or root.

mod rivals;
mod sluice;
mod subject;
mod workload;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use sluice_benches::{Failure, usage};
use subject::Subject;
use workload::{Skew, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Names the subject that a process is for.
const SUBJECT: &str = "SLUICE_BENCH_SUBJECT";

fn main() -> Result<(), Failure> {
    let keys = number("SLUICE_BENCH_KEYS", 10_000_000);
    let batches = number("SLUICE_BENCH_BATCHES", 60);
    let budget_bytes = (number("SLUICE_BENCH_BUDGET_MIB", 64) << 20) as usize;
    if let Ok(name) = std::env::var(SUBJECT) {
        let folder = tempfile::tempdir_in(std::env::current_dir()?)?;
        return measure(&name, folder.path(), keys, batches, budget_bytes);
    }
    println!("{keys} keys, {batches} batches of {} changes a workload, {} MiB", workload::CHANGES, budget_bytes >> 20);
    let only = std::env::var("SLUICE_BENCH_ONLY").unwrap_or_default();
    for name in ["map", "sluice", "sluice-text", "fjall", "redb"] {
        if only.is_empty() || only.split(',').any(|wanted| wanted == name) {
            let status = Command::new(std::env::current_exe()?).env(SUBJECT, name).status()?;
            if !status.success() {
                println!("{name}: {status}");
            }
        }
    }
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn measure(name: &str, folder: &Path, keys: u64, batches: u64, budget_bytes: usize) -> Result<(), Failure> {
    usage::reset_peak_memory();
    let (cpu, start) = (usage::cpu_seconds(), Instant::now());
    let mut subject: Box<dyn Subject> = match name {
        "map" => Box::new(sluice::Map::load(keys)?),
        "sluice" => Box::new(sluice::Spilling::load(folder, keys, budget_bytes, false)?),
        "sluice-text" => Box::new(sluice::Spilling::load(folder, keys, budget_bytes, true)?),
        "fjall" => Box::new(rivals::Fjall::load(folder, keys, budget_bytes)?),
        "redb" => Box::new(rivals::Redb::load(folder, keys, budget_bytes)?),
        _ => return Err(format!("there is no subject {name}").into()),
    };
    let (cpu, wall) = (usage::cpu_seconds() - cpu, start.elapsed().as_secs_f64());
    println!(
        "{name:<12} load      {:>9.0} rows/s  {:>6.2} cpu us/key  {:>5.1} B/key on disk  peak {:>5} MiB",
        keys as f64 / wall,
        cpu * 1e6 / keys as f64,
        subject.disk_bytes()? as f64 / keys as f64,
        usage::peak_memory_bytes() >> 20,
    );
    let mut workload = Workload::new(keys);
    for skew in [Skew::Uniform, Skew::Recent] {
        changes(name, subject.as_mut(), &mut workload, skew, batches)?;
    }
    let disk_bytes = subject.disk_bytes()?;
    let opening = subject.reopen()?;
    println!(
        "{name:<12} reopened  {:>9.1} ms  {:>5.1} B/key on disk",
        opening.as_secs_f64() * 1e3,
        disk_bytes as f64 / keys as f64,
    );
    Ok(())
}

fn changes(
    name: &str,
    subject: &mut dyn Subject,
    workload: &mut Workload,
    skew: Skew,
    batches: u64,
) -> Result<(), Failure> {
    usage::reset_peak_memory();
    let written = written_bytes();
    let (mut lookup, mut apply) = (Spent::default(), Spent::default());
    let mut batch_seconds = Vec::new();
    for _ in 0..batches {
        let changes = workload.next(skew);
        let looked_up = lookup.of(|| subject.lookup(&changes.keys))?;
        workload.check(&changes, &looked_up)?;
        let applied = apply.wall;
        apply.of(|| subject.apply(&changes))?;
        batch_seconds.push(lookup.last + apply.wall - applied);
    }
    batch_seconds.sort_by(f64::total_cmp);
    let total = (batches * workload::CHANGES as u64) as f64;
    let percentile = |share: usize| batch_seconds.get(batch_seconds.len() * share / 100).copied().unwrap_or(0.0) * 1e3;
    println!(
        "{name:<12} {skew:<8}  lookup {:>5.2} us ({:.2} cpu), apply {:>5.2} us ({:.2} cpu) a key; batch median {:.0} ms, p95 {:.0} ms, \
         worst {:.0} ms; {:.0} B written a change; peak {} MiB, holds {} MiB",
        lookup.wall * 1e6 / total,
        lookup.cpu * 1e6 / total,
        apply.wall * 1e6 / total,
        apply.cpu * 1e6 / total,
        percentile(50),
        percentile(95),
        batch_seconds.last().copied().unwrap_or(0.0) * 1e3,
        (written_bytes() - written) as f64 / total,
        usage::peak_memory_bytes() >> 20,
        subject.memory_bytes() >> 20,
    );
    Ok(())
}

/// Bytes handed to the kernel to be written so far.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|written| written.trim().parse().ok()).unwrap_or(0)
}

/// Time that one kind of call took.
#[derive(Default)]
struct Spent {
    wall: f64,
    cpu: f64,
    last: f64,
}

impl Spent {
    fn of<T>(&mut self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let (cpu, start) = (usage::cpu_seconds(), Instant::now());
        let result = work()?;
        self.last = start.elapsed().as_secs_f64();
        self.wall += self.last;
        self.cpu += usage::cpu_seconds() - cpu;
        Ok(result)
    }
}
