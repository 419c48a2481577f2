//! A long stream of small commits onto a merged table, with compaction and expiry beside it: does a commit, the metadata
//! and a full scan cost at the end what they cost at the beginning?
//!
//! `cargo run --release -p sluice-lake --example long_stream [rows] [commits] [changes a commit] [v2|v3] [off] [keep]`
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, ColumnType, Position};
use sluice_lake::{
    CompactionSettings, ExpirySettings, FileId, FormatVersion, Lake, LakeColumn, LakeSettings, LakeTable, Outcome,
    RewriteOutcome, Role, RowMapping, ScanFilter, SqliteCatalog, TableChange, TableSpec, WrittenFile,
};
use sluice_platform::{Clock, CpuPool, LocalStorage, SystemClock, SystemEntropy};

/// Rows in a file of the full load.
const LOAD_ROWS: i64 = 1 << 20;
/// Commits between two looks at what can expire, and between two lines of the report.
const UPKEEP: u64 = 50;

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

fn now_us() -> i64 {
    SystemClock.now_us()
}

fn spec(version: FormatVersion) -> TableSpec {
    let column = |name: &str, column_type, required| LakeColumn { name: name.into(), column_type, required, doc: None };
    TableSpec {
        columns: vec![
            column("id", ColumnType::Long, true),
            column("status", ColumnType::String, false),
            column("amount", ColumnType::Long, false),
            column("customer", ColumnType::Long, false),
            column("note", ColumnType::String, false),
        ],
        identifier: vec!["id".into()],
        partition: Vec::new(),
        format_version: version,
        properties: BTreeMap::new(),
    }
}

fn rows(ids: &[i64], noise: &mut Noise) -> RecordBatch {
    let statuses = ["new", "paid", "sent", "returned"];
    let status: StringArray = ids.iter().map(|_| Some(statuses[noise.below(4) as usize])).collect();
    let note: StringArray = ids.iter().map(|_| Some(format!("note {:x}", noise.below(1 << 40)))).collect();
    let number = |noise: &mut Noise, bound| Int64Array::from_iter_values(ids.iter().map(|_| noise.below(bound) as i64));
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(ids.to_vec())) as _, false),
        ("status", Arc::new(status) as _, true),
        ("amount", Arc::new(number(noise, 1 << 20)) as _, true),
        ("customer", Arc::new(number(noise, 1 << 24)) as _, true),
        ("note", Arc::new(note) as _, true),
    ])
    .unwrap()
}

fn checkpoint(sequence: u64) -> Checkpoint {
    let mut position = Position::start();
    position.advance_offset("t/0", sequence);
    let commit_id = format!("work-{sequence}");
    Checkpoint { position, next_sequence: sequence, commit_id, writer: "w".into(), epoch: 1, ..Checkpoint::default() }
}

async fn land(table: &mut LakeTable, sequence: u64, files: Vec<WrittenFile>, deletes: HashMap<FileId, RoaringBitmap>) {
    let expected = (sequence > 1).then(|| checkpoint(sequence - 1));
    let change = TableChange { files, deletes, checkpoint: checkpoint(sequence), expected, ..TableChange::default() };
    assert!(matches!(table.commit(change).await.unwrap(), Outcome::Landed { .. }));
}

/// Where each key is, by key; a stand-in for the key index.
struct Index(Vec<Option<(FileId, u32)>>);

impl Index {
    fn place(&mut self, ids: &[i64], files: &[WrittenFile]) {
        let mut rows = ids.iter();
        for file in files {
            for (position, id) in (0..file.records as u32).zip(&mut rows) {
                let id = *id as usize;
                if id >= self.0.len() {
                    self.0.resize(id + 1, None);
                }
                self.0[id] = Some((file.id, position));
            }
        }
    }

    fn follow(&mut self, mapping: &RowMapping) {
        for at in self.0.iter_mut() {
            if let Some((file, position)) = *at
                && let Some(moved) = mapping.find(file, position)
            {
                *at = Some(moved);
            }
        }
    }
}

async fn full_scan(table: &LakeTable) -> (u64, i64) {
    let start = now_us();
    let mut scan = table.scan(&[], ScanFilter::All, 65_536).await.unwrap();
    let mut rows = 0;
    while let Some(batch) = scan.next().await.unwrap() {
        rows += batch.live.as_ref().map_or(batch.batch.num_rows(), |live| live.count_set_bits()) as u64;
    }
    (rows, now_us() - start)
}

fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (load, commits, changes) = (number(2_000_000) as i64, number(500), number(10_000));
    let words: Vec<String> = std::env::args().collect();
    let version = if words.iter().any(|word| word == "v2") { FormatVersion::V2 } else { FormatVersion::V3 };
    let compacts = !words.iter().any(|word| word == "off");
    let mut folder = tempfile::tempdir().unwrap();
    if words.iter().any(|word| word == "keep") {
        folder.disable_cleanup(true);
        println!("kept in {}", folder.path().display());
    }
    let catalog = SqliteCatalog::open(&folder.path().join("catalog.db"), "bench").unwrap();
    let lake = Lake::new(
        Arc::new(LocalStorage),
        Arc::new(catalog),
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        CpuPool::new(0).unwrap(),
        &LocalStorage::location(&folder.path().join("lake")),
        LakeSettings::default(),
    );
    let ident = "silver.orders".parse().unwrap();
    let mut table = lake.create(&ident, &spec(version), Role::Silver).await.unwrap();
    let (mut noise, mut index) = (Noise(1), Index(Vec::new()));
    let mut sequence = 0;
    for first in (0..load).step_by(LOAD_ROWS as usize) {
        let ids: Vec<i64> = (first..load.min(first + LOAD_ROWS)).collect();
        let files = table.write(vec![rows(&ids, &mut noise)]).await.unwrap();
        index.place(&ids, &files);
        sequence += 1;
        land(&mut table, sequence, files, HashMap::new()).await;
    }
    let settings = CompactionSettings { processor_share: 1.0, ..CompactionSettings::default() };
    let expiry = ExpirySettings { safe_age: Duration::from_secs(10), max_snapshots: 50, ..ExpirySettings::default() };
    let (mut durations, mut planning, mut rewriting, mut follows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut bytes_written, mut bytes_rewritten, mut dropped) = (0, 0, 0);
    let mut under_way: Option<(i64, tokio::task::JoinHandle<sluice_lake::Rewritten>)> = None;
    println!(
        "commits  commit ms  worst  plan ms  rewrite commit ms  index ms  files  manifests  metadata kB  deleted %"
    );
    for commit in 1..=commits {
        let mut deletes: HashMap<FileId, RoaringBitmap> = HashMap::new();
        let mut ids = Vec::new();
        for _ in 0..changes {
            let kind = noise.below(10);
            if kind < 2 {
                ids.push(index.0.len() as i64 + ids.len() as i64);
                continue;
            }
            let id = noise.below(index.0.len() as u64) as usize;
            let Some((file, position)) = index.0[id].take() else { continue };
            deletes.entry(file).or_default().insert(position);
            if kind < 9 {
                ids.push(id as i64);
            }
        }
        let files = table.write(vec![rows(&ids, &mut noise)]).await.unwrap();
        bytes_written += files.iter().map(|file| file.bytes).sum::<u64>();
        let start = now_us();
        sequence += 1;
        land(&mut table, sequence, files.clone(), deletes).await;
        durations.push(now_us() - start);
        index.place(&ids, &files);
        if under_way.as_ref().is_some_and(|(_, task)| task.is_finished() || commit == commits) {
            let (_, task) = under_way.take().unwrap();
            let rewritten = task.await.unwrap();
            bytes_rewritten += rewritten.files().iter().map(|file| file.bytes).sum::<u64>();
            let start = now_us();
            match table.commit_rewrite(&rewritten).await.unwrap() {
                RewriteOutcome::Landed { mapping, .. } => {
                    rewriting.push(now_us() - start);
                    let start = now_us();
                    index.follow(&mapping);
                    follows.push(now_us() - start);
                }
                RewriteOutcome::Dropped { .. } => dropped += 1,
            }
        }
        if compacts && under_way.is_none() {
            let start = now_us();
            let plan = table.plan_compaction(&settings).await.unwrap();
            planning.push(now_us() - start);
            if let Some(job) = plan.jobs.first() {
                let work = table.pin(job, &settings).await.unwrap().unwrap();
                under_way = Some((work.snapshot_id(), tokio::spawn(async move { work.run().await.unwrap() })));
            }
        }
        if commit % UPKEEP == 0 {
            let in_use: Vec<i64> = under_way.iter().map(|(snapshot, _)| *snapshot).collect();
            table.expire(&expiry, &in_use).await.unwrap();
            let facts = table.facts();
            let location = facts.metadata_location.trim_start_matches("file://").to_owned();
            let (records, deleted) =
                table.live_files().fold((0, 0), |(records, deleted), f| (records + f.records, deleted + f.deleted));
            let worst = durations.iter().copied().max().unwrap_or(0);
            println!(
                "{commit:7}  {:9.1}  {:5.0}  {:7.2}  {:17.1}  {:8.1}  {:5}  {:9}  {:11}  {:9.1}",
                median(&mut durations) as f64 / 1000.0,
                worst as f64 / 1000.0,
                median(&mut planning) as f64 / 1000.0,
                median(&mut rewriting) as f64 / 1000.0,
                median(&mut follows) as f64 / 1000.0,
                facts.data_files,
                facts.manifests,
                std::fs::metadata(location).unwrap().len() / 1000,
                100.0 * deleted as f64 / records as f64,
            );
            for values in [&mut durations, &mut planning, &mut rewriting, &mut follows] {
                values.clear();
            }
        }
    }
    let times = bytes_rewritten as f64 / bytes_written as f64;
    println!("{bytes_written} bytes of changes, each rewritten {times:.2} times; {dropped} rewrites dropped");
    let live: Vec<i64> = (0..index.0.len() as i64).filter(|id| index.0[*id as usize].is_some()).collect();
    let mut fresh = lake.create(&"silver.fresh".parse().unwrap(), &spec(version), Role::Silver).await.unwrap();
    for (sequence, ids) in (1..).zip(live.chunks(LOAD_ROWS as usize)) {
        let files = fresh.write(vec![rows(ids, &mut noise)]).await.unwrap();
        land(&mut fresh, sequence, files, HashMap::new()).await;
    }
    for _ in 0..3 {
        let ((found, streamed), (wanted, written)) = (full_scan(&table).await, full_scan(&fresh).await);
        assert_eq!((found, wanted), (live.len() as u64, live.len() as u64));
        let share = streamed as f64 / written as f64;
        println!("scan of {found} rows: {} ms, freshly written {} ms: {share:.2}", streamed / 1000, written / 1000);
    }
}
