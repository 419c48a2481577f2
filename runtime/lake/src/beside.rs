//! Rows that come beside the stream: added in a snapshot that leaves the position to the writer to whom it belongs.

use std::collections::HashMap;

use sluice_change::SchemaChange;

use crate::commit::FIRST_WAIT;
use crate::compaction::CHECKPOINT_KEY;
use crate::snapshot::{Draft, FileChange};
use crate::table::ancestors;
use crate::{CatalogOutcome, LakeError, LakeTable, TableChange, WrittenFile, io};

/// Key in the summary of such a snapshot: which addition it is.
const BESIDE_KEY: &str = "sluice.beside";

impl LakeTable {
    /// Adds files, and the columns that they need, and carries the position on as it is: no writer is fenced by it.
    ///
    /// `id` names the addition; one that is there already is not made again. On an error nothing has landed,
    /// [`LakeError::Unresolved`] excepted.
    pub async fn append_beside(
        &mut self,
        files: &[WrittenFile],
        schema: &SchemaChange,
        id: &str,
    ) -> Result<(), LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let mut wait = FIRST_WAIT;
        for attempt in 1..=attempts {
            if self.holds_addition(id) {
                return Ok(());
            }
            let (draft, outcome) = self.attempt_addition(files, schema, id).await?;
            match outcome {
                CatalogOutcome::Committed(stored) => {
                    let table = self.context.ident.to_string();
                    let adopted = self.adopt(stored, draft).await;
                    return adopted.map_err(|error| LakeError::Unresolved { table, source: Box::new(error) });
                }
                CatalogOutcome::Conflict => self.reload(files).await?,
                CatalogOutcome::Unknown(error) => {
                    tracing::warn!(table = %self.context.ident, attempt, %error, "the catalog did not answer; looking");
                    self.look_again(files, wait).await?;
                }
            }
            self.pause(attempt, attempts, &mut wait).await;
        }
        if self.holds_addition(id) {
            return Ok(());
        }
        Err(LakeError::Contention { table: self.context.ident.to_string(), attempts })
    }

    fn holds_addition(&self, id: &str) -> bool {
        let snapshots = ancestors(&self.stored.metadata, &self.context.branch);
        let mut snapshots = snapshots.take(self.context.settings.inspected_ancestors);
        snapshots
            .any(|snapshot| snapshot.summary().additional_properties.get(BESIDE_KEY).is_some_and(|found| found == id))
    }

    async fn attempt_addition(
        &self,
        files: &[WrittenFile],
        schema: &SchemaChange,
        id: &str,
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let mut written = Vec::new();
        let result = self.send_addition(files, schema, id, &mut written).await;
        // After no answer the snapshot may be the table's: its files must stay.
        if !matches!(result, Ok((_, CatalogOutcome::Committed(_) | CatalogOutcome::Unknown(_)))) {
            io::sweep(&self.context.seams.storage, written).await;
        }
        result
    }

    async fn send_addition(
        &self,
        files: &[WrittenFile],
        schema: &SchemaChange,
        id: &str,
        written: &mut Vec<String>,
    ) -> Result<(Draft, CatalogOutcome), LakeError> {
        let (context, base) = (&self.context, &self.stored);
        let mut facts = match self.checkpoint()? {
            Some(position) => position.to_properties().map_err(LakeError::checkpoint(&context.ident))?,
            None => Vec::new(),
        };
        let properties = facts.clone();
        // Only the position itself: what the commit before did is not done again.
        facts.retain(|(key, _)| key == CHECKPOINT_KEY);
        facts.push((BESIDE_KEY.to_owned(), id.to_owned()));
        let planned = self.with_schema(schema)?;
        let planned = planned.as_ref().unwrap_or(&base.metadata);
        let none = HashMap::new();
        let change = FileChange { files, deletes: &none, replace_all: false, rewritten: &[], sequence: None };
        let draft = self.draft(&change, planned, &facts, written).await?;
        let change = TableChange { schema: schema.clone(), ..TableChange::default() };
        let proposal = self.proposal(&change, draft.snapshot.clone(), properties)?;
        let outcome = context.catalog.commit(&context.seams, &context.ident, base, proposal).await?;
        Ok((draft, outcome))
    }
}
