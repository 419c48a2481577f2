use arrow_array::{Array, StringArray};

use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::writer::{extent, extent_bytes, map_text};

/// Lower case, by Unicode's simple rules: one character for one.
pub fn lower(text: &Column, limits: Limits) -> Result<Column, KernelError> {
    change(text, limits, <[u8]>::make_ascii_lowercase, lower_character)
}

/// Upper case, by Unicode's simple rules: one character for one.
pub fn upper(text: &Column, limits: Limits) -> Result<Column, KernelError> {
    change(text, limits, <[u8]>::make_ascii_uppercase, upper_character)
}

fn change(text: &Column, limits: Limits, ascii: fn(&mut [u8]), other: fn(char) -> char) -> Result<Column, KernelError> {
    let array = text.texts()?;
    let (offsets, values) = extent(array.offsets(), array.value_data());
    if values.is_ascii() {
        limits.check(values.len() + offsets.inner().inner().len())?;
        let mut values = values.to_vec();
        ascii(&mut values);
        return Ok(text.with(StringArray::try_new(offsets, values.into(), array.nulls().cloned())?));
    }
    map_text(text, extent_bytes(array.offsets()), limits, |value, out| {
        if value.is_ascii() {
            out.push(value.as_bytes())?;
            ascii(out.current());
            return Ok(());
        }
        value.chars().try_for_each(|character| out.push_char(other(character)))
    })
}

/// The simple mapping; where the full one gives several characters, they differ.
fn lower_character(character: char) -> char {
    let mut full = character.to_lowercase();
    match (full.next(), full.next()) {
        (Some(one), None) => one,
        _ if character == '\u{130}' => 'i',
        _ => character,
    }
}

/// The simple mapping; where the full one gives several characters, they differ.
fn upper_character(character: char) -> char {
    let mut full = character.to_uppercase();
    match (full.next(), full.next()) {
        (Some(one), None) => one,
        // Greek letters with an iota below have one that is written beside, but is one character (UnicodeData.txt).
        _ => match character {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                char::from_u32(character as u32 + 8).unwrap_or(character)
            }
            '\u{1fb3}' => '\u{1fbc}',
            '\u{1fc3}' => '\u{1fcc}',
            '\u{1ff3}' => '\u{1ffc}',
            _ => character,
        },
    }
}
