use std::time::Duration;

use sluice_lake::{CompactionSettings, ExpirySettings, OrphanSettings};

/// What a lane does for its tables beside the stream; `None` leaves a part of it to others.
#[derive(Debug, Clone, PartialEq)]
pub struct UpkeepSettings {
    /// When data files are rewritten.
    pub compaction: Option<CompactionSettings>,
    /// Which snapshots expire.
    pub expiry: Option<ExpirySettings>,
    /// Which files that nothing refers to are removed.
    pub orphans: Option<OrphanSettings>,
}

impl UpkeepSettings {
    /// Time between two looks at what is due of each kind: rewrites, snapshots, orphans.
    pub(super) const PACE: [Duration; 3] =
        [Duration::from_secs(1), Duration::from_secs(600), Duration::from_secs(24 * 3600)];

    /// Nothing is done.
    pub fn none() -> Self {
        Self { compaction: None, expiry: None, orphans: None }
    }
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            compaction: Some(CompactionSettings::default()),
            expiry: Some(ExpirySettings::default()),
            orphans: Some(OrphanSettings::default()),
        }
    }
}
