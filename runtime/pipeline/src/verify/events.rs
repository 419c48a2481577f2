//! What happens to keys, as columns: changes of Bronze that are shaped, and rows of Silver, each parted by key.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use sluice_change::{Op, conform};
use sluice_index::{KeyExtractor, Keys};
use sluice_lake::ScanBatch;

use super::keys::{BUCKETS, Choice, KeyBuilder, KeyHash, bucket, key_type, keys_of};
use crate::bronze::LoggedChanges;
use crate::error::LaneError;
use crate::merge::{self, changed_keys};
use crate::shaping::ShapedPart;

/// Columns of an event ahead of Silver's own.
const OF_EVENT: [&str; 7] = ["key", "order", "number", "sequence", "removes", "unsent", "from"];
/// Columns of a row of Silver ahead of its own.
const OF_ROW: [&str; 3] = ["key", "file", "position"];

/// How events and rows are laid out, and how their keys are read.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Silver's columns.
    pub silver: SchemaRef,
    /// Names of its key columns.
    pub key: Vec<String>,
    /// Their types.
    pub key_schema: SchemaRef,
    /// Encodes keys.
    pub extractor: Arc<KeyExtractor>,
    /// Hashes them.
    pub hash: KeyHash,
    /// The columns of events.
    pub events: SchemaRef,
    /// The columns of rows.
    pub rows: SchemaRef,
}

/// The place of a truncate in the order of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of its file.
    pub order: String,
    /// Within the file.
    pub number: i64,
    /// Its number in the log.
    pub sequence: i64,
}

/// Events or rows in the order of their buckets.
#[derive(Debug)]
pub struct Parted {
    /// All of them.
    pub rows: RecordBatch,
    /// Where each bucket begins; the last number is the end.
    pub bounds: Vec<usize>,
}

/// One event on its way into columns.
struct Event {
    bucket: usize,
    row: u32,
    key: EventKey,
    /// Where a row had unsent cells and another key before: its place among the moved ones.
    from: Option<usize>,
}

enum EventKey {
    /// The row's own.
    Own,
    /// The one that it had before, by its place among the moved ones.
    Old(usize),
}

impl Layout {
    /// For Silver of this schema.
    pub fn new(
        silver: SchemaRef,
        key: Vec<String>,
        key_schema: SchemaRef,
        extractor: Arc<KeyExtractor>,
        hash: KeyHash,
    ) -> Self {
        let key_type = key_type(&extractor.none());
        let of_event = [
            key_type.clone(),
            DataType::Utf8,
            DataType::Int64,
            DataType::Int64,
            DataType::Boolean,
            DataType::Binary,
            key_type.clone(),
        ];
        let of_row = [key_type, DataType::UInt32, DataType::UInt32];
        let with = |own: Vec<Field>| {
            let all = own.into_iter().chain(silver.fields().iter().map(|field| field.as_ref().clone()));
            Arc::new(Schema::new(all.collect::<Vec<_>>()))
        };
        let fields = |names: &[&str], types: &[DataType]| {
            names.iter().zip(types).map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect()
        };
        let (events, rows) = (with(fields(&OF_EVENT, &of_event)), with(fields(&OF_ROW, &of_row)));
        Self { silver, key, key_schema, extractor, hash, events, rows }
    }

    /// The events of shaped changes whose keys are chosen. The hashes of keys whose rows must be seen together, because a
    /// row takes values from one that had another key, are added to `joined`.
    pub fn part_changes(
        &self,
        choice: &Choice,
        shaped: &ShapedPart,
        changes: &LoggedChanges,
        joined: &mut dyn FnMut(u64),
    ) -> Result<Parted, LaneError> {
        let part = &shaped.part;
        let columns = merge::key_columns(&part.rows, &self.key)?;
        let keys = self.extractor.extract(&columns)?;
        let moved = match &part.before {
            Some(before) => changed_keys(&self.extractor, &columns, before)?,
            None => None,
        };
        let old_keys = moved.as_ref().map(|moved| &moved.keys);
        let mut moves = moved.iter().flat_map(|moved| moved.rows.iter().copied().enumerate()).peekable();
        let mut events = Vec::new();
        for row in 0..part.ops.len() {
            let own = self.hash.of(&keys, row);
            let old = moves.next_if(|(_, moved)| *moved == row).map(|(index, _)| index);
            let mut from = None;
            if let (Some(index), Some(old_keys)) = (old, old_keys) {
                let hash = self.hash.of(old_keys, index);
                if choice.takes(hash) {
                    let key = EventKey::Old(index);
                    events.push(Event { bucket: choice.bucket(hash), row: row as u32, key, from: None });
                }
                let has_unsent = part.unsent.as_ref().is_some_and(|unsent| !unsent.columns(row).is_empty());
                if has_unsent && part.ops[row].is_upsert() {
                    from = Some(index);
                    joined(hash);
                    joined(own);
                }
            }
            if choice.takes(own) {
                events.push(Event { bucket: choice.bucket(own), row: row as u32, key: EventKey::Own, from });
            }
        }
        // Stable: of one place, the later event stays the later one.
        events.sort_by_key(|event| event.bucket);
        let bounds = bounds(events.iter().map(|event| event.bucket), events.len());
        let rows = self.event_columns(&events, &keys, old_keys, shaped, changes)?;
        Ok(Parted { rows, bounds })
    }

