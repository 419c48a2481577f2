//! Columns filled row by row.

use arrow_array::{ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};

/// Values of a fixed width; null where `compute` says that there is none, and where `nulls` says so.
pub(super) fn fill<T: ArrowPrimitiveType>(
    rows: usize,
    nulls: Option<NullBuffer>,
    mut compute: impl FnMut(usize) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    let mut missing = Missing::default();
    let values = (0..rows).map(|row| {
        compute(row).unwrap_or_else(|| {
            missing.add(row);
            T::Native::default()
        })
    });
    let values: Vec<T::Native> = values.collect();
    PrimitiveArray::new(values.into(), missing.nulls(rows, nulls))
}

/// Truth values; null where `compute` says that there is none, and where `nulls` says so.
pub(super) fn fill_booleans(
    rows: usize,
    nulls: Option<NullBuffer>,
    mut compute: impl FnMut(usize) -> Option<bool>,
) -> BooleanArray {
    let mut missing = Missing::default();
    let values = BooleanBuffer::collect_bool(rows, |row| {
        compute(row).unwrap_or_else(|| {
            missing.add(row);
            false
        })
    });
    BooleanArray::new(values, missing.nulls(rows, nulls))
}

/// Rows that turned out to have no value.
#[derive(Debug, Default)]
pub(super) struct Missing {
    rows: Vec<usize>,
}

impl Missing {
    /// Notes a row.
    #[cold]
    pub fn add(&mut self, row: usize) {
        self.rows.push(row);
    }

    /// All nulls, with those that were nulls before.
    pub fn nulls(self, rows: usize, before: Option<NullBuffer>) -> Option<NullBuffer> {
        if self.rows.is_empty() {
            return before;
        }
        let mut bits = BooleanBufferBuilder::new(rows);
        match &before {
            Some(nulls) => bits.append_buffer(nulls.inner()),
            None => bits.append_n(rows, true),
        }
        for row in self.rows {
            bits.set_bit(row, false);
        }
        Some(NullBuffer::new(bits.finish()))
    }
}
