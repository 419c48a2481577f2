//! A table that is loaded anew, or emptied: which files belong to which load of it.
//!
//! DMS numbers the files of a full load from 1. A full load written anew shows in the first file of a series (of the
//! table, a segment or a partition folder): it was consumed, and has other content now. New names beside files that
//! stayed what they were are late files of the same load, however late.
//!
//! From then on full-load files belong to the new generation if they arrived no earlier than that first file, and files
//! of changes if their names sort after those of all changes that were there before it.

use sluice_change::{Generation, Position};

use super::file_name::{FileFormat, FileKind, beginning, content_rank, order, phase, rank_of};
use super::listing::{Folder, Found};
use super::settings::{OnReload, OnVanished};

/// Why a generation begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// This file of the full load was written anew.
    Reload(String),
    /// All files that had been consumed are gone.
    Vanished,
}

/// A generation that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub generation: Generation,
    pub cause: Cause,
}

/// The number of the generation that a file belongs to.
pub(super) fn generation_of(generations: &[Generation], file: &Found) -> u32 {
    let belongs = |generation: &&Generation| match file.kind {
        FileKind::FullLoad => file.arrived_us >= generation.loaded_from_us,
        FileKind::Changes => file.rank > generation.changes_after,
    };
    let oldest = generations.first().map_or(0, |oldest| oldest.number.saturating_sub(1));
    generations.iter().rev().find(belongs).map_or(oldest, |generation| generation.number)
}

/// The order of a file. One that was consumed in an older generation and has not changed since stays there.
pub(super) fn place(generations: &[Generation], position: &Position, partition: &str, file: &Found) -> String {
    let generation = generation_of(generations, file);
    if let Some(before) = generation.checked_sub(1) {
        let old = order(before, file.kind, &file.rank);
        let known = position.file_mark(partition, &old).is_some_and(|mark| {
            file.content.is_some() && mark.version.content == file.content && mark.version.size == Some(file.size)
        });
        if known && file.kind == FileKind::FullLoad {
            return old;
        }
    }
    order(generation, file.kind, &file.rank)
}

/// Whether a file that was consumed, wholly or in part, certainly has other content now.
pub(super) fn is_rewritten(position: &Position, partition: &str, order: &str, file: &Found) -> bool {
    position.file_mark(partition, order).is_some_and(|mark| {
        let grows = !mark.whole && file.format != FileFormat::Parquet && mark.version.size < Some(file.size);
        mark.version.differs(&file.version()) && !grows
    })
}

/// Whether the table was loaded anew since `position`, by all files that are there now.
pub(super) fn reloaded(position: &Position, folders: &[Folder], files: &[Found], policy: OnReload) -> Option<Verdict> {
    if policy == OnReload::Ignore {
        return None;
    }
    let current = position.generation();
    let anew = |file: &&Found| {
        let partition = &folders[file.folder].partition;
        let order = order(current, file.kind, &file.rank);
        let known = position.file_mark(partition, &order);
        file.kind == FileKind::FullLoad
            && generation_of(position.generations(), file) == current
            && known.is_some_and(|mark| file.arrived_us > mark.version.arrived_us)
            // A touch must not empty a table: where a new name of the content proves nothing, the size has to differ.
            && (!file.weak || known.is_some_and(|mark| mark.version.size != Some(file.size)))
            && is_rewritten(position, partition, &order, file)
    };
    let first = files.iter().filter(|file| file.first).filter(anew).min_by_key(|file| file.arrived_us)?;
    let from = files.iter().filter(anew).map(|file| file.arrived_us).min().unwrap_or(first.arrived_us);
    let before = files.iter().filter(|file| file.kind == FileKind::Changes && file.arrived_us < from);
    let changes_after = before.map(|file| file.rank.as_str()).max().unwrap_or_default();
    Some(Verdict { generation: next(position, from, changes_after), cause: Cause::Reload(first.name.clone()) })
}

/// Whether all files of the table's own folder that are known to have been consumed are gone at once.
pub(super) fn vanished(
    position: &Position,
    folders: &[Folder],
    files: &[Found],
    policy: OnVanished,
) -> Option<Verdict> {
    let own = &folders.first()?.partition;
    if policy == OnVanished::Ignore {
        return None;
    }
    let phases = [FileKind::FullLoad, FileKind::Changes].map(|kind| format!("{}/", phase(position.generation(), kind)));
    let marks = position
        .remembered(own)
        .filter(|(order, _)| phases.iter().any(|phase| order.starts_with(phase.as_str()) && order.len() > phase.len()));
    let (orders, arrivals): (Vec<&str>, Vec<i64>) = marks.map(|(order, mark)| (order, mark.version.arrived_us)).unzip();
    let newest = arrivals.into_iter().max()?;
    let there = |order: &&str| files.iter().any(|file| file.folder == 0 && file.rank == content_rank(order));
    if orders.iter().any(there) {
        return None;
    }
    Some(Verdict { generation: next(position, newest.saturating_add(1), ""), cause: Cause::Vanished })
}

/// The generation after the newest. Changes up to `changes_after`, and all consumed ones, are older.
fn next(position: &Position, loaded_from_us: i64, changes_after: &str) -> Generation {
    let phase = format!("{}/", phase(position.generation(), FileKind::Changes));
    let consumed = position.furthest_order().filter(|order| order.starts_with(&phase)).map(rank_of);
    let earlier = position.generations().last().map(|newest| newest.changes_after.as_str());
    let changes_after = [Some(changes_after), consumed, earlier].into_iter().flatten().max().unwrap_or_default();
    Generation { number: position.generation() + 1, loaded_from_us, changes_after: changes_after.to_owned() }
}

/// The generations of a position with the one that is to begin.
pub(super) fn with(position: &Position, verdict: Option<&Verdict>) -> Vec<Generation> {
    position.generations().iter().chain(verdict.map(|verdict| &verdict.generation)).cloned().collect()
}

/// Where a generation begins, as the order of an origin.
pub(super) fn place_of(verdict: &Verdict) -> String {
    beginning(verdict.generation.number)
}
