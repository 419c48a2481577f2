//! What the changes of some keys come to: of each key its last change in the order of the source.

use std::collections::{BTreeMap, HashSet};

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;
use sluice_index::Keys;

use super::events::{Events, Place};
use super::keys::{Key, KeyHash};
use crate::merge::Distinct;

/// An event, by its batch and its row there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    batch: u32,
    row: u32,
}

/// What is known of the keys of a bucket beside its events.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The last truncate of the table: what comes before it in the order of the source does not count.
    pub emptied: Option<&'a Place>,
    /// Hashes keys.
    pub hash: &'a KeyHash,
    /// Keys that are folded elsewhere.
    pub apart: &'a HashSet<u64>,
    /// Keys that are folded here together with those that they once had.
    pub joined: &'a HashSet<u64>,
}

/// The rows that Silver has to hold.
#[derive(Debug)]
pub struct Expected {
    /// The key of each.
    pub keys: Keys,
    /// Silver's columns.
    pub rows: RecordBatch,
    /// Rows whose cell cannot be known, ascending, by column: its change did not send it, and changes came late.
    pub unknown: BTreeMap<usize, Vec<u32>>,
    /// Keys that have changes after the last truncate.
    pub keys_seen: u64,
    /// These changes.
    pub changes_seen: u64,
}

/// Where each cell of a row comes from, if not from its last change.
#[derive(Debug, Default)]
struct Filled {
    /// By column: the row, and the event that has its value; `None`: the key had no row.
    cells: BTreeMap<usize, Vec<(u32, Option<At>)>>,
    unknown: BTreeMap<usize, Vec<u32>>,
}

/// Folds the events of some keys, each key's all together. `batches` are in the order of arrival.
pub fn fold_bucket(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    like: &Keys,
    around: &Surroundings<'_>,
) -> Result<Expected, ArrowError> {
    let events: Vec<Events<'_>> = batches.iter().map(Events::of).collect();
    let mut grouped = Grouped::of(&events, like, around);
    let mut rows: Vec<At> = Vec::new();
    let mut slots: Vec<usize> = Vec::new();
    for (slot, at) in grouped.last.iter().enumerate() {
        if !events[at.batch as usize].removes.value(at.row as usize) {
            rows.push(*at);
            slots.push(slot);
        }
    }
    let mut filled = Filled::default();
    if events.iter().any(|events| !events.are_whole()) {
        let search = Search { chains: Chains::of(&events, &grouped), events: &events, grouped: &grouped, around };
        for (ordinal, at) in rows.iter().enumerate() {
            search.trace(*at, ordinal as u32, &mut filled);
        }
    }
    let keys_seen = grouped.last.len() as u64;
    let changes_seen = grouped.slots.iter().flatten().filter(|slot| **slot != NONE).count() as u64;
    let all = grouped.keys.take_keys();
    let keys = match all {
        Keys::Int(keys) => Keys::Int(slots.iter().map(|slot| keys[*slot]).collect()),
        Keys::Bytes(keys) => {
            let mut left = sluice_index::ByteKeys::default();
            slots.iter().for_each(|slot| left.push(keys.get(*slot)));
            Keys::Bytes(left)
        }
    };
    let rows = assemble(&events, schema, &rows, &filled)?;
    Ok(Expected { keys, rows, unknown: filled.unknown, keys_seen, changes_seen })
}

/// The numbers in the log of all changes of a key, in the order of the source.
pub fn changes_of(batches: &[RecordBatch], key: &Key) -> Vec<i64> {
    let mut found: Vec<((String, i64), i64)> = Vec::new();
    for events in batches.iter().map(Events::of) {
        for row in (0..events.len()).filter(|row| key.is(&events.keys, *row)) {
            let (order, number) = events.place(row);
            found.push(((order.to_owned(), number), events.sequence(row)));
        }
    }
    found.sort();
    let mut sequences: Vec<i64> = found.into_iter().map(|(_, sequence)| sequence).collect();
    sequences.dedup();
    sequences
}

