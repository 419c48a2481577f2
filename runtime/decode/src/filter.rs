use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::filter::{filter, filter_record_batch};

use crate::Decoded;

/// Takes the rows of rejected records out of a batch.
#[cold]
pub(crate) fn remove_rows(decoded: &mut Decoded, bad_rows: &[usize]) -> Result<(), ArrowError> {
    let mut good = vec![true; decoded.ops.len()];
    for &row in bad_rows {
        good[row] = false;
    }
    let mut stays = good.iter();
    decoded.ops.retain(|_| stays.next() == Some(&true));
    let mask = BooleanArray::new(BooleanBuffer::from(good), None);
    let keep = |array: &dyn Array| filter(array, &mask);
    decoded.rows = filter_record_batch(&decoded.rows, &mask)?;
    decoded.row_numbers = keep(&decoded.row_numbers)?.as_primitive().clone();
    if let Some(times) = &decoded.commit_times {
        decoded.commit_times = Some(keep(times)?.as_primitive().clone());
    }
    decoded.unsent = decoded.unsent.take().and_then(|unsent| unsent.filter(|row| mask.value(row)));
    if let Some(before) = &decoded.before {
        decoded.before = Some(filter_record_batch(before, &mask)?);
    }
    Ok(())
}
