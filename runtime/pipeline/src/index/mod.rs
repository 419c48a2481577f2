//! The key index of a lane: where the current row of each key is.
//!
//! An index may know rows that are gone, because another program removed them or because the process died before it was
//! written down; it never lacks one that is there. So a location counts only if its file is part of the table and its position is
//! not deleted, and what the index has missed are the rows of files that it does not know.

mod follow;
mod shares;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_schema::Schema;
use roaring::RoaringBitmap;
use sluice_index::{
    Builder, FileNames, IndexError, IndexSettings, KeyIndex, Keys, Location, Opened, Relocation, SpillingIndex,
};
use sluice_lake::{FileId, LakeTable, RowMapping, TableIdent, WrittenFile};
use tracing::{info, warn};

pub use follow::{follow, follow_foreign, follow_key, live_rows};
pub use shares::IndexShares;

use crate::budget::LaneId;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::merge::{Fold, MergeError, MergePlan};
use crate::tables::Silver;

/// Folders that are tried where another process uses the first ones.
const FOLDERS: u32 = 8;

/// Changed keys after which what is in memory is written down, at least.
const LEAST_UNWRITTEN: u64 = 1 << 20;

/// Data files whose deleted positions are in memory at once.
const FILES_AT_ONCE: usize = 16;

/// Bytes that a key may take in memory, for a table of which nothing else is known.
const BYTES_A_KEY: usize = 64;

/// The key index of one lane, which outlives its sessions. It is lent to the processor pool for the time of a job.
///
/// At most one job at a time may use it: while it waits for the pool, its thread may begin another job.
#[derive(Debug, Clone)]
pub struct LaneIndex {
    place: Option<Arc<Place>>,
    open: Arc<Mutex<Option<Open>>>,
}

/// Where the index of a lane is, and what it may take.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    shares: IndexShares,
    lane: LaneId,
}

#[derive(Debug)]
struct Open {
    index: SpillingIndex,
    identity: Vec<u8>,
    /// No keys, in their form.
    none: Keys,
    /// The files whose rows are in the index, by number.
    files: BTreeMap<u32, Arc<str>>,
    /// The first number that no location has.
    next_file: u32,
    budget_bytes: usize,
    /// Keys that were changed since everything was written down.
    unwritten: u64,
    /// Whether anything was.
    dirty: bool,
}

/// An index that is being made anew.
#[derive(Debug)]
struct Build {
    builder: Builder,
    identity: Vec<u8>,
    none: Keys,
    budget_bytes: usize,
}

impl Build {
    fn add(&self, keys: &Keys, locations: &[Location]) -> Result<(), IndexError> {
        self.builder.add(keys, locations)
    }
}

/// What an index says of itself.
#[derive(Debug, Clone)]
struct Known {
    snapshot: Option<i64>,
    files: HashSet<u32>,
}

impl LaneIndex {
    /// The index of a lane, in a folder below `cache`.
    pub fn new(cache: &Path, silver: &TableIdent, shares: &IndexShares, lane: LaneId) -> Self {
        let name: String = silver.to_string().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let folder = cache.join("index").join(name);
        Self { place: Some(Arc::new(Place { folder, shares: shares.clone(), lane })), open: Arc::default() }
    }

