mod deletes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub(crate) use deletes::NewDelete;
use iceberg::spec::{
    DataFile, FormatVersion, ManifestContentType, ManifestFile, Snapshot, SnapshotRef, Summary, TableMetadata,
};
use roaring::RoaringBitmap;

use crate::lake::{Context, metadata_folder};
use crate::live::{DeleteSource, Live};
use crate::manifest::{Entry, ManifestWriter, bins, is_live, number};
use crate::summary::Tally;
use crate::{FileId, LakeError, LakeTable, LiveFile, WrittenFile, io};

/// A snapshot that is written but not yet part of the table.
#[derive(Debug)]
pub(crate) struct Draft {
    pub snapshot: Snapshot,
    pub manifests: Vec<ManifestFile>,
    pub effect: Effect,
}

/// What the snapshot does to the files in memory.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    pub added: Vec<LiveFile>,
    pub removed: Vec<FileId>,
    /// Whether everything that was there goes.
    pub replaced_all: bool,
    pub deletes: Vec<NewDelete>,
    /// Which manifest the files of another went into.
    pub moved: HashMap<String, Arc<str>>,
    /// Whether more changed than is said here, so that the files have to be read anew: row ids were given to files that
    /// were there before.
    pub reread: bool,
}

/// What a snapshot does to the table's files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileChange<'a> {
    /// Data files to add.
    pub files: &'a [WrittenFile],
    /// Newly deleted positions, of live files and of those to add.
    pub deletes: &'a HashMap<FileId, RoaringBitmap>,
    /// Whether all data files before these go.
    pub replace_all: bool,
    /// Live files whose rows the new files hold: readers see no difference.
    pub rewritten: &'a [FileId],
    /// Data sequence number of the new files; `None`: that of the snapshot.
    pub sequence: Option<i64>,
}

/// What a change does to data files that are there.
#[derive(Default)]
struct Plan {
    /// Files that go whole, by the manifest that holds them.
    removed: BTreeMap<Arc<str>, HashSet<Arc<str>>>,
    removed_ids: Vec<FileId>,
    /// Delete files that go.
    replaced: Vec<DeleteSource>,
}

/// Writes one snapshot.
struct Drafting<'a> {
    table: &'a LakeTable,
    change: &'a FileChange<'a>,
    metadata: &'a TableMetadata,
    /// The snapshot before it.
    parent: Option<&'a SnapshotRef>,
    snapshot_id: i64,
    sequence: i64,
    /// Bytes of deleted positions that are kept for the next commit.
    kept_bytes: usize,
    tally: Tally,
    effect: Effect,
}

impl LakeTable {
    /// Writes the files of the snapshot that `change` makes out of the current one, as part of `metadata`, which is the
    /// table with the change's schema. Everything written is added to `written`.
    ///
    /// The data files that the change deletes from or rewrites must all be live.
    pub(crate) async fn draft(
        &self,
        change: &FileChange<'_>,
        metadata: &TableMetadata,
        checkpoint: &[(String, String)],
        written: &mut Vec<String>,
    ) -> Result<Draft, LakeError> {
        let context = &self.context;
        let snapshot_id = self.unused_snapshot_id();
        let mut drafting = Drafting {
            table: self,
            change,
            metadata,
            parent: self.head(),
            snapshot_id,
            sequence: metadata.next_sequence_number(),
            kept_bytes: 0,
            tally: Tally { rewrites: !change.rewritten.is_empty(), ..Tally::default() },
            effect: Effect::default(),
        };
        let plan = drafting.plan(written).await?;
        let mut writer = ManifestWriter {
            context,
            metadata,
            snapshot_id,
            prefix: context.seams.entropy.uuid(),
            written: &mut *written,
            count: 0,
        };
        let mut manifests = drafting.data_manifests(&plan, &mut writer).await?;
        manifests.extend(drafting.delete_manifests(&plan, &mut writer).await?);
        let summary = drafting.tally.summary(drafting.parent.map(AsRef::as_ref), checkpoint);
        drafting.finish(manifests, summary, written).await
    }

