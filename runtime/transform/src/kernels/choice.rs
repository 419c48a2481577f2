//! Choice among values and rows.

use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array};
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
    check(then.array(), condition.len(), limits, |most| {
        sum_up_to(most, condition.len(), |row| {
            let (column, place) = place(row);
            width(column.array(), place)
        })
    })?;
    Ok(zip(&condition, then, otherwise)?)
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
    check(of.array(), numbers.len(), limits, |most| {
        sum_up_to(most, numbers.len(), |row| match numbers.is_valid(row) {
            true => width(of.array(), numbers.value(row) as usize),
            false => 0,
        })
    })?;
    Ok(rows.with_array(take_array(of.array(), numbers, None)?))
}

/// The values as an array of so many rows, which a column has to have and a constant is repeated to.
pub fn repeated(of: &Column, rows: usize, limits: Limits) -> Result<ArrayRef, KernelError> {
    match of.array().len() {
        _ if of.is_constant() => Ok(repeat(of, rows, limits)?.array().clone()),
        found if found == rows => Ok(of.array().clone()),
        found => Err(KernelError(format!("it has {found} rows where there are {rows}"))),
    }
}

/// A constant as a column of so many rows.
fn repeat(of: &Column, rows: usize, limits: Limits) -> Result<Column, KernelError> {
    check(of.array(), rows, limits, |most| width(of.array(), 0).saturating_mul(rows) <= most)?;
    let numbers = Int32Array::new(vec![0; rows].into(), None);
    Ok(Column::rows(take_array(of.array(), &numbers, None)?))
}

/// Checks the size of a result of `rows` values of `array`'s type; `fit` says whether its texts take at most so many bytes.
fn check(array: &ArrayRef, rows: usize, limits: Limits, fit: impl Fn(usize) -> bool) -> Result<(), KernelError> {
    match array.data_type() {
        DataType::Utf8 | DataType::Binary if fit(limits.text_bytes(rows)?) => Ok(()),
        DataType::Utf8 | DataType::Binary => Err(limits.exceeded()),
        fixed => limits.check(rows.saturating_mul(fixed.primitive_width().unwrap_or(1))),
    }
}

