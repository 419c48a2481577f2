use arrow_array::types::Decimal128Type;
use arrow_array::{BooleanArray, Datum, Decimal128Array};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use sluice_change::ColumnType;

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
    let (left, right) = alike(left, right)?;
    Ok(shape.column(comparison(&left, &right)?))
}

/// Both sides in one type, whose order is Arrow's.
fn alike(left: &Column, right: &Column) -> Result<(Column, Column), KernelError> {
    let (left_type, right_type) = (left.column_type()?, right.column_type()?);
    let (Some(left_kind), Some(right_kind)) = (Kind::of_type(left_type), Kind::of_type(right_type)) else {
        if left_type != right_type {
            return Err(KernelError(format!("cannot compare a `{left_type}` with a `{right_type}`: cast one of them")));
        }
        return Ok((left.clone(), right.clone()));
    };
    let of = |column: &Column, scale: u8| -> Result<Column, KernelError> {
        Ok(match left_kind.max(right_kind) {
            Kind::Int => column.clone(),
            Kind::Long => column.with(longs(column)?),
            Kind::Float => column.with(floating::floats(&floats(column)?)),
            Kind::Double => column.with(floating::doubles(&doubles(column)?)),
            Kind::Decimal => {
                let (array, _, from) = decimals(column)?;
                column.with(units(&array, scale - from)?)
            }
        })
    };
    let scale = |column_type: ColumnType| match column_type {
        ColumnType::Decimal { scale, .. } => scale,
        _ => 0,
    };
    let scale = scale(left_type).max(scale(right_type));
    Ok((of(left, scale)?, of(right, scale)?))
}

