use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use thiserror::Error;

/// A file that cannot be decoded (any further). Faults of single records are rejects instead.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The file ends before its content does. Every record before that has been given out.
    #[error(
        "{file} is cut short after record {records}: it ends {place}; copy it again (if it is still being written, \
         write it under another name and rename it when it is whole)"
    )]
    Truncated {
        /// The file.
        file: String,
        /// Whole records before the cut.
        records: u64,
        /// Inside what it ends.
        place: &'static str,
    },
    /// The compressed data is damaged.
    #[error("{file} is not a sound gzip file: it is damaged after record {records}; copy it again")]
    Gzip {
        /// The file.
        file: String,
        /// Whole records before the damage.
        records: u64,
        /// What the decompressor said.
        #[source]
        source: std::io::Error,
    },
    /// A record without end.
    #[error(
        "record {record} of {file} is longer than {limit} bytes; most likely a quote that opens a value is never \
         closed: look at the file there and at the settings `quote` and `delimiter`"
    )]
    RecordTooLong {
        /// The file.
        file: String,
        /// Its number, from 1.
        record: u64,
        /// Most bytes that a record may have.
        limit: usize,
    },
    /// The columns of the file do not make sense for the table.
    #[error("{file}: {reason}")]
    Columns {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The file has fewer records than were consumed of it before.
    #[error("{file} holds {records} records, but {skip} were taken from it before: it was replaced by another file")]
    Shrunk {
        /// The file.
        file: String,
        /// Records in it.
        records: u64,
        /// Records consumed before.
        skip: u64,
    },
    /// Settings that contradict themselves.
    #[error("the format settings cannot be used: {0}")]
    Settings(String),
    /// The caller supplied bytes that were not asked for.
    #[error("{file}: bytes from {got} were supplied where those from {expected} were asked for")]
    Supply {
        /// The file.
        file: String,
        /// Offset that was asked for.
        expected: u64,
        /// Offset that was supplied.
        got: u64,
    },
    /// Damaged Parquet.
    #[error("{file} is not a sound Parquet file (read up to record {records}); copy it again")]
    Parquet {
        /// The file.
        file: String,
        /// Records given out before.
        records: u64,
        /// What the reader said.
        #[source]
        source: ParquetError,
    },
    /// Columns that do not make a batch.
    #[error("{file}: the decoded columns do not make a batch")]
    Batch {
        /// The file.
        file: String,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
}
