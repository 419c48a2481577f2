use std::time::Duration;

use iceberg::TableRequirement;
use iceberg::spec::{Snapshot, SnapshotRef, TableMetadata, TableMetadataBuilder};
use sluice_change::Checkpoint;

use super::hold::HOLD_KEY;
use super::{MAIN, PUBLISHED_KEY, own_snapshots};
use crate::commit::FIRST_WAIT;
use crate::snapshot::Draft;
use crate::table::{ancestors, read_list};
use crate::{CatalogOutcome, LakeError, LakeTable, Proposal, StoredTable, io};

/// How a branch is to take the place of main.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Names it: what was published without an answer is known by it.
    pub id: String,
    /// The snapshot that main must stand at.
    pub main: Option<i64>,
    /// What main's rows cover then: main's own checkpoint, so that whoever writes main goes on.
    pub checkpoint: Checkpoint,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Main has the branch's rows, the branch is gone, and the table now stands on main.
    Landed {
        /// The snapshot that did it.
        snapshot_id: i64,
    },
    /// Main stands at another snapshot: bring the branch up to it and try again. Nothing has changed.
    Behind,
    /// Another process changed the branch or removed it. Nothing has changed.
    Fenced,
}

fn is_publication(snapshot: &SnapshotRef, id: &str) -> bool {
    snapshot.summary().additional_properties.get(PUBLISHED_KEY).is_some_and(|found| found == id)
}

