use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_change::TableName;
use sluice_platform::{ObjectMeta, Storage, StorageError, StorageErrorKind};

use crate::SourceError;

use super::file_name::{FileFormat, FileKind, order, recognise};

/// How many names of foreign files are remembered, so that each is reported once.
const REMEMBERED_NAMES: usize = 1_000;

/// A file of a table, as a listing found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DmsFile {
    /// Where it is.
    pub location: String,
    /// Its path relative to the source.
    pub name: String,
    /// Its place among the table's files.
    pub order: String,
    pub kind: FileKind,
    pub format: FileFormat,
    pub size: u64,
    pub arrived_us: i64,
}

/// Foreign files that have been reported.
#[derive(Debug, Default)]
pub(super) struct Noticed(Mutex<HashSet<String>>);

impl Noticed {
    /// Whether this name is new; never once too many are known.
    fn is_new(&self, name: &str) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= REMEMBERED_NAMES || names.contains(name) {
            return false;
        }
        names.insert(name.to_owned())
    }
}

/// One table's folder.
#[derive(Debug, Clone)]
pub(super) struct TableFolder {
    pub storage: Arc<dyn Storage>,
    /// The source's folder, without a slash at its end.
    pub root: String,
    pub table: TableName,
    pub noticed: Arc<Noticed>,
}

impl TableFolder {
    fn path(&self) -> String {
        format!("{}/{}", self.table.schema(), self.table.table())
    }

    fn location(&self) -> String {
        format!("{}/{}", self.root, self.path())
    }

    /// The table's files, unsorted. A folder that is not there holds none: DMS removes it when the table is truncated.
    pub async fn files(&self) -> Result<Vec<DmsFile>, SourceError> {
        let location = self.location();
        match self.storage.list(&location).await {
            Ok(objects) => Ok(objects.into_iter().filter_map(|object| self.file(object, location.len() + 1)).collect()),
            Err(error) if error.kind == StorageErrorKind::NotFound => self.gone(error).await,
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Tells a table without a folder from a source that is not there (a disk not mounted) and from a passing change.
    async fn gone(&self, error: StorageError) -> Result<Vec<DmsFile>, SourceError> {
        let has = |names: &[String], wanted: &str| names.iter().any(|name| name == wanted);
        let root = |source| SourceError::Root { location: self.root.clone(), source };
        if !has(&self.storage.list_folders(&self.root).await.map_err(root)?, self.table.schema()) {
            return Ok(Vec::new());
        }
        match self.storage.list_folders(&format!("{}/{}", self.root, self.table.schema())).await {
            Ok(names) if has(&names, self.table.table()) => Err(self.unreadable(error)),
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn unreadable(&self, source: StorageError) -> SourceError {
        SourceError::Folder { table: self.table.clone(), location: self.location(), source }
    }

    /// The file that an object is; `None`, and a word about it once, if DMS did not write it for this table.
    fn file(&self, object: ObjectMeta, path_at: usize) -> Option<DmsFile> {
        let path = object.location.get(path_at..)?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        let recognised = if hidden { None } else { recognise(name) };
        let Some((kind, format)) = recognised else {
            let path = format!("{}/{path}", self.path());
            if self.noticed.is_new(&path) {
                tracing::warn!(
                    table = %self.table,
                    file = path,
                    "this file is ignored: DMS names its files LOAD00000001.csv or 20201117-153046033.csv (or .parquet)"
                );
            }
            return None;
        };
        Some(DmsFile {
            name: format!("{}/{path}", self.path()),
            order: order(kind, name, folder),
            kind,
            format,
            size: object.size,
            arrived_us: object.arrived_us,
            location: object.location,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sluice_platform::MemoryStorage;

    use super::*;

    async fn folder(names: &[&str]) -> TableFolder {
        let storage = MemoryStorage::default();
        for name in names {
            storage.write(&format!("mem:/src/{name}"), Bytes::from_static(b"1\n")).await.unwrap();
        }
        TableFolder {
            storage: Arc::new(storage),
            root: "mem:/src".into(),
            table: "public.orders".parse().unwrap(),
            noticed: Arc::default(),
        }
    }

    #[tokio::test]
    async fn files_at_any_depth_are_found_and_foreign_ones_left_out() {
        let folder = folder(&[
            "public/orders/LOAD00000001.csv",
            "public/orders/2020/11/17/20201117-153046033.csv",
            "public/orders/_SUCCESS",
            "public/orders/.staging/LOAD00000002.csv",
            "public/orders/LOAD00000002.csv.tmp",
            "public/orders_old/LOAD00000001.csv",
        ])
        .await;
        let files = folder.files().await.unwrap();
        let orders: Vec<&str> = files.iter().map(|file| file.order.as_str()).collect();
        assert_eq!(orders, ["1/20201117-153046033.csv 2020/11/17", "0/LOAD00000001.csv"]);
        assert_eq!(files[0].name, "public/orders/2020/11/17/20201117-153046033.csv");
        assert_eq!(folder.noticed.0.lock().unwrap().len(), 3);
    }

    #[test]
    fn each_foreign_name_is_reported_once_and_not_without_end() {
        let noticed = Noticed::default();
        assert!(noticed.is_new("a"));
        assert!(!noticed.is_new("a"));
        let reported = (0..2 * REMEMBERED_NAMES).filter(|n| noticed.is_new(&n.to_string())).count();
        assert_eq!(reported, REMEMBERED_NAMES - 1);
    }
}
