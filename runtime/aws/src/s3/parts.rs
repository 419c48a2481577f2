use std::ops::Range;

/// Bytes of one request for a part of a large object.
pub(crate) const PART: u64 = 8 << 20;
/// From here on an object is uploaded in parts.
pub(crate) const MULTIPART_FROM: u64 = 16 << 20;
/// S3 takes no more parts of one upload.
const MOST_PARTS: u64 = 10_000;

/// The parts of a range, each of at most `size` bytes.
pub(crate) fn split(range: Range<u64>, size: u64) -> impl Iterator<Item = Range<u64>> {
    let count = (range.end.saturating_sub(range.start)).div_ceil(size);
    (0..count).map(move |part| {
        let start = range.start + part * size;
        start..(start + size).min(range.end)
    })
}

/// How large the parts of an upload are, the last one excepted.
pub(crate) fn upload_part_size(length: u64) -> u64 {
    PART.max(length.div_ceil(MOST_PARTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_and_the_last_is_shorter() {
        let parts: Vec<Range<u64>> = split(3..13, 4).collect();
        assert_eq!(parts, [3..7, 7..11, 11..13]);
        assert_eq!(split(5..5, 4).count(), 0);
        assert_eq!(split(0..8, 4).collect::<Vec<_>>(), [0..4, 4..8]);
    }

    #[test]
    fn huge_uploads_have_larger_parts_and_not_more_of_them() {
        assert_eq!(upload_part_size(40 << 20), PART);
        let length = 500_u64 << 30;
        assert!(split(0..length, upload_part_size(length)).count() <= MOST_PARTS as usize);
    }
}