    /// No index, for who merges nothing.
    pub fn none() -> Self {
        Self { place: None, open: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the index of a table of so many rows, unless it is open. Reads from disk.
    fn open(&self, identity: Vec<u8>, rows: u64, none: Keys) -> Result<(), IndexError> {
        let Some(place) = &self.place else { return Ok(()) };
        let mut open = self.lock();
        if open.as_ref().is_none_or(|open| open.identity != identity) {
            // Its folder has to be free first.
            *open = None;
            *open = Some(place.open(identity, rows, none)?);
        }
        Ok(())
    }

    /// Gives the files of a table the numbers by which the index knows them.
    fn number(&self, table: &mut LakeTable) {
        if let Some(open) = self.lock().as_ref() {
            let known = open.files.iter().map(|(number, path)| (&**path, FileId(*number))).collect();
            table.number_files(&known, open.next_file);
        }
    }

    /// Does something with the index. One that turns out to be damaged is emptied, and is then built anew.
    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let mut open = self.lock();
        let Some(open) = open.as_mut() else { return Err(IndexError::Closed) };
        let result = work(open);
        if let Err(error) = &result
            && error.is_corrupt()
        {
            warn!(%error, "the key index is built anew");
            open.clear()?;
        }
        result
    }

    /// Number of keys, rows that are gone included; `None` where it is not known without reading.
    pub fn key_count(&self) -> Option<u64> {
        self.lock().as_ref()?.index.key_count()
    }

    fn budget_bytes(&self) -> usize {
        self.lock().as_ref().map_or(0, |open| open.budget_bytes)
    }

    fn known(&self) -> Option<Known> {
        let open = self.lock();
        let open = open.as_ref()?;
        Some(Known { snapshot: open.index.snapshot(), files: open.files.keys().copied().collect() })
    }

    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, IndexError> {
        self.with(|open| open.index.lookup(keys))
    }

    /// Takes on what a commit did to these keys, whose rows are in `files` now.
    pub fn apply(
        &self,
        keys: &Keys,
        locations: &[Location],
        files: &[WrittenFile],
        snapshot: i64,
    ) -> Result<(), IndexError> {
        let place = self.place.as_deref();
        self.with(|open| {
            open.note(files.iter().map(|file| (file.id, file.path().into())));
            open.change(place, keys, locations, Some(snapshot))
        })
    }

    /// Takes in keys of rows that it did not know, and says where it had those of them that it had elsewhere.
    fn take_in(&self, keys: &Keys, locations: &[Location]) -> Result<Vec<Location>, IndexError> {
        let place = self.place.as_deref();
        self.with(|open| {
            let mut before = open.index.lookup(keys)?;
            for (before, now) in before.iter_mut().zip(locations) {
                // What was taken in already, before something went wrong.
                if before == now {
                    *before = Location::ABSENT;
                }
            }
            let snapshot = open.index.snapshot();
            open.change(place, keys, locations, snapshot)?;
            Ok(before)
        })
    }

    /// Takes on the table's snapshot, of which all rows are in the index now.
    pub fn arrive(&self, table: &LakeTable) -> Result<(), IndexError> {
        self.with(|open| {
            open.files.clear();
            open.note(table.live_files().map(|file| (file.id, Arc::clone(&file.path))));
            open.dirty = true;
            let none = open.none.clone();
            open.index.apply(&none, &[], table.snapshot_id())
        })
    }

    /// Empties the index and begins to make it anew; until that is finished there is none.
    fn begin(&self, threads: usize) -> Result<Build, IndexError> {
        let Some(open) = self.lock().take() else { return Err(IndexError::Closed) };
        let Open { index, identity, none, budget_bytes, .. } = open;
        Ok(Build { builder: index.rebuild(threads)?, identity, none, budget_bytes })
    }

    /// Takes on what was built of all rows of a snapshot, whose files these are. Says how many keys there are, and how many rows
    /// too many of the same keys.
    fn finish(&self, build: Build, snapshot: i64, names: &FileNames) -> Result<(u64, u64), IndexError> {
        let Build { builder, identity, none, budget_bytes } = build;
        let built = builder.finish(Some(snapshot), names)?;
        let files = names.paths.iter().map(|(number, path)| (*number, path.as_str().into())).collect();
        let (index, next_file) = (built.index, names.next);
        let open = Open { index, identity, none, files, next_file, budget_bytes, unwritten: 0, dirty: false };
        *self.lock() = Some(open);
        Ok((built.keys, built.duplicates.rows))
    }

    /// Empties the index.
    pub fn clear(&self) -> Result<(), IndexError> {
        self.with(Open::clear)
    }

    /// Moves rows to where `mapping` says, of a table of which nothing else has changed. Says whether that could be done.
    pub async fn relocate(
        &self,
        context: &LaneContext,
        table: &LakeTable,
        mapping: Arc<RowMapping>,
    ) -> Result<bool, IndexError> {
        let files: Vec<(FileId, Arc<str>)> = table.live_files().map(|file| (file.id, Arc::clone(&file.path))).collect();
        let (index, snapshot) = (self.clone(), table.snapshot_id());
        let relocate = move |open: &mut Open| {
            let moved = open.index.relocate(Arc::new(MovedRows(mapping)), snapshot);
            if moved {
                open.note(files.into_iter());
                open.dirty = true;
            }
            Ok(moved)
        };
        context.services.cpu.run(move || index.with(relocate)).await
    }

    /// Writes down what has changed since the last time, if that is much by now or `at_once`.
    pub async fn flush(&self, context: &LaneContext, table: &LakeTable, at_once: bool) -> Result<(), IndexError> {
        let is_due = |open: &mut Open| {
            let due = open.dirty && (at_once || open.is_flush_due());
            if due {
                open.files.retain(|number, _| table.live_file(FileId(*number)).is_some());
            }
            Ok(due)
        };
        if self.lock().is_none() || !self.with(is_due)? {
            return Ok(());
        }
        let index = self.clone();
        context.services.cpu.run(move || index.with(Open::flush)).await
    }
}

impl Place {
    fn open(&self, identity: Vec<u8>, rows: u64, none: Keys) -> Result<Open, IndexError> {
        let wanted = usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(BYTES_A_KEY).saturating_add(1 << 20);
        let budget_bytes = self.shares.ask(self.lane, wanted);
        let mut number = 1;
        let (index, opened) = loop {
            let folder = match number {
                1 => self.folder.clone(),
                _ => self.folder.with_extension(number.to_string()),
            };
            match SpillingIndex::open(&IndexSettings::new(folder, identity.clone(), budget_bytes), &none) {
                // Two processes may run one configuration, if only for as long as one of them takes over.
                Err(IndexError::Locked { .. }) if number < FOLDERS => number += 1,
                result => break result?,
            }
        };
        let names = match opened {
            Opened::Kept { files, .. } => files,
            Opened::Distrusted { why } => {
                info!(folder = %index.folder().display(), why, "the key index is not used and built anew");
                FileNames::default()
            }
            Opened::Fresh => FileNames::default(),
        };
        let files = names.paths.into_iter().map(|(number, path)| (number, path.into())).collect();
        let next_file = names.next;
        Ok(Open { index, identity, none, files, next_file, budget_bytes, unwritten: 0, dirty: false })
    }
}

impl Open {
    fn note(&mut self, files: impl Iterator<Item = (FileId, Arc<str>)>) {
        for (id, path) in files {
            self.next_file = self.next_file.max(id.0.saturating_add(1));
            self.files.insert(id.0, path);
        }
    }

