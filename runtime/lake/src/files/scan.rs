use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef, TimeUnit};
use arrow_select::take::take;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::conform::conform;
use super::error::FilesError;
use super::row_groups::GroupFilter;
use super::scan_columns::ScanColumn;

/// Bytes at the end of a file that are asked for first: most footers fit, and small files do wholly.
const TAIL_BYTES: u64 = 64 << 10;
/// Magic number and length at the end of a Parquet file.
const TRAILER_BYTES: u64 = 8;
/// A Parquet file is at least its magic number, twice, and the length of its footer.
const SMALLEST_FILE: u64 = 12;

/// What a scan wants, or has.
#[derive(Debug)]
pub enum Step {
    /// These byte ranges of the file: hand them to [`ParquetScan::supply`].
    Need(Vec<Range<u64>>),
    /// Rows of the file in order.
    Batch {
        /// Position of the first of them in the file.
        first_position: u64,
        /// The rows, in the columns that were asked for.
        batch: RecordBatch,
    },
    /// No more rows.
    End,
}

/// Reads the wanted columns of a Parquet data file that any program may have written, row group by row group.
///
/// Columns are found by field id, or by name in a file that has no field ids. It does no I/O: it says which bytes it
/// needs and is handed them.
#[derive(Debug)]
pub struct ParquetScan {
    columns: Vec<ScanColumn>,
    schema: ArrowSchemaRef,
    batch_rows: usize,
    /// Positions of the rows that are wanted, ascending; `None`: all.
    wanted: Option<Vec<u32>>,
    groups: GroupFilter,
    /// Positions of the row groups to read; `None`: they follow each other.
    stretches: Option<VecDeque<Range<u64>>>,
    position: u64,
    tail_range: Range<u64>,
    tail: Option<Bytes>,
    state: State,
}

#[derive(Debug)]
enum State {
    Footer(Box<ParquetMetaDataPushDecoder>),
    Rows { decoder: Box<ParquetPushDecoder>, sources: Vec<Option<usize>> },
    End,
}

impl ParquetScan {
    /// A scan of a file of `file_size` bytes that yields at most `batch_rows` rows at a time.
    pub fn new(file_size: u64, columns: Vec<ScanColumn>, batch_rows: usize) -> Result<Self, FilesError> {
        if file_size < SMALLEST_FILE {
            return Err(FilesError::NotParquet("it is shorter than 12 bytes"));
        }
        let footer = ParquetMetaDataPushDecoder::try_new(file_size)
            .map_err(FilesError::parquet("read the footer of a Parquet file"))?
            .with_page_index_policy(PageIndexPolicy::Skip);
        let fields: Vec<_> = columns.iter().map(|column| Arc::clone(&column.field)).collect();
        Ok(Self {
            columns,
            schema: Arc::new(ArrowSchema::new(fields)),
            batch_rows: batch_rows.max(1),
            wanted: None,
            groups: GroupFilter::All,
            stretches: None,
            position: 0,
            tail_range: file_size.saturating_sub(TAIL_BYTES)..file_size,
            tail: None,
            state: State::Footer(Box::new(footer)),
        })
    }

    /// Reads only the rows at these positions, which ascend. The positions of batches then count these rows alone.
    pub fn with_rows(mut self, positions: Vec<u32>) -> Self {
        self.wanted = Some(positions);
        self
    }

    /// Leaves out row groups that hold no such values. The positions of batches stay those in the file.
    pub fn with_groups(mut self, groups: GroupFilter) -> Self {
        self.groups = groups;
        self
    }

    /// Hands over bytes that [`Step::Need`] asked for.
    pub fn supply(&mut self, parts: Vec<(Range<u64>, Bytes)>) -> Result<(), FilesError> {
        for (range, bytes) in parts {
            if range.end.saturating_sub(range.start) != bytes.len() as u64 {
                return Err(FilesError::Supply { start: range.start, end: range.end, found: bytes.len() });
            }
            if range == self.tail_range && self.tail.is_none() {
                self.check_trailer(&bytes)?;
                self.tail = Some(bytes.clone());
            }
            let pushed = match &mut self.state {
                State::Footer(footer) => footer.push_range(range, bytes),
                State::Rows { decoder, .. } => decoder.push_range(range, bytes),
                State::End => Ok(()),
            };
            pushed.map_err(FilesError::parquet("take in bytes of a Parquet file"))?;
        }
        Ok(())
    }

