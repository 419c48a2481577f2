//! Hash tables of keys in memory, which hold everything while it fits and the newest changes afterwards.

mod bytes;
mod ints;

use std::fmt::Debug;

pub use bytes::ByteTable;

use crate::Location;
use crate::column::KeyColumn;

/// A map from keys to locations; [`Location::ABSENT`] is kept like any other.
pub trait KeyTable<C: KeyColumn>: Debug + Default + Send + Sync {
    /// Number of keys.
    fn count(&self) -> usize;
    /// The location of a key.
    fn find(&self, key: C::Key<'_>) -> Option<Location>;
    /// Sets the location of a key.
    fn set(&mut self, key: C::Key<'_>, location: Location);
    /// Takes a key away.
    fn forget(&mut self, key: C::Key<'_>);
    /// Sets each location to what `place` gives for it.
    fn move_all(&mut self, place: &dyn Fn(Location) -> Location);
    /// Takes all keys away and keeps the memory.
    fn reset(&mut self);
    /// Bytes of memory held.
    fn held_bytes(&self) -> usize;
    /// The most bytes held at once while this many keys of together so many bytes are added.
    fn bytes_to_grow(&self, keys: usize, key_bytes: usize) -> usize;
    /// Grows to take this many keys of together so many bytes besides those that it has.
    fn make_room(&mut self, keys: usize, key_bytes: usize);
    /// Bytes that [`KeyTable::visit_sorted`] takes besides.
    fn bytes_to_sort(&self) -> usize;
    /// Shows all keys in order, until `visit` fails.
    fn visit_sorted<E>(&self, visit: impl FnMut(C::Key<'_>, Location) -> Result<(), E>) -> Result<(), E>;
}

/// Slots that `hashbrown` allocates for so many keys.
fn slots_for(keys: usize) -> usize {
    (keys.saturating_mul(8) / 7).next_power_of_two().max(4)
}

/// Bytes held at once while a table of `held` bytes and room for `capacity` keys grows to `keys`.
fn growth_bytes(held: usize, capacity: usize, keys: usize, slot_bytes: usize) -> usize {
    if keys <= capacity { held } else { held + slots_for(keys + 1) * (slot_bytes + 1) }
}
