use super::Run;
use crate::IndexError;
use crate::column::{KeyColumn, floor};

/// The first keys of all pages of one level, in memory: the lowest level for which there is room.
#[derive(Debug, Default)]
pub struct Directory<C> {
    /// The level whose pages these are.
    pub level: u8,
    keys: C,
    pages: Vec<u32>,
}

impl<C: KeyColumn> Directory<C> {
    /// Bytes of memory held.
    pub fn heap_bytes(&self) -> usize {
        self.keys.heap_bytes() + self.pages.capacity() * size_of::<u32>()
    }

    /// The page in which `key` is, if it is anywhere, and its place here; `from` is the place of a key that is not above.
    #[inline]
    pub fn page_of(&self, from: usize, key: C::Key<'_>) -> Option<(usize, u32)> {
        let place = floor(&self.keys, from, key)?;
        Some((place, self.pages[place]))
    }
}

impl<C: KeyColumn> Run<C> {
    /// Reads the directory, of the lowest level that takes no more than this; of the root where none does.
    pub fn read_directory(&self, limit_bytes: usize) -> Result<Directory<C>, IndexError> {
        let levels = &self.meta.levels;
        let bytes = |level: usize| levels[level].key_bytes + u64::from(levels[level].pages) * size_of::<u32>() as u64;
        let top = levels.len().saturating_sub(1);
        let wanted = (0..top).find(|level| bytes(*level) <= limit_bytes as u64).unwrap_or(top);
        let (mut keys, mut pages) = (C::default(), vec![self.meta.root]);
        keys.add(self.bounds.key(0));
        let mut scratch = Vec::new();
        for level in (wanted + 1..=top).rev() {
            let (mut next, mut values) = (C::default(), Vec::new());
            for page in pages {
                let bytes = self.read_pages(page, page, &mut scratch)?;
                self.with_page(bytes, page, |found| {
                    found.unpack(&mut next, &mut values);
                    usize::from(found.level) == level
                })?
                .then_some(())
                .ok_or_else(|| self.damaged_page(page))?;
            }
            (keys, pages) = (next, values.into_iter().map(|page| page as u32).collect());
        }
        pages.shrink_to_fit();
        Ok(Directory { level: wanted as u8, keys, pages })
    }
}
