use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, FormatVersion, ManifestContentType, ManifestFile,
    Snapshot, Struct, TableMetadata,
};
use roaring::RoaringBitmap;

use crate::files::{self, DeletionVector};
use crate::lake::{Context, Point, data_folder, metadata_folder};
use crate::live::{DeleteSource, Live};
use crate::manifest::{Entry, ManifestWriter, bins, is_live, number};
use crate::summary::Tally;
use crate::{FileId, LakeError, LakeTable, LiveFile, WrittenFile, deletes, io};

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

/// Deleted positions of one data file, stored.
#[derive(Debug)]
pub(crate) struct NewDelete {
    pub file: FileId,
    pub source: DeleteSource,
    pub positions: Arc<RoaringBitmap>,
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

/// A data file whose deletes change.
struct Target {
    id: FileId,
    path: Arc<str>,
    partition: Struct,
    spec_id: i32,
    positions: Arc<RoaringBitmap>,
    replaced: Vec<DeleteSource>,
}

/// What a change does to data files that are there.
#[derive(Default)]
struct Plan {
    targets: Vec<Target>,
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
    snapshot_id: i64,
    sequence: i64,
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
        let snapshot_id = loop {
            let id = i64::try_from(context.seams.entropy.next_u64() >> 1).unwrap_or(i64::MAX);
            if id > 0 && metadata.snapshot_by_id(id).is_none() {
                break id;
            }
        };
        let mut drafting = Drafting {
            table: self,
            change,
            metadata,
            snapshot_id,
            sequence: metadata.next_sequence_number(),
            tally: Tally { rewrites: !change.rewritten.is_empty(), ..Tally::default() },
            effect: Effect::default(),
        };
        let plan = drafting.plan().await?;
        drafting.store_deletes(&plan.targets, written).await?;
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
        drafting.finish(manifests, checkpoint, written).await
    }

    /// The deleted positions of a live file.
    pub(crate) async fn positions(&self, file: &LiveFile) -> Result<Arc<RoaringBitmap>, LakeError> {
        if file.deletes.is_empty() {
            return Ok(Arc::default());
        }
        if let Some(cached) = self.cache.get(file.id) {
            return Ok(cached);
        }
        let positions = Arc::new(deletes::read_all(&self.context, file).await?);
        self.cache.put(file.id, Arc::clone(&positions));
        Ok(positions)
    }
}

