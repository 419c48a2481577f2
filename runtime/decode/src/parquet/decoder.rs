use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use sluice_change::Op;

use super::contained;
use super::footer::{Footer, FooterStep, damaged, within};
use super::layout::Layout;
use super::rows::RowReader;
use super::settings::ParquetSettings;
use super::wanted::Wanted;
use crate::step::{Decode, FileContext, Step};
use crate::{DecodeError, OpColumn};

/// A decoder of a Parquet file.
pub fn parquet_decoder(settings: &ParquetSettings, file: FileContext) -> Result<Box<dyn Decode>, DecodeError> {
    let footer = Footer::new(&file.origin.name, file.length)?;
    Ok(Box::new(ParquetDecoder {
        settings: settings.clone(),
        records: file.skip,
        file,
        wanted: Wanted::default(),
        state: State::Footer(Box::new(footer)),
    }))
}

struct ParquetDecoder {
    settings: ParquetSettings,
    file: FileContext,
    wanted: Wanted,
    /// Records consumed.
    records: u64,
    state: State,
}

enum State {
    Footer(Box<Footer>),
    Rows(Box<Rows>),
    Over,
}

struct Rows {
    layout: Layout,
    decoder: ParquetPushDecoder,
}

impl ParquetDecoder {
    fn name(&self) -> &str {
        &self.file.origin.name
    }

    /// Begins with the rows, once the footer is known.
    fn open(&self, metadata: &Arc<ParquetMetaData>) -> Result<State, DecodeError> {
        let name = self.name();
        let op_may_lack = match self.settings.op {
            OpColumn::Auto => self.file.full_load,
            OpColumn::Present => false,
            OpColumn::Absent => true,
        };
        let layout = Layout::of_file(name, metadata, &self.settings, op_may_lack, &self.file.schema)?;
        let rows: u64 = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum();
        if self.file.skip > rows {
            return Err(DecodeError::Shrunk { file: name.to_owned(), records: rows, skip: self.file.skip });
        }
        if self.file.skip == rows {
            return Ok(State::Over);
        }
        let bytes: u64 =
            metadata.row_groups().iter().map(|group| u64::try_from(group.total_byte_size()).unwrap_or(0)).sum();
        let row_bytes = (bytes / rows).max(1);
        let batch_rows = (self.file.batch_rows as u64).min(self.file.batch_bytes as u64 / row_bytes).max(1) as usize;
        let decoder = self.row_decoder(layout.reader.clone(), batch_rows);
        let decoder = decoder.map_err(|source| damaged(name, self.file.skip, source))?;
        Ok(State::Rows(Box::new(Rows { layout, decoder })))
    }

    fn row_decoder(&self, reader: ArrowReaderMetadata, batch_rows: usize) -> Result<ParquetPushDecoder, ParquetError> {
        let skip = usize::try_from(self.file.skip).map_err(|_| ParquetError::General("too many records".into()))?;
        contained(|| {
            let builder = ParquetPushDecoderBuilder::new_with_metadata(reader).with_batch_size(batch_rows);
            if skip > 0 { builder.with_offset(skip).build() } else { builder.build() }
        })
    }

    fn advance(&mut self) -> Result<Step, DecodeError> {
        let rows = match &mut self.state {
            State::Over => return Ok(Step::End),
            State::Footer(footer) => match footer.step()? {
                FooterStep::Need(ranges) => return Ok(Step::Need(ranges)),
                FooterStep::Metadata(metadata) => {
                    self.state = self.open(&metadata)?;
                    return self.advance();
                }
            },
            State::Rows(rows) => rows,
        };
        let name = self.file.origin.name.as_str();
        self.wanted.check(name)?;
        let open = self.wanted.open();
        if !open.is_empty() {
            return Ok(Step::Need(open));
        }
        let (ranges, bytes) = self.wanted.take();
        let (decoder, length) = (&mut rows.decoder, self.file.length);
        let result = contained(|| {
            decoder.push_ranges(ranges, bytes)?;
            let result = decoder.try_decode()?;
            if let DecodeResult::NeedsData(ranges) = &result {
                within(ranges, length)?;
            }
            Ok(result)
        });
        match result.map_err(|source| damaged(name, self.records, source))? {
            DecodeResult::Finished => Ok(Step::End),
            DecodeResult::NeedsData(ranges) => {
                self.wanted.ask(ranges.clone());
                Ok(Step::Need(ranges))
            }
            DecodeResult::Data(batch) => {
                let default_op = match (self.file.full_load, self.settings.op) {
                    (true, _) => Some(Op::Load),
                    (false, OpColumn::Absent) => Some(Op::Insert),
                    (false, _) => None,
                };
                let reader = RowReader { layout: &rows.layout, origin: &self.file.origin, default_op };
                let decoded = reader
                    .read(&batch, self.records + 1)
                    .map_err(|source| DecodeError::Batch { file: name.to_owned(), source })?;
                self.records = decoded.consumed;
                Ok(Step::Batch(decoded))
            }
        }
    }
}

impl Decode for ParquetDecoder {
    fn step(&mut self) -> Result<Step, DecodeError> {
        let step = self.advance();
        if matches!(step, Err(_) | Ok(Step::End)) {
            self.state = State::Over;
        }
        step
    }

    fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        match &mut self.state {
            State::Footer(footer) => footer.supply(range, bytes),
            State::Rows(_) => self.wanted.supply(range, bytes),
            State::Over => {}
        }
    }
}
