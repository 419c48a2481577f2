use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ObjectMeta, Storage, StorageError, StorageErrorKind};

/// Several storages as one: the scheme of a location says which of them is meant.
#[derive(Debug, Clone)]
pub struct StorageRouter {
    /// Takes `file:` locations and plain paths.
    local: Arc<dyn Storage>,
    others: Vec<(&'static str, Arc<dyn Storage>)>,
}

impl StorageRouter {
    /// Only `local`, for `file:` locations and plain paths.
    pub fn new(local: Arc<dyn Storage>) -> Self {
        Self { local, others: Vec::new() }
    }

    /// With `storage` for locations of a scheme, such as `s3`.
    pub fn with(mut self, scheme: &'static str, storage: Arc<dyn Storage>) -> Self {
        self.others.push((scheme, storage));
        self
    }

    fn route(&self, operation: &'static str, location: &str) -> Result<&dyn Storage, StorageError> {
        let Some((scheme, _)) = location.split_once("://") else { return Ok(self.local.as_ref()) };
        if scheme == "file" {
            return Ok(self.local.as_ref());
        }
        let found = self.others.iter().find(|(own, _)| *own == scheme);
        found.map(|(_, storage)| storage.as_ref()).ok_or_else(|| StorageError {
            operation,
            location: location.to_owned(),
            kind: StorageErrorKind::Other,
            source: format!("there is no storage for `{scheme}://`").into(),
        })
    }
}

#[async_trait]
impl Storage for StorageRouter {
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, StorageError> {
        self.route("list", prefix)?.list(prefix).await
    }

    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        self.route("list", prefix)?.list_after(prefix, after).await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.route("list", prefix)?.list_folders(prefix).await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        self.route("read", location)?.head(location).await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        self.route("read", location)?.read(location).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.route("read", location)?.read_range(location, range).await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.route("write", location)?.write(location, bytes).await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.route("delete", location)?.delete(location).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStorage;

    #[tokio::test]
    async fn the_scheme_says_which_storage_is_meant() {
        let (local, far) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryStorage::default()));
        let router = StorageRouter::new(local.clone()).with("s3", far.clone()).with("s3a", far.clone());
        for location in ["s3://b/k", "s3a://b/k", "file:///k", "/k"] {
            router.write(location, Bytes::from_static(b"x")).await.unwrap();
            assert_eq!(router.head(location).await.unwrap().location, location);
        }
        assert_eq!(router.list("s3://b").await.unwrap(), far.list("s3://b").await.unwrap());
        assert!(far.read("s3a://b/k").await.is_ok() && far.read("/k").await.is_err());
        assert!(local.read("file:///k").await.is_ok() && local.read("s3://b/k").await.is_err());
        let refused = router.read("gs://b/k").await.unwrap_err();
        assert_eq!(refused.kind, StorageErrorKind::Other);
        assert!(refused.source.to_string().contains("gs://"));
    }
}
