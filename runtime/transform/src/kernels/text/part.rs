use arrow_array::types::Int32Type;
use arrow_array::{Array, Int32Array, PrimitiveArray};
use arrow_buffer::OffsetBuffer;
use memchr::{memchr_iter, memmem};

use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::writer::{extent, extent_bytes, map_text, map_text_or_null};

/// Without white space (as Unicode defines it) at both ends.
pub fn trim(text: &Column, limits: Limits) -> Result<Column, KernelError> {
    let bytes = extent_bytes(text.texts()?.offsets());
    map_text(text, bytes, limits, |value, out| out.push(value.trim().as_bytes()))
}

/// The number of characters (of a `string`) or bytes (of a `binary`), as `int`.
pub fn length(of: &Column, limits: Limits) -> Result<Column, KernelError> {
    limits.check_rows::<i32>(of.array().len())?;
    let nulls = of.array().nulls().cloned();
    let Ok(array) = of.texts() else {
        let array = of.binaries().map_err(|_| of.unfit("a `string` or `binary`"))?;
        return Ok(of.with(differences(array.offsets(), nulls)));
    };
    if extent(array.offsets(), array.value_data()).1.is_ascii() {
        return Ok(of.with(differences(array.offsets(), nulls)));
    }
    let counts = (0..array.len()).map(|row| array.value(row).chars().count() as i32);
    Ok(of.with(Int32Array::new(counts.collect(), nulls)))
}

fn differences(offsets: &OffsetBuffer<i32>, nulls: Option<arrow_buffer::NullBuffer>) -> PrimitiveArray<Int32Type> {
    Int32Array::new(offsets.windows(2).map(|pair| pair[1] - pair[0]).collect(), nulls)
}

/// Characters from `start` (0 is the first; a negative number counts from the end, at most to the beginning) on, at most
/// `length` of them; all to the end without it.
pub fn substring(text: &Column, start: i32, length: Option<u32>, limits: Limits) -> Result<Column, KernelError> {
    let array = text.texts()?;
    let bytes = extent_bytes(array.offsets());
    let plain = extent(array.offsets(), array.value_data()).1.is_ascii();
    let length = length.map_or(usize::MAX, |length| length as usize);
    let hint = bytes.min(array.len().saturating_mul(length));
    map_text(text, hint, limits, |value, out| {
        let part =
            if plain || value.is_ascii() { plain_part(value, start, length) } else { part(value, start, length) };
        out.push(part.as_bytes())
    })
}

fn plain_part(value: &str, start: i32, length: usize) -> &str {
    let distance = start.unsigned_abs() as usize;
    let begin = if start < 0 { value.len().saturating_sub(distance) } else { distance.min(value.len()) };
    &value[begin..begin.saturating_add(length).min(value.len())]
}

fn part(value: &str, start: i32, length: usize) -> &str {
    let distance = start.unsigned_abs() as usize;
    let mut places = value.char_indices().map(|(place, _)| place);
    let begin = match start {
        0.. => places.nth(distance).unwrap_or(value.len()),
        _ => places.nth_back(distance - 1).unwrap_or(0),
    };
    let rest = &value[begin..];
    match rest.char_indices().nth(length) {
        Some((end, _)) => &rest[..end],
        None => rest,
    }
}

/// The part number `index` (0 is the first) between separators; null where there are fewer. An empty separator is nowhere,
/// so part 0 is all.
pub fn split_part(text: &Column, separator: &str, index: u32, limits: Limits) -> Result<Column, KernelError> {
    let bytes = extent_bytes(text.texts()?.offsets());
    let index = index as usize;
    let write = |part: Option<&str>, out: &mut crate::kernels::writer::Writer| match part {
        Some(part) => out.push(part.as_bytes()).map(|()| true),
        None => Ok(false),
    };
    match separator.as_bytes() {
        [] => map_text_or_null(text, bytes, limits, |value, out| write((index == 0).then_some(value), out)),
        [byte] => map_text_or_null(text, bytes, limits, |value, out| {
            write(between(value, memchr_iter(*byte, value.as_bytes()), 1, index), out)
        }),
        _ => {
            let finder = memmem::Finder::new(separator);
            map_text_or_null(text, bytes, limits, |value, out| {
                write(between(value, finder.find_iter(value.as_bytes()), separator.len(), index), out)
            })
        }
    }
}

/// The part between separators of `width` bytes at `places`.
fn between(value: &str, mut places: impl Iterator<Item = usize>, width: usize, index: usize) -> Option<&str> {
    let begin = match index.checked_sub(1) {
        None => 0,
        Some(before) => places.nth(before)? + width,
    };
    Some(&value[begin..places.next().unwrap_or(value.len())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, binaries, one, read_numbers, read_texts, words};

    fn naive_substring(text: &str, start: i32, length: Option<u32>) -> String {
        let characters: Vec<char> = text.chars().collect();
        let begin = match start {
            0.. => start as usize,
            _ => characters.len().saturating_sub(start.unsigned_abs() as usize),
        };
        characters.into_iter().skip(begin).take(length.map_or(usize::MAX, |length| length as usize)).collect()
    }

    proptest! {
        #[test]
        fn parts_are_those_of_a_naive_model(
            values in any_texts(), start in -14..14, length in prop::option::of(0_u32..14), index in 0_u32..4,
        ) {
            against_model(&values, |text| trim(text, ROOMY), read_texts, |text| Some(text.trim().to_owned()));
            against_model(&values, length_of, read_numbers::<Int32Type>, |text| {
                Some(text.chars().count() as i32)
            });
            against_model(&values, |text| substring(text, start, length, ROOMY), read_texts, |text| {
                Some(naive_substring(text, start, length))
            });
            for separator in ["@", "ä", "b@", "€"] {
                against_model(&values, |text| split_part(text, separator, index, ROOMY), read_texts, |text| {
                    text.split(separator).nth(index as usize).map(str::to_owned)
                });
            }
        }
    }

    fn length_of(column: &Column) -> Result<Column, KernelError> {
        length(column, ROOMY)
    }

    #[test]
    fn an_empty_separator_leaves_the_text_whole() {
        let text = words(["abc", ""]);
        assert_eq!(
            read_texts(&split_part(&text, "", 0, ROOMY).unwrap()),
            [Some("abc".to_owned()), Some(String::new())]
        );
        assert_eq!(read_texts(&split_part(&text, "", 1, ROOMY).unwrap()), [None, None]);
    }

    #[test]
    fn a_start_before_the_beginning_is_the_beginning() {
        let text = words(["abc", "äöü"]);
        let found = substring(&text, -5, Some(2), ROOMY).unwrap();
        assert_eq!(read_texts(&found), [Some("ab".to_owned()), Some("äö".to_owned())]);
        let found = substring(&text, i32::MIN, None, ROOMY).unwrap();
        assert_eq!(read_texts(&found), [Some("abc".to_owned()), Some("äöü".to_owned())]);
        let found = substring(&text, i32::MAX, Some(u32::MAX), ROOMY).unwrap();
        assert_eq!(read_texts(&found), [Some(String::new()), Some(String::new())]);
    }

    #[test]
    fn the_length_of_bytes_is_their_number() {
        let found = length(&binaries(&[Some(vec![0xff, 0xc3]), None, Some(vec![])]), ROOMY).unwrap();
        assert_eq!(read_numbers::<Int32Type>(&found), [Some(2), None, Some(0)]);
        let error = length(&one("int", Some("1")), ROOMY).unwrap_err();
        assert_eq!(error.to_string(), "needs a `string` or `binary` and got a `int`");
    }
}
