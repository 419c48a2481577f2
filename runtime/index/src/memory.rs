use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::{ByteKeys, KeyError, KeyIndex, Keys, Location};

/// All keys in memory: 17 bytes of table a slot for integers, and the key's bytes once for others.
#[derive(Debug)]
pub struct MemoryIndex {
    table: Table,
    snapshot: Option<i64>,
}

#[derive(Debug)]
enum Table {
    Int(HashMap<i64, Location, RandomState>),
    Bytes(ByteTable),
}

impl MemoryIndex {
    /// An empty index for keys of the form of `like`.
    pub fn new(like: &Keys) -> Self {
        let table = match like {
            Keys::Int(_) => Table::Int(HashMap::default()),
            Keys::Bytes(_) => Table::Bytes(ByteTable::default()),
        };
        Self { table, snapshot: None }
    }
}

impl KeyIndex for MemoryIndex {
    fn snapshot(&self) -> Option<i64> {
        self.snapshot
    }

    fn len(&self) -> u64 {
        match &self.table {
            Table::Int(map) => map.len() as u64,
            Table::Bytes(table) => table.slots.len() as u64,
        }
    }

    fn memory_bytes(&self) -> usize {
        match &self.table {
            Table::Int(map) => map.allocation_size(),
            Table::Bytes(table) => table.slots.allocation_size() + table.arena.capacity(),
        }
    }

    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, KeyError> {
        match (&self.table, keys) {
            (Table::Int(map), Keys::Int(keys)) => {
                Ok(keys.iter().map(|key| map.get(key).copied().unwrap_or(Location::ABSENT)).collect())
            }
            (Table::Bytes(table), Keys::Bytes(keys)) => {
                Ok(keys.iter().map(|key| table.get(key).unwrap_or(Location::ABSENT)).collect())
            }
            _ => Err(KeyError::Form),
        }
    }

    fn apply(&mut self, keys: &Keys, locations: &[Location], snapshot: Option<i64>) -> Result<(), KeyError> {
        match (&mut self.table, keys) {
            (Table::Int(map), Keys::Int(keys)) => {
                for (key, location) in keys.iter().zip(locations) {
                    if location.is_present() {
                        map.insert(*key, *location);
                    } else {
                        map.remove(key);
                    }
                }
            }
            (Table::Bytes(table), Keys::Bytes(keys)) => table.apply(keys, locations),
            _ => return Err(KeyError::Form),
        }
        self.snapshot = snapshot;
        Ok(())
    }

    fn relocate(&mut self, place: &dyn Fn(Location) -> Location, snapshot: Option<i64>) -> Result<(), KeyError> {
        match &mut self.table {
            Table::Int(map) => map.values_mut().for_each(|location| *location = place(*location)),
            Table::Bytes(table) => table.slots.iter_mut().for_each(|slot| slot.location = place(slot.location)),
        }
        self.snapshot = snapshot;
        Ok(())
    }

    fn clear(&mut self) {
        match &mut self.table {
            Table::Int(map) => *map = HashMap::default(),
            Table::Bytes(table) => *table = ByteTable::default(),
        }
        self.snapshot = None;
    }
}

/// A hash table whose keys lie end to end in one allocation.
#[derive(Debug, Default)]
struct ByteTable {
    slots: HashTable<Slot>,
    arena: Vec<u8>,
    /// Bytes of the arena that belong to removed keys.
    dead: usize,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u64,
    length: u32,
    location: Location,
}

impl Slot {
    fn key(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &arena[start..start + self.length as usize]
    }
}

impl ByteTable {
    fn get(&self, key: &[u8]) -> Option<Location> {
        let slot = self.slots.find(self.hasher.hash_one(key), |slot| slot.key(&self.arena) == key)?;
        Some(slot.location)
    }

    fn apply(&mut self, keys: &ByteKeys, locations: &[Location]) {
        for (key, location) in keys.iter().zip(locations) {
            let hash = self.hasher.hash_one(key);
            if location.is_present() {
                self.insert(hash, key, *location);
            } else if let Ok(found) = self.slots.find_entry(hash, |slot| slot.key(&self.arena) == key) {
                let (slot, _) = found.remove();
                self.dead += slot.length as usize;
            }
        }
        if self.dead > 1 << 20 && self.dead > self.arena.len() / 2 {
            self.compact();
        }
    }

