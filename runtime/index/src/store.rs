//! One index: a table in memory, and sorted runs on disk once that is too small.

mod adopting;
mod lookup;
mod merging;
mod open;
mod writing;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::column::KeyColumn;
use crate::disk::{Folder, Watch};
use crate::merge::Merge;
use crate::moves::{Moves, Relocation};
use crate::run::{Run, RunMeta};
use crate::settings::Limits;
use crate::table::KeyTable;
use crate::{IndexError, IndexSettings, Location};

pub use open::Opened;

/// An index of keys of one form.
#[derive(Debug)]
pub struct Store<C: KeyColumn> {
    folder: Arc<Folder>,
    identity: Vec<u8>,
    limits: Limits,
    /// Everything while `resident`, else what was changed since the newest run.
    table: C::Table,
    /// Whether the table holds everything; then no run is read.
    resident: bool,
    /// The run that holds just what the table holds, if it is still so.
    image: Option<RunMeta>,
    /// The newest first.
    runs: Vec<Arc<Run<C>>>,
    merges: Vec<Merge<C>>,
    /// Rows that have moved since some of the runs were written.
    moves: Arc<Moves>,
    /// How many moves the runs have taken in that have not taken in all.
    moved: HashMap<u64, u64>,
    /// The runs that the manifest names: they stay until another one is written.
    named: Vec<RunMeta>,
    /// Whether there may be a manifest.
    is_stored: bool,
    /// Runs whose files could not be removed yet.
    stale: Vec<u64>,
    next_run: u64,
    snapshot: Option<i64>,
}

impl<C: KeyColumn> Store<C> {
    /// Opens the index of a folder, or begins one.
    pub fn open(settings: &IndexSettings, watch: Option<Watch>) -> Result<(Self, Opened), IndexError> {
        open::open(settings, watch)
    }

    fn empty(folder: Arc<Folder>, settings: &IndexSettings, next_run: u64) -> Self {
        Self {
            folder,
            identity: settings.identity.clone(),
            limits: Limits::new(settings.budget_bytes, settings.page_bytes),
            table: C::Table::default(),
            resident: true,
            image: None,
            runs: Vec::new(),
            merges: Vec::new(),
            moves: Arc::default(),
            moved: HashMap::new(),
            named: Vec::new(),
            is_stored: false,
            stale: Vec::new(),
            next_run,
            snapshot: None,
        }
    }

