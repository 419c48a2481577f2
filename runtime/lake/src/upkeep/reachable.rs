use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{FormatVersion, Manifest, ManifestFile, SnapshotRef, TableMetadata};
use serde::Serialize;
use sluice_platform::StorageErrorKind;

use crate::lake::Context;
use crate::live::read_manifest;
use crate::{LakeError, io};

/// Files named in a report; of more only the number and the bytes are kept.
const LISTED: usize = 10_000;

/// What a clean-up removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Snapshots that expired.
    pub snapshots: Vec<i64>,
    /// Files, up to ten thousand of them.
    pub files: Vec<RemovedFile>,
    /// How many files in all.
    pub file_count: u64,
    /// How many bytes in all, as far as they are known without a look at each file.
    pub bytes: u64,
    /// Files that could not be removed now.
    pub failed: u64,
}

/// A file that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedFile {
    /// Where it is or was.
    pub location: String,
    /// Its length in bytes; 0 where it is not known.
    pub bytes: u64,
}

impl Removal {
    /// Adds files, and removes them if `delete` says so.
    pub(super) async fn take(&mut self, context: &Context, files: Vec<RemovedFile>, delete: bool) {
        self.file_count += files.len() as u64;
        self.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
        if delete {
            let deletes: Vec<_> = files.iter().map(|file| remove(context, file.location.clone()).boxed()).collect();
            let mut removed = stream::iter(deletes).buffer_unordered(context.settings.parallel_files);
            while let Some(removed) = removed.next().await {
                self.failed += u64::from(!removed);
            }
        }
        self.files.extend(files.into_iter().take(LISTED.saturating_sub(self.files.len())));
    }
}

async fn remove(context: &Context, location: String) -> bool {
    let removed = context.seams.storage.delete(&io::normalised(&location)).await;
    if let Err(error) = &removed {
        tracing::warn!(table = %context.ident, %error, location, "a file that nothing needs stays for now");
    }
    removed.is_ok()
}

/// A number for a location, whichever way its storage is named. Two locations of one number are both taken for needed.
pub(crate) fn fingerprint(location: &str) -> u64 {
    let plain = match location.split_once(':') {
        Some(("file", rest)) => rest.trim_start_matches('/'),
        Some(("s3" | "s3a" | "s3n", rest)) => rest,
        _ => location.trim_start_matches('/'),
    };
    let mut hasher = DefaultHasher::new();
    plain.hash(&mut hasher);
    hasher.finish()
}

/// What snapshots need: eight bytes a file.
#[derive(Debug, Default)]
pub(super) struct Needed {
    fingerprints: HashSet<u64>,
}

impl Needed {
    pub fn add(&mut self, location: &str) {
        self.fingerprints.insert(fingerprint(location));
    }

    pub fn has(&self, location: &str) -> bool {
        self.fingerprints.contains(&fingerprint(location))
    }

    /// Adds all files of snapshots: lists, manifests, data and deletes.
    pub async fn add_snapshots(
        &mut self,
        context: &Context,
        version: FormatVersion,
        snapshots: &[SnapshotRef],
    ) -> Result<(), LakeError> {
        for snapshot in snapshots {
            self.add(snapshot.manifest_list());
        }
        let manifests = manifests(context, version, snapshots, false).await?;
        for path in manifests.keys() {
            self.add(path);
        }
        let mut read = read_each(context, manifests.into_values());
        while let Some(manifest) = read.try_next().await? {
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                self.add(entry.file_path());
            }
        }
        Ok(())
    }
}

/// The manifests of snapshots by path, each once; lists that are gone are left out if they `may_miss`.
async fn manifests(
    context: &Context,
    version: FormatVersion,
    snapshots: &[SnapshotRef],
    may_miss: bool,
) -> Result<BTreeMap<String, ManifestFile>, LakeError> {
    let reads: Vec<_> =
        snapshots.iter().map(|snapshot| read_list(context, version, snapshot, may_miss).boxed()).collect();
    let mut lists = stream::iter(reads).buffer_unordered(context.settings.parallel_files);
    let mut found = BTreeMap::new();
    while let Some(list) = lists.try_next().await? {
        found.extend(list.into_iter().map(|manifest| (manifest.manifest_path.clone(), manifest)));
    }
    Ok(found)
}