/// Events by their keys.
struct Grouped {
    keys: Distinct,
    /// Of each key the last event in the order of the source.
    last: Vec<At>,
    /// Of each batch the numbers of its events' keys, `NONE` for those that do not count.
    slots: Vec<Vec<u32>>,
}

const NONE: u32 = u32::MAX;

impl Grouped {
    fn of(events: &[Events<'_>], like: &Keys, around: &Surroundings<'_>) -> Self {
        let total = events.iter().map(Events::len).sum();
        let mut keys = Distinct::new(like, total);
        let mut last: Vec<At> = Vec::new();
        let mut slots = Vec::with_capacity(events.len());
        for (batch, of_batch) in events.iter().enumerate() {
            let mut of_events = Vec::with_capacity(of_batch.len());
            for row in 0..of_batch.len() {
                let place = of_batch.place(row);
                let is_before = |emptied: &Place| place < (emptied.order.as_str(), emptied.number);
                let is_apart =
                    || !around.apart.is_empty() && around.apart.contains(&around.hash.of(&of_batch.keys, row));
                if around.emptied.is_some_and(is_before) || is_apart() {
                    of_events.push(NONE);
                    continue;
                }
                let slot = keys.slot(&of_batch.keys, row);
                of_events.push(slot as u32);
                let at = At { batch: batch as u32, row: row as u32 };
                match last.get_mut(slot) {
                    // Of one place the later one counts.
                    Some(known) if place >= events[known.batch as usize].place(known.row as usize) => *known = at,
                    Some(_) => {}
                    None => last.push(at),
                }
            }
            slots.push(of_events);
        }
        Self { keys, last, slots }
    }
}

/// All events of each key in the order of the source.
struct Chains {
    starts: Vec<u32>,
    events: Vec<At>,
}

impl Chains {
    fn of(events: &[Events<'_>], grouped: &Grouped) -> Self {
        let mut starts = vec![0_u32; grouped.last.len() + 1];
        for slot in grouped.slots.iter().flatten().filter(|slot| **slot != NONE) {
            starts[*slot as usize + 1] += 1;
        }
        for slot in 0..grouped.last.len() {
            starts[slot + 1] += starts[slot];
        }
        let mut next = starts.clone();
        let mut all = vec![At { batch: 0, row: 0 }; starts.last().copied().unwrap_or_default() as usize];
        for (batch, slots) in grouped.slots.iter().enumerate() {
            for (row, slot) in slots.iter().enumerate().filter(|(_, slot)| **slot != NONE) {
                let place = &mut next[*slot as usize];
                all[*place as usize] = At { batch: batch as u32, row: row as u32 };
                *place += 1;
            }
        }
        for slot in 0..grouped.last.len() {
            let of_key = &mut all[starts[slot] as usize..starts[slot + 1] as usize];
            of_key.sort_by_key(|at| events[at.batch as usize].place(at.row as usize));
        }
        Self { starts, events: all }
    }

    fn of_key(&self, slot: usize) -> &[At] {
        &self.events[self.starts[slot] as usize..self.starts[slot + 1] as usize]
    }
}

/// Follows keys back to what their rows were before.
struct Search<'a, 'b> {
    events: &'b [Events<'a>],
    grouped: &'b Grouped,
    chains: Chains,
    around: &'b Surroundings<'b>,
}

/// What a key was before an event.
enum Before {
    Row(At),
    Nothing,
    /// It cannot be told.
    Unknown,
}

impl Search<'_, '_> {
    /// Finds the value of every cell that the event did not send.
    fn trace(&self, last: At, ordinal: u32, filled: &mut Filled) {
        let mut open = self.unsent(last);
        let (mut at, mut least) = (last, i64::MAX);
        while !open.is_empty() {
            least = least.min(self.sequence(at));
            match self.before(at, least) {
                Before::Row(before) => {
                    at = before;
                    let still = self.unsent(at);
                    open.retain(|column| {
                        let is_open = still.contains(column);
                        if !is_open {
                            filled.cells.entry(*column).or_default().push((ordinal, Some(at)));
                        }
                        is_open
                    });
                }
                Before::Nothing => {
                    open.drain(..).for_each(|column| filled.cells.entry(column).or_default().push((ordinal, None)));
                }
                Before::Unknown => {
                    open.drain(..).for_each(|column| filled.unknown.entry(column).or_default().push(ordinal));
                }
            }
        }
    }

