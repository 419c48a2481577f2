use std::sync::Arc;

use arrow_array::{Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use bytes::Bytes;

use crate::{Op, Position, Unsent};

/// Where the rows of one batch came from: a file, or a partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The source partition whose [`crate::Mark`] these rows advance.
    pub partition: String,
    /// What a person calls it: a path relative to the source, or `topic/partition`.
    pub name: String,
    /// Sorts origins of one partition in the order in which their changes happened.
    /// Together with the row number it is the total order of a source table.
    pub order: String,
}

/// Changes of one table from one origin, as columns, in source order.
///
/// `rows`, `ops`, `row_numbers` and, where present, `commit_times`, `before` and `unsent` have the same length.
/// A batch may be empty and still move the position (a file of nothing but rejects).
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// The file or partition that all rows came from.
    pub origin: Arc<Origin>,
    /// The source's own columns under their source names. A column that the origin does not have is absent.
    pub rows: RecordBatch,
    /// What each row does.
    pub ops: Vec<Op>,
    /// Record number of each row within its origin, from 1, ascending; rejected records leave gaps.
    pub row_numbers: Int64Array,
    /// Commit time at the source in microseconds since the epoch, UTC; `None` where the origin has no such column.
    pub commit_times: Option<TimestampMicrosecondArray>,
    /// Values before the change, under the names of the columns in `rows`; all null in a row whose source sent none.
    pub before: Option<RecordBatch>,
    /// Cells of `rows` that the source did not send (null there); `None` where every row was sent whole.
    pub unsent: Option<Unsent>,
    /// Records of this stretch that could not be represented exactly.
    pub rejects: Vec<Reject>,
    /// What has been consumed whole once these rows and rejects are stored.
    pub position: Position,
}

impl ChangeBatch {
    /// Number of rows that were decoded (rejects not counted).
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether no row was decoded; the batch may still hold rejects and move the position.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes held in memory by this batch, for the budget.
    pub fn memory_bytes(&self) -> usize {
        let before = self.before.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        let times = self.commit_times.as_ref().map_or(0, |times| times.get_array_memory_size());
        let unsent = self.unsent.as_ref().map_or(0, Unsent::memory_bytes);
        let rejects: usize = self.rejects.iter().map(|reject| reject.raw.len() + reject.reason.len() + 96).sum();
        self.rows.get_array_memory_size()
            + before
            + times
            + self.row_numbers.get_array_memory_size()
            + self.ops.capacity()
            + unsent
            + rejects
    }
}

/// A record that could not be represented exactly, kept whole so that it can be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The file or partition that it came from.
    pub origin: Arc<Origin>,
    /// Record number within the origin, from 1.
    pub row_number: u64,
    /// The column at fault, where one is.
    pub column: Option<String>,
    /// Why, in words for a person, with what to do where that is known.
    pub reason: String,
    /// The record's bytes as they came.
    pub raw: Bytes,
    /// What its file says of the layout of its records, as the decoder writes it, so that the record can be read again
    /// without the file; `None` where the layout was not known yet.
    pub layout: Option<Arc<str>>,
}
