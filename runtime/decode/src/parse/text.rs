use memchr::memchr;

/// Appends `text`, in which every quote is doubled, with its quotes single.
pub(crate) fn unescape(mut text: &[u8], quote: u8, out: &mut Vec<u8>) {
    while let Some(place) = memchr(quote, text) {
        out.extend_from_slice(&text[..=place]);
        text = text.get(place + 2..).unwrap_or_default();
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_quotes_become_single() {
        for (text, expected) in [("", ""), ("a", "a"), ("a\"\"b", "a\"b"), ("\"\"", "\""), ("\"\"\"\"x", "\"\"x")] {
            let mut out = Vec::new();
            unescape(text.as_bytes(), b'"', &mut out);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
