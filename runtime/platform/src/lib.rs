//! What the machine gives, behind seams: storage, time, randomness, processors.
//!
//! Library code takes these in instead of reaching for them, so that a run can be simulated from a seed.

mod clock;
mod cpu;
mod entropy;
pub mod failpoint;
mod local;
mod memory;
mod router;
mod secret;
mod storage;

pub use clock::{Clock, SystemClock};
pub use cpu::CpuPool;
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use local::LocalStorage;
pub use memory::MemoryStorage;
pub use router::StorageRouter;
pub use secret::Secret;
pub use storage::{ObjectMeta, Storage, StorageError, StorageErrorKind};
