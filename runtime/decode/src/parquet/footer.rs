use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::contained;
use super::wanted::Wanted;
use crate::DecodeError;

/// Bytes at the end of the file that are asked for at once: most footers fit, which saves a round trip.
const TAIL: u64 = 64 << 10;

/// Reads the footer of a file.
pub(super) struct Footer {
    file: String,
    length: u64,
    decoder: ParquetMetaDataPushDecoder,
    wanted: Wanted,
}

/// What the footer needs or is.
pub(super) enum FooterStep {
    Need(Vec<Range<u64>>),
    Metadata(Arc<ParquetMetaData>),
}

/// Damaged Parquet, in this file, after this many records.
pub(super) fn damaged(file: &str, records: u64, source: ParquetError) -> DecodeError {
    DecodeError::Parquet { file: file.to_owned(), records, source }
}

/// Refuses ranges that lie outside the file, which only damaged metadata asks for.
pub(super) fn within(ranges: &[Range<u64>], length: u64) -> Result<(), ParquetError> {
    match ranges.iter().find(|range| range.start > range.end || range.end > length) {
        None => Ok(()),
        Some(range) => Err(ParquetError::General(format!(
            "its metadata speaks of the bytes {} to {}, and the file has {length}",
            range.start, range.end
        ))),
    }
}

impl Footer {
    pub(super) fn new(file: &str, length: u64) -> Result<Self, DecodeError> {
        let decoder = ParquetMetaDataPushDecoder::try_new(length).map_err(|source| damaged(file, 0, source))?;
        let mut wanted = Wanted::default();
        let tail = length.saturating_sub(TAIL)..length;
        wanted.ask(Vec::from([tail]));
        Ok(Self {
            file: file.to_owned(),
            length,
            decoder: decoder.with_page_index_policy(PageIndexPolicy::Skip),
            wanted,
        })
    }

    pub(super) fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        self.wanted.supply(range, bytes);
    }

    pub(super) fn step(&mut self) -> Result<FooterStep, DecodeError> {
        self.wanted.check(&self.file)?;
        let open = self.wanted.open();
        if !open.is_empty() {
            return Ok(FooterStep::Need(open));
        }
        let (ranges, bytes) = self.wanted.take();
        let decoder = &mut self.decoder;
        let length = self.length;
        let result = contained(|| {
            decoder.push_ranges(ranges, bytes)?;
            let result = decoder.try_decode()?;
            if let DecodeResult::NeedsData(ranges) = &result {
                within(ranges, length)?;
            }
            Ok(result)
        });
        match result.map_err(|source| damaged(&self.file, 0, source))? {
            DecodeResult::NeedsData(ranges) => {
                self.wanted.ask(ranges.clone());
                Ok(FooterStep::Need(ranges))
            }
            DecodeResult::Data(metadata) => Ok(FooterStep::Metadata(Arc::new(metadata))),
            DecodeResult::Finished => {
                Err(damaged(&self.file, 0, ParquetError::General("its footer has been read before".into())))
            }
        }
    }
}
