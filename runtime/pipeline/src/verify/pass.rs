//! One pass over both tables: rows are read, shaped and parted; then each bucket is folded and compared.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{BooleanArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::filter::filter_record_batch;
use sluice_change::Op;
use sluice_lake::{ScanBatch, ScanFilter};

use super::compare::Findings;
use super::comparison::Comparison;
use super::events::{Hashes, Layout, Parted, Place};
use super::keys::{BUCKETS, Choice, KeyHash, MAX_DEPTH, bucket, keys_of};
use super::open::Pinned;
use super::spill::{Bucket, Buckets};
use super::{Progress, VerifyError, VerifySeams, VerifySettings};
use crate::bronze;
use crate::error::LaneError;
use crate::index::live_rows;
use crate::shaping::Shaping;

/// Bytes of memory for each hash of a key that is looked at closer.
const BYTES_PER_HASH: usize = 128;
/// Keys that are looked at together take more: all of their changes are in memory.
const ROOM_PER_JOINED: usize = 32;
/// Bytes that a row of a batch that is read is reckoned with.
const BYTES_PER_ROW: usize = 2_048;

/// What it takes to go over the tables.
pub struct Pass<'a> {
    pinned: &'a Pinned,
    seams: &'a VerifySeams,
    layout: Option<Arc<Layout>>,
    hash: KeyHash,
    folder: Arc<Path>,
    memory: usize,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    done: Progress,
}

/// What was read.
#[derive(Debug)]
pub struct Passed {
    events: Buckets,
    rows: Buckets,
    around: Around,
    totals: Totals,
}

/// What was seen beside the chosen keys.
#[derive(Debug, Default)]
pub struct Around {
    /// The last truncate.
    pub emptied: Option<Place>,
    /// Keys that have to be looked at together: rows take values from rows of other keys.
    pub joined: Hashes,
    /// Keys that Silver seems to hold several times.
    pub repeated: Hashes,
    /// Keys with changes that Silver does not include yet.
    pub pending: Hashes,
}

/// What a pass counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub bronze_rows: u64,
    pub silver_rows: u64,
    pub rejected: u64,
    pub changes: u64,
    pub keys: u64,
    pub rows: u64,
    pub cells_unknown: u64,
    pub keys_open: u64,
    pub overflowed: bool,
    pub spilled_bytes: u64,
}

/// What a pass found.
#[derive(Debug)]
pub struct Found {
    /// The differences, those of earlier passes included.
    pub findings: Findings,
    /// What was counted.
    pub totals: Totals,
}

impl Passed {
    /// Keys that have to be looked at closer: those whose rows take values from rows of other keys, and those that Silver
    /// seems to hold several times. The former alone are the second set.
    pub fn closer(&self) -> (Arc<HashSet<u64>>, Arc<HashSet<u64>>) {
        let joined = &self.around.joined.held;
        let all = joined.union(&self.around.repeated.held).copied().collect();
        (Arc::new(all), Arc::new(joined.clone()))
    }
}

/// The state of reading, which travels to the processors and back.
struct Intake {
    layout: Arc<Layout>,
    choice: Choice,
    shaping: Shaping,
    /// Silver includes what is below this number.
    next: i64,
    /// Whether what has to be looked at closer is to be found out.
    is_first: bool,
    room: usize,
    now: Vec<(String, Option<String>)>,
    events: Buckets,
    rows: Buckets,
    /// Hashes of all keys of Silver, where not all rows are compared.
    hashes: Option<Buckets>,
    around: Around,
    totals: Totals,
}

impl<'a> Pass<'a> {
    /// Over these tables.
    pub fn new(
        pinned: &'a Pinned,
        seams: &'a VerifySeams,
        settings: &VerifySettings,
        hash: KeyHash,
        progress: &'a (dyn Fn(Progress) + Send + Sync),
    ) -> Self {
        let total = pinned.bronze.rows() + pinned.silver.table.rows();
        let folder = Arc::from(settings.folder.as_path());
        let done = Progress { rows: 0, total };
        Self { pinned, seams, layout: None, hash, folder, memory: settings.memory_bytes, progress, done }
    }

    fn layout(&mut self) -> Arc<Layout> {
        if let Some(layout) = &self.layout {
            return Arc::clone(layout);
        }
        let silver = &self.pinned.silver;
        let layout = Arc::new(Layout::new(
            Arc::clone(&self.pinned.columns),
            silver.key.clone(),
            Arc::clone(&silver.key_schema),
            Arc::clone(&silver.extractor),
            self.hash.clone(),
        ));
        self.layout = Some(Arc::clone(&layout));
        layout
    }

