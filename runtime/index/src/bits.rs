//! Unsigned integers of one width, end to end, each reachable on its own.
//!
//! Eight bytes have to follow the bits for the last one to be read; a page's checksum does.

/// Widths of more bits than this are stored as whole words, so that any value lies within eight bytes.
const WIDEST_PACKED: u32 = 56;

/// Bits that values up to `largest` take.
pub fn width_of(largest: u64) -> u32 {
    let bits = u64::BITS - largest.leading_zeros();
    if bits > WIDEST_PACKED { u64::BITS } else { bits }
}

/// Bytes that `count` values of `width` bits take.
pub fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Whether a width is one that [`width_of`] gives.
pub fn is_width(width: u32) -> bool {
    width <= WIDEST_PACKED || width == u64::BITS
}

/// Appends values of `width` bits.
pub fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    let (mut pending, mut filled) = (0_u128, 0);
    for value in values {
        pending |= u128::from(value) << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&(pending as u64).to_le_bytes());
            pending >>= u64::BITS;
            filled -= u64::BITS;
        }
    }
    out.extend_from_slice(&pending.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// The value at `index`.
#[inline]
pub fn get(packed: &[u8], index: usize, width: u32) -> u64 {
    let bit = index * width as usize;
    let word = packed.get(bit / 8..).and_then(|rest| rest.first_chunk::<8>());
    let word = u64::from_le_bytes(word.copied().unwrap_or_default());
    (word >> (bit % 8)) & mask(width)
}

#[inline]
fn mask(width: u32) -> u64 {
    if width == u64::BITS { u64::MAX } else { (1 << width) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_back(shift in 0_u32..64, raw in prop::collection::vec(any::<u64>(), 0..70)) {
            let values: Vec<u64> = raw.iter().map(|value| value >> shift).collect();
            let width = width_of(values.iter().copied().max().unwrap_or(0));
            let mut packed = Vec::new();
            pack(&mut packed, values.iter().copied(), width);
            prop_assert_eq!(packed.len(), packed_bytes(values.len(), width));
            packed.extend_from_slice(&[0xff; 8]);
            for (index, value) in values.iter().enumerate() {
                prop_assert_eq!(get(&packed, index, width), *value);
            }
        }
    }
}
