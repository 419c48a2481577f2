use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sluice_platform::{Storage, StorageError};
use tokio::task::JoinHandle;

/// How many ranges of one file are read at the same time.
const CONCURRENT_RANGES: usize = 8;

type Reading = JoinHandle<Result<Bytes, StorageError>>;

/// Reads byte ranges of one file, and for files that are read from end to end the next one ahead of time.
#[derive(Debug)]
pub(super) struct RangeReader {
    storage: Arc<dyn Storage>,
    location: String,
    length: u64,
    /// Whether ranges follow one another.
    sequential: bool,
    ahead: Option<(Range<u64>, Reading)>,
}

impl RangeReader {
    pub fn new(storage: Arc<dyn Storage>, location: String, length: u64, sequential: bool) -> Self {
        Self { storage, location, length, sequential, ahead: None }
    }

    /// The bytes of each range, in the order of the ranges.
    pub async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<(Range<u64>, Bytes)>, StorageError> {
        let read = match (self.ahead.take(), ranges.as_slice()) {
            (Some((range, bytes)), [wanted]) if range == *wanted => match bytes.await {
                Ok(bytes) => vec![(range, bytes?)],
                // The task was stopped with the runtime; ask the storage itself.
                Err(_) => self.read_now(ranges).await?,
            },
            _ => self.read_now(ranges).await?,
        };
        if self.sequential
            && let [(range, _)] = read.as_slice()
        {
            self.read_ahead(range);
        }
        Ok(read)
    }

    async fn read_now(&self, ranges: Vec<Range<u64>>) -> Result<Vec<(Range<u64>, Bytes)>, StorageError> {
        futures::stream::iter(ranges)
            .map(|range| async move {
                let bytes = self.storage.read_range(&self.location, range.clone()).await?;
                Ok((range, bytes))
            })
            .buffered(CONCURRENT_RANGES)
            .try_collect()
            .await
    }

    fn read_ahead(&mut self, last: &Range<u64>) {
        let next = last.end..self.length.min(last.end + (last.end - last.start));
        if next.is_empty() {
            return;
        }
        let (storage, location, range) = (Arc::clone(&self.storage), self.location.clone(), next.clone());
        let bytes = tokio::spawn(async move { storage.read_range(&location, range).await });
        self.ahead = Some((next, bytes));
    }
}

impl Drop for RangeReader {
    fn drop(&mut self) {
        if let Some((_, bytes)) = &self.ahead {
            bytes.abort();
        }
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is what is meant")]
mod tests {
    use sluice_platform::MemoryStorage;

    use super::*;

    async fn reader(sequential: bool) -> RangeReader {
        let storage = MemoryStorage::default();
        storage.write("m", Bytes::from_static(b"0123456789")).await.unwrap();
        RangeReader::new(Arc::new(storage), "m".into(), 10, sequential)
    }

    #[tokio::test]
    async fn a_range_read_ahead_is_used_and_any_other_still_read() {
        let mut reader = reader(true).await;
        assert_eq!(reader.read(vec![0..4]).await.unwrap(), [(0..4, Bytes::from_static(b"0123"))]);
        assert_eq!(reader.ahead.as_ref().unwrap().0, 4..8);
        assert_eq!(reader.read(vec![4..8]).await.unwrap()[0].1, "4567");
        assert_eq!(reader.ahead.as_ref().unwrap().0, 8..10);
        assert_eq!(reader.read(vec![1..3]).await.unwrap()[0].1, "12");
        assert_eq!(reader.read(vec![8..10]).await.unwrap()[0].1, "89");
        assert!(reader.ahead.is_none());
    }

    #[tokio::test]
    async fn several_ranges_come_in_their_order() {
        let mut reader = reader(false).await;
        let ranges: Vec<Range<u64>> = (0..10).rev().map(|at| at..at + 1).collect();
        let read = reader.read(ranges.clone()).await.unwrap();
        assert_eq!(read.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), ranges);
        assert!(reader.ahead.is_none());
        assert!(reader.read(vec![5..11]).await.is_err());
    }
}
