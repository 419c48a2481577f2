//! Several runs as one ascending sequence, and the merge of runs into one, which goes on step by step.

use std::sync::Arc;

use crate::IndexError;
use crate::column::KeyColumn;
use crate::moves::Moves;
use crate::page::REMOVED;
use crate::run::{Cursor, Run, RunMeta, RunWriter};

/// No run.
const NONE: u32 = u32::MAX;

/// The entries of several runs in order; of one key, those of earlier runs come first.
#[derive(Debug)]
pub struct Sorted<C> {
    cursors: Vec<Cursor<C>>,
    /// A tournament: the winner of each pair, the overall winner at 1, the runs from `leaves` on.
    winners: Vec<u32>,
    leaves: usize,
    last: C,
}

impl<C: KeyColumn> Sorted<C> {
    /// Begins at the lowest key.
    pub fn new(runs: &[Arc<Run<C>>], buffer_bytes: usize) -> Result<Self, IndexError> {
        let cursors = runs.iter().map(|run| Cursor::new(Arc::clone(run), buffer_bytes));
        let cursors = cursors.collect::<Result<Vec<_>, _>>()?;
        let leaves = cursors.len().next_power_of_two();
        let mut winners = vec![NONE; 2 * leaves];
        for run in 0..cursors.len() {
            winners[leaves + run] = run as u32;
        }
        let mut sorted = Self { cursors, winners, leaves, last: C::default() };
        (1..leaves).rev().for_each(|node| sorted.play(node));
        Ok(sorted)
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.cursors.iter().map(Cursor::held_bytes).sum()
    }

    #[inline]
    fn play(&mut self, node: usize) {
        let (left, right) = (self.winners[2 * node], self.winners[2 * node + 1]);
        let entry = |run: u32| self.cursors.get(run as usize).and_then(Cursor::entry);
        self.winners[node] = match (entry(left), entry(right)) {
            (Some((first, _)), Some((second, _))) => {
                if C::compare(first, second).is_le() {
                    left
                } else {
                    right
                }
            }
            (Some(_), None) => left,
            _ => right,
        };
    }

    /// Shows up to `limit` entries: key, value, and whether the key was shown before. Returns how many there were.
    pub fn step(
        &mut self,
        limit: u64,
        mut visit: impl FnMut(C::Key<'_>, u64, bool) -> Result<(), IndexError>,
    ) -> Result<u64, IndexError> {
        for count in 0..limit {
            let winner = self.winners[1] as usize;
            let Some((key, value)) = self.cursors.get(winner).and_then(Cursor::entry) else { return Ok(count) };
            let repeated = self.last.count() > 0 && C::compare(self.last.key(0), key).is_eq();
            if !repeated {
                self.last.reset();
                self.last.add(key);
            }
            visit(key, value, repeated)?;
            self.cursors[winner].advance()?;
            let mut node = (self.leaves + winner) / 2;
            while node > 0 {
                self.play(node);
                node /= 2;
            }
        }
        Ok(limit)
    }
}

/// A merge of neighbouring runs into one.
#[derive(Debug)]
pub struct Merge<C> {
    sorted: Sorted<C>,
    writer: RunWriter<C>,
    /// Numbers of the runs that it replaces, the newest first.
    inputs: Vec<u64>,
    /// Where rows are that had moved before it began.
    moves: Arc<Moves>,
    /// Whether nothing lies below, so that removed keys need not be remembered.
    to_the_bottom: bool,
    /// Entries to do for each changed key.
    pace: u64,
}

impl<C: KeyColumn> Merge<C> {
    /// Begins the merge of `runs`, the newest first.
    pub fn new(
        runs: &[Arc<Run<C>>],
        writer: RunWriter<C>,
        moves: Arc<Moves>,
        to_the_bottom: bool,
        pace: u64,
        buffer_bytes: usize,
    ) -> Result<Self, IndexError> {
        let inputs = runs.iter().map(|run| run.meta.number).collect();
        Ok(Self { sorted: Sorted::new(runs, buffer_bytes)?, writer, inputs, moves, to_the_bottom, pace })
    }

    /// Numbers of the runs that it replaces, the newest first.
    pub fn inputs(&self) -> &[u64] {
        &self.inputs
    }

    /// How many moves its entries have taken in.
    pub fn moved(&self) -> u64 {
        self.moves.next()
    }

    /// Entries to do for each changed key.
    pub fn pace(&self) -> u64 {
        self.pace
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.sorted.held_bytes() + self.writer.held_bytes()
    }

    /// Merges up to `limit` entries. Returns whether that was the end.
    pub fn step(&mut self, limit: u64) -> Result<bool, IndexError> {
        let (writer, moves, to_the_bottom) = (&mut self.writer, &self.moves, self.to_the_bottom);
        let count = self.sorted.step(limit, |key, value, repeated| {
            let value = moves.follow(value);
            if repeated || (to_the_bottom && value == REMOVED) { Ok(()) } else { writer.add(key, value) }
        })?;
        Ok(count < limit)
    }

    /// Makes the new run last; `None` if nothing is left.
    pub fn finish(self) -> Result<Option<RunMeta>, IndexError> {
        self.writer.finish()
    }
}