    /// The next thing to do.
    pub fn step(&mut self) -> Result<Step, FilesError> {
        loop {
            match &mut self.state {
                State::Footer(footer) => {
                    if self.tail.is_none() {
                        return Ok(Step::Need(vec![self.tail_range.clone()]));
                    }
                    match footer.try_decode().map_err(FilesError::parquet("read the footer of a Parquet file"))? {
                        DecodeResult::NeedsData(ranges) => return Ok(Step::Need(ranges)),
                        DecodeResult::Data(metadata) => self.state = self.start_rows(metadata)?,
                        DecodeResult::Finished => self.state = State::End,
                    }
                }
                State::Rows { decoder, sources } => {
                    match decoder.try_decode().map_err(FilesError::parquet("decode rows of a Parquet file"))? {
                        DecodeResult::NeedsData(ranges) => {
                            match slices(&self.tail_range, self.tail.as_ref(), &ranges) {
                                Some(parts) => decoder
                                    .push_ranges(ranges, parts)
                                    .map_err(FilesError::parquet("take in bytes of a Parquet file"))?,
                                None => return Ok(Step::Need(ranges)),
                            }
                        }
                        DecodeResult::Data(read) => {
                            let batch = arrange(&self.schema, &self.columns, sources, &read)?;
                            let first_position = take_rows(&mut self.position, &mut self.stretches, batch.num_rows());
                            return Ok(Step::Batch { first_position, batch });
                        }
                        DecodeResult::Finished => self.state = State::End,
                    }
                }
                State::End => return Ok(Step::End),
            }
        }
    }

    /// Runs a scan over a file that is in memory whole.
    pub fn read_all(
        mut self,
        file: &Bytes,
        mut visit: impl FnMut(u64, RecordBatch) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        loop {
            match self.step()? {
                Step::Need(ranges) => {
                    let parts = ranges.into_iter().map(|range| {
                        let found = FilesError::Supply { start: range.start, end: range.end, found: file.len() };
                        if range.start > range.end || range.end > file.len() as u64 {
                            return Err(found);
                        }
                        let bytes = file.slice(range.start as usize..range.end as usize);
                        Ok((range, bytes))
                    });
                    let parts = parts.collect::<Result<Vec<_>, _>>()?;
                    self.supply(parts)?;
                }
                Step::Batch { first_position, batch } => visit(first_position, batch)?,
                Step::End => return Ok(()),
            }
        }
    }

    /// Refuses a footer that reaches in front of the file, which the decoder does not expect.
    fn check_trailer(&self, tail: &[u8]) -> Result<(), FilesError> {
        let trailer = tail.last_chunk::<{ TRAILER_BYTES as usize }>();
        let Some([a, b, c, d, magic @ ..]) = trailer else { return Err(FilesError::NotParquet("it has no trailer")) };
        if magic != b"PAR1" {
            return Err(FilesError::NotParquet("it does not end with the magic number"));
        }
        if u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + SMALLEST_FILE > self.tail_range.end {
            return Err(FilesError::NotParquet("its footer is longer than the file"));
        }
        Ok(())
    }

    fn start_rows(&mut self, metadata: ParquetMetaData) -> Result<State, FilesError> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let what = "understand the schema of a Parquet file";
        let mut arrow =
            ArrowReaderMetadata::try_new(Arc::new(metadata), options.clone()).map_err(FilesError::parquet(what))?;
        if let Some(schema) = schema_for_int96(&arrow) {
            let options = options.with_schema(schema);
            arrow = ArrowReaderMetadata::try_new(Arc::clone(arrow.metadata()), options)
                .map_err(FilesError::parquet(what))?;
        }
        let roots = find_roots(&arrow, &self.columns);
        let mut read: Vec<usize> = roots.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let sources = roots.iter().map(|root| root.and_then(|root| read.binary_search(&root).ok())).collect();
        let mask = ProjectionMask::roots(arrow.parquet_schema(), read);
        let chosen = self.groups.choose(arrow.metadata());
        self.stretches = chosen.as_ref().map(|chosen| stretches(arrow.metadata(), chosen));
        let rows = arrow.metadata().file_metadata().num_rows().max(0) as usize;
        let mut builder =
            ParquetPushDecoderBuilder::new_with_metadata(arrow).with_projection(mask).with_batch_size(self.batch_rows);
        if let Some(wanted) = &self.wanted {
            builder = builder.with_row_selection(selection(wanted, rows)?);
        } else if let Some(chosen) = chosen {
            builder = builder.with_row_groups(chosen);
        }
        let decoder = builder.build().map_err(FilesError::parquet("start to read a Parquet file"))?;
        Ok(State::Rows { decoder: Box::new(decoder), sources })
    }
}

