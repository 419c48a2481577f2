//! The rows of a rewrite on their way from one file to another: pure steps for the processor pool.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use roaring::RoaringBitmap;

use super::sort::Sorting;
use crate::files::{DataFileWriter, EncodedDataFile, FilesError, Inherited, ParquetScan, RewriteLayout, Step, inherit};
use crate::scan::live_rows;

/// A file that is being read.
pub(super) struct Reading {
    pub scan: ParquetScan,
    pub deleted: Arc<RoaringBitmap>,
    pub inherited: Option<Inherited>,
    /// Rows seen, deleted ones included.
    pub rows: u64,
}

/// The file that is being written.
pub(super) struct Encoding {
    pub layout: Arc<RewriteLayout>,
    pub writer: Option<DataFileWriter>,
    /// Length at which a file ends.
    pub goal: u64,
    /// Rows still to come.
    pub remaining: u64,
    /// Rows kept to be sorted; `None` where they are written as they come.
    pub held: Option<Vec<RecordBatch>>,
}

/// What a step of reading and writing came to.
pub(super) enum Progress {
    Need(Vec<std::ops::Range<u64>>),
    Went(Option<Box<EncodedDataFile>>),
    End,
}

impl Encoding {
    /// Adds rows; a file that is long enough is finished, unless what follows would be too short for one of its own.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Option<EncodedDataFile>, FilesError> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let room = usize::try_from(self.goal.saturating_add(self.goal / 4)).unwrap_or(0);
                DataFileWriter::new(Arc::clone(&self.layout), batch, room)?
            }
        };
        writer.write(batch)?;
        self.remaining = self.remaining.saturating_sub(batch.num_rows() as u64);
        let bytes = writer.bytes();
        let rest = u128::from(bytes) * u128::from(self.remaining) / u128::from(writer.rows().max(1));
        let long = bytes >= self.goal && rest >= u128::from(self.goal / 2);
        if long || bytes / 2 >= self.goal {
            return writer.finish().map(Some);
        }
        self.writer = Some(writer);
        Ok(None)
    }
}

/// Reads the next rows and writes those of them that are not deleted.
pub(super) fn advance(reading: &mut Reading, encoding: &mut Encoding) -> Result<Progress, FilesError> {
    let (first_position, batch) = match reading.scan.step()? {
        Step::Need(ranges) => return Ok(Progress::Need(ranges)),
        Step::End => return Ok(Progress::End),
        Step::Batch { first_position, batch } => (first_position, batch),
    };
    reading.rows += batch.num_rows() as u64;
    let mut batch = match reading.inherited {
        Some(inherited) => inherit(&batch, first_position, inherited)?,
        None => batch,
    };
    if let Some(live) = live_rows(&reading.deleted, first_position, batch.num_rows()) {
        batch = filter_record_batch(&batch, &BooleanArray::new(live, None)).map_err(FilesError::rewrite)?;
    }
    match &mut encoding.held {
        Some(held) => held.push(batch),
        None => return Ok(Progress::Went(encoding.write(&batch)?.map(Box::new))),
    }
    Ok(Progress::Went(None))
}

pub(super) struct Sorted {
    pub rows: RecordBatch,
    pub order: arrow_array::UInt32Array,
}

pub(super) fn sort(layout: &RewriteLayout, sorting: &Sorting, held: &[RecordBatch]) -> Result<Sorted, FilesError> {
    let all = concat_batches(layout.arrow_schema(), held).map_err(FilesError::rewrite)?;
    let place = |id: i32| layout.columns().iter().position(|column| column.field_id == id);
    let order = sorting.order(&all, place)?;
    let rows = take_record_batch(&all, &order).map_err(FilesError::rewrite)?;
    Ok(Sorted { rows, order })
}
