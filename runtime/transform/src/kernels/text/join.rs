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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, one, read_texts, texts, words};

    proptest! {
        #[test]
        fn padding_counts_characters(values in any_texts(), length in 0_u32..10, fill in "[0ä€]x?") {
            against_model(&values, |text| pad_start(text, length, &fill, ROOMY), read_texts, |text| {
                let missing = (length as usize).saturating_sub(text.chars().count());
                Some(fill.chars().next().unwrap().to_string().repeat(missing) + text)
            });
        }

        #[test]
        fn texts_are_joined_row_by_row(values in any_texts(), separator in "[-ä]{0,2}") {
            let others: Vec<Option<String>> = values.iter().rev().cloned().collect();
            let parts = [texts(&values), one("string", Some("€")), texts(&others)];
            let expected: Vec<Option<String>> = values
                .iter()
                .zip(&others)
                .map(|(left, right)| Some([left.as_ref()?, "€", right.as_ref()?].join(&separator)))
                .collect();
            prop_assert_eq!(read_texts(&concat(&parts, &separator, ROOMY).unwrap()), expected);
        }
    }

    #[test]
    fn a_null_part_makes_all_null_and_constants_stay_constants() {
        let found = concat(&[words(["a", "b"]), one("string", None)], "", ROOMY).unwrap();
        assert_eq!(read_texts(&found), [None, None]);
        let found = concat(&[one("string", Some("a")), one("string", Some("b"))], "-", ROOMY).unwrap();
        assert!(found.is_constant());
        assert_eq!(read_texts(&found), [Some("a-b".to_owned())]);
        let found = concat(&[], "-", ROOMY).unwrap();
        assert!(found.is_constant());
        assert_eq!(read_texts(&found), [Some(String::new())]);
    }

    #[test]
    fn columns_of_different_rows_do_not_go_together() {
        let error = concat(&[words(["a", "b"]), words(["a"])], "", ROOMY).unwrap_err();
        assert_eq!(error.to_string(), "its columns have 2 and 1 rows");
    }

    #[test]
    fn nothing_is_made_room_for_beyond_the_limit() {
        for fill in ["x", "€"] {
            assert!(pad_start(&words(["a"]), u32::MAX, fill, ROOMY).is_err());
            assert!(pad_start(&words(["a"]), u32::MAX, fill, Limits { bytes: usize::MAX }).is_err());
        }
        let long = one("string", Some(&"x".repeat(1 << 20)));
        assert!(concat(&[texts(&vec![Some("a"); 100]), long], "", ROOMY).is_err());
        assert_eq!(
            pad_start(&words(["a"]), 3, "", ROOMY).unwrap_err().to_string(),
            "`fill` is empty: give it a character"
        );
    }
}