async fn read_list(
    context: &Context,
    version: FormatVersion,
    snapshot: &SnapshotRef,
    may_miss: bool,
) -> Result<Vec<ManifestFile>, LakeError> {
    let location = snapshot.manifest_list();
    let bytes = match io::read(&context.seams.storage, location).await {
        Err(error) if may_miss && error.kind == StorageErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(LakeError::storage(&context.ident))?,
    };
    let decoded = io::decode_list(&bytes, version);
    decoded.map_err(LakeError::metadata(&context.ident, format!("read the manifest list {location}")))
}

/// Reads manifests a few at a time, in any order.
fn read_each(
    context: &Context,
    manifests: impl IntoIterator<Item = ManifestFile>,
) -> BoxStream<'_, Result<Manifest, LakeError>> {
    let reads = manifests.into_iter().map(|listed| async move { read_manifest(context, &listed).await }.boxed());
    stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(context.settings.parallel_files).boxed()
}

/// The files that the snapshots `gone` of `before` need and those `kept` do not; removes them if `delete` says so.
pub(crate) async fn unreachable(
    context: &Context,
    before: &TableMetadata,
    kept: &[SnapshotRef],
    gone: &[i64],
    delete: bool,
) -> Result<Removal, LakeError> {
    let mut removal = Removal { snapshots: gone.to_vec(), ..Removal::default() };
    if gone.is_empty() {
        return Ok(removal);
    }
    let version = before.format_version();
    let expired: Vec<SnapshotRef> = gone.iter().filter_map(|id| before.snapshot_by_id(*id).cloned()).collect();
    let mut needed = Needed::default();
    needed.add_snapshots(context, version, kept).await?;
    let mut only_expired = manifests(context, version, &expired, true).await?;
    only_expired.retain(|path, _| !needed.has(path));
    let mut seen = Needed::default();
    let mut read = read_each(context, only_expired.values().cloned());
    while let Some(manifest) = read.next().await {
        // One that cannot be read any more was removed before, or its files stay for the removal of orphans.
        let Ok(manifest) = manifest else { continue };
        let mut files = Vec::new();
        for entry in manifest.entries() {
            let location = entry.file_path();
            if !needed.has(location) && !seen.has(location) {
                seen.add(location);
                let bytes = entry.file_size_in_bytes();
                files.push(RemovedFile { location: location.to_owned(), bytes });
            }
        }
        removal.take(context, files, delete).await;
    }
    drop(read);
    let mut files: Vec<RemovedFile> = only_expired
        .into_values()
        .map(|manifest| RemovedFile {
            bytes: u64::try_from(manifest.manifest_length).unwrap_or(0),
            location: manifest.manifest_path,
        })
        .collect();
    for snapshot in expired.iter().filter(|snapshot| !needed.has(snapshot.manifest_list())) {
        files.push(RemovedFile { location: snapshot.manifest_list().to_owned(), bytes: 0 });
    }
    files.extend(statistics(before, gone));
    removal.take(context, files, delete).await;
    Ok(removal)
}

/// The statistics files of snapshots that no other snapshot names.
fn statistics(metadata: &TableMetadata, gone: &[i64]) -> Vec<RemovedFile> {
    let all = metadata.statistics_iter().map(|file| (file.snapshot_id, &file.statistics_path, file.file_size_in_bytes));
    let partitions = metadata.partition_statistics_iter();
    let all: Vec<_> =
        all.chain(partitions.map(|file| (file.snapshot_id, &file.statistics_path, file.file_size_in_bytes))).collect();
    let (going, staying): (Vec<_>, Vec<_>) = all.into_iter().partition(|(snapshot, ..)| gone.contains(snapshot));
    let staying: HashSet<&String> = staying.into_iter().map(|(_, path, _)| path).collect();
    let going = going.into_iter().filter(|(_, path, _)| !staying.contains(path));
    going
        .map(|(_, path, bytes)| RemovedFile { location: path.clone(), bytes: u64::try_from(bytes).unwrap_or(0) })
        .collect()
}
