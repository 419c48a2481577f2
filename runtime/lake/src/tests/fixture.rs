use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, ColumnType, Position};
use sluice_platform::{Clock, CpuPool, MemoryStorage, SeededEntropy, Storage};

use crate::{
    Catalog, FileId, FormatVersion, Lake, LakeColumn, LakeSettings, LakeTable, MemoryCatalog, Outcome, Role,
    ScanFilter, TableChange, TableIdent, TableSpec, WrittenFile,
};

/// A clock on which waiting takes no time.
#[derive(Debug)]
pub struct SteppingClock(AtomicI64);

impl SteppingClock {
    pub fn new() -> Self {
        Self(AtomicI64::new(1_700_000_000_000_000))
    }
}

#[async_trait]
impl Clock for SteppingClock {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }

    async fn sleep(&self, duration: Duration) {
        self.0.fetch_add(i64::try_from(duration.as_micros()).unwrap(), Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

pub struct Fixture {
    pub storage: Arc<MemoryStorage>,
    pub catalog: Arc<MemoryCatalog>,
    pub lake: Lake,
}

impl Fixture {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, LakeSettings::default())
    }

    pub fn with(seed: u64, settings: LakeSettings) -> Self {
        let (storage, catalog) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryCatalog::new()));
        let lake = lake(storage.clone(), catalog.clone(), "file:///lake", seed, settings);
        Self { storage, catalog, lake }
    }

    pub async fn table(&self, version: FormatVersion) -> LakeTable {
        self.lake.create(&ident(), &spec(version, &[]), Role::Silver).await.unwrap()
    }

    pub async fn reopened(&self) -> LakeTable {
        self.lake.open(&ident(), Role::Silver).await.unwrap().unwrap()
    }

    /// Locations of all objects whose name ends so.
    pub async fn objects(&self, suffix: &str) -> Vec<String> {
        let listed = self.storage.list("file:///lake").await.unwrap();
        listed.into_iter().map(|object| object.location).filter(|location| location.ends_with(suffix)).collect()
    }
}

pub fn lake(
    storage: Arc<dyn Storage>,
    catalog: Arc<dyn Catalog>,
    warehouse: &str,
    seed: u64,
    settings: LakeSettings,
) -> Lake {
    let cpu = CpuPool::new(1).unwrap();
    let (clock, entropy) = (Arc::new(SteppingClock::new()), Arc::new(SeededEntropy::new(seed)));
    Lake::new(storage, catalog, clock, entropy, cpu, warehouse, settings)
}

pub fn ident() -> TableIdent {
    "silver.orders".parse().unwrap()
}

/// Columns `id` (required, the key), `region` and `amount`.
pub fn spec(version: FormatVersion, partition: &[&str]) -> TableSpec {
    let column = |name: &str, column_type, required| LakeColumn {
        name: name.to_owned(),
        column_type,
        required,
        doc: Some(format!("the {name}")),
    };
    TableSpec {
        columns: vec![
            column("id", ColumnType::Long, true),
            column("region", ColumnType::String, false),
            column("amount", ColumnType::Int, false),
        ],
        identifier: vec!["id".to_owned()],
        partition: partition.iter().map(|field| field.parse().unwrap()).collect(),
        format_version: version,
        properties: BTreeMap::new(),
    }
}

pub fn rows(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let regions: StringArray = ids.iter().map(|id| Some(format!("r{}", id % 3))).collect();
    let amounts: arrow_array::Int32Array = ids.iter().map(|id| (id % 5 != 0).then_some(*id as i32 * 10)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(ids)) as _, false),
        ("region", Arc::new(regions) as _, true),
        ("amount", Arc::new(amounts) as _, true),
    ])
    .unwrap()
}

/// A checkpoint that names the work from `sequence - 1` to `sequence`.
pub fn checkpoint(writer: &str, sequence: u64) -> Checkpoint {
    let mut position = Position::start();
    position.advance_offset("t/0", sequence);
    Checkpoint {
        position,
        next_sequence: sequence,
        commit_id: format!("work-{sequence}"),
        writer: writer.to_owned(),
        epoch: 1,
        ..Checkpoint::default()
    }
}

pub fn expected(writer: &str, sequence: u64) -> Option<Checkpoint> {
    (sequence > 0).then(|| checkpoint(writer, sequence))
}

/// The change of writer `writer` that takes the table from `sequence - 1` to `sequence`.
pub fn change(writer: &str, sequence: u64, files: Vec<WrittenFile>, deletes: &[(FileId, &[u32])]) -> TableChange {
    TableChange {
        files,
        deletes: deletes.iter().map(|(id, positions)| (*id, positions.iter().copied().collect())).collect(),
        checkpoint: checkpoint(writer, sequence),
        expected: expected(writer, sequence - 1),
        ..TableChange::default()
    }
}

/// Writes rows and commits them as `sequence`; returns the files' numbers.
pub async fn append(table: &mut LakeTable, writer: &str, sequence: u64, ids: std::ops::Range<i64>) -> Vec<FileId> {
    let files = table.write(vec![rows(ids)]).await.unwrap();
    let numbers = files.iter().map(|file| file.id).collect();
    landed(table.commit(change(writer, sequence, files, &[])).await.unwrap());
    numbers
}

pub fn landed(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Landed { snapshot_id } => snapshot_id,
        other => panic!("not landed: {other:?}"),
    }
}

/// The `id` of every live row, with the file and position where it is.
pub async fn read(table: &LakeTable) -> BTreeMap<i64, (FileId, u32)> {
    let mut scan = table.scan(&["id"], ScanFilter::All, 64).await.unwrap();
    let mut found = BTreeMap::new();
    while let Some(batch) = scan.next().await.unwrap() {
        let ids = batch.batch.column(0).as_primitive::<Int64Type>();
        for row in 0..ids.len() {
            if batch.live.as_ref().is_none_or(|live| live.value(row)) {
                let at = (batch.file, u32::try_from(batch.first_position).unwrap() + row as u32);
                assert!(found.insert(ids.value(row), at).is_none(), "id {} is there twice", ids.value(row));
            }
        }
    }
    assert_eq!(found.len() as u64, table.rows());
    found
}

pub async fn ids(table: &LakeTable) -> Vec<i64> {
    read(table).await.into_keys().collect()
}

/// The deletes that remove these ids, as the table holds them now.
pub async fn deletes_of(table: &LakeTable, gone: &[i64]) -> std::collections::HashMap<FileId, RoaringBitmap> {
    let at = read(table).await;
    let mut deletes: std::collections::HashMap<FileId, RoaringBitmap> = Default::default();
    for id in gone {
        let (file, position) = at[id];
        deletes.entry(file).or_default().insert(position);
    }
    deletes
}
