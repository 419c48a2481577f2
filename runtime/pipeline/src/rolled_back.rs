//! What becomes of the one layer when the other, or it itself, was rolled back by hand.

use sluice_change::{ChangeCounts, Checkpoint};
use sluice_lake::{LakeError, LakeTable, TableChange};
use tracing::warn;
use uuid::Uuid;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::tables::Tables;
use crate::write::{epoch, expected, land};

/// What Silver says of itself. One that cannot say it is made from all of Bronze again: its rows get their last changes
/// once more, and are right.
pub fn of_silver(table: &LakeTable) -> Result<Checkpoint, LaneError> {
    match table.checkpoint() {
        Err(error @ LakeError::PositionLost(_)) => {
            warn!(table = %table.ident(), %error, "all changes of Bronze are merged into it again");
            Ok(Checkpoint::default())
        }
        stored => Ok(stored?.unwrap_or_default()),
    }
}

/// Brings Silver's number down to that of a Bronze that was rolled back: what Bronze takes in again is merged again, for
/// it need not be what those numbers stood for before. Silver's rows stay until then.
pub async fn follow_bronze(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    let Tables { bronze, silver: Some(silver), .. } = tables else { return Ok(()) };
    if silver.stored.next_sequence <= bronze.stored.next_sequence {
        return Ok(());
    }
    bronze.table.refresh().await?;
    if bronze.table.checkpoint()?.unwrap_or_default() != bronze.stored {
        // Another process committed to both after Bronze was looked at.
        return Err(LaneError::Moved(bronze.table.ident().to_string()));
    }
    warn!(
        table = %context.table(), from = silver.stored.next_sequence, to = bronze.stored.next_sequence,
        "Bronze was rolled back: the changes that it no longer holds are taken in and merged again"
    );
    let work = format!("follow {} {}", silver.stored.commit_id, bronze.stored.commit_id);
    let next = Checkpoint {
        position: bronze.stored.position.clone(),
        next_sequence: bronze.stored.next_sequence,
        commit_id: Uuid::new_v5(&silver.table.uuid(), work.as_bytes()).to_string(),
        writer: context.writer.clone(),
        epoch: epoch(context, &silver.stored),
        bronze_snapshot: bronze.table.snapshot_id(),
        counts: ChangeCounts::default(),
        source_times: None,
        transform: silver.stored.transform.clone(),
    };
    let change = TableChange { checkpoint: next.clone(), expected: expected(&silver.stored), ..TableChange::default() };
    land(&mut silver.table, change).await?;
    silver.stored = next;
    Ok(())
}
