use std::collections::VecDeque;

use sluice_change::{FileProgress, FileVersion, Generation, Position};

use super::file_name::rewritten;
use super::generation::{is_rewritten, place};
use super::listing::{Folder, Found};
use super::settings::OnRewritten;

/// A file that has not been consumed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub file: Found,
    /// Its place among the table's files.
    pub order: String,
    /// Records of it that have been consumed.
    pub consumed: u64,
    /// What it was when they were.
    pub seen: Option<FileVersion>,
    /// Whether a file that sorts after it has been consumed before.
    pub late: bool,
}

/// What is to be read, and what has been noticed on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The files that still hold something, in the order in which they are read.
    pub pending: VecDeque<Pending>,
    /// Consumed files that have other content now and are not read: their orders and names.
    pub rewritten: Vec<(String, String)>,
    /// For each folder the last location of changes that have been consumed whole.
    pub consumed_to: Vec<Option<String>>,
}

/// How far a file has been consumed, and under which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not whole: so many records.
    Open(String, u64),
    /// All of it.
    Whole(String),
    /// All of it, but it has other content now.
    Rewritten(String),
}

/// Where a file stands.
pub(super) fn standing(
    file: &Found,
    position: &Position,
    generations: &[Generation],
    partition: &str,
    policy: OnRewritten,
) -> Standing {
    let order = place(generations, position, partition, file);
    let again = rewritten(&order, file.content.unwrap_or(file.size));
    if let Some(mark) = position.file_mark(partition, &again) {
        return if mark.whole { Standing::Whole(again) } else { Standing::Open(again, mark.rows) };
    }
    match position.file(partition, &order, file.arrived_us) {
        FileProgress::Unseen => Standing::Open(order, 0),
        FileProgress::Rows(rows) => Standing::Open(order, rows),
        FileProgress::Whole if !is_rewritten(position, partition, &order, file) => Standing::Whole(order),
        FileProgress::Whole if policy == OnRewritten::Report => Standing::Rewritten(order),
        // Its new content has a place of its own, right behind the old content's.
        FileProgress::Whole => Standing::Open(again, 0),
    }
}

/// Puts the files that still hold something into the order in which they are read.
///
/// Late files come first, the one that arrived first before the others: a position tells a late file from a consumed one
/// by its arrival, so none may be consumed before one that arrived earlier.
pub(super) fn plan(
    files: Vec<Found>,
    position: &Position,
    generations: &[Generation],
    folders: &[Folder],
    policy: OnRewritten,
) -> Plan {
    let mut plan = Plan { consumed_to: vec![None; folders.len()], ..Plan::default() };
    let mut pending = Vec::new();
    for file in files {
        let partition = &folders[file.folder].partition;
        match standing(&file, position, generations, partition, policy) {
            Standing::Open(order, consumed) => {
                let seen = position.file_mark(partition, &order).map(|mark| mark.version);
                let late = position.is_passed(&order);
                pending.push(Pending { file, order, consumed, seen, late });
            }
            Standing::Rewritten(order) => plan.rewritten.push((order, file.name)),
            Standing::Whole(_) => {
                let to = &mut plan.consumed_to[file.folder];
                if file.is_changes() && to.as_ref().is_none_or(|to| *to < file.location) {
                    *to = Some(file.location);
                }
            }
        }
    }
    pending.sort_by(|a, b| {
        let late = b.late.cmp(&a.late);
        let arrival = if a.late && b.late { a.file.arrived_us.cmp(&b.file.arrived_us) } else { late };
        late.then(arrival).then_with(|| a.order.cmp(&b.order))
    });
    plan.pending = pending.into();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dms::file_name::{FileFormat, FileKind, rank_of};
    use crate::dms::listing::TableFolder;

    fn file(order: &str, arrived_us: i64) -> Found {
        Found {
            location: order.into(),
            name: order.into(),
            rank: rank_of(order).into(),
            kind: if order.starts_with('0') { FileKind::FullLoad } else { FileKind::Changes },
            format: FileFormat::Csv,
            first: false,
            size: 1,
            arrived_us,
            weak: false,
            content: None,
            folder: 0,
        }
    }

    fn planned(files: &[(&str, i64)], position: &Position) -> Vec<(String, u64, bool)> {
        let files = files.iter().map(|(order, arrived)| file(order, *arrived)).collect();
        let folders = TableFolder::folders_of(&"a.t".parse().unwrap(), std::iter::empty());
        let plan = plan(files, position, &[], &folders, OnRewritten::Report);
        plan.pending.into_iter().map(|it| (it.order, it.consumed, it.late)).collect()
    }

    #[test]
    fn files_come_by_order_not_by_arrival() {
        let found = planned(&[("1/b", 1), ("0/z", 3), ("1/a", 2)], &Position::start());
        assert_eq!(found, [("0/z".into(), 0, false), ("1/a".into(), 0, false), ("1/b".into(), 0, false)]);
    }

    #[test]
    fn consumed_files_are_left_out_and_a_file_half_read_goes_on() {
        let mut position = Position::start();
        position.advance_file("a.t", "0/a", 1, 9, true);
        position.advance_file("a.t", "0/b", 1, 4, false);
        let found = planned(&[("0/a", 1), ("0/b", 1), ("0/c", 1)], &position);
        assert_eq!(found, [("0/b".into(), 4, false), ("0/c".into(), 0, false)]);
    }

    #[test]
    fn late_files_come_first_by_arrival() {
        let mut position = Position::start();
        position.advance_file("a.t", "1/m", 5, 9, true);
        let found = planned(&[("1/a", 9), ("1/b", 7), ("1/m", 5), ("1/z", 6)], &position);
        assert_eq!(found, [("1/b".into(), 0, true), ("1/a".into(), 0, true), ("1/z".into(), 0, false)]);
    }
}
