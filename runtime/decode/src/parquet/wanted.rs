use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::DecodeError;

/// Ranges that were asked for, put together from the pieces in which they come.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    open: VecDeque<Range<u64>>,
    /// What has come of the first open range.
    part: BytesMut,
    whole: Vec<(Range<u64>, Bytes)>,
    wrong: Option<(u64, u64)>,
}

impl Wanted {
    /// Asks for ranges; none of an earlier question may be open.
    pub(super) fn ask(&mut self, ranges: Vec<Range<u64>>) {
        self.open = ranges.into();
    }

    /// What has not come yet.
    pub(super) fn open(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = self.open.iter().cloned().collect();
        if let Some(first) = ranges.first_mut() {
            first.start += self.part.len() as u64;
        }
        ranges
    }

    /// Takes a range or the next piece of one.
    pub(super) fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        let next = self.open.front().map(|open| (open.start + self.part.len() as u64, open.end));
        let fits = next.is_some_and(|(start, end)| {
            range.start == start && range.end <= end && range.end.checked_sub(start) == Some(bytes.len() as u64)
        });
        let Some((_, end)) = next.filter(|_| fits) else {
            self.wrong = Some((next.map_or(0, |(start, _)| start), range.start));
            return;
        };
        let is_last = range.end == end;
        if !is_last {
            self.part.extend_from_slice(&bytes);
            return;
        }
        let bytes = if self.part.is_empty() {
            bytes
        } else {
            self.part.extend_from_slice(&bytes);
            std::mem::take(&mut self.part).freeze()
        };
        if let Some(range) = self.open.pop_front() {
            self.whole.push((range, bytes));
        }
    }

    /// The ranges that are complete.
    pub(super) fn take(&mut self) -> (Vec<Range<u64>>, Vec<Bytes>) {
        self.whole.drain(..).unzip()
    }

    /// The fault of the last supply, if it had one.
    pub(super) fn check(&mut self, file: &str) -> Result<(), DecodeError> {
        match self.wrong.take() {
            None => Ok(()),
            Some((expected, got)) => Err(DecodeError::Supply { file: file.to_owned(), expected, got }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_whole_or_in_pieces_and_nothing_else_is_taken() {
        let mut wanted = Wanted::default();
        wanted.ask(vec![0..4, 10..12]);
        wanted.supply(0..1, Bytes::from_static(b"a"));
        assert_eq!(wanted.open(), [1..4, 10..12]);
        wanted.supply(1..4, Bytes::from_static(b"bcd"));
        wanted.supply(10..12, Bytes::from_static(b"xy"));
        assert!(wanted.open().is_empty());
        assert_eq!(wanted.take(), (vec![0..4, 10..12], vec![Bytes::from_static(b"abcd"), Bytes::from_static(b"xy")]));
        wanted.check("f").unwrap();
        wanted.ask(vec![0..4, 4..5]);
        wanted.supply(1..4, Bytes::from_static(b"bcd"));
        assert!(wanted.check("f").is_err());
        wanted.supply(0..4, Bytes::from_static(b"bcd"));
        assert!(wanted.check("f").is_err());
    }
}
