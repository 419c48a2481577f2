use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{Snapshot, TableMetadata, TableMetadataBuilder};
use roaring::RoaringBitmap;
use sluice_change::Checkpoint;

use super::mapping::RowMapping;
use super::work::Rewritten;
use crate::commit::{FIRST_WAIT, LONGEST_WAIT};
use crate::live::DeleteSource;
use crate::snapshot::{Draft, FileChange};
use crate::table::ancestors;
use crate::{CatalogOutcome, FileId, LakeError, LakeTable, LiveFile, Proposal, WrittenFile, io};

/// Key in the summary of a snapshot that only moves rows: which rewrite it is.
const REWRITE_KEY: &str = "sluice.rewrite";
/// Key of the encoded checkpoint, which such a snapshot carries on.
pub(crate) const CHECKPOINT_KEY: &str = "sluice.checkpoint";

/// What became of a rewrite.
#[derive(Debug, Clone)]
pub enum RewriteOutcome {
    /// The new files have taken the place of the old ones.
    Landed {
        /// The snapshot that did it.
        snapshot_id: i64,
        /// Where the rows are now.
        mapping: Arc<RowMapping>,
    },
    /// The table no longer is what the rewrite was made for; its files are removed, and nothing has changed.
    Dropped {
        /// In what way, for people.
        reason: String,
    },
}

/// The deletes that came after the files were read, at the new places of their rows; or why the files do not fit.
type Fit = Result<Fitting, String>;

struct Fitting {
    replaced: Vec<FileId>,
    deletes: HashMap<FileId, RoaringBitmap>,
}

impl LakeTable {
    /// Puts rewritten files in the place of those that were read, in a snapshot of its own.
    ///
    /// Rows that were deleted since stay deleted: their deletes are moved to the new files in the same snapshot. The
    /// position stays as it is, and is carried on. What others commit meanwhile is dealt with as in
    /// [`LakeTable::commit`]. On an error nothing has landed ([`LakeError::Unresolved`] excepted) and the files are still
    /// there: commit them later, or [`LakeTable::discard_rewrite`] them.
    pub async fn commit_rewrite(&mut self, rewritten: &Rewritten) -> Result<RewriteOutcome, LakeError> {
        let keeps_files = self.live.is_some();
        let outcome = self.try_rewrite(rewritten).await;
        if !keeps_files {
            self.live = None;
        }
        if let Ok(RewriteOutcome::Dropped { reason }) = &outcome {
            tracing::info!(table = %self.context.ident, reason, "a rewrite of data files is dropped");
            self.sweep_rewrite(rewritten).await;
        }
        outcome
    }

    /// Removes the files of a rewrite that will not be committed. Best effort.
    pub async fn discard_rewrite(&self, rewritten: Rewritten) {
        self.sweep_rewrite(&rewritten).await;
    }

    async fn sweep_rewrite(&self, rewritten: &Rewritten) {
        rewritten.swept.store(true, Ordering::Relaxed);
        self.sweep_files(&rewritten.files).await;
    }

    async fn sweep_files(&self, files: &[WrittenFile]) {
        let paths: Vec<String> = files.iter().map(|file| file.path().to_owned()).collect();
        io::sweep(&self.context.seams.storage, paths).await;
    }

