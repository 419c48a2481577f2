//! Writes one batch: dead letters, then Bronze, then Silver, each in one atomic commit that carries the position.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, UInt32Array};
use arrow_schema::Schema;
use rayon::prelude::*;
use sluice_change::{ChangeBatch, ChangeCounts, Checkpoint, Position, Reject, SchemaChange, SourceTimes, conform};
use sluice_index::Location;
use sluice_lake::{Encoded, Encoder, FileId, LakeError, LakeTable, Outcome, TableChange, WrittenFile};
use sluice_platform::failpoint;
use sluice_transform::Input;
use tracing::warn;
use uuid::Uuid;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::Found;
use crate::merge::{Fold, MergePart, MergePlan, Missing};
use crate::rejects::Known;
use crate::shaping::{ShapedPart, Shaping};
use crate::tables::{Bronze, SchemaChanges, Silver, Tables};
use crate::{bronze, index, late, rejects, reload};

/// What a committed batch did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Changes by operation, and dead letters.
    pub counts: ChangeCounts,
    /// Their commit times at the source.
    pub source_times: Option<SourceTimes>,
    /// Deletes of keys that Silver did not hold.
    pub deletes_without_row: u64,
    /// Updates of keys that Silver did not hold.
    pub updates_without_row: u64,
    /// Rows with columns that were not sent, of keys that Silver did not hold: these columns are null.
    pub unsent_without_row: u64,
}

/// How changes stand to what is stored.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// They happened after everything that is stored.
    InOrder,
    /// They happened before changes that are stored.
    Late,
    /// They were dead letters, in this piece of work; the position stays.
    Replayed(&'a str),
}

/// Stores `batches`, which end at `position`.
pub async fn write(
    context: &LaneContext,
    tables: &mut Tables,
    batches: Vec<ChangeBatch>,
    position: Position,
    kind: Kind<'_>,
) -> Result<Done, LaneError> {
    let changes = tables.follow(context, &batches).await?;
    if let Some(silver) = &mut tables.silver {
        index::follow_key(context, silver, &changes.silver).await?;
    }
    let first = tables.bronze.stored.next_sequence;
    let shaping = match &tables.silver {
        Some(silver) => Some(Shaping::of(silver, &tables.schema, &changes.silver)?),
        None => None,
    };
    let shaping_here = shaping.clone();
    let (batches, shaped, done) = context
        .services
        .cpu
        .run(move || -> Result<_, LaneError> {
            let shaped = match &shaping_here {
                Some(shaping) => shape(shaping, &batches, first)?,
                None => ShapedBatches::default(),
            };
            let mut done = count(&batches);
            done.counts.rejected += shaped.rejects.len() as u64;
            Ok((batches, shaped, done))
        })
        .await?;
    let ShapedBatches { parts, sources, rejects } = shaped;
    let batches = Arc::new(batches);
    let next = next_checkpoint(context, tables, &position, &done, kind)?;

    let mut fold = match &tables.silver {
        Some(silver) => Some(fold(context, silver, parts).await?),
        None => None,
    };
    if let (Kind::Late | Kind::Replayed(_), Some(fold), Some(silver), Some(shaping)) =
        (kind, &mut fold, &tables.silver, &shaping)
    {
        let places = places(&batches, &sources);
        late::supersede(context, &tables.bronze.table, silver, shaping, &places, u64::MAX, fold).await?;
    }
    let found = match (&tables.silver, fold) {
        (Some(silver), Some(fold)) => Some(index::find(context, silver, fold).await?),
        _ => None,
    };
    let (log, planned) = encode(context, tables, &changes, &batches, found).await?;
    let merged = match (&tables.silver, planned) {
        (Some(silver), Some(planned)) => Some(complete(context, silver, &changes.silver, planned).await?),
        _ => None,
    };
    let all: Vec<&Reject> = batches.iter().flat_map(|batch| &batch.rejects).chain(&rejects).collect();
    let known = if matches!(kind, Kind::Replayed(_)) { Known::ByLetter } else { Known::ByPosition };
    rejects::commit(context, &mut tables.rejects, all, &next, known).await?;
    commit_bronze(&mut tables.bronze, log, changes.bronze, &next).await?;
    failpoint::hit("between-bronze-and-silver");
    let mut done = done;
    if let (Some(silver), Some(merged)) = (&mut tables.silver, merged)
        && next.next_sequence > silver.stored.next_sequence
    {
        // What a transform drops and takes up again is no news of the source.
        if silver.transform.digest().is_none() {
            done.deletes_without_row = merged.plan.deletes_without_row;
            done.updates_without_row = merged.plan.updates_without_row;
        }
        done.unsent_without_row = merged.plan.unsent_without_row;
        let transform = silver.transform.digest().map(str::to_owned);
        let anew = next.position.generation() > silver.stored.position.generation();
        let stored = Checkpoint { bronze_snapshot: tables.bronze.table.snapshot_id(), transform, ..next };
        commit_silver(context, silver, merged, changes.silver, stored, anew).await?;
    }
    Ok(done)
}

