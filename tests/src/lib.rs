//! What the long scenarios stand on: a naive model, a generator of DMS output, independent readers, the real process.

pub mod bad_rows;
pub mod config;
pub mod datum;
pub mod dms_mixed;
pub mod dms_task;
mod duplicates;
pub mod generator;
pub mod lake_files;
pub mod life;
pub mod model;
pub mod place;
pub mod process;
pub mod readers;
pub mod services;
pub mod simulation;
pub mod spark;
pub mod spec;
pub mod stream;
pub mod table;
pub mod tools;
pub mod values;
pub mod write_csv;
pub mod write_parquet;
