use super::Unfit;
use super::integer::{digits, sign};

const EXPECTED: Unfit = Unfit("expected a decimal number");
const TOO_FINE: Unfit =
    Unfit("it has more digits after the point than the type; declare the column with a larger scale");
const TOO_LARGE: Unfit =
    Unfit("it has more digits before the point than the type; declare the column with a larger precision");

/// Powers of ten up to the largest that a decimal of 38 digits needs.
const POWERS: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Most digits that the fast way takes: their value and its scaling fit 64 bits.
const FAST_DIGITS: usize = 18;

/// An exponent beyond which every number but 0 is out of range, whatever its digits.
const FARTHEST_EXPONENT: i64 = 1 << 40;

/// A decimal as the integer that counts its units at `scale`; exact, or unfit.
#[inline]
pub fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, Unfit> {
    let (negative, magnitude) = sign(text);
    let point = magnitude.iter().position(|&byte| byte == b'.').unwrap_or(magnitude.len());
    let (whole, fraction) = (&magnitude[..point], magnitude.get(point + 1..).unwrap_or_default());
    let scale_digits = usize::from(scale);
    if fraction.len() <= scale_digits
        && whole.len() + scale_digits <= FAST_DIGITS
        && !(whole.is_empty() && fraction.is_empty())
        && let (Some(whole), Some(part)) = (digits(whole), digits(fraction))
    {
        // Each factor is below 10^18 and so is the sum, as `whole` and the scale have at most 18 digits together.
        let units =
            i128::from(whole * (POWERS[scale_digits] as u64) + part * (POWERS[scale_digits - fraction.len()] as u64));
        if units >= POWERS[usize::from(precision)] {
            return Err(TOO_LARGE);
        }
        return Ok(if negative { -units } else { units });
    }
    let units = any_form(whole, fraction, precision, scale)?;
    Ok(if negative { -units } else { units })
}

/// Any length and exponent: `whole` or `fraction` still carries the exponent, if there is one.
#[cold]
fn any_form(whole: &[u8], fraction: &[u8], precision: u8, scale: u8) -> Result<i128, Unfit> {
    let (whole, exponent) = match split_exponent(whole)? {
        // An exponent before the point leaves nothing that may follow it.
        (_, Some(_)) if !fraction.is_empty() => return Err(EXPECTED),
        parts => parts,
    };
    let (fraction, exponent) = match exponent {
        Some(_) => (fraction, exponent),
        None => split_exponent(fraction)?,
    };
    let count = whole.len() + fraction.len();
    let all = || whole.iter().chain(fraction).copied();
    if count == 0 || !all().all(|byte| byte.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    // The value is the digits times 10^(exponent - fraction), counted in units of 10^-scale.
    let shift = exponent.unwrap_or(0) - fraction.len() as i64 + i64::from(scale);
    let kept = (count as i64 + shift).clamp(0, count as i64) as usize;
    if all().skip(kept).any(|byte| byte != b'0') {
        return Err(TOO_FINE);
    }
    let mut units = 0_i128;
    for byte in all().take(kept) {
        units = units.checked_mul(10).and_then(|units| units.checked_add(i128::from(byte - b'0'))).ok_or(TOO_LARGE)?;
    }
    if units != 0 && shift > 0 {
        let power = usize::try_from(shift).ok().and_then(|shift| POWERS.get(shift)).ok_or(TOO_LARGE)?;
        units = units.checked_mul(*power).ok_or(TOO_LARGE)?;
    }
    if units >= POWERS[usize::from(precision)] { Err(TOO_LARGE) } else { Ok(units) }
}

fn split_exponent(text: &[u8]) -> Result<(&[u8], Option<i64>), Unfit> {
    let Some(place) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
        return Ok((text, None));
    };
    let (negative, magnitude) = sign(&text[place + 1..]);
    if magnitude.is_empty() || !magnitude.iter().all(u8::is_ascii_digit) {
        return Err(EXPECTED);
    }
    let mut exponent = 0_i64;
    for &byte in magnitude {
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(FARTHEST_EXPONENT);
    }
    Ok((&text[..place], Some(if negative { -exponent } else { exponent })))
}

