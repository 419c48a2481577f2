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
