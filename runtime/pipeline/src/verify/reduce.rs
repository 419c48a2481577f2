//! Changes of keys that do not fit into memory together: those that cannot matter any more go early.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use sluice_index::Keys;

use super::events::Events;
use crate::merge::Distinct;

/// Drops events that have a later one of their key, in the order of the source, which was sent whole or removes the key.
///
/// What the others come to stays the same, unless a row takes values from one of another key.
pub fn reduce(batches: &[RecordBatch], like: &Keys) -> Result<Option<RecordBatch>, ArrowError> {
    let Some(first) = batches.first() else { return Ok(None) };
    let all = concat_batches(&first.schema(), batches)?;
    let events = Events::of(&all);
    let mut keys = Distinct::new(like, 0);
    let mut slots = Vec::with_capacity(events.len());
    // Of each key the last event that needs none before it.
    let mut bases: Vec<Option<usize>> = Vec::new();
    for row in 0..events.len() {
        let slot = keys.slot(&events.keys, row);
        if slot == bases.len() {
            bases.push(None);
        }
        slots.push(slot);
        let is_base = events.unsent(row).is_none();
        if is_base && bases[slot].is_none_or(|base| events.place(base) <= events.place(row)) {
            bases[slot] = Some(row);
        }
    }
    let matters = |(row, slot): (usize, &usize)| {
        // Of one place the later one counts.
        Some(bases[*slot].is_none_or(|base| (events.place(base), base) <= (events.place(row), row)))
    };
    let keep: BooleanArray = slots.iter().enumerate().map(matters).collect();
    filter_record_batch(&all, &keep).map(Some)
}
