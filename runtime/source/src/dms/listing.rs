use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_change::{FileVersion, TableName};
use sluice_platform::{ObjectMeta, Storage, StorageError, StorageErrorKind};

use crate::SourceError;

use super::file_name::{FileFormat, FileKind, Name, rank, recognise, recognise_mixed, shape, sorts_by_time};

/// How many names of foreign files are remembered, so that each is reported once.
const REMEMBERED_NAMES: usize = 1_000;

/// A file of a table, as a listing found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is.
    pub location: String,
    /// Its path relative to the source.
    pub name: String,
    /// Its place among the table's files of its phase.
    pub rank: String,
    pub kind: FileKind,
    pub format: FileFormat,
    /// Whether it is the first of a series of full-load files.
    pub first: bool,
    pub size: u64,
    pub arrived_us: i64,
    /// Digest of the storage's name for its content.
    pub content: Option<u64>,
    /// Whether that name may change although the content does not.
    pub weak: bool,
    /// Which of the table's folders it is in.
    pub folder: usize,
}

impl Found {
    /// Whether it holds changes.
    pub fn is_changes(&self) -> bool {
        self.kind == FileKind::Changes
    }

    /// What it is now, for a position to remember.
    pub fn version(&self) -> FileVersion {
        FileVersion { arrived_us: self.arrived_us, size: Some(self.size), content: self.content, lasting: self.first }
    }
}

/// A file that is none of DMS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub name: String,
    pub size: u64,
    pub arrived_us: i64,
    pub reason: &'static str,
}

/// What a look at a table's folders found, unsorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub files: Vec<Found>,
    /// Files that are not read, a bounded number of them.
    pub foreign: Vec<Foreign>,
    /// For each folder looked at as a whole: how many objects it holds, and whether its changes sort by time.
    pub shapes: Vec<Option<Shape>>,
}

/// What a folder looks like as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub objects: usize,
    pub by_time: bool,
}

/// Digest of the storage's name for a content: FNV-1a, which stays the same from one version of sluice to the next.
pub(super) fn digest(etag: &str) -> Option<u64> {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    (!etag.is_empty()).then(|| etag.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Foreign files that have been reported.
#[derive(Debug, Default)]
pub(super) struct Noticed(Mutex<HashSet<String>>);

impl Noticed {
    /// Whether this name is new; never once too many are known.
    pub fn is_new(&self, name: &str) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= REMEMBERED_NAMES || names.contains(name) {
            return false;
        }
        names.insert(name.to_owned())
    }
}

/// A folder in which a table has files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    /// Its path relative to the source.
    pub path: String,
    /// The partition of a position that its files advance.
    pub partition: String,
    /// Whether its files hold changes of many tables.
    pub mixed: bool,
}

/// The folders of one table: its own, then those of mixed files.
#[derive(Debug, Clone)]
pub(super) struct TableFolder {
    pub storage: Arc<dyn Storage>,
    /// The source's folder, without a slash at its end.
    pub root: String,
    pub table: TableName,
    pub folders: Vec<Folder>,
    pub noticed: Arc<Noticed>,
}

impl TableFolder {
    /// The folders of a table, given the paths of folders of mixed files.
    pub fn folders_of(table: &TableName, mixed: impl Iterator<Item = String>) -> Vec<Folder> {
        let own = Folder {
            path: format!("{}/{}", table.schema(), table.table()),
            partition: table.to_string(),
            mixed: false,
        };
        let mixed = mixed.map(|path| Folder { partition: format!("{path}/"), path, mixed: true });
        std::iter::once(own).chain(mixed).collect()
    }

    fn location(&self, folder: &Folder) -> String {
        format!("{}/{}", self.root, folder.path)
    }

    /// The table's files, unsorted: all of a folder's, or those behind the location given for it.
    pub async fn look(&self, after: &[Option<String>]) -> Result<Listing, SourceError> {
        let mut listing = Listing::default();
        for (number, folder) in self.folders.iter().enumerate() {
            let after = after.get(number).and_then(Option::as_deref);
            let objects = self.objects(folder, after).await?;
            let (count, start) = (objects.len(), listing.files.len());
            let path_at = self.location(folder).len() + 1;
            for object in objects {
                self.take_in(object, number, path_at, &mut listing);
            }
            let by_time = || changes_sort_by_time(&listing.files[start..], folder.path.len() + 1);
            let shape = after.is_none().then(|| Shape { objects: count, by_time: by_time() });
            listing.shapes.push(shape);
        }
        Ok(listing)
    }

    /// All files, unsorted.
    pub async fn all(&self) -> Result<Listing, SourceError> {
        self.look(&[]).await
    }

    /// Whether the source's folder holds anything at all: an empty one is most likely a disk that is not there.
    pub async fn source_is_there(&self) -> Result<bool, SourceError> {
        let root = |source| SourceError::Root { location: self.root.clone(), source };
        Ok(!self.storage.list_folders(&self.root).await.map_err(root)?.is_empty())
    }

    /// A folder that is not there holds none: DMS removes it when the table is truncated.
    async fn objects(&self, folder: &Folder, after: Option<&str>) -> Result<Vec<ObjectMeta>, SourceError> {
        match self.storage.list_after(&self.location(folder), after).await {
            Ok(objects) => Ok(objects),
            Err(error) if error.kind == StorageErrorKind::NotFound => self.gone(folder, error).await,
            Err(error) => Err(self.unreadable(folder, error)),
        }
    }