    fn event_columns(
        &self,
        events: &[Event],
        keys: &Keys,
        old_keys: Option<&Keys>,
        shaped: &ShapedPart,
        changes: &LoggedChanges,
    ) -> Result<RecordBatch, ArrowError> {
        let part = &shaped.part;
        let (mut key, mut from) = (KeyBuilder::new(keys, events.len()), KeyBuilder::new(keys, events.len()));
        let mut removes = BooleanBuilder::with_capacity(events.len());
        let mut unsent = BinaryBuilder::new();
        let mut bits = vec![0_u8; part.rows.num_columns().div_ceil(8)];
        for event in events {
            let row = event.row as usize;
            let columns = part.unsent.as_ref().map_or(&[][..], |unsent| unsent.columns(row));
            let is_removal = match (&event.key, old_keys) {
                (EventKey::Old(index), Some(old)) => {
                    key.push(old, *index);
                    true
                }
                _ => {
                    key.push(keys, row);
                    part.ops[row] == Op::Delete
                }
            };
            removes.append_value(is_removal);
            if is_removal || columns.is_empty() {
                unsent.append_null();
            } else {
                bits.fill(0);
                columns.iter().for_each(|column| bits[column / 8] |= 1 << (column % 8));
                unsent.append_value(&bits);
            }
            match (event.from, old_keys) {
                (Some(index), Some(old)) => from.push(old, index),
                _ => from.push_none(),
            }
        }
        let removes = removes.finish();
        let source = |event: &Event| match &shaped.sources {
            Some(sources) => sources.value(event.row as usize),
            None => event.row,
        };
        let sources = UInt32Array::from_iter_values(events.iter().map(source));
        // What is removed has no values.
        let own = events.iter().zip(removes.values()).map(|(event, removes)| (!removes).then_some(event.row));
        let own = UInt32Array::from_iter(own);
        let mut columns: Vec<ArrayRef> = vec![
            key.finish(),
            take(&changes.orders, &sources, None)?,
            take(&changes.numbers, &sources, None)?,
            take(&changes.sequences, &sources, None)?,
            Arc::new(removes),
            Arc::new(unsent.finish()),
            from.finish(),
        ];
        for column in part.rows.columns() {
            columns.push(take(column, &own, None)?);
        }
        RecordBatch::try_new(Arc::clone(&self.events), columns)
    }

