use arrow_array::Array;
use memchr::memmem;

use crate::kernels::column::{Column, KernelError, Limits, Shape};
use crate::kernels::writer::{extent_bytes, map_text};

/// Every occurrence of `search`, from left to right and none within another, replaced. An empty `search` is nowhere.
pub fn replace(text: &Column, search: &str, replacement: &str, limits: Limits) -> Result<Column, KernelError> {
    let bytes = extent_bytes(text.texts()?.offsets());
    if search.is_empty() {
        return Ok(text.clone());
    }
    let finder = memmem::Finder::new(search);
    map_text(text, bytes, limits, |value, out| {
        let value = value.as_bytes();
        let mut done = 0;
        for place in finder.find_iter(value) {
            out.push(&value[done..place])?;
            out.push(replacement.as_bytes())?;
            done = place + search.len();
        }
        out.push(&value[done..])
    })
}

/// Whether the text begins with `prefix`.
pub fn starts_with(text: &Column, prefix: &str) -> Result<Column, KernelError> {
    test(text, |value| value.as_bytes().starts_with(prefix.as_bytes()))
}

/// Whether the text ends with `suffix`.
pub fn ends_with(text: &Column, suffix: &str) -> Result<Column, KernelError> {
    test(text, |value| value.as_bytes().ends_with(suffix.as_bytes()))
}

/// Whether the text holds `search`.
pub fn contains(text: &Column, search: &str) -> Result<Column, KernelError> {
    let finder = memmem::Finder::new(search);
    test(text, |value| finder.find(value.as_bytes()).is_some())
}

/// A condition on each text.
pub(in crate::kernels) fn test(text: &Column, mut is_true: impl FnMut(&str) -> bool) -> Result<Column, KernelError> {
    let array = text.texts()?;
    let shape = Shape::of([text])?;
    Ok(shape.conditions(array.nulls().cloned(), |row| is_true(array.value(row))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, one, read_booleans, read_texts, words};

    proptest! {
        #[test]
        fn searches_find_what_the_standard_library_finds(
            values in any_texts(), search in "[a-c@ä]{0,2}", replacement in "[xyä]{0,3}",
        ) {
            let search = search.as_str();
            against_model(&values, |text| starts_with(text, search), read_booleans, |text| Some(text.starts_with(search)));
            against_model(&values, |text| ends_with(text, search), read_booleans, |text| Some(text.ends_with(search)));
            against_model(&values, |text| contains(text, search), read_booleans, |text| Some(text.contains(search)));
            against_model(&values, |text| replace(text, search, &replacement, ROOMY), read_texts, |text| {
                Some(if search.is_empty() { text.to_owned() } else { text.replace(search, &replacement) })
            });
        }
    }

    #[test]
    fn a_replacement_that_grows_beyond_the_limit_is_refused() {
        let error = replace(&words(["aaaa"]), "a", "bbbbbbbb", Limits { bytes: 39 }).unwrap_err();
        assert_eq!(error.to_string(), "the result would take more than the 39 bytes that it may");
        assert!(replace(&words(["aaaa"]), "a", "bbbbbbbb", Limits { bytes: 40 }).is_ok());
        assert!(replace(&words(["aaaa"]), "a", &"b".repeat(1 << 20), ROOMY).is_ok());
    }

    #[test]
    fn numbers_are_no_text() {
        let error = contains(&one("decimal(4,2)", None), "a").unwrap_err();
        assert_eq!(error.to_string(), "needs a `string` and got a `decimal(4,2)`");
    }
}