    /// Reads the changes and the rows of the chosen keys. The first pass finds out what has to be looked at closer.
    pub async fn read(&mut self, choice: Choice, is_first: bool) -> Result<Passed, VerifyError> {
        if !is_first {
            self.done.total += self.done.rows;
        }
        let layout = self.layout();
        let batch_rows = (self.memory / BYTES_PER_ROW).clamp(1_024, 65_536);
        let mut intake = self.intake(layout, choice, is_first);
        let log = &self.pinned.bronze;
        let names = bronze::logged_columns(log);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // In order of arrival: of two changes at one place, the later one counts.
        let filter = ScanFilter::AtLeast { column: bronze::SEQUENCE.to_owned(), value: 0 };
        let mut scan = log.scan(&names, filter, batch_rows).await?;
        let mut next = scan.next().await?;
        while let Some(found) = next {
            let rows = found.batch.num_rows();
            let taken = self.seams.cpu.run(move || intake.changes(&found).map(|()| intake));
            let (back, following) = tokio::join!(taken, scan.next());
            (intake, next) = (back?, following?);
            self.tell(rows);
        }
        let mut scan = self.pinned.silver.table.scan(&[], ScanFilter::All, batch_rows).await?;
        let mut next = scan.next().await?;
        while let Some(found) = next {
            let rows = found.batch.num_rows();
            let taken = self.seams.cpu.run(move || intake.held(&found).map(|()| intake));
            let (back, following) = tokio::join!(taken, scan.next());
            (intake, next) = (back?, following?);
            self.tell(rows);
        }
        Ok(self.seams.cpu.run(move || intake.finish()).await?)
    }

    fn tell(&mut self, rows: usize) {
        self.done.rows += rows as u64;
        (self.progress)(self.done);
    }

    fn intake(&self, layout: Arc<Layout>, choice: Choice, is_first: bool) -> Intake {
        let hash = Arc::new(Schema::new(vec![Field::new("hash", DataType::UInt64, false)]));
        let looks_for_duplicates = is_first && !matches!(choice, Choice::All);
        let log = &self.pinned.bronze;
        let names = log.columns().into_iter().map(|column| column.name);
        Intake {
            events: Buckets::new(&layout.events, &self.folder, self.memory / 4),
            rows: Buckets::new(&layout.rows, &self.folder, self.memory / 8),
            hashes: looks_for_duplicates.then(|| Buckets::new(&hash, &self.folder, self.memory / 8)),
            layout,
            choice,
            shaping: self.pinned.shaping.clone(),
            next: self.pinned.silver.stored.next_sequence as i64,
            is_first,
            room: self.memory / BYTES_PER_HASH,
            now: names.map(|name| (name.clone(), log.current_name(&name).map(str::to_owned))).collect(),
            around: Around::default(),
            totals: Totals::default(),
        }
    }

    /// Folds and compares bucket after bucket. Keys that are `apart` are left out, those that are `joined` are all here.
    pub async fn compare(
        &self,
        passed: Passed,
        apart: &Arc<HashSet<u64>>,
        joined: &Arc<HashSet<u64>>,
        findings: Findings,
    ) -> Result<Found, VerifyError> {
        let Passed { events, rows, around, mut totals } = passed;
        totals.spilled_bytes = events.spilled_bytes() + rows.spilled_bytes();
        let Some(layout) = self.layout.clone() else { return Ok(Found { findings, totals }) };
        let mut comparison = Comparison {
            layout,
            folder: Arc::clone(&self.folder),
            memory: self.memory,
            around,
            apart: Arc::clone(apart),
            joined: Arc::clone(joined),
            findings,
            totals,
        };
        let (events, rows) =
            self.seams.cpu.run(move || Ok::<_, ArrowError>((events.finish()?, rows.finish()?))).await?;
        for (events, rows) in events.into_iter().zip(rows) {
            // What belongs together cannot be parted.
            let depth = if joined.is_empty() { 0 } else { MAX_DEPTH };
            let compared = self.seams.cpu.run(move || comparison.bucket(events, rows, depth).map(|()| comparison));
            comparison = compared.await?;
        }
        Ok(Found { findings: comparison.findings, totals: comparison.totals })
    }
}