/// The positions of some of a file's row groups.
fn stretches(metadata: &ParquetMetaData, chosen: &[usize]) -> VecDeque<Range<u64>> {
    let mut start = 0;
    let all: Vec<Range<u64>> = metadata
        .row_groups()
        .iter()
        .map(|group| {
            let first = start;
            start += group.num_rows().max(0) as u64;
            first..start
        })
        .collect();
    chosen.iter().filter_map(|number| all.get(*number).cloned()).filter(|group| !group.is_empty()).collect()
}

/// The position of the next rows, of which no batch goes beyond its row group where some are left out.
fn take_rows(position: &mut u64, stretches: &mut Option<VecDeque<Range<u64>>>, rows: usize) -> u64 {
    if let Some(stretches) = stretches {
        while let Some(group) = stretches.front_mut() {
            if group.is_empty() {
                stretches.pop_front();
                continue;
            }
            let first = group.start;
            group.start += rows as u64;
            return first;
        }
    }
    let first = *position;
    *position += rows as u64;
    first
}

/// The selection of the rows at these positions, which ascend, out of `rows`.
fn selection(positions: &[u32], rows: usize) -> Result<RowSelection, FilesError> {
    if let Some(last) = positions.last().filter(|last| **last as usize >= rows) {
        return Err(FilesError::NoSuchRow { position: *last, rows });
    }
    let runs = positions.chunk_by(|a, b| a + 1 == *b);
    let ranges = runs.filter_map(|run| Some(*run.first()? as usize..*run.last()? as usize + 1));
    Ok(RowSelection::from_consecutive_ranges(ranges, rows))
}

/// The schema to read a file with `INT96` timestamps by: microseconds reach years that nanoseconds cannot.
fn schema_for_int96(arrow: &ArrowReaderMetadata) -> Option<ArrowSchemaRef> {
    let roots = arrow.parquet_schema().root_schema().get_fields();
    let is_int96 =
        |root: usize| roots.get(root).is_some_and(|t| t.is_primitive() && t.get_physical_type() == PhysicalType::INT96);
    if !(0..roots.len()).any(is_int96) {
        return None;
    }
    let fields = arrow.schema().fields().iter().enumerate().map(|(root, field)| {
        if is_int96(root) {
            Arc::new(Field::clone(field).with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None)))
        } else {
            Arc::clone(field)
        }
    });
    Some(Arc::new(ArrowSchema::new_with_metadata(fields.collect::<Vec<_>>(), arrow.schema().metadata().clone())))
}

/// Where each wanted column is among the top-level columns of the file, if it is.
fn find_roots(arrow: &ArrowReaderMetadata, columns: &[ScanColumn]) -> Vec<Option<usize>> {
    let roots = arrow.parquet_schema().root_schema().get_fields();
    let has_ids = roots.iter().any(|root| root.get_basic_info().has_id());
    let find = |column: &ScanColumn| {
        roots.iter().position(|root| {
            let info = root.get_basic_info();
            if has_ids { info.has_id() && info.id() == column.field_id } else { info.name() == column.field.name() }
        })
    };
    columns.iter().map(find).collect()
}

/// The parts of the tail that lie at `ranges`, if all do.
fn slices(tail_range: &Range<u64>, tail: Option<&Bytes>, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
    let tail = tail?;
    let slice = |range: &Range<u64>| {
        let inside = range.start >= tail_range.start && range.start <= range.end && range.end <= tail_range.end;
        let start = tail_range.start;
        inside.then(|| tail.slice((range.start - start) as usize..(range.end - start) as usize))
    };
    ranges.iter().map(slice).collect()
}

/// The wanted columns, in order and in their types of now, out of those that were read.
fn arrange(
    schema: &ArrowSchemaRef,
    columns: &[ScanColumn],
    sources: &[Option<usize>],
    read: &RecordBatch,
) -> Result<RecordBatch, FilesError> {
    let rows = read.num_rows();
    let arrays = columns.iter().zip(sources).map(|(column, source)| match source {
        Some(source) => conform(read.column(*source), column.field.data_type(), column.field.name()),
        None => repeat(column, rows),
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(FilesError::arrow("arrange the columns of a data file; a required column may lack values"))
}

fn repeat(column: &ScanColumn, rows: usize) -> Result<ArrayRef, FilesError> {
    if column.missing.null_count() == column.missing.len() {
        return Ok(arrow_array::new_null_array(column.field.data_type(), rows));
    }
    take(&column.missing, &UInt32Array::from(vec![0; rows]), None)
        .map_err(FilesError::arrow(format!("fill column `{}` with its default", column.field.name())))
}

#[cfg(test)]
mod tests;
