//! Keys as a column, their hashes, and which of them are looked at.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use foldhash::quality::FixedState;
use sluice_index::{ByteKeys, Keys};

/// Buckets that rows are parted into at a time.
pub const BUCKETS: usize = 64;
/// Bits of a hash that choose one of them.
const BUCKET_BITS: u32 = BUCKETS.trailing_zeros();
/// How often a bucket that is too large may be parted again.
pub const MAX_DEPTH: u32 = 5;

/// One key, in the form in which keys are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of one integer-like column.
    Int(i64),
    /// Of any others.
    Bytes(Box<[u8]>),
}

impl Key {
    /// The key at `index`.
    pub fn of(keys: &Keys, index: usize) -> Self {
        match keys {
            Keys::Int(keys) => Key::Int(keys[index]),
            Keys::Bytes(keys) => Key::Bytes(keys.get(index).into()),
        }
    }

    /// Whether the key at `index` is this one.
    pub fn is(&self, keys: &Keys, index: usize) -> bool {
        match (self, keys) {
            (Key::Int(key), Keys::Int(keys)) => keys[index] == *key,
            (Key::Bytes(key), Keys::Bytes(keys)) => keys.get(index) == &**key,
            _ => false,
        }
    }
}

/// Hashes keys, the same for the same seed on every machine.
#[derive(Debug, Clone)]
pub struct KeyHash(FixedState);

impl KeyHash {
    /// One of this seed.
    pub fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of the key at `index`.
    pub fn of(&self, keys: &Keys, index: usize) -> u64 {
        match keys {
            Keys::Int(keys) => self.0.hash_one(keys[index]),
            Keys::Bytes(keys) => self.0.hash_one(keys.get(index)),
        }
    }
}

/// The bucket of a key that has been parted `depth` times before.
pub fn bucket(hash: u64, depth: u32) -> usize {
    ((hash >> (depth * BUCKET_BITS)) as usize) % BUCKETS
}

/// Which keys are looked at.
#[derive(Debug, Clone)]
pub enum Choice {
    /// All.
    All,
    /// Those whose hash lies in a window, which may go round: a share of all, chosen by the seed.
    Window {
        /// Where it begins.
        start: u64,
        /// How wide it is.
        width: u64,
    },
    /// Those of these hashes.
    Of {
        /// The hashes.
        hashes: Arc<HashSet<u64>>,
        /// Whether all of them belong into one bucket, because rows take values from rows of other keys.
        together: bool,
    },
}

impl Choice {
    /// A share of all keys, from 0 to 1. Turn after turn takes others, until all had theirs.
    pub fn share(share: f64, turn: u64) -> Self {
        if share >= 1.0 {
            return Choice::All;
        }
        // The upper bits decide, the lower ones choose the bucket.
        let width = (share.max(0.0) * 2f64.powi(64)) as u64;
        Choice::Window { start: width.wrapping_mul(turn), width }
    }

    /// Whether keys of this hash are looked at.
    pub fn takes(&self, hash: u64) -> bool {
        match self {
            Choice::All => true,
            Choice::Window { start, width } => hash.wrapping_sub(*start) < *width,
            Choice::Of { hashes, .. } => hashes.contains(&hash),
        }
    }

    /// The bucket of a key of this hash.
    pub fn bucket(&self, hash: u64) -> usize {
        if matches!(self, Choice::Of { together: true, .. }) { 0 } else { bucket(hash, 0) }
    }
}

/// The type of a column of keys.
pub fn key_type(like: &Keys) -> DataType {
    match like {
        Keys::Int(_) => DataType::Int64,
        Keys::Bytes(_) => DataType::Binary,
    }
}

/// Makes a column of keys.
#[derive(Debug)]
pub enum KeyBuilder {
    Int(Int64Builder),
    Bytes(BinaryBuilder),
}

impl KeyBuilder {
    /// Of the form of `like`.
    pub fn new(like: &Keys, capacity: usize) -> Self {
        match like {
            Keys::Int(_) => KeyBuilder::Int(Int64Builder::with_capacity(capacity)),
            Keys::Bytes(_) => KeyBuilder::Bytes(BinaryBuilder::with_capacity(capacity, capacity * 16)),
        }
    }

    /// Adds the key at `index`.
    pub fn push(&mut self, keys: &Keys, index: usize) {
        match (self, keys) {
            (KeyBuilder::Int(builder), Keys::Int(keys)) => builder.append_value(keys[index]),
            (KeyBuilder::Bytes(builder), Keys::Bytes(keys)) => builder.append_value(keys.get(index)),
            // One extractor made them all, so their forms agree.
            (builder, _) => builder.push_none(),
        }
    }

    /// Adds no key.
    pub fn push_none(&mut self) {
        match self {
            KeyBuilder::Int(builder) => builder.append_null(),
            KeyBuilder::Bytes(builder) => builder.append_null(),
        }
    }

    /// The column.
    pub fn finish(self) -> ArrayRef {
        match self {
            KeyBuilder::Int(mut builder) => Arc::new(builder.finish()),
            KeyBuilder::Bytes(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// The keys of a column that [`KeyBuilder`] made; something or other where there is none.
pub fn keys_of(column: &ArrayRef) -> Keys {
    match column.data_type() {
        DataType::Int64 => Keys::Int(column.as_primitive::<Int64Type>().values().to_vec()),
        _ => {
            let mut keys = ByteKeys::default();
            let column = column.as_binary::<i32>();
            (0..column.len()).for_each(|row| keys.push(column.value(row)));
            Keys::Bytes(keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_about_so_many_keys_and_all_buckets_get_some() {
        let keys = Keys::Int((0..20_000).collect());
        let (hash, choice) = (KeyHash::new(7), Choice::share(0.05, 0));
        let hashes: Vec<u64> = (0..keys.len()).map(|index| hash.of(&keys, index)).collect();
        let taken: Vec<u64> = hashes.into_iter().filter(|hash| choice.takes(*hash)).collect();
        assert!((800..1_200).contains(&taken.len()), "{}", taken.len());
        for depth in 0..=MAX_DEPTH {
            let used: HashSet<usize> = taken.iter().map(|hash| bucket(*hash, depth)).collect();
            assert_eq!(used.len(), BUCKETS, "at depth {depth}");
        }
        assert!(matches!(Choice::share(1.0, 3), Choice::All));
    }

    #[test]
    fn turn_after_turn_all_keys_have_theirs() {
        let (keys, hash) = (Keys::Int((0..2_000).collect()), KeyHash::new(1));
        for share in [0.05, 0.3] {
            let turns: Vec<Choice> = (0..(1.0 / share) as u64 + 1).map(|turn| Choice::share(share, turn)).collect();
            let is_taken = |index: usize| turns.iter().any(|choice| choice.takes(hash.of(&keys, index)));
            assert!((0..keys.len()).all(is_taken));
            let first = (0..keys.len()).filter(|index| turns[0].takes(hash.of(&keys, *index)));
            assert!(first.count() < 1_000);
        }
    }

    #[test]
    fn keys_come_back_from_their_column() {
        let mut bytes = ByteKeys::default();
        [&b"a"[..], b"", b"bc"].iter().for_each(|key| bytes.push(key));
        for keys in [Keys::Int(vec![3, -1, i64::MAX]), Keys::Bytes(bytes)] {
            let mut builder = KeyBuilder::new(&keys, 3);
            (0..keys.len()).for_each(|index| builder.push(&keys, index));
            let back = keys_of(&builder.finish());
            assert!((0..keys.len()).all(|index| Key::of(&keys, index).is(&back, index)));
        }
    }
}