    async fn try_rewrite(&mut self, rewritten: &Rewritten) -> Result<RewriteOutcome, LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let landed = |snapshot_id| RewriteOutcome::Landed { snapshot_id, mapping: Arc::clone(&rewritten.mapping) };
        let position = self.checkpoint()?;
        let mut before = (self.snapshot_id(), self.foreign.clone());
        let mut wait = FIRST_WAIT;
        for attempt in 1..=attempts {
            if let Some((snapshot_id, alone)) = self.holds(rewritten, before.0) {
                if alone {
                    // What was noted on looking again is our own doing.
                    self.foreign = before.1;
                }
                return Ok(landed(snapshot_id));
            }
            if !same_owner(position.as_ref(), self.checkpoint()?.as_ref()) {
                return Ok(RewriteOutcome::Dropped { reason: "another program moved the table's position".to_owned() });
            }
            if self.live.is_none() {
                self.live = Some(self.load_live().await?);
            }
            let fitting = match self.fitting(rewritten).await? {
                Ok(fitting) => fitting,
                Err(reason) => return Ok(RewriteOutcome::Dropped { reason }),
            };
            before = (self.snapshot_id(), self.foreign.clone());
            let (draft, outcome, empty) = self.attempt_rewrite(rewritten, &fitting, position.as_ref()).await?;
            match outcome {
                CatalogOutcome::Committed(stored) => {
                    let snapshot_id = draft.snapshot.snapshot_id();
                    if let Err(error) = self.adopt(stored, draft).await {
                        let table = self.context.ident.to_string();
                        return Err(LakeError::Unresolved { table, source: Box::new(error) });
                    }
                    self.sweep_files(&empty).await;
                    return Ok(landed(snapshot_id));
                }
                CatalogOutcome::Conflict => self.reload(&rewritten.files).await?,
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_again(&rewritten.files, wait).await?;
                }
            }
            if attempt < attempts {
                let jitter = 0.5 + self.context.seams.entropy.fraction();
                self.context.seams.clock.sleep(wait.mul_f64(jitter)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        match self.holds(rewritten, before.0) {
            Some((snapshot_id, _)) => Ok(landed(snapshot_id)),
            None => Err(LakeError::Contention { table: self.context.ident.to_string(), attempts }),
        }
    }

    /// The snapshot of this rewrite, if it has landed, and whether it is all that came after the snapshot `before`.
    fn holds(&self, rewritten: &Rewritten, before: Option<i64>) -> Option<(i64, bool)> {
        let metadata = &self.stored.metadata;
        let ours = |snapshot: &&iceberg::spec::SnapshotRef| {
            snapshot.summary().additional_properties.get(REWRITE_KEY) == Some(&rewritten.id)
        };
        let found =
            ancestors(metadata, &self.context.branch).take(self.context.settings.inspected_ancestors).find(ours)?;
        let alone = self.snapshot_id() == Some(found.snapshot_id()) && found.parent_snapshot_id() == before;
        Some((found.snapshot_id(), alone))
    }

    /// Whether the table still is such that the new files can take the place of the old ones.
    async fn fitting(&self, rewritten: &Rewritten) -> Result<Fit, LakeError> {
        let Some(live) = &self.live else { return Ok(Err("the table's files are not known".to_owned())) };
        if rewritten.swept.load(Ordering::Relaxed) {
            return Ok(Err("its files were removed before".to_owned()));
        }
        if !Arc::ptr_eq(&rewritten.next_file, &self.next_file) {
            return Ok(Err("the table was opened anew, and its files have other numbers now".to_owned()));
        }
        let metadata = &self.stored.metadata;
        if rewritten.version != self.format_version() {
            return Ok(Err("the table has another format version now".to_owned()));
        }
        if metadata.partition_spec_by_id(rewritten.spec_id).is_none()
            || !self.accepts(metadata.current_schema(), &rewritten.files)
        {
            return Ok(Err("the table's schema or partitioning is another one now".to_owned()));
        }
        let mut replaced = Vec::with_capacity(rewritten.sources.len());
        let mut changed: Vec<(FileId, &LiveFile)> = Vec::new();
        for source in &rewritten.sources {
            let Some(file) = live.by_path.get(&source.path).and_then(|id| live.files.get(id)) else {
                return Ok(Err(format!("{} is no longer part of the table", source.path)));
            };
            replaced.push(file.id);
            if !source.deletes.iter().map(DeleteSource::key).eq(file.deletes.iter().map(DeleteSource::key)) {
                changed.push((source.id, file));
            }
        }
        let reads: Vec<_> = changed
            .into_iter()
            .map(|(source, file)| {
                async move { Ok::<_, LakeError>((source, file, self.positions(file).await?)) }.boxed()
            })
            .collect();
        let mut reads = stream::iter(reads).buffered(self.context.settings.parallel_files);
        let mut deletes: HashMap<FileId, RoaringBitmap> = HashMap::new();
        while let Some((source, file, now)) = reads.try_next().await? {
            let Some(then) = rewritten.mapping.deleted(source) else { continue };
            if !then.is_subset(&now) {
                return Ok(Err(format!("rows of {} that were deleted are back", file.path)));
            }
            for (to, positions) in rewritten.mapping.translate(source, &(&*now - then)) {
                *deletes.entry(to).or_default() |= positions;
            }
        }
        Ok(Ok(Fitting { replaced, deletes }))
    }

    /// Writes the snapshot and sends it once. The third part are new files that are left out, for all their rows were
    /// deleted meanwhile.
    async fn attempt_rewrite(
        &self,
        rewritten: &Rewritten,
        fitting: &Fitting,
        position: Option<&Checkpoint>,
    ) -> Result<(Draft, CatalogOutcome, Vec<WrittenFile>), LakeError> {
        let gone = |file: &WrittenFile| fitting.deletes.get(&file.id).is_some_and(|gone| gone.len() >= file.records);
        let (empty, files): (Vec<_>, Vec<_>) = rewritten.files.iter().cloned().partition(gone);
        let mut deletes = fitting.deletes.clone();
        for file in &empty {
            deletes.remove(&file.id);
        }
        let change = FileChange {
            files: &files,
            deletes: &deletes,
            replace_all: false,
            rewritten: &fitting.replaced,
            sequence: Some(rewritten.sequence),
        };
        let mut written = Vec::new();
        let result = self.send_rewrite(&change, rewritten, position, &mut written).await;
        // After no answer the snapshot may be the table's: its files must stay.
        if !matches!(result, Ok((_, CatalogOutcome::Committed(_) | CatalogOutcome::Unknown(_)))) {
            io::sweep(&self.context.seams.storage, written).await;
        }
        let (draft, outcome) = result?;
        Ok((draft, outcome, empty))
    }

    async fn send_rewrite(
        &self,
        change: &FileChange<'_>,
        rewritten: &Rewritten,
        position: Option<&Checkpoint>,
        written: &mut Vec<String>,
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let (context, base) = (&self.context, &self.stored);
        let mut facts = match position {
            Some(position) => position.to_properties().map_err(LakeError::checkpoint(&context.ident))?,
            None => Vec::new(),
        };
        // Only the position itself: what the commit before did is not done again.
        facts.retain(|(key, _)| key == CHECKPOINT_KEY);
        facts.push((REWRITE_KEY.to_owned(), rewritten.id.clone()));
        let draft = self.draft(change, &base.metadata, &facts, written).await?;
        let proposal = self.snapshot_proposal(draft.snapshot.clone())?;
        let outcome = context.catalog.commit(&context.seams, &context.ident, base, proposal).await?;
        Ok((draft, outcome))
    }

    /// Adds a snapshot and nothing else.
    pub(crate) fn snapshot_proposal(&self, snapshot: Snapshot) -> Result<Proposal, LakeError> {
        let metadata = &self.stored.metadata;
        let built = TableMetadata::clone(metadata)
            .into_builder(None)
            .set_branch_snapshot(snapshot, &self.context.branch)
            .and_then(TableMetadataBuilder::build)
            .map_err(LakeError::metadata(&self.context.ident, "add the snapshot of a rewrite to the table"))?;
        Ok(Proposal { requirements: self.standing(), updates: built.changes })
    }
}

/// Whether two checkpoints are of the same commit.
fn same_owner(a: Option<&Checkpoint>, b: Option<&Checkpoint>) -> bool {
    let key = |checkpoint: &Checkpoint| (checkpoint.commit_id.clone(), checkpoint.writer.clone());
    a.map(key) == b.map(key)
}
