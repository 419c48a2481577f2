//! A component as the transform of one table.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::ArrowError;
use rayon::prelude::*;
use sluice_change::TableSchema;

use super::assemble::{Shown, assemble};
use super::bindings::{InputColumn, Plan, Setup};
use super::call::{Caller, Cost, Failure};
use super::code::Code;
use super::engine::Engines;
use super::lend::lend;
use super::outcome::Outcome;
use super::plan::CheckedPlan;
use super::said::Said;
use super::voice::Voice;
use crate::{ComponentSettings, Input, Shaped, Transform, TransformError};

/// Most rows that a guest gets at once.
const BATCH_ROWS: usize = 65_536;
/// Rows that may fail in every batch, whatever the share.
const ALWAYS_ALLOWED: usize = 16;
/// Plans of different schemas that are kept.
const KEPT_PLANS: usize = 8;

/// A component that shapes one table.
#[derive(Debug)]
pub struct ComponentTransform {
    pub(super) engines: Arc<Engines>,
    pub(super) code: Arc<Code>,
    settings: ComponentSettings,
    table: String,
    digest: String,
    ready: Mutex<Vec<(TableSchema, Arc<Ready>)>>,
    voice: Voice,
}

/// What `configure` is told for a schema, and what it answered.
#[derive(Debug)]
struct Ready {
    setup: Setup,
    plan: CheckedPlan,
}

/// What a trial run showed.
#[derive(Debug)]
pub struct Trial {
    /// The rows that came out.
    pub shaped: Shaped,
    /// What the component said.
    pub said: Said,
    /// What it cost, all its calls together.
    pub cost: Cost,
}

impl ComponentTransform {
    pub(super) fn new(engines: Arc<Engines>, code: Arc<Code>, settings: ComponentSettings) -> Self {
        let digest = format!("sha256:{}", code.digest);
        let table = settings.table.to_string();
        let voice = Voice::new(&table, &settings.name);
        Self { engines, code, settings, table, digest, ready: Mutex::new(Vec::new()), voice }
    }

    /// What it answers for a table, as it said it.
    pub fn plan(&self, input: &TableSchema) -> Result<Plan, TransformError> {
        Ok(self.ready(input)?.plan.said.clone())
    }

    /// What the component added to its metrics, by name, since it was loaded.
    pub fn metrics(&self) -> std::collections::BTreeMap<String, f64> {
        self.voice.metrics()
    }

    /// Shapes rows and tells what it cost; with `count_fuel` the fuel too, which costs time.
    pub fn try_rows(&self, schema: &TableSchema, input: Input, count_fuel: bool) -> Result<Trial, TransformError> {
        let ready = self.ready(schema)?;
        let caller = self.caller(&ready.setup, count_fuel);
        let run = Run { transform: self, caller, plan: &ready.plan, input: &input, failed: AtomicUsize::new(0) };
        run.all()
    }

    fn setup(&self, input: &TableSchema) -> Setup {
        let column = |column: &sluice_change::Column| InputColumn {
            name: column.name.clone(),
            data_type: column.column_type.to_string(),
            nullable: !input.is_key(&column.name),
            key: input.is_key(&column.name),
        };
        Setup {
            table: self.table.clone(),
            settings: self.settings.settings.reveal().to_owned(),
            seed: super::code::digest(format!("sluice seed of {}", self.table).as_bytes()),
            columns: input.columns.iter().map(column).collect(),
        }
    }

    fn ready(&self, input: &TableSchema) -> Result<Arc<Ready>, TransformError> {
        let mut known = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ready)) = known.iter().find(|(schema, _)| schema == input) {
            return Ok(Arc::clone(ready));
        }
        let setup = self.setup(input);
        let (plan, said) = self.caller(&setup, false).configure(input).map_err(|failure| match failure {
            Failure::Rows(reason) => {
                TransformError::Refused { transform: self.settings.name.clone(), table: self.table.clone(), reason }
            }
            other => self.whole(other, 0),
        })?;
        self.voice.pass_on(said);
        let ready = Arc::new(Ready { setup, plan });
        if known.len() >= KEPT_PLANS {
            known.remove(0);
        }
        known.push((input.clone(), Arc::clone(&ready)));
        Ok(ready)
    }

    fn caller<'a>(&'a self, setup: &'a Setup, count_fuel: bool) -> Caller<'a> {
        Caller { engines: &self.engines, code: &self.code, limits: &self.settings.limits, setup, count_fuel }
    }

    fn whole(&self, failure: Failure, rows: usize) -> TransformError {
        let transform = self.settings.name.clone();
        match failure {
            Failure::Deadline => TransformError::Deadline {
                transform,
                milliseconds: self.settings.limits.deadline.as_millis() as u64,
                rows,
            },
            Failure::Rows(reason) | Failure::Host(reason) => TransformError::Host { transform, reason },
        }
    }
}

