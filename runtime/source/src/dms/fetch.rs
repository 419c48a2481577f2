use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sluice_platform::{Storage, StorageError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// How many ranges of one file are read at the same time.
const CONCURRENT_RANGES: usize = 8;
/// Ranges longer than this are read in parts, at the same time.
const PART: u64 = 8 << 20;
/// Most ranges of one file that are read ahead.
const DEEPEST: usize = 8;
/// The budget of bytes is kept in units of this, for a semaphore counts only so far.
const UNIT: u64 = 64 << 10;

type Reading = JoinHandle<Result<Bytes, StorageError>>;

/// What all readers of a source together may read ahead of their decoders.
#[derive(Debug, Clone)]
pub(super) struct ReadAhead(Arc<Semaphore>);

impl ReadAhead {
    pub fn new(bytes: usize) -> Self {
        let units = (bytes as u64).div_ceil(UNIT).min(Semaphore::MAX_PERMITS as u64);
        Self(Arc::new(Semaphore::new(units as usize)))
    }

    /// Leave to hold so many bytes, if there is room for them now.
    fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// A range that is being read ahead, and the leave to hold it.
#[derive(Debug)]
struct Ahead {
    range: Range<u64>,
    bytes: Reading,
    _leave: OwnedSemaphorePermit,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.bytes.abort();
    }
}

/// Reads byte ranges of one file, and for files that are read from end to end the next ones ahead of time.
///
/// How many is learned: as long as the next range is there before it is wanted, one will do.
#[derive(Debug)]
pub(super) struct RangeReader {
    storage: Arc<dyn Storage>,
    location: String,
    length: u64,
    /// Where ranges follow one another: the budget for reading ahead.
    budget: Option<ReadAhead>,
    ahead: VecDeque<Ahead>,
    depth: usize,
}

impl RangeReader {
    pub fn new(storage: Arc<dyn Storage>, location: String, length: u64) -> Self {
        Self { storage, location, length, budget: None, ahead: VecDeque::new(), depth: 1 }
    }

    /// The same reader, which reads ahead within a budget.
    pub fn reading_ahead(mut self, budget: Option<ReadAhead>) -> Self {
        self.budget = budget;
        self
    }

    /// The bytes of each range, in the order of the ranges; a long one comes in parts.
    pub async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<(Range<u64>, Bytes)>, StorageError> {
        let hit = match (ranges.as_slice(), self.ahead.front()) {
            ([wanted], Some(ahead)) if ahead.range == *wanted => self.ahead.pop_front(),
            _ => None,
        };
        let read = match hit {
            Some(mut ahead) => {
                if !ahead.bytes.is_finished() {
                    self.depth = (2 * self.depth).min(DEEPEST);
                }
                match (&mut ahead.bytes).await {
                    Ok(bytes) => vec![(ahead.range.clone(), bytes?)],
                    // The task was stopped with the runtime; ask the storage itself.
                    Err(_) => self.read_now(ranges).await?,
                }
            }
            None => {
                self.ahead.clear();
                self.read_now(ranges).await?
            }
        };
        if let [.., (last, _)] = read.as_slice() {
            self.read_ahead(last.end, read.iter().map(|(range, _)| range.end - range.start).sum());
        }
        Ok(read)
    }

    async fn read_now(&self, ranges: Vec<Range<u64>>) -> Result<Vec<(Range<u64>, Bytes)>, StorageError> {
        futures::stream::iter(ranges.into_iter().flat_map(parts))
            .map(|range| async move {
                let bytes = self.storage.read_range(&self.location, range.clone()).await?;
                Ok((range, bytes))
            })
            .buffered(CONCURRENT_RANGES)
            .try_collect()
            .await
    }

    /// Begins to read the next ranges, each as long as the last one. Without leave the next is read when it is wanted.
    fn read_ahead(&mut self, end: u64, step: u64) {
        let Some(budget) = self.budget.clone() else { return };
        while self.ahead.len() < self.depth {
            let start = self.ahead.back().map_or(end, |ahead| ahead.range.end);
            let range = start..self.length.min(start + step);
            if range.is_empty() {
                return;
            }
            let Some(leave) = budget.take(range.end - range.start) else { return };
            let (storage, location, wanted) = (Arc::clone(&self.storage), self.location.clone(), range.clone());
            let bytes = tokio::spawn(async move { storage.read_range(&location, wanted).await });
            self.ahead.push_back(Ahead { range, bytes, _leave: leave });
        }
    }
}

/// A range in parts that are read at the same time.
fn parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let count = (range.end.saturating_sub(range.start)).div_ceil(2 * PART).max(1);
    // Up to twice a part's length stays whole; longer ones are cut.
    let part = if count == 1 { range.end.saturating_sub(range.start).max(1) } else { PART };
    let empty = range.is_empty().then(|| range.clone());
    let end = range.end;
    empty.into_iter().chain((range.start..end).step_by(part as usize).map(move |start| start..end.min(start + part)))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is what is meant")]
mod tests {
    use sluice_platform::MemoryStorage;

    use super::*;

    async fn reader(budget: Option<usize>) -> RangeReader {
        let storage = MemoryStorage::default();
        storage.write("m", Bytes::from_static(b"0123456789")).await.unwrap();
        RangeReader::new(Arc::new(storage), "m".into(), 10).reading_ahead(budget.map(ReadAhead::new))
    }

    fn ranges_ahead(reader: &RangeReader) -> Vec<Range<u64>> {
        reader.ahead.iter().map(|ahead| ahead.range.clone()).collect()
    }

    #[tokio::test]
    async fn a_range_read_ahead_is_used_and_any_other_still_read() {
        let mut reader = reader(Some(1 << 20)).await;
        assert_eq!(reader.read(vec![0..4]).await.unwrap(), [(0..4, Bytes::from_static(b"0123"))]);
        assert_eq!(ranges_ahead(&reader), [4..8]);
        assert_eq!(reader.read(vec![4..8]).await.unwrap()[0].1, "4567");
        assert_eq!(ranges_ahead(&reader)[0], 8..10);
        assert_eq!(reader.read(vec![1..3]).await.unwrap()[0].1, "12");
        assert_eq!(reader.read(vec![8..10]).await.unwrap()[0].1, "89");
        assert!(reader.ahead.is_empty());
    }

    #[tokio::test]
    async fn ranges_that_are_waited_for_are_read_further_ahead() {
        let mut reader = reader(Some(1 << 20)).await;
        reader.read(vec![0..2]).await.unwrap();
        assert_eq!(ranges_ahead(&reader), [2..4]);
        // On one thread the task has not run yet when its range is wanted.
        reader.read(vec![2..4]).await.unwrap();
        assert_eq!(ranges_ahead(&reader), [4..6, 6..8]);
        for range in [4..6, 6..8, 8..10] {
            assert_eq!(reader.read(vec![range]).await.unwrap().len(), 1);
        }
        assert!(reader.ahead.is_empty());
    }

    #[tokio::test]
    async fn without_leave_a_range_is_read_when_it_is_wanted() {
        let budget = ReadAhead::new(UNIT as usize);
        let leave = budget.take(UNIT).unwrap();
        let mut reader = reader(None).await.reading_ahead(Some(budget.clone()));
        reader.read(vec![0..4]).await.unwrap();
        assert!(reader.ahead.is_empty());
        drop(leave);
        reader.read(vec![4..6]).await.unwrap();
        assert_eq!(ranges_ahead(&reader), [6..8], "one unit is one range");
        drop(reader);
        assert!(budget.take(UNIT).is_some(), "what is not used is given back");
    }

    #[tokio::test]
    async fn several_ranges_come_in_their_order() {
        let mut reader = reader(None).await;
        let ranges: Vec<Range<u64>> = (0..10).rev().map(|at| at..at + 1).collect();
        let read = reader.read(ranges.clone()).await.unwrap();
        assert_eq!(read.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), ranges);
        assert!(reader.ahead.is_empty());
        assert!(reader.read(vec![5..11]).await.is_err());
    }

    #[test]
    fn long_ranges_are_cut_into_parts_that_make_them_up() {
        for range in [0..1, 5..PART, 3..2 * PART, 0..2 * PART + 1, 7..10 * PART + 3, 4..4] {
            let cut: Vec<Range<u64>> = parts(range.clone()).collect();
            assert_eq!((cut[0].start, cut[cut.len() - 1].end), (range.start, range.end));
            assert!(cut.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(cut.iter().all(|part| part.end - part.start <= 2 * PART));
        }
    }
}
