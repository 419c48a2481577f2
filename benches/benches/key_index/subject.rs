use std::path::Path;
use std::time::Duration;

use sluice_benches::Failure;
use sluice_index::Location;

use crate::workload::Changes;

/// A map from keys to locations that is measured.
pub trait Subject {
    /// The location of each key, absent where there is none.
    fn lookup(&self, keys: &[i64]) -> Result<Vec<Location>, Failure>;
    /// Makes the changes.
    fn apply(&mut self, changes: &Changes) -> Result<(), Failure>;
    /// Bytes on disk.
    fn disk_bytes(&self) -> Result<u64, Failure>;
    /// Bytes of memory that it says it holds; 0 where it does not.
    fn memory_bytes(&self) -> usize {
        0
    }
    /// Closes and opens it. How long the opening took.
    fn reopen(&mut self) -> Result<Duration, Failure>;
}

/// Bytes of all files of a folder.
pub fn folder_bytes(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
