use std::sync::Arc;

use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, BooleanArray, Datum, Decimal128Array, Scalar};
use arrow_ord::cmp;
use arrow_schema::ArrowError;

use super::floating;
use crate::kernels::column::{Column, KernelError, Shape};
use crate::kernels::number::decimal::POWERS;
use crate::kernels::number::{Kind, decimals, doubles, floats, longs};

type Comparison = fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>;

/// Whether both are equal.
pub fn equal(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::eq)
}

/// Whether they differ.
pub fn not_equal(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::neq)
}

/// Whether `left` is smaller.
pub fn less(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::lt)
}

/// Whether `left` is smaller or equal.
pub fn less_or_equal(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::lt_eq)
}

/// Whether `left` is larger.
pub fn greater(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::gt)
}

/// Whether `left` is larger or equal.
pub fn greater_or_equal(left: &Column, right: &Column) -> Result<Column, KernelError> {
    compare(left, right, cmp::gt_eq)
}

fn compare(left: &Column, right: &Column, comparison: Comparison) -> Result<Column, KernelError> {
    let shape = Shape::of([left, right])?;
    let (left_array, right_array) = alike(left, right)?;
    let (left_one, right_one) = (Scalar::new(&left_array), Scalar::new(&right_array));
    let left_side: &dyn Datum = if left.is_constant() { &left_one } else { &left_array };
    let right_side: &dyn Datum = if right.is_constant() { &right_one } else { &right_array };
    Ok(shape.column(comparison(left_side, right_side)?))
}

/// Both sides in one type, whose order is Arrow's.
fn alike(left: &Column, right: &Column) -> Result<(ArrayRef, ArrayRef), KernelError> {
    let (left_type, right_type) = (left.column_type()?, right.column_type()?);
    let (Some(left_kind), Some(right_kind)) = (Kind::of_type(left_type), Kind::of_type(right_type)) else {
        if left_type != right_type {
            return Err(KernelError(format!("cannot compare a `{left_type}` with a `{right_type}`: cast one of them")));
        }
        return Ok((left.array().clone(), right.array().clone()));
    };
    Ok(match left_kind.max(right_kind) {
        Kind::Int => (left.array().clone(), right.array().clone()),
        Kind::Long => (Arc::new(longs(left)?), Arc::new(longs(right)?)),
        Kind::Float => (Arc::new(floating::floats(&floats(left)?)), Arc::new(floating::floats(&floats(right)?))),
        Kind::Double => (Arc::new(floating::doubles(&doubles(left)?)), Arc::new(floating::doubles(&doubles(right)?))),
        Kind::Decimal => {
            let ((left, _, left_scale), (right, _, right_scale)) = (decimals(left)?, decimals(right)?);
            let scale = left_scale.max(right_scale);
            (Arc::new(units(&left, scale - left_scale)?), Arc::new(units(&right, scale - right_scale)?))
        }
    })
}

/// Units at a larger scale. Those that leave 128 bits become the largest or smallest ones, which no other side reaches: at
/// most one of two sides grows.
fn units(array: &Decimal128Array, growth: u8) -> Result<Decimal128Array, ArrowError> {
    let power = POWERS[usize::from(growth)];
    // All with one precision and scale, so that the types are the same.
    array.unary::<_, Decimal128Type>(|units| units.saturating_mul(power)).with_precision_and_scale(38, 0)
}