    /// Where the index is.
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }

    /// The snapshot that the index reflects.
    pub fn snapshot(&self) -> Option<i64> {
        self.snapshot
    }

    /// Number of keys, where that is known.
    pub fn key_count(&self) -> Option<u64> {
        match &self.runs[..] {
            [] => Some(self.table.count() as u64).filter(|count| self.resident || *count == 0),
            [run] if self.table.count() == 0 => Some(run.meta.entries - run.meta.removed),
            _ => None,
        }
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        let runs: usize = self.runs.iter().map(|run| run.held_bytes()).sum();
        let merges: usize = self.merges.iter().map(Merge::held_bytes).sum();
        self.table.held_bytes() + runs + merges + self.moves.held_bytes()
    }

    /// Bytes of memory in which it could hold everything and still grow by half.
    pub fn wanted_bytes(&self) -> usize {
        let entries: u64 = self.runs.iter().map(|run| run.meta.entries).sum();
        let key_bytes: u64 = self.runs.iter().map(|run| run.meta.key_bytes).sum();
        let (entries, key_bytes) = (entries as usize, key_bytes as usize);
        let more = (entries + self.table.count()) / 2;
        let grown = self.table.bytes_to_grow(entries + more, key_bytes + key_bytes / 2);
        grown.max(entries.saturating_mul(open::BYTES_TO_COME_BACK)) / 9 * 10 + (64 << 10)
    }

    /// Bytes on disk, those of runs included that are only kept for the last manifest.
    pub fn disk_bytes(&self) -> u64 {
        let live = self.runs.iter().map(|run| &run.meta).chain(&self.image);
        let kept = self.named.iter().filter(|meta| !self.is_live(meta.number));
        live.chain(kept).map(|meta| meta.file_bytes(self.limits.page_bytes)).sum()
    }

    /// Whether more than half of what is on disk is kept for the last manifest alone.
    pub fn flush_due(&self) -> bool {
        let page_bytes = self.limits.page_bytes;
        let kept = self.named.iter().filter(|meta| !self.is_live(meta.number));
        let kept: u64 = kept.map(|meta| meta.file_bytes(page_bytes)).sum();
        !self.resident && 2 * kept > self.disk_bytes()
    }

    fn is_live(&self, number: u64) -> bool {
        let image = self.image.as_ref().map(|meta| meta.number);
        image == Some(number) || self.runs.iter().any(|run| run.meta.number == number)
    }

    /// Sets and removes keys. After an error the changes are in memory all the same, with the snapshot.
    pub fn apply(&mut self, keys: &C, locations: &[Location], snapshot: Option<i64>) -> Result<(), IndexError> {
        let count = keys.count().min(locations.len());
        let mut outcome = Ok(());
        let keys_a_look = self.limits.keys_a_look();
        for start in (0..count).step_by(keys_a_look) {
            let places = start..(start + keys_a_look).min(count);
            if outcome.is_ok() {
                let key_bytes = places.clone().map(|place| C::key_bytes(keys.key(place))).sum();
                outcome = self.make_room(places.len(), key_bytes);
            }
            if let Some(image) = self.image.take() {
                self.retire(image.number);
            }
            for place in places {
                let (key, location) = (keys.key(place), locations[place]);
                if self.resident && !location.is_present() {
                    self.table.forget(key);
                } else {
                    self.table.set(key, location);
                }
            }
        }
        self.snapshot = snapshot;
        outcome.and_then(|()| self.merge_for(count as u64))
    }

    /// Moves what is in memory, and remembers for the runs where their rows are now. Says whether there is room for that.
    pub fn relocate(&mut self, relocation: Arc<dyn Relocation>, snapshot: Option<i64>) -> bool {
        if !self.resident && self.moves.held_bytes() + relocation.held_bytes() > self.limits.most_moves_bytes() {
            return false;
        }
        self.table.move_all(&|from| relocation.place(from));
        if let Some(image) = self.image.take() {
            self.retire(image.number);
        }
        if !self.resident {
            // From now on what was written before is behind.
            let before = self.moves.next();
            for run in &self.runs {
                self.moved.entry(run.meta.number).or_insert(before);
            }
            Arc::make_mut(&mut self.moves).add(relocation);
        }
        self.snapshot = snapshot;
        true
    }

    /// Files into which rows have moved that runs have elsewhere.
    pub fn unsettled(&self) -> Vec<u32> {
        self.moves.targets()
    }

    /// Forgets the moves that all runs have taken in.
    fn settle(&mut self) {
        let next = self.moves.next();
        let runs = self.runs.iter().map(|run| run.meta.number);
        let behind: Vec<(u64, u64)> = runs
            .filter_map(|number| Some((number, *self.moved.get(&number)?)))
            .filter(|(_, moved)| *moved < next)
            .collect();
        self.moved = behind.iter().copied().collect();
        let oldest = behind.iter().map(|(_, moved)| *moved).min().unwrap_or(next);
        Arc::make_mut(&mut self.moves).forget_before(oldest);
    }

    /// Writes the table out if it could not take so many more keys within its share.
    fn make_room(&mut self, keys: usize, key_bytes: usize) -> Result<(), IndexError> {
        let limit = if self.resident { self.limits.resident_bytes } else { self.limits.table_bytes };
        let growing = self.table.bytes_to_grow(keys, key_bytes);
        let sorting = self.table.held_bytes() + self.table.bytes_to_sort();
        if growing.max(sorting) > limit && self.table.count() > 0 { self.spill() } else { Ok(()) }
    }

    /// Divides another budget, and gives back at once what is over it.
    pub fn set_budget(&mut self, budget_bytes: usize) -> Result<(), IndexError> {
        self.limits = Limits::new(budget_bytes, self.limits.page_bytes);
        self.make_room(0, 0)?;
        if self.come_back()? {
            return Ok(());
        }
        let mut filter_bytes = 0;
        for index in 0..self.runs.len() {
            let keep = self.limits.residency(index + 1 == self.runs.len(), filter_bytes);
            let meta = self.runs[index].meta.clone();
            self.runs[index] = Arc::new(Run::open(&self.folder, meta, self.limits.page_bytes, keep)?);
            filter_bytes += self.runs[index].filter_bytes();
        }
        Ok(())
    }
}