    /// The live rows of Silver whose keys are chosen, with their places. `seen` is told the hash of every row's key.
    pub fn part_rows(
        &self,
        choice: &Choice,
        found: &ScanBatch,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Parted, LaneError> {
        let rows = conform(&found.batch, &self.silver)?;
        let keys = self.extractor.extract(conform(&found.batch, &self.key_schema)?.columns())?;
        let first = found.first_position as u32;
        let mut chosen: Vec<(usize, u32)> = Vec::new();
        let is_live = |row: &usize| found.live.as_ref().is_none_or(|live| live.value(*row));
        for row in (0..rows.num_rows()).filter(is_live) {
            let hash = self.hash.of(&keys, row);
            seen(hash);
            if choice.takes(hash) {
                chosen.push((choice.bucket(hash), row as u32));
            }
        }
        chosen.sort_by_key(|(bucket, _)| *bucket);
        let bounds = bounds(chosen.iter().map(|(bucket, _)| *bucket), chosen.len());
        let mut key = KeyBuilder::new(&keys, chosen.len());
        chosen.iter().for_each(|(_, row)| key.push(&keys, *row as usize));
        let places = UInt32Array::from_iter_values(chosen.iter().map(|(_, row)| *row));
        let mut columns: Vec<ArrayRef> = vec![
            key.finish(),
            Arc::new(UInt32Array::from_value(found.file.0, chosen.len())),
            Arc::new(UInt32Array::from_iter_values(chosen.iter().map(|(_, row)| first + row))),
        ];
        for column in rows.columns() {
            columns.push(take(column, &places, None)?);
        }
        Ok(Parted { rows: RecordBatch::try_new(Arc::clone(&self.rows), columns)?, bounds })
    }

    /// Parts events or rows of one bucket again.
    pub fn part_again(&self, rows: &RecordBatch, depth: u32) -> Result<Parted, ArrowError> {
        let keys = keys_of(rows.column(0));
        let mut order: Vec<(usize, u32)> =
            (0..keys.len()).map(|row| (bucket(self.hash.of(&keys, row), depth), row as u32)).collect();
        order.sort_by_key(|(bucket, _)| *bucket);
        let bounds = bounds(order.iter().map(|(bucket, _)| *bucket), order.len());
        let places = UInt32Array::from_iter_values(order.into_iter().map(|(_, row)| row));
        let columns = rows.columns().iter().map(|column| take(column, &places, None)).collect::<Result<_, _>>()?;
        Ok(Parted { rows: RecordBatch::try_new(rows.schema(), columns)?, bounds })
    }
}

/// Where each bucket begins among ascending numbers of buckets.
fn bounds(buckets: impl Iterator<Item = usize>, length: usize) -> Vec<usize> {
    let mut bounds = vec![0; BUCKETS + 1];
    buckets.for_each(|bucket| bounds[bucket + 1] += 1);
    for bucket in 0..BUCKETS {
        bounds[bucket + 1] += bounds[bucket];
    }
    debug_assert_eq!(bounds[BUCKETS], length);
    bounds
}

/// Events of one batch, column by column.
#[derive(Debug)]
pub struct Events<'a> {
    /// The key of each.
    pub keys: Keys,
    /// Whether it removes the key.
    pub removes: &'a BooleanArray,
    orders: &'a StringArray,
    numbers: &'a Int64Array,
    sequences: &'a Int64Array,
    unsent: &'a BinaryArray,
    from: &'a ArrayRef,
    old_keys: Option<Keys>,
    /// Silver's columns.
    pub columns: &'a [ArrayRef],
}

impl<'a> Events<'a> {
    /// Those of a batch that [`Layout`] laid out.
    pub fn of(batch: &'a RecordBatch) -> Self {
        let from = batch.column(6);
        Self {
            keys: keys_of(batch.column(0)),
            old_keys: (from.null_count() < from.len()).then(|| keys_of(from)),
            orders: batch.column(1).as_string(),
            numbers: batch.column(2).as_primitive::<Int64Type>(),
            sequences: batch.column(3).as_primitive::<Int64Type>(),
            removes: batch.column(4).as_boolean(),
            unsent: batch.column(5).as_binary(),
            from,
            columns: &batch.columns()[OF_EVENT.len()..],
        }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The place of an event in the order of the source.
    pub fn place(&self, row: usize) -> (&'a str, i64) {
        (self.orders.value(row), self.numbers.value(row))
    }

    /// The number of its change in the log.
    pub fn sequence(&self, row: usize) -> i64 {
        self.sequences.value(row)
    }

    /// Whether no event here has unsent cells.
    pub fn are_whole(&self) -> bool {
        self.unsent.null_count() == self.unsent.len()
    }

    /// Which columns were not sent, a bit for each; `None` where all were.
    pub fn unsent(&self, row: usize) -> Option<&'a [u8]> {
        self.unsent.is_valid(row).then(|| self.unsent.value(row))
    }

    /// Where an event takes its unsent cells from the row of another key: these keys, which have it at the same place.
    pub fn old_keys(&self, row: usize) -> Option<&Keys> {
        self.old_keys.as_ref().filter(|_| self.from.is_valid(row))
    }
}

/// Rows of Silver of one batch.
#[derive(Debug)]
pub struct Rows<'a> {
    /// The key of each.
    pub keys: Keys,
    files: &'a UInt32Array,
    positions: &'a UInt32Array,
    /// Silver's columns.
    pub columns: &'a [ArrayRef],
}

impl<'a> Rows<'a> {
    /// Those of a batch that [`Layout`] laid out.
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self {
            keys: keys_of(batch.column(0)),
            files: batch.column(1).as_primitive::<UInt32Type>(),
            positions: batch.column(2).as_primitive::<UInt32Type>(),
            columns: &batch.columns()[OF_ROW.len()..],
        }
    }

    /// Number and position of the data file that holds a row.
    pub fn place(&self, row: usize) -> (u32, u32) {
        (self.files.value(row), self.positions.value(row))
    }
}

/// Hashes, at most so many of them.
#[derive(Debug, Default, Clone)]
pub struct Hashes {
    /// Those that found room.
    pub held: HashSet<u64>,
    /// Whether some did not.
    pub overflowed: bool,
}

impl Hashes {
    /// Adds one, if there is room.
    pub fn add(&mut self, hash: u64, room: usize) {
        if self.held.len() < room {
            self.held.insert(hash);
        } else if !self.held.contains(&hash) {
            self.overflowed = true;
        }
    }
}
