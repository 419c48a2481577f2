use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::CheckpointError;

pub(crate) mod v1;

/// How many files of a partition a [`FilesMark`] remembers by name; older ones are below its floor.
pub const RECENT_FILES: usize = 64;
/// How many lasting files (see [`FileVersion::lasting`]) it remembers beside them.
const LASTING_FILES: usize = 64;
/// How many generations a position remembers; files of older ones count to the oldest of them.
const REMEMBERED_GENERATIONS: usize = 8;

/// What has been consumed whole of one table's source, partition by partition.
///
/// It is stored in the same atomic commit as the rows that it covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    marks: BTreeMap<String, Mark>,
    /// The newest generations that have begun, oldest first; none while the table was loaded once only.
    generations: Vec<Generation>,
}

/// A table that was emptied, and mostly loaded anew, at one place in its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number; the table's first load is generation 0 and is never stored.
    pub number: u32,
    /// Files of the full load that arrived from then on belong to it.
    pub loaded_from_us: i64,
    /// Files of changes whose rank (their order without the phase) sorts after this belong to it.
    pub changes_after: String,
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

/// What a position remembers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Records consumed.
    pub rows: u64,
    /// Whether that is all of it.
    pub whole: bool,
    /// What it was when it was read.
    pub version: FileVersion,
}

/// What a file was when it was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVersion {
    /// When it came to be at its place.
    pub arrived_us: i64,
    /// Its length; `None` where that is not known.
    pub size: Option<u64>,
    /// Digest of the name that the storage gives its content; `None` where there is none.
    pub content: Option<u64>,
    /// Whether it is remembered by name beyond the newest [`RECENT_FILES`], because it says something of the others.
    pub lasting: bool,
}

impl FileVersion {
    /// A file of which only the arrival is known.
    pub fn arrived(arrived_us: i64) -> Self {
        Self { arrived_us, ..Self::default() }
    }

    /// Whether two versions of a file certainly differ in what they hold.
    pub fn differs(&self, other: &FileVersion) -> bool {
        let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        differ(self.size, other.size) || differ(self.content, other.content)
    }
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

    /// Whether an origin sorts before something that has been consumed of any folder of the table.
    pub fn is_passed(&self, order: &str) -> bool {
        self.furthest_order().is_some_and(|furthest| order < furthest)
    }

    /// The number of the newest generation that has begun; 0 while the table was loaded once only.
    pub fn generation(&self) -> u32 {
        self.generations.last().map_or(0, |newest| newest.number)
    }

    /// The generations that have begun and are remembered, oldest first.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// Begins a generation: what was left of files of older ones is not waited for any more.
    pub fn begin_generation(&mut self, generation: Generation) {
        if generation.number <= self.generation() {
            return;
        }
        for mark in self.marks.values_mut() {
            if let Mark::Files(files) = mark {
                files.close();
            }
        }
        self.generations.push(generation);
        self.forget_generations();
    }

    fn forget_generations(&mut self) {
        let surplus = self.generations.len().saturating_sub(REMEMBERED_GENERATIONS);
        self.generations.drain(..surplus);
    }

    /// The files of a partition that are remembered by name, by order.
    pub fn remembered(&self, partition: &str) -> impl Iterator<Item = (&str, &FileMark)> {
        let files = match self.marks.get(partition) {
            Some(Mark::Files(files)) => Some(&files.recent),
            _ => None,
        };
        files.into_iter().flatten().map(|(order, mark)| (order.as_str(), mark))
    }

    /// What is remembered of a file.
    pub fn file_mark(&self, partition: &str, order: &str) -> Option<&FileMark> {
        match self.marks.get(partition) {
            Some(Mark::Files(files)) => files.recent.get(order),
            _ => None,
        }
    }

    /// Records that `rows` records of a file have been consumed, and whether that is all of it.
    pub fn advance_file(&mut self, partition: &str, order: &str, arrived_us: i64, rows: u64, whole: bool) {
        self.advance_version(partition, order, FileVersion::arrived(arrived_us), rows, whole);
    }

