//! Lanes: each source table's way from its source into Bronze and Silver, and the supervisor that runs them side by side.
//!
//! Decisions are pure functions over explicit state ([`directive`], the merge plan); effects are calls to the rooms below.

mod bronze;
mod budget;
mod catch_up;
mod collect;
mod context;
mod error;
mod index;
mod lane;
mod late;
mod logged;
mod merge;
mod rebuild;
mod rejects;
mod reload;
mod rename;
mod replay;
mod rolled_back;
mod row_json;
mod settings;
mod shaping;
mod status;
mod supervisor;
mod tables;
mod upkeep;
mod verify;
mod write;

pub use bronze::source_columns;
pub use budget::MemoryShares;
pub use context::Services;
pub use error::{Directive, LaneError, directive, explain};
pub use rebuild::{RebuildEnd, RebuildProgress, Rebuilt, abandon_rebuild, is_rebuilding, rebuild};
pub use replay::{ReplayOutcome, ReplayRequest};
pub use settings::{BatchSettings, LaneSettings, ProcessSettings, RetrySettings};
pub use status::{IndexProgress, LaneState, LaneStatus, RunReport};
pub use supervisor::Supervisor;
pub use upkeep::{Files, Maintained, RewriteGate, UpkeepSettings, maintain};
pub use verify::{
    Actual, Counts, Difference, Kind, Progress, Scope, Verdict, VerifyError, VerifyReport, VerifySeams, VerifySettings,
    verify,
};
