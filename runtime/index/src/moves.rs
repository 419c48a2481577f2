//! Rows that have moved since runs were written: a run is not written anew for that, its locations are followed to where they
//! lead, until merges have taken them in.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::Location;
use crate::page::REMOVED;

/// Where the rows of some data files are now.
pub trait Relocation: Debug + Send + Sync {
    /// The files that the rows were in. No other row is ever in a file of these numbers again.
    fn sources(&self) -> Vec<u32>;

    /// The files that they are in now.
    fn targets(&self) -> Vec<u32>;

    /// Where a row of a source is now; [`Location::ABSENT`] if it was gone before. A row of another file is where it was.
    fn place(&self, from: Location) -> Location;

    /// Bytes of memory held.
    fn held_bytes(&self) -> usize;
}

/// Relocations that some run has not taken in.
#[derive(Debug, Clone, Default)]
pub struct Moves {
    /// The oldest first, numbered without gaps up to `next`.
    all: VecDeque<Arc<dyn Relocation>>,
    by_source: HashMap<u32, Arc<dyn Relocation>, RandomState>,
    next: u64,
    held_bytes: usize,
}

impl Moves {
    /// Adds a relocation, which comes after all others.
    pub fn add(&mut self, relocation: Arc<dyn Relocation>) {
        for source in relocation.sources() {
            self.by_source.insert(source, Arc::clone(&relocation));
        }
        self.held_bytes += relocation.held_bytes();
        self.all.push_back(relocation);
        self.next += 1;
    }

    /// The number of the next relocation.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The files that rows have moved into.
    pub fn targets(&self) -> Vec<u32> {
        self.all.iter().flat_map(|relocation| relocation.targets()).collect()
    }

    /// Where the row of a stored value is now.
    #[inline]
    pub fn follow(&self, value: u64) -> u64 {
        if self.by_source.is_empty() || value == REMOVED {
            return value;
        }
        let mut at = Location::from_value(value);
        while let Some(relocation) = self.by_source.get(&at.file()) {
            let next = relocation.place(at);
            if next == at || !next.is_present() {
                return next.value();
            }
            at = next;
        }
        at.value()
    }

    /// Forgets the relocations before this number.
    pub fn forget_before(&mut self, number: u64) {
        while self.next - (self.all.len() as u64) < number
            && let Some(old) = self.all.pop_front()
        {
            self.held_bytes -= old.held_bytes();
            old.sources().iter().for_each(|source| drop(self.by_source.remove(source)));
        }
    }
}
