//! The same upkeep by hand, beside or without a running stream.

use serde::Serialize;
use sluice_lake::{Lake, LakeError, LakeTable, Removal, RewriteOutcome, Role, TableIdent};

use super::{Layer, RewriteGate, UpkeepSettings, of_layer};
use crate::LaneSettings;

/// Rewrites of one table in one call, at most: a stream that goes on beside it must not keep it busy for ever.
const ROUNDS: usize = 1_000;

/// Rewrites of one table that may come to nothing before the rest is left to another time.
const MOST_DROPPED: u64 = 5;

/// What was done for a table, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Maintained {
    /// The table.
    pub table: String,
    /// Rewrites that landed, or that are due.
    pub rewrites: u64,
    /// Data files that they read.
    pub files_read: u64,
    /// Bytes of these.
    pub bytes_read: u64,
    /// Data files that took their place; absent in a dry run, which does not know.
    pub files_written: Option<u64>,
    /// Deleted rows that are left out.
    pub deleted_rows: u64,
    /// Rewrites that came to nothing, because others changed the table meanwhile.
    pub dropped: u64,
    /// Why data files are left as they are, where that is not for lack of need.
    pub refused: Option<String>,
    /// Snapshots that expired.
    pub expired_snapshots: u64,
    /// What only they needed.
    pub unneeded: Files,
    /// Files that nothing refers to.
    pub orphans: Files,
}

/// Files that are removed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Those that could not be removed.
    pub failed: u64,
    /// Where they are; up to ten thousand.
    pub locations: Vec<String>,
}

impl From<Removal> for Files {
    fn from(removal: Removal) -> Self {
        Self {
            count: removal.file_count,
            bytes: removal.bytes,
            failed: removal.failed,
            locations: removal.files.into_iter().map(|file| file.location).collect(),
        }
    }
}

/// Does for the tables of a lane what is due, one after the other, adds to `done` what that was, and tells `progress` what it
/// is at. With `dry_run` it only says what would be done.
///
/// # Errors
///
/// What the storage or the catalog answered; what is in `done` is done all the same.
pub async fn maintain(
    lake: &Lake,
    lane: &LaneSettings,
    gate: &RewriteGate,
    dry_run: bool,
    progress: &(dyn Fn(&TableIdent, &str) + Send + Sync),
    done: &mut Vec<Maintained>,
) -> Result<(), LakeError> {
    let tables = [
        (&lane.silver, Role::Silver, Some(Layer::Silver)),
        (&lane.bronze, Role::Bronze, Some(Layer::Bronze)),
        (&lane.rejects, Role::Rejects, None),
    ];
    for (ident, role, layer) in tables {
        let Some(mut table) = lake.open(ident, role).await? else { continue };
        done.push(Maintained::new(ident));
        let Some(maintained) = done.last_mut() else { continue };
        if let Some(layer) = layer {
            progress(ident, "data files");
            compact(&mut table, &lane.upkeep, gate, layer, dry_run, maintained).await?;
        }
        if let Some(settings) = &lane.upkeep.expiry {
            progress(ident, "snapshots");
            let removal =
                if dry_run { table.preview_expiry(settings, &[]).await? } else { table.expire(settings, &[]).await? };
            maintained.expired_snapshots = removal.snapshots.len() as u64;
            maintained.unneeded = removal.into();
        }
        if let Some(settings) = &lane.upkeep.orphans {
            progress(ident, "orphans");
            let removal =
                if dry_run { table.preview_orphans(settings).await? } else { table.remove_orphans(settings).await? };
            maintained.orphans = removal.into();
        }
    }
    Ok(())
}

async fn compact(
    table: &mut LakeTable,
    upkeep: &UpkeepSettings,
    gate: &RewriteGate,
    layer: Layer,
    dry_run: bool,
    done: &mut Maintained,
) -> Result<(), LakeError> {
    let Some(settings) = &upkeep.compaction else { return Ok(()) };
    let settings = of_layer(&gate.fitted(settings), layer);
    for _ in 0..ROUNDS {
        let plan = table.plan_compaction(&settings).await?;
        done.refused = plan.refused;
        if dry_run {
            for job in &plan.jobs {
                done.add(job.files.len(), job.bytes, job.deleted);
            }
            done.files_written = None;
            return Ok(());
        }
        let Some(job) = plan.jobs.first() else { return Ok(()) };
        let Some(work) = table.pin(job, &settings).await? else { continue };
        let rewritten = work.run().await?;
        // A stream may have moved the table's position meanwhile, which is not what a rewrite is dropped for.
        table.refresh().await?;
        match table.commit_rewrite(&rewritten).await {
            Ok(RewriteOutcome::Landed { .. }) => {
                done.add(job.files.len(), job.bytes, job.deleted);
                *done.files_written.get_or_insert(0) += rewritten.files().len() as u64;
            }
            Ok(RewriteOutcome::Dropped { .. }) => {
                done.dropped += 1;
                if done.dropped >= MOST_DROPPED {
                    return Ok(());
                }
            }
            Err(error @ LakeError::Unresolved { .. }) => return Err(error),
            Err(error) => {
                table.discard_rewrite(rewritten).await;
                return Err(error);
            }
        }
    }
    Ok(())
}

impl Maintained {
    fn new(ident: &TableIdent) -> Self {
        Self {
            table: ident.to_string(),
            rewrites: 0,
            files_read: 0,
            bytes_read: 0,
            files_written: Some(0),
            deleted_rows: 0,
            dropped: 0,
            refused: None,
            expired_snapshots: 0,
            unneeded: Files::default(),
            orphans: Files::default(),
        }
    }

    fn add(&mut self, files: usize, bytes: u64, deleted: u64) {
        self.rewrites += 1;
        self.files_read += files as u64;
        self.bytes_read += bytes;
        self.deleted_rows += deleted;
    }
}
