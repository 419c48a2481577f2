use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iceberg::spec::DataFile;
use roaring::RoaringBitmap;

use crate::lake::Context;
use crate::live::{DeleteSource, LiveFile};
use crate::{FileId, LakeError, files, io};

/// Deleted positions of data files of all tables of a lake, kept while they fit in a number of bytes; the least recently used
/// go first.
#[derive(Debug)]
pub(crate) struct DeleteCaches {
    limit: usize,
    state: Mutex<State>,
}

/// The part of one open table.
#[derive(Debug)]
pub(crate) struct DeleteCache {
    shared: Arc<DeleteCaches>,
    table: u64,
}

/// A data file of an open table.
type Key = (u64, FileId);

#[derive(Debug, Default)]
struct State {
    bitmaps: HashMap<Key, Held>,
    /// The files by when they were used last.
    used: BTreeMap<u64, Key>,
    bytes: usize,
    tick: u64,
    tables: u64,
}

#[derive(Debug)]
struct Held {
    positions: Arc<RoaringBitmap>,
    bytes: usize,
    used: u64,
}

impl DeleteCaches {
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// The part of a table that was just opened.
    pub fn table(self: &Arc<Self>) -> DeleteCache {
        let mut state = self.state();
        state.tables += 1;
        DeleteCache { shared: Arc::clone(self), table: state.tables }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeleteCache {
    pub fn get(&self, id: FileId) -> Option<Arc<RoaringBitmap>> {
        let mut state = self.shared.state();
        let State { bitmaps, used, tick, .. } = &mut *state;
        let held = bitmaps.get_mut(&(self.table, id))?;
        *tick += 1;
        used.remove(&held.used);
        used.insert(*tick, (self.table, id));
        held.used = *tick;
        Some(Arc::clone(&held.positions))
    }

    pub fn put(&self, id: FileId, positions: Arc<RoaringBitmap>) {
        let key = (self.table, id);
        let mut state = self.shared.state();
        state.remove(key);
        state.tick += 1;
        let held = Held { bytes: positions.serialized_size() + size_of::<Held>(), used: state.tick, positions };
        state.bytes += held.bytes;
        state.used.insert(held.used, key);
        state.bitmaps.insert(key, held);
        while state.bytes > self.shared.limit {
            let Some((_, oldest)) = state.used.pop_first() else { break };
            state.remove(oldest);
        }
    }

    pub fn remove(&self, id: FileId) {
        self.shared.state().remove((self.table, id));
    }

    /// Forgets all files of the table.
    pub fn clear(&self) {
        let mut state = self.shared.state();
        let own: Vec<Key> = state.bitmaps.keys().filter(|(table, _)| *table == self.table).copied().collect();
        own.into_iter().for_each(|key| state.remove(key));
    }
}

impl Drop for DeleteCache {
    fn drop(&mut self) {
        self.clear();
    }
}

impl State {
    fn remove(&mut self, key: Key) {
        if let Some(held) = self.bitmaps.remove(&key) {
            self.bytes -= held.bytes;
            self.used.remove(&held.used);
        }
    }
}

/// The deleted positions of a data file, out of all its delete files.
pub(crate) async fn read_all(context: &Context, file: &LiveFile) -> Result<RoaringBitmap, LakeError> {
    let mut positions = RoaringBitmap::new();
    for source in &file.deletes {
        if source.is_vector() {
            return read_vector(context, source).await;
        }
        if let Some(deleted) = read_positions(context, &source.entry).await?.remove(&*file.path) {
            positions |= deleted;
        }
    }
    Ok(positions)
}

async fn read_vector(context: &Context, source: &DeleteSource) -> Result<RoaringBitmap, LakeError> {
    let entry = &source.entry;
    let range = entry.content_offset().zip(entry.content_size_in_bytes()).and_then(|(offset, size)| {
        let offset = u64::try_from(offset).ok()?;
        Some(offset..offset.checked_add(u64::try_from(size).ok()?)?)
    });
    let what = || format!("read the deletion vector in {}", entry.file_path());
    let range = range.ok_or_else(|| {
        LakeError::inconsistent(&context.ident, what(), "its manifest entry does not say where it lies")
    })?;
    let location = io::normalised(entry.file_path());
    let blob = context.seams.storage.read_range(&location, range).await.map_err(LakeError::storage(&context.ident))?;
    let decoded = context.cpu.run(move || files::decode_deletion_vector(&blob)).await;
    decoded.map_err(LakeError::files(&context.ident, what()))
}

/// What a position delete file deletes, by the path of the data file.
pub(crate) async fn read_positions(
    context: &Context,
    entry: &DataFile,
) -> Result<HashMap<String, RoaringBitmap>, LakeError> {
    let bytes =
        io::read(&context.seams.storage, entry.file_path()).await.map_err(LakeError::storage(&context.ident))?;
    let decoded = context.cpu.run(move || {
        let mut positions = HashMap::new();
        files::read_position_deletes(&bytes, &mut positions).map(|()| positions)
    });
    let what = format!("read the position deletes in {}", entry.file_path());
    decoded.await.map_err(LakeError::files(&context.ident, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_keeps_what_was_used_last_and_stays_within_its_bytes() {
        let bitmap = Arc::new((0..1000).map(|n| n * 7).collect::<RoaringBitmap>());
        let each = bitmap.serialized_size() + size_of::<Held>();
        let caches = Arc::new(DeleteCaches::new(each * 3));
        let (cache, other) = (caches.table(), caches.table());
        for id in 0..3 {
            cache.put(FileId(id), Arc::clone(&bitmap));
        }
        assert!(cache.get(FileId(0)).is_some());
        cache.put(FileId(3), Arc::clone(&bitmap));
        assert!(cache.get(FileId(1)).is_none(), "the least recently used goes");
        assert!(cache.get(FileId(0)).is_some() && cache.get(FileId(3)).is_some());
        assert!(caches.state().bytes <= each * 3);
        other.put(FileId(0), Arc::clone(&bitmap));
        assert!(cache.get(FileId(2)).is_none(), "tables share the bytes");
        assert!(other.get(FileId(3)).is_none(), "and nothing else");
        drop(cache);
        assert_eq!(caches.state().bytes, each);
        drop(other);
        let state = caches.state();
        assert_eq!((state.bytes, state.used.len()), (0, 0));
    }
}
