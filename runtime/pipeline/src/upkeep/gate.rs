use std::sync::Arc;

use sluice_lake::CompactionSettings;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets one rewrite of data files run at a time in a process, within memory that the stream never has.
#[derive(Debug, Clone)]
pub struct RewriteGate {
    one: Arc<Semaphore>,
    bytes: usize,
}

impl RewriteGate {
    /// The gate to so much memory.
    pub fn new(bytes: usize) -> Self {
        Self { one: Arc::new(Semaphore::new(1)), bytes }
    }

    /// The right to rewrite now, if no other lane has it.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.one).try_acquire_owned().ok()
    }

    /// The same, waiting for it; `None` never comes while the process runs.
    pub async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.one).acquire_owned().await.ok()
    }

    /// The settings cut down to what fits into the memory.
    pub fn fitted(&self, settings: &CompactionSettings) -> CompactionSettings {
        settings.clone().within(self.bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rewritten_fits_into_the_memory_that_is_there() {
        let gate = RewriteGate::new(128 << 20);
        let settings = CompactionSettings::default();
        assert!(gate.fitted(&settings).target_bytes < settings.target_bytes);
        assert_eq!(RewriteGate::new(4 << 30).fitted(&settings), settings);
        let held = gate.enter();
        assert!(held.is_some() && gate.enter().is_none());
        drop(held);
        assert!(gate.enter().is_some());
    }
}
