//! Texts and bytes, written one behind the other.

use arrow_array::{Array, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};

use super::column::{Column, KernelError, Limits};
use super::fill::Missing;

/// Values of any length on their way into a column, within a limit.
pub(super) struct Writer {
    values: Vec<u8>,
    offsets: Vec<i32>,
    most: usize,
    limits: Limits,
}

impl Writer {
    /// For `rows` values that take about `bytes` bytes in all.
    pub fn new(rows: usize, bytes: usize, limits: Limits) -> Result<Self, KernelError> {
        let most = limits.text_bytes(rows)?;
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Ok(Self { values: Vec::with_capacity(bytes.min(most)), offsets, most, limits })
    }

    /// Appends to the value at hand.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), KernelError> {
        self.room(bytes.len())?;
        self.values.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a character.
    #[inline]
    pub fn push_char(&mut self, character: char) -> Result<(), KernelError> {
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// Appends `character` `times` times.
    pub fn push_times(&mut self, character: char, times: usize) -> Result<(), KernelError> {
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).as_bytes();
        let all = bytes.len().checked_mul(times).ok_or_else(|| self.limits.exceeded())?;
        self.room(all)?;
        match bytes {
            [byte] => self.values.resize(self.values.len() + times, *byte),
            _ => (0..times).for_each(|_| self.values.extend_from_slice(bytes)),
        }
        Ok(())
    }

    /// Appends what `write` does, which is at most `most` bytes.
    #[inline]
    pub fn push_with(&mut self, most: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), KernelError> {
        self.room(most)?;
        write(&mut self.values);
        Ok(())
    }

    #[inline]
    fn room(&self, bytes: usize) -> Result<(), KernelError> {
        if bytes > self.most - self.values.len() { Err(self.limits.exceeded()) } else { Ok(()) }
    }

    /// Drops what was appended since the last end.
    pub fn take_back(&mut self) {
        self.values.truncate(self.offsets.last().map_or(0, |end| *end as usize));
    }

    /// Ends the value at hand.
    #[inline]
    pub fn end(&mut self) {
        // At most `i32::MAX`, which `room` sees to.
        self.offsets.push(self.values.len() as i32);
    }

    /// What was appended since the last end.
    pub fn current(&mut self) -> &mut [u8] {
        let begin = self.offsets.last().map_or(0, |end| *end as usize);
        &mut self.values[begin..]
    }

    /// A column of text.
    pub fn text(self, nulls: Option<NullBuffer>) -> Result<StringArray, KernelError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(StringArray::try_new(offsets, self.values.into(), nulls)?)
    }
}

/// Offsets that begin at 0, and the bytes that they are for.
pub(super) fn extent<'a>(offsets: &OffsetBuffer<i32>, values: &'a [u8]) -> (OffsetBuffer<i32>, &'a [u8]) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = &values[first as usize..last as usize];
    match first {
        0 => (offsets.clone(), values),
        _ => (OffsetBuffer::new(offsets.iter().map(|offset| offset - first).collect()), values),
    }
}

/// Bytes of all values.
pub(super) fn extent_bytes(offsets: &OffsetBuffer<i32>) -> usize {
    (offsets[offsets.len() - 1] - offsets[0]) as usize
}

/// Writes a text for each text; null stays null.
pub(super) fn map_text(
    text: &Column,
    bytes: usize,
    limits: Limits,
    mut write: impl FnMut(&str, &mut Writer) -> Result<(), KernelError>,
) -> Result<Column, KernelError> {
    let array = text.texts()?;
    let mut out = Writer::new(array.len(), bytes, limits)?;
    match array.nulls() {
        None => {
            for row in 0..array.len() {
                write(array.value(row), &mut out)?;
                out.end();
            }
        }
        Some(nulls) => {
            for (row, valid) in nulls.iter().enumerate() {
                if valid {
                    write(array.value(row), &mut out)?;
                }
                out.end();
            }
        }
    }
    Ok(text.with(out.text(array.nulls().cloned())?))
}

/// Writes a text for each text, or null where `write` says that there is none.
pub(super) fn map_text_or_null(
    text: &Column,
    bytes: usize,
    limits: Limits,
    mut write: impl FnMut(&str, &mut Writer) -> Result<bool, KernelError>,
) -> Result<Column, KernelError> {
    let array = text.texts()?;
    let mut out = Writer::new(array.len(), bytes, limits)?;
    let mut missing = Missing::default();
    for row in 0..array.len() {
        if array.is_valid(row) && !write(array.value(row), &mut out)? {
            out.take_back();
            missing.add(row);
        }
        out.end();
    }
    Ok(text.with(out.text(missing.nulls(array.len(), array.nulls().cloned()))?))
}
