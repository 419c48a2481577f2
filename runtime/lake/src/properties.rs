//! Properties of a table that say nothing of its rows: set and removed in commits of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use iceberg::{TableRequirement, TableUpdate};

use crate::table::head_id;
use crate::{CatalogOutcome, LakeError, LakeTable, Proposal};

/// Wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

impl LakeTable {
    /// Sets properties, and removes those whose value is `None`, in a commit without a snapshot.
    ///
    /// Any process may do this at any time: no writer of rows is fenced by it. The last word on a property wins.
    pub async fn set_properties(&mut self, properties: &BTreeMap<String, Option<String>>) -> Result<(), LakeError> {
        let attempts = self.context.settings.commit_attempts.max(1);
        let mut wait = FIRST_WAIT;
        for _ in 0..attempts {
            if properties.iter().all(|(key, value)| self.property(key) == value.as_deref()) {
                return Ok(());
            }
            let set = properties.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
            let there = |key: &&String| self.property(key).is_some();
            let gone = properties.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key).filter(there);
            let proposal = Proposal {
                requirements: vec![TableRequirement::UuidMatch { uuid: self.stored.metadata.uuid() }],
                updates: vec![
                    TableUpdate::SetProperties { updates: set },
                    TableUpdate::RemoveProperties { removals: gone.cloned().collect() },
                ],
            };
            let context = &self.context;
            match context.catalog.commit(&context.seams, &context.ident, &self.stored, proposal).await? {
                CatalogOutcome::Committed(stored)
                    if head_id(&stored.metadata, &context.branch) == self.snapshot_id() =>
                {
                    self.stored = stored;
                    return Ok(());
                }
                // Others were faster, or no answer came: whether the properties are set is seen at the table.
                _ => self.reload(&[]).await?,
            }
            let jitter = 0.5 + self.context.seams.entropy.fraction();
            self.context.seams.clock.sleep(wait.mul_f64(jitter)).await;
            wait *= 2;
        }
        if properties.iter().all(|(key, value)| self.property(key) == value.as_deref()) {
            return Ok(());
        }
        Err(LakeError::Contention { table: self.context.ident.to_string(), attempts })
    }

    /// Keeps the table's files in memory, so that the numbers of files which a scan gives hold until a commit.
    pub async fn keep_files(&mut self) -> Result<(), LakeError> {
        if self.live.is_none() {
            self.live = Some(self.load_live().await?);
        }
        Ok(())
    }
}
