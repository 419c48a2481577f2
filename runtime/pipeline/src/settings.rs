use std::collections::BTreeMap;
use std::time::Duration;

use sluice_change::{SchemaPolicy, TableName, TableSchema};
use sluice_lake::{FormatVersion, PartitionField, TableIdent};
use sluice_transform::TransformSettings;

use crate::upkeep::UpkeepSettings;

/// What one lane does: which source table goes into which lake tables, and how.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The source table.
    pub table: TableName,
    /// The append-only log of all changes.
    pub bronze: TableIdent,
    /// The merged table.
    pub silver: TableIdent,
    /// The dead letters.
    pub rejects: TableIdent,
    /// Columns and key as the configuration declares them. Without columns they are found in the source or the lake;
    /// without a key the table goes to Bronze only.
    pub declared: TableSchema,
    /// How the tables may follow columns that the data brings and no one declared.
    pub schema: SchemaPolicy,
    /// Columns that have another name now, by their old names.
    pub renames: BTreeMap<String, String>,
    /// What shapes the rows on their way to Silver.
    pub transform: TransformSettings,
    /// Whether types that the data does not state may be guessed from a sample.
    pub guess_types: bool,
    /// Iceberg format version of both tables.
    pub format_version: FormatVersion,
    /// Partitioning of Bronze.
    pub bronze_partition: Vec<PartitionField>,
    /// Partitioning of Silver.
    pub silver_partition: Vec<PartitionField>,
    /// When a batch is committed.
    pub batch: BatchSettings,
    /// What happens when a lane fails.
    pub retry: RetrySettings,
    /// What is done for the tables beside the stream.
    pub upkeep: UpkeepSettings,
}

/// When a batch is full; whichever limit is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSettings {
    /// Rows in one commit.
    pub max_rows: usize,
    /// Bytes in memory of one commit.
    pub max_bytes: usize,
    /// How long a batch that is not full waits for more once the source has nothing left.
    pub max_wait: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { max_rows: 500_000, max_bytes: 64 << 20, max_wait: Duration::ZERO }
    }
}

/// Retries of a lane, with exponential backoff and jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// Failures in a row after which the lane is quarantined.
    pub max_attempts: u32,
    /// Wait after the first failure.
    pub first_wait: Duration,
    /// Longest wait.
    pub max_wait: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { max_attempts: 8, first_wait: Duration::from_millis(500), max_wait: Duration::from_secs(60) }
    }
}

/// Settings of the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Memory of the process, bytes: a quarter is for batches, one for key indexes, one for rewrites of data files, and one for
    /// everything else.
    pub memory_bytes: usize,
    /// Bytes that key indexes may take of it; `None`: their quarter.
    pub index_bytes: Option<usize>,
    /// How often a caught-up lane looks for new data.
    pub poll_interval: Duration,
    /// How long a batch in flight may take to finish after a request to stop; then it is abandoned.
    pub stop_within: Duration,
    /// How often a quarantined lane is tried again; `None`: never.
    pub retry_quarantined: Option<Duration>,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            index_bytes: None,
            poll_interval: Duration::from_secs(1),
            stop_within: Duration::from_secs(20),
            retry_quarantined: Some(Duration::from_secs(300)),
        }
    }
}
