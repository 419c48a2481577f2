use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sluice_change::{ChangeBatch, Column, ColumnType, Position, TableName, TableSchema};
use sluice_decode::{CsvSettings, HeaderMode, OpColumn};
use sluice_platform::{CpuPool, MemoryStorage, ObjectMeta, Storage, StorageError, StorageErrorKind};

use crate::dms::{DmsSettings, DmsSource};
use crate::{Source, SourceError, TableReader};

/// Something that happens when the storage is asked about a place.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The call fails.
    Fail(StorageErrorKind),
    /// The call goes on after this has been stored there.
    Become(Bytes),
    /// The call goes on after it has been removed.
    Vanish,
}

/// Objects in memory to which things happen: once at a place for each event, in order, keyed by operation and place.
#[derive(Debug, Default)]
pub(super) struct Eventful {
    pub objects: MemoryStorage,
    events: Mutex<BTreeMap<(&'static str, String), Vec<Event>>>,
}

impl Eventful {
    pub fn expect(&self, operation: &'static str, location: &str, events: Vec<Event>) {
        self.events.lock().unwrap().insert((operation, location.to_owned()), events);
    }

    async fn happen(&self, operation: &'static str, location: &str) -> Result<(), StorageError> {
        let event = {
            let mut events = self.events.lock().unwrap();
            events
                .get_mut(&(operation, location.to_owned()))
                .and_then(|left| if left.is_empty() { None } else { Some(left.remove(0)) })
        };
        match event {
            None => Ok(()),
            Some(Event::Become(bytes)) => self.objects.write(location, bytes).await,
            Some(Event::Vanish) => self.objects.delete(location).await,
            Some(Event::Fail(kind)) => Err(StorageError {
                operation: "read",
                location: location.to_owned(),
                kind,
                source: "the test says so".into(),
            }),
        }
    }
}

#[async_trait]
impl Storage for Eventful {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        self.happen("list", prefix).await?;
        self.objects.list_after(prefix, after).await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.happen("folders", prefix).await?;
        self.objects.list_folders(prefix).await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        self.happen("head", location).await?;
        self.objects.head(location).await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        self.objects.read(location).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.happen("read", location).await?;
        self.objects.read_range(location, range).await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.objects.write(location, bytes).await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.objects.delete(location).await
    }
}

/// A source of CSV files without header, `Op,id,note`.
pub(super) struct Fixture {
    pub storage: Arc<Eventful>,
    pub source: DmsSource,
}

pub(super) const ROOT: &str = "mem:/src";

impl Fixture {
    pub fn new(batch_rows: usize) -> Self {
        let storage = Arc::new(Eventful::default());
        let source = DmsSource::new(Arc::clone(&storage) as _, CpuPool::new(1).unwrap(), settings(ROOT, batch_rows));
        Self { storage, source }
    }

    /// Stores a file of `public/orders`.
    pub async fn put(&self, name: &str, content: impl Into<Bytes>) {
        self.storage.write(&at(name), content.into()).await.unwrap();
    }

    pub async fn open(&self, from: Position) -> Box<dyn TableReader> {
        self.source.open(&orders(), &schema(), from).await.unwrap()
    }
}

pub(super) fn settings(location: &str, batch_rows: usize) -> DmsSettings {
    DmsSettings {
        csv: CsvSettings { header: HeaderMode::Absent, op_column: OpColumn::Present, ..CsvSettings::default() },
        batch_rows,
        settle: Duration::ZERO,
        ..DmsSettings::new(location)
    }
}

pub(super) fn at(name: &str) -> String {
    format!("{ROOT}/public/orders/{name}")
}

pub(super) fn orders() -> TableName {
    TableName::new("public", "orders").unwrap()
}

pub(super) fn schema() -> TableSchema {
    TableSchema {
        columns: vec![Column::new("id", ColumnType::Long), Column::new("note", ColumnType::String)],
        key: vec!["id".into()],
    }
}

/// The lines of a file that holds these ids.
pub(super) fn lines(ids: Range<i64>) -> String {
    ids.map(|id| format!("I,{id},note {id}\n")).collect()
}

pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A record: its file, its number, its id (`None` for a reject).
pub(super) type Record = (String, i64, Option<i64>);

pub(super) fn records(batch: &ChangeBatch) -> Vec<Record> {
    let name = &batch.origin.name;
    let ids = batch.rows.column_by_name("id").unwrap().as_primitive::<Int64Type>();
    let rows = batch.row_numbers.values().iter().zip(ids.values());
    let mut records: Vec<Record> = rows.map(|(number, id)| (name.clone(), *number, Some(*id))).collect();
    records.extend(batch.rejects.iter().map(|reject| (name.clone(), reject.row_number as i64, None)));
    records.sort_by_key(|record| record.1);
    records
}

pub(super) fn ids(batches: &[ChangeBatch]) -> Vec<i64> {
    batches.iter().flat_map(records).filter_map(|record| record.2).collect()
}

/// Reads everything there is, or up to an error.
pub(super) async fn drain(reader: &mut Box<dyn TableReader>) -> (Vec<ChangeBatch>, Option<SourceError>) {
    let mut batches = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => return (batches, None),
            Err(error) => return (batches, Some(error)),
        }
    }
}

/// Reads everything there is.
pub(super) async fn all(reader: &mut Box<dyn TableReader>) -> Vec<ChangeBatch> {
    let (batches, error) = drain(reader).await;
    assert!(error.is_none(), "{error:?}");
    batches
}
