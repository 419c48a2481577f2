//! Fills an index from all keys of a table, in any order, within its memory.

mod sorting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::spilling::Form;
use crate::{ByteKeys, FileNames, IndexError, KeyError, Keys, Location, SpillingIndex};
use sorting::Sorting;

/// Takes in the keys of a table from any number of threads, each key once, in any order.
///
/// Keys are sorted in pieces, which go to disk, and are merged in the end. Until then the folder holds no index: whatever happens
/// to the process, nothing half built is taken for whole.
#[derive(Debug)]
pub struct Builder {
    form: BuilderForm,
    progress: Arc<BuildProgress>,
}

#[derive(Debug)]
enum BuilderForm {
    Int(Sorting<Vec<i64>>),
    Bytes(Sorting<ByteKeys>),
}

/// How far a build is, for those who watch it.
#[derive(Debug, Default)]
pub struct BuildProgress {
    added: AtomicU64,
    merged: AtomicU64,
}

impl BuildProgress {
    /// Keys that were added.
    pub fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// Keys that went through a merge, after all were added. Very large tables are merged more than once.
    pub fn merged(&self) -> u64 {
        self.merged.load(Ordering::Relaxed)
    }
}

/// A finished build.
#[derive(Debug)]
pub struct Built {
    /// The index, which is on disk with its snapshot.
    pub index: SpillingIndex,
    /// Number of its keys.
    pub keys: u64,
    /// Keys that came more than once.
    pub duplicates: Duplicates,
}

/// Keys that have more than one row, which no table that sluice wrote has. The index holds one row of each; which one is not
/// said.
#[derive(Debug, Clone)]
pub struct Duplicates {
    /// Rows that are too many.
    pub rows: u64,
    /// The first keys that were seen to have more than one row.
    pub keys: Keys,
    /// Two rows of each of `keys`.
    pub locations: Vec<(Location, Location)>,
}

impl Builder {
    pub(crate) fn new(index: SpillingIndex, threads: usize) -> Self {
        let progress = Arc::new(BuildProgress::default());
        let form = match index.form {
            Form::Int(store) => BuilderForm::Int(Sorting::new(store, threads)),
            Form::Bytes(store) => BuilderForm::Bytes(Sorting::new(store, threads)),
        };
        Self { form, progress }
    }

    /// Counters that go on while this is being filled and finished.
    pub fn progress(&self) -> Arc<BuildProgress> {
        Arc::clone(&self.progress)
    }

    /// Adds rows: a key and its location each. After an error the build cannot be finished.
    pub fn add(&self, keys: &Keys, locations: &[Location]) -> Result<(), IndexError> {
        match (&self.form, keys) {
            (BuilderForm::Int(sorting), Keys::Int(keys)) => sorting.add(keys, locations),
            (BuilderForm::Bytes(sorting), Keys::Bytes(keys)) => sorting.add(keys, locations),
            _ => Err(KeyError::Form.into()),
        }?;
        self.progress.added.fetch_add(locations.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Merges what was added into an index of `snapshot`, whose locations point into `files`, and makes it last.
    pub fn finish(self, snapshot: Option<i64>, files: &FileNames) -> Result<Built, IndexError> {
        let merged = |entries: u64| {
            self.progress.merged.fetch_add(entries, Ordering::Relaxed);
        };
        Ok(match self.form {
            BuilderForm::Int(sorting) => {
                let (store, keys, found) = sorting.finish(snapshot, files, &merged)?;
                let duplicates =
                    Duplicates { rows: found.rows, keys: Keys::Int(found.keys), locations: found.locations };
                Built { index: SpillingIndex { form: Form::Int(store) }, keys, duplicates }
            }
            BuilderForm::Bytes(sorting) => {
                let (store, keys, found) = sorting.finish(snapshot, files, &merged)?;
                let duplicates =
                    Duplicates { rows: found.rows, keys: Keys::Bytes(found.keys), locations: found.locations };
                Built { index: SpillingIndex { form: Form::Bytes(store) }, keys, duplicates }
            }
        })
    }
}