impl Transform for ComponentTransform {
    fn digest(&self) -> Option<&str> {
        Some(&self.digest)
    }

    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        Ok(self.ready(input)?.plan.output.clone())
    }

    fn changes_key(&self, input: &TableSchema) -> Result<bool, TransformError> {
        Ok(self.ready(input)?.plan.own_key)
    }

    fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, TransformError> {
        let trial = self.try_rows(schema, input, false)?;
        self.voice.pass_on(trial.said);
        Ok(trial.shaped)
    }
}

/// One input on its way through.
struct Run<'a> {
    transform: &'a ComponentTransform,
    caller: Caller<'a>,
    plan: &'a CheckedPlan,
    input: &'a Input,
    failed: AtomicUsize,
}

/// A stretch that has been shaped; its row numbers are the input's.
type Piece = (Shaped, Said, Cost);

impl Run<'_> {
    fn all(&self) -> Result<Trial, TransformError> {
        let rows = self.input.ops.len();
        let ranges: Vec<Range<usize>> =
            (0..rows.div_ceil(BATCH_ROWS).max(1)).map(|n| n * BATCH_ROWS..rows.min((n + 1) * BATCH_ROWS)).collect();
        let pieces: Vec<Piece> = match ranges.as_slice() {
            [one] => self.stretch(one.clone())?,
            many => {
                let all: Result<Vec<Vec<Piece>>, TransformError> =
                    many.par_iter().map(|range| self.stretch(range.clone())).collect();
                all?.into_iter().flatten().collect()
            }
        };
        let mut said = Said::default();
        let mut cost: Option<Cost> = None;
        let mut shaped = Vec::with_capacity(pieces.len());
        for (piece, words, price) in pieces {
            shaped.push(piece);
            said.extend(words);
            cost = Some(cost.map_or(price, |cost| cost.and(price)));
        }
        let shaped = Shaped::concat(shaped).map_err(|error| self.host(&error))?;
        Ok(Trial { shaped, said, cost: cost.unwrap_or_default() })
    }

    /// Shapes a stretch, cut in two as long as it fails, until the rows at fault stand alone.
    fn stretch(&self, range: Range<usize>) -> Result<Vec<Piece>, TransformError> {
        let stretch = self.input.slice(range.clone());
        let failure = match self.attempt(&stretch)? {
            Ok((mut shaped, said, cost)) => {
                shaped.move_to(range.start as u32, range.len() == self.input.ops.len());
                return Ok(vec![(shaped, said, cost)]);
            }
            Err(failure) => failure,
        };
        match failure {
            Failure::Host(_) => Err(self.transform.whole(failure, range.len())),
            Failure::Deadline if range.len() == 1 => Err(self.transform.whole(failure, 1)),
            Failure::Rows(reason) if range.len() == 1 => {
                self.count_failure(&reason)?;
                let nothing = Outcome::rejecting(self.plan, reason);
                let everything = Shown(None);
                let mut shaped =
                    assemble(self.plan, &stretch, &everything, nothing).map_err(|error| self.host(&error))?;
                shaped.move_to(range.start as u32, false);
                Ok(vec![(shaped, Said::default(), Cost::default())])
            }
            Failure::Rows(_) | Failure::Deadline => {
                let middle = range.start + range.len() / 2;
                let mut pieces = self.stretch(range.start..middle)?;
                pieces.extend(self.stretch(middle..range.end)?);
                Ok(pieces)
            }
        }
    }

    fn count_failure(&self, reason: &str) -> Result<(), TransformError> {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        let (rows, share) = (self.input.ops.len(), self.transform.settings.limits.max_failed_share);
        if failed <= ALWAYS_ALLOWED.max((rows as f64 * share) as usize) {
            return Ok(());
        }
        Err(TransformError::TooManyFailures {
            transform: self.transform.settings.name.clone(),
            failed,
            rows,
            share,
            first: reason.to_owned(),
        })
    }

    fn host(&self, error: &ArrowError) -> TransformError {
        TransformError::Host { transform: self.transform.settings.name.clone(), reason: error.to_string() }
    }

    fn attempt(&self, stretch: &Input) -> Result<Result<Piece, Failure>, TransformError> {
        let shown = Shown::of(&stretch.ops, self.plan);
        let rows = shown.len(stretch.ops.len());
        let lent = lend(self.plan, stretch, &shown).map_err(|error| self.host(&error))?;
        let (outcome, said, cost) = if rows == 0 {
            (Outcome::empty(self.plan), Said::default(), Cost::default())
        } else {
            let answer = match self.caller.transform(self.plan, &lent) {
                Ok(answer) => answer,
                Err(failure) => return Ok(Err(failure)),
            };
            if self.is_sampled(stretch) {
                match self.caller.transform(self.plan, &lent) {
                    Ok((again, _, _)) if again == answer.0 => {}
                    Err(Failure::Deadline | Failure::Host(_)) => {}
                    _ => return Err(self.not_deterministic(format!("the same {rows} rows gave different answers"))),
                }
            }
            answer
        };
        let limit = self.transform.settings.limits.max_output_bytes;
        let passing = stretch.rows.get_array_memory_size();
        if let Err(reason) = outcome.check_size(passing, rows, limit) {
            return Ok(Err(Failure::Rows(reason)));
        }
        let shaped = assemble(self.plan, stretch, &shown, outcome).map_err(|error| self.host(&error))?;
        if self.is_sampled(stretch) && rows > 1 {
            self.check_cut(stretch, &shaped)?;
        }
        Ok(Ok((shaped, said, cost)))
    }

    /// Whether the rows come to the same where the batch is cut, as it will be when Silver is made anew from Bronze.
    fn check_cut(&self, stretch: &Input, whole: &Shaped) -> Result<(), TransformError> {
        let (rows, middle) = (stretch.ops.len(), stretch.ops.len() / 2);
        let mut halves = Vec::with_capacity(2);
        for range in [0..middle, middle..rows] {
            let (start, half) = (range.start as u32, stretch.slice(range));
            let shown = Shown::of(&half.ops, self.plan);
            let lent = lend(self.plan, &half, &shown).map_err(|error| self.host(&error))?;
            let outcome = match shown.len(half.ops.len()) {
                0 => Outcome::empty(self.plan),
                _ => match self.caller.transform(self.plan, &lent) {
                    Ok((outcome, _, _)) => outcome,
                    Err(Failure::Deadline | Failure::Host(_)) => return Ok(()),
                    Err(Failure::Rows(reason)) => {
                        return Err(
                            self.not_deterministic(format!("{rows} rows went well and half of them failed: {reason}"))
                        );
                    }
                },
            };
            let mut shaped = assemble(self.plan, &half, &shown, outcome).map_err(|error| self.host(&error))?;
            shaped.move_to(start, false);
            halves.push(shaped);
        }
        let halves = Shaped::concat(halves).map_err(|error| self.host(&error))?;
        if halves.is_same_as(whole) {
            return Ok(());
        }
        Err(self.not_deterministic(format!(
            "{rows} rows gave something else when they were cut in two: a row may depend on itself, the settings and the \
             seed alone"
        )))
    }

    fn not_deterministic(&self, reason: String) -> TransformError {
        TransformError::NotDeterministic { transform: self.transform.settings.name.clone(), reason }
    }

    /// Whether this batch is run again; decided by the number of its first row, so that it is the same batches each time.
    fn is_sampled(&self, stretch: &Input) -> bool {
        let share = self.transform.settings.limits.check_determinism;
        let first = stretch.ordinals.values().first().copied().unwrap_or_default();
        // Fibonacci hashing spreads numbers that lie close together.
        let spread = (first as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        share > 0.0 && (spread as f64) < share * (1_u64 << 53) as f64
    }
}
