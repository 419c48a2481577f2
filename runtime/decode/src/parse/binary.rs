use super::Unfit;

const EXPECTED: Unfit = Unfit("expected bytes as pairs of hexadecimal digits");

/// Appends the bytes that `text` writes in hexadecimal. On failure `out` may hold a part of them.
#[inline]
pub fn hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    let (pairs, []) = text.as_chunks::<2>() else {
        return Err(EXPECTED);
    };
    out.reserve(pairs.len());
    for &[high, low] in pairs {
        let (high, low) = (nibble(high).ok_or(EXPECTED)?, nibble(low).ok_or(EXPECTED)?);
        out.push(high << 4 | low);
    }
    Ok(())
}

#[inline]
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_of_both_cases_are_read_and_nothing_else_is() {
        let mut out = Vec::new();
        hex(b"00ffA9b0", &mut out).unwrap();
        assert_eq!(out, [0, 0xff, 0xa9, 0xb0]);
        hex(b"", &mut out).unwrap();
        for text in ["0", "0g", "0x00", "\\x00", "00 00"] {
            assert_eq!(hex(text.as_bytes(), &mut Vec::new()), Err(EXPECTED), "{text}");
        }
    }
}