/// Whether so many widths sum up to at most `most`.
fn sum_up_to(most: usize, rows: usize, width: impl Fn(usize) -> usize) -> bool {
    (0..rows).try_fold(0, |sum: usize, row| Some(sum + width(row)).filter(|sum| *sum <= most)).is_some()
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

#[cfg(test)]
mod tests {
    use arrow_array::types::Int64Type;
    use proptest::prelude::*;
    use sluice_change::ColumnType;

    use super::*;
    use crate::kernels::samples::{ROOMY, any_texts, booleans, numbers, one, read_numbers, read_texts, texts, words};

    fn ints(values: &[Option<i32>]) -> Column {
        numbers::<Int32Type>(values, ColumnType::Int)
    }

    fn owned<const N: usize>(values: [Option<&str>; N]) -> Vec<Option<String>> {
        values.iter().map(|value| value.map(str::to_owned)).collect()
    }

    proptest! {
        #[test]
        fn rows_are_chosen_one_by_one(values in any_texts(), bits in prop::collection::vec(prop::option::of(any::<bool>()), 20)) {
            let bits = &bits[..values.len()];
            let others: Vec<Option<String>> = values.iter().rev().cloned().collect();
            let (column, other, condition) = (texts(&values), texts(&others), booleans(bits));
            let constant = one("string", Some("€"));

            let expected: Vec<_> = values.iter().zip(&others).map(|(a, b)| a.clone().or(b.clone())).collect();
            prop_assert_eq!(read_texts(&coalesce(&[column.clone(), other.clone()], ROOMY).unwrap()), &expected[..]);
            let expected: Vec<_> = expected.into_iter().map(|value| value.or(Some("€".to_owned()))).collect();
            let choices = [column.clone(), one("string", None), other.clone(), constant.clone()];
            prop_assert_eq!(read_texts(&coalesce(&choices, ROOMY).unwrap()), expected);

            let chosen = |then: &dyn Fn(usize) -> Option<String>, otherwise: &dyn Fn(usize) -> Option<String>| -> Vec<_> {
                bits.iter().enumerate().map(|(row, bit)| if *bit == Some(true) { then(row) } else { otherwise(row) }).collect()
            };
            let (of_values, of_others, of_constant) =
                (|row: usize| values[row].clone(), |row: usize| others[row].clone(), |_: usize| Some("€".to_owned()));
            prop_assert_eq!(read_texts(&choose(&condition, &column, &other, ROOMY).unwrap()), chosen(&of_values, &of_others));
            prop_assert_eq!(read_texts(&choose(&condition, &constant, &other, ROOMY).unwrap()), chosen(&of_constant, &of_others));
            prop_assert_eq!(read_texts(&choose(&condition, &column, &constant, ROOMY).unwrap()), chosen(&of_values, &of_constant));
            prop_assert_eq!(read_texts(&choose(&condition, &constant, &constant, ROOMY).unwrap()), chosen(&of_constant, &of_constant));

            let kept = |of: &dyn Fn(usize) -> Option<String>| -> Vec<_> {
                (0..bits.len()).filter(|row| bits[*row] == Some(true)).map(of).collect()
            };
            prop_assert_eq!(read_texts(&filter(&column, &condition, ROOMY).unwrap()), kept(&of_values));
            prop_assert_eq!(read_texts(&filter(&constant, &condition, ROOMY).unwrap()), kept(&of_constant));
            let none = read_texts(&filter(&column, &one("boolean", None), ROOMY).unwrap());
            prop_assert!(none.is_empty());
            prop_assert_eq!(read_texts(&filter(&column, &one("boolean", Some("1")), ROOMY).unwrap()), &values[..]);

            let rows: Vec<Option<i32>> = (0..values.len() as i32).rev().map(|row| (row % 3 != 2).then_some(row / 2)).collect();
            let expected: Vec<_> = rows.iter().map(|row| values[(*row)? as usize].clone()).collect();
            prop_assert_eq!(read_texts(&take(&column, &ints(&rows), ROOMY).unwrap()), expected);
            let expected: Vec<_> = rows.iter().map(|row| row.map(|_| "€".to_owned())).collect();
            prop_assert_eq!(read_texts(&take(&constant, &ints(&rows), ROOMY).unwrap()), expected);
        }
    }

    #[test]
    fn constants_give_constants_and_rows_where_something_has_them() {
        let (null, a) = (one("string", None), one("string", Some("a")));
        let found = coalesce(&[null.clone(), a.clone()], ROOMY).unwrap();
        assert!(found.is_constant());
        assert_eq!(read_texts(&found), owned([Some("a")]));
        let found = coalesce(&[a.clone(), words(["b", "c"])], ROOMY).unwrap();
        assert!(!found.is_constant());
        assert_eq!(read_texts(&found), owned([Some("a"), Some("a")]));
        let found = choose(&one("boolean", Some("1")), &a, &words(["b", "c"]), ROOMY).unwrap();
        assert_eq!(read_texts(&found), owned([Some("a"), Some("a")]));
        assert!(choose(&one("boolean", None), &a, &null, ROOMY).unwrap().is_constant());
        let found = take(&words(["b", "c"]), &one("int", Some("1")), ROOMY).unwrap();
        assert!(found.is_constant());
        assert_eq!(read_texts(&found), owned([Some("c")]));
        assert!(filter(&a, &one("boolean", Some("1")), ROOMY).is_err());
    }

    #[test]
    fn all_types_are_chosen_from() {
        for column_type in [
            "boolean",
            "int",
            "long",
            "float",
            "double",
            "decimal(4,2)",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "string",
            "binary",
        ] {
            let (value, null) = (one(column_type, Some(sample(column_type))), one(column_type, None));
            let (rows, condition) =
                (take(&value, &ints(&[Some(0), None]), ROOMY).unwrap(), booleans(&[Some(false), Some(true)]));
            for column in [
                coalesce(&[rows.clone(), null.clone()], ROOMY).unwrap(),
                choose(&condition, &value, &rows, ROOMY).unwrap(),
                choose(&condition, &null, &value, ROOMY).unwrap(),
                filter(&rows, &condition, ROOMY).unwrap(),
                filter(&value, &condition, ROOMY).unwrap(),
                take(&rows, &ints(&[Some(1), Some(0), None]), ROOMY).unwrap(),
            ] {
                column.array().to_data().validate_full().unwrap();
                assert_eq!(column.column_type().unwrap().to_string(), column_type);
            }
        }
    }

    fn sample(column_type: &str) -> &'static str {
        match column_type {
            "date" => "2024-02-29",
            "time" => "12:00:00",
            "timestamp" | "timestamptz" => "2024-02-29 12:00:00",
            _ => "1",
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        assert_eq!(coalesce(&[], ROOMY).unwrap_err().to_string(), "there is nothing to choose from: give it a column");
        let error = choose(&one("boolean", None), &one("int", None), &one("long", None), ROOMY).unwrap_err();
        assert_eq!(error.to_string(), "cannot choose between a `int` and a `long`: cast one of them");
        for wrong in [2, -1] {
            let error = take(&words(["a", "b"]), &ints(&[Some(0), Some(wrong)]), ROOMY).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no row {wrong} among 2"));
        }
        assert!(take(&texts(&[None::<&str>; 0]), &ints(&[Some(0)]), ROOMY).is_err());
        assert!(take(&words(["a"]), &words(["0"]), ROOMY).is_err());
        assert!(choose(&words(["a"]), &words(["a"]), &words(["a"]), ROOMY).is_err());
    }

    #[test]
    fn a_constant_is_repeated_to_any_number_of_rows_within_the_limit() {
        let constant = one("string", Some("abcd"));
        let rows = |count: usize, bytes: usize| repeated(&constant, count, Limits { bytes });
        assert_eq!(read_texts(&Column::rows(rows(2, 20).unwrap())), owned([Some("abcd"), Some("abcd")]));
        assert!(rows(2, 19).is_err() && rows(1 << 30, usize::MAX).is_err());
        assert_eq!(rows(0, 4).unwrap().len(), 0);
        assert_eq!(repeated(&words(["a"]), 1, Limits { bytes: 0 }).unwrap().len(), 1);
        assert!(repeated(&words(["a"]), 2, ROOMY).is_err());
    }

    #[test]
    fn results_are_held_to_the_limit() {
        let long = one("string", Some(&"x".repeat(1000)));
        let condition = booleans(&[Some(true); 10]);
        let most = |bytes: usize| Limits { bytes: 44 + bytes };
        assert!(choose(&condition, &long, &one("string", None), most(9_999)).is_err());
        assert!(choose(&condition, &long, &one("string", None), most(10_000)).is_ok());
        assert!(filter(&long, &condition, most(9_999)).is_err());
        assert!(filter(&long, &condition, most(10_000)).is_ok());
        assert!(coalesce(&[texts(&[None::<&str>; 10]), long.clone()], most(9_999)).is_err());
        assert!(take(&texts(&[Some("x".repeat(1000))]), &ints(&[Some(0); 10]), most(9_999)).is_err());
        assert!(
            take(&numbers::<Int64Type>(&[Some(1)], ColumnType::Long), &ints(&[Some(0); 10]), Limits { bytes: 79 })
                .is_err()
        );
        assert_eq!(
            read_numbers::<Int32Type>(&take(&ints(&[Some(1)]), &ints(&[Some(0)]), Limits { bytes: 4 }).unwrap()),
            [Some(1)]
        );
    }
}
