//! Branches: a table's rows made anew beside those that readers see, which they take the place of in one commit.
//!
//! A branch has files and snapshots of its own in the same table, so the columns have the same ids, and whoever lets
//! snapshots expire or removes orphans sees what it needs. Its commits leave the table's properties alone.

mod hold;
mod publish;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::{SnapshotRef, SnapshotReference, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};
pub use publish::{Publication, Published};
use sluice_change::Checkpoint;

use crate::commit::{FIRST_WAIT, LONGEST_WAIT};
use crate::table::{ancestors, checkpoint, head, head_id, lineage, of_snapshot};
use crate::upkeep::unreachable;
use crate::{CatalogOutcome, LakeError, LakeTable, Proposal, TableIdent};

/// The branch that readers see.
pub(crate) const MAIN: &str = "main";
/// Key in the summary of a snapshot with which a branch took main's place: which publication it is.
const PUBLISHED_KEY: &str = "sluice.published";

/// Where main stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Main {
    /// Its newest snapshot; `None` before the first commit.
    pub snapshot_id: Option<i64>,
    /// What its rows cover.
    pub checkpoint: Option<Checkpoint>,
    /// Its rows, as far as its snapshot says.
    pub rows: Option<u64>,
}

/// Whether with this snapshot a branch took main's place.
pub(crate) fn is_published(snapshot: &SnapshotRef) -> bool {
    snapshot.summary().additional_properties.contains_key(PUBLISHED_KEY)
}

/// The branches and tags of a table.
pub(crate) fn references(
    ident: &TableIdent,
    metadata: &TableMetadata,
) -> Result<HashMap<String, SnapshotReference>, LakeError> {
    // The iceberg crate keeps them to itself; what it writes does not.
    let read = || {
        let value = serde_json::to_value(metadata)?;
        match value.get("refs") {
            Some(refs) => serde_json::from_value(refs.clone()),
            None => Ok(HashMap::new()),
        }
    };
    read().map_err(|error: serde_json::Error| LakeError::metadata(ident, "read the table's branches")(error.into()))
}

/// The snapshots that no branch or tag but this one needs.
fn own_snapshots(ident: &TableIdent, metadata: &TableMetadata, branch: &str) -> Result<Vec<i64>, LakeError> {
    let mut others: HashSet<i64> = HashSet::new();
    for (name, reference) in references(ident, metadata)? {
        if name != branch {
            let snapshots = lineage(metadata, metadata.snapshot_by_id(reference.snapshot_id));
            others.extend(snapshots.map(|snapshot| snapshot.snapshot_id()));
        }
    }
    let own = ancestors(metadata, branch).map(|snapshot| snapshot.snapshot_id());
    Ok(own.filter(|id| !others.contains(id)).collect())
}

impl LakeTable {
    /// The branch that is read and written, `main` unless another was opened.
    pub fn branch(&self) -> &str {
        &self.context.branch
    }

    /// Whether the table has a branch of this name, as far as is known.
    pub fn has_branch(&self, name: &str) -> bool {
        head(&self.stored.metadata, name).is_some()
    }

    /// Where main stands, as far as is known.
    pub fn main(&self) -> Result<Main, LakeError> {
        let metadata = &self.stored.metadata;
        let snapshot = metadata.current_snapshot();
        let total = |key: &str| snapshot?.summary().additional_properties.get(key)?.parse::<u64>().ok();
        let deleted = total("total-position-deletes").unwrap_or(0);
        Ok(Main {
            snapshot_id: metadata.current_snapshot_id(),
            checkpoint: checkpoint(&self.context.ident, metadata, MAIN)?,
            rows: total("total-records").map(|records| records.saturating_sub(deleted)),
        })
    }

    /// The publication that said last what the rows cover, if it was one: [`Publication::id`].
    pub fn was_made_anew(&self) -> Result<Option<String>, LakeError> {
        for snapshot in ancestors(&self.stored.metadata, &self.context.branch) {
            if of_snapshot(&self.context.ident, snapshot)?.is_some() {
                return Ok(snapshot.summary().additional_properties.get(PUBLISHED_KEY).cloned());
            }
        }
        Ok(None)
    }

    /// What must hold for a commit on top of the snapshot at which the table stands.
    pub(crate) fn standing(&self) -> Vec<TableRequirement> {
        let metadata = &self.stored.metadata;
        let at = |branch: &str| TableRequirement::RefSnapshotIdMatch {
            r#ref: branch.to_owned(),
            snapshot_id: head_id(metadata, branch),
        };
        let mut requirements = vec![TableRequirement::UuidMatch { uuid: metadata.uuid() }, at(&self.context.branch)];
        if self.head().is_none() && *self.context.branch != *MAIN {
            // Catalogs do not compare the sequence number of a snapshot without a parent: nothing may come in between.
            requirements.push(at(MAIN));
        }
        requirements
    }

    /// Removes a branch and what only it needs. Says whether there was one.
    pub async fn drop_branch(&mut self, name: &str) -> Result<bool, LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let mut wait = FIRST_WAIT;
        let mut there = false;
        for attempt in 1..=attempts {
            let metadata = Arc::clone(&self.stored.metadata);
            let Some(snapshot_id) = head_id(&metadata, name).filter(|_| name != MAIN) else { return Ok(there) };
            there = true;
            let gone = own_snapshots(&self.context.ident, &metadata, name)?;
            let proposal = Proposal {
                requirements: vec![
                    TableRequirement::UuidMatch { uuid: metadata.uuid() },
                    TableRequirement::RefSnapshotIdMatch { r#ref: name.to_owned(), snapshot_id: Some(snapshot_id) },
                ],
                updates: vec![
                    TableUpdate::RemoveSnapshotRef { ref_name: name.to_owned() },
                    TableUpdate::RemoveSnapshots { snapshot_ids: gone.clone() },
                ],
            };
            let context = &self.context;
            match context.catalog.commit(&context.seams, &context.ident, &self.stored, proposal).await? {
                CatalogOutcome::Committed(_) | CatalogOutcome::Conflict => self.reload(&[]).await?,
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_again(&[], wait).await?;
                }
            }
            if gone.iter().all(|id| self.stored.metadata.snapshot_by_id(*id).is_none()) && !self.has_branch(name) {
                self.sweep_snapshots(&metadata, &gone).await;
                return Ok(true);
            }
            self.pause(attempt, attempts, &mut wait).await;
        }
        Err(LakeError::Contention { table: self.context.ident.to_string(), attempts })
    }

    /// Removes the files that only snapshots which are gone needed. Best effort: the removal of orphans finds the rest.
    async fn sweep_snapshots(&self, before: &TableMetadata, gone: &[i64]) {
        let kept: Vec<SnapshotRef> = self.stored.metadata.snapshots().cloned().collect();
        if let Err(error) = unreachable(&self.context, before, &kept, gone, true).await {
            tracing::warn!(table = %self.context.ident, %error, "files of a branch that is gone stay for now");
        }
    }

    /// Waits before the next attempt, if there is one.
    pub(crate) async fn pause(&self, attempt: u32, attempts: u32, wait: &mut Duration) {
        if attempt < attempts {
            let jitter = 0.5 + self.context.seams.entropy.fraction();
            self.context.seams.clock.sleep(wait.mul_f64(jitter)).await;
            *wait = (*wait * 2).min(LONGEST_WAIT);
        }
    }
}
