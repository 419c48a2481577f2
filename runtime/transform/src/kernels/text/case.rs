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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, read_texts, words};

    proptest! {
        #[test]
        fn each_character_changes_by_itself(values in any_texts()) {
            let lowered = |text: &str| Some(text.chars().map(lower_character).collect::<String>());
            against_model(&values, |text| lower(text, ROOMY), read_texts, lowered);
            let uppered = |text: &str| Some(text.chars().map(upper_character).collect::<String>());
            against_model(&values, |text| upper(text, ROOMY), read_texts, uppered);
        }
    }

    #[test]
    fn the_rules_are_those_of_unicode_without_special_cases() {
        let found = lower(&words(["ÀÉÎ", "ΟΔΟΣ", "İ", "K", "ẞ", "Ⱥ"]), ROOMY).unwrap();
        assert_eq!(read_texts(&found), ["àéî", "οδοσ", "i", "k", "ß", "ⱥ"].map(|text| Some(text.to_owned())));
        let found = upper(&words(["straße", "ŉ", "ﬁ", "ᾀ", "ᾳ", "ῼ", "ı", "ǆ", "ⱥ"]), ROOMY).unwrap();
        assert_eq!(
            read_texts(&found),
            ["STRAßE", "ŉ", "ﬁ", "ᾈ", "ᾼ", "ῼ", "I", "Ǆ", "Ⱥ"].map(|text| Some(text.to_owned()))
        );
    }

    #[test]
    fn where_the_full_rules_give_one_character_the_simple_ones_give_the_same() {
        for character in '\0'..=char::MAX {
            let mut full = character.to_lowercase();
            if full.len() == 1 {
                assert_eq!(lower_character(character), full.next().unwrap());
            }
            let mut full = character.to_uppercase();
            if full.len() == 1 {
                assert_eq!(upper_character(character), full.next().unwrap());
            }
        }
    }

    #[test]
    fn what_grows_beyond_the_limit_is_refused() {
        let text = words(["ȺȺȺȺȺȺȺȺ"]);
        assert!(lower(&text, Limits { bytes: 8 + 24 }).is_ok());
        assert!(lower(&text, Limits { bytes: 8 + 23 }).is_err());
        assert!(lower(&words(["aaaa"]), Limits { bytes: 4 }).is_err());
    }
}
