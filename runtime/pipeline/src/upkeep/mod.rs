//! What a lane does for its tables beside the stream: data files are rewritten, snapshots expire, orphans go.
//!
//! A rewrite reads and writes on its own, beside the lane's commits; the lane itself puts the result in its place between
//! two of them, so neither waits for the other and neither conflicts. Nothing here ever fails a lane that can go on.

mod by_hand;
mod gate;
mod settings;

pub use by_hand::{Files, Maintained, maintain};
pub use gate::RewriteGate;
pub use settings::UpkeepSettings;

use std::sync::Arc;
use std::time::Duration;

use sluice_lake::{CompactionSettings, LakeError, LakeTable, Removal, RewriteOutcome, Rewritten, RowMapping};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::context::LaneContext;
use crate::error::{LaneError, explain};
use crate::tables::{Silver, Tables};
use crate::{bronze, index};

/// Kinds of upkeep.
const REWRITES: usize = 0;
const EXPIRY: usize = 1;
const ORPHANS: usize = 2;
/// Pause after a failure; it doubles with each in a row.
const AFTER_FAILURE_US: i64 = 60_000_000;
/// Failures in a row that still make the pause longer: an hour.
const DOUBLED: u32 = 6;
/// How soon after its start a process searches for orphans: many do not live a day.
const FIRST_ORPHANS_US: i64 = 3_600_000_000;
/// Time after which a table at which nothing has changed is looked at again: partitions come to rest.
const AT_REST_US: i64 = 300_000_000;
/// Rewrites of one `--once` run and table, at most: a table that never comes to rest must not hold it up.
const ROUNDS: usize = 64;

/// A table of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Silver,
    Bronze,
}

/// What is due, and the rewrite under way.
#[derive(Debug)]
pub struct Upkeep {
    underway: Option<Underway>,
    /// When rewrites, snapshots and orphans are looked after next, microseconds since the epoch.
    due_us: [i64; 3],
    /// When nothing was worth a rewrite.
    looked: [Option<Look>; 2],
    /// Rewrites that failed in a row.
    failures: u32,
}

/// A look at a table that found nothing to do.
#[derive(Debug, Clone, Copy)]
struct Look {
    snapshot: Option<i64>,
    at_us: i64,
}

#[derive(Debug)]
struct Underway {
    layer: Layer,
    snapshot: i64,
    work: AbortOnDropHandle<Result<Rewritten, LakeError>>,
    _turn: OwnedSemaphorePermit,
}

/// A rewrite that waits to be committed.
#[derive(Debug)]
pub struct Finished {
    layer: Layer,
    /// The files, or why there are none.
    result: Result<Rewritten, String>,
}

impl Upkeep {
    /// Begins at this time: what takes long is not done at once.
    pub fn new(now_us: i64, settings: &UpkeepSettings) -> Self {
        let later = |kind: usize| now_us + pace_us(settings, kind);
        let orphans = later(ORPHANS).min(now_us + FIRST_ORPHANS_US);
        Self { underway: None, due_us: [now_us, later(EXPIRY), orphans], looked: [None; 2], failures: 0 }
    }

    /// The rewrite that is done; never, while none is under way.
    pub async fn finished(&mut self) -> Finished {
        let Some(underway) = &mut self.underway else { return std::future::pending().await };
        let result = (&mut underway.work).await;
        let layer = underway.layer;
        self.underway = None;
        let result = match result {
            Ok(Ok(rewritten)) => Ok(rewritten),
            Ok(Err(error)) => Err(explain(&LaneError::from(error))),
            // A panic is a defect of ours; it must not take the lane along.
            Err(defect) => Err(format!("internal error, please report it: {defect}")),
        };
        Finished { layer, result }
    }

    /// Begins what is due. Whatever fails is tried again later.
    pub async fn look(&mut self, context: &LaneContext, tables: &mut Tables) {
        let now_us = context.services.clock.now_us();
        if self.underway.is_none()
            && self.comes_due(context, REWRITES, now_us)
            && let Some(turn) = context.rewrites.enter()
            && let Err(error) = self.begin(context, tables, turn, false).await
        {
            self.put_off(context, REWRITES, now_us, "data files cannot be rewritten now", &explain(&error));
        }
        if let Some(expiry) = &context.settings.upkeep.expiry
            && each(tables).any(|table| table.snapshot_count() > expiry.most_snapshots() + expiry.max_snapshots)
        {
            self.due_us[EXPIRY] = now_us;
        }
        if self.comes_due(context, EXPIRY, now_us)
            && let Err(error) = self.expire(context, tables).await
        {
            self.put_off(context, EXPIRY, now_us, "snapshots cannot expire now", &explain(&error));
        }
        if self.comes_due(context, ORPHANS, now_us)
            && let Err(error) = remove_orphans(context, tables).await
        {
            self.put_off(context, ORPHANS, now_us, "orphaned files cannot be removed now", &explain(&error));
        }
    }

