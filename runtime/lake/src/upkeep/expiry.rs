use std::collections::HashSet;
use std::time::Duration;

use iceberg::spec::{SnapshotRef, SnapshotRetention, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};
use sluice_change::Checkpoint;

use super::reachable::{Removal, unreachable};
use crate::branch::{MAIN, references};
use crate::commit::{FIRST_WAIT, LONGEST_WAIT};
use crate::table::{ancestors, head_id, lineage, of_snapshot};
use crate::{CatalogOutcome, LakeError, LakeTable, Proposal, TableIdent};

/// Table property of every engine: how old a snapshot may become, in milliseconds.
const MAX_AGE_PROPERTY: &str = "history.expire.max-snapshot-age-ms";
/// Table property of every engine: how many snapshots of a branch stay in any case.
const MIN_SNAPSHOTS_PROPERTY: &str = "history.expire.min-snapshots-to-keep";
/// Table property of every engine: `false` forbids to remove files that another table may use.
const GC_PROPERTY: &str = "gc.enabled";

/// Which snapshots stay.
///
/// What the table's own properties (`history.expire.*`) or a branch's retention say takes the place of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpirySettings {
    /// How old a snapshot may become.
    pub max_age: Duration,
    /// How many snapshots of a branch stay however old they are.
    pub min_snapshots: usize,
    /// How many stay although they are young: each makes the metadata larger that every commit writes.
    pub max_snapshots: usize,
    /// How old a snapshot becomes, so that who reads it can end, unless there are [`ExpirySettings::most_snapshots`]. The files of a
    /// younger one stay even then: who knows them can end, and the search for orphans finds them later.
    pub safe_age: Duration,
}

/// How many times [`ExpirySettings::max_snapshots`] there may be of young snapshots.
const MOST: usize = 4;

impl ExpirySettings {
    /// How many snapshots of a branch stay however young they are: a fast stream must not make its own metadata slow.
    pub fn most_snapshots(&self) -> usize {
        self.max_snapshots.max(1).saturating_mul(MOST)
    }
}

impl Default for ExpirySettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(5 * 24 * 3600),
            min_snapshots: 10,
            max_snapshots: 100,
            safe_age: Duration::from_secs(30 * 60),
        }
    }
}

/// How long the snapshots of one branch stay.
#[derive(Debug, Clone, Copy)]
struct Retention {
    max_age_ms: i64,
    min: usize,
    max: usize,
    most: usize,
    safe_ms: i64,
}

impl Retention {
    fn new(settings: &ExpirySettings, metadata: &TableMetadata) -> Self {
        let number = |key: &str| metadata.properties().get(key)?.parse::<i64>().ok();
        let milliseconds = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let retention = Self {
            max_age_ms: milliseconds(settings.max_age),
            min: settings.min_snapshots.max(1),
            max: settings.max_snapshots.max(1),
            most: settings.most_snapshots(),
            safe_ms: milliseconds(settings.safe_age),
        };
        let min = number(MIN_SNAPSHOTS_PROPERTY).and_then(|min| usize::try_from(min).ok());
        retention.with(min, number(MAX_AGE_PROPERTY))
    }

    /// The same where more is said; who asks for an age gets it, however many snapshots it takes.
    fn with(self, min: Option<usize>, max_age_ms: Option<i64>) -> Self {
        Self {
            min: min.unwrap_or(self.min).max(1),
            max: max_age_ms.map_or(self.max, |_| usize::MAX),
            most: max_age_ms.map_or(self.most, |_| usize::MAX),
            max_age_ms: max_age_ms.unwrap_or(self.max_age_ms),
            ..self
        }
    }

    fn keeps(&self, place: usize, age_ms: i64) -> bool {
        place < self.min
            || (place < self.most && age_ms < self.safe_ms)
            || (place < self.max && age_ms < self.max_age_ms)
    }
}