impl Drafting<'_> {
    fn context(&self) -> &Context {
        &self.table.context
    }

    /// Finds out which delete files and which data files the change replaces or removes.
    async fn plan(&mut self) -> Result<Plan, LakeError> {
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
        let new: HashMap<FileId, &WrittenFile> = self.change.files.iter().map(|file| (file.id, file)).collect();
        let mut wanted: Vec<(&FileId, &RoaringBitmap)> =
            self.change.deletes.iter().filter(|(_, positions)| !positions.is_empty()).collect();
        wanted.sort_by_key(|(id, _)| **id);
        let merges = wanted.into_iter().map(|(id, positions)| {
            let (table, new) = (self.table, new.get(id).copied());
            let live = live.and_then(|live| live.files.get(id)).filter(|_| !self.change.replace_all);
            merge(table, *id, positions, new, live).boxed()
        });
        let merges: Vec<_> = merges.collect();
        let merged: Vec<Option<(Target, Option<&LiveFile>)>> =
            stream::iter(merges).buffered(self.context().settings.parallel_files).try_collect().await?;
        for (target, live) in merged.into_iter().flatten() {
            self.tally.partitions.insert((target.spec_id, target.partition.clone()));
            plan.replaced.extend(target.replaced.iter().cloned());
            match live {
                Some(live) if target.positions.len() >= live.records => {
                    plan.removed.entry(Arc::clone(&live.manifest)).or_default().insert(Arc::clone(&live.path));
                    plan.removed_ids.push(live.id);
                }
                _ => plan.targets.push(target),
            }
        }
        for source in &plan.replaced {
            let (positions, bytes) = (source.entry.record_count(), source.bytes());
            self.tally.removed_deletes.count(source.is_vector(), positions, bytes);
        }
        self.effect.removed.clone_from(&plan.removed_ids);
        self.effect.replaced_all = self.change.replace_all;
        Ok(plan)
    }

    /// Encodes and stores the new deletes.
    async fn store_deletes(&mut self, targets: &[Target], written: &mut Vec<String>) -> Result<(), LakeError> {
        let context = self.context().clone();
        let folder = data_folder(self.metadata);
        let vectors = self.metadata.format_version() >= FormatVersion::V3;
        let in_one_file = if vectors { context.settings.vectors_per_file.max(1) } else { 1 };
        let jobs = targets.chunks(in_one_file).map(|chunk| {
            let suffix = if vectors { "puffin" } else { "parquet" };
            let path = format!("{folder}/{}-deletes.{suffix}", context.seams.entropy.uuid());
            written.push(path.clone());
            store_chunk(&context, chunk, path, vectors).boxed()
        });
        let jobs: Vec<_> = jobs.collect();
        let stored: Vec<Vec<DataFile>> =
            stream::iter(jobs).buffered(context.settings.parallel_files).try_collect().await?;
        for (target, entry) in targets.iter().zip(stored.into_iter().flatten()) {
            let source = DeleteSource {
                entry: Arc::new(entry),
                spec_id: target.spec_id,
                snapshot_id: self.snapshot_id,
                sequence: self.sequence,
                file_sequence: self.sequence,
                // Known once the manifest is written.
                manifest: Arc::default(),
                exclusive: true,
            };
            self.tally.added_deletes.count(source.is_vector(), source.entry.record_count(), source.bytes());
            self.effect.deletes.push(NewDelete { file: target.id, source, positions: Arc::clone(&target.positions) });
        }
        Ok(())
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

    /// The delete manifests of the snapshot: those that nothing changes in stay, the others become one (a spec).
    async fn delete_manifests(
        &mut self,
        plan: &Plan,
        writer: &mut ManifestWriter<'_>,
    ) -> Result<Vec<ManifestFile>, LakeError> {
        let before: Vec<&ManifestFile> =
            self.table.manifests.iter().filter(|m| m.content == ManifestContentType::Deletes && is_live(m)).collect();
        let mut touched: HashSet<&str> = plan.replaced.iter().map(|source| &*source.manifest).collect();
        let limit = i64::try_from(self.context().settings.manifest_bytes).unwrap_or(i64::MAX);
        let small = before.iter().filter(|m| m.manifest_length < limit && !touched.contains(m.manifest_path.as_str()));
        let small: Vec<&str> = small.map(|manifest| manifest.manifest_path.as_str()).collect();
        if self.table.live.is_some() && small.len() > self.context().settings.small_delete_manifests {
            touched.extend(small);
        }
        let mut entries: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
        for source in &plan.replaced {
            entries.entry(source.spec_id).or_default().push(source.deleted());
        }
        let replaced: HashSet<_> = plan.replaced.iter().map(DeleteSource::key).collect();
        for (source, dangling) in self.table.live.iter().flat_map(Live::delete_sources) {
            if !touched.contains(&*source.manifest) || replaced.contains(&source.key()) {
                continue;
            }
            let into = entries.entry(source.spec_id).or_default();
            if dangling {
                self.tally.removed_deletes.count(source.is_vector(), source.entry.record_count(), source.bytes());
                into.push(source.deleted());
            } else {
                into.push(source.existing());
            }
        }
        for new in &self.effect.deletes {
            entries
                .entry(new.source.spec_id)
                .or_default()
                .push(Entry::Added { file: DataFile::clone(&new.source.entry), sequence: None });
        }
        let mut manifests: Vec<ManifestFile> =
            before.iter().filter(|m| !touched.contains(m.manifest_path.as_str())).map(|m| (*m).clone()).collect();
        for (spec_id, entries) in entries {
            let manifest = writer.write(spec_id, ManifestContentType::Deletes, entries).await?;
            let path: Arc<str> = manifest.manifest_path.as_str().into();
            let of_spec = before.iter().filter(|m| m.partition_spec_id == spec_id);
            for manifest in of_spec.filter(|m| touched.contains(m.manifest_path.as_str())) {
                self.effect.moved.insert(manifest.manifest_path.clone(), Arc::clone(&path));
            }
            for new in self.effect.deletes.iter_mut().filter(|new| new.source.spec_id == spec_id) {
                new.source.manifest = Arc::clone(&path);
            }
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    /// Writes the manifest list and makes the snapshot.
    async fn finish(
        mut self,
        mut manifests: Vec<ManifestFile>,
        checkpoint: &[(String, String)],
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
        let parent = metadata.current_snapshot();
        let output = io::ListOutput {
            snapshot_id,
            parent: parent.map(|parent| parent.snapshot_id()),
            sequence_number: sequence,
            version,
            next_row_id: first,
        };
        let refused = LakeError::metadata(&context.ident, "write a manifest list");
        let bytes = io::encode_list(output, manifests.clone()).await.map_err(refused)?;
        written.push(location.clone());
        let stored = io::write(&context.seams.storage, &location, bytes).await;
        stored.map_err(LakeError::storage(&context.ident))?;
        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(parent.map(|parent| parent.snapshot_id()))
            .with_sequence_number(sequence)
            // A clock behind that of another writer must not make history run backwards.
            .with_timestamp_ms((context.seams.clock.now_us() / 1000).max(self.table.stored.metadata.last_updated_ms()))
            .with_manifest_list(location)
            .with_summary(self.tally.summary(parent.map(AsRef::as_ref), checkpoint))
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

/// Puts newly deleted positions of a file together with those it has; `None` where nothing is new.
async fn merge<'a>(
    table: &LakeTable,
    id: FileId,
    positions: &RoaringBitmap,
    new: Option<&WrittenFile>,
    live: Option<&'a LiveFile>,
) -> Result<Option<(Target, Option<&'a LiveFile>)>, LakeError> {
    let ident = &table.context.ident;
    let (path, partition, spec_id, records): (Arc<str>, _, _, _) = match (live, new) {
        (Some(live), _) => (Arc::clone(&live.path), &live.partition, live.spec_id, live.records),
        (None, Some(new)) => (new.path().into(), new.partition(), new.spec_id, new.records),
        (None, None) => {
            return Err(LakeError::inconsistent(ident, "delete rows", format!("data file {id} is not part of it")));
        }
    };
    if positions.max().is_some_and(|last| u64::from(last) >= records) {
        let why = format!("{path} has {records} rows and position {:?} is not among them", positions.max());
        return Err(LakeError::inconsistent(ident, "delete rows", why));
    }
    let before = match live {
        Some(live) => table.positions(live).await?,
        None => Arc::default(),
    };
    let merged = &*before | positions;
    if merged.len() == before.len() {
        return Ok(None);
    }
    let replaced =
        live.map_or_else(Vec::new, |live| live.deletes.iter().filter(|source| source.exclusive).cloned().collect());
    let partition = partition.clone();
    let target = Target { id, path, partition, spec_id, positions: Arc::new(merged), replaced };
    Ok(Some((target, live)))
}

/// Encodes the deletes of some files as one, stores it at `path` and describes it for the manifest.
async fn store_chunk(
    context: &Context,
    chunk: &[Target],
    path: String,
    vectors: bool,
) -> Result<Vec<DataFile>, LakeError> {
    let refused = || LakeError::files(&context.ident, "encode deletes");
    let owners: Vec<(DataFile, i32)> = chunk
        .iter()
        .map(|target| Ok((described(target)?, target.spec_id)))
        .collect::<iceberg::Result<_>>()
        .map_err(LakeError::metadata(&context.ident, "describe deletes"))?;
    let positions: Vec<(Arc<str>, Arc<RoaringBitmap>)> =
        chunk.iter().map(|target| (Arc::clone(&target.path), Arc::clone(&target.positions))).collect();
    let at = path.clone();
    let encoded = context.cpu.run(move || {
        if vectors {
            let vectors: Vec<DeletionVector<'_>> =
                positions.iter().map(|(data_file, positions)| DeletionVector { data_file, positions }).collect();
            let puffin = files::encode_deletion_vectors(&vectors)?;
            let size = puffin.bytes.len() as u64;
            let entries = puffin.vectors.iter().zip(&owners).map(|(vector, (owner, spec_id))| {
                files::deletion_vector_file(at.clone(), size, vector, owner, *spec_id)
            });
            Ok((puffin.bytes.clone(), entries.collect::<Result<Vec<_>, _>>()?))
        } else {
            let mut entries = Vec::with_capacity(owners.len());
            let mut bytes = bytes::Bytes::new();
            for ((data_file, positions), (owner, spec_id)) in positions.iter().zip(&owners) {
                let deletes = files::encode_position_deletes(data_file, positions)?;
                bytes = deletes.bytes.clone();
                entries.push(deletes.into_data_file(at.clone(), owner, *spec_id)?);
            }
            Ok((bytes, entries))
        }
    });
    let (bytes, entries) = encoded.await.map_err(refused())?;
    io::write(&context.seams.storage, &path, bytes).await.map_err(LakeError::storage(&context.ident))?;
    context.seams.role.hit(Point::AfterDeleteFile);
    Ok(entries)
}

/// As much of a data file's manifest entry as its deletes need.
fn described(target: &Target) -> iceberg::Result<DataFile> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::Data)
        .file_path(target.path.to_string())
        .file_format(DataFileFormat::Parquet)
        .partition(target.partition.clone())
        .record_count(0)
        .file_size_in_bytes(0);
    builder.build().map_err(|error| iceberg::Error::new(iceberg::ErrorKind::DataInvalid, error.to_string()))
}