/// Batches as Silver merges them.
#[derive(Debug, Default)]
struct ShapedBatches {
    /// One for each batch.
    parts: Vec<MergePart>,
    /// Of each part the rows of its batch that its rows come from.
    sources: Vec<Sources>,
    /// Rows that the transform rejected.
    rejects: Vec<Reject>,
}

/// The rows of a batch that shaped rows come from.
#[derive(Debug)]
struct Sources {
    rows: usize,
    of: Option<UInt32Array>,
}

impl Sources {
    fn of(&self, row: usize) -> usize {
        self.of.as_ref().map_or(row, |sources| sources.value(row) as usize)
    }
}

/// Shapes batches, the first of whose rows has the number `next` in the log.
fn shape(shaping: &Shaping, batches: &[ChangeBatch], mut next: u64) -> Result<ShapedBatches, LaneError> {
    let mut firsts = Vec::with_capacity(batches.len());
    for batch in batches {
        firsts.push(next);
        next += batch.len() as u64;
    }
    let shaped = batches.par_iter().zip(firsts).map(|(batch, first)| shaping.shape(input(batch, first)));
    let shaped: Vec<ShapedPart> = shaped.collect::<Result<_, _>>()?;
    let mut all = ShapedBatches::default();
    for (batch, shaped) in batches.iter().zip(shaped) {
        let place = |row: usize| (Arc::clone(&batch.origin), batch.row_numbers.value(row).unsigned_abs());
        all.rejects.extend(rejects::of_rows(&batch.rows, shaped.rejects, place)?);
        all.sources.push(Sources { rows: shaped.part.ops.len(), of: shaped.sources });
        all.parts.push(shaped.part);
    }
    Ok(all)
}

/// The rows of a batch, whose first row has the number `first` in the log.
fn input(batch: &ChangeBatch, first: u64) -> Input {
    let first = first as i64;
    Input {
        rows: batch.rows.clone(),
        ops: batch.ops.clone(),
        ordinals: Int64Array::from_iter_values(first..first + batch.len() as i64),
        times: batch.commit_times.clone(),
        before: batch.before.clone(),
        unsent: batch.unsent.clone(),
    }
}

/// The place of each shaped row: the order of its file and its number there.
fn places<'a>(batches: &'a [ChangeBatch], sources: &[Sources]) -> Vec<(&'a str, i64)> {
    let all = batches.iter().zip(sources).flat_map(|(batch, sources)| {
        let number = |row| batch.row_numbers.value(sources.of(row));
        (0..sources.rows).map(move |row| (batch.origin.order.as_str(), number(row)))
    });
    all.collect()
}

fn count(batches: &[ChangeBatch]) -> Done {
    let mut done = Done::default();
    for batch in batches {
        done.counts.add_ops(&batch.ops);
        done.counts.rejected += batch.rejects.len() as u64;
        let times = batch.commit_times.as_ref().and_then(|times| {
            let oldest_us = times.iter().flatten().min()?;
            Some(SourceTimes { oldest_us, newest_us: times.iter().flatten().max()? })
        });
        done.source_times = match (done.source_times, times) {
            (Some(all), Some(times)) => Some(all.union(times)),
            (all, times) => all.or(times),
        };
    }
    done
}

fn next_checkpoint(
    context: &LaneContext,
    tables: &Tables,
    position: &Position,
    done: &Done,
    kind: Kind<'_>,
) -> Result<Checkpoint, LaneError> {
    let stored = &tables.bronze.stored;
    let (commit_id, source_times) = match kind {
        Kind::Replayed(name) => {
            let id = Uuid::new_v5(&tables.bronze.table.uuid(), name.as_bytes());
            (id.to_string(), stored.source_times.or(done.source_times))
        }
        Kind::InOrder | Kind::Late => (work_id(&tables.bronze.table, &stored.position, position)?, done.source_times),
    };
    Ok(Checkpoint {
        position: position.clone(),
        next_sequence: stored.next_sequence + done.counts.changes(),
        commit_id,
        writer: context.writer.clone(),
        epoch: epoch(context, stored),
        // Bronze has the rows as they came.
        transform: None,
        bronze_snapshot: None,
        counts: done.counts,
        source_times,
    })
}

/// Counts up when a process takes a table over.
pub fn epoch(context: &LaneContext, stored: &Checkpoint) -> u64 {
    stored.epoch + u64::from(stored.writer != context.writer)
}

