use super::Unfit;

const EXPECTED: Unfit = Unfit("expected a whole number");
const INT_RANGE: Unfit =
    Unfit("it is outside the range of int (-2147483648 to 2147483647); declare the column as long");
const LONG_RANGE: Unfit = Unfit("it is outside the range of long; declare the column as decimal(38,0)");

/// Most digits whose value always fits 64 unsigned bits.
const SAFE_DIGITS: usize = 19;

/// The value of a text of nothing but digits, at most 19 of them; no digits are 0.
#[inline]
pub(super) fn digits(mut text: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    while let Some((eight, rest)) = text.split_first_chunk::<8>() {
        value = value * 100_000_000 + eight_digits(u64::from_le_bytes(*eight))?;
        text = rest;
    }
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Eight ASCII digits in one register: pairs, then fours, then all.
#[inline]
fn eight_digits(chunk: u64) -> Option<u64> {
    let low_nibble_fits = (chunk.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) >> 4;
    if (chunk & 0xf0f0_f0f0_f0f0_f0f0) | low_nibble_fits != 0x3333_3333_3333_3333 {
        return None;
    }
    let value = chunk & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (value.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Takes a sign off: whether it was a minus, and the rest.
#[inline]
pub(super) fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// A whole number of 64 bits.
#[inline]
pub fn long(text: &[u8]) -> Result<i64, Unfit> {
    let (negative, mut magnitude) = sign(text);
    if magnitude.is_empty() {
        return Err(EXPECTED);
    }
    if magnitude.len() > SAFE_DIGITS {
        let zeros = magnitude.iter().take_while(|&&byte| byte == b'0').count();
        magnitude = &magnitude[zeros..];
        if magnitude.len() > SAFE_DIGITS {
            let numeric = magnitude.iter().all(u8::is_ascii_digit);
            return Err(if numeric { LONG_RANGE } else { EXPECTED });
        }
    }
    let value = digits(magnitude).ok_or(EXPECTED)?;
    let signed = if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() };
    signed.ok_or(LONG_RANGE)
}

/// A whole number of 32 bits.
#[inline]
pub fn int(text: &[u8]) -> Result<i32, Unfit> {
    match long(text) {
        Ok(value) => i32::try_from(value).map_err(|_| INT_RANGE),
        Err(LONG_RANGE) => Err(INT_RANGE),
        Err(unfit) => Err(unfit),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_ranges_are_read_and_one_beyond_is_not() {
        assert_eq!(long(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(long(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(long(b"9223372036854775808"), Err(LONG_RANGE));
        assert_eq!(long(b"-9223372036854775809"), Err(LONG_RANGE));
        assert_eq!(long(b"99999999999999999999"), Err(LONG_RANGE));
        assert_eq!(int(b"2147483647"), Ok(i32::MAX));
        assert_eq!(int(b"-2147483648"), Ok(i32::MIN));
        assert_eq!(int(b"2147483648"), Err(INT_RANGE));
        assert_eq!(int(b"99999999999999999999"), Err(INT_RANGE));
    }

    #[test]
    fn signs_and_leading_zeros_are_fine_and_other_forms_are_not() {
        assert_eq!(long(b"+7"), Ok(7));
        assert_eq!(long(b"-0"), Ok(0));
        assert_eq!(long(b"000000000000000000000000042"), Ok(42));
        for text in ["", "-", "+", "1.0", "1e3", " 1", "1 ", "12a45678", "1234567/", "123456:8", "--1", "0x10", "١"] {
            assert_eq!(long(text.as_bytes()), Err(EXPECTED), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_read_back(value: i64) {
            prop_assert_eq!(long(value.to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn agrees_with_the_standard_library(text in "[-+]?[0-9a/:]{0,21}") {
            prop_assert_eq!(long(text.as_bytes()).ok(), text.parse::<i64>().ok());
            prop_assert_eq!(int(text.as_bytes()).ok(), text.parse::<i32>().ok());
        }
    }
}
