//! Keeps a table's history short and its folders free of files that nothing needs.

mod expiry;
mod orphans;
mod reachable;

pub use expiry::ExpirySettings;
pub use orphans::OrphanSettings;
pub(crate) use reachable::unreachable;
pub use reachable::{Removal, RemovedFile};

#[cfg(test)]
pub(crate) use reachable::fingerprint;
