//! The tests of the commit contract once more, with HTTP between the lake and its catalog.

#[path = "../commit_matrix.rs"]
mod commit_matrix;
mod fixture;
#[path = "../schema_changes.rs"]
mod schema_changes;