    fn change(
        &mut self,
        place: Option<&Place>,
        keys: &Keys,
        locations: &[Location],
        snapshot: Option<i64>,
    ) -> Result<(), IndexError> {
        if let Some(place) = place {
            self.share(place)?;
        }
        self.unwritten += keys.len() as u64;
        self.dirty = true;
        self.index.apply(keys, locations, snapshot)
    }

    /// Takes the memory that there is for this index now.
    fn share(&mut self, place: &Place) -> Result<(), IndexError> {
        let budget_bytes = place.shares.ask(place.lane, self.index.wanted_bytes());
        // Small differences are not worth what reading the filters again costs.
        if budget_bytes.abs_diff(self.budget_bytes) > self.budget_bytes / 4 {
            self.index.set_budget(budget_bytes)?;
            self.budget_bytes = budget_bytes;
        }
        Ok(())
    }

    fn is_flush_due(&self) -> bool {
        let many = LEAST_UNWRITTEN.max(self.index.key_count().unwrap_or(0) / 2);
        self.unwritten >= many || self.index.flush_due()
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        let unsettled: HashSet<u32> = self.index.unsettled().into_iter().collect();
        let settled = self.files.iter().filter(|(number, _)| !unsettled.contains(number));
        let paths = settled.map(|(number, path)| (*number, path.to_string())).collect();
        self.index.flush(&FileNames { paths, next: self.next_file })?;
        (self.unwritten, self.dirty) = (0, false);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        self.dirty = true;
        self.files.clear();
        self.unwritten = 0;
        self.index.clear()
    }
}

/// Rows that a rewrite of data files has moved.
#[derive(Debug)]
struct MovedRows(Arc<RowMapping>);

impl Relocation for MovedRows {
    fn sources(&self) -> Vec<u32> {
        self.0.sources().map(|file| file.0).collect()
    }

    fn targets(&self) -> Vec<u32> {
        self.0.targets().map(|file| file.0).collect()
    }

