use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
use bytes::Bytes;
use sluice_change::{Op, Origin, Reject, TableSchema, Unsent};

use crate::DecodeError;

/// What a decoder wants or has.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one step stands for thousands of rows; a box would buy nothing")]
pub enum Step {
    /// It goes on once these byte ranges of the file have been supplied, in this order.
    Need(Vec<Range<u64>>),
    /// A stretch of the file, decoded.
    Batch(Decoded),
    /// Everything has been decoded.
    End,
}

/// A decoder of one file. It computes and never waits; it belongs on a thread that may be busy.
///
/// Call [`Decode::step`] until it says [`Step::End`] or fails; after an error it gives nothing more.
pub trait Decode: Send {
    /// Goes on as far as it can.
    fn step(&mut self) -> Result<Step, DecodeError>;

    /// Hands in bytes of the file. An asked-for range may come in several pieces, in order; `bytes` is exactly `range`.
    fn supply(&mut self, range: Range<u64>, bytes: Bytes);
}

/// A stretch of a file as columns: a change batch without its position, which the source adds.
///
/// `rows`, `ops`, `row_numbers`, `commit_times`, `before` and `unsent` have the same length, which may be 0.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The business columns that the file has, in file order, in the types of the schema; all fields nullable.
    pub rows: RecordBatch,
    /// What each row does.
    pub ops: Vec<Op>,
    /// Record number of each row within the file, from 1; rejected records leave gaps, header and blank lines none.
    pub row_numbers: Int64Array,
    /// Commit time at the source in microseconds since the epoch, UTC; `None` where the file has no such column.
    pub commit_times: Option<TimestampMicrosecondArray>,
    /// Values before the change under the names of the business columns; `None` where the file has none.
    pub before: Option<RecordBatch>,
    /// Cells of `rows` that the source did not send (null there); `None` where every row was sent whole.
    pub unsent: Option<Unsent>,
    /// Records that could not be represented exactly, by record number.
    pub rejects: Vec<Reject>,
    /// Number of the last record consumed, decoded or rejected: where a later decoder resumes ([`FileContext::skip`]).
    pub consumed: u64,
}

/// More bytes than this are never worth a batch of their own.
pub const MOST_BATCH_BYTES: usize = 32 << 20;

/// What a decoder has to know of its file.
#[derive(Debug, Clone)]
pub struct FileContext {
    /// Names the file in rejects and errors.
    pub origin: Arc<Origin>,
    /// Length of the file in bytes.
    pub length: u64,
    /// Whether it is part of the full load (else it holds changes).
    pub full_load: bool,
    /// The first so many records have been consumed before and are passed over.
    pub skip: u64,
    /// The columns known so far, in source order, and the key.
    pub schema: TableSchema,
    /// Most records in one batch, rejected ones counted.
    pub batch_rows: usize,
    /// Bytes of text (or of Parquet, uncompressed) after which a batch ends even if it has few records.
    pub batch_bytes: usize,
}
