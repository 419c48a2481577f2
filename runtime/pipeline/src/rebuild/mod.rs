//! Makes Silver anew from Bronze on a branch of its table, beside a stream that goes on, and puts it in place at once.
//!
//! The branch takes main's place with main's own checkpoint: for whoever runs the table that is a rewrite of its files which
//! covers the same changes. What main took in meanwhile is merged first; a publication only lands on the main that it knows.

mod open;
mod work;

use std::sync::Arc;

use serde::Serialize;
use sluice_change::TableName;
use sluice_lake::{Lake, LakeError, LakeTable, Role};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::budget::{MemoryBudget, MemoryShares};
use crate::context::{LaneContext, Services};
use crate::error::{Directive, LaneError, directive, explain};
use crate::index::{IndexShares, LaneIndex};
use crate::status::StatusBoard;
use crate::upkeep::RewriteGate;
use crate::{LaneSettings, ProcessSettings};

/// The branch on which Silver is made anew.
pub const BRANCH: &str = "sluice-rebuild";

/// Begins the names of its publications.
pub const PUBLICATION: &str = "rebuild";

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Changes of the log that are merged.
    pub changes: u64,
    /// Changes to merge in all, as far as it is known.
    pub total: u64,
}

/// How a rebuild ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebuildEnd {
    /// Silver has the new rows.
    Published,
    /// It was stopped before; the next one goes on from there.
    #[default]
    Stopped,
}

/// What a rebuild did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rebuilt {
    /// The source table.
    pub table: String,
    /// Its Silver.
    pub silver: String,
    /// How it ended.
    pub end: RebuildEnd,
    /// Changes that an interrupted rebuild had merged already.
    pub resumed_at: Option<u64>,
    /// Changes of the log that were merged.
    pub changes: u64,
    /// Commits in which they were merged.
    pub stretches: u64,
    /// Changes that the transform rejected and that were not among the dead letters.
    pub rejected: u64,
    /// Rows of Silver before, as far as its snapshot says.
    pub rows_before: Option<u64>,
    /// Rows of Silver now.
    pub rows: u64,
    /// The snapshot that readers saw last before.
    pub old_snapshot: Option<i64>,
    /// The one that has the new rows.
    pub snapshot: Option<i64>,
    /// How often the table had moved on when the new rows were to be put in place.
    pub overtaken: u32,
    /// Whether the stream was asked to wait for a moment.
    pub held: bool,
    /// Digest of the transform that wrote Silver last.
    pub old_transform: Option<String>,
    /// Digest of the transform that shaped the new rows.
    pub transform: Option<String>,
    /// How long it took, in microseconds.
    pub elapsed_us: i64,
}

/// Makes the Silver of one table anew. `progress` is told after every stretch how far it is.
///
/// Whatever ends it before the publication leaves the table as it was, and the branch for the next rebuild.
///
/// # Errors
///
/// [`LaneError::Settings`] where there is nothing to rebuild or the configuration does not go with Silver,
/// [`LaneError::Fenced`] where another rebuild goes on with the branch, else what could not be waited out.
pub async fn rebuild(
    services: Services,
    process: ProcessSettings,
    lane: LaneSettings,
    stop: CancellationToken,
    progress: &(dyn Fn(RebuildProgress) + Send + Sync),
) -> Result<Rebuilt, LaneError> {
    let started_us = services.clock.now_us();
    let context = context(services, process, lane, stop);
    let silver = context.settings.silver.to_string();
    let done = Rebuilt { table: context.table().to_string(), silver, ..Rebuilt::default() };
    let mut rebuild = Rebuild { context: &context, progress, done, published: None, failures: 0, began: None };
    loop {
        match rebuild.session().await {
            Ok(end) => {
                rebuild.done.end = end;
                rebuild.done.elapsed_us = context.services.clock.now_us() - started_us;
                return Ok(rebuild.done);
            }
            Err(error) => rebuild.after_failure(error).await?,
        }
        if context.stop.is_cancelled() {
            return Ok(rebuild.done);
        }
    }
}

/// A context of one table without a lane.
fn context(services: Services, process: ProcessSettings, lane: LaneSettings, stop: CancellationToken) -> LaneContext {
    let MemoryShares { stream, rewrites, indexes } = MemoryShares::of(process.memory_bytes, false);
    let shares = IndexShares::new(process.index_bytes.unwrap_or(indexes), 1);
    let cache = services.cache.join("rebuild");
    LaneContext {
        id: 0,
        index: LaneIndex::new(&cache, &lane.silver, &shares, 0),
        board: StatusBoard::new(std::iter::once(TableName::clone(&lane.table))),
        settings: lane,
        process,
        budget: MemoryBudget::new(stream),
        rewrites: RewriteGate::new(rewrites),
        writer: services.entropy.uuid().to_string(),
        services: Arc::new(services),
        once: true,
        stop,
    }
}

/// A rebuild over all of its attempts.
struct Rebuild<'a> {
    context: &'a LaneContext,
    progress: &'a (dyn Fn(RebuildProgress) + Send + Sync),
    done: Rebuilt,
    /// A publication that may have landed without an answer.
    published: Option<String>,
    /// Failures in a row; a stretch that is merged ends the row.
    failures: u32,
    /// What main was when the rebuild began.
    began: Option<Began>,
}

/// What main was when the rebuild began.
#[derive(Debug, Clone)]
struct Began {
    commit_id: String,
}

impl Rebuild<'_> {
    /// Waits as the policy says, or gives up.
    async fn after_failure(&mut self, error: LaneError) -> Result<(), LaneError> {
        self.failures += 1;
        match directive(&error, self.context.attempt(self.failures), &self.context.settings.retry) {
            Directive::Reopen => Ok(()),
            Directive::Retry(wait) => {
                warn!(
                    table = %self.context.table(), reason = explain(&error), attempt = self.failures, ?wait,
                    "the rebuild failed and goes on from where it was"
                );
                self.context.pause(wait).await;
                Ok(())
            }
            Directive::Quarantine | Directive::StepBack => Err(error),
        }
    }
}

/// Whether the branch of a rebuild is there: one is under way, or was interrupted.
pub fn is_rebuilding(silver: &LakeTable) -> bool {
    silver.has_branch(BRANCH)
}

/// Removes what an interrupted rebuild left. Says whether there was anything.
pub async fn abandon_rebuild(lake: &Lake, lane: &LaneSettings) -> Result<bool, LakeError> {
    match lake.open(&lane.silver, Role::Reader).await? {
        Some(mut silver) => silver.drop_branch(BRANCH).await,
        None => Ok(false),
    }
}
