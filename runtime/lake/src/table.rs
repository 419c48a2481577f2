use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::SchemaRef as ArrowSchemaRef;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{FormatVersion as TableVersion, ManifestFile, SnapshotRef, TableMetadata};
use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, SchemaChange};
use uuid::Uuid;

use crate::branch::{MAIN, is_published};
use crate::deletes::DeleteCache;
use crate::lake::Context;
use crate::live::{DeleteSource, Live};
use crate::{
    FileId, FormatVersion, LakeColumn, LakeError, LiveFile, PartitionField, StoredTable, TableIdent, WrittenFile, io,
    schema,
};

/// Property that says in which snapshot, by its sequence number, the checkpoint among the properties was set.
pub(crate) const CHECKPOINT_SEQUENCE_KEY: &str = "sluice.checkpoint-sequence-number";

/// One table at one snapshot; a merged table has its live files and deletes in memory.
#[derive(Debug)]
pub struct LakeTable {
    pub(crate) context: Context,
    pub(crate) stored: StoredTable,
    pub(crate) manifests: Vec<ManifestFile>,
    pub(crate) live: Option<Live>,
    pub(crate) cache: DeleteCache,
    /// Files that a scan read from the manifests, for the next scan of the same snapshot.
    pub(crate) scanned: Mutex<Option<Arc<Live>>>,
    pub(crate) next_file: Arc<AtomicU32>,
    pub(crate) foreign: Refreshed,
}

/// What other programs did to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Whether the table stands at a snapshot that this process did not expect.
    pub changed: bool,
    /// Data files that came (merged tables only).
    pub appeared: Vec<FileId>,
    /// Data files that went (merged tables only).
    pub vanished: Vec<FileId>,
    /// Data files that others deleted rows of, or gave rows back to (merged tables only).
    pub deletes_changed: Vec<FileId>,
    /// Whether there are rows that were not there before: others gave them back, or added some (merged tables only).
    pub rows_came: bool,
    /// Whether all rows were made anew beside the table and took the place of those that were there.
    pub replaced: bool,
}

/// Facts about a table for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Snapshots that the table keeps.
    pub snapshots: usize,
    /// When the current snapshot was committed, in microseconds since the epoch.
    pub committed_us: Option<i64>,
    /// Data files of the current snapshot.
    pub data_files: u64,
    /// Delete files (or vectors) of the current snapshot.
    pub delete_files: u64,
    /// Bytes of data files and deletes together.
    pub data_bytes: u64,
    /// Manifests of the current snapshot.
    pub manifests: usize,
    /// Where the table is.
    pub location: String,
    /// Where its current metadata file is.
    pub metadata_location: String,
}

impl LakeTable {
    pub(crate) async fn open(context: Context, stored: StoredTable) -> Result<Self, LakeError> {
        if stored.metadata.format_version() == TableVersion::V1 {
            let what = "it has format version 1, which has no row deletes: upgrade it to version 2 or 3".to_owned();
            return Err(LakeError::Unsupported { table: context.ident.to_string(), what });
        }
        let manifests = read_list(&context, &stored.metadata).await?;
        let cache = context.caches.table();
        let mut table = Self {
            context,
            stored,
            manifests,
            live: None,
            cache,
            scanned: Mutex::default(),
            next_file: Arc::default(),
            foreign: Refreshed::default(),
        };
        if table.context.seams.role.keeps_files() {
            table.live = Some(table.load_live().await?);
        }
        Ok(table)
    }

    /// The table's name.
    pub fn ident(&self) -> &TableIdent {
        &self.context.ident
    }

    /// The table's identity, which no other table ever has.
    pub fn uuid(&self) -> Uuid {
        self.stored.metadata.uuid()
    }

    /// The current snapshot; `None` before the first commit.
    pub fn snapshot_id(&self) -> Option<i64> {
        self.head().map(|snapshot| snapshot.snapshot_id())
    }

    /// Version of the table format.
    pub fn format_version(&self) -> FormatVersion {
        match self.stored.metadata.format_version() {
            TableVersion::V3 => FormatVersion::V3,
            _ => FormatVersion::V2,
        }
    }

