mod bounds;
mod entries;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

pub(crate) use bounds::{LongBounds, TextBounds};
use bounds::{long_bounds, text_bounds};
use entries::load;
pub(crate) use entries::{partition_type, promoted, read_manifest, with_row_ids};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, ManifestContentType, ManifestEntry, ManifestFile, PrimitiveLiteral,
    Struct, TableMetadata,
};

use crate::lake::Context;
use crate::manifest::Entry;
use crate::snapshot::Effect;
use crate::{LakeError, TableIdent};

/// Field id of `file_path` in a position delete file (Iceberg specification, "Reserved Field IDs").
const PATH_FIELD: i32 = 2_147_483_546;

/// Number of a data file within one open table: stable from the moment it is written until it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A data file of the current snapshot.
#[derive(Debug, Clone)]
pub struct LiveFile {
    /// Its number.
    pub id: FileId,
    /// Where it is.
    pub path: Arc<str>,
    /// Rows in it.
    pub records: u64,
    /// Rows of it that are deleted.
    pub deleted: u64,
    /// Its length in bytes.
    pub bytes: u64,
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
    pub(crate) sequence: i64,
    pub(crate) first_row_id: Option<i64>,
    /// The table's sort order that its rows follow, as far as its manifest says.
    pub(crate) sort_order: Option<i32>,
    pub(crate) manifest: Arc<str>,
    pub(crate) bounds: Vec<LongBounds>,
    /// Of columns of text; not kept for tables whose files stay in memory.
    pub(crate) texts: Vec<TextBounds>,
    pub(crate) deletes: Vec<DeleteSource>,
}

/// A live delete file (or vector) that applies to a data file.
#[derive(Debug, Clone)]
pub(crate) struct DeleteSource {
    pub entry: Arc<DataFile>,
    pub spec_id: i32,
    pub snapshot_id: i64,
    pub sequence: i64,
    pub file_sequence: i64,
    pub manifest: Arc<str>,
    /// Whether it deletes rows of this data file alone, so that a new one can take its place.
    pub exclusive: bool,
}

/// The data files of a snapshot, by number and by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub files: BTreeMap<FileId, LiveFile>,
    pub by_path: HashMap<Arc<str>, FileId>,
    /// Delete files that belong to no data file alone, and whether they belong to none at all.
    others: Vec<(DeleteSource, bool)>,
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl LiveFile {
    /// A file as its manifest entry describes it.
    pub(crate) fn new(
        id: FileId,
        file: &DataFile,
        spec_id: i32,
        partition: Struct,
        sequence: i64,
        first_row_id: Option<i64>,
        manifest: Arc<str>,
    ) -> Self {
        Self {
            id,
            path: file.file_path().into(),
            records: file.record_count(),
            deleted: 0,
            bytes: file.file_size_in_bytes(),
            spec_id,
            partition,
            sequence,
            first_row_id,
            sort_order: file.sort_order_id(),
            manifest,
            bounds: long_bounds(file),
            texts: Vec::new(),
            deletes: Vec::new(),
        }
    }

    /// The same file with what its manifest says of columns of text.
    pub(crate) fn with_texts(self, file: &DataFile) -> Self {
        Self { texts: text_bounds(file), ..self }
    }

    /// Whether a row of this file may have a text of the column from `from` on, up to and including `to`.
    pub(crate) fn may_hold_text(&self, field: i32, from: &str, to: Option<&str>) -> bool {
        match self.texts.iter().find(|bounds| bounds.field == field) {
            Some(bounds) => &*bounds.upper >= from && to.is_none_or(|to| &*bounds.lower <= to),
            None => true,
        }
    }

    /// Whether a row of this file may have a value of the column from `from` up to and including `to`.
    pub(crate) fn may_hold(&self, field: i32, from: i64, to: i64) -> bool {
        match self.bounds.iter().find(|bounds| bounds.field == field) {
            Some(bounds) => bounds.upper >= from && bounds.lower <= to,
            None => true,
        }
    }
}

impl Live {
    pub fn insert(&mut self, file: LiveFile) {
        self.by_path.insert(Arc::clone(&file.path), file.id);
        self.files.insert(file.id, file);
    }

    pub fn remove(&mut self, id: FileId) -> Option<LiveFile> {
        let file = self.files.remove(&id)?;
        self.by_path.remove(&file.path);
        Some(file)
    }

    /// The same files by other numbers.
    pub fn renumbered(self, mut number: impl FnMut(&str) -> FileId) -> Self {
        let mut live = Self { others: self.others, ..Self::default() };
        for file in self.files.into_values() {
            let id = number(&file.path);
            live.insert(LiveFile { id, ..file });
        }
        live
    }

