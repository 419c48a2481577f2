//! What the configuration says of a component.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_change::TableName;
use sluice_platform::Secret;

use crate::{Transform, TransformError};

/// Where components come from.
pub trait Components: Debug + Send + Sync {
    /// The component as a transform of its table. Its [`Transform::digest`] is `sha256:` and the digest of its file. May
    /// compile, so it runs on a thread of the processor pool.
    fn load(&self, settings: &ComponentSettings) -> Result<Arc<dyn Transform>, TransformError>;
}

/// A component as a step of a table's transform.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentSettings {
    /// What it is called in messages: the file's name.
    pub name: String,
    /// The table that it shapes.
    pub table: TableName,
    /// The file.
    pub path: PathBuf,
    /// Its settings, as a JSON object with its keys in order; they may hold secrets.
    pub settings: Secret,
    /// The SHA-256 that the file must have, as 64 hexadecimal digits in lower case.
    pub sha256: Option<String>,
    /// What it may do.
    pub limits: ComponentLimits,
}

/// What a component may do with one batch, and how far it may fail.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentLimits {
    /// Bytes of memory of an instance.
    pub memory_bytes: usize,
    /// Fuel for each row; `None` leaves it to the language that the component was made from.
    pub fuel_per_row: Option<u64>,
    /// How long it may take for a batch.
    pub deadline: Duration,
    /// Bytes of the columns that it may make of a batch.
    pub max_output_bytes: usize,
    /// The share of rows that may fail, 0 to 1; a handful may always.
    pub max_failed_share: f64,
    /// The share of batches that are run twice and compared, 0 to 1.
    pub check_determinism: f64,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            fuel_per_row: None,
            deadline: Duration::from_secs(10),
            max_output_bytes: 256 << 20,
            max_failed_share: 0.01,
            check_determinism: 0.0,
        }
    }
}
