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

/// Adds bytes at the end. A few bytes are copied by 8 or 4 at a time: in WebAssembly a copy of unknown size is a call to
/// the engine, which costs more than such a copy.
#[inline]
fn append(values: &mut Vec<u8>, bytes: &[u8]) {
    let size = bytes.len();
    if size > 32 {
        return values.extend_from_slice(bytes);
    }
    values.reserve(size);
    let (from, end) = (bytes.as_ptr(), values.len());
    // SAFETY: there is room for `size` bytes at `to`, and every piece lies within the first `size` bytes: the first and
    // second from their beginning on, the last and the one before it up to their end.
    unsafe {
        let to = values.as_mut_ptr().add(end);
        match size {
            16.. => {
                let (first, second) = (piece::<8>(from), piece::<8>(from.add(8)));
                let (third, last) = (piece::<8>(from.add(size - 16)), piece::<8>(from.add(size - 8)));
                to.cast::<[u8; 8]>().write(first);
                to.add(8).cast::<[u8; 8]>().write(second);
                to.add(size - 16).cast::<[u8; 8]>().write(third);
                to.add(size - 8).cast::<[u8; 8]>().write(last);
            }
            8.. => {
                let (first, last) = (piece::<8>(from), piece::<8>(from.add(size - 8)));
                to.cast::<[u8; 8]>().write(first);
                to.add(size - 8).cast::<[u8; 8]>().write(last);
            }
            4.. => {
                let (first, last) = (piece::<4>(from), piece::<4>(from.add(size - 4)));
                to.cast::<[u8; 4]>().write(first);
                to.add(size - 4).cast::<[u8; 4]>().write(last);
            }
            1.. => {
                let (first, middle, last) = (*from, *from.add(size / 2), *from.add(size - 1));
                *to = first;
                *to.add(size / 2) = middle;
                *to.add(size - 1) = last;
            }
            0 => {}
        }
        values.set_len(end + size);
    }
}

/// The bytes at an address.
///
/// # Safety
///
/// There are so many bytes.
#[inline]
unsafe fn piece<const SIZE: usize>(from: *const u8) -> [u8; SIZE] {
    // SAFETY: by the caller; bytes lie at any address.
    unsafe { from.cast::<[u8; SIZE]>().read() }
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
        append(&mut self.values, bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_size_come_back_as_they_were_written() {
        let all = "żółw, a tortoise; and some more letters to make it longer than what is copied by pieces";
        let texts: Vec<&str> = all.char_indices().map(|(at, _)| &all[..at]).chain(["", all]).collect();
        let mut writer = TextWriter::for_rows(0, 0);
        texts.iter().for_each(|text| writer.push(*text));
        let read = writer.finish().texts();
        assert_eq!(read.iter().map(Option::unwrap).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn nulls_are_where_they_were_written() {
        for first_null in 0..20 {
            let is_null = |row: usize| row >= first_null && (row - first_null) % 3 == 0;
            let mut longs = ValueWriter::<i64>::for_rows(3);
            let mut booleans = BooleanWriter::for_rows(3);
            let mut binaries = BinaryWriter::for_rows(3, 0);
            for row in 0..20 {
                longs.push((!is_null(row)).then_some(row as i64 - 7));
                booleans.push((!is_null(row)).then_some(row % 2 == 0));
                binaries.push((!is_null(row)).then_some(&[row as u8, 0][..]));
            }
            let (longs, booleans, binaries) =
                (longs.finish("timestamp").longs(), booleans.finish().booleans(), binaries.finish().binaries());
            for row in 0..20 {
                let some = !is_null(row);
                assert_eq!(longs.get(row), some.then_some(row as i64 - 7), "row {row}, from {first_null}");
                assert_eq!(booleans.get(row), some.then_some(row % 2 == 0));
                assert_eq!(binaries.get(row), some.then_some(&[row as u8, 0][..]));
                assert_eq!(longs.is_null(row) && booleans.is_null(row) && binaries.is_null(row), !some);
            }
        }
    }

    #[test]
    fn a_column_without_nulls_has_no_validity() {
        let mut writer = ValueWriter::<i128>::for_rows(1);
        writer.push(-1);
        let buffers = writer.finish("decimal(38,0)").read();
        assert_eq!((buffers.validity.len(), buffers.offsets.len(), buffers.values.as_slice()), (0, 0, &[0xff; 16][..]));
    }

    #[test]
    fn a_text_can_be_written_in_parts() {
        use std::fmt::Write;
        let mut writer = TextWriter::for_rows(1, 0);
        writer.add("a");
        write!(writer, "-{}", 7).unwrap();
        writer.finish_value();
        writer.push(None);
        assert_eq!(writer.finish().texts().iter().collect::<Vec<_>>(), [Some("a-7"), None]);
    }
}
