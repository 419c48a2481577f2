use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::DecodeError;
use crate::gzip::Gunzip;

/// Bytes of the file asked for at once.
const BLOCK: u64 = 2 << 20;
/// Text added to the buffer at once; with the field table of its rows it should stay in the processor's cache.
const FILL: usize = 256 << 10;

/// A file read from front to back, decompressed where it is gzip.
pub(crate) struct Input {
    file: String,
    length: u64,
    /// Everything before this offset has been supplied.
    supplied: u64,
    pieces: VecDeque<Bytes>,
    content: Content,
    wrong: Option<DecodeError>,
}

enum Content {
    Unknown,
    Plain,
    Gzip(Box<Gunzip>),
}

/// How an attempt to get more text went.
pub(crate) enum Fill {
    /// Some was added.
    More,
    /// This part of the file is needed first.
    Need(Range<u64>),
    /// There is no more.
    Whole,
    /// There would be more, but the compressed file ends.
    Cut,
}

impl Input {
    pub(crate) fn new(file: String, length: u64) -> Self {
        Self { file, length, supplied: 0, pieces: VecDeque::new(), content: Content::Unknown, wrong: None }
    }

    /// Plain text from an offset on.
    pub(crate) fn resumed(file: String, length: u64, offset: u64) -> Self {
        let content = if offset > 0 { Content::Plain } else { Content::Unknown };
        Self { supplied: offset, content, ..Self::new(file, length) }
    }

    /// Takes bytes in; they have to follow those that came before.
    pub(crate) fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        let fits = range.start == self.supplied
            && range.end <= self.length
            && range.end.checked_sub(range.start) == Some(bytes.len() as u64);
        if !fits {
            self.wrong =
                Some(DecodeError::Supply { file: self.file.clone(), expected: self.supplied, got: range.start });
            return;
        }
        self.supplied = range.end;
        if !bytes.is_empty() {
            self.pieces.push_back(bytes);
        }
    }

    /// The fault of the last supply, if it had one.
    pub(crate) fn take_wrong(&mut self) -> Option<DecodeError> {
        self.wrong.take()
    }

    /// Adds text to `text`. `want` is how many bytes of the file are worth asking for.
    pub(crate) fn fill(&mut self, text: &mut Vec<u8>, want: usize) -> io::Result<Fill> {
        if matches!(self.content, Content::Unknown) {
            let start: Vec<u8> = self.pieces.iter().flat_map(|piece| piece.iter().copied()).take(2).collect();
            if start.len() < 2 && self.supplied < self.length {
                return Ok(self.need(want));
            }
            let gzip = Gunzip::recognises(&start);
            self.content = if gzip { Content::Gzip(Box::new(Gunzip::new())) } else { Content::Plain };
        }
        match &mut self.content {
            Content::Gzip(gunzip) => loop {
                text.reserve(FILL);
                let before = text.len();
                let mut nothing = Bytes::new();
                let piece = self.pieces.front_mut().unwrap_or(&mut nothing);
                let taken = gunzip.feed(piece, text)?;
                piece.advance(taken);
                if self.pieces.front().is_some_and(Bytes::is_empty) {
                    self.pieces.pop_front();
                }
                if text.len() > before {
                    return Ok(Fill::More);
                }
                if taken == 0 && self.pieces.is_empty() {
                    let cut = gunzip.is_inside();
                    return Ok(match self.supplied < self.length {
                        true => self.need(want),
                        false if cut => Fill::Cut,
                        false => Fill::Whole,
                    });
                }
            },
            Content::Unknown | Content::Plain => {
                let Some(piece) = self.pieces.front_mut() else {
                    return Ok(if self.supplied < self.length { self.need(want) } else { Fill::Whole });
                };
                let part = piece.split_to(piece.len().min(FILL));
                text.extend_from_slice(&part);
                if piece.is_empty() {
                    self.pieces.pop_front();
                }
                Ok(Fill::More)
            }
        }
    }

    fn need(&self, want: usize) -> Fill {
        let end = self.supplied.saturating_add(BLOCK.max(want as u64)).min(self.length);
        Fill::Need(self.supplied..end)
    }
}