    /// The columns that sluice can read and write.
    pub fn columns(&self) -> Vec<LakeColumn> {
        schema::columns(self.stored.metadata.current_schema())
    }

    /// The same columns as an Arrow schema.
    pub fn arrow_schema(&self) -> ArrowSchemaRef {
        schema::arrow(self.stored.metadata.current_schema())
    }

    /// The Arrow schema of the table after `change`.
    pub fn arrow_schema_after(&self, change: &SchemaChange) -> Result<ArrowSchemaRef, LakeError> {
        let changed = schema::changed(&self.context.ident, &self.stored.metadata, change)?;
        Ok(changed.map_or_else(|| self.arrow_schema(), |schema| schema::arrow(&schema)))
    }

    /// The partitioning of new data files.
    pub fn partition(&self) -> Vec<PartitionField> {
        schema::partition_fields(self.stored.metadata.default_partition_spec(), self.stored.metadata.current_schema())
    }

    /// A table property.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.stored.metadata.properties().get(key).map(String::as_str)
    }

    /// What the table's rows cover: the checkpoint of the newest ancestor that carries one, else the table property.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, LakeError> {
        checkpoint(&self.context.ident, &self.stored.metadata, &self.context.branch)
    }

    /// Rows that are not deleted.
    pub fn rows(&self) -> u64 {
        match &self.live {
            Some(live) => live.rows(),
            None => self.total("total-records").saturating_sub(self.total("total-position-deletes")),
        }
    }

    /// Facts for people.
    pub fn facts(&self) -> TableFacts {
        let metadata = &self.stored.metadata;
        TableFacts {
            snapshots: metadata.snapshots().len(),
            committed_us: self.head().map(|snapshot| snapshot.timestamp_ms().saturating_mul(1000)),
            data_files: self.total("total-data-files"),
            delete_files: self.total("total-delete-files"),
            data_bytes: self.total("total-files-size"),
            manifests: self.manifests.len(),
            location: metadata.location().to_owned(),
            metadata_location: self.stored.location.to_string(),
        }
    }

    /// The data files of the current snapshot, in the order of their numbers; none unless this is a merged table.
    pub fn live_files(&self) -> impl Iterator<Item = &LiveFile> {
        self.live.iter().flat_map(|live| live.files.values())
    }

    /// The data file of this number, if it is part of the current snapshot of a merged table.
    pub fn live_file(&self, id: FileId) -> Option<&LiveFile> {
        self.live.as_ref()?.files.get(&id)
    }

    /// What other programs did since the table was opened or last refreshed, as far as it was noticed.
    pub fn foreign(&self) -> &Refreshed {
        &self.foreign
    }

    /// The same, and forgets it.
    pub fn take_foreign(&mut self) -> Refreshed {
        std::mem::take(&mut self.foreign)
    }

    /// Whether the current snapshot stands on this one; not known, and so `false`, once the other has expired.
    pub fn descends_from(&self, snapshot: i64) -> bool {
        ancestors(&self.stored.metadata, &self.context.branch).any(|ancestor| ancestor.snapshot_id() == snapshot)
    }

    /// Gives the data files of a merged table the numbers by which someone else knows them; all others get numbers from
    /// `next` on. Numbers that were handed out before no longer hold.
    pub fn number_files(&mut self, known: &HashMap<&str, FileId>, next: u32) {
        self.next_file = Arc::new(AtomicU32::new(next));
        let Some(live) = self.live.take() else { return };
        let number = |path: &str| {
            known.get(path).copied().unwrap_or_else(|| FileId(self.next_file.fetch_add(1, Ordering::Relaxed)))
        };
        self.live = Some(live.renumbered(number));
        self.cache.clear();
    }

    /// The deleted positions of data files of a merged table. Files that are not part of the current snapshot are left out.
    pub async fn deleted(&self, files: &[FileId]) -> Result<HashMap<FileId, Arc<RoaringBitmap>>, LakeError> {
        let live = files.iter().filter_map(|id| self.live_file(*id));
        let reads: Vec<_> =
            live.map(|file| async move { Ok((file.id, self.positions(file).await?)) }.boxed()).collect();
        stream::iter(reads).buffer_unordered(self.context.settings.parallel_files).try_collect().await
    }

    /// Brings the table to its current snapshot and says what other programs did since it was opened or refreshed.
    pub async fn refresh(&mut self) -> Result<Refreshed, LakeError> {
        self.reload(&[]).await?;
        Ok(self.take_foreign())
    }

    /// Brings the table to its current snapshot. Files of `ours` keep their numbers and do not count as foreign.
    pub(crate) async fn reload(&mut self, ours: &[WrittenFile]) -> Result<(), LakeError> {
        let context = &self.context;
        let loaded = context.catalog.load(&context.seams, &context.ident, Some(&self.stored)).await?;
        let stored = loaded.ok_or_else(|| LakeError::Missing(context.ident.clone()))?;
        if stored.metadata.uuid() != self.stored.metadata.uuid() {
            return Err(LakeError::Replaced(context.ident.clone()));
        }
        if stored.location == self.stored.location {
            return Ok(());
        }
        let before = self.snapshot_id();
        if head_id(&stored.metadata, &context.branch) == before {
            self.stored = stored;
            return Ok(());
        }
        let since = ancestors(&stored.metadata, &context.branch).take_while(|now| Some(now.snapshot_id()) != before);
        let replaced = since.into_iter().any(is_published);
        // Everything is read before anything is replaced: a failure leaves the table whole at its old snapshot.
        let manifests = read_list(context, &stored.metadata).await?;
        let live = match &self.live {
            Some(_) => Some(self.read_live(&stored.metadata, &manifests, ours).await?),
            None => None,
        };
        if let Some(live) = &live {
            self.note_foreign(live, ours);
        }
        self.foreign.changed = true;
        self.foreign.replaced |= replaced;
        self.forget_scanned();
        (self.stored, self.manifests, self.live) = (stored, manifests, live);
        Ok(())
    }

    /// The live files of the current snapshot for a scan of a table that keeps none in memory.
    pub(crate) async fn files_to_scan(&self) -> Result<Arc<Live>, LakeError> {
        let held = self.scanned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(live) = held {
            return Ok(live);
        }
        let live = Arc::new(self.load_live().await?);
        *self.scanned.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&live));
        Ok(live)
    }

    /// Lets go of what a scan read, because the snapshot changes.
    pub(crate) fn forget_scanned(&self) {
        *self.scanned.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The live files of the current snapshot, read from its manifests.
    pub(crate) async fn load_live(&self) -> Result<Live, LakeError> {
        self.read_live(&self.stored.metadata, &self.manifests, &[]).await
    }

    /// The live files of a snapshot, read from its manifests; files that are known keep their numbers.
    pub(crate) async fn read_live(
        &self,
        metadata: &TableMetadata,
        manifests: &[ManifestFile],
        ours: &[WrittenFile],
    ) -> Result<Live, LakeError> {
        let ours: HashMap<&str, FileId> = ours.iter().map(|file| (file.path(), file.id)).collect();
        let number = |path: &str| {
            let before = self.live.as_ref().and_then(|live| live.by_path.get(path));
            let id = before.or_else(|| ours.get(path)).copied();
            id.unwrap_or_else(|| FileId(self.next_file.fetch_add(1, Ordering::Relaxed)))
        };
        Live::load(&self.context, metadata, manifests, number).await
    }

    /// Adds the differences between the files in memory and those read anew to what others have done.
    fn note_foreign(&mut self, now: &Live, ours: &[WrittenFile]) {
        let Some(before) = &self.live else { return };
        let ours: HashSet<FileId> = ours.iter().map(|file| file.id).collect();
        let live = |file: &LiveFile| file.records.saturating_sub(file.deleted);
        let (mut came, mut went) = (0, 0);
        for (id, file) in &now.files {
            match before.files.get(id) {
                None if !ours.contains(id) => {
                    came += live(file);
                    self.foreign.appeared.push(*id);
                }
                Some(was) if !same_deletes(was, file) => {
                    self.foreign.rows_came |= file.deleted < was.deleted;
                    self.foreign.deletes_changed.push(*id);
                    self.cache.remove(*id);
                }
                _ => {}
            }
        }
        for (id, file) in before.files.iter().filter(|(id, _)| !now.files.contains_key(id)) {
            went += live(file);
            self.foreign.vanished.push(*id);
            self.cache.remove(*id);
        }
        // A compaction moves rows and leaves their number.
        self.foreign.rows_came |= came > went;
    }

    /// The newest snapshot of the branch.
    pub(crate) fn head(&self) -> Option<&SnapshotRef> {
        head(&self.stored.metadata, &self.context.branch)
    }

    fn total(&self, key: &str) -> u64 {
        let snapshot = self.head();
        let text = snapshot.and_then(|snapshot| snapshot.summary().additional_properties.get(key));
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

fn same_deletes(a: &LiveFile, b: &LiveFile) -> bool {
    a.deletes.iter().map(DeleteSource::key).eq(b.deletes.iter().map(DeleteSource::key))
}

/// The newest snapshot of a branch; `None` where there is no such branch, or nothing on it.
pub(crate) fn head<'a>(metadata: &'a TableMetadata, branch: &str) -> Option<&'a SnapshotRef> {
    if branch == MAIN { metadata.current_snapshot() } else { metadata.snapshot_for_ref(branch) }
}

