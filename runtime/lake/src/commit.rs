use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use iceberg::TableRequirement;
use iceberg::spec::{Snapshot, TableMetadata, TableMetadataBuilder};
use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, SchemaChange};

use crate::branch::MAIN;
use crate::snapshot::{Draft, FileChange};
use crate::table::{CHECKPOINT_SEQUENCE_KEY, ancestors, checkpoint, head_id, of_snapshot, read_list};
use crate::{CatalogOutcome, FileId, LakeError, LakeTable, Proposal, StoredTable, WrittenFile, io, schema};

/// Wait before the second attempt; it doubles with each.
pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between attempts.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Everything that one commit does, atomically.
#[derive(Debug, Clone, Default)]
pub struct TableChange {
    /// Data files to add.
    pub files: Vec<WrittenFile>,
    /// Newly deleted positions, by data file.
    pub deletes: HashMap<FileId, RoaringBitmap>,
    /// Whether all data files before these go.
    pub replace_all: bool,
    /// Columns to rename, to add and to widen.
    pub schema: SchemaChange,
    /// What the table's rows cover after this commit, and whose commit it is.
    pub checkpoint: Checkpoint,
    /// What the rows must cover before it: the checkpoint on which the work was built.
    pub expected: Option<Checkpoint>,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is part of the table. What others did meanwhile is in [`LakeTable::foreign`].
    Landed {
        /// The snapshot that holds it.
        snapshot_id: i64,
    },
    /// Another writer moved the position: this work is no longer wanted.
    Fenced {
        /// The other writer.
        by: String,
        /// How it was seen.
        detail: String,
    },
    /// Others changed the table so that these files or deletes no longer fit, or rolled it back, and no one else took it
    /// over: refresh, find position and rows again and build the change anew.
    Moved,
}

/// What the table says of a commit whose fate is open.
enum Finding {
    Landed(i64),
    Fenced { by: String, detail: String },
    RolledBack,
    Open,
}

impl TableChange {
    /// What it does to files.
    pub(crate) fn file_change(&self) -> FileChange<'_> {
        FileChange {
            files: &self.files,
            deletes: &self.deletes,
            replace_all: self.replace_all,
            rewritten: &[],
            sequence: None,
        }
    }
}

