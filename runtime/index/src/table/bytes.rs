use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rayon::slice::ParallelSliceMut;

use super::{KeyTable, growth_bytes};
use crate::column::leading;
use crate::{ByteKeys, Location};

/// A hash table whose keys lie end to end in one allocation.
#[derive(Debug, Default)]
pub struct ByteTable {
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

impl KeyTable<ByteKeys> for ByteTable {
    fn count(&self) -> usize {
        self.slots.len()
    }

    fn find(&self, key: &[u8]) -> Option<Location> {
        let slot = self.slots.find(self.hasher.hash_one(key), |slot| slot.key(&self.arena) == key)?;
        Some(slot.location)
    }

    fn set(&mut self, key: &[u8], location: Location) {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.slots.find_mut(hash, |slot| slot.key(&self.arena) == key) {
            slot.location = location;
            return;
        }
        let slot = Slot { start: self.arena.len() as u64, length: key.len() as u32, location };
        self.grow_arena(key.len());
        self.arena.extend_from_slice(key);
        let (arena, hasher) = (&self.arena, &self.hasher);
        self.slots.insert_unique(hash, slot, |slot| hasher.hash_one(slot.key(arena)));
    }

    fn forget(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        if let Ok(found) = self.slots.find_entry(hash, |slot| slot.key(&self.arena) == key) {
            let (slot, _) = found.remove();
            self.dead += slot.length as usize;
            if self.dead > 1 << 20 && self.dead > self.arena.len() / 2 {
                self.compact();
            }
        }
    }

    fn move_all(&mut self, place: &dyn Fn(Location) -> Location) {
        self.slots.iter_mut().for_each(|slot| slot.location = place(slot.location));
    }

    fn reset(&mut self) {
        self.slots.clear();
        self.arena.clear();
        self.dead = 0;
    }

    fn held_bytes(&self) -> usize {
        self.slots.allocation_size() + self.arena.capacity()
    }

    fn bytes_to_grow(&self, keys: usize, key_bytes: usize) -> usize {
        let slots = self.slots.len() + keys;
        let slots = growth_bytes(self.slots.allocation_size(), self.slots.capacity(), slots, size_of::<Slot>());
        let needed = self.arena.len() + key_bytes;
        let held = self.arena.capacity();
        let arena = if needed <= held { held } else { held + needed.max(grown(held)) };
        slots + arena
    }

    fn make_room(&mut self, keys: usize, key_bytes: usize) {
        let (arena, hasher) = (&self.arena, &self.hasher);
        self.slots.reserve(keys, |slot| hasher.hash_one(slot.key(arena)));
        self.arena.reserve_exact(key_bytes);
    }

    fn bytes_to_sort(&self) -> usize {
        self.slots.len() * size_of::<(u64, Slot)>()
    }

    fn visit_sorted<E>(&self, mut visit: impl FnMut(&[u8], Location) -> Result<(), E>) -> Result<(), E> {
        let arena = &self.arena;
        let mut slots: Vec<(u64, Slot)> = self.slots.iter().map(|slot| (leading(slot.key(arena)), *slot)).collect();
        slots.par_sort_unstable_by(|left, right| {
            left.0.cmp(&right.0).then_with(|| left.1.key(arena).cmp(right.1.key(arena)))
        });
        slots.into_iter().try_for_each(|(_, slot)| visit(slot.key(arena), slot.location))
    }
}

impl ByteTable {
    /// Grows by a quarter: doubling would hold three times the keys for a moment.
    fn grow_arena(&mut self, bytes: usize) {
        let needed = self.arena.len() + bytes;
        if needed > self.arena.capacity() {
            let wanted = grown(self.arena.capacity()).max(needed);
            self.arena.reserve_exact(wanted - self.arena.len());
        }
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

fn grown(bytes: usize) -> usize {
    (bytes + bytes / 4).max(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_keys_give_their_bytes_back() {
        let mut table = ByteTable::default();
        let key = |n: u32| format!("{n:0>64}").into_bytes();
        (0..40_000).for_each(|n| table.set(&key(n), Location::new(0, n)));
        let before = table.arena.len();
        (0..30_000).for_each(|n| table.forget(&key(n)));
        assert!(table.arena.len() < before / 2);
        assert_eq!(table.find(&key(35_000)), Some(Location::new(0, 35_000)));
        assert_eq!(table.find(&key(5)), None);
    }
}