/// The snapshots that go, oldest first.
fn expired(
    ident: &TableIdent,
    metadata: &TableMetadata,
    settings: &ExpirySettings,
    in_use: &[i64],
    now_ms: i64,
) -> Result<Vec<i64>, LakeError> {
    if metadata.properties().get(GC_PROPERTY).is_some_and(|enabled| enabled == "false") {
        return Ok(Vec::new());
    }
    // The clock of whoever committed may be ahead of this one.
    let age_ms = |snapshot: &SnapshotRef| now_ms.saturating_sub(snapshot.timestamp_ms()).max(0);
    let table = Retention::new(settings, metadata);
    let mut kept: HashSet<i64> = in_use.iter().copied().collect();
    // What lies between stays as well: a snapshot apart from its branch would be taken for one that was rolled back.
    for id in in_use {
        let mut newer: Vec<i64> = ancestors(metadata, MAIN).map(|snapshot| snapshot.snapshot_id()).collect();
        if let Some(place) = newer.iter().position(|newer| newer == id) {
            kept.extend(newer.drain(..place));
        }
    }
    let mut branches: HashSet<i64> = ancestors(metadata, MAIN).map(|snapshot| snapshot.snapshot_id()).collect();
    for reference in references(ident, metadata)?.into_values() {
        let SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, .. } = reference.retention else {
            kept.insert(reference.snapshot_id);
            continue;
        };
        let min = min_snapshots_to_keep.and_then(|min| usize::try_from(min).ok());
        let retention = table.with(min, max_snapshot_age_ms);
        let of_branch = || lineage(metadata, metadata.snapshot_by_id(reference.snapshot_id));
        branches.extend(of_branch().map(|snapshot| snapshot.snapshot_id()));
        let mut places = of_branch().zip(0..).take_while(|(snapshot, place)| retention.keeps(*place, age_ms(snapshot)));
        kept.extend(places.by_ref().map(|(snapshot, _)| snapshot.snapshot_id()));
    }
    kept.extend(up_to_the_position(ident, metadata)?);
    let longest = table.max_age_ms.max(table.safe_ms);
    let goes = |snapshot: &&SnapshotRef| {
        let id = snapshot.snapshot_id();
        // One that belongs to no branch any more was rolled back: someone may still want to look at it.
        let rests = !branches.contains(&id) && age_ms(snapshot) < longest;
        !kept.contains(&id) && !rests
    };
    let mut gone: Vec<_> = metadata.snapshots().filter(goes).collect();
    gone.sort_by_key(|snapshot| (snapshot.sequence_number(), snapshot.snapshot_id()));
    Ok(gone.into_iter().map(|snapshot| snapshot.snapshot_id()).collect())
}

/// The snapshots back to the newest that carries the table's position, where nothing but that snapshot says what it is.
fn up_to_the_position(ident: &TableIdent, metadata: &TableMetadata) -> Result<Vec<i64>, LakeError> {
    let property = Checkpoint::from_properties(|key| metadata.properties().get(key));
    let property = property.map_err(LakeError::checkpoint(ident))?;
    let mut passed = Vec::new();
    for snapshot in ancestors(metadata, MAIN) {
        passed.push(snapshot.snapshot_id());
        if let Some(carried) = of_snapshot(ident, snapshot)? {
            return Ok(if property.as_ref() == Some(&carried) { Vec::new() } else { passed });
        }
    }
    Ok(Vec::new())
}

impl LakeTable {
    /// Number of snapshots that the table's metadata has.
    pub fn snapshot_count(&self) -> usize {
        self.stored.metadata.snapshots().len()
    }

    /// Whether a snapshot is so young that someone may be reading its files.
    fn may_be_read(&self, settings: &ExpirySettings, snapshot: &SnapshotRef) -> bool {
        let now_ms = self.context.seams.clock.now_us() / 1000;
        let safe_ms = i64::try_from(settings.safe_age.as_millis()).unwrap_or(i64::MAX);
        now_ms.saturating_sub(snapshot.timestamp_ms()).max(0) < safe_ms
    }