impl LakeTable {
    /// Commits a change on top of the current snapshot.
    ///
    /// Before every attempt but the first the table is looked at again; nothing is sent twice blindly. On an error
    /// nothing has landed, [`LakeError::Unresolved`] excepted.
    pub async fn commit(&mut self, change: TableChange) -> Result<Outcome, LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let mut wait = FIRST_WAIT;
        for attempt in 1..=attempts {
            self.wait_while_held(&change.files).await;
            match self.inspect(&change)? {
                Finding::Landed(snapshot_id) => return Ok(Outcome::Landed { snapshot_id }),
                Finding::Fenced { by, detail } => return Ok(Outcome::Fenced { by, detail }),
                Finding::RolledBack => return Ok(Outcome::Moved),
                Finding::Open => {}
            }
            if (change.replace_all || !change.deletes.is_empty()) && self.live.is_none() {
                self.live = Some(self.load_live().await?);
            }
            if !self.fits(&change)? {
                return Ok(Outcome::Moved);
            }
            let (draft, outcome) = self.attempt(&change).await?;
            match outcome {
                CatalogOutcome::Committed(stored) => {
                    let snapshot_id = draft.snapshot.snapshot_id();
                    if let Err(error) = self.adopt(stored, draft).await {
                        let table = self.context.ident.to_string();
                        return Err(LakeError::Unresolved { table, source: Box::new(error) });
                    }
                    return Ok(Outcome::Landed { snapshot_id });
                }
                CatalogOutcome::Conflict => {
                    tracing::debug!(table = %self.context.ident, attempt, "another program was faster");
                    self.reload(&change.files).await?;
                }
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_again(&change.files, wait).await?;
                }
            }
            if attempt < attempts {
                let jitter = 0.5 + self.context.seams.entropy.fraction();
                self.context.seams.clock.sleep(wait.mul_f64(jitter)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        match self.inspect(&change)? {
            Finding::Landed(snapshot_id) => Ok(Outcome::Landed { snapshot_id }),
            Finding::Fenced { by, detail } => Ok(Outcome::Fenced { by, detail }),
            Finding::RolledBack => Ok(Outcome::Moved),
            Finding::Open => Err(LakeError::Contention { table: self.context.ident.to_string(), attempts }),
        }
    }

    /// Reloads after an unanswered commit, a bounded number of times.
    pub(crate) async fn look_again(&mut self, ours: &[WrittenFile], first_wait: Duration) -> Result<(), LakeError> {
        let mut wait = first_wait;
        let mut attempts = self.context.settings.commit_attempts.max(1);
        loop {
            match self.reload(ours).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    attempts -= 1;
                    if attempts == 0 || !error.is_transient() {
                        let table = self.context.ident.to_string();
                        return Err(LakeError::Unresolved { table, source: Box::new(error) });
                    }
                }
            }
            self.context.seams.clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Whether the change has landed, is no longer wanted, or is still to be made.
    fn inspect(&self, change: &TableChange) -> Result<Finding, LakeError> {
        let (ident, metadata) = (&self.context.ident, &self.stored.metadata);
        let ours = |found: &Checkpoint| {
            found.commit_id == change.checkpoint.commit_id && found.writer == change.checkpoint.writer
        };
        let found = match checkpoint(ident, metadata, &self.context.branch) {
            Err(LakeError::PositionLost(_)) if change.expected.is_some() => return Ok(Finding::RolledBack),
            // Work that expects nothing covers everything.
            Err(LakeError::PositionLost(_)) => None,
            found => found?,
        };
        if let (Some(found), Some(expected)) = (&found, &change.expected)
            && same_work(found, expected)
            && !ours(found)
        {
            return Ok(Finding::Open);
        }
        // Our commit may lie below a compaction, or below another writer's commits.
        for snapshot in ancestors(metadata, &self.context.branch).take(self.context.settings.inspected_ancestors) {
            if of_snapshot(ident, snapshot)?.is_some_and(|found| ours(&found)) {
                return Ok(Finding::Landed(snapshot.snapshot_id()));
            }
        }
        match (&found, &change.expected) {
            // Its own snapshot has expired already, and only the property is left of it.
            (Some(found), _) if ours(found) => Ok(Finding::Landed(self.snapshot_id().unwrap_or(-1))),
            (None, None) => Ok(Finding::Open),
            (None, Some(_)) if *self.context.branch != *MAIN => Ok(Finding::Fenced {
                by: "another process".to_owned(),
                detail: format!("the branch `{}` is gone", self.context.branch),
            }),
            (None, Some(_)) => Ok(Finding::Fenced {
                by: "another program".to_owned(),
                detail: "the table no longer carries a checkpoint; it was rolled back or its properties were removed"
                    .to_owned(),
            }),
            (Some(found), Some(expected)) if is_earlier(found, expected) => {
                tracing::warn!(
                    table = %ident, from = expected.next_sequence, to = found.next_sequence, "the table was rolled back"
                );
                Ok(Finding::RolledBack)
            }
            (Some(found), _) => Ok(Finding::Fenced {
                by: format!("{}#{}", found.writer, found.epoch),
                detail: format!(
                    "the table's position is {} (next sequence {}), set by commit {}",
                    found.position, found.next_sequence, found.commit_id
                ),
            }),
        }
    }

    /// Whether the files that the change deletes from are there, it knows of all rows, and its new files match the schema.
    fn fits(&self, change: &TableChange) -> Result<bool, LakeError> {
        if self.foreign.rows_came && !change.replace_all {
            return Ok(false);
        }
        let new: HashSet<FileId> = change.files.iter().map(|file| file.id).collect();
        if self.foreign.replaced && !change.replace_all {
            // Which keys were there is not known any more, not even for rows that are only added.
            return Ok(false);
        }
        let live = self.live.as_ref();
        let there = |id: &FileId| new.contains(id) || live.is_some_and(|live| live.files.contains_key(id));
        if !change.replace_all && !change.deletes.keys().all(there) {
            return Ok(false);
        }
        let metadata = &self.stored.metadata;
        if change.files.iter().any(|file| metadata.partition_spec_by_id(file.spec_id).is_none()) {
            return Ok(false);
        }
        let changed = schema::changed(&self.context.ident, metadata, &change.schema)?.map(Arc::new);
        Ok(self.accepts(changed.as_ref().unwrap_or_else(|| metadata.current_schema()), &change.files))
    }

    /// Whether files can be part of the table with this schema.
    pub(crate) fn accepts(&self, schema: &Arc<iceberg::spec::Schema>, files: &[WrittenFile]) -> bool {
        let mut checked: Option<&Arc<iceberg::spec::Schema>> = None;
        for file in files {
            if checked.is_some_and(|checked| Arc::ptr_eq(checked, &file.schema)) {
                continue;
            }
            if !schema::accepts(&self.stored.metadata, schema, &file.schema) {
                return false;
            }
            checked = Some(&file.schema);
        }
        true
    }

    /// Writes the snapshot and sends it to the catalog once. What is left over of a failure is removed.
    async fn attempt(&self, change: &TableChange) -> Result<(Draft, CatalogOutcome), LakeError> {
        let mut written = Vec::new();
        let result = self.try_once(change, &mut written).await;
        // After no answer the snapshot may be the table's: its files must stay.
        if !matches!(result, Ok((_, CatalogOutcome::Committed(_) | CatalogOutcome::Unknown(_)))) {
            io::sweep(&self.context.seams.storage, written).await;
        }
        result
    }

    async fn try_once(
        &self,
        change: &TableChange,
        written: &mut Vec<String>,
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let ident = &self.context.ident;
        let base = &self.stored;
        let mut properties = change.checkpoint.to_properties().map_err(LakeError::checkpoint(ident))?;
        let planned = self.with_schema(&change.schema)?;
        let planned = planned.as_ref().unwrap_or(&base.metadata);
        let draft = self.draft(&change.file_change(), planned, &properties, written).await?;
        properties.push((CHECKPOINT_SEQUENCE_KEY.to_owned(), draft.snapshot.sequence_number().to_string()));
        let proposal = self.proposal(change, draft.snapshot.clone(), properties)?;
        let outcome = self.context.catalog.commit(&self.context.seams, ident, base, proposal).await?;
        Ok((draft, outcome))
    }

    /// The table's metadata with the change's schema; `None` where that is the schema it has.
    pub(crate) fn with_schema(&self, change: &SchemaChange) -> Result<Option<Arc<TableMetadata>>, LakeError> {
        let (ident, metadata) = (&self.context.ident, &self.stored.metadata);
        let Some(schema) = schema::changed(ident, metadata, change)? else { return Ok(None) };
        let built = TableMetadata::clone(metadata)
            .into_builder(None)
            .add_current_schema(schema)
            .and_then(TableMetadataBuilder::build)
            .map_err(LakeError::metadata(ident, "change the table's schema"))?;
        // The builder stamps the machine's time where no snapshot gives one; only the schema is wanted of this.
        Ok(Some(Arc::new(built.metadata)))
    }

    pub(crate) fn proposal(
        &self,
        change: &TableChange,
        snapshot: Snapshot,
        properties: Vec<(String, String)>,
    ) -> Result<Proposal, LakeError> {
        let (ident, metadata) = (&self.context.ident, &self.stored.metadata);
        let mut requirements = self.standing();
        let mut builder = TableMetadata::clone(metadata).into_builder(None);
        let refused = || LakeError::metadata(ident, "add a snapshot to the table");
        if let Some(schema) = schema::changed(ident, metadata, &change.schema)? {
            requirements
                .push(TableRequirement::CurrentSchemaIdMatch { current_schema_id: metadata.current_schema_id() });
            requirements
                .push(TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: metadata.last_column_id() });
            builder = builder.add_current_schema(schema).map_err(refused())?;
        }
        builder = builder.set_branch_snapshot(snapshot, &self.context.branch).map_err(refused())?;
        if *self.context.branch == *MAIN {
            let stale = self.stale_properties(&properties)?;
            builder = builder
                .set_properties(properties.into_iter().collect())
                .and_then(|builder| builder.remove_properties(&stale))
                .map_err(refused())?;
        }
        let built = builder.build().map_err(refused())?;
        Ok(Proposal { requirements, updates: built.changes })
    }

