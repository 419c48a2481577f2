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
