//! Distinct keys of a stretch of changes.

use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use sluice_index::{ByteKeys, Keys};

/// Distinct keys, numbered in the order in which they were first seen.
#[derive(Debug)]
pub enum Distinct {
    Int { slots: HashMap<i64, u32, RandomState>, keys: Vec<i64> },
    Bytes { slots: HashTable<u32>, keys: ByteKeys, hasher: RandomState },
}

impl Distinct {
    /// None yet, of the form of `like`, with room for `capacity`.
    pub fn new(like: &Keys, capacity: usize) -> Self {
        match like {
            Keys::Int(_) => Distinct::Int {
                slots: HashMap::with_capacity_and_hasher(capacity, RandomState::default()),
                keys: Vec::with_capacity(capacity),
            },
            Keys::Bytes(_) => Distinct::Bytes {
                slots: HashTable::with_capacity(capacity),
                keys: ByteKeys::default(),
                hasher: RandomState::default(),
            },
        }
    }

    /// The number of a key, a new one where it was not seen before. Both sides have the same form.
    pub fn slot(&mut self, from: &Keys, index: usize) -> usize {
        match (self, from) {
            (Distinct::Int { slots, keys }, Keys::Int(from)) => {
                let key = from[index];
                let slot = *slots.entry(key).or_insert_with(|| {
                    keys.push(key);
                    keys.len() as u32 - 1
                });
                slot as usize
            }
            (Distinct::Bytes { slots, keys, hasher }, Keys::Bytes(from)) => {
                let key = from.get(index);
                let hash = hasher.hash_one(key);
                if let Some(slot) = slots.find(hash, |slot| keys.get(*slot as usize) == key) {
                    return *slot as usize;
                }
                let slot = keys.len() as u32;
                keys.push(key);
                slots.insert_unique(hash, slot, |slot| hasher.hash_one(keys.get(*slot as usize)));
                slot as usize
            }
            // One extractor made both, so their forms agree.
            _ => 0,
        }
    }

    /// The number of a key that was seen.
    pub fn find(&self, from: &Keys, index: usize) -> Option<usize> {
        match (self, from) {
            (Distinct::Int { slots, .. }, Keys::Int(from)) => slots.get(&from[index]).map(|slot| *slot as usize),
            (Distinct::Bytes { slots, keys, hasher }, Keys::Bytes(from)) => {
                let key = from.get(index);
                slots.find(hasher.hash_one(key), |slot| keys.get(*slot as usize) == key).map(|slot| *slot as usize)
            }
            _ => None,
        }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        match self {
            Distinct::Int { slots, keys } => {
                slots.clear();
                keys.clear();
            }
            Distinct::Bytes { slots, keys, .. } => {
                slots.clear();
                *keys = ByteKeys::default();
            }
        }
    }

    /// The keys in the order of their numbers; none are left.
    pub fn take_keys(&mut self) -> Keys {
        let taken = match self {
            Distinct::Int { keys, .. } => Keys::Int(mem::take(keys)),
            Distinct::Bytes { keys, .. } => Keys::Bytes(mem::take(keys)),
        };
        self.clear();
        taken
    }
}
