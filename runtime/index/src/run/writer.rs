use std::sync::Arc;

use twox_hash::XxHash3_64;

use super::{FilterMeta, LevelMeta, RunMeta};
use crate::IndexError;
use crate::column::KeyColumn;
use crate::disk::{Folder, NewFile};
use crate::filter::Filter;
use crate::page::{PageBuilder, PagePlace, REMOVED};

/// Bytes written between two syncs, so that none of them takes long.
const SYNC_BYTES: usize = 16 << 20;

/// Pages that a page above holds at least, however long their keys are: so every level is smaller than the one below.
const LEAST_BELOW: usize = 4;

/// How a run is written.
#[derive(Debug, Clone, Copy)]
pub struct WriterSettings {
    /// Size of a page.
    pub page_bytes: usize,
    /// Bytes that are written at once.
    pub buffer_bytes: usize,
    /// The most keys that its filter is for; `None` for no filter.
    pub filter_keys: Option<u64>,
}

/// Writes a run from ascending keys.
#[derive(Debug)]
pub struct RunWriter<C> {
    folder: Arc<Folder>,
    file: Option<NewFile>,
    settings: WriterSettings,
    meta: RunMeta,
    buffer: Vec<u8>,
    unsynced: usize,
    rows: PageBuilder<C>,
    /// The pages above the rows that are not full yet.
    upper: Vec<PageBuilder<C>>,
    /// The last key of the last full page of rows.
    before: C,
    filter: Option<Filter>,
}

impl<C: KeyColumn> RunWriter<C> {
    /// Begins the run of this number.
    pub fn create(folder: &Arc<Folder>, number: u64, tier: u8, settings: WriterSettings) -> Result<Self, IndexError> {
        let meta = RunMeta {
            number,
            tier,
            entries: 0,
            removed: 0,
            key_bytes: 0,
            pages: 0,
            root: 0,
            levels: vec![LevelMeta::default()],
            first: Vec::new(),
            last: Vec::new(),
            filter: None,
        };
        Ok(Self {
            file: Some(folder.create(&RunMeta::file_name(number))?),
            folder: Arc::clone(folder),
            settings,
            meta,
            buffer: Vec::new(),
            unsynced: 0,
            rows: PageBuilder::new(),
            upper: Vec::new(),
            before: C::default(),
            filter: settings.filter_keys.map(Filter::for_keys),
        })
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity() + self.filter.as_ref().map_or(0, Filter::heap_bytes)
    }

    /// Adds an entry, whose key is above all before.
    #[inline]
    pub fn add(&mut self, key: C::Key<'_>, value: u64) -> Result<(), IndexError> {
        if let Some(filter) = &mut self.filter {
            filter.add(C::hash(key));
        }
        self.meta.entries += 1;
        self.meta.key_bytes += C::key_bytes(key) as u64;
        self.meta.removed += u64::from(value == REMOVED);
        if !self.rows.add(key, value, self.settings.page_bytes, 1) {
            self.finish_rows()?;
            self.rows.add(key, value, self.settings.page_bytes, 1);
        }
        Ok(())
    }

    /// Writes the page of rows and enters it into the level above.
    fn finish_rows(&mut self) -> Result<(), IndexError> {
        let mut separator = C::default();
        if self.before.count() == 0 {
            self.meta.first = C::to_bytes(self.rows.first());
            separator.add(self.rows.first());
        } else {
            separator.add_separator(self.before.key(0), self.rows.first());
        }
        self.before.reset();
        self.before.add(self.rows.last());
        let page = self.write_page(0)?;
        self.enter(page, separator, 0)
    }

    /// Writes the page that is being filled on `level`. Returns its number.
    fn write_page(&mut self, level: usize) -> Result<u32, IndexError> {
        let number = self.meta.pages;
        let place = PagePlace { run: self.meta.number, page: number };
        let builder = if level == 0 { &mut self.rows } else { &mut self.upper[level - 1] };
        // The root is the page that is written last.
        self.meta.root = number;
        self.meta.pages += builder.finish(level as u8, place, self.settings.page_bytes, &mut self.buffer);
        if self.buffer.len() >= self.settings.buffer_bytes {
            self.write_out()?;
        }
        Ok(number)
    }

    /// Enters a page of `level`, which begins with `first`, into the level above.
    fn enter(&mut self, page: u32, first: C, level: usize) -> Result<(), IndexError> {
        let counted = &mut self.meta.levels[level];
        counted.pages += 1;
        counted.key_bytes += C::key_bytes(first.key(0)) as u64;
        if self.upper.len() == level {
            self.upper.push(PageBuilder::new());
            self.meta.levels.push(LevelMeta::default());
        }
        if !self.upper[level].add(first.key(0), u64::from(page), self.settings.page_bytes, LEAST_BELOW) {
            self.finish_upper(level)?;
            self.upper[level].add(first.key(0), u64::from(page), self.settings.page_bytes, LEAST_BELOW);
        }
        Ok(())
    }

    fn finish_upper(&mut self, level: usize) -> Result<(), IndexError> {
        let mut first = C::default();
        first.add(self.upper[level].first());
        let page = self.write_page(level + 1)?;
        self.enter(page, first, level + 1)
    }

    fn write_out(&mut self) -> Result<(), IndexError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write(&self.buffer)?;
        self.unsynced += self.buffer.len();
        self.buffer.clear();
        if self.unsynced >= SYNC_BYTES {
            file.sync()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Writes what is left, and makes the run last. `None` if nothing was added; there is no file then.
    pub fn finish(mut self) -> Result<Option<RunMeta>, IndexError> {
        if self.meta.entries == 0 {
            return Ok(None);
        }
        self.finish_rows()?;
        self.meta.last = C::to_bytes(self.before.key(0));
        let mut level = 0;
        while self.meta.levels[level].pages > 1 {
            self.finish_upper(level)?;
            level += 1;
        }
        self.meta.levels.truncate(level + 1);
        self.write_out()?;
        if let Some(filter) = self.filter.take() {
            let bytes = filter.to_bytes();
            self.meta.filter = Some(FilterMeta { bytes: bytes.len() as u64, checksum: XxHash3_64::oneshot(&bytes) });
            self.buffer = bytes;
            self.write_out()?;
        }
        if let Some(file) = &self.file {
            file.sync()?;
        }
        self.file = None;
        Ok(Some(self.meta.clone()))
    }
}

impl<C> Drop for RunWriter<C> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What stays is removed when the folder is opened again.
            let _ = self.folder.remove(&RunMeta::file_name(self.meta.number));
        }
    }
}
