use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ObjectMeta, Storage, StorageError};

/// Objects in memory, for simulated runs. Arrival is a count of writes.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    objects: Mutex<BTreeMap<String, Object>>,
    writes: AtomicI64,
}

impl MemoryStorage {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, location: &str) -> Result<Object, StorageError> {
        self.objects()
            .get(location)
            .cloned()
            .ok_or_else(|| StorageError::from_io("read", location, io::ErrorKind::NotFound.into()))
    }
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    arrived_us: i64,
    /// Digest of the bytes.
    content: u64,
}

impl Object {
    fn new(bytes: Bytes, arrived_us: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { bytes, arrived_us, content: hasher.finish() }
    }

    fn meta(&self, location: &str) -> ObjectMeta {
        ObjectMeta {
            location: location.to_owned(),
            size: self.bytes.len() as u64,
            arrived_us: self.arrived_us,
            etag: format!("{:x}", self.content),
        }
    }
}

fn below(prefix: &str) -> String {
    format!("{}/", prefix.trim_end_matches('/'))
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        let prefix = below(prefix);
        let objects = self.objects();
        let found = objects.range(prefix.clone()..).take_while(|(location, _)| location.starts_with(&prefix));
        let wanted = found.filter(|(location, _)| after.is_none_or(|after| location.as_str() > after));
        Ok(wanted.map(|(location, object)| object.meta(location)).collect())
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = below(prefix);
        let mut names: Vec<String> = self
            .objects()
            .keys()
            .filter_map(|location| Some(location.strip_prefix(&prefix)?.split_once('/')?.0.to_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        Ok(self.get(location)?.meta(location))
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        Ok(self.get(location)?.bytes)
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        let bytes = self.get(location)?.bytes;
        if range.start > range.end || range.end > bytes.len() as u64 {
            return Err(StorageError::from_io("read", location, io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        let mut objects = self.objects();
        let arrived_us = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        objects.insert(location.to_owned(), Object::new(bytes, arrived_us));
        Ok(())
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.objects().remove(location);
        Ok(())
    }
}
