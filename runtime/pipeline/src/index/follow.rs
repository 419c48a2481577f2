//! Brings the key index to the table's snapshot: what it has missed are the rows of files that it does not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream};
use sluice_change::SchemaChange;
use sluice_index::{FileNames, IndexError, KeyExtractor, Keys, Location};
use sluice_lake::{FileId, Scan, ScanBatch, ScanFilter};
use tracing::{debug, error, info};

use super::{BYTES_A_KEY, Build, Known, Sightings};
use crate::bronze;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::status::IndexProgress;
use crate::tables::{self, Silver};

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;

/// Rows from which a build is worth a word.
const MANY_ROWS: u64 = 1 << 20;

/// The rows of a scanned stretch that are not deleted.
pub fn live_rows(found: &ScanBatch) -> Result<RecordBatch, ArrowError> {
    match &found.live {
        Some(live) => filter_record_batch(&found.batch, &BooleanArray::new(live.clone(), None)),
        None => Ok(found.batch.clone()),
    }
}

/// Lets keys compare as they will once `change` is made. Promoting a column of a key changes that, and the index with it.
pub async fn follow_key(context: &LaneContext, silver: &mut Silver, change: &SchemaChange) -> Result<(), LaneError> {
    if change.widened.iter().any(|column| silver.key.contains(&column.name)) {
        silver.rekey(context, change).await?;
        follow(context, silver).await?;
    }
    Ok(())
}

/// Brings the index to a table that another program has changed, too.
///
/// # Errors
///
/// [`LaneError::Moved`] where keys are of other types now: then all has to be opened anew.
pub async fn follow_foreign(context: &LaneContext, silver: &Silver) -> Result<(), LaneError> {
    let schema = bronze::plain_schema(&silver.table.arrow_schema());
    match tables::key_schema(&schema, &silver.key) {
        Ok(key) if key == *silver.key_schema => follow(context, silver).await,
        _ => Err(LaneError::Moved(silver.table.ident().to_string())),
    }
}

/// What an index has to read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missed {
    Nothing,
    /// The rows of these files.
    Files(Vec<FileId>),
    /// All rows: what the index holds does not lead to the table's snapshot.
    All,
}

/// What an index that is `known` has missed of the files of a table that is at `snapshot`. `leads_here` says whether a snapshot
/// is one on which the table's snapshot stands.
fn missed(
    known: Option<&Known>,
    snapshot: i64,
    leads_here: impl Fn(i64) -> bool,
    files: impl Iterator<Item = FileId>,
) -> Missed {
    let Some((known, at)) = known.and_then(|known| Some((known, known.snapshot?))) else { return Missed::All };
    // Rows that were deleted can come back only where the table went back to an older snapshot.
    if !leads_here(at) {
        return Missed::All;
    }
    let unknown: Vec<FileId> = files.filter(|file| !known.files.contains(&file.0)).collect();
    if unknown.is_empty() && at == snapshot { Missed::Nothing } else { Missed::Files(unknown) }
}

/// Brings the index to the table's snapshot.
pub async fn follow(context: &LaneContext, silver: &Silver) -> Result<(), LaneError> {
    let table = &silver.table;
    let Some(snapshot) = table.snapshot_id() else { return Ok(()) };
    let known = silver.index.known();
    let files = table.live_files().map(|file| file.id);
    let missed = missed(known.as_ref(), snapshot, |other| table.descends_from(other), files);
    let (files, all) = match missed {
        Missed::Nothing => return Ok(()),
        Missed::Files(files) => (files, false),
        Missed::All => (table.live_files().map(|file| file.id).collect(), true),
    };
    let rows = files.iter().filter_map(|id| table.live_file(*id)).map(|file| file.records).sum();
    let following = Following { context, silver, files, snapshot, rows };
    if rows >= MANY_ROWS {
        info!(table = %table.ident(), rows, whole = all, "the key index is brought up to the table");
    }
    following.report(0);
    let result = if all && following.is_large() { following.rebuild().await } else { following.take_in(all).await };
    context.board.update(context.id, |status| status.index_progress = None);
    result
}

/// A stretch of files whose keys are read.
struct Following<'a> {
    context: &'a LaneContext,
    silver: &'a Silver,
    files: Vec<FileId>,
    snapshot: i64,
    rows: u64,
}

/// Keys with the places of their rows.
struct Placed {
    keys: Keys,
    locations: Vec<Location>,
    /// Rows that were read for them, deleted ones included.
    rows: u64,
}

