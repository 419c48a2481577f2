//! Runs all lanes of a process side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, warn};

use crate::budget::{MemoryBudget, MemoryShares};
use crate::context::{LaneContext, Services};
use crate::index::{IndexShares, LaneIndex};
use crate::lane;
use crate::status::{LaneState, LaneStatus, RunReport, StatusBoard};
use crate::upkeep::RewriteGate;
use crate::{LaneSettings, ProcessSettings};

/// All lanes of a process.
#[derive(Debug)]
pub struct Supervisor {
    services: Arc<Services>,
    process: ProcessSettings,
    lanes: Vec<LaneSettings>,
    board: StatusBoard,
}

impl Supervisor {
    /// One lane for each of `lanes`.
    pub fn new(services: Services, process: ProcessSettings, lanes: Vec<LaneSettings>) -> Self {
        let board = StatusBoard::new(lanes.iter().map(|lane| lane.table.clone()));
        Self { services: Arc::new(services), process, lanes, board }
    }

    /// How the lanes are, now and after every change.
    pub fn status(&self) -> watch::Receiver<Arc<Vec<LaneStatus>>> {
        self.board.subscribe()
    }

    /// Works until `stop` is cancelled, or with `once` until everything that is there has been committed.
    ///
    /// After a stop, batches in flight have `stop_within` to finish; then they are abandoned, which loses nothing: they
    /// were not committed and are read again.
    pub async fn run(self, once: bool, stop: CancellationToken) -> RunReport {
        let rewriting = self.lanes.iter().any(|lane| lane.upkeep.compaction.is_some());
        let MemoryShares { stream, rewrites, indexes } = MemoryShares::of(self.process.memory_bytes, rewriting);
        let (budget, rewrites) = (MemoryBudget::new(stream), RewriteGate::new(rewrites));
        let shares = IndexShares::new(self.process.index_bytes.unwrap_or(indexes), self.lanes.len());
        let writer = self.services.entropy.uuid().to_string();
        let mut lanes = JoinSet::new();
        for (id, settings) in self.lanes.into_iter().enumerate() {
            let context = LaneContext {
                id,
                index: LaneIndex::new(&self.services.cache, &settings.silver, &shares, id),
                settings,
                process: self.process,
                services: Arc::clone(&self.services),
                budget: budget.clone(),
                rewrites: rewrites.clone(),
                board: self.board.clone(),
                writer: writer.clone(),
                once,
                stop: stop.clone(),
            };
            let board = self.board.clone();
            lanes.spawn(async move {
                // A lane that panics is a defect of ours; it must not take the others along.
                if let Err(defect) = AbortOnDropHandle::new(tokio::spawn(lane::run(context))).await
                    && defect.is_panic()
                {
                    error!(%defect, "a lane panicked; please report this");
                    let reason = format!("internal error: {defect}");
                    board.update(id, |status| status.state = LaneState::Quarantined { reason });
                }
            });
        }
        let deadline = async {
            stop.cancelled().await;
            self.services.clock.sleep(self.process.stop_within).await;
        };
        tokio::select! {
            () = finish(&mut lanes) => {}
            () = deadline => {
                warn!(within = ?self.process.stop_within, "the deadline passed: batches in flight are abandoned");
                lanes.abort_all();
                let _ = tokio::time::timeout(Duration::from_secs(1), finish(&mut lanes)).await;
            }
        }
        RunReport { lanes: self.board.subscribe().borrow().as_ref().clone() }
    }
}

async fn finish(lanes: &mut JoinSet<()>) {
    while lanes.join_next().await.is_some() {}
}
