//! What goes to a guest.

use std::sync::{Arc, OnceLock};

use arrow_array::{Array, ArrayRef, StringArray, UInt32Array, new_null_array};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::ArrowError;
use arrow_select::take::take;
use sluice_change::{ColumnType, Op};

use super::assemble::Shown;
use super::plan::CheckedPlan;
use crate::Input;

/// What a guest gets of a batch.
#[derive(Debug)]
pub(super) struct Lent {
    pub rows: usize,
    pub columns: Vec<ArrayRef>,
    pub ops: ArrayRef,
    pub ordinals: ArrayRef,
    pub times: ArrayRef,
}

impl Lent {
    /// Bytes of the columns that it reads.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
    }
}

/// The columns that a plan reads, of the rows that are shown, in the types that were promised to it.
pub(super) fn lend(plan: &CheckedPlan, input: &Input, shown: &Shown) -> Result<Lent, ArrowError> {
    let all = input.ops.len();
    let places = shown.0.as_ref().map(|rows| UInt32Array::from(rows.clone()));
    let of = |array: &ArrayRef| match &places {
        None => Ok(Arc::clone(array)),
        Some(places) => take(array, places, None),
    };
    let columns = plan.reads.iter().map(|column| {
        let wanted = column.column_type.arrow();
        match input.rows.column_by_name(&column.name) {
            None => Ok(new_null_array(&wanted, shown.len(all))),
            Some(array) if *array.data_type() == wanted => of(array),
            Some(array) => of(&cast(array, &wanted)?),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let times = match &input.times {
        Some(times) => {
            let wanted = ColumnType::TimestampTz.arrow();
            of(&(Arc::new(times.clone().with_data_type(wanted)) as ArrayRef))?
        }
        None => no_times(shown.len(all)),
    };
    let ops = of(&codes(&input.ops))?;
    let ordinals = of(&(Arc::new(input.ordinals.clone()) as ArrayRef))?;
    Ok(Lent { rows: shown.len(all), columns, ops, ordinals, times })
}

/// Rows that most batches have at most, for which what is always the same is kept.
const USUAL_ROWS: usize = 65_536;

fn no_times(rows: usize) -> ArrayRef {
    static NONE: OnceLock<ArrayRef> = OnceLock::new();
    let none = || new_null_array(&ColumnType::TimestampTz.arrow(), USUAL_ROWS);
    if rows <= USUAL_ROWS {
        NONE.get_or_init(none).slice(0, rows)
    } else {
        new_null_array(&ColumnType::TimestampTz.arrow(), rows)
    }
}

/// Ops as texts of one letter.
fn codes(ops: &[Op]) -> ArrayRef {
    static ENDS: OnceLock<Buffer> = OnceLock::new();
    let ends = |rows: usize| (0..=rows as i32).collect::<Buffer>();
    let offsets = if ops.len() <= USUAL_ROWS {
        ENDS.get_or_init(|| ends(USUAL_ROWS)).slice_with_length(0, (ops.len() + 1) * 4)
    } else {
        ends(ops.len())
    };
    let letters: Vec<u8> = ops.iter().map(|op| *op as u8).collect();
    let offsets = OffsetBuffer::new(offsets.into());
    Arc::new(StringArray::new(offsets, Buffer::from_vec(letters), None))
}
