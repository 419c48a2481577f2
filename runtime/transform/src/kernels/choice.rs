//! Choice among values and rows.

use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, Int32Array, Scalar};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_select::filter::filter as filter_array;
use arrow_select::nullif::nullif;
use arrow_select::take::take as take_array;
use arrow_select::zip::zip;

use super::column::{Column, KernelError, Limits, Shape};
use super::condition::logic::spread;

/// The first value that is not null; all choices are of one type, and there is at least one.
pub fn coalesce(choices: &[Column], limits: Limits) -> Result<Column, KernelError> {
    let Some((first, others)) = choices.split_first() else {
        return Err(KernelError("there is nothing to choose from: give it a column".to_owned()));
    };
    let shape = Shape::of(choices)?;
    let mut chosen = first.clone();
    for other in others {
        let present = boolean::is_not_null(chosen.array())?;
        let present = spread(&chosen.with(present), shape)?;
        chosen = shape.column_of(select(&present, &chosen, other, limits)?);
    }
    if chosen.is_constant() == shape.constant {
        return Ok(chosen);
    }
    // One choice with rows, and all others constants after it, or none.
    Ok(shape.column_of(chosen.array().clone()))
}

/// `then` where the condition is true, `otherwise` where it is false or null. Both are of one type.
pub fn choose(condition: &Column, then: &Column, otherwise: &Column, limits: Limits) -> Result<Column, KernelError> {
    let shape = Shape::of([condition, then, otherwise])?;
    let condition = spread(condition, shape)?;
    Ok(shape.column_of(select(&condition, then, otherwise, limits)?))
}

fn select(
    condition: &BooleanArray,
    then: &Column,
    otherwise: &Column,
    limits: Limits,
) -> Result<ArrayRef, KernelError> {
    let (then_type, other_type) = (then.column_type()?, otherwise.column_type()?);
    if then_type != other_type {
        return Err(KernelError(format!(
            "cannot choose between a `{then_type}` and a `{other_type}`: cast one of them"
        )));
    }
    // Null counts as false.
    let condition = match condition.nulls() {
        Some(nulls) => BooleanArray::new(condition.values() & nulls.inner(), None),
        None => condition.clone(),
    };
    let place =
        |row: usize| if condition.value(row) { (then, then.place(row)) } else { (otherwise, otherwise.place(row)) };
    check(then.array(), condition.len(), limits, |row| {
        let (column, place) = place(row);
        width(column.array(), place)
    })?;
    let (then_one, other_one) = (Scalar::new(then.array()), Scalar::new(otherwise.array()));
    let then_side: &dyn Datum = if then.is_constant() { &then_one } else { then.array() };
    let other_side: &dyn Datum = if otherwise.is_constant() { &other_one } else { otherwise.array() };
    Ok(zip(&condition, then_side, other_side)?)
}

/// The rows where the condition is true. At least one of the two has rows.
pub fn filter(of: &Column, condition: &Column, limits: Limits) -> Result<Column, KernelError> {
    let shape = Shape::of([of, condition])?;
    if shape.constant {
        return Err(KernelError(
            "a constant has no rows to leave out: give it a column or a condition with rows".to_owned(),
        ));
    }
    let kept = spread(condition, shape)?;
    if !of.is_constant() {
        return Ok(Column::rows(filter_array(of.array(), &kept)?));
    }
    let rows = kept.iter().filter(|kept| *kept == Some(true)).count();
    repeat(of, rows, limits)
}

/// Rows by their numbers (`int`, 0 is the first), in this order, repeated if wanted; null for null. A number of a row that
/// there is not is an error. A constant is taken as often as there are numbers.
pub fn take(of: &Column, rows: &Column, limits: Limits) -> Result<Column, KernelError> {
    let numbers: &Int32Array =
        rows.array().as_primitive_opt::<Int32Type>().ok_or_else(|| rows.unfit("an `int` of row numbers"))?;
    let last = if of.is_constant() { i32::MAX as usize } else { of.array().len().saturating_sub(1) };
    let there = |number: i32| usize::try_from(number).is_ok_and(|number| number <= last && !of.array().is_empty());
    if let Some(wrong) = numbers.iter().flatten().find(|number| !there(*number)) {
        return Err(KernelError(format!("there is no row {wrong} among {}", of.array().len())));
    }
    if of.is_constant() {
        let nulls = boolean::is_null(numbers)?;
        let spread = repeat(of, numbers.len(), limits)?;
        return Ok(rows.with_array(nullif(spread.array(), &nulls)?));
    }
    check(of.array(), numbers.len(), limits, |row| {
        if numbers.is_null(row) { 0 } else { width(of.array(), numbers.value(row) as usize) }
    })?;
    Ok(rows.with_array(take_array(of.array(), numbers, None)?))
}

/// A constant as a column of so many rows.
fn repeat(of: &Column, rows: usize, limits: Limits) -> Result<Column, KernelError> {
    check(of.array(), rows, limits, |_| width(of.array(), 0))?;
    let numbers = Int32Array::new(vec![0; rows].into(), None);
    Ok(Column::rows(take_array(of.array(), &numbers, None)?))
}

/// Checks the size of a result of `rows` values of `array`'s type, whose texts have the widths given.
fn check(array: &ArrayRef, rows: usize, limits: Limits, width: impl Fn(usize) -> usize) -> Result<(), KernelError> {
    match array.data_type() {
        DataType::Utf8 | DataType::Binary => {
            let most = limits.text_bytes(rows)?;
            let bytes = (0..rows).try_fold(0_usize, |sum, row| sum.checked_add(width(row)));
            if bytes.is_some_and(|bytes| bytes <= most) { Ok(()) } else { Err(limits.exceeded()) }
        }
        fixed => limits.check(rows.saturating_mul(fixed.primitive_width().unwrap_or(1))),
    }
}

/// Bytes of a text or binary value.
fn width(array: &ArrayRef, row: usize) -> usize {
    fn between(offsets: &OffsetBuffer<i32>, row: usize) -> usize {
        (offsets[row + 1] - offsets[row]) as usize
    }
    match (array.as_string_opt::<i32>(), array.as_binary_opt::<i32>()) {
        (Some(texts), _) => between(texts.offsets(), row),
        (_, Some(bytes)) => between(bytes.offsets(), row),
        _ => 0,
    }
}