    fn place(&self, from: Location) -> Location {
        let (file, position) = (FileId(from.file()), from.position());
        match self.0.find(file, position) {
            Some((file, position)) => Location::new(file.0, position),
            None if self.0.has_source(file) => Location::ABSENT,
            None => from,
        }
    }

    fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }
}

/// What an index is of: another table, key or type of the key has another index.
fn identity(table: &LakeTable, key_schema: &Schema) -> Vec<u8> {
    let mut identity = table.uuid().as_bytes().to_vec();
    for field in key_schema.fields() {
        identity.extend_from_slice(format!("\0{}\0{}", field.name(), field.data_type()).as_bytes());
    }
    identity
}

/// Opens the index of a table that was just opened, or whose key has other types now.
pub async fn attach(context: &LaneContext, silver: &mut Silver) -> Result<(), LaneError> {
    let identity = identity(&silver.table, &silver.key_schema);
    let (index, rows, none) = (silver.index.clone(), silver.table.rows(), silver.extractor.none());
    context.services.cpu.run(move || index.open(identity, rows, none)).await?;
    silver.index.number(&mut silver.table);
    Ok(())
}

/// A fold with what there is of its keys in the table.
#[derive(Debug)]
pub struct Found {
    fold: Fold,
    keys: Keys,
    locations: Vec<Location>,
}

impl Found {
    /// What is to be written.
    pub fn plan(self) -> Result<MergePlan, MergeError> {
        self.fold.plan(self.keys, &self.locations)
    }
}

/// Looks up where the rows of the fold's keys are now.
pub async fn find(context: &LaneContext, silver: &Silver, mut fold: Fold) -> Result<Found, LaneError> {
    let keys = fold.take_keys();
    if fold.truncates() {
        let locations = vec![Location::ABSENT; keys.len()];
        return Ok(Found { fold, keys, locations });
    }
    let index = silver.index.clone();
    let look_up = move || index.lookup(&keys).map(|found| (keys, Sightings::of(found)));
    let (keys, seen) = context.services.cpu.run(look_up).await?;
    let locations = seen.alive(context, &silver.table).await?;
    Ok(Found { fold, keys, locations })
}

/// Locations that an index has, of rows that may be gone.
#[derive(Debug)]
struct Sightings {
    locations: Vec<Location>,
    /// Those that name a row, with their places, in order.
    seen: Vec<(Location, u32)>,
}

impl Sightings {
    fn of(locations: Vec<Location>) -> Self {
        let seen = (0..).zip(&locations).filter(|(_, location)| location.is_present());
        let mut seen: Vec<(Location, u32)> = seen.map(|(place, location)| (*location, place)).collect();
        seen.sort_unstable();
        Self { locations, seen }
    }

    /// The same without those of rows that are not in the table any more.
    async fn alive(mut self, context: &LaneContext, table: &LakeTable) -> Result<Vec<Location>, LaneError> {
        let mut files: Vec<FileId> = self.seen.iter().map(|(at, _)| FileId(at.file())).collect();
        files.dedup();
        let mut from = 0;
        for some in files.chunks(FILES_AT_ONCE) {
            let deleted = table.deleted(some).await?;
            let last = some.last().map_or(0, |file| file.0);
            let drop_gone = move || (self.drop_gone(from, last, &deleted), self);
            (from, self) = context.services.cpu.run(drop_gone).await;
        }
        Ok(self.locations)
    }

    /// Takes away the locations in files up to `last`, from those seen at `from` on, whose files are not among these or whose
    /// positions are deleted. Returns where the next file begins.
    fn drop_gone(&mut self, from: usize, last: u32, deleted: &HashMap<FileId, Arc<RoaringBitmap>>) -> usize {
        let end = self.seen.partition_point(|(at, _)| at.file() <= last);
        for seen in self.seen[from..end].chunk_by(|a, b| a.0.file() == b.0.file()) {
            let deleted = deleted.get(&FileId(seen[0].0.file()));
            let is_gone = |at: &Location| deleted.is_none_or(|deleted| deleted.contains(at.position()));
            for (_, place) in seen.iter().filter(|(at, _)| is_gone(at)) {
                self.locations[*place as usize] = Location::ABSENT;
            }
        }
        end
    }
}