/// Names a piece of work: the same table, start and end give the same name.
fn work_id(table: &LakeTable, from: &Position, to: &Position) -> Result<String, LaneError> {
    let mut work = from.to_bytes()?;
    work.extend(to.to_bytes()?);
    Ok(Uuid::new_v5(&table.uuid(), &work).to_string())
}

/// The checkpoint that a commit expects to find, where the table has one.
pub fn expected(stored: &Checkpoint) -> Option<Checkpoint> {
    (!stored.commit_id.is_empty()).then(|| stored.clone())
}

/// Folds parts on the processor pool.
pub async fn fold(context: &LaneContext, silver: &Silver, parts: Vec<MergePart>) -> Result<Fold, LaneError> {
    let (extractor, key) = (Arc::clone(&silver.extractor), silver.key.clone());
    Ok(context.services.cpu.run(move || Fold::new(&extractor, &key, parts)).await?)
}

/// What is to be stored for Silver.
#[derive(Debug)]
pub struct Merged {
    /// The decision.
    pub plan: MergePlan,
    files: Vec<Encoded>,
}

/// A merge on its way to what is stored.
#[derive(Debug)]
enum Planned {
    /// Nothing is missing in its rows.
    Whole(Merged),
    /// Some cells were not sent.
    Open(MergePlan, Encoder),
}

/// Plans the merge and encodes both layers, side by side.
async fn encode(
    context: &LaneContext,
    tables: &Tables,
    changes: &SchemaChanges,
    batches: &Arc<Vec<ChangeBatch>>,
    found: Option<Found>,
) -> Result<(Vec<Encoded>, Option<Planned>), LaneError> {
    let encoder = tables.bronze.table.encoder_after(&changes.bronze)?;
    let schema = tables.bronze.table.arrow_schema_after(&changes.bronze)?;
    let first = tables.bronze.stored.next_sequence;
    let ingested_us = context.services.clock.now_us();
    let batches = Arc::clone(batches);
    let log = move || -> Result<Vec<Encoded>, LaneError> {
        let mut next = first;
        let mut rows = Vec::with_capacity(batches.len());
        for batch in batches.iter().filter(|batch| !batch.is_empty()) {
            rows.push(bronze::rows(batch, next, ingested_us, &schema)?);
            next += batch.len() as u64;
        }
        Ok(if rows.is_empty() { Vec::new() } else { encoder.encode(&rows)? })
    };
    let merge = tables.silver.as_ref().zip(found).map(|(silver, found)| merge_job(silver, &changes.silver, found));
    let merge = merge.transpose()?;
    let (log, merged) = context.services.cpu.run(move || rayon::join(log, || merge.map(|merge| merge()))).await;
    Ok((log?, merged.transpose()?))
}

fn merge_job(
    silver: &Silver,
    change: &SchemaChange,
    found: Found,
) -> Result<impl FnOnce() -> Result<Planned, LaneError> + Send + use<>, LaneError> {
    let encoder = silver.table.encoder_after(change)?;
    Ok(move || {
        let plan = found.plan()?;
        if plan.missing.is_some() {
            return Ok(Planned::Open(plan, encoder));
        }
        let files = encode_rows(&encoder, &plan.rows)?;
        Ok(Planned::Whole(Merged { plan, files }))
    })
}

fn encode_rows(encoder: &Encoder, rows: &[RecordBatch]) -> Result<Vec<Encoded>, LaneError> {
    let rows: Vec<RecordBatch> = rows.iter().filter(|rows| rows.num_rows() > 0).cloned().collect();
    Ok(if rows.is_empty() { Vec::new() } else { encoder.encode(&rows)? })
}

/// Reads back what cells that were not sent shall keep, fills them in and encodes the rows.
async fn complete(
    context: &LaneContext,
    silver: &Silver,
    change: &SchemaChange,
    planned: Planned,
) -> Result<Merged, LaneError> {
    let (mut plan, encoder) = match planned {
        Planned::Whole(merged) => return Ok(merged),
        Planned::Open(plan, encoder) => (plan, encoder),
    };
    let Some(missing) = plan.missing.take() else {
        let files = encode_rows(&encoder, &plan.rows)?;
        return Ok(Merged { plan, files });
    };
    let schema = Arc::new(silver.row_schema(change)?.project(&missing.columns)?);
    let stored = read_back(silver, &missing, &schema).await?;
    context
        .services
        .cpu
        .run(move || {
            let stored = stored.map(|stored| conform(&stored, &schema)).transpose()?;
            plan.rows = missing.fill(&plan.rows, stored.as_ref())?;
            let files = encode_rows(&encoder, &plan.rows)?;
            Ok(Merged { plan, files })
        })
        .await
}

