//! Replays dead letters: what was set aside is read again with the settings as they are now, in its original order.
//!
//! Only the process that holds a table's lane writes its tables. A request therefore lies at the table of dead letters,
//! as a property that anyone may set, and the lane carries it out once it has caught up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::concat::{concat, concat_batches};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use bytes::Bytes;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use sluice_change::{ChangeBatch, ChangeCounts, Checkpoint, Origin};
use sluice_lake::{FileId, LakeError, LakeTable, ScanFilter, TableChange};
use sluice_source::SetAside;
use tracing::{info, warn};
use uuid::Uuid;

use crate::bronze::{self, LoggedChanges};
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::logged::{self, Target};
use crate::rejects::{IN_BRONZE, Known};
use crate::tables::Tables;
use crate::write::{self, Done, Kind, epoch, expected, land};

/// The property that asks for a replay.
const REQUEST: &str = "sluice.replay";
/// The property that says what became of the last one.
const OUTCOME: &str = "sluice.replay.outcome";
/// Dead letters read at a time.
const STRETCH_LETTERS: usize = 4_096;
/// Bytes of dead letters read at a time, a single larger one excepted.
const STRETCH_BYTES: usize = 4 << 20;
/// What the rows of a stretch may take beside its bytes.
const HELD_PER_BYTE: usize = 2;
/// Rows read at a time.
const SCAN_ROWS: usize = 4_096;
/// Reasons of records that still fail that are told.
const TOLD_REASONS: usize = 10;

/// A request to replay dead letters of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Names the request.
    pub id: String,
    /// Only records of files whose name holds this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Only records whose reason holds this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for, microseconds since the epoch.
    pub requested_us: i64,
}

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayOutcome {
    /// The request.
    pub id: String,
    /// Records that went to Bronze.
    pub replayed: u64,
    /// Records that Bronze held already.
    pub held: u64,
    /// Records that still cannot be taken in, and stay.
    pub remaining: u64,
    /// Why some of them cannot, each reason with an example of a place.
    pub reasons: BTreeMap<String, String>,
    /// When it was done, microseconds since the epoch.
    pub ended_us: i64,
}

impl ReplayRequest {
    /// The request that lies at a table of dead letters.
    pub fn of(letters: &LakeTable) -> Option<Self> {
        serde_json::from_str(letters.property(REQUEST)?).ok()
    }

    /// Lays the request at the table, in place of one that is there.
    pub async fn place(&self, letters: &mut LakeTable) -> Result<(), LakeError> {
        letters.set_properties(&BTreeMap::from([(REQUEST.to_owned(), json(self))])).await
    }

    /// Whether it asks for a record.
    pub fn asks_for(&self, file: &str, reason: &str) -> bool {
        self.file.as_ref().is_none_or(|text| file.contains(text.as_str()))
            && self.reason.as_ref().is_none_or(|text| reason.contains(text.as_str()))
    }
}

impl ReplayOutcome {
    /// What became of the last request at a table of dead letters.
    pub fn of(letters: &LakeTable) -> Option<Self> {
        serde_json::from_str(letters.property(OUTCOME)?).ok()
    }

    /// Notes a letter that cannot be taken in.
    fn stays(&mut self, letter: &Letter, reason: String) {
        self.remaining += 1;
        if self.reasons.len() < TOLD_REASONS {
            let (file, number) = (&letter.record.origin.name, letter.record.row_number);
            self.reasons.entry(reason).or_insert_with(|| format!("{file} record {number}"));
        }
    }
}

fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// A dead letter, and where it lies.
#[derive(Debug)]
struct Letter {
    file: FileId,
    position: u32,
    record: SetAside,
}

impl Letter {
    fn place(&self) -> (&str, u64) {
        (&self.record.origin.order, self.record.row_number)
    }

    /// Whether a transform rejected the record, which is in Bronze.
    fn is_of_transform(&self) -> bool {
        self.record.layout.as_deref() == Some(IN_BRONZE)
    }
}

