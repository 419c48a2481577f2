use super::Run;
use crate::IndexError;
use crate::column::KeyColumn;
use crate::page::{self, Page, PagePlace};

/// Bytes that are rather read along than left out: about what a system call costs.
const GAP_BYTES: usize = 8 << 10;

/// The most that is read at once; it stays in the processor's cache.
const READ_BYTES: usize = 64 << 10;

/// Keys that are looked up together, in ascending order, with their hashes.
#[derive(Debug)]
pub struct Batch<'a, C> {
    /// The keys.
    pub keys: &'a C,
    /// Their hashes.
    pub hashes: &'a [u64],
}

impl<C> Clone for Batch<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Batch<'_, C> {}

/// Memory that lookups use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Keys by their place, each with the page that it is in.
    wanted: Vec<(u32, u32)>,
    bytes: Vec<u8>,
}

impl<C: KeyColumn> Run<C> {
    /// Looks up the keys at `open`, which ascend, and reports the place and value of each that this run has.
    pub fn lookup(
        &self,
        batch: Batch<'_, C>,
        open: &[u32],
        scratch: &mut Scratch,
        mut found: impl FnMut(u32, u64),
    ) -> Result<(), IndexError> {
        let Scratch { wanted, bytes } = scratch;
        wanted.clear();
        self.enter(batch, open, wanted);
        for level in (1..=self.directory.level).rev() {
            self.visit(wanted, level, bytes, |page, keys| {
                for (place, below) in keys {
                    // The first key of the tree is not above any key within the bounds.
                    let at = match page.search::<C>(batch.keys.key(*place as usize)) {
                        Ok(at) => at,
                        Err(at) => at.saturating_sub(1),
                    };
                    *below = page.value(at) as u32;
                }
            })?;
        }
        self.visit(wanted, 0, bytes, |page, keys| {
            for (place, _) in keys {
                if let Ok(at) = page.search::<C>(batch.keys.key(*place as usize)) {
                    found(*place, page.value(at));
                }
            }
        })
    }

    /// Those keys that bounds and filter do not rule out, with their pages on the directory's level.
    fn enter(&self, batch: Batch<'_, C>, open: &[u32], wanted: &mut Vec<(u32, u32)>) {
        let key = |place: &u32| batch.keys.key(*place as usize);
        let start = open.partition_point(|place| C::compare(key(place), self.bounds.key(0)).is_lt());
        let end = open.partition_point(|place| C::compare(key(place), self.bounds.key(1)).is_le());
        let mut at = 0;
        for place in open.get(start..end).unwrap_or_default() {
            if self.filter.as_ref().is_none_or(|filter| filter.may_hold(batch.hashes[*place as usize]))
                && let Some((next, page)) = self.directory.page_of(at, key(place))
            {
                at = next;
                wanted.push((*place, page));
            }
        }
    }

    /// Reads the pages that are wanted, neighbours together, and shows each with its keys.
    fn visit(
        &self,
        wanted: &mut [(u32, u32)],
        level: u8,
        bytes: &mut Vec<u8>,
        mut visit: impl FnMut(&Page<'_>, &mut [(u32, u32)]),
    ) -> Result<(), IndexError> {
        let mut rest = wanted;
        while let Some((_, first)) = rest.first().copied() {
            let (gap, most) = ((GAP_BYTES / self.page_bytes) as u32, (READ_BYTES / self.page_bytes) as u32);
            let mut last = first;
            let mut together = |(_, page): &(u32, u32)| {
                let near = *page <= last.saturating_add(1 + gap) && page.wrapping_sub(first) < most.max(1);
                last = if near { *page } else { last };
                near
            };
            let count = rest.iter().take_while(|wanted| together(wanted)).count().max(1);
            let (group, others) = rest.split_at_mut(count);
            let read = self.read_pages(first, last, bytes)?;
            for keys in group.chunk_by_mut(|left, right| left.1 == right.1) {
                let page = keys[0].1;
                let start = (page - first) as usize * self.page_bytes;
                let leveled = self.with_page(&read[start..], page, |page| {
                    visit(page, keys);
                    page.level == level
                })?;
                leveled.then_some(()).ok_or_else(|| self.damaged_page(page))?;
            }
            rest = others;
        }
        Ok(())
    }

    /// Reads the pages from `first` to `last`.
    pub fn read_pages<'b>(&self, first: u32, last: u32, bytes: &'b mut Vec<u8>) -> Result<&'b [u8], IndexError> {
        if last >= self.meta.pages || last < first {
            return Err(self.damaged_page(last));
        }
        let length = (last - first + 1) as usize * self.page_bytes;
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        self.file.read(&mut bytes[..length], u64::from(first) * self.page_bytes as u64)?;
        Ok(&bytes[..length])
    }

    /// Checks a page, of which the first fixed page is given, and uses it.
    pub fn with_page<R>(&self, bytes: &[u8], page: u32, work: impl FnOnce(&Page<'_>) -> R) -> Result<R, IndexError> {
        let place = PagePlace { run: self.meta.number, page };
        let span = page::span(bytes);
        let open = |bytes: &[u8]| Page::open::<C>(bytes, place).map(|page| work(&page));
        let result = match span {
            1 => open(&bytes[..self.page_bytes]),
            0 => None,
            _ => match page.checked_add(span - 1) {
                Some(last) => open(self.read_pages(page, last, &mut Vec::new())?),
                None => None,
            },
        };
        result.ok_or_else(|| self.damaged_page(page))
    }
}
