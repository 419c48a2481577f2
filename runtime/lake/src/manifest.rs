use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{
    DataFile, DataFileBuilder, FormatVersion, Manifest, ManifestContentType, ManifestFile, Struct, TableMetadata,
};
use uuid::Uuid;

use crate::lake::{Context, Point, metadata_folder};
use crate::live::{partition_type, promoted, read_manifest, with_row_ids};
use crate::{LakeError, io, schema};

/// Tells a manifest writer that a file has the sequence number of its snapshot.
const INHERITED: i64 = -1;

/// A file in a manifest that is to be written.
pub(crate) enum Entry {
    /// It comes with this snapshot, and with its data sequence number unless another is given.
    Added { file: DataFile, sequence: Option<i64> },
    /// It was there before.
    Existing { file: DataFile, snapshot_id: i64, sequence: i64, file_sequence: i64 },
    /// It goes with this snapshot.
    Deleted { file: DataFile, sequence: i64, file_sequence: i64 },
}

/// Writes the manifests of one snapshot.
pub(crate) struct ManifestWriter<'a> {
    pub context: &'a Context,
    /// The table as it will be: with the schema of the commit.
    pub metadata: &'a TableMetadata,
    pub snapshot_id: i64,
    pub prefix: Uuid,
    /// Locations written so far, to remove them if the commit fails.
    pub written: &'a mut Vec<String>,
    pub count: usize,
}

/// A data file of a manifest that was read, with its row id.
pub(crate) struct DataEntry {
    pub file: DataFile,
    pub snapshot_id: i64,
    pub sequence: i64,
    pub file_sequence: i64,
}

impl DataEntry {
    pub fn existing(self) -> Entry {
        let Self { file, snapshot_id, sequence, file_sequence } = self;
        Entry::Existing { file, snapshot_id, sequence, file_sequence }
    }

    pub fn deleted(self) -> Entry {
        let Self { file, sequence, file_sequence, .. } = self;
        Entry::Deleted { file, sequence, file_sequence }
    }
}

impl ManifestWriter<'_> {
    /// Writes a manifest of files of one partition spec.
    pub async fn write(
        &mut self,
        spec_id: i32,
        content: ManifestContentType,
        entries: Vec<Entry>,
    ) -> Result<ManifestFile, LakeError> {
        let ident = &self.context.ident;
        let types = partition_type(ident, self.metadata, spec_id)?;
        let spec = self.metadata.partition_spec_by_id(spec_id);
        let spec =
            spec.ok_or_else(|| LakeError::inconsistent(ident, "write a manifest", "its partition spec is gone"))?;
        let schema = schema::schema_for_spec(self.metadata, self.metadata.current_schema(), spec)
            .ok_or_else(|| LakeError::inconsistent(ident, "write a manifest", "no schema fits its partition spec"))?;
        let location = format!("{}/{}-m{}.avro", metadata_folder(self.metadata), self.prefix, self.count);
        self.count += 1;
        let output = io::ManifestOutput {
            location: location.clone(),
            snapshot_id: self.snapshot_id,
            schema,
            spec: iceberg::spec::PartitionSpec::clone(spec),
            version: self.metadata.format_version(),
            deletes: content == ManifestContentType::Deletes,
        };
        let first_row_id = match content {
            ManifestContentType::Data => given_row_id(&entries),
            ManifestContentType::Deletes => None,
        };
        let encoded = io::encode_manifest(output, |writer| {
            for entry in entries {
                match entry {
                    Entry::Added { file, sequence } => {
                        writer.add_file(promote(file, &types)?, sequence.unwrap_or(INHERITED))?;
                    }
                    Entry::Existing { file, snapshot_id, sequence, file_sequence } => {
                        writer.add_existing_file(promote(file, &types)?, snapshot_id, sequence, Some(file_sequence))?;
                    }
                    Entry::Deleted { file, sequence, file_sequence } => {
                        writer.add_delete_file(promote(file, &types)?, sequence, Some(file_sequence))?;
                    }
                }
            }
            Ok(())
        });
        let (mut manifest, bytes) = encoded.await.map_err(LakeError::metadata(ident, "write a manifest"))?;
        if self.metadata.format_version() == FormatVersion::V3 {
            manifest.first_row_id = first_row_id;
        }
        if self.count == 1 {
            self.context.seams.role.hit(Point::BeforeManifest);
        }
        self.written.push(location.clone());
        io::write(&self.context.seams.storage, &location, bytes).await.map_err(LakeError::storage(ident))?;
        Ok(manifest)
    }

    /// Reads the live entries of a data manifest, row ids filled in.
    pub async fn read(&self, listed: &ManifestFile) -> Result<Vec<DataEntry>, LakeError> {
        let manifest = read_manifest(self.context, listed).await?;
        data_entries(&manifest, listed).map_err(LakeError::metadata(
            &self.context.ident,
            format!("take over the entries of {}", listed.manifest_path),
        ))
    }

    /// Puts small data manifests together when there are many; the new ones take their place in `manifests`.
    /// Says which manifest each of those merged went into.
    pub async fn merge_small(
        &mut self,
        manifests: &mut Vec<ManifestFile>,
    ) -> Result<HashMap<String, Arc<str>>, LakeError> {
        let settings = Arc::clone(&self.context.settings);
        let small = |manifest: &ManifestFile| {
            manifest.content == ManifestContentType::Data
                && u64::try_from(manifest.manifest_length).unwrap_or(u64::MAX) < settings.manifest_bytes
        };
        let mut moved = HashMap::new();
        if manifests.iter().filter(|manifest| small(manifest)).count() <= settings.small_data_manifests {
            return Ok(moved);
        }
        let (merging, mut kept): (Vec<_>, Vec<_>) = std::mem::take(manifests).into_iter().partition(small);
        for (spec_id, mut bin) in bins(merging, settings.manifest_bytes) {
            if bin.len() < 2 {
                kept.append(&mut bin);
                continue;
            }
            let mut entries = Vec::new();
            for manifest in &bin {
                entries.extend(self.read(manifest).await?.into_iter().map(DataEntry::existing));
            }
            let merged = self.write(spec_id, ManifestContentType::Data, entries).await?;
            let path: Arc<str> = merged.manifest_path.as_str().into();
            moved.extend(bin.into_iter().map(|manifest| (manifest.manifest_path, Arc::clone(&path))));
            kept.push(merged);
        }
        *manifests = kept;
        Ok(moved)
    }
}