/// Units at a larger scale. Those that leave 128 bits become the largest or smallest ones, which no other side reaches: at
/// most one of two sides grows.
fn units(array: &Decimal128Array, growth: u8) -> Result<Decimal128Array, ArrowError> {
    let power = POWERS[usize::from(growth)];
    // All with one precision and scale, so that the types are the same.
    array.unary::<_, Decimal128Type>(|units| units.saturating_mul(power)).with_precision_and_scale(38, 0)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use arrow_array::types::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{any_texts, booleans, numbers, one, read_booleans, texts, words};

    type Kernel = fn(&Column, &Column) -> Result<Column, KernelError>;

    type Holds = fn(Ordering) -> bool;

    const KERNELS: [(Kernel, Holds); 6] = [
        (equal, Ordering::is_eq),
        (not_equal, Ordering::is_ne),
        (less, Ordering::is_lt),
        (less_or_equal, Ordering::is_le),
        (greater, Ordering::is_gt),
        (greater_or_equal, Ordering::is_ge),
    ];

    /// Checks all kernels against the order of rows.
    fn ordered(left: &Column, right: &Column, expected: &[Option<Ordering>]) {
        for (kernel, holds) in KERNELS {
            let expected: Vec<Option<bool>> = expected.iter().map(|order| order.map(holds)).collect();
            assert_eq!(read_booleans(&kernel(left, right).unwrap()), expected);
        }
    }

    fn order(left: (&str, &str), right: (&str, &str)) -> Ordering {
        let (left, right) = (one(left.0, Some(left.1)), one(right.0, Some(right.1)));
        for (kernel, holds) in KERNELS {
            let found = kernel(&left, &right).unwrap();
            assert!(found.is_constant());
            for order in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
                if KERNELS
                    .iter()
                    .all(|(kernel, holds)| read_booleans(&kernel(&left, &right).unwrap()) == [Some(holds(order))])
                {
                    assert_eq!(read_booleans(&found), [Some(holds(order))]);
                    return order;
                }
            }
        }
        unreachable!("no order fits")
    }

    #[test]
    fn numbers_of_two_types_are_compared_as_the_wider_one() {
        assert_eq!(order(("int", "1"), ("long", "2")), Ordering::Less);
        assert_eq!(order(("int", "2"), ("decimal(4,2)", "1.99")), Ordering::Greater);
        assert_eq!(order(("decimal(4,2)", "1.50"), ("decimal(3,1)", "1.5")), Ordering::Equal);
        assert_eq!(order(("decimal(4,2)", "1.50"), ("double", "1.5")), Ordering::Equal);
        assert_eq!(order(("float", "0.1"), ("double", "0.1")), Ordering::Greater);
        // At 38 digits after the point neither has room in 128 bits, or both do.
        let nines = "9".repeat(38);
        assert_eq!(order(("decimal(38,0)", &nines), ("decimal(38,38)", "0.9")), Ordering::Greater);
        assert_eq!(order(("decimal(38,0)", &format!("-{nines}")), ("decimal(38,38)", "-0.9")), Ordering::Less);
        assert_eq!(order(("decimal(38,38)", "0.9"), ("long", "9223372036854775807")), Ordering::Less);
    }

    #[test]
    fn zero_has_no_sign_and_nan_is_the_largest() {
        assert_eq!(order(("double", "-0.0"), ("double", "0.0")), Ordering::Equal);
        assert_eq!(order(("float", "-0.0"), ("int", "0")), Ordering::Equal);
        assert_eq!(order(("double", "NaN"), ("double", "NaN")), Ordering::Equal);
        assert_eq!(order(("double", "NaN"), ("double", "Infinity")), Ordering::Greater);
        let negative = numbers::<Float64Type>(&[Some(-f64::NAN)], ColumnType::Double);
        ordered(&negative, &one("double", Some("NaN")), &[Some(Ordering::Equal)]);
    }

    #[test]
    fn other_types_are_compared_with_themselves() {
        assert_eq!(order(("boolean", "false"), ("boolean", "true")), Ordering::Less);
        assert_eq!(order(("date", "2024-02-29"), ("date", "2024-03-01")), Ordering::Less);
        assert_eq!(
            order(("timestamptz", "2024-02-29 12:00:00+01"), ("timestamptz", "2024-02-29 11:00:00")),
            Ordering::Equal
        );
        assert_eq!(order(("binary", "b"), ("binary", "aa")), Ordering::Greater);
        assert_eq!(order(("string", "Z"), ("string", "a")), Ordering::Less);
        let error = equal(&one("date", None), &one("timestamp", None)).unwrap_err();
        assert_eq!(error.to_string(), "cannot compare a `date` with a `timestamp`: cast one of them");
        assert!(equal(&words(["a", "b"]), &words(["a"])).is_err());
        assert!(equal(&words(["1"]), &one("int", None)).is_err());
    }

    proptest! {
        #[test]
        fn rows_are_compared_one_by_one(values in any_texts(), longs in prop::collection::vec(prop::option::of(-3_i64..3), 0..12)) {
            let others: Vec<Option<String>> = values.iter().rev().cloned().collect();
            let expected: Vec<_> = values.iter().zip(&others).map(|(a, b)| Some(a.as_ref()?.as_bytes().cmp(b.as_ref()?.as_bytes()))).collect();
            ordered(&texts(&values), &texts(&others), &expected);
            let expected: Vec<_> = values.iter().map(|a| Some(a.as_deref()?.cmp("b"))).collect();
            ordered(&texts(&values), &one("string", Some("b")), &expected);
            let expected: Vec<_> = values.iter().map(|a| Some("b".cmp(a.as_deref()?))).collect();
            ordered(&one("string", Some("b")), &texts(&values), &expected);
            ordered(&texts(&values), &one("string", None), &vec![None; values.len()]);
            let column = numbers::<Int64Type>(&longs, ColumnType::Long);
            let expected: Vec<_> = longs.iter().map(|a| Some((*a)?.cmp(&1))).collect();
            ordered(&column, &one("int", Some("1")), &expected);
            ordered(&column, &one("double", Some("1")), &expected);
            ordered(&column, &one("decimal(3,2)", Some("1.00")), &expected);
            let bits: Vec<Option<bool>> = longs.iter().map(|value| value.map(|value| value > 0)).collect();
            let expected: Vec<_> = bits.iter().map(|bit| Some((*bit)?.cmp(&true))).collect();
            ordered(&booleans(&bits), &one("boolean", Some("true")), &expected);
        }
    }
}
