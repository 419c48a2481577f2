//! What both forms of keys can do, so that the structures on disk are written once and compiled for each.

mod bytes;
mod ints;

use std::cmp::Ordering;
use std::fmt::Debug;

use crate::table::KeyTable;

pub use bytes::leading;

/// A column of keys.
pub trait KeyColumn: Debug + Clone + Default + Send + Sync + 'static {
    /// One key.
    type Key<'a>: Copy + Debug + Send;
    /// The hash table of such keys.
    type Table: KeyTable<Self>;
    /// Stored in manifests, so that one form is not taken for the other.
    const FORM: u8;

    /// Number of keys.
    fn count(&self) -> usize;
    /// The key at `index`.
    fn key(&self, index: usize) -> Self::Key<'_>;
    /// Adds a key.
    fn add(&mut self, key: Self::Key<'_>);
    /// Takes the last key away.
    fn drop_last(&mut self);
    /// Takes all keys away and keeps the memory.
    fn reset(&mut self);
    /// Bytes of memory held.
    fn heap_bytes(&self) -> usize;
    /// Bytes that a key takes in memory.
    fn key_bytes(key: Self::Key<'_>) -> usize;
    /// How two keys are ordered.
    fn compare(left: Self::Key<'_>, right: Self::Key<'_>) -> Ordering;
    /// A hash that is the same in every process.
    fn hash(key: Self::Key<'_>) -> u64;
    /// Adds something short that is above `before` and not above `key`.
    fn add_separator(&mut self, before: Self::Key<'_>, key: Self::Key<'_>);
    /// The keys at `places` in order, and for each its place; equal keys by place.
    fn sorted(&self, places: Vec<u32>) -> (Self, Vec<u32>);
    /// The key as it is kept in manifests.
    fn to_bytes(key: Self::Key<'_>) -> Vec<u8>;
    /// Adds a key of a manifest; `false` if it is none.
    fn add_from_bytes(&mut self, bytes: &[u8]) -> bool;

    /// Bytes that these keys, which are sorted and at least one, take in a page.
    fn section_bytes(&self) -> usize;
    /// Writes these keys, which are sorted and at least one, into a page.
    fn write_section(&self, out: &mut Vec<u8>);
    /// Whether these bytes can be `count` keys.
    fn is_section(section: &[u8], count: usize) -> bool;
    /// Where `key` is among the `count` keys of a page, or where it would be.
    fn search(section: &[u8], count: usize, key: Self::Key<'_>) -> Result<usize, usize>;
    /// Appends the keys of a page.
    fn unpack(&mut self, section: &[u8], count: usize);
}

/// The place of the last key that is not above `key`, at or after `from`; what lies before `from` is not above it.
pub fn floor<C: KeyColumn>(keys: &C, from: usize, key: C::Key<'_>) -> Option<usize> {
    let above = |place: usize| C::compare(keys.key(place), key) == Ordering::Greater;
    let (mut low, mut step) = (from, 1);
    // Batches are sorted, so the next place is seldom far.
    while low + step <= keys.count() && !above(low + step - 1) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step - 1).min(keys.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if above(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low.checked_sub(1)
}