/// Manifests in groups of one partition spec, each just above `bytes` long at most.
pub(crate) fn bins(manifests: Vec<ManifestFile>, bytes: u64) -> Vec<(i32, Vec<ManifestFile>)> {
    let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut bins: Vec<(i32, i64, Vec<ManifestFile>)> = Vec::new();
    for manifest in manifests {
        let (spec_id, length) = (manifest.partition_spec_id, manifest.manifest_length);
        match bins.iter_mut().find(|(spec, bytes, _)| *spec == spec_id && *bytes < limit) {
            Some((_, bytes, bin)) => {
                *bytes += length;
                bin.push(manifest);
            }
            None => bins.push((spec_id, length, vec![manifest])),
        }
    }
    bins.into_iter().map(|(spec_id, _, bin)| (spec_id, bin)).collect()
}

/// Whether a manifest still says something: one whose files are all gone does not.
pub(crate) fn is_live(manifest: &ManifestFile) -> bool {
    manifest.has_added_files() || manifest.has_existing_files()
}

/// Gives every manifest of a list its sequence number and, from `next_row_id` on, its row ids.
///
/// Returns the row id after the last one given out, and whether rows got ids that had none before this snapshot.
pub(crate) fn number(
    manifests: &mut [ManifestFile],
    sequence: i64,
    version: FormatVersion,
    next_row_id: u64,
) -> (u64, bool) {
    let (mut next, mut late) = (next_row_id, false);
    for manifest in manifests {
        if manifest.sequence_number < 0 {
            manifest.sequence_number = sequence;
        }
        if manifest.min_sequence_number < 0 {
            manifest.min_sequence_number = sequence;
        }
        let unnumbered = version == FormatVersion::V3
            && manifest.content == ManifestContentType::Data
            && manifest.first_row_id.is_none();
        if unnumbered {
            manifest.first_row_id = Some(next);
            let existing = manifest.existing_rows_count.unwrap_or(0);
            next += existing + manifest.added_rows_count.unwrap_or(0);
            late |= existing > 0 || manifest.sequence_number != sequence;
        }
    }
    (next, late)
}

fn data_entries(manifest: &Manifest, listed: &ManifestFile) -> iceberg::Result<Vec<DataEntry>> {
    let live = with_row_ids(manifest, listed.first_row_id).filter(|(entry, _)| entry.is_alive());
    live.map(|(entry, first_row_id)| {
        let file = entry.data_file();
        let sequence = entry.sequence_number().unwrap_or(0);
        Ok(DataEntry {
            file: rebuilt(file, file.partition().clone(), first_row_id)?,
            snapshot_id: entry.snapshot_id().unwrap_or(listed.added_snapshot_id),
            sequence,
            file_sequence: entry.file_sequence_number.unwrap_or(sequence),
        })
    })
    .collect()
}

/// The manifest's own row id, where all its files have theirs already; it is then of no effect but must be there.
fn given_row_id(entries: &[Entry]) -> Option<u64> {
    let mut least: Option<u64> = None;
    for entry in entries {
        let id = match entry {
            Entry::Deleted { .. } => continue,
            Entry::Added { file, .. } | Entry::Existing { file, .. } => u64::try_from(file.first_row_id()?).ok()?,
        };
        least = Some(least.map_or(id, |least| least.min(id)));
    }
    // Nothing but deleted files: any id does.
    Some(least.unwrap_or(0))
}

fn promote(file: DataFile, types: &iceberg::spec::StructType) -> iceberg::Result<DataFile> {
    let partition = promoted(file.partition(), types);
    if partition == *file.partition() {
        return Ok(file);
    }
    let first_row_id = file.first_row_id();
    rebuilt(&file, partition, first_row_id)
}

/// The same file with another partition value and row id.
fn rebuilt(file: &DataFile, partition: Struct, first_row_id: Option<i64>) -> iceberg::Result<DataFile> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_owned())
        .file_format(file.file_format())
        .partition(partition)
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .first_row_id(first_row_id)
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(order) = file.sort_order_id() {
        builder.sort_order_id(order);
    }
    builder.build().map_err(|error| iceberg::Error::new(iceberg::ErrorKind::DataInvalid, error.to_string()))
}
