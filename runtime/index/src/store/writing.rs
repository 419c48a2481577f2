use std::mem;
use std::sync::Arc;

use super::Store;
use crate::IndexError;
use crate::column::KeyColumn;
use crate::filter::Filter;
use crate::manifest::{FileNames, MANIFEST, Manifest};
use crate::page::REMOVED;
use crate::policy::BOTTOM;
use crate::run::{Run, RunMeta, RunWriter, WriterSettings};
use crate::table::KeyTable;

impl<C: KeyColumn> Store<C> {
    /// Begins a run of up to this many entries. The oldest one has no filter, because most lookups end there, and one whose
    /// filter would not fit into memory has none either.
    pub fn new_run(&mut self, tier: u8, entries: u64) -> Result<RunWriter<C>, IndexError> {
        let number = self.next_run;
        let held: usize = self.runs.iter().map(|run| run.filter_bytes()).sum();
        let fits = held.saturating_add(Filter::bytes_for(entries)) <= self.limits.filter_bytes;
        let settings = WriterSettings {
            page_bytes: self.limits.page_bytes,
            buffer_bytes: self.limits.buffer_bytes,
            filter_keys: (tier != BOTTOM && fits).then_some(entries),
        };
        let writer = RunWriter::create(&self.folder, number, tier, settings)?;
        self.next_run += 1;
        Ok(writer)
    }

    /// Opens a run that was just written.
    pub(super) fn open_run(&self, meta: RunMeta) -> Result<Arc<Run<C>>, IndexError> {
        let filters = self.runs.iter().map(|run| run.filter_bytes()).sum();
        let keep = self.limits.residency(meta.tier == BOTTOM, filters);
        Ok(Arc::new(Run::open(&self.folder, meta, self.limits.page_bytes, keep)?))
    }

    /// Writes the table as a run. The table stays as it is.
    fn write_table(&mut self) -> Result<Option<RunMeta>, IndexError> {
        let oldest = self.runs.is_empty();
        let tier = if oldest { BOTTOM } else { 0 };
        let mut writer = self.new_run(tier, self.table.count() as u64)?;
        self.table.visit_sorted(|key, location| {
            let value = location.value();
            if oldest && value == REMOVED { Ok(()) } else { writer.add(key, value) }
        })?;
        writer.finish()
    }

    /// Moves the table's entries into a run. From then on runs are read.
    pub(super) fn spill(&mut self) -> Result<(), IndexError> {
        let meta = match self.image.take() {
            Some(image) => Some(image),
            None => self.write_table()?,
        };
        if let Some(meta) = meta {
            let run = self.open_run(meta)?;
            self.runs.insert(0, run);
        }
        self.resident = false;
        self.table.reset();
        if self.table.held_bytes() > self.limits.table_bytes {
            self.table = C::Table::default();
        }
        Ok(())
    }

    /// Makes everything last, with the names of the data files that locations point into.
    pub fn flush(&mut self, files: &FileNames) -> Result<(), IndexError> {
        if self.resident {
            if self.image.is_none() {
                self.image = self.write_table()?;
            }
        } else if self.table.count() > 0 {
            self.spill()?;
        }
        let runs = self.runs.iter().map(|run| run.meta.clone()).chain(self.image.clone()).collect();
        let manifest = Manifest {
            identity: self.identity.clone(),
            form: C::FORM,
            page_bytes: self.limits.page_bytes as u32,
            snapshot: self.snapshot,
            files: files.clone(),
            next_run: self.next_run,
            runs,
        };
        self.is_stored = true;
        manifest.store(&self.folder)?;
        let before = mem::replace(&mut self.named, manifest.runs);
        before.into_iter().for_each(|meta| self.retire(meta.number));
        self.sweep();
        Ok(())
    }

    /// Removes a run that is not read any more, unless the manifest names it.
    pub(super) fn retire(&mut self, number: u64) {
        let named = self.named.iter().any(|meta| meta.number == number);
        if !named && !self.is_live(number) {
            self.stale.push(number);
        }
    }

    /// Removes files that nothing needs. What cannot be removed now is tried again.
    pub(super) fn sweep(&mut self) {
        let folder = &self.folder;
        self.stale.retain(|number| folder.remove(&RunMeta::file_name(*number)).is_err());
    }

    /// Forgets all keys, on disk first.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        if self.is_stored {
            self.folder.remove(MANIFEST)?;
            self.folder.sync()?;
            self.is_stored = false;
        }
        let named = mem::take(&mut self.named).into_iter().map(|meta| meta.number);
        let live = mem::take(&mut self.runs).into_iter().map(|run| run.meta.number);
        let image = self.image.take().map(|meta| meta.number);
        self.stale.extend(named.chain(live).chain(image));
        self.stale.sort_unstable();
        self.stale.dedup();
        self.merges.clear();
        self.settle();
        self.table = C::Table::default();
        self.resident = true;
        self.snapshot = None;
        self.sweep();
        Ok(())
    }
}
