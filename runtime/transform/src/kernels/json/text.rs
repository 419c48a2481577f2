//! Texts with escapes.

/// Appends what a text between quotes stands for; false if it holds half of a surrogate pair, which is no character.
pub(super) fn unescape(mut escaped: &str, out: &mut Vec<u8>) -> bool {
    while let Some(place) = memchr::memchr(b'\\', escaped.as_bytes()) {
        out.extend_from_slice(&escaped.as_bytes()[..place]);
        let Some((character, after)) = one(&escaped[place + 1..]) else {
            return false;
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        escaped = after;
    }
    out.extend_from_slice(escaped.as_bytes());
    true
}

/// Whether a text between quotes stands for `name`.
pub(super) fn stands_for(escaped: &str, name: &str) -> bool {
    if !escaped.contains('\\') {
        return escaped == name;
    }
    let mut text = Vec::with_capacity(escaped.len());
    unescape(escaped, &mut text) && text == name.as_bytes()
}

/// The character of an escape behind its backslash, and what follows.
fn one(escape: &str) -> Option<(char, &str)> {
    let after = escape.get(1..)?;
    let character = match escape.as_bytes()[0] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(after),
        other => char::from(other),
    };
    Some((character, after))
}

fn unicode(digits: &str) -> Option<(char, &str)> {
    let (first, after) = unit(digits)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, after));
    }
    let (second, after) = unit(after.strip_prefix("\\u")?)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, after))
}

fn unit(digits: &str) -> Option<(u32, &str)> {
    Some((u32::from_str_radix(digits.get(..4)?, 16).ok()?, &digits[4..]))
}
