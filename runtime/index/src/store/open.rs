use std::sync::Arc;

use super::Store;
use crate::column::KeyColumn;
use crate::disk::{Folder, Watch};
use crate::manifest::{FileNames, MANIFEST, Manifest};
use crate::merge::Sorted;
use crate::page::REMOVED;
use crate::run::{Run, RunMeta};
use crate::table::KeyTable;
use crate::{IndexError, IndexSettings, Location};

/// Bytes of memory for each entry, with which what is on disk is read into memory again: more than it takes there, so that it
/// does not go back and forth.
pub const BYTES_TO_COME_BACK: usize = 64;

/// What was found when an index was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Nothing.
    Fresh,
    /// An index that is whole.
    Kept {
        /// The snapshot that it reflects.
        snapshot: Option<i64>,
        /// The data files that its locations point into, as they were handed to the last flush.
        files: FileNames,
    },
    /// Something that cannot be relied on. It has been removed; the index is empty.
    Distrusted {
        /// What is wrong with it.
        why: String,
    },
}

pub fn open<C: KeyColumn>(settings: &IndexSettings, watch: Option<Watch>) -> Result<(Store<C>, Opened), IndexError> {
    let folder = Arc::new(Folder::take(&settings.folder, watch)?);
    let numbers = folder.names()?.into_iter().filter_map(|name| RunMeta::number_of(&name));
    let next_run = numbers.max().map_or(0, |number| number.saturating_add(1));
    let mut store = Store::empty(Arc::clone(&folder), settings, next_run);
    let opened = match store.restore(settings) {
        Err(IndexError::Corrupt { path, what }) => {
            store = Store::empty(folder, settings, next_run);
            Opened::Distrusted { why: format!("`{}`: {what}", path.display()) }
        }
        Err(error) => return Err(error),
        Ok(opened) => opened,
    };
    store.remove_unnamed(!matches!(opened, Opened::Kept { .. }))?;
    Ok((store, opened))
}

impl<C: KeyColumn> Store<C> {
    fn restore(&mut self, settings: &IndexSettings) -> Result<Opened, IndexError> {
        let manifest = match Manifest::load(&self.folder)? {
            None => return Ok(Opened::Fresh),
            Some(Err(why)) => return Ok(Opened::Distrusted { why }),
            Some(Ok(manifest)) => manifest,
        };
        if manifest.identity != settings.identity || manifest.form != C::FORM {
            return Ok(Opened::Distrusted { why: "it is of another table or another key".into() });
        }
        // What is kept is read with the pages that it was written with.
        self.limits.page_bytes = manifest.page_bytes as usize;
        let mut filter_bytes = 0;
        let count = manifest.runs.len();
        for (index, meta) in manifest.runs.iter().enumerate() {
            let keep = self.limits.residency(index + 1 == count, filter_bytes);
            let run = Run::open(&self.folder, meta.clone(), self.limits.page_bytes, keep)?;
            filter_bytes += run.filter_bytes();
            self.runs.push(Arc::new(run));
        }
        self.resident = false;
        self.load_into_memory(&manifest.runs)?;
        self.snapshot = manifest.snapshot;
        self.next_run = self.next_run.max(manifest.next_run);
        self.named = manifest.runs;
        self.is_stored = true;
        Ok(Opened::Kept { snapshot: manifest.snapshot, files: manifest.files })
    }

    /// Reads everything into the table if it fits there.
    pub(super) fn load_into_memory(&mut self, runs: &[RunMeta]) -> Result<(), IndexError> {
        let entries: u64 = runs.iter().map(|meta| meta.entries).sum();
        let key_bytes: u64 = runs.iter().map(|meta| meta.key_bytes).sum();
        let (entries, key_bytes) = (entries as usize, key_bytes as usize);
        let needed = self.table.bytes_to_grow(entries, key_bytes);
        if needed.saturating_add(entries.saturating_mul(size_of::<(i64, Location)>())) > self.limits.resident_bytes {
            return Ok(());
        }
        self.table.make_room(entries, key_bytes);
        let (table, moves) = (&mut self.table, &self.moves);
        Sorted::new(&self.runs, self.limits.buffer_bytes)?.step(u64::MAX, |key, value, repeated| {
            let value = moves.follow(value);
            if !repeated && value != REMOVED {
                table.set(key, Location::from_value(value));
            }
            Ok(())
        })?;
        self.runs.clear();
        self.resident = true;
        self.image = if let [only] = runs { Some(only.clone()) } else { None };
        Ok(())
    }

    /// Takes everything back into memory, if there is room for it now. Says whether it is there.
    pub(super) fn come_back(&mut self) -> Result<bool, IndexError> {
        let entries: u64 = self.runs.iter().map(|run| run.meta.entries).sum();
        let needed = entries.saturating_mul(BYTES_TO_COME_BACK as u64);
        if self.resident || !self.merges.is_empty() || needed > self.limits.resident_bytes as u64 {
            return Ok(self.resident);
        }
        self.spill()?;
        let runs: Vec<RunMeta> = self.runs.iter().map(|run| run.meta.clone()).collect();
        self.load_into_memory(&runs)?;
        if self.resident {
            runs.iter().for_each(|meta| self.retire(meta.number));
            self.settle();
            self.sweep();
        }
        Ok(self.resident)
    }

    /// Removes what earlier processes left: runs that the manifest does not name, and the manifest if it is not to be kept.
    fn remove_unnamed(&mut self, manifest_too: bool) -> Result<(), IndexError> {
        if manifest_too {
            self.folder.remove(MANIFEST)?;
            self.folder.sync()?;
        }
        let temporary = format!("{MANIFEST}.new");
        for name in self.folder.names()? {
            let number = RunMeta::number_of(&name);
            let named = number.is_some_and(|number| self.named.iter().any(|meta| meta.number == number));
            if name == temporary || (number.is_some() && !named) {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }
}
