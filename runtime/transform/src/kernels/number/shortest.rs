//! Floating-point numbers as the shortest decimals that stand for them.

use std::fmt::{self, LowerExp, Write};
use std::str::FromStr;

use super::decimal::{POWERS, divided};

/// Bytes of the longest line: a decimal of 38 digits, signs and an exponent.
const LINE: usize = 64;

/// A short text without memory of its own.
pub(in crate::kernels) struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Line {
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; LINE], length: 0 };
        // What does not fit is cut, and then is no number.
        let _ = line.write_fmt(text);
        line
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub fn parsed<T: FromStr>(&self) -> Option<T> {
        std::str::from_utf8(self.as_bytes()).ok()?.parse().ok()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// The digits with the fewest that read back as the same number: `digits` times ten to `exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) struct Shortest {
    negative: bool,
    digits: u64,
    exponent: i32,
}

impl Shortest {
    /// Of a finite number of 32 or 64 bits.
    pub fn of(value: impl LowerExp) -> Option<Self> {
        let line = Line::new(format_args!("{value:e}"));
        let mut shortest = Self { negative: false, digits: 0, exponent: 0 };
        let mut bytes = line.as_bytes().iter();
        let (mut after_point, mut negative_exponent, mut exponent) = (None, false, 0_i32);
        for byte in bytes.by_ref() {
            match byte {
                b'-' => shortest.negative = true,
                b'.' => after_point = Some(0),
                b'e' => break,
                b'0'..=b'9' => {
                    shortest.digits = shortest.digits * 10 + u64::from(byte - b'0');
                    after_point = after_point.map(|count| count + 1);
                }
                _ => return None,
            }
        }
        for byte in bytes {
            match byte {
                b'-' => negative_exponent = true,
                b'0'..=b'9' => exponent = exponent * 10 + i32::from(byte - b'0'),
                _ => return None,
            }
        }
        shortest.exponent = if negative_exponent { -exponent } else { exponent } - after_point.unwrap_or(0);
        Some(shortest)
    }

    /// In units of a decimal of this scale, halves away from zero; none if they leave 128 bits.
    pub fn units(self, scale: u8) -> Option<i128> {
        let signed = if self.negative { -i128::from(self.digits) } else { i128::from(self.digits) };
        let shift = self.exponent + i32::from(scale);
        let power = POWERS.get(shift.unsigned_abs() as usize).copied();
        match (power, shift) {
            _ if signed == 0 => Some(0),
            (Some(power), 0..) => signed.checked_mul(power),
            (Some(power), _) => Some(divided(signed, power)),
            // 20 digits are less than a half of ten to 39.
            (None, ..0) => Some(0),
            (None, _) => None,
        }
    }

    /// Rounded to so many digits after the point, halves away from zero; `None` if it has no more than these anyway.
    pub fn rounded<T: FromStr>(self, digits: i32) -> Option<Option<T>> {
        let dropped = i64::from(-self.exponent) - i64::from(digits);
        if dropped <= 0 {
            return None;
        }
        let kept = match usize::try_from(dropped).ok().and_then(|dropped| POWERS.get(dropped)) {
            Some(power) => divided(i128::from(self.digits), *power),
            None => 0,
        };
        let sign = if self.negative { "-" } else { "" };
        let exponent = if kept == 0 { 0 } else { -i64::from(digits) };
        Some(Line::new(format_args!("{sign}{kept}e{exponent}")).parsed())
    }
}
