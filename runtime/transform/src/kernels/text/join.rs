use arrow_array::StringArray;

use super::first_character;
use crate::kernels::column::{Column, KernelError, Limits, Shape};
use crate::kernels::writer::{Writer, extent_bytes, map_text};

/// Fills up at the beginning with `fill`'s first character until there are `length` characters.
pub fn pad_start(text: &Column, length: u32, fill: &str, limits: Limits) -> Result<Column, KernelError> {
    let fill = first_character(fill)?;
    let length = length as usize;
    let bytes = extent_bytes(text.texts()?.offsets());
    map_text(text, bytes, limits, |value, out| {
        // Bytes are never fewer than characters.
        let missing =
            if value.len() >= length && value.is_ascii() { 0 } else { length.saturating_sub(value.chars().count()) };
        out.push_times(fill, missing)?;
        out.push(value.as_bytes())
    })
}

/// The texts one behind the other, with `separator` between them; null if any is null. No texts at all give the constant
/// empty text.
pub fn concat(parts: &[Column], separator: &str, limits: Limits) -> Result<Column, KernelError> {
    let shape = Shape::of(parts)?;
    let arrays = parts.iter().map(Column::texts).collect::<Result<Vec<&StringArray>, _>>()?;
    let nulls = shape.nulls(parts);
    let bytes = parts.iter().zip(&arrays).fold(
        shape.rows.saturating_mul(separator.len().saturating_mul(parts.len().saturating_sub(1))),
        |bytes, (part, array)| {
            let times = if part.is_constant() { shape.rows } else { 1 };
            bytes.saturating_add(extent_bytes(array.offsets()).saturating_mul(times))
        },
    );
    let mut out = Writer::new(shape.rows, bytes, limits)?;
    for row in 0..shape.rows {
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            for (number, (part, array)) in parts.iter().zip(&arrays).enumerate() {
                if number > 0 {
                    out.push(separator.as_bytes())?;
                }
                out.push(array.value(part.place(row)).as_bytes())?;
            }
        }
        out.end();
    }
    Ok(shape.column(out.text(nulls)?))
}
