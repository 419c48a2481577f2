//! Decoders against whole files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod csv_layouts;
mod csv_property;
mod csv_rules;
mod describe;
mod drive;
mod parquet_dms_file;
mod parquet_types;
mod unsent;
