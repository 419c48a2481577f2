//! The tests of the commit contract, of compaction and of upkeep once more, with HTTP between the lake and its catalog.

#[path = "../beside.rs"]
mod beside;
#[path = "../branches.rs"]
mod branches;
#[path = "../commit_matrix.rs"]
mod commit_matrix;
#[path = "../compaction.rs"]
mod compaction;
#[path = "../compaction_cases.rs"]
mod compaction_cases;
mod fixture;
#[path = "../lineage.rs"]
mod lineage;
#[path = "../manifests.rs"]
mod manifests;
#[path = "../schema_changes.rs"]
mod schema_changes;
#[path = "../upkeep.rs"]
mod upkeep;
