use super::split::Field;

/// The texts that, without quotes, mean NULL.
#[derive(Debug, Clone)]
pub(super) struct NullStrings {
    /// Bit n: there is one of n bytes. The last bit stands for everything longer and is always set.
    lengths: u64,
    strings: Vec<Vec<u8>>,
}

const LAST_BIT: u32 = 63;

impl NullStrings {
    pub(super) fn new(strings: &[String]) -> Self {
        let lengths =
            strings.iter().fold(1 << LAST_BIT, |bits, string| bits | 1 << string.len().min(LAST_BIT as usize));
        Self { lengths, strings: strings.iter().map(|string| string.as_bytes().to_vec()).collect() }
    }

    /// Whether a value is NULL; those of rejected records are.
    #[inline]
    pub(super) fn hold(&self, field: Field, text: &[u8]) -> bool {
        let length = field.bare_length();
        if self.lengths >> length.min(LAST_BIT) & 1 == 0 {
            return false;
        }
        if length == 0 {
            // The text is the empty one, and so is the string that set the bit.
            return true;
        }
        field.is_void()
            || self.strings.iter().any(|string| string.len() == length as usize && string.as_slice() == field.of(text))
    }
}
