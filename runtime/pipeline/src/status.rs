use std::sync::Arc;

use serde::Serialize;
use sluice_change::{ChangeCounts, TableName};
use tokio::sync::watch;

use crate::budget::LaneId;

/// What a lane is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LaneState {
    /// Opening its tables, catching Silver up, building its index.
    Starting,
    /// Reading and committing.
    Running,
    /// Everything that is there has been committed.
    CaughtUp,
    /// Waiting after a failure.
    Retrying {
        /// Failures in a row.
        attempt: u32,
        /// What went wrong.
        reason: String,
    },
    /// Given up on until someone looks (or the quarantine is retried).
    Quarantined {
        /// What went wrong.
        reason: String,
    },
    /// Another process has taken the table over.
    Fenced {
        /// Who, and how it was seen.
        reason: String,
    },
    /// Stopped because the process stops.
    Stopped,
}

/// A lane as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// The source table.
    pub table: TableName,
    /// What the lane is doing.
    #[serde(flatten)]
    pub state: LaneState,
    /// Changes committed to Bronze since the start of the process.
    pub committed: ChangeCounts,
    /// Commits to Bronze since the start of the process.
    pub commits: u64,
    /// Rows that Silver holds now; `None` before it is known.
    pub silver_rows: Option<u64>,
    /// Files that are there and not consumed.
    pub backlog_files: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// Commit time at the source of the newest change committed, microseconds since the epoch.
    pub newest_source_time_us: Option<i64>,
    /// Deletes of keys that Silver did not hold, since the start of the process.
    pub deletes_without_row: u64,
    /// Updates of keys that Silver did not hold, since the start of the process: the insert was never seen, or the key was
    /// changed and the source sends no before image.
    pub updates_without_row: u64,
    /// Rows with columns that the source did not send, of keys that Silver did not hold, since the start of the process:
    /// these columns are null.
    pub unsent_without_row: u64,
    /// Files taken in out of their order, since the start of the process.
    pub late_files: u64,
    /// Dead letters that were replayed since the start of the process.
    pub replayed: u64,
    /// Rewrites of data files that took their place, since the start of the process.
    pub rewrites: u64,
    /// Snapshots that expired since the start of the process, of all its tables.
    pub expired_snapshots: u64,
    /// How far the key index has followed the table, while that takes long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_progress: Option<IndexProgress>,
}

/// How far a key index has followed its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IndexProgress {
    /// Rows of which the key has been read.
    pub read: u64,
    /// Rows of which it has to be.
    pub rows: u64,
}

impl LaneStatus {
    /// A lane that has not begun.
    pub fn new(table: TableName) -> Self {
        Self {
            table,
            state: LaneState::Starting,
            committed: ChangeCounts::default(),
            commits: 0,
            silver_rows: None,
            backlog_files: 0,
            backlog_bytes: 0,
            newest_source_time_us: None,
            deletes_without_row: 0,
            updates_without_row: 0,
            unsent_without_row: 0,
            late_files: 0,
            replayed: 0,
            rewrites: 0,
            expired_snapshots: 0,
            index_progress: None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Every lane in its last state, in table order.
    pub lanes: Vec<LaneStatus>,
}

impl RunReport {
    /// Lanes that did not end well.
    pub fn failed(&self) -> impl Iterator<Item = &LaneStatus> {
        self.lanes.iter().filter(|lane| {
            matches!(lane.state, LaneState::Retrying { .. } | LaneState::Quarantined { .. } | LaneState::Fenced { .. })
        })
    }
}

/// Where all lanes say how they are.
#[derive(Debug, Clone)]
pub struct StatusBoard {
    lanes: watch::Sender<Arc<Vec<LaneStatus>>>,
}

impl StatusBoard {
    /// A board with one entry a table.
    pub fn new(tables: impl Iterator<Item = TableName>) -> Self {
        let lanes: Vec<LaneStatus> = tables.map(LaneStatus::new).collect();
        Self { lanes: watch::Sender::new(Arc::new(lanes)) }
    }

    /// Changes one entry.
    pub fn update(&self, lane: LaneId, change: impl FnOnce(&mut LaneStatus)) {
        self.lanes.send_modify(|lanes| {
            if let Some(status) = Arc::make_mut(lanes).get_mut(lane) {
                change(status);
            }
        });
    }

    /// Follows the board.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<LaneStatus>>> {
        self.lanes.subscribe()
    }
}
