//! Rows on their way through transforms.

use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use sluice_change::{Op, Unsent};

/// Changes of one table in the order in which they happened, before a transform. All parts have the same number of rows.
#[derive(Debug, Clone)]
pub struct Input {
    /// The columns.
    pub rows: RecordBatch,
    /// What each row does.
    pub ops: Vec<Op>,
    /// The number of each row in the table's log.
    pub ordinals: Int64Array,
    /// Commit times at the source; `None` where it does not say.
    pub times: Option<TimestampMicrosecondArray>,
    /// Values before the change, under the names of columns in `rows`; all null in a row whose source sent none.
    pub before: Option<RecordBatch>,
    /// Cells that the source did not send.
    pub unsent: Option<Unsent>,
}

/// Changes after a transform, in order. `rows`, `ops` and, where present, `sources`, `before` and `unsent` have the same
/// number of rows.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// The columns.
    pub rows: RecordBatch,
    /// What each row does. A row that the transform dropped deletes its key.
    pub ops: Vec<Op>,
    /// The input row that each row comes from, never falling; `None` where they are the input's rows, one for one.
    pub sources: Option<UInt32Array>,
    /// Values of key columns before the change, under their names after the transform; other columns need not be there.
    pub before: Option<RecordBatch>,
    /// Cells that keep the value that Silver has.
    pub unsent: Option<Unsent>,
    /// Input rows that were rejected, ascending; none of `rows` comes from them.
    pub rejects: Vec<Rejected>,
}

impl Shaped {
    /// All rows as they were.
    pub fn untouched(input: Input) -> Self {
        Self {
            rows: input.rows,
            ops: input.ops,
            sources: None,
            before: input.before,
            unsent: input.unsent,
            rejects: Vec::new(),
        }
    }
}

/// A row that a transform could not or would not shape. Its key keeps the row that it has in Silver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Number of the row in the input, from 0.
    pub row: u32,
    /// The column at fault, where one is.
    pub column: Option<String>,
    /// Why, in words for a person.
    pub reason: String,
}
