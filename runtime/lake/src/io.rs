use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{FormatVersion, ManifestWriterBuilder, PartitionSpec, SchemaRef};
use iceberg::spec::{Manifest, ManifestFile, ManifestList, ManifestListWriter, ManifestWriter, TableMetadata};
use sluice_platform::{Storage, StorageError};

/// Locations as storage knows them: Java writes `file:/path`, which is the same as `file:///path`.
pub(crate) fn normalised(location: &str) -> Cow<'_, str> {
    match location.strip_prefix("file:/") {
        Some(rest) if !rest.starts_with('/') => Cow::Owned(format!("file:///{rest}")),
        _ => Cow::Borrowed(location),
    }
}

/// Reads an object whose location comes from table metadata.
pub(crate) async fn read(storage: &Arc<dyn Storage>, location: &str) -> Result<Bytes, StorageError> {
    storage.read(&normalised(location)).await
}

/// Writes an object whose location comes from table metadata.
pub(crate) async fn write(storage: &Arc<dyn Storage>, location: &str, bytes: Bytes) -> Result<(), StorageError> {
    storage.write(&normalised(location), bytes).await
}

/// Removes objects that nothing refers to. Best effort: what stays is found by orphan removal.
pub(crate) async fn sweep(storage: &Arc<dyn Storage>, locations: impl IntoIterator<Item = String>) {
    for location in locations {
        if let Err(error) = storage.delete(&normalised(&location)).await {
            tracing::debug!(%error, location, "a leftover file stays");
        }
    }
}

/// Table metadata from the bytes of its file, compressed or not.
pub(crate) async fn decode_metadata(bytes: Bytes) -> iceberg::Result<TableMetadata> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    let scratch = FileIO::new_with_memory();
    scratch.new_output(SCRATCH)?.write(bytes).await?;
    TableMetadata::read_from(&scratch, SCRATCH).await
}

/// The same table metadata as of another time, which the iceberg crate takes from the machine.
pub(crate) fn stamped(metadata: &TableMetadata, updated_ms: i64) -> iceberg::Result<TableMetadata> {
    let mut value = serde_json::to_value(metadata)?;
    value["last-updated-ms"] = updated_ms.into();
    Ok(serde_json::from_value(value)?)
}

/// The iceberg crate writes only to its own storage trait; its memory storage is the way to have the bytes instead.
const SCRATCH: &str = "memory:/scratch";

/// A manifest from the bytes of its file, with what its entries inherit from the list filled in, row ids excepted.
pub(crate) fn decode_manifest(bytes: &[u8], listed: &ManifestFile) -> iceberg::Result<Manifest> {
    let (entries, metadata) = Manifest::parse_avro(bytes)?.into_parts();
    let entries = entries.into_iter().map(|entry| {
        let mut entry = Arc::unwrap_or_clone(entry);
        let inherits = entry.status == iceberg::spec::ManifestStatus::Added || listed.sequence_number == 0;
        entry.snapshot_id = entry.snapshot_id.or(Some(listed.added_snapshot_id));
        if inherits {
            entry.sequence_number = entry.sequence_number.or(Some(listed.sequence_number));
            entry.file_sequence_number = entry.file_sequence_number.or(Some(listed.sequence_number));
        }
        entry
    });
    Ok(Manifest::new(metadata, entries.collect()))
}

/// A manifest list from the bytes of its file.
pub(crate) fn decode_list(bytes: &[u8], version: FormatVersion) -> iceberg::Result<Vec<ManifestFile>> {
    Ok(ManifestList::parse_with_version(bytes, version)?.consume_entries().into_iter().collect())
}

/// Where and as what a manifest is written.
pub(crate) struct ManifestOutput {
    pub location: String,
    pub snapshot_id: i64,
    pub schema: SchemaRef,
    pub spec: PartitionSpec,
    pub version: FormatVersion,
    pub deletes: bool,
}

/// Encodes the manifest that `fill` writes into.
pub(crate) async fn encode_manifest(
    output: ManifestOutput,
    fill: impl FnOnce(&mut ManifestWriter) -> iceberg::Result<()>,
) -> iceberg::Result<(ManifestFile, Bytes)> {
    let scratch = FileIO::new_with_memory();
    let file = scratch.new_output(&output.location)?;
    let builder = ManifestWriterBuilder::new(file, Some(output.snapshot_id), output.schema, output.spec);
    let mut writer = match (output.version, output.deletes) {
        (FormatVersion::V1, _) => builder.build_v1(),
        (FormatVersion::V2, false) => builder.build_v2_data(),
        (FormatVersion::V2, true) => builder.build_v2_deletes(),
        (FormatVersion::V3, false) => builder.build_v3_data(),
        (FormatVersion::V3, true) => builder.build_v3_deletes(),
    };
    fill(&mut writer)?;
    let manifest = writer.write_manifest_file().await?;
    let bytes = scratch.new_input(&output.location)?.read().await?;
    Ok((manifest, bytes))
}

/// Identity of the snapshot that a manifest list belongs to.
pub(crate) struct ListOutput {
    pub snapshot_id: i64,
    pub parent: Option<i64>,
    pub sequence_number: i64,
    pub version: FormatVersion,
    pub next_row_id: u64,
}

/// Encodes a manifest list.
pub(crate) async fn encode_list(output: ListOutput, manifests: Vec<ManifestFile>) -> iceberg::Result<Bytes> {
    let scratch = FileIO::new_with_memory();
    let file = scratch.new_output(SCRATCH)?.writer().await?;
    let ListOutput { snapshot_id, parent, sequence_number, version, next_row_id } = output;
    let mut writer = match version {
        FormatVersion::V1 => ManifestListWriter::v1(file, snapshot_id, parent),
        FormatVersion::V2 => ManifestListWriter::v2(file, snapshot_id, parent, sequence_number),
        FormatVersion::V3 => ManifestListWriter::v3(file, snapshot_id, parent, sequence_number, Some(next_row_id)),
    };
    writer.add_manifests(manifests.into_iter())?;
    writer.close().await?;
    scratch.new_input(SCRATCH)?.read().await
}
