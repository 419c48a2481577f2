//! Bucket after bucket is folded and compared.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use sluice_index::Keys;

use super::compare::{self, Findings};
use super::events::Layout;
use super::fold::{self, Surroundings};
use super::keys::MAX_DEPTH;
use super::pass::{Around, Totals};
use super::reduce::reduce;
use super::spill::{Bucket, Buckets};

/// Folds and compares buckets.
pub struct Comparison {
    /// How events and rows are laid out.
    pub layout: Arc<Layout>,
    /// Where rows go that do not fit into memory.
    pub folder: Arc<Path>,
    /// Bytes of rows that may be held in memory.
    pub memory: usize,
    /// What was seen beside the chosen keys.
    pub around: Around,
    /// Keys that are left out.
    pub apart: Arc<HashSet<u64>>,
    /// Keys of which all events are in one bucket, with those of the keys that they once had.
    pub joined: Arc<HashSet<u64>>,
    /// The differences so far.
    pub findings: Findings,
    /// What was counted so far.
    pub totals: Totals,
}

impl Comparison {
    /// One bucket; where it does not fit into memory, it is parted again.
    pub fn bucket(&mut self, events: Bucket, rows: Bucket, depth: u32) -> Result<(), ArrowError> {
        if events.bytes + rows.bytes <= self.memory as u64 / 4 || depth >= MAX_DEPTH {
            let events = self.load(events)?;
            let rows: Vec<RecordBatch> = rows.read()?.collect::<Result<_, _>>()?;
            return self.compare(&events, &rows);
        }
        let (all, depth) = (events.rows + rows.rows, depth + 1);
        let events = self.part_again(events, depth)?;
        let rows = self.part_again(rows, depth)?;
        for (events, rows) in events.into_iter().zip(rows) {
            // Changes of one key cannot be parted.
            let is_one_key = events.rows + rows.rows == all;
            self.bucket(events, rows, if is_one_key { MAX_DEPTH } else { depth })?;
        }
        Ok(())
    }

    /// The events of a bucket, without those that cannot matter where all of them would not fit into memory.
    fn load(&mut self, events: Bucket) -> Result<Vec<RecordBatch>, ArrowError> {
        let limit = self.memory as u64 / 4;
        // Rows that take values from rows of other keys need all of their events.
        let may_reduce = events.bytes > limit && self.joined.is_empty();
        let (all, mut kept) = (events.rows, Vec::new());
        let (mut bytes, mut full) = (0, limit);
        for batch in events.read()? {
            let batch = batch?;
            bytes += batch.get_array_memory_size() as u64;
            kept.push(batch);
            if may_reduce && bytes > full {
                kept = reduce(&kept, &self.layout.extractor.none())?.into_iter().collect();
                bytes = kept.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
                full = limit.max(2 * bytes);
            }
        }
        self.totals.changes += all - kept.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        Ok(kept)
    }

    fn part_again(&mut self, bucket: Bucket, depth: u32) -> Result<Vec<Bucket>, ArrowError> {
        let mut parts: Option<Buckets> = None;
        for batch in bucket.read()? {
            let batch = batch?;
            let parts = parts.get_or_insert_with(|| Buckets::new(&batch.schema(), &self.folder, self.memory / 16));
            parts.push(&self.layout.part_again(&batch, depth)?)?;
        }
        let none = || Buckets::new(&self.layout.rows, &self.folder, 0);
        let parts = parts.unwrap_or_else(none);
        self.totals.spilled_bytes += parts.spilled_bytes();
        parts.finish()
    }

    fn compare(&mut self, events: &[RecordBatch], rows: &[RecordBatch]) -> Result<(), ArrowError> {
        let hash = &self.layout.hash;
        let like = self.layout.extractor.none();
        let around =
            Surroundings { emptied: self.around.emptied.as_ref(), hash, apart: &self.apart, joined: &self.joined };
        let expected = fold::fold_bucket(events, &self.layout.silver, &like, &around)?;
        let is_in = |hashes: &HashSet<u64>, keys: &Keys, index: usize| {
            !hashes.is_empty() && hashes.contains(&hash.of(keys, index))
        };
        let is_apart = |keys: &Keys, index: usize| is_in(&self.apart, keys, index);
        let is_open = |keys: &Keys, index: usize| is_in(&self.around.pending.held, keys, index);
        let compared = compare::compare(&expected, rows, &is_apart, &is_open, &mut self.findings)?;
        let without_history = self.findings.first.iter_mut().filter(|(_, found)| found.sequences.is_empty());
        for (key, found) in without_history {
            found.sequences = fold::changes_of(events, key);
        }
        self.totals.keys += expected.keys_seen;
        self.totals.changes += expected.changes_seen;
        self.totals.rows += compared.rows;
        self.totals.cells_unknown += compared.cells_unknown;
        self.totals.keys_open += compared.keys_open;
        Ok(())
    }
}
