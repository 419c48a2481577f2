use arrow_array::{Array, StringArray};
use arrow_buffer::OffsetBuffer;
use arrow_cast::base64::{BASE64_STANDARD, b64_encode};

use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::writer::extent;

/// Both digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut all = [[0; 2]; 256];
    let mut byte = 0;
    while byte < all.len() {
        all[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    all
};

/// `binary` as hexadecimal digits in lower case.
pub fn hex(of: &Column, limits: Limits) -> Result<Column, KernelError> {
    let array = of.binaries()?;
    let (offsets, bytes) = extent(array.offsets(), array.value_data());
    check(bytes.len().checked_mul(2), array.len(), limits)?;
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    // All values at once: two digits a byte wherever it lies.
    for byte in bytes {
        digits.extend_from_slice(&DIGITS[usize::from(*byte)]);
    }
    let offsets = OffsetBuffer::new(offsets.iter().map(|offset| offset * 2).collect());
    Ok(of.with(StringArray::try_new(offsets, digits.into(), array.nulls().cloned())?))
}

/// `binary` as Base64 (RFC 4648, section 4, with padding).
pub fn base64(of: &Column, limits: Limits) -> Result<Column, KernelError> {
    let array = of.binaries()?;
    let bytes = array
        .offsets()
        .windows(2)
        .try_fold(0_usize, |sum, pair| sum.checked_add(((pair[1] - pair[0]) as usize).div_ceil(3).checked_mul(4)?));
    check(bytes, array.len(), limits)?;
    Ok(of.with(b64_encode(&BASE64_STANDARD, array)))
}

fn check(bytes: Option<usize>, rows: usize, limits: Limits) -> Result<(), KernelError> {
    let most = limits.text_bytes(rows)?;
    match bytes {
        Some(bytes) if bytes <= most => Ok(()),
        _ => Err(limits.exceeded()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, binaries, read_texts, words};

    proptest! {
        #[test]
        fn digits_are_those_of_each_byte(
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..6)), 0..12),
        ) {
            let expected: Vec<Option<String>> = values
                .iter()
                .map(|value| value.as_ref().map(|value| value.iter().map(|byte| format!("{byte:02x}")).collect()))
                .collect();
            prop_assert_eq!(read_texts(&hex(&binaries(&values), ROOMY).unwrap()), expected);
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        let values = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| Some(text.as_bytes().to_vec()));
        let found = base64(&binaries(&[&values[..], &[None, Some(vec![0xfb, 0xff])]].concat()), ROOMY).unwrap();
        let expected =
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"].map(|text| Some(text.to_owned()));
        assert_eq!(read_texts(&found), [&expected[..], &[None, Some("+/8=".to_owned())]].concat());
    }

    #[test]
    fn text_is_cast_first_and_limits_hold() {
        assert_eq!(hex(&words(["a"]), ROOMY).unwrap_err().to_string(), "needs a `binary` and got a `string`");
        let bytes = binaries(&[Some(vec![0; 4])]);
        assert!(hex(&bytes, Limits { bytes: 15 }).is_err() && hex(&bytes, Limits { bytes: 16 }).is_ok());
        assert!(base64(&bytes, Limits { bytes: 15 }).is_err() && base64(&bytes, Limits { bytes: 16 }).is_ok());
    }
}