    /// Properties of the checkpoint before that the new one does not set.
    pub(crate) fn stale_properties(&self, properties: &[(String, String)]) -> Result<Vec<String>, LakeError> {
        let ident = &self.context.ident;
        let metadata = &self.stored.metadata;
        let before = Checkpoint::from_properties(|key| metadata.properties().get(key));
        let Some(before) = before.map_err(LakeError::checkpoint(ident))? else { return Ok(Vec::new()) };
        let before = before.to_properties().map_err(LakeError::checkpoint(ident))?;
        let kept = |key: &String| properties.iter().any(|(name, _)| name == key);
        Ok(before.into_iter().map(|(key, _)| key).filter(|key| !kept(key)).collect())
    }

    /// Takes on the snapshot that was committed, without reading anything back.
    pub(crate) async fn adopt(&mut self, stored: StoredTable, mut draft: Draft) -> Result<(), LakeError> {
        if head_id(&stored.metadata, &self.context.branch) == Some(draft.snapshot.snapshot_id()) {
            self.manifests = draft.manifests;
        } else {
            // A catalog may put further commits on top before it answers.
            self.manifests = read_list(&self.context, &stored.metadata).await?;
            self.foreign.changed = true;
            draft.effect.reread = true;
        }
        self.stored = stored;
        self.forget_scanned();
        for id in &draft.effect.removed {
            self.cache.remove(*id);
        }
        for new in &draft.effect.deletes {
            match &new.kept {
                Some(positions) => self.cache.put(new.file, Arc::clone(positions)),
                None => self.cache.remove(new.file),
            }
        }
        if let Some(live) = &mut self.live {
            live.apply(&mut draft.effect);
        }
        if draft.effect.reread && self.live.is_some() {
            self.live = Some(self.load_live().await?);
        }
        Ok(())
    }
}

/// Whether the table stood at `found` before it stood at `expected`: who takes a table over counts the epoch up.
fn is_earlier(found: &Checkpoint, expected: &Checkpoint) -> bool {
    let same_process = found.epoch == expected.epoch && found.writer == expected.writer;
    found.epoch < expected.epoch || (same_process && found.next_sequence <= expected.next_sequence)
}

/// Whether two checkpoints say the same of the table's rows.
fn same_work(a: &Checkpoint, b: &Checkpoint) -> bool {
    a.commit_id == b.commit_id && a.next_sequence == b.next_sequence && a.position == b.position
}