    /// Tells a folder that is not there from a source that is not there (a disk not mounted) and from a passing change.
    async fn gone(&self, folder: &Folder, error: StorageError) -> Result<Vec<ObjectMeta>, SourceError> {
        let root = |source| SourceError::Root { location: self.root.clone(), source };
        let mut above = self.root.clone();
        let mut names = self.storage.list_folders(&above).await.map_err(root)?;
        for part in folder.path.split('/') {
            if !names.iter().any(|name| name == part) {
                return Ok(Vec::new());
            }
            above = format!("{above}/{part}");
            if above.len() == self.root.len() + 1 + folder.path.len() {
                break;
            }
            names = self.storage.list_folders(&above).await.map_err(|error| self.unreadable(folder, error))?;
        }
        Err(self.unreadable(folder, error))
    }

    fn unreadable(&self, folder: &Folder, source: StorageError) -> SourceError {
        SourceError::Folder { table: self.table.clone(), location: self.location(folder), source }
    }

    /// Takes the file in that an object is; says so once if DMS did not write it.
    fn take_in(&self, object: ObjectMeta, number: usize, path_at: usize, listing: &mut Listing) {
        let folder = &self.folders[number];
        let Some(path) = object.location.get(path_at..) else { return };
        let name = format!("{}/{path}", folder.path);
        let (below, file) = path.rsplit_once('/').unwrap_or(("", path));
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        let recognised = if hidden {
            None
        } else if folder.mixed {
            // Namesakes in the table's own folder and in other mixed ones are other files.
            recognise_mixed(file).map(|(format, as_changes)| {
                let place = if below.is_empty() { folder.path.clone() } else { format!("{}/{below}", folder.path) };
                (Name { kind: FileKind::Changes, format, first: false }, rank(&as_changes, &place))
            })
        } else {
            recognise(file).map(|name| (name, rank(file, below)))
        };
        let Some((Name { kind, format, first }, rank)) = recognised else {
            let reason = if folder.mixed { NO_MIXED_NAME } else { NO_DMS_NAME };
            self.foreign(Foreign { name, size: object.size, arrived_us: object.arrived_us, reason }, listing);
            return;
        };
        listing.files.push(Found {
            name,
            rank,
            kind,
            format,
            first,
            size: object.size,
            arrived_us: object.arrived_us,
            content: digest(&object.etag),
            weak: object.etag.starts_with("W/"),
            folder: number,
            location: object.location,
        });
    }

    fn foreign(&self, foreign: Foreign, listing: &mut Listing) {
        if self.noticed.is_new(&foreign.name) {
            tracing::warn!(table = %self.table, file = foreign.name, "this file is ignored: {}", foreign.reason);
        }
        if listing.foreign.len() < REMEMBERED_NAMES {
            listing.foreign.push(foreign);
        }
    }
}

const NO_DMS_NAME: &str = "DMS names its files LOAD00000001.csv or 20201117-153046033.csv (or .parquet)";
const NO_MIXED_NAME: &str = "DMS names files of transactions CDC_TXN-20201117153046033.csv";

/// Whether the locations of changes sort as the changes happened, now and in folders of the same pattern to come.
fn changes_sort_by_time(files: &[Found], path_at: usize) -> bool {
    let mut shapes = HashSet::new();
    files.iter().filter(|file| file.kind == FileKind::Changes).all(|file| {
        let path = file.name.get(path_at..).unwrap_or_default();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // The name in a file's rank is that of a table's changes, whatever its own begins with.
        shapes.insert((shape(folder), name.starts_with(|first: char| first.is_ascii_digit())));
        shapes.len() == 1 && sorts_by_time(folder, &file.rank)
    })
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
        let table: TableName = "public.orders".parse().unwrap();
        TableFolder {
            storage: Arc::new(storage),
            root: "mem:/src".into(),
            folders: TableFolder::folders_of(&table, ["cdc".to_owned()].into_iter()),
            table,
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
            "cdc/2020/CDC_TXN-20201117153046035.csv",
            "cdc/LOAD00000001.csv",
        ])
        .await;
        let listing = folder.all().await.unwrap();
        let ranks: Vec<(&str, usize)> = listing.files.iter().map(|file| (file.rank.as_str(), file.folder)).collect();
        let expected =
            [("20201117-153046033.csv 2020/11/17", 0), ("LOAD00000001.csv", 0), ("20201117-153046035.csv cdc/2020", 1)];
        assert_eq!(ranks, expected);
        assert_eq!(listing.files[0].name, "public/orders/2020/11/17/20201117-153046033.csv");
        assert_eq!(listing.foreign.len(), 4);
        assert_eq!(folder.noticed.0.lock().unwrap().len(), 4);
        assert_eq!(listing.shapes[0], Some(Shape { objects: 5, by_time: true }));
        assert!(!listing.shapes[1].as_ref().unwrap().by_time, "a folder of a year alone is none that DMS writes");
    }

    #[tokio::test]
    async fn a_look_behind_a_location_finds_what_is_newer() {
        let folder = folder(&[
            "public/orders/20201117-153046033.csv",
            "public/orders/20201117-153046034.csv",
            "cdc/CDC_TXN-20201117153046035.csv",
        ])
        .await;
        let after = Some("mem:/src/public/orders/20201117-153046033.csv".to_owned());
        let listing = folder.look(&[after, None]).await.unwrap();
        let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["public/orders/20201117-153046034.csv", "cdc/CDC_TXN-20201117153046035.csv"]);
        assert_eq!(listing.shapes, [None, Some(Shape { objects: 1, by_time: true })]);
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
