//! Rewrites data files: small ones into large ones, those with many deleted rows without them.
//!
//! Three steps, of which only the last touches the table: [`LakeTable::plan_compaction`] chooses, a [`CompactionWork`]
//! that was [pinned](LakeTable::pin) reads and writes beside the table's own commits, [`LakeTable::commit_rewrite`] puts
//! the new files in the place of the old ones between two of them.
//!
//! [`LakeTable::plan_compaction`]: crate::LakeTable::plan_compaction
//! [`LakeTable::commit_rewrite`]: crate::LakeTable::commit_rewrite

mod commit;
mod mapping;
mod plan;
mod rows;
mod settings;
mod sort;
mod work;

pub(crate) use commit::CHECKPOINT_KEY;
pub use commit::RewriteOutcome;
pub use mapping::{Moved, RowMapping};
pub use plan::{CompactionJob, CompactionPlan};
pub use settings::CompactionSettings;
pub use work::{CompactionWork, Rewritten};
