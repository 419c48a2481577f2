use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::column::KeyColumn;
use crate::merge::Sorted;
use crate::page::REMOVED;
use crate::policy::BOTTOM;
use crate::run::{Run, RunMeta, RunWriter};
use crate::store::Store;
use crate::{FileNames, IndexError, Location};

/// Keys with more than one row that are named.
const MOST_NAMED: usize = 16;

/// A piece is no smaller than this, whatever the budget.
const LEAST_PIECE_BYTES: usize = 512;

/// Entries merged between two reports of progress.
const ENTRIES_A_REPORT: u64 = 1 << 18;

/// Keys that came more than once.
#[derive(Debug, Default)]
pub struct Repeated<C> {
    pub rows: u64,
    pub keys: C,
    pub locations: Vec<(Location, Location)>,
}

impl<C: KeyColumn> Repeated<C> {
    fn note(&mut self, key: C::Key<'_>, first: u64, second: u64) {
        self.rows += 1;
        if self.locations.len() < MOST_NAMED {
            self.keys.add(key);
            self.locations.push((Location::from_value(first), Location::from_value(second)));
        }
    }
}

/// Rows in the order in which they came.
#[derive(Debug, Default)]
struct Piece<C> {
    keys: C,
    locations: Vec<Location>,
    key_bytes: usize,
}

/// Pieces of a table, each sorted.
#[derive(Debug)]
pub struct Sorting<C: KeyColumn> {
    piece: Mutex<Piece<C>>,
    /// What is shared by the threads that write pieces.
    spilled: Mutex<Spilled<C>>,
    /// Bytes of keys and locations in a piece: one is filled, and may have room for another, while
    /// each thread sorts one, which takes thrice its size besides.
    piece_bytes: usize,
}

#[derive(Debug)]
struct Spilled<C: KeyColumn> {
    store: Store<C>,
    runs: Vec<Arc<Run<C>>>,
    repeated: Repeated<C>,
    failed: bool,
}

impl<C: KeyColumn> Sorting<C> {
    pub fn new(store: Store<C>, threads: usize) -> Self {
        let piece_bytes = (store.budget_bytes() / (4 * threads.max(1) + 2)).max(LEAST_PIECE_BYTES);
        let spilled = Spilled { store, runs: Vec::new(), repeated: Repeated::default(), failed: false };
        Self { piece: Mutex::default(), spilled: Mutex::new(spilled), piece_bytes }
    }

    pub fn add(&self, keys: &C, locations: &[Location]) -> Result<(), IndexError> {
        let count = keys.count().min(locations.len());
        let mut start = 0;
        while start < count {
            let mut piece = locked(&self.piece);
            while start < count && piece.bytes() < self.piece_bytes {
                let key = keys.key(start);
                piece.key_bytes += C::key_bytes(key);
                piece.keys.add(key);
                piece.locations.push(locations[start]);
                start += 1;
            }
            if piece.bytes() >= self.piece_bytes {
                let full = mem::take(&mut *piece);
                drop(piece);
                self.spill(full)?;
            }
        }
        Ok(())
    }

    /// Sorts a piece and writes it as a run, on the thread that filled it. Locks are held only to number the run and to
    /// hand it in, never while others are waited for.
    fn spill(&self, piece: Piece<C>) -> Result<(), IndexError> {
        let written = self.write(piece);
        let mut spilled = locked(&self.spilled);
        match written.and_then(|meta| meta.map(|meta| spilled.store.open_piece(meta)).transpose()) {
            Ok(run) => spilled.runs.extend(run),
            Err(error) => {
                spilled.failed = true;
                return Err(error);
            }
        }
        Ok(())
    }

    fn write(&self, piece: Piece<C>) -> Result<Option<RunMeta>, IndexError> {
        let (keys, values) = piece.sorted();
        let mut writer = locked(&self.spilled).store.new_run(BOTTOM, keys.count() as u64)?;
        let mut repeated = Vec::new();
        for (place, value) in values.iter().enumerate() {
            if place > 0 && C::compare(keys.key(place - 1), keys.key(place)).is_eq() {
                repeated.push(place);
            } else {
                writer.add(keys.key(place), *value)?;
            }
        }
        if !repeated.is_empty() {
            let mut spilled = locked(&self.spilled);
            for place in repeated {
                spilled.repeated.note(keys.key(place), values[place - 1], values[place]);
            }
        }
        writer.finish()
    }

    /// Merges all pieces into the store. Returns it with the number of its keys and those that came more than once.
    pub fn finish(
        self,
        snapshot: Option<i64>,
        files: &FileNames,
        merged: &dyn Fn(u64),
    ) -> Result<(Store<C>, u64, Repeated<C>), IndexError> {
        let piece = mem::take(&mut *locked(&self.piece));
        if piece.keys.count() > 0 {
            self.spill(piece)?;
        }
        let Spilled { mut store, mut runs, mut repeated, failed } =
            self.spilled.into_inner().unwrap_or_else(PoisonError::into_inner);
        if failed {
            store.clear()?;
            return Err(store.unfinished());
        }
        let most = store.runs_merged_at_once();
        while runs.len() > most {
            let rest = runs.split_off(most);
            let run = merge(&mut store, runs, &mut repeated, merged)?;
            runs = rest;
            runs.extend(run);
        }
        let bottom = match runs.len() {
            0 | 1 => runs.pop(),
            _ => merge(&mut store, runs, &mut repeated, merged)?,
        };
        let keys = bottom.as_ref().map_or(0, |run| run.meta.entries);
        store.adopt(bottom, snapshot)?;
        store.flush(files)?;
        Ok((store, keys, repeated))
    }
}

/// Makes one run of several, whose files are removed.
fn merge<C: KeyColumn>(
    store: &mut Store<C>,
    runs: Vec<Arc<Run<C>>>,
    repeated: &mut Repeated<C>,
    merged: &dyn Fn(u64),
) -> Result<Option<Arc<Run<C>>>, IndexError> {
    let mut writer: RunWriter<C> = store.new_run(BOTTOM, 0)?;
    let mut sorted = Sorted::new(&runs, store.buffer_bytes())?;
    let mut before = REMOVED;
    loop {
        let count = sorted.step(ENTRIES_A_REPORT, |key, value, again| {
            if again {
                repeated.note(key, before, value);
                return Ok(());
            }
            before = value;
            writer.add(key, value)
        })?;
        merged(count);
        if count < ENTRIES_A_REPORT {
            break;
        }
    }
    drop(sorted);
    let run = writer.finish()?.map(|meta| store.open_piece(meta)).transpose()?;
    store.discard(runs.iter().map(|run| run.meta.number));
    Ok(run)
}

impl<C: KeyColumn> Piece<C> {
    fn bytes(&self) -> usize {
        self.key_bytes + self.locations.len() * size_of::<Location>()
    }

    fn sorted(self) -> (C, Vec<u64>) {
        let ascending = |place: usize| C::compare(self.keys.key(place - 1), self.keys.key(place)).is_le();
        if (1..self.keys.count()).all(ascending) {
            return (self.keys, self.locations.into_iter().map(Location::value).collect());
        }
        let (keys, places) = self.keys.sorted((0..self.keys.count() as u32).collect());
        let values = places.into_iter().map(|place| self.locations[place as usize].value()).collect();
        (keys, values)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
