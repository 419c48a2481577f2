use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::CheckpointError;

/// How many files of a partition a [`FilesMark`] remembers by name; older ones are below its floor.
pub const RECENT_FILES: usize = 64;

/// What has been consumed whole of one table's source, partition by partition.
///
/// It is stored in the same atomic commit as the rows that it covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    marks: BTreeMap<String, Mark>,
}

/// How far one partition has been consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A log: every record below this offset.
    Offset(u64),
    /// A folder of files.
    Files(FilesMark),
}

/// Which files of a folder have been consumed.
///
/// Files are known by their order (see [`crate::Origin::order`]). The newest [`RECENT_FILES`] are kept by name. A file
/// that sorts at or below the floor counts as consumed unless it arrived after everything that was below the floor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesMark {
    recent: BTreeMap<String, FileMark>,
    floor: Option<Floor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FileMark {
    rows: u64,
    whole: bool,
    arrived_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Floor {
    order: String,
    arrived_us: i64,
}

/// How much of a file has been consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileProgress {
    /// Nothing of it.
    Unseen,
    /// This many records; more may follow.
    Rows(u64),
    /// All of it.
    Whole,
}

impl Position {
    /// The position before everything.
    pub fn start() -> Self {
        Self::default()
    }

    /// Whether nothing has been consumed.
    pub fn is_start(&self) -> bool {
        self.marks.is_empty()
    }

    /// The partitions with their marks, by name.
    pub fn marks(&self) -> impl Iterator<Item = (&str, &Mark)> {
        self.marks.iter().map(|(name, mark)| (name.as_str(), mark))
    }

    /// The next offset of a log partition (0 where nothing was consumed).
    pub fn offset(&self, partition: &str) -> u64 {
        match self.marks.get(partition) {
            Some(Mark::Offset(next)) => *next,
            _ => 0,
        }
    }

    /// Moves a log partition to `next`; never backwards.
    pub fn advance_offset(&mut self, partition: &str, next: u64) {
        let next = next.max(self.offset(partition));
        self.marks.insert(partition.to_owned(), Mark::Offset(next));
    }

    /// How much of a file has been consumed. `arrived_us` is when the file came to be at its place.
    pub fn file(&self, partition: &str, order: &str, arrived_us: i64) -> FileProgress {
        match self.marks.get(partition) {
            Some(Mark::Files(files)) => files.progress(order, arrived_us),
            _ => FileProgress::Unseen,
        }
    }

    /// The order of the furthest file of which anything was consumed.
    pub fn furthest_file(&self, partition: &str) -> Option<&str> {
        match self.marks.get(partition) {
            Some(Mark::Files(files)) => files
                .recent
                .last_key_value()
                .map(|(order, _)| order.as_str())
                .max(files.floor.as_ref().map(|floor| floor.order.as_str())),
            _ => None,
        }
    }

    /// Records that `rows` records of a file have been consumed, and whether that is all of it.
    pub fn advance_file(&mut self, partition: &str, order: &str, arrived_us: i64, rows: u64, whole: bool) {
        let mark = self.marks.entry(partition.to_owned()).or_insert_with(|| Mark::Files(FilesMark::default()));
        if !matches!(mark, Mark::Files(_)) {
            *mark = Mark::Files(FilesMark::default());
        }
        if let Mark::Files(files) = mark {
            files.advance(order, arrived_us, rows, whole);
        }
    }

    /// Whether a record is known for certain to be covered: files below the floor are not known by name, so theirs are not.
    pub fn remembers_row(&self, partition: &str, order: &str, row: u64) -> bool {
        match self.marks.get(partition) {
            Some(Mark::Files(files)) => files.recent.get(order).is_some_and(|mark| mark.whole || mark.rows >= row),
            Some(Mark::Offset(next)) => row < *next,
            None => false,
        }
    }

    /// Covers what `other` covers too.
    pub fn merge(&mut self, other: &Position) {
        for (partition, theirs) in &other.marks {
            match theirs {
                Mark::Offset(next) => self.advance_offset(partition, *next),
                Mark::Files(theirs) => {
                    for (order, mark) in &theirs.recent {
                        self.advance_file(partition, order, mark.arrived_us, mark.rows, mark.whole);
                    }
                    if let (Some(floor), Some(Mark::Files(ours))) = (&theirs.floor, self.marks.get_mut(partition)) {
                        ours.raise_floor(&floor.order, floor.arrived_us);
                    }
                }
            }
        }
    }

    /// The same position as bytes that are equal exactly when positions are.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// The furthest order of any file partition.
    pub fn furthest_order(&self) -> Option<&str> {
        self.marks.keys().filter_map(|partition| self.furthest_file(partition)).max()
    }

    /// Whether everything that `other` covers is covered here too.
    pub fn covers(&self, other: &Position) -> bool {
        other.marks.iter().all(|(partition, theirs)| match (self.marks.get(partition), theirs) {
            (Some(Mark::Offset(ours)), Mark::Offset(theirs)) => ours >= theirs,
            (Some(Mark::Files(ours)), Mark::Files(theirs)) => ours.covers(theirs),
            (None, Mark::Offset(0)) => true,
            (None, Mark::Files(theirs)) => theirs.recent.is_empty() && theirs.floor.is_none(),
            _ => false,
        })
    }
}

impl FilesMark {
    fn is_below_floor(&self, order: &str) -> bool {
        self.floor.as_ref().is_some_and(|floor| order <= floor.order.as_str())
    }

