//! Bytes of change files become Arrow: AWS DMS files in CSV and Parquet.
//!
//! Sans I/O: a decoder says which byte ranges of its file it needs ([`Step::Need`]), is handed them
//! ([`Decode::supply`]) and gives batches ([`Step::Batch`]). Where the bytes lie is not known here, so that the same
//! decoder serves local files, object stores and tests.

mod again;
mod csv;
mod error;
mod filter;
mod gzip;
mod input;
mod parquet;
pub mod parse;
mod reject;
mod renames;
mod step;

pub use again::{SetAside, decode_again};
pub use csv::{
    CsvSettings, HeaderMode, MixedChunk, MixedPlace, MixedRows, MixedSettings, MixedSplitter, MixedStep, OpColumn,
    RowDelimiter, beginning, csv_decoder, describe_csv,
};
pub use error::DecodeError;
pub use parquet::{Described, ParquetDescription, ParquetSettings, describe_parquet, parquet_decoder};
pub use renames::Renames;
pub use step::{Decode, Decoded, FileContext, MOST_BATCH_BYTES, Step};
