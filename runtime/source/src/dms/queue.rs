use std::collections::VecDeque;

use sluice_change::{FileProgress, Position};

use super::listing::DmsFile;

/// A file that has not been consumed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub file: DmsFile,
    /// Records of it that have been consumed.
    pub consumed: u64,
    /// Whether a file that sorts after it has been consumed before.
    pub late: bool,
}

/// Puts the files that still hold something into the order in which they are read.
///
/// Late files come first, the one that arrived first before the others: a position tells a late file from a consumed one
/// by its arrival, so none may be consumed before one that arrived earlier.
pub(super) fn plan(files: Vec<DmsFile>, position: &Position, partition: &str) -> VecDeque<Pending> {
    let furthest = position.furthest_file(partition);
    let mut pending: Vec<Pending> = files
        .into_iter()
        .filter_map(|file| {
            let consumed = match position.file(partition, &file.order, file.arrived_us) {
                FileProgress::Unseen => 0,
                FileProgress::Rows(rows) => rows,
                FileProgress::Whole => return None,
            };
            let late = furthest.is_some_and(|furthest| file.order.as_str() < furthest);
            Some(Pending { file, consumed, late })
        })
        .collect();
    pending.sort_by(|a, b| {
        let late = b.late.cmp(&a.late);
        let arrival = if a.late && b.late { a.file.arrived_us.cmp(&b.file.arrived_us) } else { late };
        late.then(arrival).then_with(|| a.file.order.cmp(&b.file.order))
    });
    pending.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dms::file_name::{FileFormat, FileKind};

    fn file(order: &str, arrived_us: i64) -> DmsFile {
        DmsFile {
            location: order.into(),
            name: order.into(),
            order: order.into(),
            kind: FileKind::Changes,
            format: FileFormat::Csv,
            size: 1,
            arrived_us,
        }
    }

    fn planned(files: &[(&str, i64)], position: &Position) -> Vec<(String, u64, bool)> {
        let files = files.iter().map(|(order, arrived)| file(order, *arrived)).collect();
        plan(files, position, "t").into_iter().map(|it| (it.file.order, it.consumed, it.late)).collect()
    }

    #[test]
    fn files_come_by_order_not_by_arrival() {
        let found = planned(&[("1/b", 1), ("0/z", 3), ("1/a", 2)], &Position::start());
        assert_eq!(found, [("0/z".into(), 0, false), ("1/a".into(), 0, false), ("1/b".into(), 0, false)]);
    }

    #[test]
    fn consumed_files_are_left_out_and_a_file_half_read_goes_on() {
        let mut position = Position::start();
        position.advance_file("t", "0/a", 1, 9, true);
        position.advance_file("t", "0/b", 1, 4, false);
        let found = planned(&[("0/a", 1), ("0/b", 1), ("0/c", 1)], &position);
        assert_eq!(found, [("0/b".into(), 4, false), ("0/c".into(), 0, false)]);
    }

    #[test]
    fn late_files_come_first_by_arrival() {
        let mut position = Position::start();
        position.advance_file("t", "1/m", 5, 9, true);
        let found = planned(&[("1/a", 9), ("1/b", 7), ("1/m", 5), ("1/z", 6)], &position);
        assert_eq!(found, [("1/b".into(), 0, true), ("1/a".into(), 0, true), ("1/z".into(), 0, false)]);
    }
}
