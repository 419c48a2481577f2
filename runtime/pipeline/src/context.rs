//! What a lane works with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_change::TableName;
use sluice_lake::Lake;
use sluice_platform::{Clock, CpuPool, Entropy};
use sluice_source::{Arrivals, Source};
use sluice_transform::Components;
use tokio_util::sync::CancellationToken;

use crate::budget::{LaneId, MemoryBudget};
use crate::error::Attempt;
use crate::index::LaneIndex;
use crate::status::{LaneState, StatusBoard};
use crate::upkeep::RewriteGate;
use crate::{LaneSettings, ProcessSettings};

/// The seams through which a process works.
#[derive(Debug)]
pub struct Services {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The processors.
    pub cpu: CpuPool,
    /// Where changes come from.
    pub source: Arc<dyn Source>,
    /// Where tables are.
    pub lake: Lake,
    /// Where components of transforms come from.
    pub components: Arc<dyn Components>,
    /// A folder on local disk for what can be made again from the tables, such as key indexes.
    pub cache: PathBuf,
}

/// Everything that a lane works with.
#[derive(Debug)]
pub struct LaneContext {
    /// Number of the lane within the process.
    pub id: LaneId,
    /// What it does.
    pub settings: LaneSettings,
    /// Settings of the process.
    pub process: ProcessSettings,
    /// The seams.
    pub services: Arc<Services>,
    /// Memory, shared with all lanes.
    pub budget: MemoryBudget,
    /// The key index of its merged table.
    pub index: LaneIndex,
    /// Lets rewrites of data files begin.
    pub rewrites: RewriteGate,
    /// Where it says how it is.
    pub board: StatusBoard,
    /// Names this process in its commits.
    pub writer: String,
    /// Take what is there and end.
    pub once: bool,
    /// Ends the lane between two batches.
    pub stop: CancellationToken,
}

impl LaneContext {
    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.services.lake
    }

    /// The source table.
    pub fn table(&self) -> &TableName {
        &self.settings.table
    }

    /// Says what the lane is doing.
    pub fn set_state(&self, state: LaneState) {
        self.board.update(self.id, |status| status.state = state);
    }

    /// The `number`th failure in a row, as it is decided about.
    pub fn attempt(&self, number: u32) -> Attempt {
        Attempt { number, fraction: self.services.entropy.fraction(), patient: !self.once }
    }

    /// Waits, unless the process stops first. Says whether it goes on.
    pub async fn pause(&self, duration: Duration) -> bool {
        self.pause_for(duration, &Arrivals::never()).await
    }

    /// Waits until word of new data comes, at most for `duration`. Says whether the process goes on.
    pub async fn pause_for(&self, duration: Duration, arrivals: &Arrivals) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = arrivals.next() => true,
            () = self.services.clock.sleep(duration) => true,
        }
    }
}
