//! What a stretch of changes does to Silver, as pure functions: the last change of a key wins.

mod distinct;
mod key_change;
#[cfg(test)]
mod tests;
mod unsent;

use std::collections::{HashMap, HashSet};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use roaring::RoaringBitmap;
use sluice_change::Op;
use sluice_index::{ByteKeys, IndexError, KeyError, KeyExtractor, Keys, Location};
use thiserror::Error;

pub use distinct::Distinct;
pub use key_change::changed_keys;
use key_change::extract_around_truncates;
use unsent::{Before, Befores, missing};
pub use unsent::{Missing, UnsentCells};

/// Rows to merge, in order, already in Silver's schema.
#[derive(Debug, Clone)]
pub struct MergePart {
    /// Silver's columns.
    pub rows: RecordBatch,
    /// What each row does.
    pub ops: Vec<Op>,
    /// Key columns before the change, in key order; all null in a row whose key did not change.
    pub before: Option<Vec<ArrayRef>>,
    /// Cells that the source did not send; `None` where every row was sent whole.
    pub unsent: Option<UnsentCells>,
}

/// Rows that cannot be merged.
#[derive(Debug, Error)]
pub enum MergeError {
    /// The keys cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The columns cannot be selected.
    #[error("the rows cannot be selected")]
    Select(#[from] ArrowError),
}

/// One change of one key: the row's number over all parts, and whether it removes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event(u32);

impl Event {
    fn new(row: usize, removes: bool) -> Self {
        Self((row as u32) << 1 | u32::from(removes))
    }