    /// Rows that are not deleted.
    pub fn rows(&self) -> u64 {
        self.files.values().map(|file| file.records.saturating_sub(file.deleted)).sum()
    }

    /// All live delete files, each once, and whether they belong to no data file any more.
    pub fn delete_sources(&self) -> impl Iterator<Item = (&DeleteSource, bool)> {
        let exclusive = self.files.values().flat_map(|file| &file.deletes).filter(|source| source.exclusive);
        exclusive.map(|source| (source, false)).chain(self.others.iter().map(|(source, gone)| (source, *gone)))
    }

    /// Takes on what a snapshot that was committed does.
    pub fn apply(&mut self, effect: &mut Effect) {
        if effect.replaced_all {
            *self = Self::default();
        }
        for id in effect.removed.drain(..) {
            self.remove(id);
        }
        for file in effect.added.drain(..) {
            self.insert(file);
        }
        for new in &effect.deletes {
            if let Some(file) = self.files.get_mut(&new.file) {
                file.deleted = new.deleted;
                // A vector takes the place of everything; position deletes leave shared ones standing.
                let keeps_shared = !new.source.is_vector();
                file.deletes.retain(|source| keeps_shared && !source.exclusive);
                file.deletes.push(new.source.clone());
            }
        }
        if !effect.moved.is_empty() {
            self.follow(&effect.moved);
        }
        self.mark_dangling();
    }

    /// Takes on that the entries of manifests are in others now.
    fn follow(&mut self, moved: &HashMap<String, Arc<str>>) {
        for file in self.files.values_mut() {
            if let Some(manifest) = moved.get(&*file.manifest) {
                file.manifest = Arc::clone(manifest);
            }
            for source in &mut file.deletes {
                if let Some(manifest) = moved.get(&*source.manifest) {
                    source.manifest = Arc::clone(manifest);
                }
            }
        }
        // A rewritten manifest no longer holds the deletes that belonged to nothing.
        self.others.retain(|(source, gone)| !gone || !moved.contains_key(&*source.manifest));
        for (source, _) in &mut self.others {
            if let Some(manifest) = moved.get(&*source.manifest) {
                source.manifest = Arc::clone(manifest);
            }
        }
    }

    /// Finds the delete files of several data files that say nothing any more: those are gone, or have vectors now.
    fn mark_dangling(&mut self) {
        if self.others.is_empty() {
            return;
        }
        let held: HashSet<_> = self.files.values().flat_map(|file| &file.deletes).map(DeleteSource::key).collect();
        for (source, gone) in &mut self.others {
            *gone |= !held.contains(&source.key());
        }
    }