    /// Whether this is due; then it is next after its pace.
    fn comes_due(&mut self, context: &LaneContext, kind: usize, now_us: i64) -> bool {
        let due = now_us >= self.due_us[kind];
        if due {
            self.due_us[kind] = now_us + pace_us(&context.settings.upkeep, kind);
        }
        due
    }

    fn put_off(&mut self, context: &LaneContext, kind: usize, now_us: i64, what: &str, reason: &str) {
        warn!(table = %context.table(), reason, "{what}; tried again");
        let doubled = if kind == REWRITES { self.failures.min(DOUBLED) } else { 0 };
        self.failures += u32::from(kind == REWRITES);
        self.due_us[kind] = self.due_us[kind].max(now_us + (AFTER_FAILURE_US << doubled));
    }

    /// Whether a table may have got something to do since it was looked at.
    fn is_worth_a_look(&self, settings: &UpkeepSettings, layer: Layer, snapshot: Option<i64>, now_us: i64) -> bool {
        let Some(look) = self.looked[layer as usize] else { return true };
        let waited_us = now_us.saturating_sub(look.at_us);
        // The log keeps no files in memory: a look reads its manifests.
        let pace_us = if layer == Layer::Bronze { micros(settings.log_rewrites_every) } else { 0 };
        (look.snapshot != snapshot && waited_us >= pace_us) || waited_us >= AT_REST_US
    }

