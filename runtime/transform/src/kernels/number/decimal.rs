//! Units of decimals: a value times ten to its scale.

use arrow_buffer::i256;

use super::shortest::Line;

/// Most digits of a decimal.
pub(in crate::kernels) const MOST_DIGITS: u8 = 38;

/// Powers of ten up to the largest that a decimal needs.
pub(in crate::kernels) const POWERS: [i128; MOST_DIGITS as usize + 1] = {
    let mut powers = [1_i128; MOST_DIGITS as usize + 1];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// The units, if they have no more digits than the precision.
#[inline]
pub(in crate::kernels) fn fitting(units: i128, precision: u8) -> Option<i128> {
    let most = POWERS[usize::from(precision)];
    (-most < units && units < most).then_some(units)
}

/// The units at another scale, halves away from zero; none if they leave 128 bits.
#[inline]
pub(in crate::kernels) fn rescaled(units: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return units.checked_mul(POWERS[usize::from(to - from)]);
    }
    Some(divided(units, POWERS[usize::from(from - to)]))
}

/// The quotient, halves away from zero.
#[inline]
pub(in crate::kernels) fn divided(units: i128, divisor: i128) -> i128 {
    // Wrapping, since what stands in null rows is anything.
    let (quotient, rest) = (units.wrapping_div(divisor), units.wrapping_rem(divisor).unsigned_abs());
    if rest < divisor.unsigned_abs() - rest {
        return quotient;
    }
    if (units < 0) == (divisor < 0) { quotient + 1 } else { quotient - 1 }
}

/// `units` times `factor`, divided by `divisor`, halves away from zero; none if it leaves 128 bits or divides by zero.
pub(super) fn scaled_quotient(units: i128, factor: i128, divisor: i128) -> Option<i128> {
    if divisor == 0 {
        return None;
    }
    if let Some(units) = units.checked_mul(factor) {
        return Some(divided(units, divisor));
    }
    // What leaves even 256 bits is, divided by 38 digits, still too large.
    let (units, divisor) = (i256::from_i128(units).checked_mul(i256::from_i128(factor))?, i256::from_i128(divisor));
    let (quotient, rest) = (units.checked_div(divisor)?, units.checked_rem(divisor)?.wrapping_abs());
    let quotient = quotient.to_i128()?;
    if rest < divisor.wrapping_abs() - rest {
        return Some(quotient);
    }
    let away = if units.is_negative() == divisor.is_negative() { 1 } else { -1 };
    quotient.checked_add(away)
}

/// `left` times its factor, and `right` times its own, in 256 bits; both factors have at most 38 digits.
#[cold]
pub(super) fn wide(left: (i128, i128), right: (i128, i128)) -> (i256, i256) {
    let product = |(units, factor): (i128, i128)| i256::from_i128(units).wrapping_mul(i256::from_i128(factor));
    (product(left), product(right))
}

/// The nearest 64-bit number.
#[inline]
pub(in crate::kernels) fn double(units: i128, scale: u8) -> f64 {
    // Both are exact, and a division rounds once.
    if units.unsigned_abs() < 1 << 53 && scale <= 22 {
        return units as f64 / POWERS[usize::from(scale)] as f64;
    }
    Line::new(format_args!("{units}e-{scale}")).parsed().unwrap_or(f64::NAN)
}

/// The nearest 32-bit number.
#[inline]
pub(in crate::kernels) fn float(units: i128, scale: u8) -> f32 {
    if units.unsigned_abs() < 1 << 24 && scale <= 10 {
        return units as f32 / POWERS[usize::from(scale)] as f32;
    }
    Line::new(format_args!("{units}e-{scale}")).parsed().unwrap_or(f32::NAN)
}
