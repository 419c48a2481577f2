//! The host of components, started when a table first needs it.

use std::sync::{Arc, OnceLock};

use sluice_plugin::build::tools_folder;
use sluice_transform::host::{CodeCache, Host, HostSettings};
use sluice_transform::{ComponentSettings, Components, Transform, TransformError};

/// A host for `threads` threads; compiled code is kept from one process to the next.
pub(crate) fn host(threads: usize) -> Result<Host, TransformError> {
    Host::new(&HostSettings::for_threads(threads), CodeCache::open(&tools_folder().join("compiled")))
}

/// Components of a process that may have none.
#[derive(Debug)]
pub(crate) struct HostedComponents {
    threads: usize,
    host: OnceLock<Result<Host, String>>,
}

impl HostedComponents {
    /// For a processor pool of so many threads.
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { threads, host: OnceLock::new() })
    }
}

impl Components for HostedComponents {
    fn load(&self, settings: &ComponentSettings) -> Result<Arc<dyn Transform>, TransformError> {
        let started = self.host.get_or_init(|| host(self.threads).map_err(|error| error.to_string()));
        match started {
            Ok(host) => host.load(settings),
            Err(reason) => Err(TransformError::Host { transform: settings.name.clone(), reason: reason.clone() }),
        }
    }
}
