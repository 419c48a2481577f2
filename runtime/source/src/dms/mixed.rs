//! Files that hold the changes of many tables: each is split once for all tables that ask at about the same time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::Int64Array;
use sluice_change::{FileVersion, Origin, TableName, TableSchema};
use sluice_decode::{
    DecodeError, Decoded, FileContext, MixedChunk, MixedPlace, MixedRows, MixedSettings, MixedSplitter, MixedStep,
    Step, csv_decoder,
};
use sluice_platform::StorageError;

use crate::SourceError;

use super::fetch::RangeReader;
use super::file_name::FileFormat;
use super::listing::Noticed;
use super::open_file::{Advance, Reading, look, version_of};
use super::queue::Pending;

/// How many files are being split at the same time at most; one more makes the oldest begin anew when it is asked again.
const OPEN_SPLITS: usize = 16;

/// A chunk by its file, what the file was, and where the chunk begins.
type Key = (String, Option<u64>, Option<u64>, MixedPlace);

/// Chunks that have been split, the newest ones up to a number of bytes.
#[derive(Debug)]
pub(super) struct MixedCache {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: HashMap<Key, Arc<MixedChunk>>,
    /// Their keys, the oldest first.
    ages: VecDeque<Key>,
    bytes: usize,
    splits: VecDeque<(String, Arc<tokio::sync::Mutex<Split>>)>,
}

/// A file on its way through the splitter.
#[derive(Default)]
struct Split {
    running: Option<(Key, MixedSplitter, RangeReader)>,
}

impl std::fmt::Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Split").finish_non_exhaustive()
    }
}

impl MixedCache {
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chunk(&self, key: &Key) -> Option<Arc<MixedChunk>> {
        self.state().chunks.get(key).cloned()
    }

    fn keep(&self, key: Key, chunk: &Arc<MixedChunk>) {
        let mut state = self.state();
        if state.chunks.insert(key.clone(), Arc::clone(chunk)).is_none() {
            state.bytes += chunk.bytes;
            state.ages.push_back(key);
        }
        while state.bytes > self.limit {
            let Some(oldest) = state.ages.pop_front() else { break };
            let gone = state.chunks.remove(&oldest).map_or(0, |chunk| chunk.bytes);
            state.bytes -= gone;
        }
    }

    fn split_of(&self, location: &str) -> Arc<tokio::sync::Mutex<Split>> {
        let mut state = self.state();
        if let Some((_, split)) = state.splits.iter().find(|(name, _)| name == location) {
            return Arc::clone(split);
        }
        if state.splits.len() >= OPEN_SPLITS {
            state.splits.pop_front();
        }
        let split = Arc::default();
        state.splits.push_back((location.to_owned(), Arc::clone(&split)));
        split
    }
}

/// What reading the mixed files of one folder takes.
#[derive(Debug, Clone)]
pub(super) struct MixedReading {
    pub table: TableName,
    pub settings: MixedSettings,
    pub cache: Arc<MixedCache>,
    /// Tables whose rows someone reads.
    pub known: Arc<Mutex<std::collections::HashSet<TableName>>>,
    pub noticed: Arc<Noticed>,
}

/// A mixed file as one table reads it.
pub(super) struct OpenMixed {
    pub file: Pending,
    pub origin: Arc<Origin>,
    pub version: FileVersion,
    /// The last record handed out.
    pub delivered: u64,
    reading: MixedReading,
    place: MixedPlace,
    /// The chunk at hand, as the table's rows in it, and batches of it that have not been handed out.
    ready: VecDeque<Decoded>,
    looked: bool,
    /// Whether everything has been decoded.
    ended: bool,
}

impl OpenMixed {
    pub fn new(file: Pending, partition: &str, reading: MixedReading) -> Self {
        let origin =
            Origin { partition: partition.to_owned(), name: file.file.name.clone(), order: file.order.clone() };
        Self {
            origin: Arc::new(origin),
            version: file.file.version(),
            delivered: file.consumed,
            reading,
            place: MixedPlace::start(),
            ready: VecDeque::new(),
            looked: false,
            ended: false,
            file,
        }
    }

