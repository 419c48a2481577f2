use std::sync::Arc;

use bytes::Bytes;
use sluice_change::{Origin, Reject};

/// Most characters of a value that a reason quotes.
const QUOTED_CHARS: usize = 100;

/// A value as it appears in a reason: whole if it is short, else its beginning.
pub(crate) fn quoted(value: &[u8]) -> String {
    // A character has at most four bytes; the rest of a long value need not be looked at.
    let start = String::from_utf8_lossy(&value[..value.len().min(4 * QUOTED_CHARS + 4)]);
    match start.char_indices().nth(QUOTED_CHARS) {
        None => format!("`{start}`"),
        Some((end, _)) => format!("`{}…` ({} bytes)", &start[..end], value.len()),
    }
}

/// Why a record without all of its key is a reject.
pub(crate) fn missing_key(columns: &[&str]) -> String {
    match columns {
        [_] => "the key column is NULL".to_owned(),
        several => format!("the key columns {} are NULL", several.join(", ")),
    }
}

/// A reject with its own copy of the record, so that the block it came from can go.
pub(crate) fn reject(origin: &Arc<Origin>, number: u64, column: Option<&str>, reason: String, raw: &[u8]) -> Reject {
    Reject {
        origin: Arc::clone(origin),
        row_number: number,
        column: column.map(str::to_owned),
        reason,
        raw: Bytes::copy_from_slice(raw),
        layout: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened_at_a_character() {
        assert_eq!(quoted(b"abc"), "`abc`");
        let long = "界".repeat(150);
        let text = quoted(long.as_bytes());
        assert_eq!(text, format!("`{}…` (450 bytes)", "界".repeat(100)));
        assert_eq!(quoted(b"a\xff"), "`a\u{fffd}`");
    }
}