    /// What [`LakeTable::expire`] would remove now, snapshots and files; nothing is changed.
    pub async fn preview_expiry(&self, settings: &ExpirySettings, in_use: &[i64]) -> Result<Removal, LakeError> {
        let metadata = &self.stored.metadata;
        let gone = self.expired(settings, in_use)?;
        let stays = |kept: &&SnapshotRef| !gone.contains(&kept.snapshot_id()) || self.may_be_read(settings, kept);
        let kept: Vec<_> = metadata.snapshots().filter(stays).cloned().collect();
        unreachable(&self.context, metadata, &kept, &gone, false).await
    }

    /// Lets snapshots expire, and removes the files that no other snapshot needs.
    ///
    /// The snapshots `in_use` stay. Files go only once the commit has certainly landed; one that cannot be removed is
    /// left for [`LakeTable::remove_orphans`]. The position is never lost: the snapshots back to the newest that carries
    /// it stay unless the table's property says the same.
    pub async fn expire(&mut self, settings: &ExpirySettings, in_use: &[i64]) -> Result<Removal, LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let mut wait = FIRST_WAIT;
        for attempt in 1..=attempts {
            let gone = self.expired(settings, in_use)?;
            if gone.is_empty() {
                return Ok(Removal::default());
            }
            let before = std::sync::Arc::clone(&self.stored.metadata);
            let (context, proposal) = (&self.context, expiry_proposal(&self.context.ident, &before, &gone)?);
            match context.catalog.commit(&context.seams, &context.ident, &self.stored, proposal).await? {
                CatalogOutcome::Committed(stored)
                    if head_id(&stored.metadata, &context.branch) == self.snapshot_id() =>
                {
                    self.stored = stored;
                }
                CatalogOutcome::Committed(_) | CatalogOutcome::Conflict => self.reload(&[]).await?,
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_again(&[], wait).await?;
                }
            }
            let now = std::sync::Arc::clone(&self.stored.metadata);
            if gone.iter().all(|id| now.snapshot_by_id(*id).is_none()) {
                let read = |gone: &&SnapshotRef| {
                    now.snapshot_by_id(gone.snapshot_id()).is_none() && self.may_be_read(settings, gone)
                };
                let kept: Vec<_> = now.snapshots().chain(before.snapshots().filter(read)).cloned().collect();
                return unreachable(&self.context, &before, &kept, &gone, true).await;
            }
            if attempt < attempts {
                let jitter = 0.5 + self.context.seams.entropy.fraction();
                self.context.seams.clock.sleep(wait.mul_f64(jitter)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        Err(LakeError::Contention { table: self.context.ident.to_string(), attempts })
    }

    fn expired(&self, settings: &ExpirySettings, in_use: &[i64]) -> Result<Vec<i64>, LakeError> {
        let now_ms = self.context.seams.clock.now_us() / 1000;
        expired(&self.context.ident, &self.stored.metadata, settings, in_use, now_ms)
    }
}

/// Removes snapshots and what is said of them, provided that no branch or tag was moved or made meanwhile.
fn expiry_proposal(ident: &TableIdent, metadata: &TableMetadata, gone: &[i64]) -> Result<Proposal, LakeError> {
    let mut requirements = vec![TableRequirement::UuidMatch { uuid: metadata.uuid() }];
    for (name, reference) in references(ident, metadata)? {
        let snapshot_id = Some(reference.snapshot_id);
        requirements.push(TableRequirement::RefSnapshotIdMatch { r#ref: name, snapshot_id });
    }
    let mut updates = vec![TableUpdate::RemoveSnapshots { snapshot_ids: gone.to_vec() }];
    let statistics = metadata.statistics_iter().map(|file| file.snapshot_id).filter(|id| gone.contains(id));
    updates.extend(statistics.map(|snapshot_id| TableUpdate::RemoveStatistics { snapshot_id }));
    let partitions = metadata.partition_statistics_iter().map(|file| file.snapshot_id).filter(|id| gone.contains(id));
    updates.extend(partitions.map(|snapshot_id| TableUpdate::RemovePartitionStatistics { snapshot_id }));
    Ok(Proposal { requirements, updates })
}