    /// Bytes of the file that have not been read, if it is not compressed.
    pub fn bytes_left(&self) -> u64 {
        self.version.size.unwrap_or_default().saturating_sub(self.place.offset)
    }

    /// Reads on, up to the next stretch of the table's records.
    pub async fn advance(&mut self, reading: &Reading, schema: &TableSchema) -> Result<Advance, SourceError> {
        loop {
            // The last stretch is held back until the file is known to end with it.
            if self.ready.len() > 1 || (self.ended && !self.ready.is_empty()) {
                let Some(batch) = self.ready.pop_front() else { continue };
                self.delivered = batch.consumed;
                let last = self.ended && self.ready.is_empty();
                return Ok(if last { Advance::Last(Some(batch)) } else { Advance::Batch(batch) });
            }
            if self.ended {
                return Ok(Advance::Last(None));
            }
            if !self.looked {
                let now = look(reading, &self.file.file.location).await.map_err(|source| self.read_error(source))?;
                let Some(now) = now else { return Ok(Advance::Vanished) };
                let version = version_of(&now);
                let shorter = version.size < self.version.size;
                if self.delivered > 0 && shorter {
                    return Err(SourceError::Replaced { file: self.file.file.name.clone(), record: self.delivered });
                }
                (self.version, self.looked) = (version, true);
            }
            let chunk = self.chunk(reading).await?;
            let name = (self.reading.table.schema().to_owned(), self.reading.table.table().to_owned());
            if chunk.last && !self.rests(reading).await? {
                continue;
            }
            if let Some(rows) = chunk.tables.get(&name) {
                let decoded = self.decode(reading, schema, rows).await?;
                self.ready.extend(decoded);
            }
            self.place = chunk.next;
            self.ended = chunk.last;
        }
    }

    /// Whether the file has not changed for a while; if it has, it is looked at anew from here on.
    async fn rests(&mut self, reading: &Reading) -> Result<bool, SourceError> {
        if self.file.file.format != FileFormat::Csv {
            return Ok(true);
        }
        let age = u64::try_from(reading.clock.now_us().saturating_sub(self.version.arrived_us)).unwrap_or(0);
        let rest = reading.settle.saturating_sub(Duration::from_micros(age));
        if !rest.is_zero() {
            reading.clock.sleep(rest).await;
        }
        let now = look(reading, &self.file.file.location).await.map_err(|source| self.read_error(source))?;
        let same = now.is_none_or(|now| version_of(&now) == self.version);
        self.looked = same;
        Ok(same)
    }

    /// The chunk at the place, from the cache or split now.
    async fn chunk(&self, reading: &Reading) -> Result<Arc<MixedChunk>, SourceError> {
        let location = &self.file.file.location;
        let key: Key = (location.clone(), self.version.size, self.version.content, self.place);
        let cache = &self.reading.cache;
        if let Some(chunk) = cache.chunk(&key) {
            return Ok(chunk);
        }
        let split = cache.split_of(location);
        let mut split = split.lock().await;
        if let Some(chunk) = cache.chunk(&key) {
            return Ok(chunk);
        }
        let length = self.version.size.unwrap_or_default();
        let running = split.running.take().filter(|(at, ..)| *at == key);
        let (mut splitter, mut ranges) = match running {
            Some((_, splitter, ranges)) => (splitter, ranges),
            None => {
                let plain = self.file.file.format == FileFormat::Csv;
                let name = &self.file.file.name;
                let splitter = MixedSplitter::new(&self.reading.settings, name, length, plain, self.place)
                    .map_err(|source| self.undecodable(source))?;
                let ranges = RangeReader::new(Arc::clone(&reading.storage), location.clone(), length)
                    .reading_ahead(Some(reading.ahead.clone()));
                (splitter, ranges)
            }
        };
        let chunk = loop {
            let (back, step) = reading
                .cpu
                .run(move || {
                    let step = splitter.step();
                    (splitter, step)
                })
                .await;
            splitter = back;
            match step.map_err(|source| self.undecodable(source))? {
                MixedStep::Need(range) => {
                    for (range, bytes) in ranges.read(vec![range]).await.map_err(|source| self.read_error(source))? {
                        splitter.supply(range, bytes);
                    }
                }
                MixedStep::Chunk(chunk) => break Arc::new(chunk),
            }
        };
        self.report(&chunk);
        let next: Key = (location.clone(), self.version.size, self.version.content, chunk.next);
        split.running = (!chunk.last).then_some((next, splitter, ranges));
        cache.keep(key, &chunk);
        Ok(chunk)
    }

