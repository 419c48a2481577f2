//! What the processor takes for the same columns without a component: the scale that a transform is measured on.

use std::hint::black_box;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use serde::Serialize;
use sluice_platform::Clock;
use sluice_transform::kernels::{Column, KernelError, Limits, hmac};

use super::BenchError;

/// Times of each measurement.
const ROUNDS: usize = 9;
/// A key like those of pseudonyms.
const KEY: [u8; 32] = [7; 32];
/// More than any sample's results.
const MOST: Limits = Limits { bytes: 1 << 30 };

/// Time a row in native code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Native {
    /// To copy the bytes of the columns once.
    pub copy_nanoseconds_per_row: f64,
    /// For HMAC-SHA-256 of each column of text or bytes; absent where there is none.
    pub hmac_nanoseconds_per_row: Option<f64>,
    /// Bytes of the columns in a row.
    pub bytes_per_row: f64,
}

/// Measures native work on columns of a batch: those of these names, or all if there are none.
pub fn native(rows: &RecordBatch, names: &[String], clock: &dyn Clock) -> Result<Native, BenchError> {
    let named = names.iter().filter_map(|name| rows.column_by_name(name));
    let columns: Vec<&ArrayRef> = if names.is_empty() { rows.columns().iter().collect() } else { named.collect() };
    let texts: Vec<Column> = columns
        .iter()
        .filter(|column| matches!(column.data_type(), DataType::Utf8 | DataType::Binary))
        .map(|column| Column::rows(ArrayRef::clone(column)))
        .collect();
    let count = rows.num_rows().max(1) as f64;
    let bytes: usize = columns.iter().map(|column| column.get_buffer_memory_size()).sum();
    let copying = median(clock, || {
        columns.iter().for_each(|column| copy(column));
        Ok(())
    })?;
    let hashing = median(clock, || {
        for text in &texts {
            black_box(hmac(text, &KEY, MOST)?);
        }
        Ok(())
    })?;
    Ok(Native {
        copy_nanoseconds_per_row: copying / count,
        hmac_nanoseconds_per_row: (!texts.is_empty()).then_some(hashing / count),
        bytes_per_row: bytes as f64 / count,
    })
}

fn copy(column: &ArrayRef) {
    let data = column.to_data();
    let validity = data.nulls().map(|nulls| nulls.validity().to_vec());
    let values: Vec<Vec<u8>> = data.buffers().iter().map(|buffer| buffer.as_slice().to_vec()).collect();
    black_box((validity, values));
}

/// Nanoseconds of the median of several times.
fn median(clock: &dyn Clock, work: impl Fn() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    let mut times = [0; ROUNDS];
    for time in &mut times {
        let from = clock.now_us();
        work()?;
        *time = clock.now_us() - from;
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2] as f64 * 1_000.0)
}