impl LakeTable {
    /// Lets the rows of this branch take the place of those of main, and removes the branch, in one commit.
    ///
    /// The new snapshot follows main's, so that its history goes on. On an error nothing has changed,
    /// [`LakeError::Unresolved`] excepted.
    pub async fn publish(&mut self, wanted: &Publication) -> Result<Published, LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let at = self.snapshot_id();
        let mut wait = FIRST_WAIT;
        if self.live.is_none() {
            self.live = Some(self.load_live().await?);
        }
        for attempt in 1..=attempts {
            if let Some(snapshot_id) = self.publication(&wanted.id) {
                return self.landed_late(snapshot_id).await;
            }
            if at.is_none() || self.snapshot_id() != at {
                return Ok(Published::Fenced);
            }
            if self.stored.metadata.current_snapshot_id() != wanted.main {
                return Ok(Published::Behind);
            }
            let before = self.stored.clone();
            let gone = own_snapshots(&self.context.ident, &before.metadata, &self.context.branch)?;
            let (draft, outcome) = self.attempt_publication(wanted, &gone).await?;
            let landed = match outcome {
                CatalogOutcome::Committed(stored) => {
                    self.stand_on_main(stored, &draft).await.map_err(|error| self.unresolved(error))?;
                    true
                }
                CatalogOutcome::Conflict => self.look_for(wanted, false, wait).await?,
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_for(wanted, true, wait).await?
                }
            };
            if landed {
                self.sweep_snapshots(&before.metadata, &gone).await;
                return Ok(Published::Landed { snapshot_id: draft.snapshot.snapshot_id() });
            }
            self.pause(attempt, attempts, &mut wait).await;
        }
        Err(LakeError::Contention { table: self.context.ident.to_string(), attempts })
    }

    /// The snapshot with which a publication landed, if main has it.
    pub fn publication(&self, id: &str) -> Option<i64> {
        let snapshots = ancestors(&self.stored.metadata, MAIN).take(self.context.settings.inspected_ancestors);
        let mut found = snapshots.filter(|snapshot| is_publication(snapshot, id));
        found.next().map(|snapshot| snapshot.snapshot_id())
    }

    /// Writes the snapshot and sends it to the catalog once. What is left over of a failure is removed.
    async fn attempt_publication(
        &self,
        wanted: &Publication,
        gone: &[i64],
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let mut written = Vec::new();
        let result = self.send_publication(wanted, gone, &mut written).await;
        // After no answer the snapshot may be the table's: its files must stay.
        if !matches!(result, Ok((_, CatalogOutcome::Committed(_) | CatalogOutcome::Unknown(_)))) {
            io::sweep(&self.context.seams.storage, written).await;
        }
        result
    }

    async fn send_publication(
        &self,
        wanted: &Publication,
        gone: &[i64],
        written: &mut Vec<String>,
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let (context, base) = (&self.context, &self.stored);
        let properties = wanted.checkpoint.to_properties().map_err(LakeError::checkpoint(&context.ident))?;
        let mut facts = properties.clone();
        facts.push((PUBLISHED_KEY.to_owned(), wanted.id.clone()));
        let draft = self.draft_replacement(base.metadata.current_snapshot(), &facts, written).await?;
        let proposal = self.publication_proposal(draft.snapshot.clone(), properties, gone)?;
        let outcome = context.catalog.commit(&context.seams, &context.ident, base, proposal).await?;
        Ok((draft, outcome))
    }

    fn publication_proposal(
        &self,
        snapshot: Snapshot,
        properties: Vec<(String, String)>,
        gone: &[i64],
    ) -> Result<Proposal, LakeError> {
        let (metadata, branch) = (&self.stored.metadata, &self.context.branch);
        let mut requirements = self.standing();
        requirements.push(TableRequirement::RefSnapshotIdMatch {
            r#ref: MAIN.to_owned(),
            snapshot_id: metadata.current_snapshot_id(),
        });
        let mut stale = self.stale_properties(&properties)?;
        stale.extend(self.property(HOLD_KEY).map(|_| HOLD_KEY.to_owned()));
        let built = TableMetadata::clone(metadata)
            .into_builder(None)
            .set_branch_snapshot(snapshot, MAIN)
            .and_then(|builder| builder.set_properties(properties.into_iter().collect()))
            .and_then(|builder| builder.remove_properties(&stale))
            .map(|builder| builder.remove_ref(branch).remove_snapshots(gone))
            .and_then(TableMetadataBuilder::build)
            .map_err(LakeError::metadata(&self.context.ident, "put a branch in the place of main"))?;
        Ok(Proposal { requirements, updates: built.changes })
    }

    /// Looks whether the publication is in effect, after an answer that does not say so; then the table stands on main.
    async fn look_for(&mut self, wanted: &Publication, patient: bool, wait: Duration) -> Result<bool, LakeError> {
        let is_wanted = |snapshot: &SnapshotRef| is_publication(snapshot, &wanted.id);
        let context = self.context.clone();
        let inspected = context.settings.inspected_ancestors;
        let mut tries = if patient { context.settings.commit_attempts.max(1) } else { 1 };
        // It is looked before the branch's files are let go.
        let loaded = loop {
            match context.catalog.load(&context.seams, &context.ident, Some(&self.stored)).await {
                Ok(loaded) => break loaded,
                Err(error) if !patient => return Err(error),
                Err(error) if tries <= 1 || !error.is_transient() => return Err(self.unresolved(error)),
                Err(_) => tries -= 1,
            }
            context.seams.clock.sleep(wait).await;
        };
        let landed = loaded.is_some_and(|stored| ancestors(&stored.metadata, MAIN).take(inspected).any(is_wanted));
        if landed {
            // Its files keep their numbers: they are those of the branch.
            self.context.branch = MAIN.into();
        }
        let noted = self.foreign.clone();
        match patient {
            true => self.look_again(&[], wait).await?,
            false => self.reload(&[]).await?,
        }
        if landed && self.head().is_some_and(is_wanted) {
            self.foreign = noted;
        }
        Ok(landed)
    }

    /// The table stands on main after a publication that was only seen once the branch was gone: files have other numbers.
    async fn landed_late(&mut self, snapshot_id: i64) -> Result<Published, LakeError> {
        self.context.branch = MAIN.into();
        self.foreign.changed = true;
        self.forget_scanned();
        let manifests = read_list(&self.context, &self.stored.metadata).await;
        self.manifests = manifests.map_err(|error| self.unresolved(error))?;
        let live = self.load_live().await.map_err(|error| self.unresolved(error))?;
        self.live = Some(live);
        Ok(Published::Landed { snapshot_id })
    }

    async fn stand_on_main(&mut self, stored: StoredTable, draft: &Draft) -> Result<(), LakeError> {
        self.context.branch = MAIN.into();
        let alone = stored.metadata.current_snapshot_id() == Some(draft.snapshot.snapshot_id());
        self.stored = stored;
        self.forget_scanned();
        if alone {
            self.manifests.clone_from(&draft.manifests);
            return Ok(());
        }
        // A catalog may put further commits on top before it answers.
        self.foreign.changed = true;
        self.manifests = read_list(&self.context, &self.stored.metadata).await?;
        self.live = Some(self.load_live().await?);
        Ok(())
    }

    fn unresolved(&self, error: LakeError) -> LakeError {
        LakeError::Unresolved { table: self.context.ident.to_string(), source: Box::new(error) }
    }
}
