use iceberg::spec::{Datum, PrimitiveType};
use parquet::file::statistics::Statistics;

/// Characters of text, or bytes, that a bound keeps (the reference implementation's `truncate(16)`).
const KEPT: usize = 16;

/// How much of text and bytes bounds keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoundLength {
    /// Sixteen characters or bytes; upper bounds are rounded up.
    Short,
    /// All of it.
    Whole,
}

/// The smallest value in a column chunk, or something below it, as an Iceberg value.
pub(super) fn lower_bound(stats: &Statistics, kind: &PrimitiveType, length: BoundLength) -> Option<Datum> {
    let bytes = stats.min_bytes_opt()?;
    match (kind, length) {
        (PrimitiveType::String, BoundLength::Short) => {
            Some(Datum::string(truncate_text(std::str::from_utf8(bytes).ok()?)))
        }
        (PrimitiveType::Binary, BoundLength::Short) => Some(Datum::binary(bytes[..bytes.len().min(KEPT)].to_vec())),
        _ => whole_datum(stats, bytes, kind),
    }
}

/// The greatest value in a column chunk, or something above it; `None` where nothing short is above it.
pub(super) fn upper_bound(stats: &Statistics, kind: &PrimitiveType, length: BoundLength) -> Option<Datum> {
    let bytes = stats.max_bytes_opt()?;
    match (kind, length) {
        (PrimitiveType::String, BoundLength::Short) => {
            let text = std::str::from_utf8(bytes).ok()?;
            let short = truncate_text(text);
            if short.len() == text.len() { Some(Datum::string(text)) } else { round_up_text(short).map(Datum::string) }
        }
        (PrimitiveType::Binary, BoundLength::Short) if bytes.len() > KEPT => {
            round_up_bytes(&bytes[..KEPT]).map(Datum::binary)
        }
        _ => whole_datum(stats, bytes, kind),
    }
}

/// Parquet's bytes of a value as an Iceberg value.
fn whole_datum(stats: &Statistics, bytes: &[u8], kind: &PrimitiveType) -> Option<Datum> {
    // Iceberg keeps decimals big-endian, as Parquet's byte arrays do; Parquet's integers are little-endian.
    let swapped: Vec<u8>;
    let bytes = match (kind, stats) {
        (PrimitiveType::Decimal { .. }, Statistics::Int32(_) | Statistics::Int64(_)) => {
            swapped = bytes.iter().rev().copied().collect();
            swapped.as_slice()
        }
        _ => bytes,
    };
    Datum::try_from_bytes(bytes, kind.clone()).ok()
}

fn truncate_text(text: &str) -> &str {
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The shortest text above everything that starts with `text`.
fn round_up_text(text: &str) -> Option<String> {
    let mut kept = text.to_owned();
    while let Some(last) = kept.pop() {
        // Between the last code point before the surrogates and the first after them there is none.
        let next = if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// The shortest bytes above everything that starts with `bytes`.
fn round_up_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let kept = bytes.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut up = bytes[..=kept].to_vec();
    up[kept] += 1;
    Some(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rounded_up_at_the_last_character_that_can_grow() {
        assert_eq!(round_up_text("abc").as_deref(), Some("abd"));
        assert_eq!(round_up_text("ab\u{10FFFF}").as_deref(), Some("ac"));
        assert_eq!(round_up_text("a\u{D7FF}").as_deref(), Some("a\u{E000}"));
        assert_eq!(round_up_text("\u{10FFFF}\u{10FFFF}"), None);
    }

    #[test]
    fn bytes_are_rounded_up_at_the_last_byte_that_can_grow() {
        assert_eq!(round_up_bytes(&[1, 2, 255]), Some(vec![1, 3]));
        assert_eq!(round_up_bytes(&[255, 255]), None);
    }

    #[test]
    fn text_is_cut_after_sixteen_characters_not_bytes() {
        let text = "é".repeat(20);
        assert_eq!(truncate_text(&text).chars().count(), 16);
        assert_eq!(truncate_text("short"), "short");
    }
}