    /// The snapshot after `parent` of another branch that has exactly the rows of this one.
    pub(crate) async fn draft_replacement(
        &self,
        parent: Option<&SnapshotRef>,
        facts: &[(String, String)],
        written: &mut Vec<String>,
    ) -> Result<Draft, LakeError> {
        let mut tally = Tally::default();
        for file in self.live_files() {
            tally.added.count(file.records, file.bytes);
            tally.partitions.insert((file.spec_id, file.partition.clone()));
        }
        for (source, _) in self.live.iter().flat_map(Live::delete_sources) {
            tally.added_deletes.count(source.is_vector(), source.entry.record_count(), source.bytes());
        }
        let summary = tally.replacing(parent.map(AsRef::as_ref), facts);
        let metadata = &*self.stored.metadata;
        let drafting = Drafting {
            table: self,
            change: &FileChange {
                files: &[],
                deletes: &HashMap::new(),
                replace_all: false,
                rewritten: &[],
                sequence: None,
            },
            metadata,
            parent,
            snapshot_id: self.unused_snapshot_id(),
            sequence: metadata.next_sequence_number(),
            kept_bytes: 0,
            tally,
            effect: Effect::default(),
        };
        let manifests = self.manifests.iter().filter(|manifest| is_live(manifest)).cloned().collect();
        drafting.finish(manifests, summary, written).await
    }

    fn unused_snapshot_id(&self) -> i64 {
        loop {
            let id = i64::try_from(self.context.seams.entropy.next_u64() >> 1).unwrap_or(i64::MAX);
            if id > 0 && self.stored.metadata.snapshot_by_id(id).is_none() {
                return id;
            }
        }
    }

    /// The deleted positions of a live file.
    pub(crate) async fn positions(&self, file: &LiveFile) -> Result<Arc<RoaringBitmap>, LakeError> {
        if file.deletes.is_empty() {
            return Ok(Arc::default());
        }
        if let Some(cached) = self.cache.get(file.id) {
            return Ok(cached);
        }
        let positions = Arc::new(crate::deletes::read_all(&self.context, file).await?);
        self.cache.put(file.id, Arc::clone(&positions));
        Ok(positions)
    }
}

