use rayon::prelude::*;

use super::Store;
use crate::column::KeyColumn;
use crate::page::REMOVED;
use crate::run::{Batch, Scratch};
use crate::table::KeyTable;
use crate::{IndexError, Location};

/// Keys that are worth another thread.
const KEYS_A_THREAD: usize = 4096;

impl<C: KeyColumn> Store<C> {
    /// The location of each key, absent where there is none.
    pub fn lookup(&self, keys: &C) -> Result<Vec<Location>, IndexError> {
        let mut locations = vec![Location::ABSENT; keys.count()];
        let mut open = Vec::new();
        for (place, location) in locations.iter_mut().enumerate() {
            match self.table.find(keys.key(place)) {
                Some(found) => *location = found,
                None if !self.runs.is_empty() => open.push(place as u32),
                None => {}
            }
        }
        if open.is_empty() {
            return Ok(locations);
        }
        let (sorted, places) = keys.sorted(open);
        let values = self.values(&sorted)?;
        for (place, value) in places.into_iter().zip(values) {
            locations[place as usize] = Location::from_value(self.moves.follow(value));
        }
        Ok(locations)
    }

    /// Asks the runs, the newest first, on as many threads as are worth it. The keys ascend.
    fn values(&self, keys: &C) -> Result<Vec<u64>, IndexError> {
        let count = keys.count();
        let filtered = self.runs.iter().any(|run| run.filter_bytes() > 0);
        let hashes = if filtered { (0..count).map(|place| C::hash(keys.key(place))).collect() } else { Vec::new() };
        let batch = Batch { keys, hashes: &hashes };
        let mut values = vec![REMOVED; count];
        let threads = rayon::current_num_threads();
        if threads == 1 || count < 2 * KEYS_A_THREAD {
            self.search(batch, 0, &mut values)?;
        } else {
            let stretch = count.div_ceil(threads).max(KEYS_A_THREAD);
            let stretches = values.par_chunks_mut(stretch).enumerate();
            stretches.try_for_each(|(index, values)| self.search(batch, index * stretch, values))?;
        }
        Ok(values)
    }

    /// Looks up the keys from `first` on, as many as there are `values`.
    fn search(&self, batch: Batch<'_, C>, first: usize, values: &mut [u64]) -> Result<(), IndexError> {
        let mut open: Vec<u32> = (first as u32..(first + values.len()) as u32).collect();
        let mut known = vec![false; values.len()];
        let mut scratch = Scratch::default();
        for run in &self.runs {
            run.lookup(batch, &open, &mut scratch, |place, value| {
                values[place as usize - first] = value;
                known[place as usize - first] = true;
            })?;
            open.retain(|place| !known[*place as usize - first]);
            if open.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
