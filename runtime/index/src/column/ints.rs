//! Keys of one integer column. In a page: width in bits (1 byte), first key (8 bytes), differences to it.

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::KeyColumn;
use crate::Location;
use crate::bits;

const HEADER_BYTES: usize = 9;

impl KeyColumn for Vec<i64> {
    type Key<'a> = i64;
    type Table = HashMap<i64, Location, foldhash::fast::RandomState>;
    const FORM: u8 = 1;

    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn key(&self, index: usize) -> i64 {
        self[index]
    }

    #[inline]
    fn add(&mut self, key: i64) {
        self.push(key);
    }

    fn drop_last(&mut self) {
        self.pop();
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<i64>()
    }

    fn key_bytes(_: i64) -> usize {
        size_of::<i64>()
    }

    #[inline]
    fn compare(left: i64, right: i64) -> Ordering {
        left.cmp(&right)
    }

    /// The finalizer of MurmurHash3.
    #[inline]
    fn hash(key: i64) -> u64 {
        let mut hash = key as u64;
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }

    fn add_separator(&mut self, _: i64, key: i64) {
        self.push(key);
    }

    fn sorted(&self, places: Vec<u32>) -> (Self, Vec<u32>) {
        let mut pairs: Vec<(i64, u32)> = places.iter().map(|place| (self[*place as usize], *place)).collect();
        pairs.sort_unstable();
        let mut places = places;
        for (place, pair) in places.iter_mut().zip(&pairs) {
            *place = pair.1;
        }
        (pairs.into_iter().map(|(key, _)| key).collect(), places)
    }

    fn to_bytes(key: i64) -> Vec<u8> {
        key.to_le_bytes().to_vec()
    }

    fn add_from_bytes(&mut self, bytes: &[u8]) -> bool {
        let Ok(bytes) = bytes.try_into() else { return false };
        self.push(i64::from_le_bytes(bytes));
        true
    }

    #[inline]
    fn section_bytes(&self) -> usize {
        HEADER_BYTES + bits::packed_bytes(self.len(), width(self))
    }

    fn write_section(&self, out: &mut Vec<u8>) {
        let (width, base) = (width(self), self.first().copied().unwrap_or(0));
        out.push(width as u8);
        out.extend_from_slice(&base.to_le_bytes());
        bits::pack(out, self.iter().map(|key| key.wrapping_sub(base) as u64), width);
    }

    fn is_section(section: &[u8], count: usize) -> bool {
        let Some((width, ..)) = parts(section) else { return false };
        bits::is_width(width) && section.len() >= HEADER_BYTES + bits::packed_bytes(count, width) + 8
    }

    #[inline]
    fn search(section: &[u8], count: usize, key: i64) -> Result<usize, usize> {
        let Some((width, base, packed)) = parts(section) else { return Err(0) };
        if key < base {
            return Err(0);
        }
        let wanted = key.wrapping_sub(base) as u64;
        let (mut low, mut left) = (0, count);
        while left > 1 {
            let half = left / 2;
            low += if bits::get(packed, low + half, width) <= wanted { half } else { 0 };
            left -= half;
        }
        if bits::get(packed, low, width) == wanted { Ok(low) } else { Err(low + 1) }
    }

    fn unpack(&mut self, section: &[u8], count: usize) {
        if let Some((width, base, packed)) = parts(section) {
            self.extend((0..count).map(|index| base.wrapping_add(bits::get(packed, index, width) as i64)));
        }
    }
}

#[inline]
fn width(keys: &[i64]) -> u32 {
    match keys {
        [first, .., last] => bits::width_of(last.wrapping_sub(*first) as u64),
        _ => 0,
    }
}

#[inline]
fn parts(section: &[u8]) -> Option<(u32, i64, &[u8])> {
    let (width, rest) = section.split_first()?;
    let (base, packed) = rest.split_first_chunk::<8>()?;
    Some((u32::from(*width), i64::from_le_bytes(*base), packed))
}
