//! Tests of the room as a whole: tables in memory storage and catalogs, with faults.

#![allow(clippy::duplicate_mod, reason = "the same tests run over both kinds of catalog")]

mod beside;
mod branches;
mod commit_matrix;
mod compaction;
mod compaction_cases;
mod fixture;
mod foreign_deletes;
mod history;
mod http_server;
mod lineage;
mod manifests;
mod over_rest;
mod properties;
mod rest_answers;
mod rest_identity;
mod schema_changes;
mod sqlite;
mod take;
mod upkeep;
