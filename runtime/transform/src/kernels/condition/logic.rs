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
