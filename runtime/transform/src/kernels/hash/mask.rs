use arrow_array::{Array, StringArray};

use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::text::first_character;
use crate::kernels::writer::{extent, extent_bytes, map_text};

/// Every character replaced by `fill`'s first, but for `keep_start` at the beginning and `keep_end` at the end; a text of no
/// more characters than these two together is replaced whole.
pub fn mask(text: &Column, keep_start: u32, keep_end: u32, fill: &str, limits: Limits) -> Result<Column, KernelError> {
    let fill = first_character(fill)?;
    let keep = Keep { start: keep_start as usize, end: keep_end as usize };
    let array = text.texts()?;
    let (offsets, values) = extent(array.offsets(), array.value_data());
    if fill.is_ascii() && values.is_ascii() {
        limits.check(values.len() + offsets.inner().inner().len())?;
        let mut values = values.to_vec();
        for pair in offsets.windows(2) {
            let value = &mut values[pair[0] as usize..pair[1] as usize];
            let (begin, end) = keep.hidden(value.len());
            value[begin..end].fill(fill as u8);
        }
        return Ok(text.with(StringArray::try_new(offsets, values.into(), array.nulls().cloned())?));
    }
    map_text(text, extent_bytes(array.offsets()), limits, |value, out| {
        let characters = if value.is_ascii() { value.len() } else { value.chars().count() };
        let (begin, end) = keep.hidden(characters);
        out.push(&value.as_bytes()[..byte_of(value, begin)])?;
        out.push_times(fill, end - begin)?;
        out.push(&value.as_bytes()[byte_of(value, end)..])
    })
}

/// What stays to be seen.
struct Keep {
    start: usize,
    end: usize,
}

impl Keep {
    /// Where the hidden characters of so many begin and end.
    fn hidden(&self, characters: usize) -> (usize, usize) {
        if characters <= self.start.saturating_add(self.end) {
            return (0, characters);
        }
        (self.start, characters - self.end)
    }
}

/// Where a character begins.
fn byte_of(value: &str, character: usize) -> usize {
    if value.is_ascii() {
        return character;
    }
    value.char_indices().nth(character).map_or(value.len(), |(place, _)| place)
}
