use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::FileId;

/// Where the rows of rewritten files are now.
///
/// It holds no rows: a row's place follows from how many rows before it were live when the files were read. Only of
/// sorted files is there a number for each row.
#[derive(Debug, Clone, Default)]
pub struct RowMapping {
    sources: Vec<Source>,
    by_id: HashMap<FileId, usize>,
    targets: Vec<Target>,
    /// New rank of each row by its old one; `None`: the same.
    ranks: Option<Arc<Vec<u32>>>,
    rows: u64,
}

/// A file that was read.
#[derive(Debug, Clone)]
struct Source {
    id: FileId,
    records: u64,
    /// Rows that were deleted already when it was read, which have no new place.
    deleted: Arc<RoaringBitmap>,
    /// Rank of its first live row among those of all files.
    first: u64,
}

/// A file that was written.
#[derive(Debug, Clone, Copy)]
struct Target {
    id: FileId,
    /// Rank of its first row.
    first: u64,
}

/// Neighbouring rows of a file that are neighbours in their new file, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The file they were in.
    pub from: FileId,
    /// Where the first of them was.
    pub from_position: u32,
    /// The file they are in now.
    pub to: FileId,
    /// Where the first of them is now.
    pub to_position: u32,
    /// How many they are.
    pub rows: u32,
}

impl RowMapping {
    /// Adds a file whose rows were read next; `deleted` are those of its `records` rows that were left out.
    pub(crate) fn push_source(&mut self, id: FileId, records: u64, deleted: Arc<RoaringBitmap>) {
        self.by_id.insert(id, self.sources.len());
        let live = records.saturating_sub(deleted.len());
        self.sources.push(Source { id, records, deleted, first: self.rows });
        self.rows += live;
    }

    /// Adds a file that was written next, of the rows from rank `first` on.
    pub(crate) fn push_target(&mut self, id: FileId, first: u64) {
        self.targets.push(Target { id, first });
    }

    /// Says in which order the rows were written: each entry is the old rank of the next row.
    pub(crate) fn set_order(&mut self, order: &[u32]) {
        let mut ranks = vec![0; order.len()];
        for (new, old) in (0_u32..).zip(order) {
            if let Some(rank) = ranks.get_mut(*old as usize) {
                *rank = new;
            }
        }
        self.ranks = Some(Arc::new(ranks));
    }

    /// Rows that have a new place.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The files that the rows were in.
    pub fn sources(&self) -> impl Iterator<Item = FileId> {
        self.sources.iter().map(|source| source.id)
    }

    /// The files that they are in now.
    pub fn targets(&self) -> impl Iterator<Item = FileId> {
        self.targets.iter().map(|target| target.id)
    }

    /// Whether rows of this file were moved.
    pub fn has_source(&self, file: FileId) -> bool {
        self.by_id.contains_key(&file)
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        let deleted: usize = self.sources.iter().map(|source| source.deleted.serialized_size()).sum();
        let ranks = self.ranks.as_ref().map_or(0, |ranks| ranks.len() * size_of::<u32>());
        deleted + ranks + self.sources.len() * size_of::<Source>() + self.targets.len() * size_of::<Target>()
    }

    /// The positions of a file that had been deleted before it was read; `None` for a file that was not rewritten.
    pub(crate) fn deleted(&self, file: FileId) -> Option<&RoaringBitmap> {
        Some(&self.sources.get(*self.by_id.get(&file)?)?.deleted)
    }

    /// Where a row is now; `None` if it was deleted before the rewrite, or its file was not rewritten.
    pub fn find(&self, file: FileId, position: u32) -> Option<(FileId, u32)> {
        let source = self.sources.get(*self.by_id.get(&file)?)?;
        if u64::from(position) >= source.records || source.deleted.contains(position) {
            return None;
        }
        self.place(source.first + u64::from(position) - source.deleted.rank(position))
    }

    /// Where rows of a file are now, by new file; those that were deleted before the rewrite are left out.
    pub fn translate(&self, file: FileId, positions: &RoaringBitmap) -> HashMap<FileId, RoaringBitmap> {
        let mut found: HashMap<FileId, RoaringBitmap> = HashMap::new();
        let Some(source) = self.by_id.get(&file).and_then(|at| self.sources.get(*at)) else { return found };
        let mut deleted = source.deleted.iter().peekable();
        let mut before = 0;
        for position in positions {
            while deleted.next_if(|gone| *gone < position).is_some() {
                before += 1;
            }
            if deleted.peek() == Some(&position) || u64::from(position) >= source.records {
                continue;
            }
            if let Some((to, at)) = self.place(source.first + u64::from(position) - before) {
                found.entry(to).or_default().insert(at);
            }
        }
        found
    }

    /// Moves deletes that were found before the rewrite was committed to where their rows are now.
    pub fn translate_deletes(&self, deletes: &mut HashMap<FileId, RoaringBitmap>) {
        for id in self.sources() {
            let Some(positions) = deletes.remove(&id) else { continue };
            for (to, moved) in self.translate(id, &positions) {
                *deletes.entry(to).or_default() |= moved;
            }
        }
    }

