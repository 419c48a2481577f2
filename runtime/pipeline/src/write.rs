//! Writes one batch: dead letters, then Bronze, then Silver, each in one atomic commit that carries the position.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use sluice_change::{ChangeBatch, ChangeCounts, Checkpoint, Position, SchemaChange, SourceTimes, TableSchema, conform};
use sluice_index::Location;
use sluice_lake::{Encoded, Encoder, FileId, LakeError, LakeTable, Outcome, TableChange, WrittenFile};
use sluice_platform::failpoint;
use sluice_transform::{Input, Transform};
use tracing::warn;
use uuid::Uuid;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::merge::{Fold, MergePart, MergePlan, Missing, UnsentCells};
use crate::tables::{self, Bronze, SchemaChanges, Silver, Tables};
use crate::{bronze, index_build, late, rejects};

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
    let changes = tables.follow(context, &batches)?;
    if let Some(silver) = &mut tables.silver {
        index_build::follow_key(context, silver, &changes.silver).await?;
    }
    let shaping = Shaping::of(context, tables, &changes.silver)?;
    let (batches, parts, done) = context
        .services
        .cpu
        .run(move || -> Result<_, LaneError> {
            let parts = match &shaping {
                Some(shaping) => shaping.parts(&batches)?,
                None => Vec::new(),
            };
            let done = count(&batches);
            Ok((batches, parts, done))
        })
        .await?;
    let batches = Arc::new(batches);
    let next = next_checkpoint(context, tables, &position, &done, kind)?;

    let mut fold = match &tables.silver {
        Some(silver) => Some(fold(context, silver, parts).await?),
        None => None,
    };
    if let (Kind::Late | Kind::Replayed(_), Some(fold), Some(silver)) = (kind, &mut fold, &tables.silver) {
        let places = late::places(&batches, fold.rows());
        late::supersede(&tables.bronze.table, silver, &places, fold).await?;
    }
    let (log, planned) = encode(context, tables, &changes, &batches, fold).await?;
    let merged = match (&tables.silver, planned) {
        (Some(silver), Some(planned)) => Some(complete(context, silver, &changes.silver, planned).await?),
        _ => None,
    };
    commit_rejects(context, tables, &batches, &next).await?;
    commit_bronze(&mut tables.bronze, log, changes.bronze, &next).await?;
    failpoint::hit("between-bronze-and-silver");
    let mut done = done;
    if let (Some(silver), Some(merged)) = (&mut tables.silver, merged)
        && next.next_sequence > silver.stored.next_sequence
    {
        done.deletes_without_row = merged.plan.deletes_without_row;
        done.updates_without_row = merged.plan.updates_without_row;
        done.unsent_without_row = merged.plan.unsent_without_row;
        let stored = Checkpoint { bronze_snapshot: tables.bronze.table.snapshot_id(), ..next };
        commit_silver(context, silver, merged, changes.silver, stored).await?;
    }
    Ok(done)
}

/// What it takes to make the rows that Silver merges, after the transform, in Silver's schema.
struct Shaping {
    transform: Arc<dyn Transform>,
    source: TableSchema,
    schema: SchemaRef,
    key_schema: SchemaRef,
    /// Rows that Silver has already.
    ahead: u64,
}

impl Shaping {
    fn of(context: &LaneContext, tables: &Tables, change: &SchemaChange) -> Result<Option<Self>, LaneError> {
        let Some(silver) = &tables.silver else { return Ok(None) };
        let first = tables.bronze.stored.next_sequence;
        Ok(Some(Self {
            transform: Arc::clone(&context.transform),
            source: tables.schema.clone(),
            schema: silver.row_schema(change)?,
            key_schema: Arc::clone(&silver.key_schema),
            // Silver can be ahead only after Bronze was rolled back by hand.
            ahead: silver.stored.next_sequence.saturating_sub(first),
        }))
    }

