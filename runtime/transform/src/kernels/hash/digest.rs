use ::hmac::{Hmac, KeyInit, Mac};
use arrow_array::{Array, BinaryArray, Int64Array};
use arrow_buffer::OffsetBuffer;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

use crate::kernels::column::{Column, KernelError, Limits};

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// HMAC-SHA-256 (RFC 2104) of a `string` or `binary`, as `binary` of 32 bytes. The key may have any length.
pub fn hmac(of: &Column, key: &[u8], limits: Limits) -> Result<Column, KernelError> {
    // The key's two blocks are hashed here, once; a clone starts behind them.
    let keyed = Hmac::<Sha256>::new_from_slice(key).map_err(|error| KernelError(error.to_string()))?;
    digests(of, limits, |value| {
        let mut mac = keyed.clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    })
}

/// SHA-256 of a `string` or `binary`, as `binary` of 32 bytes.
pub fn sha256(of: &Column, limits: Limits) -> Result<Column, KernelError> {
    digests(of, limits, |value| Sha256::digest(value).into())
}

fn digests(of: &Column, limits: Limits, digest: impl Fn(&[u8]) -> [u8; DIGEST]) -> Result<Column, KernelError> {
    let values = Values::of(of)?;
    let nulls = of.array().nulls().cloned();
    let valid = values.rows() - of.array().null_count();
    let bytes =
        valid.checked_mul(DIGEST).filter(|bytes| limits.text_bytes(values.rows()).is_ok_and(|most| *bytes <= most));
    let mut digests = Vec::with_capacity(bytes.ok_or_else(|| limits.exceeded())?);
    let offsets = match &nulls {
        None => {
            values.each().for_each(|value| digests.extend_from_slice(&digest(value)));
            OffsetBuffer::from_repeated_length(DIGEST, values.rows())
        }
        Some(nulls) => {
            let present = values.each().zip(nulls.iter()).filter(|(_, valid)| *valid);
            present.for_each(|(value, _)| digests.extend_from_slice(&digest(value)));
            OffsetBuffer::from_lengths(nulls.iter().map(|valid| if valid { DIGEST } else { 0 }))
        }
    };
    Ok(of.with(BinaryArray::try_new(offsets, digests.into(), nulls)?))
}

/// SipHash-2-4 of a `string` or `binary` with a key of 16 bytes: its 64 bits as `long`.
pub fn keyed_hash(of: &Column, key: &[u8], limits: Limits) -> Result<Column, KernelError> {
    let key: &[u8; 16] =
        key.try_into().map_err(|_| KernelError(format!("the key has {} bytes, and must have 16", key.len())))?;
    let values = Values::of(of)?;
    limits.check_rows::<i64>(values.rows())?;
    let hasher = SipHasher24::new_with_key(key);
    let hashes = values.each().map(|value| hasher.hash(value) as i64).collect();
    Ok(of.with(Int64Array::new(hashes, of.array().nulls().cloned())))
}

/// Texts or bytes.
struct Values<'a> {
    offsets: &'a OffsetBuffer<i32>,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(column: &'a Column) -> Result<Self, KernelError> {
        if let Ok(array) = column.texts() {
            return Ok(Self { offsets: array.offsets(), bytes: array.value_data() });
        }
        let array = column.binaries().map_err(|_| column.unfit("a `string` or `binary`"))?;
        Ok(Self { offsets: array.offsets(), bytes: array.value_data() })
    }

    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    fn each(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.offsets.windows(2).map(move |pair| &bytes[pair[0] as usize..pair[1] as usize])
    }
}
