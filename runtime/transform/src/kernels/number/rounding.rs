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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::cast;
    use crate::kernels::samples::{ROOMY, numbers, one, read_numbers, read_texts};

    fn rounded(column_type: &str, value: &str, digits: i32) -> (String, Option<String>) {
        let found = round(&one(column_type, Some(value)), digits, ROOMY).unwrap();
        let text = cast(&found, ColumnType::String, ROOMY).unwrap();
        (found.column_type().unwrap().to_string(), read_texts(&text).remove(0))
    }

    fn value(column_type: &str, value: &str, digits: i32) -> Option<String> {
        rounded(column_type, value, digits).1
    }

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!(rounded("decimal(5,2)", "1.25", 1), ("decimal(5,1)".to_owned(), Some("1.3".to_owned())));
        assert_eq!(rounded("decimal(5,2)", "-1.25", 1), ("decimal(5,1)".to_owned(), Some("-1.3".to_owned())));
        assert_eq!(rounded("decimal(5,2)", "1.24", 1), ("decimal(5,1)".to_owned(), Some("1.2".to_owned())));
        assert_eq!(rounded("decimal(3,2)", "9.99", 0), ("decimal(3,0)".to_owned(), Some("10".to_owned())));
        assert_eq!(rounded("decimal(5,2)", "150.00", -2), ("decimal(5,0)".to_owned(), Some("200".to_owned())));
        assert_eq!(rounded("decimal(5,2)", "1.25", 3), ("decimal(5,2)".to_owned(), Some("1.25".to_owned())));
        assert_eq!(rounded("decimal(5,2)", "999.99", -100), ("decimal(5,0)".to_owned(), Some("0".to_owned())));
        assert_eq!(rounded("decimal(2,0)", "99", -1), ("decimal(2,0)".to_owned(), None));
        assert_eq!(value("int", "-15", -1).as_deref(), Some("-20"));
        assert_eq!(value("int", "14", -1).as_deref(), Some("10"));
        assert_eq!(value("int", "14", 5).as_deref(), Some("14"));
        assert_eq!(value("int", "2147483647", -1), None);
        assert_eq!(value("long", "9223372036854775807", -19), None);
        assert_eq!(value("long", "4223372036854775807", -19).as_deref(), Some("0"));
        assert_eq!(value("long", "4223372036854775807", i32::MIN).as_deref(), Some("0"));
    }

    #[test]
    fn floating_point_numbers_are_rounded_as_they_are_written() {
        assert_eq!(value("double", "2.675", 2).as_deref(), Some("2.68"));
        assert_eq!(value("double", "1.005", 2).as_deref(), Some("1.01"));
        assert_eq!(value("double", "-0.5", 0).as_deref(), Some("-1.0"));
        assert_eq!(value("double", "0.49999999999999994", 0).as_deref(), Some("0.0"));
        assert_eq!(value("double", "1234567.0", -3).as_deref(), Some("1235000.0"));
        assert_eq!(value("double", "5e-324", 323).as_deref(), Some("1e-323"));
        assert_eq!(value("double", "5e-324", 322).as_deref(), Some("0.0"));
        assert_eq!(value("double", "1.7976931348623157e308", -308), None);
        assert_eq!(value("double", "1e300", 400).as_deref(), Some("1e300"));
        assert_eq!(value("double", "NaN", 1).as_deref(), Some("NaN"));
        assert_eq!(value("double", "-Infinity", 1).as_deref(), Some("-Infinity"));
        assert_eq!(value("float", "0.15", 1).as_deref(), Some("0.2"));
        assert_eq!(value("float", "16777216", -1).as_deref(), Some("16777220.0"));
        assert_eq!(value("float", "3.4e38", -38).as_deref(), Some("3e38"));
    }

    #[test]
    fn signs_go_and_what_has_no_opposite_is_null() {
        let absolute = |column_type: &str, value: &str| {
            let found = abs(&one(column_type, Some(value)), ROOMY).unwrap();
            assert_eq!(found.column_type().unwrap().to_string(), column_type);
            read_texts(&cast(&found, ColumnType::String, ROOMY).unwrap()).remove(0)
        };
        assert_eq!(absolute("int", "-2147483648"), None);
        assert_eq!(absolute("long", "-5").as_deref(), Some("5"));
        assert_eq!(absolute("decimal(4,2)", "-1.50").as_deref(), Some("1.50"));
        assert_eq!(absolute("double", "-Infinity").as_deref(), Some("Infinity"));
        assert_eq!(absolute("float", "-0.0").as_deref(), Some("0.0"));
        assert_eq!(abs(&one("boolean", None), ROOMY).unwrap_err().to_string(), "needs a number and got a `boolean`");
        assert!(round(&one("string", None), 1, ROOMY).is_err());
    }

    proptest! {
        #[test]
        fn integers_round_to_the_nearest(values in prop::collection::vec(prop::option::of(any::<i32>()), 0..12), digits in -10_i32..2) {
            let expected: Vec<Option<i32>> = values.iter().map(|value| {
                let (value, unit) = (i64::from((*value)?), 10_i64.pow(digits.min(0).unsigned_abs()));
                let away = value.abs() + unit / 2;
                ((away - away % unit) * value.signum()).try_into().ok()
            }).collect();
            let found = round(&numbers::<Int32Type>(&values, ColumnType::Int), digits, ROOMY).unwrap();
            prop_assert_eq!(read_numbers::<Int32Type>(&found), expected);
        }

        #[test]
        fn a_double_rounds_like_the_decimal_that_it_is_written_as(units in -999_999_999_i64..=999_999_999, digits in 0..6) {
            let (double, decimal) = (units as f64 / 1e6, format!("{}.{:06}", units / 1_000_000, (units % 1_000_000).abs()));
            let decimal = if units < 0 && units > -1_000_000 { format!("-{decimal}") } else { decimal };
            let found = round(&numbers::<Float64Type>(&[Some(double)], ColumnType::Double), digits, ROOMY).unwrap();
            let exact: f64 = value("decimal(9,6)", &decimal, digits).unwrap().parse().unwrap();
            prop_assert_eq!(read_numbers::<Float64Type>(&found)[0], Some(exact));
        }
    }
}
