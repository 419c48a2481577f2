use std::io;

use flate2::{Decompress, FlushDecompress, Status};

/// Decompresses a gzip file of one or several members, piece by piece.
pub(crate) struct Gunzip {
    member: Decompress,
    inside: bool,
}

/// Base-two logarithm of the window that every gzip file may use (RFC 1951: 32 KiB).
const WINDOW_BITS: u8 = 15;

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self { member: Decompress::new_gzip(WINDOW_BITS), inside: false }
    }

    /// Whether these are the first bytes of a gzip file.
    pub(crate) fn recognises(start: &[u8]) -> bool {
        start.starts_with(&[0x1f, 0x8b])
    }

    /// Whether a member has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside
    }

    /// Appends what `input` decompresses to, at most to the capacity of `output`; returns how much of `input` it took.
    ///
    /// It has to be called again with what is left, also with nothing, until neither goes on.
    pub(crate) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<usize> {
        if !self.inside && !input.is_empty() {
            self.member = Decompress::new_gzip(WINDOW_BITS);
            self.inside = true;
        }
        if !self.inside {
            return Ok(0);
        }
        let before = self.member.total_in();
        let status = self.member.decompress_vec(input, output, FlushDecompress::None).map_err(io::Error::from)?;
        if status == Status::StreamEnd {
            self.inside = false;
        }
        Ok((self.member.total_in() - before) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(file: &[u8], step: usize) -> io::Result<(Vec<u8>, bool)> {
        let (mut gunzip, mut text, mut rest) = (Gunzip::new(), Vec::new(), file);
        loop {
            let mut output = Vec::with_capacity(step);
            let taken = gunzip.feed(&rest[..rest.len().min(step)], &mut output)?;
            rest = &rest[taken..];
            text.extend_from_slice(&output);
            if taken == 0 && output.is_empty() {
                return Ok((text, gunzip.is_inside()));
            }
        }
    }

    #[test]
    fn members_one_after_another_are_one_text_whatever_the_pieces() {
        let file = [gzip(b"one\n"), gzip(b""), gzip(&b"two\n".repeat(50_000))].concat();
        let expected = [b"one\n".to_vec(), b"two\n".repeat(50_000)].concat();
        for step in [64, 1000, 1 << 20] {
            assert_eq!(gunzip(&file, step).unwrap(), (expected.clone(), false), "{step}");
        }
    }

    #[test]
    fn a_cut_file_is_seen_to_be_inside_a_member_and_damage_is_an_error() {
        let file = gzip(&b"some text\n".repeat(1000));
        let (text, inside) = gunzip(&file[..file.len() - 4], 64).unwrap();
        assert!(inside);
        assert_eq!(text.len(), 10_000);
        let mut damaged = file.clone();
        let check_sum = file.len() - 8;
        damaged[check_sum] ^= 1;
        assert!(gunzip(&damaged, 64).is_err());
        assert!(gunzip(&[file, b"tail".to_vec()].concat(), 64).is_err());
    }
}
