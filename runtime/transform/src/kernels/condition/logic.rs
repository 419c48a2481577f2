use arrow_arith::boolean;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use crate::kernels::column::{Column, KernelError, Shape};

/// Whether there is no value. Never null.
pub fn is_null(of: &Column) -> Result<Column, KernelError> {
    Ok(of.with(boolean::is_null(of.array())?))
}

/// Both; false with one false side even if the other is null.
pub fn both(left: &Column, right: &Column) -> Result<Column, KernelError> {
    let shape = Shape::of([left, right])?;
    Ok(shape.column(boolean::and_kleene(&spread(left, shape)?, &spread(right, shape)?)?))
}

/// At least one; true with one true side even if the other is null.
pub fn either(left: &Column, right: &Column) -> Result<Column, KernelError> {
    let shape = Shape::of([left, right])?;
    Ok(shape.column(boolean::or_kleene(&spread(left, shape)?, &spread(right, shape)?)?))
}

/// The opposite; null stays null.
pub fn negate(of: &Column) -> Result<Column, KernelError> {
    Ok(of.with(boolean::not(of.booleans()?)?))
}

/// As many rows as the shape has.
pub(in crate::kernels) fn spread(of: &Column, shape: Shape) -> Result<BooleanArray, KernelError> {
    let array = of.booleans()?;
    if !of.is_constant() || shape.rows == 1 {
        return Ok(array.clone());
    }
    let bits = if array.value(0) { BooleanBuffer::new_set(shape.rows) } else { BooleanBuffer::new_unset(shape.rows) };
    Ok(BooleanArray::new(bits, array.is_null(0).then(|| NullBuffer::new_null(shape.rows))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::samples::{booleans, one, read_booleans, words};

    const ALL: [Option<bool>; 3] = [Some(true), Some(false), None];

    fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
        match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    fn not(value: Option<bool>) -> Option<bool> {
        value.map(|value| !value)
    }

    #[test]
    fn null_counts_only_where_it_decides() {
        for right in ALL {
            let expected_both = ALL.map(|left| and(left, right));
            let expected_either = ALL.map(|left| not(and(not(left), not(right))));
            let text = right.map(|right| right.to_string());
            for other in [booleans(&[right; 3]), one("boolean", text.as_deref())] {
                let column = booleans(&ALL);
                assert_eq!(read_booleans(&both(&column, &other).unwrap()), expected_both);
                assert_eq!(read_booleans(&both(&other, &column).unwrap()), expected_both);
                assert_eq!(read_booleans(&either(&column, &other).unwrap()), expected_either);
                assert_eq!(read_booleans(&either(&other, &column).unwrap()), expected_either);
            }
        }
    }

    #[test]
    fn opposites_and_nulls_are_told_row_by_row() {
        assert_eq!(read_booleans(&negate(&booleans(&ALL)).unwrap()), ALL.map(not));
        assert_eq!(read_booleans(&is_null(&booleans(&ALL)).unwrap()), [Some(false), Some(false), Some(true)]);
        assert_eq!(read_booleans(&is_null(&words(["a", ""])).unwrap()), [Some(false), Some(false)]);
        let constant = is_null(&one("long", None)).unwrap();
        assert!(constant.is_constant());
        assert_eq!(read_booleans(&constant), [Some(true)]);
        assert!(both(&one("boolean", None), &one("boolean", None)).unwrap().is_constant());
        assert_eq!(negate(&words(["a"])).unwrap_err().to_string(), "needs a `boolean` and got a `string`");
        assert!(both(&booleans(&ALL), &booleans(&[None])).is_err());
    }
}
