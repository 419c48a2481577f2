//! New columns, value by value.

use std::fmt;

use crate::{Buffers, Column, Fixed};

/// One bit a row, made only once there is a null.
#[derive(Debug, Clone, Default)]
struct Validity {
    bits: Vec<u8>,
    rows: usize,
    expected: usize,
}

impl Validity {
    fn for_rows(expected: usize) -> Self {
        Self { bits: Vec::new(), rows: 0, expected }
    }

    #[inline]
    fn push(&mut self, valid: bool) {
        if !self.bits.is_empty() || !valid {
            self.push_bit(valid);
        }
        self.rows += 1;
    }

    fn push_bit(&mut self, valid: bool) {
        let byte = self.rows / 8;
        if self.bits.is_empty() {
            self.bits.reserve(self.expected.div_ceil(8).max(byte + 1));
            self.bits.resize(byte, 0xff);
            self.bits.push(((1_u16 << (self.rows % 8)) - 1) as u8);
        } else if byte == self.bits.len() {
            self.bits.push(0);
        }
        self.bits[byte] |= u8::from(valid) << (self.rows % 8);
    }
}

/// Writes values of a fixed size.
#[derive(Debug, Clone)]
pub struct ValueWriter<T> {
    validity: Validity,
    values: Vec<u8>,
    type_of_values: std::marker::PhantomData<T>,
}

impl<T: Fixed> ValueWriter<T> {
    /// With room for so many rows.
    pub fn for_rows(rows: usize) -> Self {
        Self {
            validity: Validity::for_rows(rows),
            values: Vec::with_capacity(rows * T::SIZE),
            type_of_values: std::marker::PhantomData,
        }
    }

    /// A row with a value, or `None` for null.
    #[inline]
    pub fn push(&mut self, value: impl Into<Option<T>>) {
        let value = value.into();
        self.validity.push(value.is_some());
        value.unwrap_or_default().append_to(&mut self.values);
    }

    /// The column, of one of the types that hold such values: an `i64` goes into a `long` as well as a `timestamp`.
    pub fn finish(self, data_type: &str) -> Column {
        let buffers = Buffers { validity: self.validity.bits, offsets: Vec::new(), values: self.values };
        Column::make(data_type, self.validity.rows, &buffers)
    }
}

/// Writes a `boolean` column.
#[derive(Debug, Clone)]
pub struct BooleanWriter {
    validity: Validity,
    values: Vec<u8>,
}

impl BooleanWriter {
    /// With room for so many rows.
    pub fn for_rows(rows: usize) -> Self {
        Self { validity: Validity::for_rows(rows), values: Vec::with_capacity(rows.div_ceil(8)) }
    }

    /// A row with a value, or `None` for null.
    #[inline]
    pub fn push(&mut self, value: impl Into<Option<bool>>) {
        let (value, row) = (value.into(), self.validity.rows);
        if row % 8 == 0 {
            self.values.push(0);
        }
        self.values[row / 8] |= u8::from(value == Some(true)) << (row % 8);
        self.validity.push(value.is_some());
    }

    /// The column.
    pub fn finish(self) -> Column {
        let buffers = Buffers { validity: self.validity.bits, offsets: Vec::new(), values: self.values };
        Column::make("boolean", self.validity.rows, &buffers)
    }
}

/// Writes a `binary` column.
#[derive(Debug, Clone)]
pub struct BinaryWriter {
    validity: Validity,
    offsets: Vec<u8>,
    values: Vec<u8>,
}

impl BinaryWriter {
    /// With room for so many rows of so many bytes in all; it grows if they do not suffice.
    pub fn for_rows(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity((rows + 1) * 4);
        offsets.extend_from_slice(&[0; 4]);
        Self { validity: Validity::for_rows(rows), offsets, values: Vec::with_capacity(bytes) }
    }

    /// A row with a value, or `None` for null.
    #[inline]
    pub fn push<'a>(&mut self, value: impl Into<Option<&'a [u8]>>) {
        let value = value.into();
        if let Some(bytes) = value {
            self.add(bytes);
        }
        self.end(value.is_some());
    }

    /// Adds to the value that `finish_value` ends.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        self.values.extend_from_slice(bytes);
    }

    /// Ends the row whose value was added piece by piece.
    #[inline]
    pub fn finish_value(&mut self) {
        self.end(true);
    }

    /// The column.
    pub fn finish(self) -> Column {
        self.finish_as("binary")
    }

    #[inline]
    fn end(&mut self, valid: bool) {
        self.validity.push(valid);
        (self.values.len() as i32).append_to(&mut self.offsets);
    }

    fn finish_as(self, data_type: &str) -> Column {
        // The host refuses offsets that fall, which is what more than 2 GiB would give.
        let buffers = Buffers { validity: self.validity.bits, offsets: self.offsets, values: self.values };
        Column::make(data_type, self.validity.rows, &buffers)
    }
}

/// Writes a `string` column. `write!` adds to the value that `finish_value` ends.
#[derive(Debug, Clone)]
pub struct TextWriter(BinaryWriter);

impl TextWriter {
    /// With room for so many rows of so many bytes in all; it grows if they do not suffice.
    pub fn for_rows(rows: usize, bytes: usize) -> Self {
        Self(BinaryWriter::for_rows(rows, bytes))
    }

    /// A row with a value, or `None` for null.
    #[inline]
    pub fn push<'a>(&mut self, value: impl Into<Option<&'a str>>) {
        self.0.push(value.into().map(str::as_bytes));
    }

    /// Adds to the value that `finish_value` ends.
    #[inline]
    pub fn add(&mut self, text: &str) {
        self.0.add(text.as_bytes());
    }

    /// Ends the row whose value was added piece by piece.
    #[inline]
    pub fn finish_value(&mut self) {
        self.0.finish_value();
    }

    /// The column.
    pub fn finish(self) -> Column {
        self.0.finish_as("string")
    }
}

impl fmt::Write for TextWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text);
        Ok(())
    }
}