/// The request that the lane's dead letters carry now.
pub async fn requested(tables: &mut Tables) -> Result<Option<ReplayRequest>, LaneError> {
    let Some(letters) = &mut tables.rejects else { return Ok(None) };
    letters.refresh().await?;
    Ok(ReplayRequest::of(letters))
}

/// Carries a request out. The lane has stored everything that it has read.
///
/// Bronze is committed first, Silver next; then the letters go. Whatever dies in between, the next attempt finds in Bronze
/// what it holds already.
pub async fn carry_out(
    context: &LaneContext,
    tables: &mut Tables,
    request: &ReplayRequest,
    mut committed: impl FnMut(&Done),
) -> Result<ReplayOutcome, LaneError> {
    info!(table = %context.table(), request = request.id, "dead letters are replayed");
    let mut outcome = ReplayOutcome { id: request.id.clone(), ..ReplayOutcome::default() };
    let _reserved = context.budget.reserve(context.id, STRETCH_BYTES * HELD_PER_BYTE).await;
    let mut after: Option<(String, u64)> = None;
    while let Some(letters) = &mut tables.rejects {
        letters.keep_files().await?;
        let stretch = next_stretch(context, letters, request, after.as_ref()).await?;
        let Some(last) = stretch.last() else { break };
        after = Some((last.record.origin.order.clone(), last.record.row_number));
        replay(context, tables, request, stretch, &mut outcome, &mut committed).await?;
    }
    outcome.ended_us = context.services.clock.now_us();
    if let Some(letters) = &mut tables.rejects {
        let mut properties = BTreeMap::from([(OUTCOME.to_owned(), json(&outcome))]);
        if ReplayRequest::of(letters).is_some_and(|now| now.id == request.id) {
            properties.insert(REQUEST.to_owned(), None);
        }
        letters.set_properties(&properties).await?;
    }
    info!(
        table = %context.table(), request = request.id, replayed = outcome.replayed, held = outcome.held,
        remaining = outcome.remaining, "the replay is done"
    );
    Ok(outcome)
}

