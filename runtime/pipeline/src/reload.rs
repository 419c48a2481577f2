//! A table that is loaded anew keeps its rows for readers until the new ones are all there.
//!
//! From the truncate that begins a generation on, Silver's commits go to a branch. When the first changes after the load are
//! merged, or nothing more has come, the branch takes the place of main with the position that it has. Main's own position
//! stays before the truncate until then: whatever dies in between, the branch is gone on with.

use sluice_lake::{LakeError, Publication, Published, Role};
use tracing::info;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index;
use crate::tables::{Silver, Tables};

/// The branch on which a table is loaded anew.
const BRANCH: &str = "sluice-reload";
/// Tries to put it in place, each after someone else rewrote main's files.
const TRIES: u32 = 20;

/// Goes on with a load that was interrupted.
pub async fn resume(context: &LaneContext, silver: &mut Silver) -> Result<(), LaneError> {
    if !silver.table.has_branch(BRANCH) {
        return Ok(());
    }
    let ident = &context.settings.silver;
    let Some(branch) = context.lake().open_branch(ident, Role::Silver, BRANCH).await? else { return Ok(()) };
    let left = branch.checkpoint()?.unwrap_or_default();
    if left.next_sequence <= silver.stored.next_sequence {
        info!(table = %context.table(), "what is left of a load that is no longer wanted is removed");
        silver.table.drop_branch(BRANCH).await?;
        return Ok(());
    }
    info!(table = %context.table(), from = left.next_sequence, "the table is loaded anew beside what readers see");
    silver.table = branch;
    silver.stored = left;
    index::attach(context, silver).await
}

/// Lets what is merged from now on go to the branch, which is empty.
pub async fn begin(context: &LaneContext, silver: &mut Silver) -> Result<(), LaneError> {
    // Where readers see no rows, or do not see these, there is nothing to keep.
    if silver.table.branch() == BRANCH || silver.table.rows() == 0 {
        return Ok(());
    }
    let ident = &context.settings.silver;
    let open = || context.lake().open_branch(ident, Role::Silver, BRANCH);
    let Some(mut branch) = open().await? else { return Err(LaneError::Moved(ident.to_string())) };
    if branch.drop_branch(BRANCH).await? {
        branch = open().await?.ok_or_else(|| LaneError::Moved(ident.to_string()))?;
    }
    info!(table = %context.table(), "the table is loaded anew; readers see what it was until that is done");
    silver.table = branch;
    silver.stored = Default::default();
    silver.index.clear()?;
    index::attach(context, silver).await
}

/// Puts the new rows in place if changes after the load are among them.
pub async fn finish_if_through(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    match &tables.silver {
        Some(silver) if !silver.stored.position.is_loading_anew() => finish(context, tables).await,
        _ => Ok(()),
    }
}

/// Puts the new rows in place.
pub async fn finish(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    let Some(silver) = tables.silver.as_mut().filter(|silver| silver.table.branch() == BRANCH) else { return Ok(()) };
    let ident = silver.table.ident().clone();
    for _ in 0..TRIES {
        let foreign = silver.table.refresh().await?;
        if foreign.changed {
            return Err(LaneError::Moved(ident.to_string()));
        }
        let main = silver.table.main()?;
        if main.checkpoint.is_some_and(|main| main.next_sequence >= silver.stored.next_sequence) {
            return Err(LaneError::Fenced(format!("{ident} was taken further while it was loaded anew")));
        }
        let id = format!("reload {}", context.services.entropy.uuid());
        let wanted = Publication { id, main: main.snapshot_id, checkpoint: silver.stored.clone() };
        match silver.table.publish(&wanted).await? {
            Published::Landed { snapshot_id } => {
                silver.index.arrive(&silver.table)?;
                info!(table = %context.table(), snapshot = snapshot_id, rows = silver.table.rows(), "the new load is in place");
                if silver.table.foreign().changed {
                    return Err(LaneError::Moved(ident.to_string()));
                }
                return Ok(());
            }
            Published::Behind => {}
            Published::Fenced => {
                return Err(LaneError::Fenced(format!("another process goes on with the load of {ident}")));
            }
        }
    }
    Err(LakeError::Contention { table: ident.to_string(), attempts: TRIES }.into())
}