    fn progress(&self, order: &str, arrived_us: i64) -> FileProgress {
        if let Some(mark) = self.recent.get(order) {
            return if mark.whole { FileProgress::Whole } else { FileProgress::Rows(mark.rows) };
        }
        match &self.floor {
            Some(floor) if order <= floor.order.as_str() && arrived_us <= floor.arrived_us => FileProgress::Whole,
            _ => FileProgress::Unseen,
        }
    }

    fn advance(&mut self, order: &str, arrived_us: i64, rows: u64, whole: bool) {
        let mark = self.recent.entry(order.to_owned()).or_insert(FileMark { rows: 0, whole: false, arrived_us });
        mark.rows = mark.rows.max(rows);
        mark.whole |= whole;
        mark.arrived_us = mark.arrived_us.max(arrived_us);
        while self.recent.len() > RECENT_FILES {
            let Some(lowest) = self.recent.iter().find(|(_, mark)| mark.whole).map(|(order, _)| order.clone()) else {
                break;
            };
            let Some(mark) = self.recent.remove(&lowest) else { break };
            self.raise_floor(&lowest, mark.arrived_us);
        }
    }

    fn raise_floor(&mut self, order: &str, arrived_us: i64) {
        let floor = self.floor.get_or_insert_with(|| Floor { order: order.to_owned(), arrived_us });
        floor.arrived_us = floor.arrived_us.max(arrived_us);
        if order > floor.order.as_str() {
            order.clone_into(&mut floor.order);
        }
    }

    fn covers(&self, other: &FilesMark) -> bool {
        let files = other.recent.iter().all(|(order, theirs)| match self.recent.get(order) {
            Some(ours) => ours.whole || (!theirs.whole && ours.rows >= theirs.rows),
            None => self.is_below_floor(order),
        });
        let floor = match (&self.floor, &other.floor) {
            (_, None) => true,
            (Some(ours), Some(theirs)) => ours.order >= theirs.order,
            (None, Some(_)) => false,
        };
        files && floor
    }
}

impl fmt::Display for Position {
    /// One line for a person: the furthest point of each partition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.marks.is_empty() {
            return f.write_str("start");
        }
        for (index, (partition, mark)) in self.marks.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match mark {
                Mark::Offset(next) => write!(f, "{partition}@{next}")?,
                Mark::Files(files) => match files.recent.last_key_value() {
                    Some((order, mark)) if mark.whole => write!(f, "{order}")?,
                    Some((order, mark)) => write!(f, "{order}#{}", mark.rows)?,
                    None => write!(f, "{partition}: nothing")?,
                },
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(position: &mut Position, names: impl IntoIterator<Item = u32>) {
        for name in names {
            position.advance_file("t", &format!("{name:08}"), i64::from(name), 10, true);
        }
    }

    #[test]
    fn a_file_is_unseen_then_partly_then_wholly_consumed() {
        let mut position = Position::start();
        assert_eq!(position.file("t", "a", 0), FileProgress::Unseen);
        position.advance_file("t", "a", 0, 5, false);
        assert_eq!(position.file("t", "a", 0), FileProgress::Rows(5));
        assert!(position.remembers_row("t", "a", 5));
        assert!(!position.remembers_row("t", "a", 6));
        position.advance_file("t", "a", 0, 9, true);
        assert_eq!(position.file("t", "a", 0), FileProgress::Whole);
    }

    #[test]
    fn memory_of_files_is_bounded_and_old_files_stay_consumed() {
        let mut position = Position::start();
        files(&mut position, 1..=1000);
        let Some((_, Mark::Files(mark))) = position.marks().next() else { unreachable!() };
        assert_eq!(mark.recent.len(), RECENT_FILES);
        assert_eq!(position.file("t", "00000001", 1), FileProgress::Whole);
        assert_eq!(position.file("t", "00000999", 999), FileProgress::Whole);
        assert_eq!(position.file("t", "00001001", 1001), FileProgress::Unseen);
    }

    #[test]
    fn a_file_below_the_floor_that_arrived_later_is_late_not_consumed() {
        let mut position = Position::start();
        files(&mut position, (1..=1000).filter(|n| *n != 500));
        assert_eq!(position.file("t", "00000500", 2000), FileProgress::Unseen);
        position.advance_file("t", "00000500", 2000, 3, true);
        assert_eq!(position.file("t", "00000500", 2000), FileProgress::Whole);
    }

    #[test]
    fn a_gap_within_the_remembered_files_is_seen_as_late() {
        let mut position = Position::start();
        files(&mut position, [1, 3]);
        assert_eq!(position.file("t", "00000002", 9), FileProgress::Unseen);
        assert_eq!(position.furthest_file("t"), Some("00000003"));
    }

    #[test]
    fn a_merged_position_covers_both() {
        let (mut left, mut right) = (Position::start(), Position::start());
        files(&mut left, (1..=200).filter(|n| n % 2 == 0));
        files(&mut right, 150..=180);
        right.advance_offset("topic/0", 7);
        let mut both = left.clone();
        both.merge(&right);
        assert!(both.covers(&left) && both.covers(&right));
        assert_eq!(both.offset("topic/0"), 7);
        assert!(both.remembers_row("t", "00000175", 10));
    }

    #[test]
    fn covering_is_reflexive_and_ordered() {
        let mut early = Position::start();
        files(&mut early, 1..=3);
        let mut late = early.clone();
        files(&mut late, 4..=400);
        assert!(early.covers(&early) && late.covers(&early) && !early.covers(&late));
        let mut log = Position::start();
        log.advance_offset("topic/0", 5);
        assert!(!early.covers(&log));
        assert!(log.covers(&Position::start()));
    }
}