/// The rows of Silver that unsent cells take their values from, as far as Silver has their columns.
async fn read_back(silver: &Silver, missing: &Missing, schema: &Schema) -> Result<Option<RecordBatch>, LaneError> {
    let held = silver.table.arrow_schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let names: Vec<&str> = names.filter(|name| held.field_with_name(name).is_ok()).collect();
    if names.is_empty() || missing.wanted.is_empty() {
        return Ok(None);
    }
    let files = missing.wanted.chunk_by(|a, b| a.file() == b.file());
    let files = files.filter_map(|run| {
        Some((FileId(run.first()?.file()), run.iter().map(|location| location.position()).collect::<Vec<u32>>()))
    });
    Ok(Some(silver.table.take(&files.collect::<Vec<_>>(), &names).await?))
}

/// Plans and encodes Silver alone, for changes that Bronze already holds.
pub async fn merge(
    context: &LaneContext,
    silver: &Silver,
    change: &SchemaChange,
    fold: Fold,
) -> Result<Merged, LaneError> {
    let found = index::find(context, silver, fold).await?;
    let planned = context.services.cpu.run(merge_job(silver, change, found)?).await?;
    complete(context, silver, change, planned).await
}

async fn commit_bronze(
    bronze: &mut Bronze,
    log: Vec<Encoded>,
    schema: SchemaChange,
    next: &Checkpoint,
) -> Result<(), LaneError> {
    failpoint::hit("bronze.before-files");
    let files = bronze.table.store(log).await?;
    let change = TableChange {
        files,
        schema,
        checkpoint: next.clone(),
        expected: expected(&bronze.stored),
        ..TableChange::default()
    };
    land(&mut bronze.table, change).await?;
    bronze.stored = next.clone();
    Ok(())
}

/// Stores and commits what was merged, then lets the index follow. A truncate with which the table begins `anew` leaves what
/// readers see as it is until the new rows are all there.
pub async fn commit_silver(
    context: &LaneContext,
    silver: &mut Silver,
    merged: Merged,
    schema: SchemaChange,
    next: Checkpoint,
    anew: bool,
) -> Result<(), LaneError> {
    if anew && merged.plan.truncated {
        reload::begin(context, silver).await?;
    }
    failpoint::hit("silver.before-files");
    let files = silver.table.store(merged.files).await?;
    let (placed, written) = (placed(&files), files.clone());
    let plan = merged.plan;
    let change = TableChange {
        files,
        deletes: plan.deletes.iter().map(|(file, positions)| (FileId(*file), positions.clone())).collect(),
        replace_all: plan.truncated,
        checkpoint: next.clone(),
        expected: expected(&silver.stored),
        schema,
    };
    let snapshot = land(&mut silver.table, change).await?;
    silver.stored = next;
    if plan.unsent_without_row > 0 {
        warn!(
            table = %context.table(), rows = plan.unsent_without_row,
            "columns that were not sent are null, for Silver did not have their rows"
        );
    }
    failpoint::hit("index.before-apply");
    if silver.table.take_foreign().changed {
        // It landed on top of, or below, what another writer did.
        return index::follow_foreign(context, silver).await;
    }
    let index = silver.index.clone();
    let apply = move || {
        if plan.truncated {
            index.clear()?;
        }
        index.apply(plan.keys(), &plan.locations(&placed), &written, snapshot)
    };
    Ok(context.services.cpu.run(apply).await?)
}

/// Where each added row lies, by its place among the rows that were encoded.
fn placed(files: &[WrittenFile]) -> Vec<Location> {
    let total: u64 = files.iter().map(|file| file.records).sum();
    let mut placed = vec![Location::ABSENT; total as usize];
    let mut next = 0;
    for file in files {
        for position in 0..file.records as u32 {
            let row = match &file.rows {
                Some(rows) => rows[position as usize] as usize,
                None => next + position as usize,
            };
            placed[row] = Location::new(file.id.0, position);
        }
        next += file.records as usize;
    }
    placed
}

/// Commits, and turns the outcomes that end this session into errors.
pub async fn land(table: &mut LakeTable, change: TableChange) -> Result<i64, LaneError> {
    let files = change.files.clone();
    let error = match table.commit(change).await {
        Ok(Outcome::Landed { snapshot_id }) => return Ok(snapshot_id),
        // Whether it landed is not known: the files may be the table's.
        Err(error @ LakeError::Unresolved { .. }) => return Err(error.into()),
        Err(error) => error.into(),
        Ok(Outcome::Fenced { by, detail }) => {
            LaneError::Fenced(format!("{} was taken over by {by}: {detail}", table.ident()))
        }
        Ok(Outcome::Moved) => LaneError::Moved(table.ident().to_string()),
    };
    table.discard(files).await;
    Err(error)
}
