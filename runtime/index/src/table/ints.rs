use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rayon::slice::ParallelSliceMut;

use super::{KeyTable, growth_bytes};
use crate::Location;

/// 17 bytes a slot.
impl KeyTable<Vec<i64>> for HashMap<i64, Location, RandomState> {
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn find(&self, key: i64) -> Option<Location> {
        self.get(&key).copied()
    }

    #[inline]
    fn set(&mut self, key: i64, location: Location) {
        self.insert(key, location);
    }

    #[inline]
    fn forget(&mut self, key: i64) {
        self.remove(&key);
    }

    fn move_all(&mut self, place: &dyn Fn(Location) -> Location) {
        self.values_mut().for_each(|location| *location = place(*location));
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn held_bytes(&self) -> usize {
        self.allocation_size()
    }

    fn bytes_to_grow(&self, keys: usize, _: usize) -> usize {
        growth_bytes(self.allocation_size(), self.capacity(), self.len() + keys, size_of::<(i64, Location)>())
    }

    fn make_room(&mut self, keys: usize, _: usize) {
        self.reserve(keys);
    }

    fn bytes_to_sort(&self) -> usize {
        self.len() * size_of::<(i64, Location)>()
    }

    fn visit_sorted<E>(&self, mut visit: impl FnMut(i64, Location) -> Result<(), E>) -> Result<(), E> {
        let mut entries: Vec<(i64, Location)> = self.iter().map(|(key, location)| (*key, *location)).collect();
        entries.par_sort_unstable_by_key(|entry| entry.0);
        entries.into_iter().try_for_each(|(key, location)| visit(key, location))
    }
}
