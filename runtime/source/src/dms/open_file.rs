use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sluice_change::{FileVersion, Origin, TableSchema};
use sluice_decode::{Decode, DecodeError, Decoded, FileContext, Step, csv_decoder, parquet_decoder};
use sluice_platform::{Clock, CpuPool, ObjectMeta, Storage, StorageError, StorageErrorKind};

use crate::SourceError;

use super::fetch::{RangeReader, ReadAhead};
use super::file_name::{FileFormat, FileKind};
use super::listing::digest;
use super::queue::Pending;
use super::settings::DmsTableSettings;

/// What reading a table's files takes.
#[derive(Debug)]
pub(super) struct Reading {
    pub storage: Arc<dyn Storage>,
    pub cpu: CpuPool,
    pub clock: Arc<dyn Clock>,
    pub formats: DmsTableSettings,
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub settle: Duration,
    pub ahead: ReadAhead,
}

/// What came of reading on in a file.
#[derive(Debug)]
pub(super) enum Advance {
    /// A stretch with more after it.
    Batch(Decoded),
    /// The last stretch; `None` if there was none left.
    Last(Option<Decoded>),
    /// The file is no longer there.
    Vanished,
}

/// The file that a reader is in.
///
/// A stretch is held back until it is known whether another follows, so that the last one can say that it is the last.
/// Everything survives an error or an abandoned wait but the decoder, which is then made anew after the last stretch.
pub(super) struct OpenFile {
    pub file: Pending,
    pub origin: Arc<Origin>,
    /// What the file was when it was last looked at.
    pub version: FileVersion,
    /// The last record handed out.
    pub delivered: u64,
    /// The last record decoded.
    decoded: u64,
    /// What the file was when its first records were decoded; `None` while none was.
    begun_as: Option<FileVersion>,
    length: u64,
    held: Option<Decoded>,
    decoder: Option<Running>,
    bytes_read: u64,
}

struct Running {
    decoder: Box<dyn Decode>,
    ranges: RangeReader,
    /// Bytes that the decoder has not been handed yet.
    supplies: Vec<(Range<u64>, Bytes)>,
}

enum Stepped {
    Batch(Box<Decoded>),
    End,
    Vanished,
}

impl OpenFile {
    pub fn new(file: Pending, partition: &str) -> Self {
        let origin =
            Origin { partition: partition.to_owned(), name: file.file.name.clone(), order: file.order.clone() };
        Self {
            origin: Arc::new(origin),
            version: file.file.version(),
            begun_as: file.seen.filter(|_| file.consumed > 0),
            delivered: file.consumed,
            decoded: file.consumed,
            length: file.file.size,
            held: None,
            decoder: None,
            bytes_read: 0,
            file,
        }
    }

    /// Bytes of the file that have not been read.
    pub fn bytes_left(&self) -> u64 {
        self.length.saturating_sub(self.bytes_read)
    }

    /// Reads on, up to the next stretch that can be handed out.
    pub async fn advance(&mut self, reading: &Reading, schema: &TableSchema) -> Result<Advance, SourceError> {
        loop {
            // With bytes still to come a full stretch is not the last one, and it is too large to keep.
            if self.bytes_left() > 0
                && self.held.as_ref().is_some_and(|held| held.ops.len() + held.rejects.len() >= reading.batch_rows)
                && let Some(batch) = self.hand_out()
            {
                return Ok(Advance::Batch(batch));
            }
            match self.step(reading, schema).await {
                Ok(Stepped::Batch(decoded)) => {
                    self.decoded = decoded.consumed;
                    self.begun_as = self.begun_as.or(Some(self.version));
                    let earlier = self.hand_out();
                    self.held = Some(*decoded);
                    if let Some(batch) = earlier {
                        return Ok(Advance::Batch(batch));
                    }
                }
                Ok(Stepped::End) => {
                    if self.is_whole(reading).await? {
                        return Ok(Advance::Last(self.hand_out()));
                    }
                }
                // What was decoded before the fault goes out first; the fault will be met again.
                Ok(Stepped::Vanished) => return Ok(self.hand_out().map_or(Advance::Vanished, Advance::Batch)),
                Err(error) => return self.hand_out().map(Advance::Batch).ok_or(error),
            }
        }
    }

    fn hand_out(&mut self) -> Option<Decoded> {
        let batch = self.held.take()?;
        self.delivered = batch.consumed;
        Some(batch)
    }

    /// Runs the decoder up to its next result. The decoder is put back only when it can go on.
    async fn step(&mut self, reading: &Reading, schema: &TableSchema) -> Result<Stepped, SourceError> {
        let mut running = match self.decoder.take() {
            Some(running) => running,
            None => match self.start(reading, schema).await? {
                Some(running) => running,
                None => return Ok(Stepped::Vanished),
            },
        };
        loop {
            let (back, step) = reading.cpu.run(move || run(running)).await;
            running = back;
            match step.map_err(|source| self.undecodable(source))? {
                Step::Need(ranges) => match running.ranges.read(ranges).await {
                    Ok(supplies) => {
                        self.bytes_read += supplies.iter().map(|(range, _)| range.end - range.start).sum::<u64>();
                        running.supplies = supplies;
                    }
                    Err(error) => {
                        let now = look(reading, &self.file.file.location).await;
                        return Err(self.unreadable(now.ok().flatten(), error));
                    }
                },
                Step::Batch(decoded) => {
                    self.decoder = Some(running);
                    return Ok(Stepped::Batch(Box::new(decoded)));
                }
                Step::End => return Ok(Stepped::End),
            }
        }
    }

