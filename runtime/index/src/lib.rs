//! Where the current row of a key is: primary key → (data file, row position), exact.
//!
//! An index is a cache of a table. It carries the snapshot that it reflects and is rebuilt from the table's key columns
//! when it does not match. Keys cross this interface in batches, so that an implementation on disk can sort and prefetch.

mod keys;
mod memory;

use std::fmt::Debug;

pub use keys::{ByteKeys, KeyError, KeyExtractor, Keys};
pub use memory::MemoryIndex;

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

    /// Number of keys.
    fn len(&self) -> u64;

    /// Whether there is no key.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    fn memory_bytes(&self) -> usize;

    /// The location of each key, [`Location::ABSENT`] where there is none.
    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, KeyError>;

    /// Sets the location of each key, or removes the key where its location is [`Location::ABSENT`], and takes on
    /// `snapshot`. Called only once the commit has landed.
    fn apply(&mut self, keys: &Keys, locations: &[Location], snapshot: Option<i64>) -> Result<(), KeyError>;

    /// Sets each location to what `place` gives for it, and takes on `snapshot`: the rows of these keys have moved.
    fn relocate(&mut self, place: &dyn Fn(Location) -> Location, snapshot: Option<i64>) -> Result<(), KeyError>;

    /// Forgets all keys.
    fn clear(&mut self);
}