    fn parts(&self, batches: &[ChangeBatch]) -> Result<Vec<MergePart>, LaneError> {
        let mut ahead = self.ahead;
        let mut parts = Vec::with_capacity(batches.len());
        for batch in batches {
            let skip = ahead.min(batch.len() as u64) as usize;
            let left = batch.len() - skip;
            ahead -= skip as u64;
            let input = Input {
                rows: batch.rows.clone(),
                ops: batch.ops.clone(),
                ordinals: Int64Array::from_iter_values(0..batch.len() as i64),
                times: batch.commit_times.clone(),
                before: batch.before.clone(),
                unsent: batch.unsent.clone(),
            };
            let shaped = self.transform.shape(&self.source, input)?;
            let rows = conform(&shaped.rows.slice(skip, left), &self.schema)?;
            let before = match &batch.before {
                Some(before) => Some(conform(&before.slice(skip, left), &self.key_schema)?.columns().to_vec()),
                None => None,
            };
            let unsent = match &batch.unsent {
                Some(unsent) if skip == 0 => UnsentCells::of(unsent, &rows),
                Some(unsent) => unsent.slice(skip, left).and_then(|unsent| UnsentCells::of(&unsent, &rows)),
                None => None,
            };
            parts.push(MergePart { rows, ops: batch.ops[skip..].to_vec(), before, unsent });
        }
        Ok(parts)
    }
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
        transform: context.transform.digest().map(str::to_owned),
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
    fold: Option<Fold>,
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
    let merge = tables.silver.as_ref().zip(fold).map(|(silver, fold)| merge_job(silver, &changes.silver, fold));
    let merge = merge.transpose()?;
    let (log, merged) = context.services.cpu.run(move || rayon::join(log, || merge.map(|merge| merge()))).await;
    Ok((log?, merged.transpose()?))
}

fn merge_job(
    silver: &Silver,
    change: &SchemaChange,
    fold: Fold,
) -> Result<impl FnOnce() -> Result<Planned, LaneError> + Send + use<>, LaneError> {
    let (encoder, index) = (silver.table.encoder_after(change)?, silver.index.clone());
    Ok(move || {
        let plan = fold.plan(index.lock().as_ref())?;
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
    let planned = context.services.cpu.run(merge_job(silver, change, fold)?).await?;
    complete(context, silver, change, planned).await
}

async fn commit_rejects(
    context: &LaneContext,
    tables: &mut Tables,
    batches: &[ChangeBatch],
    next: &Checkpoint,
) -> Result<(), LaneError> {
    if batches.iter().all(|batch| batch.rejects.is_empty()) {
        return Ok(());
    }
    failpoint::hit("rejects.before-files");
    let mut table = match tables.rejects.take() {
        Some(table) => table,
        None => tables::create_rejects(context).await?,
    };
    let stored = table.checkpoint()?;
    let all = batches.iter().flat_map(|batch| &batch.rejects);
    let new = rejects::not_stored(all, stored.as_ref(), &next.commit_id);
    if !new.is_empty() {
        let rows = rejects::rows(&new, context.services.clock.now_us(), &table)?;
        let files = table.write(vec![rows]).await?;
        let expected = stored.clone();
        let mut position = next.position.clone();
        if let Some(stored) = &stored {
            // Not only what Bronze will cover: an attempt that died may have been further in some files.
            position.merge(&stored.position);
        }
        let epoch = stored.map_or(1, |stored| epoch(context, &stored));
        let counts = ChangeCounts { rejected: new.len() as u64, ..ChangeCounts::default() };
        let checkpoint = Checkpoint { position, epoch, counts, next_sequence: 0, ..next.clone() };
        land(&mut table, TableChange { files, checkpoint, expected, ..TableChange::default() }).await?;
    }
    tables.rejects = Some(table);
    Ok(())
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

/// Stores and commits what was merged, then lets the index follow.
pub async fn commit_silver(
    context: &LaneContext,
    silver: &mut Silver,
    merged: Merged,
    schema: SchemaChange,
    next: Checkpoint,
) -> Result<(), LaneError> {
    failpoint::hit("silver.before-files");
    let files = silver.table.store(merged.files).await?;
    let placed = placed(&files);
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
    if silver.table.foreign().changed {
        // It landed on top of, or below, what another writer did; the index does not know that.
        return Err(LaneError::Moved(silver.table.ident().to_string()));
    }
    failpoint::hit("index.before-apply");
    let index = silver.index.clone();
    context
        .services
        .cpu
        .run(move || {
            let mut index = index.lock();
            if plan.truncated {
                index.clear();
            }
            index.apply(plan.keys(), &plan.locations(&placed), Some(snapshot))
        })
        .await?;
    Ok(())
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