/// The dead letters that come next in their original order, as many as one stretch takes.
async fn next_stretch(
    context: &LaneContext,
    letters: &LakeTable,
    request: &ReplayRequest,
    after: Option<&(String, u64)>,
) -> Result<Vec<Letter>, LaneError> {
    let stored: Vec<String> = letters.columns().into_iter().map(|column| column.name).collect();
    let mut names = vec!["source_file", "source_row", "source_order", "reason", "raw"];
    names.extend(stored.iter().map(String::as_str).filter(|name| *name == "layout"));
    let filter = match after {
        Some((order, _)) => ScanFilter::Text { column: "source_order".into(), from: order.clone(), to: None },
        None => ScanFilter::All,
    };
    let mut found: BTreeMap<(String, u64, FileId, u32), Letter> = BTreeMap::new();
    let mut bytes = 0;
    let mut scan = letters.scan(&names, filter, SCAN_ROWS).await?;
    while let Some(batch) = scan.next().await? {
        let rows = &batch.batch;
        let text = |column: usize| rows.column(column).as_string::<i32>();
        let (files, orders, reasons) = (text(0), text(2), text(3));
        let numbers = rows.column(1).as_primitive::<Int64Type>();
        let raws = rows.column(4).as_binary::<i32>();
        let layouts = (rows.num_columns() > 5).then(|| text(5));
        for row in 0..rows.num_rows() {
            let place = (orders.value(row), numbers.value(row).unsigned_abs());
            let passed = after.is_some_and(|(order, number)| place <= (order.as_str(), *number));
            let deleted = batch.live.as_ref().is_some_and(|live| !live.value(row));
            if passed || deleted || !request.asks_for(files.value(row), reasons.value(row)) {
                continue;
            }
            let full = found.len() >= STRETCH_LETTERS || bytes >= STRETCH_BYTES;
            if full && found.last_key_value().is_some_and(|(last, _)| (last.0.as_str(), last.1) < place) {
                continue;
            }
            let position = (batch.first_position + row as u64) as u32;
            let raw = Bytes::copy_from_slice(raws.value(row));
            bytes += raw.len();
            let origin = Origin {
                partition: context.table().to_string(),
                name: files.value(row).to_owned(),
                order: place.0.to_owned(),
            };
            let layout = layouts.filter(|layouts| layouts.is_valid(row)).map(|layouts| Arc::from(layouts.value(row)));
            let record = SetAside { origin: Arc::new(origin), row_number: place.1, raw, layout };
            let key = (place.0.to_owned(), place.1, batch.file, position);
            found.insert(key, Letter { file: batch.file, position, record });
            while found.len() > STRETCH_LETTERS || (bytes > STRETCH_BYTES && found.len() > 1) {
                let Some((_, last)) = found.pop_last() else { break };
                bytes -= last.record.raw.len();
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Replays one stretch of letters, which are in their original order.
async fn replay(
    context: &LaneContext,
    tables: &mut Tables,
    request: &ReplayRequest,
    stretch: Vec<Letter>,
    outcome: &mut ReplayOutcome,
    committed: &mut impl FnMut(&Done),
) -> Result<(), LaneError> {
    let held = held(&tables.bronze.table, &stretch).await?;
    let is_held = |letter: &Letter| held.contains(&(letter.record.origin.order.clone(), letter.record.row_number));
    let (held_there, open): (Vec<Letter>, Vec<Letter>) = stretch.into_iter().partition(is_held);
    let (of_transform, mut done): (Vec<Letter>, Vec<Letter>) =
        held_there.into_iter().partition(Letter::is_of_transform);
    outcome.held += done.len() as u64;
    done.extend(shape_again(context, tables, request, of_transform, outcome).await?);

    // The attempt that set these aside died before it wrote them to Bronze: they come again with their file.
    let (unwritten, open): (Vec<Letter>, Vec<Letter>) = open.into_iter().partition(Letter::is_of_transform);
    unwritten.iter().for_each(|letter| outcome.stays(letter, "its record is not in Bronze yet".to_owned()));
    let records: Vec<SetAside> = open.iter().map(|letter| letter.record.clone()).collect();
    let read = context.services.source.read_again(context.table(), &tables.schema, records).await?;
    let (mut rows, mut places) = (Vec::new(), BTreeSet::new());
    for (letter, read) in open.into_iter().zip(read) {
        match read {
            // Two letters of one record are one change.
            Ok(row) => {
                if places.insert((letter.record.origin.order.clone(), letter.record.row_number)) {
                    rows.push(row);
                }
                done.push(letter);
            }
            Err(reason) => outcome.stays(&letter, reason),
        }
    }
    if !rows.is_empty() {
        outcome.replayed += rows.len() as u64;
        let first = rows.first().map(|row| (row.origin.order.clone(), row.row_numbers.value(0)));
        let name = format!("replay {} {first:?} {}", request.id, tables.bronze.stored.next_sequence);
        let position = tables.position().clone();
        let stored = write::write(context, tables, joined(rows)?, position, Kind::Replayed(&name)).await?;
        committed(&stored);
    }
    remove(context, tables, request, &done).await
}

/// Shapes records that a transform rejected anew, as they are in Bronze, and merges them as late changes. Returns the
/// letters that are done.
async fn shape_again(
    context: &LaneContext,
    tables: &mut Tables,
    request: &ReplayRequest,
    rejected: Vec<Letter>,
    outcome: &mut ReplayOutcome,
) -> Result<Vec<Letter>, LaneError> {
    let (Some(first), Some(silver)) = (rejected.first(), &tables.silver) else {
        rejected.iter().for_each(|letter| outcome.stays(letter, "there is no Silver: declare `key`".to_owned()));
        return Ok(Vec::new());
    };
    let stored = &silver.stored;
    let work = format!("{} {:?} {} {}", request.id, first.place(), rejected.len(), stored.commit_id);
    let next = Checkpoint {
        commit_id: Uuid::new_v5(&silver.table.uuid(), work.as_bytes()).to_string(),
        writer: context.writer.clone(),
        epoch: epoch(context, stored),
        transform: silver.transform.digest().map(str::to_owned),
        counts: ChangeCounts::default(),
        ..stored.clone()
    };
    let changes = logged(&tables.bronze.table, &rejected).await?;
    let places: Vec<(String, u64)> = (0..changes.len())
        .map(|row| (changes.orders.value(row).to_owned(), changes.numbers.value(row).unsigned_abs()))
        .collect();
    let Tables { schema: source, bronze, silver: Some(silver), rejects: letters } = tables else {
        return Ok(Vec::new());
    };
    let mut target = Target { source, log: &bronze.table, silver, letters, known: Known::ByLetter, anew: false };
    let still = logged::apply(context, &mut target, changes, Some(u64::MAX), next).await?;
    let mut still: HashMap<(String, u64), String> =
        still.into_iter().map(|rejected| (places[rejected.row as usize].clone(), rejected.reason)).collect();
    let mut done = Vec::new();
    for letter in rejected {
        let (order, number) = letter.place();
        match still.get_mut(&(order.to_owned(), number)) {
            Some(reason) => outcome.stays(&letter, reason.clone()),
            None => {
                outcome.replayed += 1;
                done.push(letter);
            }
        }
    }
    Ok(done)
}

/// The letters' records as Bronze holds them, in their original order.
async fn logged(log: &LakeTable, letters: &[Letter]) -> Result<LoggedChanges, LaneError> {
    let places: HashSet<(&str, u64)> = letters.iter().map(Letter::place).collect();
    let names = bronze::logged_columns(log);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let orders = letters.iter().map(|letter| &letter.record.origin.order);
    let filter = ScanFilter::Text {
        column: bronze::SOURCE_ORDER.to_owned(),
        from: orders.clone().min().cloned().unwrap_or_default(),
        to: orders.max().cloned(),
    };
    let mut scan = log.scan(&names, filter, SCAN_ROWS).await?;
    let mut batches = Vec::new();
    while let Some(found) = scan.next().await? {
        let rows = crate::index::live_rows(&found)?;
        let (orders, numbers) = places_of(&rows)?;
        let is_wanted = |row: usize| Some(places.contains(&(orders.value(row), numbers.value(row).unsigned_abs())));
        let wanted = BooleanArray::from_iter((0..rows.num_rows()).map(is_wanted));
        if wanted.true_count() > 0 {
            batches.push(filter_record_batch(&rows, &wanted)?);
        }
    }
    let Some(first) = batches.first() else { return Err(LaneError::Settings("Bronze lacks these records".into())) };
    let all = concat_batches(&first.schema(), &batches)?;
    let (orders, numbers) = places_of(&all)?;
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_key(|row| (orders.value(*row as usize), numbers.value(*row as usize)));
    let sorted = take_record_batch(&all, &UInt32Array::from(order))?;
    Ok(bronze::read_back(&sorted, |name| log.current_name(name).map(str::to_owned))?)
}

fn places_of(rows: &RecordBatch) -> Result<(&StringArray, &Int64Array), ArrowError> {
    let column = |name: &str| Ok::<_, ArrowError>(rows.column(rows.schema_ref().index_of(name)?));
    Ok((column(bronze::SOURCE_ORDER)?.as_string(), column(bronze::SOURCE_ROW)?.as_primitive()))
}

/// Which of the letters' records Bronze holds.
async fn held(log: &LakeTable, stretch: &[Letter]) -> Result<HashSet<(String, u64)>, LaneError> {
    let places: HashSet<(&str, u64)> = stretch.iter().map(Letter::place).collect();
    let mut held = HashSet::new();
    let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { return Ok(held) };
    let filter = ScanFilter::Text {
        column: bronze::SOURCE_ORDER.to_owned(),
        from: first.record.origin.order.clone(),
        to: Some(last.record.origin.order.clone()),
    };
    let mut scan = log.scan(&[bronze::SOURCE_ORDER, bronze::SOURCE_ROW], filter, 16 * SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        let rows = crate::index::live_rows(&found)?;
        let (orders, numbers) = (rows.column(0).as_string::<i32>(), rows.column(1).as_primitive::<Int64Type>());
        for row in 0..rows.num_rows() {
            let place = (orders.value(row), numbers.value(row).unsigned_abs());
            if places.contains(&place) {
                held.insert((place.0.to_owned(), place.1));
            }
        }
    }
    Ok(held)
}

/// Batches of one row each, those of one file and one layout put together.
fn joined(rows: Vec<ChangeBatch>) -> Result<Vec<ChangeBatch>, LaneError> {
    let alike = |a: &ChangeBatch, b: &ChangeBatch| {
        let before = |batch: &ChangeBatch| batch.before.as_ref().map(RecordBatch::schema);
        a.origin == b.origin
            && a.rows.schema() == b.rows.schema()
            && before(a) == before(b)
            && a.commit_times.is_some() == b.commit_times.is_some()
            // Their marks are numbered each on its own.
            && a.unsent.is_none()
            && b.unsent.is_none()
    };
    rows.chunk_by(alike).map(join).collect()
}

fn join(alike: &[ChangeBatch]) -> Result<ChangeBatch, LaneError> {
    let Some(first) = alike.first() else { return Err(LaneError::Settings("nothing to put together".into())) };
    let rows = concat_batches(&first.rows.schema(), alike.iter().map(|batch| &batch.rows))?;
    let before = match &first.before {
        Some(before) => Some(concat_batches(&before.schema(), alike.iter().filter_map(|batch| batch.before.as_ref()))?),
        None => None,
    };
    let times: Vec<&dyn Array> =
        alike.iter().filter_map(|batch| batch.commit_times.as_ref().map(|times| times as &dyn Array)).collect();
    let commit_times: Option<TimestampMicrosecondArray> =
        if times.is_empty() { None } else { Some(concat(&times)?.as_primitive().clone()) };
    Ok(ChangeBatch {
        origin: Arc::clone(&first.origin),
        rows,
        ops: alike.iter().flat_map(|batch| batch.ops.iter().copied()).collect(),
        row_numbers: Int64Array::from_iter_values(alike.iter().flat_map(|batch| batch.row_numbers.values()).copied()),
        commit_times,
        before,
        unsent: first.unsent.clone(),
        rejects: Vec::new(),
        position: first.position.clone(),
    })
}

/// Takes letters that have been replayed out of their table.
async fn remove(
    context: &LaneContext,
    tables: &mut Tables,
    request: &ReplayRequest,
    done: &[Letter],
) -> Result<(), LaneError> {
    let (Some(letters), Some(first)) = (&mut tables.rejects, done.first()) else { return Ok(()) };
    let mut deletes: HashMap<FileId, RoaringBitmap> = HashMap::new();
    for letter in done {
        deletes.entry(letter.file).or_default().insert(letter.position);
    }
    let stored = letters.checkpoint()?.unwrap_or_default();
    let work = format!("{} {:?} {} {}", request.id, first.place(), done.len(), stored.commit_id);
    let checkpoint = Checkpoint {
        commit_id: Uuid::new_v5(&letters.uuid(), work.as_bytes()).to_string(),
        writer: context.writer.clone(),
        epoch: epoch(context, &stored),
        counts: ChangeCounts::default(),
        ..stored.clone()
    };
    let change = TableChange { deletes, checkpoint, expected: expected(&stored), ..TableChange::default() };
    land(letters, change).await?;
    Ok(())
}

/// Reports what became of a replay where something stays.
pub fn warn_of(context: &LaneContext, outcome: &ReplayOutcome) {
    for (reason, place) in &outcome.reasons {
        warn!(table = %context.table(), reason, place, "a dead letter still cannot be taken in");
    }
}