    fn insert(&mut self, hash: u64, key: &[u8], location: Location) {
        if let Some(slot) = self.slots.find_mut(hash, |slot| slot.key(&self.arena) == key) {
            slot.location = location;
            return;
        }
        let slot = Slot { start: self.arena.len() as u64, length: key.len() as u32, location };
        self.arena.extend_from_slice(key);
        let (arena, hasher) = (&self.arena, &self.hasher);
        self.slots.insert_unique(hash, slot, |slot| hasher.hash_one(slot.key(arena)));
    }

    fn compact(&mut self) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.dead);
        for slot in &mut self.slots {
            let start = arena.len() as u64;
            arena.extend_from_slice(slot.key(&self.arena));
            slot.start = start;
        }
        self.arena = arena;
        self.dead = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use arrow_schema::DataType;
    use proptest::prelude::*;

    use super::*;
    use crate::KeyExtractor;

    fn check(extract: impl Fn(&[u8]) -> Keys, steps: &[Vec<(u8, bool)>]) {
        let mut index = MemoryIndex::new(&extract(&[]));
        let mut model: BTreeMap<u8, Location> = BTreeMap::new();
        for (round, step) in steps.iter().enumerate() {
            let wanted: BTreeMap<u8, bool> = step.iter().copied().collect();
            let names: Vec<u8> = wanted.keys().copied().collect();
            let locations: Vec<Location> = wanted
                .iter()
                .map(|(key, keep)| if *keep { Location::new(round as u32, u32::from(*key)) } else { Location::ABSENT })
                .collect();
            index.apply(&extract(&names), &locations, Some(round as i64)).unwrap();
            for (key, location) in names.iter().zip(&locations) {
                if location.is_present() {
                    model.insert(*key, *location);
                } else {
                    model.remove(key);
                }
            }
            let all: Vec<u8> = (0..=255).collect();
            let found = index.lookup(&extract(&all)).unwrap();
            for key in 0..=255_u8 {
                assert_eq!(found[usize::from(key)], model.get(&key).copied().unwrap_or(Location::ABSENT));
            }
            assert_eq!((index.len(), index.snapshot()), (model.len() as u64, Some(round as i64)));
        }
    }

    proptest! {
        #[test]
        fn an_index_is_a_map(steps in prop::collection::vec(prop::collection::vec(any::<(u8, bool)>(), 0..40), 0..12)) {
            let ints = KeyExtractor::new(&[DataType::Int32]).unwrap();
            check(
                |names| {
                    let column: ArrayRef = Arc::new(Int32Array::from_iter_values(names.iter().map(|n| i32::from(*n))));
                    ints.extract(&[column]).unwrap()
                },
                &steps,
            );
            let pairs = KeyExtractor::new(&[DataType::Utf8, DataType::Int32]).unwrap();
            check(
                |names| {
                    let text: ArrayRef =
                        Arc::new(StringArray::from_iter_values(names.iter().map(|n| "x".repeat(usize::from(*n % 7)))));
                    let number: ArrayRef = Arc::new(Int32Array::from_iter_values(names.iter().map(|n| i32::from(*n))));
                    pairs.extract(&[text, number]).unwrap()
                },
                &steps,
            );
        }
    }

    #[test]
    fn removed_keys_give_their_bytes_back() {
        let mut table = ByteTable::default();
        let (mut keys, mut locations) = (ByteKeys::default(), Vec::new());
        for n in 0..40_000_u32 {
            keys.push(format!("{n:0>64}").as_bytes());
            locations.push(Location::new(0, n));
        }
        table.apply(&keys, &locations);
        let before = table.arena.len();
        locations[..30_000].fill(Location::ABSENT);
        table.apply(&keys, &locations);
        assert!(table.arena.len() < before / 2);
        assert_eq!(table.get(keys.get(35_000)), Some(Location::new(0, 35_000)));
        assert_eq!(table.get(keys.get(5)), None);
    }

    #[test]
    fn a_null_key_is_refused() {
        let extractor = KeyExtractor::new(&[DataType::Int32]).unwrap();
        let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        assert!(matches!(extractor.extract(&[column]), Err(KeyError::Null { count: 1 })));
    }
}
