//! What the benchmarks share: generated workloads, the place where a process runs, and what it has used.

pub mod cost;
pub mod place;
pub mod usage;
pub mod workload;

/// Whatever ends a benchmark.
pub type Failure = Box<dyn std::error::Error>;

/// A size that the environment may change.
pub fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
