use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, RecordBatch, downcast_primitive};
use arrow_schema::DataType;

/// Values looked at in each column.
const SAMPLE: usize = 1024;
/// A dictionary pays where fewer than this share of the sampled values are distinct, in tenths.
const DISTINCT_TENTHS: usize = 9;

/// Whether a dictionary is likely to pay for a column: looking each value up costs more than writing it when most
/// values occur once (keys, sequence numbers, measures).
///
/// Half of the sample is a contiguous run, to see values that repeat in a row, half is spread over all rows, to see
/// values that come back.
pub(super) fn dictionary_pays(batches: &[RecordBatch], column: usize) -> bool {
    match batches.first().map(|batch| batch.column(column).data_type()) {
        None | Some(DataType::Boolean) => return false,
        Some(DataType::Dictionary(..)) => return true,
        Some(_) => {}
    }
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let run_end = rows.min(SAMPLE / 2);
    let stride = ((rows - run_end) / (SAMPLE / 2)).max(1);
    let mut hashes = Vec::with_capacity(SAMPLE + batches.len());
    let mut start = 0;
    let mut next = run_end;
    for batch in batches {
        let end = start + batch.num_rows();
        let run = start..run_end.clamp(start, end);
        let spread = (next..end).step_by(stride);
        hash_values(batch.column(column).as_ref(), run.chain(spread).map(|row| row - start), &mut hashes);
        next += end.saturating_sub(next).div_ceil(stride) * stride;
        start = end;
    }
    let sampled = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len() * 10 < sampled * DISTINCT_TENTHS
}

/// Appends a hash of each non-null value at `rows`.
fn hash_values(array: &dyn Array, rows: impl Iterator<Item = usize>, hashes: &mut Vec<u64>) {
    macro_rules! primitive {
        ($type:ty) => {
            hash_primitive::<$type>(array, rows, hashes)
        };
    }
    downcast_primitive! {
        array.data_type() => (primitive),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            hashes.extend(rows.filter(|row| array.is_valid(*row)).map(|row| hash_bytes(array.value(row).as_bytes())));
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            hashes.extend(rows.filter(|row| array.is_valid(*row)).map(|row| hash_bytes(array.value(row))));
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            hashes.extend(rows.filter(|row| array.is_valid(*row)).map(|row| hash_bytes(array.value(row))));
        }
        _ => {}
    }
}

fn hash_primitive<T: ArrowPrimitiveType>(array: &dyn Array, rows: impl Iterator<Item = usize>, hashes: &mut Vec<u64>) {
    let array = array.as_primitive::<T>();
    let values = array.values().inner().as_slice();
    let width = size_of::<T::Native>();
    for row in rows.filter(|row| array.is_valid(*row)) {
        let bytes = &values[row * width..(row + 1) * width];
        hashes.push(match <[u8; 8]>::try_from(bytes) {
            Ok(word) => u64::from_le_bytes(word),
            Err(_) => hash_bytes(bytes),
        });
    }
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    u64::from(crc32fast::hash(bytes)) | ((bytes.len() as u64) << 32)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn batches(columns: impl Fn(i64) -> ArrayRef, pieces: i64) -> Vec<RecordBatch> {
        (0..pieces).map(|piece| RecordBatch::try_from_iter([("c", columns(piece))]).unwrap()).collect()
    }

    #[test]
    fn unique_numbers_get_no_dictionary_and_few_values_do() {
        let unique = batches(|piece| Arc::new(Int64Array::from_iter_values(piece * 5000..(piece + 1) * 5000)), 3);
        assert!(!dictionary_pays(&unique, 0));
        let few = batches(|_| Arc::new(Int64Array::from_iter_values((0..5000).map(|row| row % 300))), 3);
        assert!(dictionary_pays(&few, 0));
    }

    #[test]
    fn runs_and_repeated_text_get_a_dictionary_and_small_inputs_are_judged_whole() {
        let runs = batches(|_| Arc::new(Int64Array::from_iter_values((0..100_000).map(|row| row / 10))), 1);
        assert!(dictionary_pays(&runs, 0));
        let text =
            batches(|_| Arc::new(StringArray::from_iter_values((0..1000).map(|row| format!("s{}", row % 7)))), 2);
        assert!(dictionary_pays(&text, 0));
        let measures = batches(|_| Arc::new(Float64Array::from_iter_values((0..10).map(f64::from))), 1);
        assert!(!dictionary_pays(&measures, 0));
    }

    #[test]
    fn a_column_of_nulls_or_no_rows_gets_none() {
        let nulls = batches(|_| Arc::new(Int64Array::from(vec![None::<i64>; 100])), 2);
        assert!(!dictionary_pays(&nulls, 0));
        assert!(!dictionary_pays(&[], 0));
    }
}
