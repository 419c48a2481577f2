//! What has become of each file of a table.

use sluice_change::Position;

use crate::{FileFate, SourceFile};

use super::file_name::content_rank;
use super::generation::{self, reloaded};
use super::listing::{Folder, Listing};
use super::queue::{Standing, standing};
use super::settings::{OnReload, OnRewritten};

/// The files of a table in their order: those found, and those that only the position remembers.
pub(super) fn fates(
    listing: Listing,
    at: &Position,
    folders: &[Folder],
    on_rewritten: OnRewritten,
    on_reload: OnReload,
) -> Vec<SourceFile> {
    let verdict = reloaded(at, folders, &listing.files, on_reload);
    let generations = generation::with(at, verdict.as_ref());
    let mut files = Vec::new();
    for file in &listing.files {
        let partition = &folders[file.folder].partition;
        let rows_of = |order: &str| at.file_mark(partition, order).map(|mark| mark.rows);
        let (order, fate) = match standing(file, at, &generations, partition, on_rewritten) {
            Standing::Open(order, 0) if at.is_passed(&order) => (order, FileFate::Late),
            Standing::Open(order, 0) => (order, FileFate::Pending),
            Standing::Open(order, rows) => (order, FileFate::Partial { rows }),
            Standing::Whole(order) => {
                let rows = rows_of(&order);
                (order, FileFate::Consumed { rows })
            }
            Standing::Rewritten(order) => (order, FileFate::Rewritten),
        };
        files.push(SourceFile {
            name: file.name.clone(),
            order: Some(order),
            bytes: Some(file.size),
            arrived_us: Some(file.arrived_us),
            fate,
        });
    }
    for (number, folder) in folders.iter().enumerate() {
        for (order, mark) in at.remembered(&folder.partition) {
            let rank = content_rank(order);
            let there = listing.files.iter().any(|file| file.folder == number && file.rank == rank);
            if rank.is_empty() || there {
                continue;
            }
            let fate = if mark.whole { FileFate::Gone } else { FileFate::GoneInPart { rows: mark.rows } };
            files.push(SourceFile {
                name: name_of(folder, rank),
                order: Some(order.to_owned()),
                bytes: mark.version.size,
                arrived_us: Some(mark.version.arrived_us),
                fate,
            });
        }
    }
    files.sort_by(|a, b| a.order.cmp(&b.order));
    files.extend(listing.foreign.into_iter().map(|foreign| SourceFile {
        name: foreign.name,
        order: None,
        bytes: Some(foreign.size),
        arrived_us: Some(foreign.arrived_us),
        fate: FileFate::Ignored { reason: foreign.reason.to_owned() },
    }));
    files
}

/// The path of a file by its rank, which ends with the folder that it is in.
fn name_of(folder: &Folder, rank: &str) -> String {
    match rank.split_once(' ') {
        Some((name, below)) if folder.mixed => format!("{below}/{name}"),
        Some((name, below)) => format!("{}/{below}/{name}", folder.path),
        None => format!("{}/{rank}", folder.path),
    }
}
