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
    /// Time between two looks at what is worth a rewrite.
    pub rewrites_every: Duration,
    /// The same of the log, of which a look reads the manifests.
    pub log_rewrites_every: Duration,
    /// Time between two looks at what expires.
    pub expiry_every: Duration,
    /// Time between two searches for orphans, which list all files.
    pub orphans_every: Duration,
}

impl UpkeepSettings {
    /// Nothing is done.
    pub fn none() -> Self {
        Self { compaction: None, expiry: None, orphans: None, ..Self::default() }
    }
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            compaction: Some(CompactionSettings::default()),
            expiry: Some(ExpirySettings::default()),
            orphans: Some(OrphanSettings::default()),
            rewrites_every: Duration::from_secs(1),
            log_rewrites_every: Duration::from_secs(60),
            expiry_every: Duration::from_secs(600),
            orphans_every: Duration::from_secs(24 * 3600),
        }
    }
}
