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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, read_texts, words};

    fn naive(text: &str, start: usize, end: usize, fill: char) -> String {
        let characters: Vec<char> = text.chars().collect();
        let kept = |place: usize| characters.len() > start + end && (place < start || place >= characters.len() - end);
        characters.iter().enumerate().map(|(place, character)| if kept(place) { *character } else { fill }).collect()
    }

    proptest! {
        #[test]
        fn characters_between_are_hidden(values in any_texts(), start in 0_u32..5, end in 0_u32..5, fill in "[*ä€]") {
            against_model(&values, |text| mask(text, start, end, &fill, ROOMY), read_texts, |text| {
                Some(naive(text, start as usize, end as usize, fill.chars().next().unwrap()))
            });
        }
    }

    #[test]
    fn a_text_that_would_be_shown_whole_is_hidden_whole() {
        let found = mask(&words(["1234", "12345", ""]), 2, 2, "*", ROOMY).unwrap();
        assert_eq!(read_texts(&found), ["****", "12*45", ""].map(|text| Some(text.to_owned())));
        let found = mask(&words(["1234"]), u32::MAX, u32::MAX, "*", ROOMY).unwrap();
        assert_eq!(read_texts(&found), [Some("****".to_owned())]);
    }

    #[test]
    fn wider_fill_is_held_to_the_limit() {
        assert!(mask(&words(["aaaa"]), 0, 0, "€", Limits { bytes: 8 + 11 }).is_err());
        assert!(mask(&words(["aaaa"]), 0, 0, "€", Limits { bytes: 8 + 12 }).is_ok());
        assert!(mask(&words(["aaaa"]), 0, 0, "", ROOMY).is_err());
    }
}
