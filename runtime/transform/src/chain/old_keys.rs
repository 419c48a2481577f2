//! Changes of the source's key, where Silver's key is another: the old key is what the steps make of a delete of the old row.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_ord::cmp::distinct;
use arrow_schema::{ArrowError, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use arrow_select::zip::zip;
use sluice_change::{Op, TableSchema, Unsent};

use crate::rows::rows_at;
use crate::{Input, Rejected, Shaped};

/// Where deletes of old rows were put among the rows: each just ahead of the row that followed it.
#[derive(Debug)]
pub(super) struct OldKeys {
    /// The row of the input that each row belongs to.
    of: UInt32Array,
    /// Whether a row is such a delete.
    old: Vec<bool>,
}

impl OldKeys {
    /// Puts deletes of old rows in; nothing is copied where no before image differs from its row.
    pub fn show(schema: &TableSchema, mut input: Input) -> Result<(Input, Option<Self>), ArrowError> {
        let Some(before) = input.before.take() else { return Ok((input, None)) };
        let moved = moved(&before, &input.rows)?;
        if moved.true_count() == 0 {
            return Ok((input, None));
        }
        let length = input.ops.len();
        let old_rows = old_rows(schema, &before, &input.rows)?;
        let all = concat_batches(&input.rows.schema(), [&input.rows, &old_rows])?;
        let expected = length + moved.true_count();
        let (mut places, mut of, mut old) =
            (Vec::with_capacity(expected), Vec::with_capacity(expected), Vec::with_capacity(expected));
        for row in 0..length {
            if moved.value(row) {
                places.push((length + row) as u32);
                of.push(row as u32);
                old.push(true);
            }
            places.push(row as u32);
            of.push(row as u32);
            old.push(false);
        }
        let of = UInt32Array::from(of);
        let each = || of.values().iter().map(|row| *row as usize).zip(&old);
        let op = |(row, old): (usize, &bool)| if *old { Op::Delete } else { input.ops[row] };
        let unsent = input.unsent.as_ref().and_then(|unsent| {
            let pattern = |(row, old): (usize, &bool)| if *old { 0 } else { unsent.rows()[row] };
            Unsent::new(each().map(pattern).collect(), unsent.patterns().to_vec())
        });
        let shown = Input {
            rows: rows_at(&all, &UInt32Array::from(places))?,
            ops: each().map(op).collect(),
            ordinals: take(&input.ordinals, &of, None)?.as_primitive().clone(),
            times: match &input.times {
                Some(times) => Some(take(times, &of, None)?.as_primitive().clone()),
                None => None,
            },
            before: None,
            unsent,
        };
        Ok((shown, Some(Self { of, old })))
    }

    /// Turns the deletes into the keys before the change, where one row came of each; counts by the input's rows again.
    pub fn settle(self, shaped: Shaped, key: &[String]) -> Result<Shaped, ArrowError> {
        let shaped = self.reject_both(shaped)?;
        let mut rows_of = vec![0_u32; self.old.len()];
        (0..shaped.ops.len()).for_each(|row| rows_of[shaped.source(row) as usize] += 1);
        let is_key_of_next = |row: usize| {
            let place = shaped.source(row) as usize;
            self.old[place]
                && shaped.ops[row] == Op::Delete
                && rows_of[place] == 1
                && rows_of.get(place + 1) == Some(&1)
        };
        let mut kept = Vec::with_capacity(shaped.ops.len());
        let mut keys = Vec::with_capacity(shaped.ops.len());
        let mut key_before = None;
        for row in 0..shaped.ops.len() {
            if is_key_of_next(row) {
                key_before = Some(row as u32);
            } else {
                kept.push(row as u32);
                keys.push(key_before.take());
            }
        }
        let places = |row: &u32| self.of.value(shaped.source(*row as usize) as usize);
        let sources = UInt32Array::from_iter_values(kept.iter().map(places));
        let unsent = shaped.unsent.as_ref().and_then(|unsent| {
            let pattern = |row: &u32| unsent.rows()[*row as usize];
            Unsent::new(kept.iter().map(pattern).collect(), unsent.patterns().to_vec())
        });
        let columns = key.iter().map(|name| shaped.rows.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let before = match keys.iter().any(Option::is_some) {
            true => Some(rows_at(&shaped.rows.project(&columns)?, &UInt32Array::from(keys))?),
            false => None,
        };
        Ok(Shaped {
            ops: kept.iter().map(|row| shaped.ops[*row as usize]).collect(),
            rows: rows_at(&shaped.rows, &UInt32Array::from(kept))?,
            sources: Some(sources),
            before,
            unsent,
            rejects: shaped.rejects,
        })
    }

    /// A change is rejected as a whole: the delete of its old row too. Rejects count by the input's rows after this.
    fn reject_both(&self, mut shaped: Shaped) -> Result<Shaped, ArrowError> {
        let mut rejects: Vec<Rejected> = std::mem::take(&mut shaped.rejects);
        rejects.iter_mut().for_each(|reject| reject.row = self.of.value(reject.row as usize));
        rejects.dedup_by_key(|reject| reject.row);
        shaped.rejects = rejects;
        if shaped.rejects.is_empty() {
            return Ok(shaped);
        }
        let rejected: HashSet<u32> = shaped.rejects.iter().map(|reject| reject.row).collect();
        let keep = |row: usize| Some(!rejected.contains(&self.of.value(shaped.source(row) as usize)));
        let keep = BooleanArray::from_iter((0..shaped.ops.len()).map(keep));
        shaped.filter(&keep)
    }
}

/// The rows whose before image says something else than the row.
fn moved(before: &RecordBatch, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let mut moved = vec![false; rows.num_rows()];
    for (field, before) in before.schema().fields().iter().zip(before.columns()) {
        let Some(column) = rows.column_by_name(field.name()) else { continue };
        let differs = distinct(before, column)?;
        for (row, moved) in moved.iter_mut().enumerate() {
            *moved |= before.is_valid(row) && differs.value(row);
        }
    }
    Ok(BooleanArray::from(moved))
}

/// The rows as they were: what the before image has, else what the row has. A key column without a value there did not
/// change.
fn old_rows(schema: &TableSchema, before: &RecordBatch, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |(field, now): (&arrow_schema::FieldRef, &ArrayRef)| match before.column_by_name(field.name()) {
        None => Ok(Arc::clone(now)),
        Some(before) if !schema.is_key(field.name()) => Ok(Arc::clone(before)),
        Some(before) => {
            let valid = BooleanArray::from_iter((0..before.len()).map(|row| Some(before.is_valid(row))));
            zip(&valid, before, now)
        }
    };
    let columns = rows.schema().fields().iter().zip(rows.columns()).map(column).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(rows.schema().fields().clone())), columns, &options)
}
