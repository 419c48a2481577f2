use std::sync::Arc;

use super::Store;
use crate::IndexError;
use crate::column::KeyColumn;
use crate::merge::Merge;
use crate::policy::{self, MOST_RUNS, Plan, Shape};

/// Entries that a merge does at once when there is no change to go by.
const ENTRIES_AT_ONCE: u64 = 1 << 20;

impl<C: KeyColumn> Store<C> {
    /// Goes on with the merges as far as so many changed keys call for.
    pub(super) fn merge_for(&mut self, changes: u64) -> Result<(), IndexError> {
        self.begin_merges()?;
        self.step_merges(|pace| pace * changes)?;
        // Only a burst of tiny flushes leads here.
        while self.runs.len() > MOST_RUNS && !self.merges.is_empty() {
            self.step_merges(|_| ENTRIES_AT_ONCE)?;
            self.begin_merges()?;
        }
        Ok(())
    }

    /// Goes on with the merges by up to `entries` entries each. Returns whether there is more to do.
    pub fn maintain(&mut self, entries: u64) -> Result<bool, IndexError> {
        self.begin_merges()?;
        self.step_merges(|_| entries)?;
        self.begin_merges()?;
        Ok(!self.merges.is_empty())
    }

    fn begin_merges(&mut self) -> Result<(), IndexError> {
        while let Some(plan) = policy::next_merge(&self.shapes(), self.most_above()) {
            let merge = self.begin(plan)?;
            self.merges.push(merge);
        }
        Ok(())
    }

    /// How many entries may lie above the oldest run.
    fn most_above(&self) -> u64 {
        let many_moves = self.moves.held_bytes() > self.limits.most_moves_bytes() / 2;
        if many_moves { 0 } else { self.limits.filtered_entries() }
    }

    fn shapes(&self) -> Vec<Shape> {
        let busy = |number| self.merges.iter().any(|merge| merge.inputs().contains(&number));
        let shape =
            |meta: &crate::run::RunMeta| Shape { tier: meta.tier, entries: meta.entries, busy: busy(meta.number) };
        self.runs.iter().map(|run| shape(&run.meta)).collect()
    }

    fn begin(&mut self, plan: Plan) -> Result<Merge<C>, IndexError> {
        let runs = self.runs[plan.runs.clone()].to_vec();
        let to_the_bottom = plan.runs.end == self.runs.len();
        let entries = runs.iter().map(|run| run.meta.entries).sum();
        let writer = self.new_run(plan.tier, entries)?;
        let moves = Arc::clone(&self.moves);
        Merge::new(&runs, writer, moves, to_the_bottom, plan.pace, self.limits.buffer_bytes)
    }

    /// Takes each merge on by as many entries as `limit` says for its pace. One that fails is given up; its runs stay.
    fn step_merges(&mut self, limit: impl Fn(u64) -> u64) -> Result<(), IndexError> {
        let mut index = 0;
        while index < self.merges.len() {
            let limit = limit(self.merges[index].pace());
            match self.merges[index].step(limit) {
                Ok(false) => index += 1,
                Ok(true) => {
                    let merge = self.merges.swap_remove(index);
                    self.finish(merge)?;
                }
                Err(error) => {
                    self.merges.swap_remove(index);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, merge: Merge<C>) -> Result<(), IndexError> {
        let (inputs, moved) = (merge.inputs().to_vec(), merge.moved());
        let meta = merge.finish()?;
        if let Some(meta) = meta.as_ref().filter(|_| moved < self.moves.next()) {
            self.moved.insert(meta.number, moved);
        }
        let merged = meta.map(|meta| self.open_run(meta)).transpose()?;
        let is_input = |number: u64| inputs.contains(&number);
        let at = self.runs.iter().position(|run| is_input(run.meta.number)).unwrap_or(0);
        self.runs.splice(at..(at + inputs.len()).min(self.runs.len()), merged);
        inputs.into_iter().for_each(|number| self.retire(number));
        self.settle();
        self.sweep();
        Ok(())
    }
}
