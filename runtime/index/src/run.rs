//! Runs: immutable files of sorted entries, with a tree of pages over them and a filter behind them.
//!
//! A run is a static B-tree that is written from left to right: whenever a page is full, its first key goes into the page of
//! the level above, which is written into the same file when it is full itself. The root comes last, then the filter. What is
//! needed to read a run (root, lengths, checksums) is in the manifest alone, so a run that no manifest names is nothing.

mod cursor;
mod directory;
mod lookup;
mod writer;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

pub use cursor::Cursor;
pub use directory::Directory;
pub use lookup::{Batch, Scratch};
pub use writer::{RunWriter, WriterSettings};

use crate::IndexError;
use crate::column::KeyColumn;
use crate::disk::{Folder, OpenFile};
use crate::filter::Filter;

/// What a manifest says of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Number of the run, never used twice.
    pub number: u64,
    /// Where it stands among the runs, see [`crate::policy`].
    pub tier: u8,
    /// Entries, those of removed keys included.
    pub entries: u64,
    /// Entries that say that a key was removed.
    pub removed: u64,
    /// Bytes that all its keys take in memory.
    pub key_bytes: u64,
    /// Pages of all levels.
    pub pages: u32,
    /// Number of the root page.
    pub root: u32,
    /// The levels from the rows up; the last one is the root's.
    pub levels: Vec<LevelMeta>,
    /// The lowest key.
    pub first: Vec<u8>,
    /// The highest key.
    pub last: Vec<u8>,
    /// The filter behind the pages.
    pub filter: Option<FilterMeta>,
}

/// One level of a run's tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelMeta {
    /// Number of its pages.
    pub pages: u32,
    /// Bytes that the first keys of its pages take in memory.
    pub key_bytes: u64,
}

/// A stored filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterMeta {
    /// Its length in bytes.
    pub bytes: u64,
    /// XXH3 of them.
    pub checksum: u64,
}

impl RunMeta {
    /// Name of the file of a run.
    pub fn file_name(number: u64) -> String {
        format!("{number:016x}.run")
    }

    /// The number of the run in the file of this name.
    pub fn number_of(name: &str) -> Option<u64> {
        u64::from_str_radix(name.strip_suffix(".run")?, 16).ok()
    }

    /// Length of the file.
    pub fn file_bytes(&self, page_bytes: usize) -> u64 {
        u64::from(self.pages) * page_bytes as u64 + self.filter.map_or(0, |filter| filter.bytes)
    }
}

/// What of a run may be held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Residency {
    /// Bytes for its directory.
    pub directory_bytes: usize,
    /// Bytes for its filter.
    pub filter_bytes: usize,
}

/// A run that can be read.
#[derive(Debug)]
pub struct Run<C> {
    /// What the manifest says of it.
    pub meta: RunMeta,
    file: OpenFile,
    page_bytes: usize,
    directory: Directory<C>,
    filter: Option<Filter>,
    /// The lowest and the highest key.
    bounds: C,
}

impl<C: KeyColumn> Run<C> {
    /// Opens a run and reads what is held of it in memory.
    pub fn open(folder: &Folder, meta: RunMeta, page_bytes: usize, keep: Residency) -> Result<Self, IndexError> {
        let name = RunMeta::file_name(meta.number);
        let missing = || IndexError::Corrupt { path: folder.path(&name), what: "it is missing".into() };
        let file = folder.open(&name)?.ok_or_else(missing)?;
        let (found, expected) = (file.length()?, meta.file_bytes(page_bytes));
        if found != expected {
            return Err(file.damaged(format!("{found} bytes long instead of {expected}")));
        }
        let mut bounds = C::default();
        if !(bounds.add_from_bytes(&meta.first) && bounds.add_from_bytes(&meta.last)) {
            return Err(file.damaged("its bounds are no keys".into()));
        }
        let mut run = Self { meta, file, page_bytes, directory: Directory::default(), filter: None, bounds };
        run.directory = run.read_directory(keep.directory_bytes)?;
        run.filter = run.read_filter(keep.filter_bytes)?;
        Ok(run)
    }

    fn read_filter(&self, limit_bytes: usize) -> Result<Option<Filter>, IndexError> {
        let Some(meta) = self.meta.filter.filter(|meta| meta.bytes <= limit_bytes as u64) else { return Ok(None) };
        let mut bytes = vec![0; meta.bytes as usize];
        self.file.read(&mut bytes, u64::from(self.meta.pages) * self.page_bytes as u64)?;
        let filter = Filter::from_bytes(&bytes).filter(|_| XxHash3_64::oneshot(&bytes) == meta.checksum);
        filter.map(Some).ok_or_else(|| self.file.damaged("its filter".into()))
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.directory.heap_bytes() + self.filter_bytes()
    }

    /// Bytes of memory that the filter takes.
    pub fn filter_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::heap_bytes)
    }

    fn damaged_page(&self, page: u32) -> IndexError {
        self.file.damaged(format!("page {page}"))
    }
}
