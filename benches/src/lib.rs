//! What the benchmarks share: the generated workload, and what a process has used.

pub mod usage;
pub mod workload;
