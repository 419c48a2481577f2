//! AWS DMS files in CSV.
//!
//! A block of text is split into records and values first ([`split`]), then parsed column by column ([`column`]): each
//! loop knows its type, and a bad value spoils its record only, which is filtered out of the finished batch.

mod batch;
mod column;
mod decoder;
mod describe;
mod layout;
mod mixed;
mod nulls;
mod scan;
mod settings;
mod split;
mod unsent;

pub use decoder::csv_decoder;
pub use describe::{beginning, describe_csv};
pub use mixed::{MixedChunk, MixedPlace, MixedRows, MixedSettings, MixedSplitter, MixedStep};
pub use settings::{CsvSettings, HeaderMode, OpColumn, RowDelimiter};
