//! Which keys a run may hold: split-block Bloom filters, as Parquet's specification describes them, one cache line a question.

const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
const BLOCK_BYTES: usize = 32;

/// Bits a key: about one question in 170 is answered wrongly with yes.
const BITS_A_KEY: u64 = 12;

/// A set that may say yes to what it does not hold, and never no to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    blocks: Vec<[u32; 8]>,
}

impl Filter {
    /// Bytes of a filter for this many keys.
    pub fn bytes_for(keys: u64) -> usize {
        (keys * BITS_A_KEY).div_ceil(8 * BLOCK_BYTES as u64).max(1) as usize * BLOCK_BYTES
    }

    /// An empty filter for up to this many keys.
    pub fn for_keys(keys: u64) -> Self {
        Self { blocks: vec![[0; 8]; Self::bytes_for(keys) / BLOCK_BYTES] }
    }

    /// Bytes of memory held.
    pub fn heap_bytes(&self) -> usize {
        self.blocks.capacity() * BLOCK_BYTES
    }

    /// Adds a key by its hash.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let place = self.place(hash);
        for (word, salt) in self.blocks[place].iter_mut().zip(SALTS) {
            *word |= bit(hash, salt);
        }
    }

    /// Whether a key of this hash may have been added.
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        let block = &self.blocks[self.place(hash)];
        let missing = block.iter().zip(SALTS).fold(0, |missing, (word, salt)| missing | (bit(hash, salt) & !word));
        missing == 0
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    /// The filter as it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A stored filter; `None` if these bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let word = |bytes: &[u8; BLOCK_BYTES], index: usize| {
            bytes[index * 4..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
        };
        let blocks: Vec<[u32; 8]> =
            chunks.iter().map(|bytes| std::array::from_fn(|index| word(bytes, index))).collect();
        (rest.is_empty() && !blocks.is_empty()).then_some(Self { blocks })
    }
}

#[inline]
fn bit(hash: u64, salt: u32) -> u32 {
    1 << ((hash as u32).wrapping_mul(salt) >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::KeyColumn;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let hash = |key: i64| <Vec<i64> as KeyColumn>::hash(key);
        let mut filter = Filter::for_keys(10_000);
        (0..10_000).for_each(|key| filter.add(hash(key)));
        let filter = Filter::from_bytes(&filter.to_bytes()).unwrap();
        assert!((0..10_000).all(|key| filter.may_hold(hash(key))));
        let wrong = (10_000..110_000).filter(|key| filter.may_hold(hash(*key))).count();
        assert!(wrong < 1_200, "{wrong} of 100,000");
    }
}
