//! Rows on their way through transforms.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use arrow_schema::{ArrowError, Field, Schema};
use arrow_select::filter::{filter, filter_record_batch};
use arrow_select::take::take;
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

impl Input {
    /// The rows where `keep` is true.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        let kept = |row: usize| keep.value(row);
        Ok(Self {
            rows: filter_record_batch(&self.rows, keep)?,
            ops: self.ops.iter().enumerate().filter(|(row, _)| kept(*row)).map(|(_, op)| *op).collect(),
            ordinals: filter(&self.ordinals, keep)?.as_primitive().clone(),
            times: match &self.times {
                Some(times) => Some(filter(times, keep)?.as_primitive().clone()),
                None => None,
            },
            before: self.before.as_ref().map(|before| filter_record_batch(before, keep)).transpose()?,
            unsent: self.unsent.as_ref().and_then(|unsent| unsent.filter(kept)),
        })
    }
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

    /// All rows as they were but those in `rejects`, which are ascending and each row once.
    pub fn rejecting(input: Input, rejects: Vec<Rejected>) -> Result<Self, ArrowError> {
        if rejects.is_empty() {
            return Ok(Self::untouched(input));
        }
        let mut keep = vec![true; input.ops.len()];
        rejects.iter().for_each(|reject| keep[reject.row as usize] = false);
        let sources = UInt32Array::from_iter_values((0..).zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| row));
        let kept = input.filter(&BooleanArray::from(keep))?;
        Ok(Self { sources: Some(sources), rejects, ..Self::untouched(kept) })
    }

    /// The input row that a row comes from.
    pub fn source(&self, row: usize) -> u32 {
        self.sources.as_ref().map_or(row as u32, |sources| sources.value(row))
    }

    /// The rows where `keep` is true; the rejects stay.
    pub fn filter(self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        if keep.true_count() == keep.len() {
            return Ok(self);
        }
        let kept = |row: usize| keep.value(row);
        let sources =
            UInt32Array::from_iter_values((0..self.ops.len()).filter(|row| kept(*row)).map(|r| self.source(r)));
        Ok(Self {
            rows: filter_record_batch(&self.rows, keep)?,
            ops: self.ops.iter().enumerate().filter(|(row, _)| kept(*row)).map(|(_, op)| *op).collect(),
            sources: Some(sources),
            before: self.before.as_ref().map(|before| filter_record_batch(before, keep)).transpose()?,
            unsent: self.unsent.as_ref().and_then(|unsent| unsent.filter(kept)),
            rejects: self.rejects,
        })
    }

    /// The next step's input: what came out of this one, for rows with these numbers and times.
    pub(crate) fn into_input(
        self,
        ordinals: Int64Array,
        times: Option<TimestampMicrosecondArray>,
    ) -> Result<Input, ArrowError> {
        let Shaped { rows, ops, sources, before, unsent, .. } = self;
        let (ordinals, times) = match sources {
            None => (ordinals, times),
            Some(sources) => {
                let times = match times {
                    Some(times) => Some(take(&times, &sources, None)?.as_primitive().clone()),
                    None => None,
                };
                (take(&ordinals, &sources, None)?.as_primitive().clone(), times)
            }
        };
        Ok(Input { rows, ops, ordinals, times, before, unsent })
    }
}

/// The rows of `batch` at these places, null where a place is.
pub(crate) fn rows_at(batch: &RecordBatch, places: &UInt32Array) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> =
        batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let at = |column: &ArrayRef| match batch.num_rows() {
        0 => Ok(new_null_array(column.data_type(), places.len())),
        _ => take(column, places, None),
    };
    let columns = batch.columns().iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
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
