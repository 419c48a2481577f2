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

#[cfg(test)]
mod tests {
    use arrow_array::types::Int64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, binaries, one, read_binaries, read_numbers, words};

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
    }

    /// RFC 4231, test cases 1 to 3 and 6.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (key, message, code) in [
            (vec![0x0b; 20], "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (vec![0xaa; 20], &"dd".repeat(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                vec![0xaa; 131],
                "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let found = hmac(&binaries(&[Some(bytes(message)), None]), &key, ROOMY).unwrap();
            assert_eq!(read_binaries(&found), [Some(bytes(code)), None]);
        }
    }

    #[test]
    fn a_text_has_the_digest_of_its_bytes() {
        let found = sha256(&words(["abc"]), ROOMY).unwrap();
        let expected = bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(read_binaries(&found), [Some(expected.clone())]);
        assert_eq!(read_binaries(&sha256(&binaries(&[Some(b"abc".to_vec())]), ROOMY).unwrap()), [Some(expected)]);
    }

    /// The reference implementation's vector for fifteen bytes.
    #[test]
    fn the_quick_hash_is_that_of_the_reference() {
        let key: Vec<u8> = (0..16).collect();
        let found = keyed_hash(&binaries(&[Some((0..15).collect()), None]), &key, ROOMY).unwrap();
        assert_eq!(read_numbers::<Int64Type>(&found), [Some(0xa129_ca61_49be_45e5_u64 as i64), None]);
        let error = keyed_hash(&words(["a"]), b"short", ROOMY).unwrap_err();
        assert_eq!(error.to_string(), "the key has 5 bytes, and must have 16");
    }

    proptest! {
        #[test]
        fn each_value_is_hashed_by_itself(values in any_texts(), key in prop::collection::vec(any::<u8>(), 0..80)) {
            against_model(&values, |text| hmac(text, &key, ROOMY), read_binaries, |text| {
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
                mac.update(text.as_bytes());
                Some(mac.finalize().into_bytes().to_vec())
            });
        }
    }

    #[test]
    fn only_text_and_bytes_are_hashed_and_within_the_limit() {
        assert_eq!(
            hmac(&one("int", None), b"", ROOMY).unwrap_err().to_string(),
            "needs a `string` or `binary` and got a `int`"
        );
        assert!(sha256(&words(["a", "b"]), Limits { bytes: 12 + 64 }).is_ok());
        assert!(sha256(&words(["a", "b"]), Limits { bytes: 12 + 63 }).is_err());
    }
}
