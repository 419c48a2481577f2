//! A guest's answer becomes changes: kept, dropped and rejected rows in their order, with what passed by.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{ArrowError, Field, Schema};
use arrow_select::take::{take, take_record_batch};
use sluice_change::{Op, Unsent};

use super::outcome::Outcome;
use super::plan::CheckedPlan;
use crate::{Input, Rejected, Shaped};

/// Which rows of a stretch a guest sees: all of them, or those with these numbers.
#[derive(Debug)]
pub(super) struct Shown(pub Option<Vec<u32>>);

impl Shown {
    /// Truncates pass by, and deletes unless the plan wants them.
    pub fn of(ops: &[Op], plan: &CheckedPlan) -> Self {
        let hidden = |op: &Op| *op == Op::Truncate || (*op == Op::Delete && !plan.said.deletes);
        if !ops.iter().any(hidden) {
            return Self(None);
        }
        let shown = ops.iter().enumerate().filter(|(_, op)| !hidden(op)).map(|(row, _)| row as u32);
        Self(Some(shown.collect()))
    }

    /// How many.
    pub fn len(&self, rows: usize) -> usize {
        self.0.as_ref().map_or(rows, Vec::len)
    }
}

/// Puts a stretch of input and the answer for its shown rows together. Row numbers are those of the stretch.
pub(super) fn assemble(
    plan: &CheckedPlan,
    input: &Input,
    shown: &Shown,
    outcome: Outcome,
) -> Result<Shaped, ArrowError> {
    let unsent = UnsentAfter::new(plan, input.unsent.as_ref());
    let untouched = shown.0.is_none()
        && outcome.sources.is_none()
        && outcome.rejected.is_none()
        && outcome.ops.is_none()
        && outcome.keep.as_ref().is_none_or(|keep| keep.null_count() == 0 && keep.true_count() == keep.len())
        && unsent.conflicts.is_empty()
        && sound(plan, &outcome);
    if untouched {
        let rows = columns(
            plan,
            &input.rows,
            &outcome.columns,
            |column| Ok(Arc::clone(column)),
            |column| Ok(Arc::clone(column)),
        )?;
        let unsent = unsent.patterns.and_then(|patterns| {
            input.unsent.as_ref().and_then(|unsent| Unsent::new(unsent.rows().to_vec(), patterns))
        });
        let before = input.before.clone().filter(|_| !plan.own_key);
        return Ok(Shaped { rows, ops: input.ops.clone(), sources: None, before, unsent, rejects: Vec::new() });
    }
    let walk = Walk::new(plan, input, shown, &outcome, &unsent);
    let sources = UInt32Array::from(walk.sources);
    let places = UInt32Array::from(walk.places);
    let rows = columns(
        plan,
        &input.rows,
        &outcome.columns,
        |column| take(column, &sources, None),
        |column| take(column, &places, None),
    )?;
    let before = match &input.before {
        Some(before) if !plan.own_key => Some(take_record_batch(before, &sources)?),
        _ => None,
    };
    let unsent = unsent.patterns.zip(input.unsent.as_ref()).and_then(|(patterns, unsent)| {
        let whole = |op: &Op| *op == Op::Delete;
        let of = |(source, op): (&u32, &Op)| if whole(op) { 0 } else { unsent.rows()[*source as usize] };
        Unsent::new(sources.values().iter().zip(&walk.ops).map(of).collect(), patterns)
    });
    Ok(Shaped { rows, ops: walk.ops, sources: Some(sources), before, unsent, rejects: walk.rejects })
}

/// Whether no row has a null where the plan allows none.
fn sound(plan: &CheckedPlan, outcome: &Outcome) -> bool {
    let mut written = plan.writes.iter().zip(&outcome.columns);
    written.all(|(write, column)| column.null_count() == 0 || (write.nullable && !is_own_key(plan, &write.name)))
}

fn is_own_key(plan: &CheckedPlan, name: &str) -> bool {
    plan.own_key && plan.output.is_key(name)
}

