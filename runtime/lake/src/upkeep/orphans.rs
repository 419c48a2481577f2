use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::{SnapshotRef, TableMetadata};

use super::reachable::{Needed, Removal, RemovedFile, fingerprint};
use crate::lake::{data_folder, metadata_folder};
use crate::{LakeError, LakeTable, StoredTable, io};

/// Most files that one search finds; the next finds the rest.
const FOUND: usize = 50_000;

/// Arrivals before this, in the year 2000, are not times: a storage without a clock tells the age of nothing.
const CLOCKLESS_US: i64 = 946_684_800_000_000;

/// Which files that nothing refers to are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanSettings {
    /// How old a file must be: younger ones may belong to a commit that is under way somewhere. Zero is for tables that
    /// certainly nobody writes to.
    pub min_age: Duration,
}

impl Default for OrphanSettings {
    fn default() -> Self {
        Self { min_age: Duration::from_secs(3 * 24 * 3600) }
    }
}

impl LakeTable {
    /// What [`LakeTable::remove_orphans`] would remove now; nothing is changed.
    pub async fn preview_orphans(&mut self, settings: &OrphanSettings) -> Result<Removal, LakeError> {
        self.orphans(settings, false).await
    }

    /// Removes files below the table's location that no snapshot and no metadata file which the table keeps refers to:
    /// what was left by commits that failed, or by a process that died.
    ///
    /// Only the folders of data and of metadata are looked through, and only if they lie within the table's location:
    /// elsewhere, files may be those of another table.
    pub async fn remove_orphans(&mut self, settings: &OrphanSettings) -> Result<Removal, LakeError> {
        self.orphans(settings, true).await
    }

    async fn orphans(&mut self, settings: &OrphanSettings, delete: bool) -> Result<Removal, LakeError> {
        self.reload(&[]).await?;
        let mut removal = Removal::default();
        let metadata = Arc::clone(&self.stored.metadata);
        if metadata.properties().get("gc.enabled").is_some_and(|enabled| enabled == "false")
            || self.holds_others().await?
        {
            return Ok(removal);
        }
        let mut needed = self.needed(&self.stored).await?;
        let age_us = i64::try_from(settings.min_age.as_micros()).unwrap_or(i64::MAX);
        let before_us = self.context.seams.clock.now_us().saturating_sub(age_us);
        let mut found = Vec::new();
        for folder in folders(&metadata) {
            let listed = self.context.seams.storage.list(&io::normalised(&folder)).await;
            // A folder that is not there holds nothing.
            let listed = match listed {
                Err(error) if error.kind == sluice_platform::StorageErrorKind::NotFound => continue,
                listed => listed.map_err(LakeError::storage(&self.context.ident))?,
            };
            let aged = |arrived_us: i64| arrived_us < before_us && arrived_us > CLOCKLESS_US;
            let old = listed.into_iter().filter(|object| settings.min_age.is_zero() || aged(object.arrived_us));
            let orphans = old.filter(|object| !needed.has(&object.location));
            let orphans = orphans.map(|object| RemovedFile { location: object.location, bytes: object.size });
            found.extend(orphans.take(FOUND.saturating_sub(found.len())));
        }
        // Whoever committed since may refer to an old file: a snapshot that was brought back, files that were imported.
        let looked_at = self.stored.location.clone();
        self.reload(&[]).await?;
        if looked_at != self.stored.location {
            needed = self.needed(&self.stored).await?;
            found.retain(|file| !needed.has(&file.location));
        }
        removal.take(&self.context, found, delete).await;
        Ok(removal)
    }

    /// Everything that a table's metadata refers to.
    async fn needed(&self, stored: &StoredTable) -> Result<Needed, LakeError> {
        let metadata = &stored.metadata;
        let mut needed = Needed::default();
        needed.add(stored.location());
        for log in metadata.metadata_log() {
            needed.add(&log.metadata_file);
        }
        needed.add(&format!("{}/version-hint.text", metadata_folder(metadata)));
        for statistics in metadata.statistics_iter() {
            needed.add(&statistics.statistics_path);
        }
        for statistics in metadata.partition_statistics_iter() {
            needed.add(&statistics.statistics_path);
        }
        let snapshots: Vec<SnapshotRef> = metadata.snapshots().cloned().collect();
        needed.add_snapshots(&self.context, metadata.format_version(), &snapshots).await?;
        Ok(needed)
    }

    /// Whether another table may lie within this one's folders: one whose namespace is this table's name.
    async fn holds_others(&self) -> Result<bool, LakeError> {
        let ident = &self.context.ident;
        let within = |other: &crate::TableIdent| {
            let mut parts = other.namespace.iter();
            ident.namespace.iter().chain([&ident.name]).all(|part| parts.next() == Some(part))
        };
        Ok(self.context.catalog.list().await?.iter().any(within))
    }
}

/// The folders of a table that hold nothing but its own files.
fn folders(metadata: &TableMetadata) -> Vec<String> {
    let location = format!("{}/", metadata.location().trim_end_matches('/'));
    let mut folders = vec![metadata_folder(metadata), data_folder(metadata)];
    folders.retain(|folder| folder.starts_with(&location));
    folders.dedup_by_key(|folder| fingerprint(folder));
    folders
}