/// Brings a decimal from one scale to another and checks its digits; exact, or unfit.
pub(crate) fn rescale(units: i128, from: i8, precision: u8, scale: u8) -> Result<i128, Unfit> {
    let shift = i16::from(scale) - i16::from(from);
    let power = POWERS.get(usize::from(shift.unsigned_abs())).copied();
    let scaled = match power {
        _ if units == 0 => 0,
        Some(power) if shift >= 0 => units.checked_mul(power).ok_or(TOO_LARGE)?,
        Some(power) if units % power == 0 => units / power,
        Some(_) => return Err(TOO_FINE),
        None => return Err(if shift >= 0 { TOO_LARGE } else { TOO_FINE }),
    };
    if scaled.unsigned_abs() >= POWERS[usize::from(precision)].unsigned_abs() { Err(TOO_LARGE) } else { Ok(scaled) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_are_kept_exactly_with_any_number_of_them_after_the_point() {
        assert_eq!(decimal(b"12.34", 10, 2), Ok(1234));
        assert_eq!(decimal(b"-12.3", 10, 2), Ok(-1230));
        assert_eq!(decimal(b"+7", 10, 2), Ok(700));
        assert_eq!(decimal(b".5", 10, 2), Ok(50));
        assert_eq!(decimal(b"5.", 10, 2), Ok(500));
        assert_eq!(decimal(b"12.340000000000000000000000", 10, 2), Ok(1234));
        assert_eq!(decimal(b"0", 1, 0), Ok(0));
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 38, 0), Ok(POWERS[38] - 1));
        assert_eq!(decimal(b"-0.00000000000000000000000000000000000001", 38, 38), Ok(-1));
        assert_eq!(decimal(b"000000000000000000000000000000000000000000000000001", 1, 0), Ok(1));
    }

    #[test]
    fn what_would_have_to_be_rounded_or_cut_is_unfit() {
        assert_eq!(decimal(b"0.125", 10, 2), Err(TOO_FINE));
        assert_eq!(decimal(b"1e-3", 10, 2), Err(TOO_FINE));
        assert_eq!(decimal(b"1000", 3, 0), Err(TOO_LARGE));
        assert_eq!(decimal(b"10.00", 3, 2), Err(TOO_LARGE));
        assert_eq!(decimal(b"100000000000000000000000000000000000000", 38, 0), Err(TOO_LARGE));
        assert_eq!(decimal(b"1e38", 38, 0), Err(TOO_LARGE));
        assert_eq!(decimal(b"1e999999999999999999999", 38, 0), Err(TOO_LARGE));
        assert_eq!(decimal(b"1e-999999999999999999999", 38, 0), Err(TOO_FINE));
    }

    #[test]
    fn exponents_are_exact() {
        assert_eq!(decimal(b"1.5E+3", 10, 2), Ok(150_000));
        assert_eq!(decimal(b"15e2", 10, 2), Ok(150_000));
        assert_eq!(decimal(b"1.50e1", 10, 0), Ok(15));
        assert_eq!(decimal(b"1200e-2", 10, 0), Ok(12));
        assert_eq!(decimal(b"-1.5e-1", 10, 2), Ok(-15));
        assert_eq!(decimal(b"0e99999999999999999999", 10, 2), Ok(0));
        assert_eq!(decimal(b"0.0e-99999999999999999999", 10, 2), Ok(0));
    }

    #[test]
    fn other_texts_are_no_decimals() {
        for text in ["", "-", ".", "-.", "e5", "1e", "1e+", "1,5", "1.2.3", "NaN", "Infinity", " 1", "1e1.5", "0x1"] {
            assert_eq!(decimal(text.as_bytes(), 38, 10), Err(EXPECTED), "{text}");
        }
    }

    #[test]
    fn rescaling_is_exact_or_unfit() {
        assert_eq!(rescale(1230, 2, 10, 1), Ok(123));
        assert_eq!(rescale(1234, 2, 10, 1), Err(TOO_FINE));
        assert_eq!(rescale(-1234, 2, 10, 4), Ok(-123_400));
        assert_eq!(rescale(1234, 2, 5, 4), Err(TOO_LARGE));
        assert_eq!(rescale(i128::MAX, 0, 38, 0), Err(TOO_LARGE));
        assert_eq!(rescale(i128::MIN, 0, 38, 0), Err(TOO_LARGE));
        assert_eq!(rescale(5, -2, 10, 0), Ok(500));
        assert_eq!(rescale(0, 38, 1, 0), Ok(0));
    }

    proptest! {
        #[test]
        fn decimals_read_back_from_plain_and_exponent_form(
            units in -(POWERS[38] - 1)..POWERS[38], scale in 0_u8..=38, shift in -60_i64..60,
        ) {
            let (minus, text) = (if units < 0 { "-" } else { "" }, units.unsigned_abs().to_string());
            let padded = format!("{text:0>width$}", width = usize::from(scale) + 1);
            let (whole, part) = padded.split_at(padded.len() - usize::from(scale));
            prop_assert_eq!(decimal(format!("{minus}{whole}.{part}").as_bytes(), 38, scale), Ok(units));
            // The same value with its point elsewhere and an exponent that makes up for it.
            let exponent = -i64::from(scale) + shift;
            let moved = match shift {
                0.. => {
                    let padded = format!("{text:0>width$}", width = shift as usize + 1);
                    let (whole, part) = padded.split_at(padded.len() - shift as usize);
                    format!("{minus}{whole}.{part}E{exponent:+}")
                }
                _ => format!("{minus}{text}{}e{exponent}", "0".repeat(shift.unsigned_abs() as usize)),
            };
            prop_assert_eq!(decimal(moved.as_bytes(), 38, scale), Ok(units), "{}", moved);
        }
    }
}