/// The columns that come out, as far as the input has them.
fn columns(
    plan: &CheckedPlan,
    rows: &RecordBatch,
    written: &[ArrayRef],
    pass: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
    write: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(plan.output.columns.len());
    let mut arrays = Vec::with_capacity(plan.output.columns.len());
    for column in &plan.output.columns {
        let array = match plan.writes.iter().position(|write| write.name == column.name) {
            Some(place) => write(&written[place])?,
            None => match rows.column_by_name(&column.name) {
                Some(array) => pass(array)?,
                None => continue,
            },
        };
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let count = arrays.first().map_or(0, |array| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// Goes through the input's rows in order and says what comes out of each.
struct Walk {
    /// The input row of each output row.
    sources: Vec<u32>,
    /// The guest's row of each output row; none where it has none.
    places: Vec<Option<u32>>,
    ops: Vec<Op>,
    rejects: Vec<Rejected>,
}

impl Walk {
    fn new(plan: &CheckedPlan, input: &Input, shown: &Shown, outcome: &Outcome, unsent: &UnsentAfter) -> Self {
        let rows = input.ops.len();
        let mut walk = Self {
            sources: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            ops: Vec::with_capacity(rows),
            rejects: Vec::new(),
        };
        let watched: Vec<usize> = (0..plan.writes.len())
            .filter(|place| {
                let write = &plan.writes[*place];
                outcome.columns[*place].null_count() > 0 && (!write.nullable || is_own_key(plan, &write.name))
            })
            .collect();
        let (mut seen, mut returned) = (0, 0);
        for row in 0..rows as u32 {
            let op = input.ops[row as usize];
            let is_shown = match &shown.0 {
                None => true,
                Some(shown) => shown.get(seen) == Some(&row),
            };
            if !is_shown {
                walk.push(row, None, op);
                continue;
            }
            let from = returned;
            if let Some(sources) = &outcome.sources {
                while returned < sources.len() && sources.value(returned) as usize == seen {
                    returned += 1;
                }
            }
            let own = if outcome.sources.is_some() { from..returned } else { seen..seen + 1 };
            let dropped = outcome.keep.as_ref().is_some_and(|keep| keep.is_null(seen) || !keep.value(seen));
            let answered = |place: usize| outcome.ops.as_ref().and_then(|ops| ops[place]).unwrap_or(op);
            let fate = |place: usize| if dropped { Op::Delete } else { answered(place) };
            let reason = outcome.rejected.as_ref().filter(|reasons| reasons.is_valid(seen));
            let reject = match reason {
                Some(reasons) => Some((None, reasons.value(seen).to_owned())),
                None => own
                    .clone()
                    .find_map(|place| null_fault(plan, outcome, &watched, place, fate(place)))
                    .or_else(|| unsent.conflict(row).filter(|_| !dropped && op != Op::Delete)),
            };
            match reject {
                Some((column, reason)) => {
                    let reason = super::said::shortened(&reason, 1_000);
                    walk.rejects.push(Rejected { row, column, reason });
                }
                None if own.is_empty() && !plan.own_key => walk.push(row, None, Op::Delete),
                None => own.for_each(|place| walk.push(row, Some(place as u32), fate(place))),
            }
            seen += 1;
        }
        walk
    }

    fn push(&mut self, source: u32, place: Option<u32>, op: Op) {
        self.sources.push(source);
        self.places.push(place);
        self.ops.push(op);
    }
}

/// A null where none may be. What is deleted needs its key alone.
fn null_fault(
    plan: &CheckedPlan,
    outcome: &Outcome,
    watched: &[usize],
    place: usize,
    op: Op,
) -> Option<(Option<String>, String)> {
    watched.iter().find_map(|column| {
        let name = &plan.writes[*column].name;
        let key = is_own_key(plan, name);
        if outcome.columns[*column].is_valid(place) || (op == Op::Delete && !key) {
            return None;
        }
        let what = if key { "which belongs to the key" } else { "which may not be null" };
        Some((Some(name.clone()), format!("the transform returned null for `{name}`, {what}")))
    })
}

/// What becomes of cells that were not sent.
struct UnsentAfter {
    /// The names of each pattern after the transform; `None` where everything was sent.
    patterns: Option<Vec<Vec<String>>>,
    /// Patterns whose rows cannot be shaped, and the column that is the reason.
    conflicts: Vec<(u32, String)>,
    rows: Vec<u32>,
}

impl UnsentAfter {
    fn new(plan: &CheckedPlan, unsent: Option<&Unsent>) -> Self {
        let Some(unsent) = unsent else {
            return Self { patterns: None, conflicts: Vec::new(), rows: Vec::new() };
        };
        let mut conflicts = Vec::new();
        let after = |(number, names): (usize, &Vec<String>)| {
            let mut left: Vec<String> = names
                .iter()
                .filter(|name| plan.output.column(name).is_some())
                .filter(|name| !plan.writes.iter().any(|write| write.name == **name))
                .cloned()
                .collect();
            for write in &plan.writes {
                let missing = write.computed_from.iter().filter(|place| names.contains(&plan.reads[**place].name));
                let missing = missing.count();
                if missing > 0 && missing == write.computed_from.len() {
                    left.push(write.name.clone());
                } else if missing > 0 {
                    conflicts.push((number as u32, write.name.clone()));
                }
            }
            left
        };
        let patterns = unsent.patterns().iter().enumerate().map(after).collect();
        Self { patterns: Some(patterns), conflicts, rows: unsent.rows().to_vec() }
    }

    fn conflict(&self, row: u32) -> Option<(Option<String>, String)> {
        let pattern = self.rows.get(row as usize)?;
        let (_, name) = self.conflicts.iter().find(|(conflict, _)| conflict == pattern)?;
        let reason = format!(
            "`{name}` is computed from columns of which the source sent only some; let the source send them all"
        );
        Some((Some(name.clone()), reason))
    }
}
