use std::path::Path;
use std::sync::Arc;

use crate::builder::Builder;
use crate::store::{Opened, Store};
use crate::{ByteKeys, FileNames, IndexError, IndexSettings, KeyError, KeyIndex, Keys, Location, Relocation};

/// An index that lives in memory while it fits into its budget, and on local disk besides once it does not.
///
/// Its folder belongs to it alone for as long as it lives. What was not flushed is lost with the process; the index is then that
/// of an older snapshot, and the caller applies the newer ones.
///
/// Lookups and merges use the threads of the rayon pool on which they are called. While such a call waits for the pool, its
/// thread may begin another job of the pool: no two jobs of one pool may wait for the same index at the same time.
#[derive(Debug)]
pub struct SpillingIndex {
    pub(crate) form: Form,
}

/// The index of one form of keys or the other.
#[derive(Debug)]
pub(crate) enum Form {
    Int(Store<Vec<i64>>),
    Bytes(Store<ByteKeys>),
}

/// The same with either form.
macro_rules! with_store {
    ($index:expr, $store:ident => $work:expr) => {
        match &$index.form {
            Form::Int($store) => $work,
            Form::Bytes($store) => $work,
        }
    };
    (mut $index:expr, $store:ident => $work:expr) => {
        match &mut $index.form {
            Form::Int($store) => $work,
            Form::Bytes($store) => $work,
        }
    };
}

impl SpillingIndex {
    /// Opens the index of a folder for keys of the form of `like`, or begins one.
    pub fn open(settings: &IndexSettings, like: &Keys) -> Result<(Self, Opened), IndexError> {
        Self::open_watched(settings, like, None)
    }

    pub(crate) fn open_watched(
        settings: &IndexSettings,
        like: &Keys,
        watch: Option<crate::disk::Watch>,
    ) -> Result<(Self, Opened), IndexError> {
        let (form, opened) = match like {
            Keys::Int(_) => Store::open(settings, watch).map(|(store, opened)| (Form::Int(store), opened))?,
            Keys::Bytes(_) => Store::open(settings, watch).map(|(store, opened)| (Form::Bytes(store), opened))?,
        };
        Ok((Self { form }, opened))
    }

    /// Forgets everything and takes in all keys of a table anew. `threads` is how many call [`Builder::add`] at a time.
    pub fn rebuild(mut self, threads: usize) -> Result<Builder, IndexError> {
        self.clear()?;
        Ok(Builder::new(self, threads))
    }

    /// Bytes of memory in which it could hold everything and still grow by half.
    pub fn wanted_bytes(&self) -> usize {
        with_store!(self, store => store.wanted_bytes())
    }

    /// Bytes on disk.
    pub fn disk_bytes(&self) -> u64 {
        with_store!(self, store => store.disk_bytes())
    }

    /// Where the index is.
    pub fn folder(&self) -> &Path {
        with_store!(self, store => store.folder())
    }
}

impl KeyIndex for SpillingIndex {
    fn snapshot(&self) -> Option<i64> {
        with_store!(self, store => store.snapshot())
    }

    fn key_count(&self) -> Option<u64> {
        with_store!(self, store => store.key_count())
    }

    fn memory_bytes(&self) -> usize {
        with_store!(self, store => store.memory_bytes())
    }

    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, IndexError> {
        match (&self.form, keys) {
            (Form::Int(store), Keys::Int(keys)) => store.lookup(keys),
            (Form::Bytes(store), Keys::Bytes(keys)) => store.lookup(keys),
            _ => Err(KeyError::Form.into()),
        }
    }

    fn apply(&mut self, keys: &Keys, locations: &[Location], snapshot: Option<i64>) -> Result<(), IndexError> {
        match (&mut self.form, keys) {
            (Form::Int(store), Keys::Int(keys)) => store.apply(keys, locations, snapshot),
            (Form::Bytes(store), Keys::Bytes(keys)) => store.apply(keys, locations, snapshot),
            _ => Err(KeyError::Form.into()),
        }
    }

    fn relocate(&mut self, relocation: Arc<dyn Relocation>, snapshot: Option<i64>) -> bool {
        with_store!(mut self, store => store.relocate(relocation, snapshot))
    }

    fn unsettled(&self) -> Vec<u32> {
        with_store!(self, store => store.unsettled())
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        with_store!(mut self, store => store.clear())
    }

    fn flush(&mut self, files: &FileNames) -> Result<(), IndexError> {
        with_store!(mut self, store => store.flush(files))
    }

    fn flush_due(&self) -> bool {
        with_store!(self, store => store.flush_due())
    }

    fn maintain(&mut self, entries: u64) -> Result<bool, IndexError> {
        with_store!(mut self, store => store.maintain(entries))
    }

    fn set_budget(&mut self, bytes: usize) -> Result<(), IndexError> {
        with_store!(mut self, store => store.set_budget(bytes))
    }
}