impl Intake {
    /// Takes in rows of Bronze.
    fn changes(&mut self, found: &ScanBatch) -> Result<(), LaneError> {
        let rows = live_rows(found)?;
        let sequences = bronze::sequences(&rows)?;
        self.note_truncates(&rows, &sequences)?;
        let ops = text(&rows, bronze::OP)?;
        let truncate = Op::Truncate.code();
        let of = |wanted: &dyn Fn(i64) -> bool| {
            let is = |row: usize| Some(wanted(sequences.value(row)) && ops.value(row) != truncate);
            BooleanArray::from_iter((0..rows.num_rows()).map(is))
        };
        let (included, pending) = (of(&|number| number < self.next), of(&|number| number >= self.next));
        if included.true_count() > 0 {
            let (parted, rejected) = self.shape(&filter_record_batch(&rows, &included)?, self.is_first)?;
            self.totals.rejected += rejected;
            self.events.push(&parted)?;
        }
        if pending.true_count() > 0 {
            let (parted, _) = self.shape(&filter_record_batch(&rows, &pending)?, false)?;
            let keys = keys_of(parted.rows.column(0));
            for index in 0..keys.len() {
                self.around.pending.add(self.layout.hash.of(&keys, index), self.room);
            }
        }
        Ok(())
    }

    /// Shapes rows of Bronze and parts their events. Says how many rows the transform rejects.
    fn shape(&mut self, rows: &RecordBatch, notes_joined: bool) -> Result<(Parted, u64), LaneError> {
        let now = |name: &str| {
            let known = self.now.iter().find(|(other, _)| other == name);
            known.map_or_else(|| Some(name.to_owned()), |(_, now)| now.clone())
        };
        let changes = bronze::read_back(rows, now)?;
        let shaped = self.shaping.shape(changes.input())?;
        let (together, room) = (&mut self.around.joined, self.room / ROOM_PER_JOINED);
        let mut joined = |hash: u64| {
            if notes_joined {
                together.add(hash, room);
            }
        };
        let parted = self.layout.part_changes(&self.choice, &shaped, &changes, &mut joined)?;
        Ok((parted, shaped.rejects.len() as u64))
    }

    fn note_truncates(&mut self, rows: &RecordBatch, sequences: &Int64Array) -> Result<(), LaneError> {
        let ops = text(rows, bronze::OP)?;
        let orders = text(rows, bronze::SOURCE_ORDER)?;
        let numbers = column(rows, bronze::SOURCE_ROW)?.as_primitive::<arrow_array::types::Int64Type>();
        let truncate = Op::Truncate.code();
        for row in (0..rows.num_rows()).filter(|row| sequences.value(*row) < self.next) {
            self.totals.bronze_rows += 1;
            if ops.value(row) != truncate {
                continue;
            }
            let place = (orders.value(row), numbers.value(row));
            if self.around.emptied.as_ref().is_none_or(|known| (known.order.as_str(), known.number) < place) {
                let (order, number) = (place.0.to_owned(), place.1);
                self.around.emptied = Some(Place { order, number, sequence: sequences.value(row) });
            }
        }
        Ok(())
    }

    /// Takes in rows of Silver.
    fn held(&mut self, found: &ScanBatch) -> Result<(), LaneError> {
        let mut hashes = Vec::with_capacity(found.batch.num_rows());
        let parted = self.layout.part_rows(&self.choice, found, &mut |hash| hashes.push(hash))?;
        self.totals.silver_rows += hashes.len() as u64;
        self.rows.push(&parted)?;
        if let Some(all) = &mut self.hashes {
            hashes.sort_by_key(|hash| bucket(*hash, 0));
            let bounds = (0..=BUCKETS).map(|end| hashes.partition_point(|hash| bucket(*hash, 0) < end)).collect();
            let rows = RecordBatch::try_from_iter([("hash", Arc::new(UInt64Array::from(hashes)) as _)])?;
            all.push(&Parted { rows, bounds })?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Passed, LaneError> {
        if let Some(hashes) = self.hashes.take() {
            for bucket in hashes.finish()? {
                note_repeated(bucket, &mut self.around.repeated, self.room)?;
            }
        }
        let Around { joined, repeated, pending, .. } = &self.around;
        self.totals.overflowed = joined.overflowed || repeated.overflowed || pending.overflowed;
        Ok(Passed { events: self.events, rows: self.rows, around: self.around, totals: self.totals })
    }
}

/// Notes hashes that are there more than once: the same key, or by rare chance another one.
fn note_repeated(bucket: Bucket, repeated: &mut Hashes, room: usize) -> Result<(), ArrowError> {
    let mut all: Vec<u64> = Vec::with_capacity(bucket.rows as usize);
    for batch in bucket.read()? {
        all.extend_from_slice(batch?.column(0).as_primitive::<UInt64Type>().values());
    }
    all.sort_unstable();
    all.windows(2).filter(|pair| pair[0] == pair[1]).for_each(|pair| repeated.add(pair[0], room));
    Ok(())
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a arrow_array::ArrayRef, ArrowError> {
    rows.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("Bronze has no column `{name}`")))
}

fn text<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    Ok(column(rows, name)?.as_string::<i32>())
}