    /// Names tables that nobody reads, and records of no table, once.
    fn report(&self, chunk: &MixedChunk) {
        let known = self.reading.known.lock().unwrap_or_else(PoisonError::into_inner);
        for ((schema, table), rows) in &chunk.tables {
            let is_known = TableName::new(schema, table).is_ok_and(|name| known.contains(&name));
            if !is_known && self.reading.noticed.is_new(&format!("{schema}.{table} in mixed files")) {
                let (file, records) = (&self.file.file.name, rows.numbers.len());
                tracing::warn!(file, schema, table, records, "mixed files hold changes of a table that is not taken");
            }
        }
        if chunk.strays > 0 && self.reading.noticed.is_new(&format!("records without table in {}", self.origin.name)) {
            let (file, records) = (&self.file.file.name, chunk.strays);
            tracing::error!(file, records, "this mixed file holds records that name no table; they are not taken in");
        }
    }

    /// The table's records of a chunk that have not been handed out, as batches with the file's record numbers.
    async fn decode(
        &self,
        reading: &Reading,
        schema: &TableSchema,
        rows: &MixedRows,
    ) -> Result<Vec<Decoded>, SourceError> {
        let skip = rows.numbers.partition_point(|number| *number <= self.delivered) as u64;
        if skip == rows.numbers.len() as u64 {
            return Ok(Vec::new());
        }
        let context = FileContext {
            origin: Arc::clone(&self.origin),
            length: rows.text.len() as u64,
            full_load: false,
            skip,
            schema: schema.clone(),
            batch_rows: reading.batch_rows,
            batch_bytes: reading.batch_bytes,
        };
        let decoder = csv_decoder(&self.reading.settings.csv, context).map_err(|source| self.undecodable(source))?;
        let rows = rows.clone();
        let decoded = reading.cpu.run(move || decode_all(decoder, &rows)).await;
        decoded.map_err(|source| self.undecodable(source))
    }

    fn read_error(&self, source: StorageError) -> SourceError {
        SourceError::Read { file: self.file.file.name.clone(), record: self.delivered, source }
    }

    fn undecodable(&self, source: DecodeError) -> SourceError {
        SourceError::Decode { file: self.file.file.name.clone(), record: self.delivered, source }
    }
}

/// Decodes one table's text; the number of a record in the text becomes its number in the file.
fn decode_all(mut decoder: Box<dyn sluice_decode::Decode>, rows: &MixedRows) -> Result<Vec<Decoded>, DecodeError> {
    let number = |at: u64| rows.numbers.get((at as usize).wrapping_sub(1)).copied().unwrap_or(at);
    let mut batches = Vec::new();
    loop {
        match decoder.step()? {
            Step::Need(ranges) => {
                for range in ranges {
                    let bytes = rows.text.slice(range.start as usize..range.end as usize);
                    decoder.supply(range, bytes);
                }
            }
            Step::Batch(mut batch) => {
                let numbers = batch.row_numbers.values().iter().map(|at| number(*at as u64) as i64);
                batch.row_numbers = Int64Array::from_iter_values(numbers);
                for reject in &mut batch.rejects {
                    reject.row_number = number(reject.row_number);
                }
                batch.consumed = number(batch.consumed);
                batches.push(batch);
            }
            Step::End => return Ok(batches),
        }
    }
}
