//! The part of a snapshot that deletes rows: vectors or position deletes, and the manifests that list them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, FormatVersion, ManifestContentType, ManifestFile,
    Struct,
};
use roaring::RoaringBitmap;

use super::{Drafting, Plan};
use crate::files::{self, DeletionVector};
use crate::lake::{Context, Point, data_folder};
use crate::live::{DeleteSource, Live};
use crate::manifest::{Entry, ManifestWriter, is_live};
use crate::{FileId, LakeError, LakeTable, LiveFile, WrittenFile, io};

/// Data files whose deletes are in memory at once, for each that is read or written at the same time.
const TARGETS_AT_ONCE: usize = 8;

/// Deleted positions of one data file, stored.
#[derive(Debug)]
pub(crate) struct NewDelete {
    pub file: FileId,
    pub source: DeleteSource,
    /// How many rows of the file are deleted now.
    pub deleted: u64,
    /// Which, as far as they fit in what is kept between commits.
    pub kept: Option<Arc<RoaringBitmap>>,
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

impl Drafting<'_> {
    /// Puts the new deletes together with those there are and stores them, some data files at a time.
    pub(super) async fn merge_deletes(&mut self, plan: &mut Plan, written: &mut Vec<String>) -> Result<(), LakeError> {
        let table = self.table;
        let (settings, live) = (&table.context.settings, table.live.as_ref().filter(|_| !self.change.replace_all));
        let vectors = self.metadata.format_version() >= FormatVersion::V3;
        let in_one_file = if vectors { settings.vectors_per_file.max(1) } else { 1 };
        let at_once =
            settings.parallel_files.saturating_mul(TARGETS_AT_ONCE).next_multiple_of(in_one_file.min(1 << 30));
        let new: HashMap<FileId, &WrittenFile> = self.change.files.iter().map(|file| (file.id, file)).collect();
        let mut wanted: Vec<(&FileId, &RoaringBitmap)> =
            self.change.deletes.iter().filter(|(_, positions)| !positions.is_empty()).collect();
        wanted.sort_by_key(|(id, _)| **id);
        for wanted in wanted.chunks(at_once) {
            let merges = wanted.iter().map(|(id, positions)| {
                let (new, live) = (new.get(id).copied(), live.and_then(|live| live.files.get(id)));
                merge(table, **id, positions, new, live).boxed()
            });
            let merges: Vec<_> = merges.collect();
            let merged: Vec<Option<(Target, Option<&LiveFile>)>> =
                stream::iter(merges).buffered(settings.parallel_files).try_collect().await?;
            let mut targets = Vec::with_capacity(merged.len());
            for (target, live) in merged.into_iter().flatten() {
                self.tally.partitions.insert((target.spec_id, target.partition.clone()));
                plan.replaced.extend(target.replaced.iter().cloned());
                match live {
                    Some(live) if target.positions.len() >= live.records => {
                        plan.removed.entry(Arc::clone(&live.manifest)).or_default().insert(Arc::clone(&live.path));
                        plan.removed_ids.push(live.id);
                    }
                    _ => targets.push(target),
                }
            }
            self.store_deletes(&targets, in_one_file, written).await?;
        }
        Ok(())
    }

    /// Encodes and stores the new deletes.
    async fn store_deletes(
        &mut self,
        targets: &[Target],
        in_one_file: usize,
        written: &mut Vec<String>,
    ) -> Result<(), LakeError> {
        let context = self.context().clone();
        let folder = data_folder(self.metadata);
        let vectors = self.metadata.format_version() >= FormatVersion::V3;
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
            let size = target.positions.serialized_size();
            let keeps = self.kept_bytes + size <= context.settings.delete_cache_bytes;
            self.kept_bytes += if keeps { size } else { 0 };
            let kept = keeps.then(|| Arc::clone(&target.positions));
            self.effect.deletes.push(NewDelete { file: target.id, source, deleted: target.positions.len(), kept });
        }
        Ok(())
    }

    /// The delete manifests of the snapshot: those that nothing changes in stay, the others become one (a spec).
    pub(super) async fn delete_manifests(
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
        if !self.change.rewritten.is_empty() {
            // A rewrite is the time to let go of deletes that say nothing any more.
            let sources = self.table.live.iter().flat_map(Live::delete_sources);
            touched.extend(sources.filter(|(_, dangling)| *dangling).map(|(source, _)| &*source.manifest));
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