/// The same by its number.
pub(crate) fn head_id(metadata: &TableMetadata, branch: &str) -> Option<i64> {
    head(metadata, branch).map(|snapshot| snapshot.snapshot_id())
}

/// A snapshot and those before it, newest first, as far as the table still keeps them.
pub(crate) fn lineage<'a>(
    metadata: &'a TableMetadata,
    from: Option<&'a SnapshotRef>,
) -> impl Iterator<Item = &'a SnapshotRef> {
    std::iter::successors(from, |snapshot| metadata.snapshot_by_id(snapshot.parent_snapshot_id()?))
}

/// The snapshots of a branch, newest first, as far as the table still keeps them.
pub(crate) fn ancestors<'a>(metadata: &'a TableMetadata, branch: &str) -> impl Iterator<Item = &'a SnapshotRef> {
    lineage(metadata, head(metadata, branch))
}

/// The checkpoint of the newest ancestor that carries one; on main, else the table property, unless the table was rolled back to
/// before that was set: a rollback leaves properties as they are.
pub(crate) fn checkpoint(
    ident: &TableIdent,
    metadata: &TableMetadata,
    branch: &str,
) -> Result<Option<Checkpoint>, LakeError> {
    let mut oldest = None;
    for snapshot in ancestors(metadata, branch) {
        let carried = of_snapshot(ident, snapshot)?;
        if carried.is_some() {
            return Ok(carried);
        }
        oldest = Some(snapshot.sequence_number());
    }
    if branch != MAIN {
        return Ok(None);
    }
    let set = metadata.properties().get(CHECKPOINT_SEQUENCE_KEY).and_then(|text| text.parse::<i64>().ok());
    if oldest.zip(set).is_some_and(|(oldest, set)| oldest < set) {
        return Err(LakeError::PositionLost(ident.clone()));
    }
    Checkpoint::from_properties(|key| metadata.properties().get(key)).map_err(LakeError::checkpoint(ident))
}

/// The checkpoint that a snapshot carries itself.
pub(crate) fn of_snapshot(ident: &TableIdent, snapshot: &SnapshotRef) -> Result<Option<Checkpoint>, LakeError> {
    let properties = &snapshot.summary().additional_properties;
    Checkpoint::from_properties(|key| properties.get(key)).map_err(LakeError::checkpoint(ident))
}

/// The manifests of the branch's newest snapshot.
pub(crate) async fn read_list(context: &Context, metadata: &TableMetadata) -> Result<Vec<ManifestFile>, LakeError> {
    let Some(snapshot) = head(metadata, &context.branch) else { return Ok(Vec::new()) };
    let location = snapshot.manifest_list();
    let bytes = io::read(&context.seams.storage, location).await.map_err(LakeError::storage(&context.ident))?;
    let what = format!("read the manifest list {location}");
    io::decode_list(&bytes, metadata.format_version()).map_err(LakeError::metadata(&context.ident, what))
}
