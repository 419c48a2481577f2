use std::sync::Arc;

use super::Run;
use crate::IndexError;
use crate::column::KeyColumn;
use crate::page::{self, Page, PagePlace};

/// Goes through all entries of a run in order, reading ahead.
#[derive(Debug)]
pub struct Cursor<C> {
    run: Arc<Run<C>>,
    buffer: Vec<u8>,
    buffer_pages: u32,
    /// The page with which the buffer begins, and how many it holds.
    buffered: (u32, u32),
    next_page: u32,
    keys: C,
    values: Vec<u64>,
    at: usize,
}

impl<C: KeyColumn> Cursor<C> {
    /// At the first entry; reads about `buffer_bytes` at once.
    pub fn new(run: Arc<Run<C>>, buffer_bytes: usize) -> Result<Self, IndexError> {
        let buffer_pages = (buffer_bytes / run.page_bytes).max(1) as u32;
        let mut cursor = Self {
            run,
            buffer: Vec::new(),
            buffer_pages,
            buffered: (0, 0),
            next_page: 0,
            keys: C::default(),
            values: Vec::new(),
            at: 0,
        };
        cursor.load()?;
        Ok(cursor)
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity() + self.keys.heap_bytes() + self.values.capacity() * size_of::<u64>()
    }

    /// Key and value of the entry; `None` at the end.
    #[inline]
    pub fn entry(&self) -> Option<(C::Key<'_>, u64)> {
        let value = *self.values.get(self.at)?;
        Some((self.keys.key(self.at), value))
    }

    /// Goes to the next entry.
    #[inline]
    pub fn advance(&mut self) -> Result<(), IndexError> {
        self.at += 1;
        if self.at < self.values.len() { Ok(()) } else { self.load() }
    }

    /// Unpacks the next page of rows, if there is one.
    fn load(&mut self) -> Result<(), IndexError> {
        self.keys.reset();
        self.values.clear();
        self.at = 0;
        while self.values.is_empty() && self.next_page < self.run.meta.pages {
            let (first, held) = self.buffered;
            if self.next_page >= first + held {
                self.read(self.buffer_pages)?;
            }
            let span = page::span(&self.buffer[self.offset()..]);
            if span == 0 || span > self.run.meta.pages - self.next_page {
                return Err(self.run.damaged_page(self.next_page));
            }
            let (first, held) = self.buffered;
            if self.next_page + span > first + held {
                self.read(span.max(self.buffer_pages))?;
            }
            self.unpack(span)?;
            self.next_page += span;
        }
        Ok(())
    }

    fn offset(&self) -> usize {
        (self.next_page - self.buffered.0) as usize * self.run.page_bytes
    }

    /// Fills the buffer from the next page on.
    fn read(&mut self, pages: u32) -> Result<(), IndexError> {
        let pages = pages.min(self.run.meta.pages - self.next_page);
        self.run.read_pages(self.next_page, self.next_page + pages - 1, &mut self.buffer)?;
        self.buffered = (self.next_page, pages);
        Ok(())
    }

    fn unpack(&mut self, span: u32) -> Result<(), IndexError> {
        let start = self.offset();
        let bytes = &self.buffer[start..start + span as usize * self.run.page_bytes];
        let place = PagePlace { run: self.run.meta.number, page: self.next_page };
        let page = Page::open::<C>(bytes, place).ok_or_else(|| self.run.damaged_page(self.next_page))?;
        if page.level == 0 {
            page.unpack(&mut self.keys, &mut self.values);
        }
        Ok(())
    }
}
