use super::Unfit;

const EXPECTED: Unfit = Unfit("expected true, false, t, f, 1 or 0");

/// A truth value as PostgreSQL, MySQL and DMS write it.
#[inline]
pub fn boolean(text: &[u8]) -> Result<bool, Unfit> {
    match text {
        b"1" | b"t" | b"T" => Ok(true),
        b"0" | b"f" | b"F" => Ok(false),
        _ if text.eq_ignore_ascii_case(b"true") => Ok(true),
        _ if text.eq_ignore_ascii_case(b"false") => Ok(false),
        _ => Err(EXPECTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_values_are_read_whatever_their_case_and_nothing_else_is() {
        for text in ["true", "TRUE", "True", "t", "T", "1"] {
            assert_eq!(boolean(text.as_bytes()), Ok(true), "{text}");
        }
        for text in ["false", "FALSE", "f", "F", "0"] {
            assert_eq!(boolean(text.as_bytes()), Ok(false), "{text}");
        }
        for text in ["", "yes", "2", "truee", " true", "01"] {
            assert!(boolean(text.as_bytes()).is_err(), "{text}");
        }
    }
}
