//! What a transform costs: time and fuel a row, memory, the start of an instance, and what the same rows cost otherwise.

mod native;
mod pass_through;

use std::hint::black_box;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Int64Array, RecordBatch, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::{take, take_record_batch};
use serde::Serialize;
use sluice_change::Unsent;
use sluice_platform::Clock;
use sluice_transform::kernels::KernelError;
use sluice_transform::{Input, TransformError};
use thiserror::Error;

use crate::{Sample, Subject};

pub use native::{Native, native};
pub use pass_through::pass_through;

/// What the pipeline without a transform takes for a row, from the file into both tables (docs/benchmarks.md).
pub const PIPELINE_NANOSECONDS: f64 = 1_800.0;
/// Instances that are started to see how long one takes.
const STARTS: usize = 15;
/// Times that all batches go through.
const ROUNDS: usize = 3;

/// Why nothing can be measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// There are no rows.
    #[error("there are no rows to measure with: put some into the sample")]
    NoRows,
    /// Rows cannot be put together.
    #[error("the rows cannot be put together")]
    Rows(#[from] ArrowError),
    /// The native work failed.
    #[error("the same work cannot be done natively")]
    Native(#[from] KernelError),
    /// The transform failed.
    #[error(transparent)]
    Transform(#[from] TransformError),
}

/// What a transform took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Rows in each batch.
    pub batch_rows: usize,
    /// Rows that were measured, all rounds together.
    pub rows: usize,
    /// Time a row: the median of all batches.
    pub nanoseconds_per_row: f64,
    /// Fuel a row, which is the same in every run; absent where nothing counts it.
    pub fuel_per_row: Option<f64>,
    /// Most memory that an instance had.
    pub memory_bytes: usize,
    /// Time for a batch of one row: the start of an instance and the rest that a batch costs whatever its size.
    pub start_nanoseconds: u64,
    /// Rows of a batch that were rejected.
    pub rejected_per_batch: usize,
}

impl Measured {
    /// The share of the pipeline's time that the transform takes, 0 to 1.
    pub fn share_of_pipeline(&self) -> f64 {
        self.nanoseconds_per_row / (PIPELINE_NANOSECONDS + self.nanoseconds_per_row)
    }
}

/// Runs a sample, repeated to so many rows, through a transform.
pub fn measure(
    subject: &dyn Subject,
    sample: &Sample,
    rows: usize,
    batch_rows: usize,
    clock: &dyn Clock,
) -> Result<Measured, BenchError> {
    let batch_rows = batch_rows.clamp(1, rows.max(1));
    let batch = repeated(sample, batch_rows)?;
    let single = repeated(sample, 1)?;
    let time = |input: &Input| {
        let input = input.clone();
        let from = clock.now_us();
        black_box(subject.run(&sample.schema, input, false)?);
        Ok(u64::try_from(clock.now_us() - from).unwrap_or_default() * 1_000)
    };
    let mut starts = (0..STARTS).map(|_| time(&single)).collect::<Result<Vec<u64>, TransformError>>()?;
    let warm = subject.run(&sample.schema, batch.clone(), true)?;
    let fuel = warm.cost.fuel;
    let batches = rows.div_ceil(batch_rows) * ROUNDS;
    let mut times = (0..batches).map(|_| time(&batch)).collect::<Result<Vec<u64>, TransformError>>()?;
    let measured = batches * batch_rows;
    Ok(Measured {
        batch_rows,
        rows: measured,
        nanoseconds_per_row: median(&mut times) as f64 / batch_rows as f64,
        fuel_per_row: fuel.map(|fuel| fuel as f64 / batch_rows as f64),
        memory_bytes: warm.cost.memory_bytes,
        start_nanoseconds: median(&mut starts),
        rejected_per_batch: warm.shaped.rejects.len(),
    })
}

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The sample's rows over and over, with ordinals of their own.
pub fn repeated(sample: &Sample, rows: usize) -> Result<Input, BenchError> {
    if sample.is_empty() {
        return Err(BenchError::NoRows);
    }
    let of = UInt32Array::from_iter_values((0..rows).map(|row| (row % sample.len()) as u32));
    let again = |batch: &RecordBatch| take_record_batch(batch, &of);
    let input = &sample.input;
    let unsent = input.unsent.as_ref().and_then(|unsent| {
        let numbers = of.values().iter().map(|row| unsent.rows()[*row as usize]).collect();
        Unsent::new(numbers, unsent.patterns().to_vec())
    });
    let times = match &input.times {
        Some(times) => Some(take(times, &of, None)?.as_primitive::<TimestampMicrosecondType>().clone()),
        None => None,
    };
    Ok(Input {
        rows: again(&input.rows)?,
        ops: of.values().iter().map(|row| input.ops[*row as usize]).collect(),
        ordinals: Int64Array::from_iter_values(0..rows as i64),
        times,
        before: input.before.as_ref().map(again).transpose()?,
        unsent,
    })
}

#[cfg(test)]
mod tests {
    use sluice_platform::SystemClock;

    use super::*;
    use crate::trial::tests::{Upper, sample};

    #[test]
    fn a_sample_is_repeated_to_as_many_rows_as_wanted() {
        let input = repeated(&sample("id:long,name:string\n1,a\n2,b\n"), 5).unwrap();
        assert_eq!((input.rows.num_rows(), input.ops.len()), (5, 5));
        assert_eq!(input.ordinals.values()[..], [0, 1, 2, 3, 4]);
        assert!(matches!(repeated(&sample("id:long,name:string\n"), 5), Err(BenchError::NoRows)));
    }

    #[test]
    fn every_batch_is_measured() {
        let sample = sample("id:long,name:string\n1,a\n2,bad\n");
        let measured = measure(&Upper::default(), &sample, 2_000, 500, &SystemClock).unwrap();
        assert_eq!((measured.batch_rows, measured.rows), (500, 2_000 * ROUNDS));
        assert_eq!(measured.rejected_per_batch, 250);
        assert!((0.0..1.0).contains(&measured.share_of_pipeline()));
    }
}