    /// Reads the live files of a snapshot. `id` gives each path its number.
    pub async fn load(
        context: &Context,
        metadata: &TableMetadata,
        manifests: &[ManifestFile],
        mut id: impl FnMut(&str) -> FileId,
    ) -> Result<Self, LakeError> {
        let mut live = Self::default();
        let (data, deletes): (Vec<_>, Vec<_>) =
            manifests.iter().partition(|manifest| manifest.content == ManifestContentType::Data);
        let loads: Vec<_> = data.into_iter().map(|listed| load(context, listed).boxed()).collect();
        let mut loaded = stream::iter(loads).buffered(context.settings.parallel_files);
        while let Some((listed, manifest)) = loaded.try_next().await? {
            let path: Arc<str> = listed.manifest_path.as_str().into();
            let types = partition_type(&context.ident, metadata, listed.partition_spec_id)?;
            for (entry, first_row_id) in with_row_ids(&manifest, listed.first_row_id) {
                if entry.is_alive() {
                    let file = entry.data_file();
                    let partition = promoted(file.partition(), &types);
                    let sequence = entry.sequence_number().unwrap_or(0);
                    let number = id(file.file_path());
                    let manifest = Arc::clone(&path);
                    let spec = listed.partition_spec_id;
                    let found = LiveFile::new(number, file, spec, partition, sequence, first_row_id, manifest);
                    let in_memory = context.seams.role.keeps_files();
                    live.insert(if in_memory { found } else { found.with_texts(file) });
                }
            }
        }
        drop(loaded);
        let loads: Vec<_> = deletes.into_iter().map(|listed| load(context, listed).boxed()).collect();
        let mut loaded = stream::iter(loads).buffered(context.settings.parallel_files);
        let mut shared = Vec::new();
        while let Some((listed, manifest)) = loaded.try_next().await? {
            let path: Arc<str> = listed.manifest_path.as_str().into();
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                live.attach(&context.ident, entry, listed.partition_spec_id, &path, &mut shared)?;
            }
        }
        drop(loaded);
        live.share(context, shared).await?;
        Ok(live)
    }

    /// Puts a delete entry with the data file that it belongs to.
    fn attach(
        &mut self,
        ident: &TableIdent,
        entry: &ManifestEntry,
        spec_id: i32,
        manifest: &Arc<str>,
        shared: &mut Vec<DeleteSource>,
    ) -> Result<(), LakeError> {
        let file = entry.data_file();
        if file.content_type() == DataContentType::EqualityDeletes {
            return Err(LakeError::Unsupported {
                table: ident.to_string(),
                what: "another program has written equality deletes, which sluice does not read: compact the table \
                       (`rewrite_data_files`) so that they go away"
                    .to_owned(),
            });
        }
        let target = referenced(file);
        let sequence = entry.sequence_number().unwrap_or(0);
        let source = DeleteSource {
            entry: Arc::new(file.clone()),
            spec_id,
            snapshot_id: entry.snapshot_id().unwrap_or(0),
            sequence,
            file_sequence: entry.file_sequence_number.unwrap_or(sequence),
            manifest: Arc::clone(manifest),
            exclusive: target.is_some(),
        };
        let Some(target) = target else {
            shared.push(source);
            return Ok(());
        };
        match self.by_path.get(target.as_str()).and_then(|id| self.files.get_mut(id)) {
            Some(file) if file.sequence <= source.sequence => file.deletes.push(source),
            // Its data file is gone: it says nothing any more.
            _ => self.others.push((source, true)),
        }
        Ok(())
    }

    /// Applies deletes whose files name several data files, and counts what several sources delete together.
    async fn share(&mut self, context: &Context, shared: Vec<DeleteSource>) -> Result<(), LakeError> {
        for source in shared {
            let named: HashSet<String> =
                crate::deletes::read_positions(context, &source.entry).await?.into_keys().collect();
            for path in named {
                if let Some(file) = self.by_path.get(path.as_str()).and_then(|id| self.files.get_mut(id))
                    && file.sequence <= source.sequence
                {
                    file.deletes.push(source.clone());
                }
            }
            self.others.push((source, false));
        }
        for file in self.files.values_mut() {
            // A deletion vector says everything: position deletes beside it are to be ignored.
            if let Some(vector) = file.deletes.iter().position(DeleteSource::is_vector) {
                let vector = file.deletes.remove(vector);
                file.deletes.retain(|source| source.exclusive);
                file.deletes.insert(0, vector);
            }
            file.deleted = match file.deletes.as_slice() {
                [] => 0,
                [first, ..] if first.is_vector() => first.entry.record_count(),
                [only] if only.exclusive => only.entry.record_count(),
                _ => crate::deletes::read_all(context, file).await?.len(),
            };
        }
        self.mark_dangling();
        Ok(())
    }
}

impl DeleteSource {
    pub fn is_vector(&self) -> bool {
        self.entry.file_format() == DataFileFormat::Puffin
    }

    /// Tells delete files apart: several vectors may share a Puffin file.
    pub fn key(&self) -> (&str, Option<i64>) {
        (self.entry.file_path(), self.entry.content_offset())
    }

    /// Bytes that it takes up: of a vector, its own part of the Puffin file.
    pub fn bytes(&self) -> u64 {
        let part = self.entry.content_size_in_bytes().and_then(|size| u64::try_from(size).ok());
        part.unwrap_or_else(|| self.entry.file_size_in_bytes())
    }

    pub fn existing(&self) -> Entry {
        let Self { snapshot_id, sequence, file_sequence, .. } = *self;
        Entry::Existing { file: DataFile::clone(&self.entry), snapshot_id, sequence, file_sequence }
    }

    pub fn deleted(&self) -> Entry {
        let Self { sequence, file_sequence, .. } = *self;
        Entry::Deleted { file: DataFile::clone(&self.entry), sequence, file_sequence }
    }
}

/// The one data file whose rows a delete file deletes; `None` where there may be several.
fn referenced(file: &DataFile) -> Option<String> {
    if let Some(path) = file.referenced_data_file() {
        return Some(path);
    }
    let bound = |bounds: &HashMap<i32, iceberg::spec::Datum>| match bounds.get(&PATH_FIELD)?.literal() {
        PrimitiveLiteral::String(path) => Some(path.clone()),
        _ => None,
    };
    // Both bounds of a path longer than the writer's statistics are cut to different texts, so equal means whole.
    bound(file.lower_bounds()).filter(|lower| bound(file.upper_bounds()).as_ref() == Some(lower))
}