    /// Starts the rewrite that does most, if any is worth it; with `at_once` every table is looked at, however lately it was.
    async fn begin(
        &mut self,
        context: &LaneContext,
        tables: &Tables,
        turn: OwnedSemaphorePermit,
        at_once: bool,
    ) -> Result<(), LaneError> {
        let upkeep = &context.settings.upkeep;
        let Some(settings) = &upkeep.compaction else { return Ok(()) };
        let settings = context.rewrites.fitted(settings);
        let now_us = context.services.clock.now_us();
        let silver = tables.silver.as_ref().map(|silver| (Layer::Silver, &silver.table));
        for (layer, table) in silver.into_iter().chain([(Layer::Bronze, &tables.bronze.table)]) {
            let snapshot = table.snapshot_id();
            let looks = at_once || self.is_worth_a_look(upkeep, layer, snapshot, now_us);
            if snapshot.is_none() || !looks {
                continue;
            }
            let settings = of_layer(&settings, layer);
            let plan = table.plan_compaction(&settings).await?;
            if let Some(reason) = plan.refused {
                debug!(table = %table.ident(), reason, "data files are left as they are");
            }
            let Some(job) = plan.jobs.first() else {
                self.looked[layer as usize] = Some(Look { snapshot, at_us: now_us });
                continue;
            };
            if let Some(work) = table.pin(job, &settings).await? {
                info!(
                    table = %table.ident(), files = job.files.len(), bytes = job.bytes, deleted = job.deleted,
                    "data files are rewritten"
                );
                let snapshot = work.snapshot_id();
                let work = AbortOnDropHandle::new(tokio::spawn(work.run()));
                self.underway = Some(Underway { layer, snapshot, work, _turn: turn });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts what was rewritten in its place.
    ///
    /// # Errors
    ///
    /// What the lane must not go on after: the table is another one now.
    pub async fn commit(
        &mut self,
        context: &LaneContext,
        tables: &mut Tables,
        finished: Finished,
    ) -> Result<(), LaneError> {
        let Finished { layer, result } = finished;
        let now_us = context.services.clock.now_us();
        let rewritten = match result {
            Ok(rewritten) => rewritten,
            Err(reason) => {
                self.put_off(context, REWRITES, now_us, "data files cannot be rewritten now", &reason);
                return Ok(());
            }
        };
        let table = match layer {
            Layer::Silver => tables.silver.as_mut().map(|silver| &mut silver.table),
            Layer::Bronze => Some(&mut tables.bronze.table),
        };
        let Some(table) = table else { return Ok(()) };
        let outcome = match table.commit_rewrite(&rewritten).await {
            Ok(outcome) => outcome,
            Err(error @ LakeError::Unresolved { .. }) => return Err(error.into()),
            Err(error) => {
                table.discard_rewrite(rewritten).await;
                let reason = explain(&LaneError::from(error));
                self.put_off(context, REWRITES, now_us, "rewritten data files cannot be committed now", &reason);
                return Ok(());
            }
        };
        let moved = table.take_foreign().changed;
        if let RewriteOutcome::Landed { snapshot_id, mapping } = outcome {
            context.board.update(context.id, |status| status.rewrites += 1);
            self.failures = 0;
            self.due_us[REWRITES] = now_us;
            if let (Layer::Silver, Some(silver)) = (layer, &tables.silver)
                && !moved
            {
                debug!(table = %silver.table.ident(), snapshot_id, "data files were rewritten");
                return relocate(context, silver, mapping).await;
            }
        }
        match (layer, moved, &tables.silver) {
            (Layer::Silver, true, Some(silver)) => index::follow_foreign(context, silver).await,
            _ => Ok(()),
        }
    }

    /// Rewrites until nothing is worth it, and lets snapshots expire: the end of a run that takes what is there.
    pub async fn finish(&mut self, context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
        for _ in 0..ROUNDS {
            if self.underway.is_none() {
                let now_us = context.services.clock.now_us();
                if self.due_us[REWRITES] > now_us + pace_us(&context.settings.upkeep, REWRITES) {
                    // It failed and is put off; the next run tries again.
                    break;
                }
                let turn = tokio::select! {
                    biased;
                    () = context.stop.cancelled() => return Ok(()),
                    turn = context.rewrites.wait() => turn,
                };
                let Some(turn) = turn else { break };
                if let Err(error) = self.begin(context, tables, turn, true).await {
                    self.put_off(context, REWRITES, now_us, "data files cannot be rewritten now", &explain(&error));
                    break;
                }
            }
            if self.underway.is_none() {
                break;
            }
            let finished = tokio::select! {
                biased;
                () = context.stop.cancelled() => return Ok(()),
                finished = self.finished() => finished,
            };
            self.commit(context, tables, finished).await?;
        }
        if let Err(error) = self.expire(context, tables).await {
            let now_us = context.services.clock.now_us();
            self.put_off(context, EXPIRY, now_us, "snapshots cannot expire now", &explain(&error));
        }
        Ok(())
    }

    async fn expire(&self, context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
        let Some(settings) = &context.settings.upkeep.expiry else { return Ok(()) };
        let in_use: Vec<i64> = self.underway.iter().map(|underway| underway.snapshot).collect();
        for table in each(tables) {
            let removal = table.expire(settings, &in_use).await?;
            report(context, table, &removal, "snapshots have expired");
        }
        Ok(())
    }
}

async fn remove_orphans(context: &LaneContext, tables: &mut Tables) -> Result<(), LaneError> {
    let Some(settings) = &context.settings.upkeep.orphans else { return Ok(()) };
    for table in each(tables) {
        let removal = table.remove_orphans(settings).await?;
        report(context, table, &removal, "files that nothing refers to are removed");
    }
    Ok(())
}

fn report(context: &LaneContext, table: &LakeTable, removal: &Removal, what: &str) {
    context.board.update(context.id, |status| status.expired_snapshots += removal.snapshots.len() as u64);
    if removal.file_count > 0 || !removal.snapshots.is_empty() {
        info!(
            table = %table.ident(), snapshots = removal.snapshots.len(), files = removal.file_count,
            bytes = removal.bytes, left = removal.failed, "{what}"
        );
    }
}

fn each(tables: &mut Tables) -> impl Iterator<Item = &mut LakeTable> {
    let silver = tables.silver.as_mut().map(|silver| &mut silver.table);
    silver.into_iter().chain([&mut tables.bronze.table]).chain(tables.rejects.as_mut())
}

/// Bronze keeps the order of its numbers, by which it is read.
fn of_layer(settings: &CompactionSettings, layer: Layer) -> CompactionSettings {
    let order_by = (layer == Layer::Bronze).then(|| bronze::SEQUENCE.to_owned());
    CompactionSettings { order_by, ..settings.clone() }
}

/// Lets the index follow rows that have moved.
async fn relocate(context: &LaneContext, silver: &Silver, mapping: Arc<RowMapping>) -> Result<(), LaneError> {
    if silver.index.relocate(context, &silver.table, mapping).await? {
        return Ok(());
    }
    // What is on disk stays as it is: the rows are taken in as those of new files.
    index::follow(context, silver).await
}

fn pace_us(settings: &UpkeepSettings, kind: usize) -> i64 {
    micros([settings.rewrites_every, settings.expiry_every, settings.orphans_every][kind])
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
