use super::Unfit;

const EXPECTED: Unfit = Unfit("expected a floating-point number");
const FLOAT_RANGE: Unfit = Unfit("it is outside the range of float; declare the column as double");
const DOUBLE_RANGE: Unfit = Unfit("it is outside the range of double; declare the column as string");

/// Whether the text writes a finite number, so that an infinite result would be a change of value.
fn writes_digits(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}

/// The nearest 64-bit number; `NaN` and `Infinity` are values too.
#[inline]
pub fn double(text: &[u8]) -> Result<f64, Unfit> {
    let value: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(EXPECTED)?;
    if value.is_infinite() && writes_digits(text) { Err(DOUBLE_RANGE) } else { Ok(value) }
}

/// The nearest 32-bit number; `NaN` and `Infinity` are values too.
#[inline]
pub fn float(text: &[u8]) -> Result<f32, Unfit> {
    let value: f32 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(EXPECTED)?;
    if value.is_infinite() && writes_digits(text) { Err(FLOAT_RANGE) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_databases_write_are_read() {
        assert_eq!(float(b"+3.23800011e+01"), Ok(32.38));
        assert_eq!(double(b"-1.5E-3"), Ok(-0.0015));
        assert_eq!(double(b"42"), Ok(42.0));
        assert_eq!(double(b"1.7976931348623157e308"), Ok(f64::MAX));
        assert!(double(b"NaN").unwrap().is_nan());
        assert_eq!(double(b"Infinity"), Ok(f64::INFINITY));
        assert_eq!(float(b"-Infinity"), Ok(f32::NEG_INFINITY));
        assert_eq!(double(b"-0").map(f64::to_bits), Ok((-0.0_f64).to_bits()));
    }

    #[test]
    fn numbers_out_of_range_do_not_become_infinite() {
        assert_eq!(double(b"1e400"), Err(DOUBLE_RANGE));
        assert_eq!(float(b"1e39"), Err(FLOAT_RANGE));
        for text in ["", "abc", "1,5", " 1", "1e", "0x1p3"] {
            assert_eq!(double(text.as_bytes()), Err(EXPECTED), "{text}");
        }
    }
}