    fn row(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn removes(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The distinct keys of a stretch with the first and last event of each.
#[derive(Debug)]
pub struct Fold {
    keys: Distinct,
    first: Vec<Event>,
    last: Vec<Event>,
    superseded: Vec<u32>,
    /// Rows that changed their key: their new key is expected not to be there.
    moved: HashSet<usize>,
    /// What the keys of rows with unsent cells were before these rows.
    befores: Befores,
    truncated: bool,
    parts: Vec<MergePart>,
}

/// What is to be written for a stretch of changes.
#[derive(Debug)]
pub struct MergePlan {
    /// Rows to add, in order.
    pub rows: Vec<RecordBatch>,
    /// Positions that are deleted, by file number.
    pub deletes: HashMap<u32, RoaringBitmap>,
    /// Whether everything that was there before goes first.
    pub truncated: bool,
    /// Deletes of keys that were not there.
    pub deletes_without_row: u64,
    /// Updates of keys that were not there: inserts that were missed, or key changes without a before image.
    pub updates_without_row: u64,
    /// Rows with unsent cells of keys that were not there before; these cells are null.
    pub unsent_without_row: u64,
    /// What unsent cells of these rows are to hold; `None` where there are none.
    pub missing: Option<Missing>,
    keys: Keys,
    /// For each key the place of its row among the added rows, or `NO_ROW`.
    ordinals: Vec<u32>,
}

const NO_ROW: u32 = u32::MAX;

impl Fold {
    /// Folds the parts in order. `extractor` was made for the key columns named `key`.
    pub fn new(extractor: &KeyExtractor, key: &[String], parts: Vec<MergePart>) -> Result<Self, MergeError> {
        let total = parts.iter().map(|part| part.ops.len()).sum();
        let mut fold = Self {
            keys: Distinct::new(&extractor.none(), total),
            first: Vec::with_capacity(total),
            last: Vec::with_capacity(total),
            superseded: Vec::new(),
            moved: HashSet::new(),
            befores: Befores::new(),
            truncated: false,
            parts: Vec::new(),
        };
        let mut base = 0;
        for part in &parts {
            fold.add(extractor, key, part, base)?;
            base += part.ops.len();
        }
        fold.parts = parts;
        Ok(fold)
    }

    fn add(
        &mut self,
        extractor: &KeyExtractor,
        key: &[String],
        part: &MergePart,
        base: usize,
    ) -> Result<(), MergeError> {
        let columns = key_columns(&part.rows, key)?;
        let truncates = part.ops.contains(&Op::Truncate);
        let keys = if truncates {
            extract_around_truncates(extractor, &columns, &part.ops)?
        } else {
            extractor.extract(&columns)?
        };
        let moved = match &part.before {
            Some(before) => changed_keys(extractor, &columns, before)?,
            None => None,
        };
        let mut moves = moved.iter().flat_map(|moved| moved.rows.iter().copied().enumerate()).peekable();
        let mut start = 0;
        while start < part.ops.len() {
            // Rows up to the next key change in one go; then the old key goes, then the row comes.
            let end = moves.peek().map_or(part.ops.len(), |(_, row)| *row);
            self.record(&keys, part, start..end, base);
            start = end;
            if let (Some((index, row)), Some(moved)) = (moves.next(), &moved) {
                // What the row does not send it had under its old key.
                let before = self.note(&moved.keys, index, Event::new(base + row, true));
                self.moved.insert(base + row);
                self.record(&keys, part, row..row + 1, base);
                self.befores.entry((base + row) as u32).and_modify(|known| *known = before);
                start = row + 1;
            }
        }
        Ok(())
    }

    fn record(&mut self, keys: &Keys, part: &MergePart, rows: std::ops::Range<usize>, base: usize) {
        for row in rows {
            match part.ops[row] {
                Op::Truncate => {
                    self.keys.clear();
                    self.first.clear();
                    self.last.clear();
                    self.truncated = true;
                }
                op => {
                    let before = self.note(keys, row, Event::new(base + row, op == Op::Delete));
                    if let Some(unsent) = &part.unsent
                        && !unsent.columns(row).is_empty()
                    {
                        self.befores.insert((base + row) as u32, before);
                    }
                }
            }
        }
    }

    /// Notes an event of a key, and says what the key was before it.
    fn note(&mut self, keys: &Keys, index: usize, event: Event) -> Before {
        let slot = self.keys.slot(keys, index);
        match self.last.get_mut(slot) {
            Some(last) => Before::Event(std::mem::replace(last, event)),
            None => {
                self.first.push(event);
                self.last.push(event);
                Before::Stored(slot as u32)
            }
        }
    }

    /// Leaves the current row of those of these keys alone that have a later change in Silver already: `is_later` is
    /// asked of each key's place in `keys` and of the row of its last change here.
    pub fn supersede(&mut self, keys: &Keys, is_later: impl Fn(usize, usize) -> bool) {
        for index in 0..keys.len() {
            if let Some(slot) = self.keys.find(keys, index)
                && is_later(index, self.last[slot].row())
            {
                self.superseded.push(slot as u32);
            }
        }
    }

    /// Leaves everything alone whose last change is in a row before the whole table was emptied.
    pub fn supersede_before_truncate(&mut self, is_before: impl Fn(usize) -> bool) {
        self.truncated = false;
        let before = (0..self.last.len()).filter(|slot| is_before(self.last[*slot].row()));
        self.superseded.extend(before.map(|slot| slot as u32));
    }

    /// The distinct keys, to be looked up once all is folded and superseded.
    pub fn take_keys(&mut self) -> Keys {
        self.keys.take_keys()
    }

    /// Whether everything that was there before goes first, so that no key has to be looked up.
    pub fn truncates(&self) -> bool {
        self.truncated
    }

    /// Decides what is written and what is deleted, if the keys that were taken out are `found` there.
    pub fn plan(self, keys: Keys, found: &[Location]) -> Result<MergePlan, MergeError> {
        let mut superseded = vec![false; keys.len()];
        for slot in self.superseded {
            superseded[slot as usize] = true;
        }
        let total: usize = self.parts.iter().map(|part| part.ops.len()).sum();
        let mut writes = vec![false; total];
        let mut positions: HashMap<u32, Vec<u32>> = HashMap::new();
        let (mut deletes_without_row, mut updates_without_row) = (0, 0);
        let ops: Vec<&[Op]> = self.parts.iter().map(|part| part.ops.as_slice()).collect();
        for slot in 0..keys.len() {
            if superseded[slot] {
                continue;
            }
            let (first, last, found) = (self.first[slot], self.last[slot], found[slot]);
            writes[last.row()] |= !last.removes();
            if found.is_present() {
                positions.entry(found.file()).or_default().push(found.position());
            } else if first.removes() {
                deletes_without_row += 1;
            } else if op_at(&ops, first.row()) == Some(Op::Update) && !self.moved.contains(&first.row()) {
                updates_without_row += 1;
            }
        }
        let deletes = positions.into_iter().map(|(file, positions)| (file, bitmap(positions))).collect();
        let ordinals = ordinals(&self.last, &superseded, &writes);
        let rows = select(&self.parts, &writes)?;
        let missing = missing(&self.parts, &self.befores, &self.last, &ordinals, found);
        let (keys, ordinals) = without_superseded(keys, ordinals, &superseded);
        Ok(MergePlan {
            rows,
            deletes,
            truncated: self.truncated,
            deletes_without_row,
            updates_without_row,
            unsent_without_row: missing.as_ref().map_or(0, |missing| missing.without_row),
            missing,
            keys,
            ordinals,
        })
    }
}

impl MergePlan {
    /// The keys that change.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where each key's row is once the added rows lie at `placed`, absent for keys that go.
    pub fn locations(&self, placed: &[Location]) -> Vec<Location> {
        let place = |ordinal: &u32| placed.get(*ordinal as usize).copied().unwrap_or(Location::ABSENT);
        self.ordinals.iter().map(place).collect()
    }
}

fn op_at(parts: &[&[Op]], mut row: usize) -> Option<Op> {
    for ops in parts {
        match ops.get(row) {
            Some(op) => return Some(*op),
            None => row -= ops.len(),
        }
    }
    None
}

fn bitmap(mut positions: Vec<u32>) -> RoaringBitmap {
    positions.sort_unstable();
    positions.dedup();
    // Sorted and distinct, so nothing is refused.
    RoaringBitmap::from_sorted_iter(positions).unwrap_or_default()
}

fn ordinals(last: &[Event], superseded: &[bool], writes: &[bool]) -> Vec<u32> {
    let mut ranks = Vec::with_capacity(writes.len());
    let mut rank = 0;
    for write in writes {
        ranks.push(rank);
        rank += u32::from(*write);
    }
    let ordinal = |(event, superseded): (&Event, &bool)| {
        if event.removes() || *superseded { NO_ROW } else { ranks[event.row()] }
    };
    last.iter().zip(superseded).map(ordinal).collect()
}

fn without_superseded(keys: Keys, ordinals: Vec<u32>, superseded: &[bool]) -> (Keys, Vec<u32>) {
    if !superseded.contains(&true) {
        return (keys, ordinals);
    }
    let keep = |slot: &usize| !superseded[*slot];
    let kept = (0..ordinals.len()).filter(keep).map(|slot| ordinals[slot]).collect();
    let keys = match keys {
        Keys::Int(keys) => Keys::Int((0..keys.len()).filter(keep).map(|slot| keys[slot]).collect()),
        Keys::Bytes(keys) => {
            let mut left = ByteKeys::default();
            (0..keys.len()).filter(keep).for_each(|slot| left.push(keys.get(slot)));
            Keys::Bytes(left)
        }
    };
    (keys, kept)
}

fn select(parts: &[MergePart], writes: &[bool]) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut selected = Vec::with_capacity(parts.len());
    let mut base = 0;
    for part in parts {
        let writes = &writes[base..base + part.ops.len()];
        base += part.ops.len();
        if writes.iter().all(|write| *write) && !writes.is_empty() {
            selected.push(part.rows.clone());
        } else if writes.contains(&true) {
            selected.push(filter_record_batch(&part.rows, &BooleanArray::from(writes.to_vec()))?);
        }
    }
    Ok(selected)
}

/// The columns named `key`, in that order.
pub fn key_columns(rows: &RecordBatch, key: &[String]) -> Result<Vec<ArrayRef>, ArrowError> {
    let find = |name: &String| {
        rows.column_by_name(name)
            .cloned()
            .ok_or_else(|| ArrowError::SchemaError(format!("the key column `{name}` is not in the rows")))
    };
    key.iter().map(find).collect()
}