    /// As [`Position::advance_file`], remembering what the file was.
    pub fn advance_version(&mut self, partition: &str, order: &str, version: FileVersion, rows: u64, whole: bool) {
        let mark = self.marks.entry(partition.to_owned()).or_insert_with(|| Mark::Files(FilesMark::default()));
        if !matches!(mark, Mark::Files(_)) {
            *mark = Mark::Files(FilesMark::default());
        }
        if let Mark::Files(files) = mark {
            files.advance(order, version, rows, whole);
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
                        self.advance_version(partition, order, mark.version, mark.rows, mark.whole);
                    }
                    if let (Some(floor), Some(Mark::Files(ours))) = (&theirs.floor, self.marks.get_mut(partition)) {
                        ours.raise_floor(&floor.order, floor.arrived_us);
                    }
                }
            }
        }
        let newest = self.generation();
        self.generations.extend(other.generations.iter().filter(|theirs| theirs.number > newest).cloned());
        self.forget_generations();
    }

    /// The same position as bytes that are equal exactly when positions are.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// The furthest order of any file partition.
    pub fn furthest_order(&self) -> Option<&str> {
        self.marks.keys().filter_map(|partition| self.furthest_file(partition)).max()
    }

    /// Whether the furthest that has been consumed belongs to the full load of a generation but the first.
    ///
    /// It reads the phase with which orders of sources with generations begin: the full load of generation `g` has the
    /// number `2 g`, its changes the next; as text every nine of it lead with one more 9.
    pub fn is_loading_anew(&self) -> bool {
        let Some((phase, _)) = self.furthest_order().and_then(|order| order.split_once('/')) else { return false };
        let last = phase.bytes().last().filter(u8::is_ascii_digit).map_or(0, |digit| usize::from(digit - b'0'));
        self.generation() > 0 && (9 * (phase.len().max(1) - 1) + last).is_multiple_of(2)
    }

    /// Whether everything that `other` covers is covered here too.
    pub fn covers(&self, other: &Position) -> bool {
        let marks = other.marks.iter().all(|(partition, theirs)| match (self.marks.get(partition), theirs) {
            (Some(Mark::Offset(ours)), Mark::Offset(theirs)) => ours >= theirs,
            (Some(Mark::Files(ours)), Mark::Files(theirs)) => ours.covers(theirs),
            (None, Mark::Offset(0)) => true,
            (None, Mark::Files(theirs)) => theirs.recent.is_empty() && theirs.floor.is_none(),
            _ => false,
        });
        marks && self.generation() >= other.generation()
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

    fn advance(&mut self, order: &str, version: FileVersion, rows: u64, whole: bool) {
        let mark = self.recent.entry(order.to_owned()).or_insert(FileMark { rows: 0, whole: false, version });
        mark.rows = mark.rows.max(rows);
        mark.whole |= whole;
        let arrived_us = mark.version.arrived_us.max(version.arrived_us);
        let known = mark.version;
        mark.version = FileVersion {
            arrived_us,
            size: version.size.or(known.size),
            content: version.content.or(known.content),
            lasting: version.lasting || known.lasting,
        };
        self.forget(true, LASTING_FILES);
        self.forget(false, RECENT_FILES);
    }

    /// Lets the lowest whole files of one kind sink below the floor until no more than `most` are left.
    fn forget(&mut self, lasting: bool, most: usize) {
        let mut count = self.recent.values().filter(|mark| mark.version.lasting == lasting).count();
        while count > most {
            let sinks = |(_, mark): &(&String, &FileMark)| mark.whole && mark.version.lasting == lasting;
            let Some(lowest) = self.recent.iter().find(sinks).map(|(order, _)| order.clone()) else { break };
            let Some(mark) = self.recent.remove(&lowest) else { break };
            self.raise_floor(&lowest, mark.version.arrived_us);
            count -= 1;
        }
    }

    /// Nothing more is expected of the files so far.
    fn close(&mut self) {
        for mark in self.recent.values_mut() {
            mark.whole = true;
            mark.version.lasting = false;
        }
        self.forget(false, RECENT_FILES);
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
    fn lasting_files_are_remembered_beside_the_newest_until_a_generation_begins() {
        let mut position = Position::start();
        let first = FileVersion { size: Some(3), content: Some(9), lasting: true, arrived_us: 1 };
        position.advance_version("t", "0/LOAD00000001.csv", first, 5, true);
        files(&mut position, 10_000_001..=10_000_400);
        assert_eq!(position.file_mark("t", "0/LOAD00000001.csv").map(|mark| mark.version), Some(first));
        assert_eq!(position.remembered("t").count(), RECENT_FILES + 1);
        position.advance_file("t", "9", 500, 3, false);
        let generation = Generation { number: 1, loaded_from_us: 600, changes_after: "x".into() };
        position.begin_generation(generation.clone());
        assert_eq!((position.generation(), position.generations()), (1, &[generation][..]));
        assert_eq!(position.file("t", "9", 500), FileProgress::Whole, "nothing more is expected of it");
        assert_eq!(position.file_mark("t", "0/LOAD00000001.csv"), None);
        assert_eq!(position.file("t", "0/LOAD00000001.csv", 1), FileProgress::Whole);
    }

    #[test]
    fn generations_are_merged_and_covered_and_their_memory_is_bounded() {
        let begin = |number: u32| Generation { number, loaded_from_us: 0, changes_after: String::new() };
        let (mut early, mut late) = (Position::start(), Position::start());
        early.begin_generation(begin(1));
        (1..=40).for_each(|number| late.begin_generation(begin(number)));
        late.begin_generation(begin(7));
        assert_eq!((late.generation(), late.generations().len()), (40, REMEMBERED_GENERATIONS));
        assert!(late.covers(&early) && !early.covers(&late));
        early.merge(&late);
        assert_eq!(early.generation(), 40);
    }

    #[test]
    fn contents_differ_only_where_both_are_known() {
        let version = |size, content| FileVersion { size, content, ..FileVersion::default() };
        assert!(version(Some(1), None).differs(&version(Some(2), Some(1))));
        assert!(version(Some(1), Some(1)).differs(&version(Some(1), Some(2))));
        assert!(!version(None, None).differs(&version(Some(2), Some(1))));
        assert!(!version(Some(2), Some(1)).differs(&version(Some(2), Some(1))));
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
