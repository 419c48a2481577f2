//! Pages, what a run on disk is made of.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | number of entries, 1 to 65,535 |
//! | 1 | level: 0 holds rows, others hold pages of the level below |
//! | 1 | width of the values in bits |
//! | 4 | number of fixed pages that this one takes; more than one only where keys are that long |
//! | 8 | smallest value |
//! | .. | values: 0 for a removed key, else 1 + the difference to the smallest |
//! | .. | keys, see [`KeyColumn::write_section`] |
//! | .. | zeros |
//! | 8 | XXH3 of all bytes before, mixed with run and page number, so that no page passes for another |

use twox_hash::XxHash3_64;

use crate::bits;
use crate::column::KeyColumn;

/// A value that says that a key was removed.
pub const REMOVED: u64 = u64::MAX;

const HEADER_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 8;

/// Where a page lies.
#[derive(Debug, Clone, Copy)]
pub struct PagePlace {
    /// Number of the run.
    pub run: u64,
    /// Number of the page within the run.
    pub page: u32,
}

impl PagePlace {
    fn seal(self) -> u64 {
        let mixed = self.run.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(self.page);
        <Vec<i64> as KeyColumn>::hash(mixed as i64)
    }
}

/// A page that is being filled with ascending keys.
#[derive(Debug, Default)]
pub struct PageBuilder<C> {
    keys: C,
    values: Vec<u64>,
    lowest: u64,
    highest: u64,
}

impl<C: KeyColumn> PageBuilder<C> {
    /// A page without entries.
    pub fn new() -> Self {
        Self { keys: C::default(), values: Vec::new(), lowest: u64::MAX, highest: 0 }
    }

    /// The first key; there must be one.
    pub fn first(&self) -> C::Key<'_> {
        self.keys.key(0)
    }

    /// The last key; there must be one.
    pub fn last(&self) -> C::Key<'_> {
        self.keys.key(self.keys.count() - 1)
    }

    /// Adds an entry unless the page would take more than `page_bytes`; the first `least` go in whatever they take.
    #[inline]
    pub fn add(&mut self, key: C::Key<'_>, value: u64, page_bytes: usize, least: usize) -> bool {
        let (lowest, highest) = (self.lowest, self.highest);
        if value != REMOVED {
            self.lowest = lowest.min(value);
            self.highest = highest.max(value);
        }
        self.keys.add(key);
        self.values.push(value);
        let fits = self.bytes() <= page_bytes && self.values.len() < usize::from(u16::MAX);
        if !fits && self.values.len() > least {
            (self.lowest, self.highest) = (lowest, highest);
            self.keys.drop_last();
            self.values.pop();
            return false;
        }
        true
    }

    fn value_width(&self) -> u32 {
        if self.lowest > self.highest { 0 } else { bits::width_of(self.highest - self.lowest + 1) }
    }

    fn bytes(&self) -> usize {
        let values = bits::packed_bytes(self.values.len(), self.value_width());
        HEADER_BYTES + values + self.keys.section_bytes() + CHECKSUM_BYTES
    }

    /// Appends the page to `out` and empties the builder. Returns how many fixed pages it takes.
    pub fn finish(&mut self, level: u8, place: PagePlace, page_bytes: usize, out: &mut Vec<u8>) -> u32 {
        let span = self.bytes().div_ceil(page_bytes);
        let start = out.len();
        let width = self.value_width();
        out.extend_from_slice(&(self.values.len() as u16).to_le_bytes());
        out.extend_from_slice(&[level, width as u8]);
        out.extend_from_slice(&(span as u32).to_le_bytes());
        out.extend_from_slice(&self.lowest.to_le_bytes());
        let code = |value: &u64| if *value == REMOVED { 0 } else { value - self.lowest + 1 };
        bits::pack(out, self.values.iter().map(code), width);
        self.keys.write_section(out);
        out.resize(start + span * page_bytes - CHECKSUM_BYTES, 0);
        let checksum = XxHash3_64::oneshot(&out[start..]) ^ place.seal();
        out.extend_from_slice(&checksum.to_le_bytes());
        self.keys.reset();
        self.values.clear();
        (self.lowest, self.highest) = (u64::MAX, 0);
        span as u32
    }
}