impl Following<'_> {
    fn report(&self, read: u64) {
        if self.rows >= MANY_ROWS {
            let progress = IndexProgress { read, rows: self.rows };
            self.context.board.update(self.context.id, |status| status.index_progress = Some(progress));
        }
    }

    /// Whether the keys may be more than memory can hold, so that they are sorted on disk.
    fn is_large(&self) -> bool {
        let bytes = usize::try_from(self.rows).unwrap_or(usize::MAX).saturating_mul(BYTES_A_KEY);
        self.silver.index.budget_bytes() < bytes
    }

    async fn scan(&self, file: FileId) -> Result<Scan, LaneError> {
        let names: Vec<&str> = self.silver.key.iter().map(String::as_str).collect();
        Ok(self.silver.table.scan(&names, ScanFilter::File(file), SCAN_ROWS).await?)
    }

    /// Reads the keys of all files, on as many processors as there are, in any order.
    fn read<'s>(&'s self) -> impl Stream<Item = Result<Placed, LaneError>> + 's {
        let threads = self.context.services.cpu.threads();
        let one = move |file: FileId| {
            let scan = async move {
                let scan = self.scan(file).await?;
                Ok::<_, LaneError>(stream::try_unfold(scan, move |scan| self.next(scan)))
            };
            scan.try_flatten_stream().boxed()
        };
        stream::iter(self.files.iter().copied().map(one)).flatten_unordered(threads)
    }

    async fn next(&self, mut scan: Scan) -> Result<Option<(Placed, Scan)>, LaneError> {
        let Some(found) = scan.next().await? else { return Ok(None) };
        let columns = self.silver.key_columns(&live_rows(&found)?)?;
        let extractor = Arc::clone(&self.silver.extractor);
        let placed = self.context.services.cpu.run(move || place(&extractor, &columns, &found)).await?;
        Ok(Some((placed, scan)))
    }

    /// Takes the rows into the index that there is, or into an empty one.
    async fn take_in(&self, from_nothing: bool) -> Result<(), LaneError> {
        let (index, cpu) = (&self.silver.index, &self.context.services.cpu);
        if from_nothing {
            index.clear()?;
        }
        let mut read = 0;
        let mut duplicates = 0;
        let mut all = std::pin::pin!(self.read());
        while let Some(placed) = all.try_next().await? {
            read += placed.rows;
            let lent = index.clone();
            let take_in = move || lent.take_in(&placed.keys, &placed.locations).map(Sightings::of);
            let before = cpu.run(take_in).await?.alive(self.context, &self.silver.table).await?;
            duplicates += before.iter().filter(|location| location.is_present()).count() as u64;
            self.report(read);
        }
        index.arrive(&self.silver.table)?;
        debug!(table = %self.silver.table.ident(), rows = self.rows, "the key index has followed the table");
        self.tell_duplicates(duplicates);
        Ok(())
    }

    /// Sorts all keys on disk and makes the index of them.
    async fn rebuild(&self) -> Result<(), LaneError> {
        let (index, cpu) = (&self.silver.index, &self.context.services.cpu);
        let threads = cpu.threads();
        let lent = index.clone();
        let build = Arc::new(cpu.run(move || lent.begin(threads)).await?);
        self.sort(&build).await?;
        let table = &self.silver.table;
        let paths: BTreeMap<u32, String> = table.live_files().map(|file| (file.id.0, file.path.to_string())).collect();
        let next = paths.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        let names = FileNames { paths, next };
        let (snapshot, lent) = (self.snapshot, index.clone());
        let finish = move || match Arc::into_inner(build) {
            Some(build) => lent.finish(build, snapshot, &names),
            // A job that was given up still holds it: the next session begins anew.
            None => Err(IndexError::Closed),
        };
        let (keys, duplicates) = cpu.run(finish).await?;
        info!(table = %table.ident(), keys, "the key index is built");
        self.tell_duplicates(duplicates);
        Ok(())
    }

    /// Reads all keys into a build, on as many processors as there are.
    async fn sort(&self, build: &Arc<Build>) -> Result<(), LaneError> {
        let cpu = &self.context.services.cpu;
        let sorted = self.read().map(|placed| async {
            let Placed { keys, locations, rows } = placed?;
            let build = Arc::clone(build);
            cpu.run(move || build.add(&keys, &locations)).await?;
            Ok::<_, LaneError>(rows)
        });
        let mut sorted = std::pin::pin!(sorted.buffer_unordered(cpu.threads()));
        let mut read = 0;
        while let Some(rows) = sorted.try_next().await? {
            read += rows;
            self.report(read);
        }
        Ok(())
    }

    fn tell_duplicates(&self, duplicates: u64) {
        if duplicates > 0 {
            error!(
                table = %self.silver.table.ident(), rows = duplicates,
                "Silver holds several rows of one key, which sluice never writes: another writer did; `sluice verify` names \
                 them, `sluice rebuild` mends the table"
            );
        }
    }
}

/// The keys of a stretch of a file, with the places of its rows.
fn place(extractor: &KeyExtractor, columns: &[ArrayRef], found: &ScanBatch) -> Result<Placed, LaneError> {
    let keys = extractor.extract(columns)?;
    let first = found.first_position as u32;
    let place = |row: usize| Location::new(found.file.0, first + row as u32);
    let locations = match &found.live {
        Some(live) => live.set_indices().map(place).collect(),
        None => (0..found.batch.num_rows()).map(place).collect(),
    };
    Ok(Placed { keys, locations, rows: found.batch.num_rows() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_are_the_rows_of_unknown_files() {
        let known = |snapshot| Known { snapshot, files: [1, 2].into() };
        let files = |ids: &[u32]| ids.iter().copied().map(FileId).collect::<Vec<_>>();
        let missed =
            |known: Option<&Known>, leads: bool, ids: &[u32]| missed(known, 9, |_| leads, files(ids).into_iter());
        assert_eq!(missed(None, true, &[1]), Missed::All);
        assert_eq!(missed(Some(&known(None)), true, &[1]), Missed::All);
        assert_eq!(missed(Some(&known(Some(9))), true, &[1, 2]), Missed::Nothing);
        assert_eq!(missed(Some(&known(Some(9))), true, &[1, 3]), Missed::Files(files(&[3])));
        assert_eq!(missed(Some(&known(Some(8))), true, &[1]), Missed::Files(Vec::new()));
        assert_eq!(missed(Some(&known(Some(8))), false, &[1, 2]), Missed::All);
    }
}
