//! Finds the bytes that mean something, 64 at a time.

/// Bytes looked at in one go: one for each bit of a mask.
pub(super) const BLOCK: usize = 64;

/// Which of the first 64 bytes of `text` are one of the three: bit n stands for byte n.
#[inline]
pub(super) fn marks(text: &[u8], wanted: [u8; 3]) -> u64 {
    match text.first_chunk::<BLOCK>() {
        Some(block) => block_marks(block, wanted),
        None => {
            let mut block = [0; BLOCK];
            block[..text.len()].copy_from_slice(text);
            block_marks(&block, wanted) & ((1 << text.len()) - 1)
        }
    }
}

/// The comparisons become vector instructions; the multiplications gather their results, eight at a time.
#[inline]
fn block_marks(block: &[u8; BLOCK], [a, b, c]: [u8; 3]) -> u64 {
    let mut hits = [0_u8; BLOCK];
    for (hit, &byte) in hits.iter_mut().zip(block) {
        *hit = u8::from(byte == a) | u8::from(byte == b) | u8::from(byte == c);
    }
    let mut mask = 0;
    let (words, _) = hits.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        // Moves the low bit of each byte into the top byte, the first byte's lowest.
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * n);
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_marked_byte_is_found_and_no_other(text in proptest::collection::vec(
            prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), any::<u8>()], 0..130)) {
            let mask = marks(&text, [b',', b'\n', b'"']);
            let expected = text
                .iter()
                .take(BLOCK)
                .enumerate()
                .filter(|(_, byte)| b",\n\"".contains(byte))
                .fold(0_u64, |mask, (n, _)| mask | 1 << n);
            prop_assert_eq!(mask, expected);
        }
    }
}
