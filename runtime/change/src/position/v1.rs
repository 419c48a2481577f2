//! Positions as the first version of the checkpoint's encoding wrote them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FileMark, FileVersion, FilesMark, Floor, Mark};

/// A position without generations and without the contents of files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Position {
    marks: BTreeMap<String, MarkV1>,
}

#[derive(Debug, Serialize, Deserialize)]
enum MarkV1 {
    Offset(u64),
    Files(FilesMarkV1),
}

#[derive(Debug, Serialize, Deserialize)]
struct FilesMarkV1 {
    recent: BTreeMap<String, FileMarkV1>,
    floor: Option<Floor>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileMarkV1 {
    rows: u64,
    whole: bool,
    arrived_us: i64,
}

impl From<Position> for super::Position {
    fn from(old: Position) -> Self {
        let mark = |mark| match mark {
            MarkV1::Offset(next) => Mark::Offset(next),
            MarkV1::Files(files) => Mark::Files(files.into()),
        };
        let marks = old.marks.into_iter().map(|(partition, old)| (partition, mark(old))).collect();
        super::Position { marks, generations: Vec::new() }
    }
}

impl From<FilesMarkV1> for FilesMark {
    fn from(old: FilesMarkV1) -> Self {
        let mark = |FileMarkV1 { rows, whole, arrived_us }| FileMark {
            rows,
            whole,
            version: FileVersion::arrived(arrived_us),
        };
        FilesMark { recent: old.recent.into_iter().map(|(order, old)| (order, mark(old))).collect(), floor: old.floor }
    }
}

#[cfg(test)]
impl From<&super::Position> for Position {
    fn from(new: &super::Position) -> Self {
        let file =
            |mark: &FileMark| FileMarkV1 { rows: mark.rows, whole: mark.whole, arrived_us: mark.version.arrived_us };
        let mark = |mark: &Mark| match mark {
            Mark::Offset(next) => MarkV1::Offset(*next),
            Mark::Files(files) => MarkV1::Files(FilesMarkV1 {
                recent: files.recent.iter().map(|(order, mark)| (order.clone(), file(mark))).collect(),
                floor: files.floor.clone(),
            }),
        };
        Position { marks: new.marks.iter().map(|(partition, new)| (partition.clone(), mark(new))).collect() }
    }
}