impl Drafting<'_> {
    fn context(&self) -> &Context {
        &self.table.context
    }

    /// Finds out which delete files and which data files the change replaces or removes, and stores the new deletes.
    async fn plan(&mut self, written: &mut Vec<String>) -> Result<Plan, LakeError> {
        let mut plan = Plan::default();
        if self.change.replace_all {
            // Which manifest holds what does not matter: all go. Only the delete files are counted one by one.
            if let Some(live) = &self.table.live {
                plan.removed_ids = live.files.keys().copied().collect();
                plan.replaced = live.delete_sources().map(|(source, _)| source.clone()).collect();
            }
        }
        let live = self.table.live.as_ref();
        for file in self.change.rewritten.iter().filter_map(|id| live?.files.get(id)) {
            plan.removed.entry(Arc::clone(&file.manifest)).or_default().insert(Arc::clone(&file.path));
            plan.removed_ids.push(file.id);
            plan.replaced.extend(file.deletes.iter().filter(|source| source.exclusive).cloned());
        }
        self.merge_deletes(&mut plan, written).await?;
        for source in &plan.replaced {
            let (positions, bytes) = (source.entry.record_count(), source.bytes());
            self.tally.removed_deletes.count(source.is_vector(), positions, bytes);
        }
        self.effect.removed.clone_from(&plan.removed_ids);
        self.effect.replaced_all = self.change.replace_all;
        Ok(plan)
    }

    /// The data manifests of the snapshot: those before, without the files that go, and one for those that come.
    async fn data_manifests(
        &mut self,
        plan: &Plan,
        writer: &mut ManifestWriter<'_>,
    ) -> Result<Vec<ManifestFile>, LakeError> {
        let before = self.table.manifests.iter().filter(|m| m.content == ManifestContentType::Data && is_live(m));
        let mut kept = Vec::new();
        let mut touched = Vec::new();
        for manifest in before {
            if self.change.replace_all || plan.removed.contains_key(manifest.manifest_path.as_str()) {
                touched.push(manifest.clone());
            } else {
                kept.push(manifest.clone());
            }
        }
        let mut rewritten = Vec::new();
        for (spec_id, bin) in bins(touched, self.context().settings.manifest_bytes) {
            let mut entries = Vec::new();
            for manifest in &bin {
                let gone = plan.removed.get(manifest.manifest_path.as_str());
                for entry in writer.read(manifest).await? {
                    let file = &entry.file;
                    if self.change.replace_all || gone.is_some_and(|gone| gone.contains(file.file_path())) {
                        self.tally.removed.count(file.record_count(), file.file_size_in_bytes());
                        self.tally.partitions.insert((spec_id, file.partition().clone()));
                        entries.push(entry.deleted());
                    } else {
                        entries.push(entry.existing());
                    }
                }
            }
            let new = writer.write(spec_id, ManifestContentType::Data, entries).await?;
            let path: Arc<str> = new.manifest_path.as_str().into();
            self.effect.moved.extend(bin.into_iter().map(|manifest| (manifest.manifest_path, Arc::clone(&path))));
            rewritten.push(new);
        }
        let merged = writer.merge_small(&mut kept).await?;
        self.effect.moved.extend(merged);
        kept.extend(rewritten);
        kept.extend(self.added_manifests(writer).await?);
        Ok(kept)
    }

    async fn added_manifests(&mut self, writer: &mut ManifestWriter<'_>) -> Result<Vec<ManifestFile>, LakeError> {
        let mut by_spec: BTreeMap<i32, Vec<&WrittenFile>> = BTreeMap::new();
        for file in self.change.files {
            by_spec.entry(file.spec_id).or_default().push(file);
        }
        let mut manifests = Vec::with_capacity(by_spec.len());
        for (spec_id, files) in by_spec {
            let sequence = self.change.sequence;
            let added = |file: &&WrittenFile| Entry::Added { file: DataFile::clone(&file.entry), sequence };
            let entries = files.iter().map(added);
            let manifest = writer.write(spec_id, ManifestContentType::Data, entries.collect()).await?;
            let path: Arc<str> = manifest.manifest_path.as_str().into();
            for file in files {
                self.tally.added.count(file.records, file.bytes);
                self.tally.partitions.insert((spec_id, file.partition().clone()));
                let partition = file.partition().clone();
                let manifest = Arc::clone(&path);
                self.effect.added.push(LiveFile::new(
                    file.id,
                    &file.entry,
                    spec_id,
                    partition,
                    sequence.unwrap_or(self.sequence),
                    None,
                    manifest,
                ));
            }
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    /// Writes the manifest list and makes the snapshot.
    async fn finish(
        mut self,
        mut manifests: Vec<ManifestFile>,
        summary: Summary,
        written: &mut Vec<String>,
    ) -> Result<Draft, LakeError> {
        let context = self.context().clone();
        let (metadata, snapshot_id, sequence) = (self.metadata, self.snapshot_id, self.sequence);
        let (version, first) = (metadata.format_version(), metadata.next_row_id());
        let (next, renumbered) = number(&mut manifests, sequence, version, first);
        self.effect.reread = renumbered;
        self.number_added(&manifests);
        let uuid = context.seams.entropy.uuid();
        let location = format!("{}/snap-{snapshot_id}-0-{uuid}.avro", metadata_folder(metadata));
        let parent = self.parent.map(|parent| parent.snapshot_id());
        let output = io::ListOutput { snapshot_id, parent, sequence_number: sequence, version, next_row_id: first };
        let refused = LakeError::metadata(&context.ident, "write a manifest list");
        let bytes = io::encode_list(output, manifests.clone()).await.map_err(refused)?;
        written.push(location.clone());
        let stored = io::write(&context.seams.storage, &location, bytes).await;
        stored.map_err(LakeError::storage(&context.ident))?;
        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(parent)
            .with_sequence_number(sequence)
            // A clock behind that of another writer must not make history run backwards.
            .with_timestamp_ms((context.seams.clock.now_us() / 1000).max(self.table.stored.metadata.last_updated_ms()))
            .with_manifest_list(location)
            .with_summary(summary)
            .with_schema_id(metadata.current_schema_id());
        let snapshot = match version {
            FormatVersion::V3 => snapshot.with_row_range(first, next - first).build(),
            _ => snapshot.build(),
        };
        Ok(Draft { snapshot, manifests, effect: self.effect })
    }

    /// Gives the new files in memory the row ids that their manifests give them.
    fn number_added(&mut self, manifests: &[ManifestFile]) {
        for manifest in manifests {
            let mut next = manifest.first_row_id.and_then(|id| i64::try_from(id).ok());
            for file in self.effect.added.iter_mut().filter(|file| *file.manifest == manifest.manifest_path) {
                file.first_row_id = next;
                next = next.map(|id| id.saturating_add_unsigned(file.records));
            }
        }
    }
}