/// How many fixed pages a page takes by its header, which may be damaged.
pub fn span(bytes: &[u8]) -> u32 {
    bytes.get(4..8).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A page whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Number of entries.
    pub count: usize,
    /// 0 for rows.
    pub level: u8,
    width: u32,
    lowest: u64,
    values: &'a [u8],
    section: &'a [u8],
}

impl<'a> Page<'a> {
    /// Checks a whole page; `None` if it is not what was written at this place.
    pub fn open<C: KeyColumn>(bytes: &'a [u8], place: PagePlace) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        if XxHash3_64::oneshot(content) ^ place.seal() != u64::from_le_bytes(*checksum) {
            return None;
        }
        let count = usize::from(u16::from_le_bytes(*bytes.first_chunk()?));
        let (level, width) = (*bytes.get(2)?, u32::from(*bytes.get(3)?));
        let lowest = u64::from_le_bytes(*bytes.get(8..16)?.first_chunk()?);
        let values = bytes.get(HEADER_BYTES..)?;
        let section = values.get(bits::packed_bytes(count, width)..)?;
        let sound = count > 0 && bits::is_width(width) && C::is_section(section, count);
        sound.then_some(Self { count, level, width, lowest, values, section })
    }

    /// The value of the entry at `index`.
    #[inline]
    pub fn value(&self, index: usize) -> u64 {
        match bits::get(self.values, index, self.width) {
            0 => REMOVED,
            code => self.lowest.wrapping_add(code - 1),
        }
    }

    /// Where `key` is, or where it would be.
    #[inline]
    pub fn search<C: KeyColumn>(&self, key: C::Key<'_>) -> Result<usize, usize> {
        C::search(self.section, self.count, key)
    }

    /// Appends all entries.
    pub fn unpack<C: KeyColumn>(&self, keys: &mut C, values: &mut Vec<u64>) {
        keys.unpack(self.section, self.count);
        values.extend((0..self.count).map(|index| self.value(index)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ByteKeys;

    const PLACE: PagePlace = PagePlace { run: 7, page: 3 };

    fn check<C: KeyColumn>(entries: &BTreeMap<Vec<u8>, u64>, all: &C) {
        let mut builder = PageBuilder::<C>::new();
        let mut taken = 0;
        for (index, value) in entries.values().enumerate() {
            if !builder.add(all.key(index), *value, 256, 1) {
                break;
            }
            taken += 1;
        }
        let mut bytes = Vec::new();
        let span = builder.finish(0, PLACE, 256, &mut bytes);
        assert_eq!((bytes.len(), self::span(&bytes)), (span as usize * 256, span));
        assert!(span == 1 || taken == 1);
        let page = Page::open::<C>(&bytes, PLACE).unwrap();
        let (mut keys, mut values) = (C::default(), Vec::new());
        page.unpack(&mut keys, &mut values);
        assert_eq!(values, entries.values().take(taken).copied().collect::<Vec<_>>());
        for index in 0..all.count() {
            let place = page.search::<C>(all.key(index));
            assert_eq!(place, if index < taken { Ok(index) } else { Err(taken) });
        }
        assert!(Page::open::<C>(&bytes, PagePlace { page: 4, ..PLACE }).is_none());
        assert!(Page::open::<C>(&bytes, PagePlace { run: 8, ..PLACE }).is_none());
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            assert!(Page::open::<C>(&bytes, PLACE).is_none(), "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
    }

    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(REMOVED),
            0_u64..100,
            (0_u64..5, 0_u64..100).prop_map(|(file, row)| file << 32 | row),
            any::<u64>()
        ]
    }

    proptest! {
        #[test]
        fn integers_come_back(entries in prop::collection::btree_map(any::<i64>(), value(), 1..60), shift in 0_u32..60) {
            let small: BTreeMap<i64, u64> = entries.into_iter().map(|(key, value)| (key >> shift, value)).collect();
            let keys: Vec<i64> = small.keys().copied().collect();
            check(&small.into_iter().map(|(key, value)| (((key as u64) ^ 1 << 63).to_be_bytes().to_vec(), value)).collect(), &keys);
        }

        #[test]
        fn byte_strings_come_back(entries in prop::collection::btree_map(prop::collection::vec(0_u8..3, 0..400), value(), 1..40)) {
            let mut keys = ByteKeys::default();
            entries.keys().for_each(|key| keys.push(key));
            check(&entries, &keys);
        }
    }
}
