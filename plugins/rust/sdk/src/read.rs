//! Values of a column that was read, in place.

use crate::Buffers;

/// A type whose values all take the same number of bytes.
pub trait Fixed: Copy + Default {
    /// Bytes of a value.
    const SIZE: usize;
    /// The method of a column that reads it.
    const READER: &'static str;

    /// Whether a column of this type holds such values.
    fn fits(data_type: &str) -> bool;
    /// The value in the first bytes.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Adds the value's bytes at the end.
    fn append_to(self, bytes: &mut Vec<u8>);
}

macro_rules! fixed {
    ($type:ty, $reader:literal, $data_type:pat) => {
        impl Fixed for $type {
            const SIZE: usize = size_of::<$type>();
            const READER: &'static str = $reader;

            fn fits(data_type: &str) -> bool {
                matches!(data_type.split_once('(').map_or(data_type, |(name, _)| name), $data_type)
            }

            #[inline]
            fn from_bytes(bytes: &[u8]) -> Self {
                let mut value = [0; size_of::<$type>()];
                value.copy_from_slice(&bytes[..size_of::<$type>()]);
                <$type>::from_le_bytes(value)
            }

            #[inline]
            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}

fixed!(i32, "ints", "int" | "date");
fixed!(i64, "longs", "long" | "time" | "timestamp" | "timestamptz");
fixed!(f32, "floats", "float");
fixed!(f64, "doubles", "double");
fixed!(i128, "decimals", "decimal");

#[inline]
fn bit(bits: &[u8], row: usize) -> bool {
    bits[row / 8] >> (row % 8) & 1 == 1
}

#[inline]
fn is_null(validity: &[u8], row: usize) -> bool {
    !validity.is_empty() && !bit(validity, row)
}

/// Values of a fixed size.
#[derive(Debug, Clone)]
pub struct Values<T> {
    buffers: Buffers,
    type_of_values: std::marker::PhantomData<T>,
}

impl<T: Fixed> Values<T> {
    pub(crate) fn new(buffers: Buffers) -> Self {
        Self { buffers, type_of_values: std::marker::PhantomData }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.buffers.values.len() / T::SIZE
    }

    /// Whether there is no value.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        is_null(&self.buffers.validity, row)
    }

    /// The value; `None` for null. Panics where there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T> {
        if self.is_null(row) { None } else { Some(T::from_bytes(&self.buffers.values[row * T::SIZE..])) }
    }

    /// All rows, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = Option<T>> + '_ {
        let values = self.buffers.values.chunks_exact(T::SIZE).enumerate();
        values.map(|(row, bytes)| if self.is_null(row) { None } else { Some(T::from_bytes(bytes)) })
    }

    /// The bytes themselves, say to use the validity for another column.
    pub fn into_buffers(self) -> Buffers {
        self.buffers
    }
}

/// Values of a `boolean` column. How many there are, only the batch knows.
#[derive(Debug, Clone)]
pub struct Booleans {
    buffers: Buffers,
}

impl Booleans {
    pub(crate) fn new(buffers: Buffers) -> Self {
        Self { buffers }
    }

    /// Whether there is no value.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        is_null(&self.buffers.validity, row)
    }

    /// The value; `None` for null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        if self.is_null(row) { None } else { Some(bit(&self.buffers.values, row)) }
    }

    /// The bytes themselves.
    pub fn into_buffers(self) -> Buffers {
        self.buffers
    }
}

/// Values of a `binary` column.
#[derive(Debug, Clone)]
pub struct Binaries {
    buffers: Buffers,
}

impl Binaries {
    pub(crate) fn new(buffers: Buffers) -> Self {
        Self { buffers }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        (self.buffers.offsets.len() / 4).saturating_sub(1)
    }

    /// How many bytes the values take together, to size a writer.
    pub fn total_bytes(&self) -> usize {
        self.buffers.values.len()
    }

    /// Whether there is no value.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        is_null(&self.buffers.validity, row)
    }

    /// The value; `None` for null. Panics where there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.is_null(row) { None } else { Some(self.bytes(row)) }
    }

    /// All rows, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> + '_ {
        (0..self.rows()).map(|row| self.get(row))
    }

    /// The bytes themselves.
    pub fn into_buffers(self) -> Buffers {
        self.buffers
    }

    #[inline]
    fn bytes(&self, row: usize) -> &[u8] {
        let offsets = &self.buffers.offsets[row * 4..row * 4 + 8];
        &self.buffers.values[i32::from_bytes(offsets) as usize..i32::from_bytes(&offsets[4..]) as usize]
    }
}

/// Values of a `string` column.
#[derive(Debug, Clone)]
pub struct Texts(Binaries);

impl Texts {
    pub(crate) fn new(buffers: Buffers) -> Self {
        Self(Binaries::new(buffers))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.0.rows()
    }

    /// How many bytes the values take together, to size a writer.
    pub fn total_bytes(&self) -> usize {
        self.0.total_bytes()
    }

    /// Whether there is no value.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// The value; `None` for null. Panics where there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        // SAFETY: `Column::texts` reads columns of type `string` only, which the host keeps in UTF-8.
        self.0.get(row).map(|bytes| unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// All rows, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> + '_ {
        (0..self.rows()).map(|row| self.get(row))
    }

    /// The bytes themselves.
    pub fn into_buffers(self) -> Buffers {
        self.0.into_buffers()
    }
}
