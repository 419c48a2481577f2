//! Keys as byte strings. In a page: length of the common prefix (4 bytes), width of the ends in bits (1 byte), the prefix,
//! where each rest ends, the rests.

use std::cmp::Ordering;

use twox_hash::XxHash3_64;

use super::KeyColumn;
use crate::table::ByteTable;
use crate::{ByteKeys, bits};

const HEADER_BYTES: usize = 5;

impl KeyColumn for ByteKeys {
    type Key<'a> = &'a [u8];
    type Table = ByteTable;
    const FORM: u8 = 2;

    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn key(&self, index: usize) -> &[u8] {
        self.get(index)
    }

    fn add(&mut self, key: &[u8]) {
        self.push(key);
    }

    fn drop_last(&mut self) {
        self.pop();
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn heap_bytes(&self) -> usize {
        ByteKeys::heap_bytes(self)
    }

    fn key_bytes(key: &[u8]) -> usize {
        key.len() + size_of::<usize>()
    }

    #[inline]
    fn compare(left: &[u8], right: &[u8]) -> Ordering {
        left.cmp(right)
    }

    fn hash(key: &[u8]) -> u64 {
        XxHash3_64::oneshot(key)
    }

    fn add_separator(&mut self, before: &[u8], key: &[u8]) {
        self.push(&key[..(common_prefix(before, key) + 1).min(key.len())]);
    }

    fn sorted(&self, mut places: Vec<u32>) -> (Self, Vec<u32>) {
        let mut prefixed: Vec<(u64, u32)> =
            places.iter().map(|place| (leading(self.get(*place as usize)), *place)).collect();
        prefixed.sort_unstable_by(|left, right| {
            let by_key = || self.get(left.1 as usize).cmp(self.get(right.1 as usize));
            left.0.cmp(&right.0).then_with(by_key).then(left.1.cmp(&right.1))
        });
        let mut sorted = ByteKeys::default();
        for (place, (_, from)) in places.iter_mut().zip(&prefixed) {
            *place = *from;
            sorted.push(self.get(*from as usize));
        }
        (sorted, places)
    }

    fn to_bytes(key: &[u8]) -> Vec<u8> {
        key.to_vec()
    }

    fn add_from_bytes(&mut self, bytes: &[u8]) -> bool {
        self.push(bytes);
        true
    }

    fn section_bytes(&self) -> usize {
        let prefix = shared_prefix(self);
        let rests = self.data_bytes() - prefix * self.len();
        HEADER_BYTES + prefix + bits::packed_bytes(self.len(), bits::width_of(rests as u64)) + rests
    }

    fn write_section(&self, out: &mut Vec<u8>) {
        let prefix = shared_prefix(self);
        let rests = self.data_bytes() - prefix * self.len();
        let width = bits::width_of(rests as u64);
        out.extend_from_slice(&(prefix as u32).to_le_bytes());
        out.push(width as u8);
        out.extend_from_slice(&self.get(0)[..prefix]);
        let mut end = 0;
        let ends = self.iter().map(|key| {
            end += (key.len() - prefix) as u64;
            end
        });
        bits::pack(out, ends, width);
        self.iter().for_each(|key| out.extend_from_slice(&key[prefix..]));
    }

    fn is_section(section: &[u8], count: usize) -> bool {
        Rests::of(section, count).is_some_and(|rests| rests.is_sound())
    }

    fn search(section: &[u8], count: usize, key: &[u8]) -> Result<usize, usize> {
        let Some(rests) = Rests::of(section, count) else { return Err(0) };
        let Some(wanted) = key.strip_prefix(rests.prefix) else {
            return Err(if key < rests.prefix { 0 } else { count });
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match rests.get(middle).cmp(wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn unpack(&mut self, section: &[u8], count: usize) {
        if let Some(rests) = Rests::of(section, count) {
            (0..count).for_each(|index| self.push_parts(rests.prefix, rests.get(index)));
        }
    }
}

/// The first eight bytes as a number that is ordered as they are.
pub fn leading(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// Sorted keys share what the first and the last one share.
fn shared_prefix(keys: &ByteKeys) -> usize {
    common_prefix(keys.get(0), keys.get(keys.len() - 1))
}

/// The keys of a page without what all of them begin with.
struct Rests<'a> {
    prefix: &'a [u8],
    width: u32,
    count: usize,
    ends: &'a [u8],
    rests: &'a [u8],
}

impl<'a> Rests<'a> {
    fn of(section: &'a [u8], count: usize) -> Option<Self> {
        let (prefix, rest) = section.split_first_chunk::<4>()?;
        let (width, rest) = rest.split_first()?;
        let (prefix, ends) = rest.split_at_checked(u32::from_le_bytes(*prefix) as usize)?;
        let width = u32::from(*width);
        let (_, rests) = ends.split_at_checked(bits::packed_bytes(count, width))?;
        Some(Self { prefix, width, count, ends, rests })
    }

    /// Whether the last rest ends within the section.
    fn is_sound(&self) -> bool {
        let end = self.count.checked_sub(1).map_or(0, |last| bits::get(self.ends, last, self.width));
        bits::is_width(self.width) && end <= self.rests.len() as u64
    }

    fn get(&self, index: usize) -> &'a [u8] {
        let start = if index == 0 { 0 } else { bits::get(self.ends, index - 1, self.width) as usize };
        let end = bits::get(self.ends, index, self.width) as usize;
        self.rests.get(start..end).unwrap_or_default()
    }
}
