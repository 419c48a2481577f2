//! Where the current row of a key is: primary key → (data file, row position), exact.
//!
//! An index is a cache of a table. It carries the snapshot that it reflects and is rebuilt from the table's key columns
//! when it does not match. Keys cross this interface in batches, so that an implementation on disk can sort and prefetch.
//!
//! [`SpillingIndex`] is what tables use: a hash table while it fits into its budget, and sorted runs on local disk besides once
//! it does not. [`Builder`] fills one from a table's key columns. [`MemoryIndex`] never leaves memory.
//!
//! | module | what it owns |
//! |---|---|
//! | `column` | what both forms of keys can do |
//! | `table` | hash tables in memory |
//! | `bits`, `page`, `filter` | how entries are laid out |
//! | `run` | immutable sorted files: writing, looking up, going through |
//! | `merge`, `policy` | making one run of several, and when |
//! | `moves` | rows that have moved since runs were written |
//! | `manifest` | which runs there are, and what they reflect |
//! | `store` | one index of all these |
//! | `disk` | the only calls of the file system |

mod bits;
mod builder;
mod column;
mod disk;
mod error;
mod filter;
mod keys;
mod manifest;
mod memory;
mod merge;
mod moves;
mod page;
mod policy;
mod run;
mod settings;
mod spilling;
mod store;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

pub use builder::{BuildProgress, Builder, Built, Duplicates};
pub use error::IndexError;
pub use keys::{ByteKeys, KeyError, KeyExtractor, Keys};
pub use manifest::FileNames;
pub use memory::MemoryIndex;
pub use moves::Relocation;
pub use settings::IndexSettings;
pub use spilling::SpillingIndex;
pub use store::Opened;

/// A row of a data file, by the file's number within its table and the row's position within the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(u64);

impl Location {
    /// No row.
    pub const ABSENT: Location = Location(u64::MAX);

    /// The row at `position` of file `file`.
    pub fn new(file: u32, position: u32) -> Self {
        Self(u64::from(file) << 32 | u64::from(position))
    }

    fn value(self) -> u64 {
        self.0
    }

    fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Whether this names a row.
    pub fn is_present(self) -> bool {
        self != Self::ABSENT
    }

    /// The file's number.
    pub fn file(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The row's position within the file, from 0.
    pub fn position(self) -> u32 {
        self.0 as u32
    }
}

/// An exact map from keys to locations.
pub trait KeyIndex: Debug + Send {
    /// The table snapshot whose rows this index holds; `None` before the first.
    fn snapshot(&self) -> Option<i64>;

    /// Number of keys. `None` where it is not known without reading: an index that has spilled learns only when it merges
    /// whether a changed key was there before.
    fn key_count(&self) -> Option<u64>;

    /// Bytes of memory held.
    fn memory_bytes(&self) -> usize;

    /// The location of each key, [`Location::ABSENT`] where there is none.
    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, IndexError>;

    /// Sets the location of each key, or removes the key where its location is [`Location::ABSENT`], and takes on
    /// `snapshot`. Called only once the commit has landed.
    ///
    /// After [`IndexError::Io`] the changes are held in memory all the same and `snapshot` is taken on; what could not be
    /// written is tried again by the next call.
    fn apply(&mut self, keys: &Keys, locations: &[Location], snapshot: Option<i64>) -> Result<(), IndexError>;

    /// Takes on that rows have moved, and `snapshot`. Says whether that was done. It is not where what it would have to remember of
    /// that is too much; then nothing has changed, and the rows have to be set anew.
    fn relocate(&mut self, relocation: Arc<dyn Relocation>, snapshot: Option<i64>) -> bool;

    /// Files into which rows have moved that a flush would still leave elsewhere: who opens the index again sets their rows anew.
    fn unsettled(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Forgets all keys and the snapshot.
    fn clear(&mut self) -> Result<(), IndexError>;

    /// Makes what the index holds outlast the process, with the paths of the data files that its locations point into.
    /// Does nothing where nothing outlasts the process.
    fn flush(&mut self, _files: &FileNames) -> Result<(), IndexError> {
        Ok(())
    }

    /// Whether a flush would free much of the disk: what the last one wrote is kept until the next.
    fn flush_due(&self) -> bool {
        false
    }

    /// Does up to about so many entries of each piece of work that later calls of [`KeyIndex::apply`] would do otherwise.
    /// Returns whether there is more.
    fn maintain(&mut self, _entries: u64) -> Result<bool, IndexError> {
        Ok(false)
    }

    /// Changes how much memory the index may take.
    fn set_budget(&mut self, _bytes: usize) -> Result<(), IndexError> {
        Ok(())
    }
}