    /// The row that the key of an event had before it. Where changes came in another order than they happened in, Silver
    /// may have taken the value from another row: `least` is the lowest number in the log of the events so far.
    fn before(&self, at: At, least: i64) -> Before {
        let events = &self.events[at.batch as usize];
        let (before, after) = if let Some(keys) = events.old_keys(at.row as usize) {
            if !self.around.joined.contains(&self.around.hash.of(keys, at.row as usize)) {
                return Before::Unknown;
            }
            let Some(slot) = self.grouped.keys.find(keys, at.row as usize) else { return self.nothing(least) };
            let place = events.place(at.row as usize);
            let chain = self.chains.of_key(slot);
            let split = chain.partition_point(|other| self.place(*other) < place);
            (chain[..split].last().copied(), &chain[split..])
        } else {
            let slot = self.grouped.slots[at.batch as usize][at.row as usize] as usize;
            let chain = self.chains.of_key(slot);
            let split = chain.iter().position(|other| *other == at).unwrap_or_default();
            (chain[..split].last().copied(), &[][..])
        };
        // What the old key had by then was newer already.
        let own = self.place(at);
        if after.iter().any(|other| self.place(*other) > own && self.sequence(*other) < self.sequence(at)) {
            return Before::Unknown;
        }
        match before {
            Some(before) if self.sequence(before) > least => Before::Unknown,
            Some(before) if self.events[before.batch as usize].removes.value(before.row as usize) => Before::Nothing,
            Some(before) => Before::Row(before),
            None => self.nothing(least),
        }
    }

    /// There was no row, unless a truncate took it that came later.
    fn nothing(&self, least: i64) -> Before {
        match self.around.emptied {
            Some(emptied) if emptied.sequence > least => Before::Unknown,
            _ => Before::Nothing,
        }
    }

    fn place(&self, at: At) -> (&str, i64) {
        self.events[at.batch as usize].place(at.row as usize)
    }

    fn sequence(&self, at: At) -> i64 {
        self.events[at.batch as usize].sequence(at.row as usize)
    }

    fn unsent(&self, at: At) -> Vec<usize> {
        let bits = self.events[at.batch as usize].unsent(at.row as usize).unwrap_or_default();
        (0..bits.len() * 8).filter(|column| bits[column / 8] & (1 << (column % 8)) != 0).collect()
    }
}

/// Puts the rows together, column by column.
fn assemble(
    events: &[Events<'_>],
    schema: &SchemaRef,
    rows: &[At],
    filled: &Filled,
) -> Result<RecordBatch, ArrowError> {
    let own: Vec<(usize, usize)> = rows.iter().map(|at| (at.batch as usize, at.row as usize)).collect();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        let nothing = new_null_array(field.data_type(), 1);
        let mut sources: Vec<&dyn Array> = events.iter().map(|events| events.columns[place].as_ref()).collect();
        sources.push(nothing.as_ref());
        let nowhere = (sources.len() - 1, 0);
        columns.push(match filled.cells.get(&place) {
            None => interleave(&sources, &own)?,
            Some(cells) => {
                let mut from = own.clone();
                for (ordinal, at) in cells {
                    from[*ordinal as usize] = at.map_or(nowhere, |at| (at.batch as usize, at.row as usize));
                }
                interleave(&sources, &from)?
            }
        });
    }
    RecordBatch::try_new(schema.clone(), columns)
}
