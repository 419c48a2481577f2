use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use sluice_change::ColumnType;

use super::decimal::{POWERS, divided, fitting};
use super::kind::Kind;
use super::shortest::Shortest;
use crate::kernels::column::{Column, KernelError, Limits};
use crate::kernels::fill::fill;

/// Rounded to `digits` after the point, halves away from zero; negative `digits` round to tens, hundreds and so on.
///
/// The type stays, but a decimal's scale becomes `digits` (at least 0) where it was larger. A floating-point number is
/// rounded as the shortest decimal that stands for it: 2.675 to 2.68.
pub fn round(of: &Column, digits: i32, limits: Limits) -> Result<Column, KernelError> {
    limits.check_rows::<i128>(of.array().len())?;
    match of.column_type()? {
        ColumnType::Int | ColumnType::Long if digits >= 0 => Ok(of.clone()),
        ColumnType::Int => Ok(each::<Int32Type>(of, |value| tens(value.into(), digits).try_into().ok())),
        ColumnType::Long => Ok(each::<Int64Type>(of, |value| tens(value.into(), digits).try_into().ok())),
        ColumnType::Decimal { scale, .. } if digits >= i32::from(scale) => Ok(of.clone()),
        ColumnType::Decimal { precision, scale } => {
            let dropped = (i64::from(scale) - i64::from(digits)).unsigned_abs() as usize;
            let kept = digits.max(0) as u8;
            let array = of.array().as_primitive::<Decimal128Type>();
            let rounded = match (POWERS.get(dropped), POWERS.get(digits.min(0).unsigned_abs() as usize)) {
                (Some(power), Some(tens)) => fill(array.len(), array.nulls().cloned(), |row| {
                    fitting(divided(array.value(row), *power).checked_mul(*tens)?, precision)
                }),
                // Less than a half of what is left.
                _ => array.unary::<_, Decimal128Type>(|_| 0),
            };
            Ok(of.with(rounded.with_precision_and_scale(precision, kept as i8)?))
        }
        ColumnType::Float => Ok(each::<Float32Type>(of, |value| match digits {
            0 => Some(value.round()),
            _ => {
                decimally(value, digits, value.is_finite()).filter(|rounded| rounded.is_finite() || !value.is_finite())
            }
        })),
        ColumnType::Double => Ok(each::<Float64Type>(of, |value| match digits {
            0 => Some(value.round()),
            _ => {
                decimally(value, digits, value.is_finite()).filter(|rounded| rounded.is_finite() || !value.is_finite())
            }
        })),
        _ => Err(of.unfit("a number")),
    }
}

/// The value without its sign; null where that leaves the type.
pub fn abs(of: &Column, limits: Limits) -> Result<Column, KernelError> {
    limits.check_rows::<i128>(of.array().len())?;
    Ok(match Kind::of(of)? {
        Kind::Int => each::<Int32Type>(of, i32::checked_abs),
        Kind::Long => each::<Int64Type>(of, i64::checked_abs),
        Kind::Float => each::<Float32Type>(of, |value| Some(value.abs())),
        Kind::Double => each::<Float64Type>(of, |value| Some(value.abs())),
        Kind::Decimal => of.with(
            of.array()
                .as_primitive::<Decimal128Type>()
                .unary::<_, Decimal128Type>(i128::wrapping_abs)
                .with_data_type(of.array().data_type().clone()),
        ),
    })
}

fn each<T: ArrowPrimitiveType>(of: &Column, compute: impl Fn(T::Native) -> Option<T::Native>) -> Column {
    let array: &PrimitiveArray<T> = of.array().as_primitive();
    let values = array.values();
    of.with(fill::<T>(array.len(), array.nulls().cloned(), |row| compute(values[row])))
}

fn tens(value: i128, digits: i32) -> i128 {
    match POWERS.get(digits.unsigned_abs() as usize) {
        Some(power) => divided(value, *power) * power,
        None => 0,
    }
}

fn decimally<T: Copy + std::fmt::LowerExp + std::str::FromStr>(value: T, digits: i32, finite: bool) -> Option<T> {
    if !finite {
        return Some(value);
    }
    Shortest::of(value)?.rounded(digits).unwrap_or(Some(value))
}
