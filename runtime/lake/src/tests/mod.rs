//! Tests of the room as a whole: tables in memory storage and catalogs, with faults.

mod commit_matrix;
mod fixture;
mod foreign_deletes;
mod history;
mod manifests;
mod properties;
mod schema_changes;
mod sqlite;