    /// All rows that have a new place, file by file in order, neighbours together.
    ///
    /// Rows that were deleted while the rewrite ran are among them: what is said of their keys is newer elsewhere.
    pub fn moved(&self) -> impl Iterator<Item = Moved> + '_ {
        self.sources.iter().flat_map(move |source| {
            let mut rank = source.first;
            live_runs(&source.deleted, source.records).flat_map(move |run| {
                let first = rank;
                rank += run.end - run.start;
                self.pieces(source.id, run.start, first..rank)
            })
        })
    }

    /// Cuts a run of neighbours where they are no longer neighbours.
    fn pieces(&self, from: FileId, start: u64, ranks: Range<u64>) -> impl Iterator<Item = Moved> + '_ {
        let first = ranks.start;
        let mut next = ranks.start;
        std::iter::from_fn(move || {
            if next >= ranks.end {
                return None;
            }
            let (to, to_position) = self.place(next)?;
            let most = ranks.end - next;
            let rows = match &self.ranks {
                None => most.min(self.room(next)),
                Some(order) => {
                    let order = order.get(next as usize..ranks.end as usize)?;
                    let together = order.windows(2).take_while(|pair| pair[0].checked_add(1) == Some(pair[1])).count();
                    (together as u64 + 1).min(self.room(u64::from(*order.first()?)))
                }
            };
            let from_position = (start + (next - first)) as u32;
            next += rows;
            Some(Moved { from, from_position, to, to_position, rows: rows as u32 })
        })
    }

    /// Rows from a new rank on that are in one file.
    fn room(&self, rank: u64) -> u64 {
        let next = self.targets.partition_point(|target| target.first <= rank);
        self.targets.get(next).map_or(u64::MAX, |target| target.first) - rank
    }

    fn place(&self, rank: u64) -> Option<(FileId, u32)> {
        let rank = match &self.ranks {
            Some(ranks) => u64::from(*ranks.get(usize::try_from(rank).ok()?)?),
            None => rank,
        };
        let target = self.targets.get(self.targets.partition_point(|target| target.first <= rank).checked_sub(1)?)?;
        Some((target.id, u32::try_from(rank - target.first).ok()?))
    }
}

/// The runs of positions below `records` that are not deleted.
fn live_runs(deleted: &RoaringBitmap, records: u64) -> impl Iterator<Item = Range<u64>> + '_ {
    let mut gone = deleted.iter().map(u64::from).chain([records]);
    let mut start = 0;
    std::iter::from_fn(move || {
        loop {
            let end = gone.next()?.min(records);
            let run = start..end;
            start = end + 1;
            if !run.is_empty() {
                return Some(run);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Old place of each row to its new one, computed row by row.
    type Naive = BTreeMap<(u32, u32), (u32, u32)>;

    fn build(files: &[Vec<bool>], cut: u64, shuffle: Option<u64>) -> (RowMapping, Naive) {
        let mut mapping = RowMapping::default();
        let mut rows = Vec::new();
        for (id, live) in (0..).zip(files) {
            let deleted = (0..).zip(live).filter(|(_, live)| !**live).map(|(position, _)| position).collect();
            mapping.push_source(FileId(id), live.len() as u64, Arc::new(deleted));
            rows.extend((0..).zip(live).filter(|(_, live)| **live).map(|(position, _)| (id, position)));
        }
        if let Some(seed) = shuffle {
            let mut order: Vec<u32> = (0..rows.len() as u32).collect();
            order.sort_by_key(|rank| u64::from(*rank).wrapping_mul(seed | 1) % 17);
            mapping.set_order(&order);
            rows = order.iter().map(|old| rows[*old as usize]).collect();
        }
        for first in (0..rows.len() as u64).step_by(cut as usize) {
            mapping.push_target(FileId(1000 + (first / cut) as u32), first);
        }
        let naive = (0_u64..).zip(rows).map(|(rank, at)| (at, (1000 + (rank / cut) as u32, (rank % cut) as u32)));
        (mapping, naive.collect())
    }

    proptest! {
        #[test]
        fn every_live_row_is_found_where_a_row_by_row_count_puts_it(
            files in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.7), 0..40), 0..5),
            cut in 1_u64..50,
            shuffle in prop::option::of(any::<u64>()),
        ) {
            let (mapping, naive) = build(&files, cut, shuffle);
            prop_assert_eq!(mapping.rows(), naive.len() as u64);
            let mut moved = Naive::new();
            for run in mapping.moved() {
                for row in 0..run.rows {
                    moved.insert((run.from.0, run.from_position + row), (run.to.0, run.to_position + row));
                }
            }
            prop_assert_eq!(&moved, &naive);
            for (id, live) in (0..).zip(&files) {
                let all: RoaringBitmap = (0..live.len() as u32 + 3).collect();
                let mut translated: Vec<_> = mapping.translate(FileId(id), &all).into_iter()
                    .flat_map(|(to, at)| at.into_iter().map(move |at| (to.0, at))).collect();
                translated.sort_unstable();
                let mut wanted: Vec<_> = naive.range((id, 0)..=(id, u32::MAX)).map(|(_, to)| *to).collect();
                wanted.sort_unstable();
                prop_assert_eq!(translated, wanted);
                for position in all {
                    let found = mapping.find(FileId(id), position).map(|(to, at)| (to.0, at));
                    prop_assert_eq!(found, naive.get(&(id, position)).copied());
                }
            }
            prop_assert_eq!(mapping.find(FileId(77), 0), None);
        }
    }
}