    /// Makes a decoder that goes on after the last record decoded; `None` if the file is no longer there.
    async fn start(&mut self, reading: &Reading, schema: &TableSchema) -> Result<Option<Running>, SourceError> {
        let now = look(reading, &self.file.file.location).await.map_err(|source| self.read_error(source))?;
        let Some(now) = now else { return Ok(None) };
        let version = FileVersion { lasting: self.version.lasting, ..version_of(&now) };
        if !self.goes_on_as(&version) {
            return Err(SourceError::Replaced { file: self.file.file.name.clone(), record: self.decoded });
        }
        (self.length, self.version, self.bytes_read) = (now.size, version, 0);
        let file = &self.file.file;
        let context = FileContext {
            origin: Arc::clone(&self.origin),
            length: self.length,
            full_load: file.kind == FileKind::FullLoad,
            skip: self.decoded,
            schema: schema.clone(),
            batch_rows: reading.batch_rows,
            batch_bytes: reading.batch_bytes,
        };
        let decoder = match file.format {
            FileFormat::Csv | FileFormat::GzipCsv => csv_decoder(&reading.formats.csv, context),
            FileFormat::Parquet => parquet_decoder(&reading.formats.parquet, context),
        };
        let decoder = decoder.map_err(|source| self.undecodable(source))?;
        let sequential = file.format != FileFormat::Parquet;
        let ranges = RangeReader::new(Arc::clone(&reading.storage), file.location.clone(), self.length)
            .reading_ahead(sequential.then(|| reading.ahead.clone()));
        Ok(Some(Running { decoder, ranges, supplies: Vec::new() }))
    }

    /// Whether a file whose first records were taken in can be read on from there. One that grew is the same: what
    /// is being copied grows at its end, and gzip and CSV are read from front to back.
    fn goes_on_as(&mut self, now: &FileVersion) -> bool {
        if self.decoded == 0 {
            self.begun_as = None;
        }
        let Some(before) = self.begun_as else { return true };
        let grew = self.file.file.format != FileFormat::Parquet && before.size < now.size;
        if before.differs(now) && !grew {
            return false;
        }
        self.begun_as = Some(*now);
        true
    }

    /// Whether the end of what was read is the end of the file.
    ///
    /// Gzip and Parquet say themselves where they end. A plain CSV file counts as whole once it has rested for a while;
    /// if it has grown, its last stretch is decoded again, since what looked like the last record may be half of one.
    async fn is_whole(&mut self, reading: &Reading) -> Result<bool, SourceError> {
        if self.file.file.format != FileFormat::Csv {
            return Ok(true);
        }
        let age = u64::try_from(reading.clock.now_us().saturating_sub(self.version.arrived_us)).unwrap_or(0);
        let rest = reading.settle.saturating_sub(Duration::from_micros(age));
        if !rest.is_zero() {
            reading.clock.sleep(rest).await;
        }
        match look(reading, &self.file.file.location).await.map_err(|source| self.read_error(source))? {
            Some(now) if now.size != self.length || now.arrived_us != self.version.arrived_us => {
                self.held = None;
                self.decoded = self.delivered;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Words a failed read: a file that has become shorter is told from a storage that fails.
    fn unreadable(&self, now: Option<ObjectMeta>, source: StorageError) -> SourceError {
        match now {
            Some(now) if now.size < self.length => SourceError::Shrunk {
                file: self.file.file.name.clone(),
                record: self.decoded,
                expected: self.length,
                found: now.size,
                source,
            },
            _ => self.read_error(source),
        }
    }

    fn read_error(&self, source: StorageError) -> SourceError {
        SourceError::Read { file: self.file.file.name.clone(), record: self.decoded, source }
    }

    fn undecodable(&self, source: DecodeError) -> SourceError {
        SourceError::Decode { file: self.file.file.name.clone(), record: self.decoded, source }
    }
}

/// What a position remembers of a file like this.
pub(super) fn version_of(now: &ObjectMeta) -> FileVersion {
    FileVersion { arrived_us: now.arrived_us, size: Some(now.size), content: digest(&now.etag), lasting: false }
}

/// The file as it is now; `None` if it is no longer there.
pub(super) async fn look(reading: &Reading, location: &str) -> Result<Option<ObjectMeta>, StorageError> {
    match reading.storage.head(location).await {
        Ok(now) => Ok(Some(now)),
        Err(error) if error.kind == StorageErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hands the decoder what it asked for and lets it go on.
fn run(mut running: Running) -> (Running, Result<Step, DecodeError>) {
    for (range, bytes) in mem::take(&mut running.supplies) {
        running.decoder.supply(range, bytes);
    }
    let step = running.decoder.step();
    (running, step)
}
