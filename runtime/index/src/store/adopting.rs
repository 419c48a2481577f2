//! What a build does with the store that it fills.

use std::io;
use std::sync::Arc;

use super::Store;
use crate::IndexError;
use crate::column::KeyColumn;
use crate::run::{Residency, Run, RunMeta};

/// Runs that are merged at once at most: more would read in pieces that are too small.
const MOST_MERGED: usize = 64;

impl<C: KeyColumn> Store<C> {
    /// The whole budget.
    pub fn budget_bytes(&self) -> usize {
        self.limits.budget_bytes
    }

    /// For each run that is read or written from end to end.
    pub fn buffer_bytes(&self) -> usize {
        self.limits.buffer_bytes
    }

    /// How many runs are merged at once within the budget.
    pub fn runs_merged_at_once(&self) -> usize {
        (self.limits.budget_bytes / 2 / self.limits.buffer_bytes).clamp(4, MOST_MERGED)
    }

    /// Opens a run that is only read from end to end.
    pub fn open_piece(&self, meta: RunMeta) -> Result<Arc<Run<C>>, IndexError> {
        let keep = Residency { directory_bytes: 0, filter_bytes: 0 };
        Ok(Arc::new(Run::open(&self.folder, meta, self.limits.page_bytes, keep)?))
    }

    /// Removes runs that were pieces.
    pub fn discard(&mut self, numbers: impl Iterator<Item = u64>) {
        self.stale.extend(numbers);
        self.sweep();
    }

    /// Makes this run all that the index holds.
    pub fn adopt(&mut self, run: Option<Arc<Run<C>>>, snapshot: Option<i64>) -> Result<(), IndexError> {
        self.snapshot = snapshot;
        let Some(run) = run else { return Ok(()) };
        let meta = run.meta.clone();
        self.runs = vec![self.open_run(meta.clone())?];
        self.resident = false;
        self.load_into_memory(&[meta])
    }

    /// That pieces of a build are missing.
    pub fn unfinished(&self) -> IndexError {
        let source = io::Error::other("a part of the keys could not be written");
        IndexError::Io { action: "build the key index in", path: self.folder.root().to_owned(), source }
    }
}
