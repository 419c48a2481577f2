use std::collections::HashSet;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrowPrimitiveType, StringArray};
use sluice_change::ColumnType;

use super::floating;
use crate::kernels::cast::read;
use crate::kernels::column::{Column, KernelError, Shape};
use crate::kernels::number::{doubles, floats};

/// Up to so many values are compared one after the other, which is quicker than hashing.
const FEW: usize = 8;

/// Whether the value is one of `values`, each read as a cast from `string` reads it; a text that cannot be read is an
/// error.
pub fn is_in(of: &Column, values: &[String]) -> Result<Column, KernelError> {
    let column_type = of.column_type()?;
    let texts: StringArray = values.iter().map(Some).collect();
    let list = read(&texts, column_type)?;
    if let Some(place) = (0..list.len()).find(|place| list.is_null(*place)) {
        return Err(KernelError(format!("`{}` is no `{column_type}`", values[place])));
    }
    let (array, list) = (of.array(), Column::rows(list));
    Ok(match column_type {
        ColumnType::Boolean => {
            let (array, list) = (of.booleans()?, Set::new(list.booleans()?.values().iter().collect()));
            test(of, |row| list.holds(&array.value(row)))?
        }
        ColumnType::Int => primitive::<Int32Type>(of, &list)?,
        ColumnType::Long => primitive::<Int64Type>(of, &list)?,
        ColumnType::Date => primitive::<Date32Type>(of, &list)?,
        ColumnType::Time => primitive::<Time64MicrosecondType>(of, &list)?,
        ColumnType::Timestamp | ColumnType::TimestampTz => primitive::<TimestampMicrosecondType>(of, &list)?,
        ColumnType::Decimal { .. } => primitive::<Decimal128Type>(of, &list)?,
        ColumnType::Float => {
            let bits = |column: &Column| {
                Ok::<_, KernelError>(
                    floating::floats(&floats(column)?).unary::<_, Int32Type>(|value| value.to_bits() as i32),
                )
            };
            primitive::<Int32Type>(&of.with(bits(of)?), &list.with(bits(&list)?))?
        }
        ColumnType::Double => {
            let bits = |column: &Column| {
                Ok::<_, KernelError>(
                    floating::doubles(&doubles(column)?).unary::<_, Int64Type>(|value| value.to_bits() as i64),
                )
            };
            primitive::<Int64Type>(&of.with(bits(of)?), &list.with(bits(&list)?))?
        }
        ColumnType::String => {
            let (array, list) = (array.as_string::<i32>(), Set::new(list.texts()?.iter().flatten().collect()));
            test(of, |row| list.holds(&array.value(row)))?
        }
        ColumnType::Binary => {
            let (array, list) = (array.as_binary::<i32>(), Set::new(list.binaries()?.iter().flatten().collect()));
            test(of, |row| list.holds(&array.value(row)))?
        }
    })
}

fn primitive<T: ArrowPrimitiveType<Native: Eq + Hash>>(of: &Column, list: &Column) -> Result<Column, KernelError> {
    let values = of.array().as_primitive::<T>().values();
    let list = Set::new(list.array().as_primitive::<T>().values().to_vec());
    test(of, |row| list.holds(&values[row]))
}

fn test(of: &Column, is_true: impl FnMut(usize) -> bool) -> Result<Column, KernelError> {
    Ok(Shape::of([of])?.conditions(of.array().nulls().cloned(), is_true))
}

enum Set<T> {
    Few(Vec<T>),
    Many(HashSet<T>),
}

impl<T: Eq + Hash> Set<T> {
    fn new(values: Vec<T>) -> Self {
        if values.len() <= FEW { Set::Few(values) } else { Set::Many(values.into_iter().collect()) }
    }

    #[inline]
    fn holds(&self, value: &T) -> bool {
        match self {
            Set::Few(values) => values.contains(value),
            Set::Many(values) => values.contains(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Float64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{against_model, any_texts, booleans, numbers, one, read_booleans};

    fn list<const N: usize>(values: [&str; N]) -> Vec<String> {
        values.map(str::to_owned).to_vec()
    }

    proptest! {
        #[test]
        fn texts_of_the_list_are_found(values in any_texts(), listed in prop::collection::vec("[a-c@]{0,1}|ä", 0..14)) {
            against_model(&values, |text| is_in(text, &listed), read_booleans, |text| Some(listed.iter().any(|one| one == text)));
        }
    }

    #[test]
    fn every_type_reads_the_list_as_a_cast_does() {
        for (column_type, value, same) in [
            ("boolean", "true", "T"),
            ("int", "7", "+7"),
            ("long", "7", "07"),
            ("float", "0.1", "1e-1"),
            ("double", "-0.0", "0"),
            ("double", "NaN", "nan"),
            ("decimal(4,2)", "1.50", "1.5"),
            ("date", "2024-02-29", "2024-02-29 00:00:00"),
            ("time", "12:00:00", "12:00:00.0"),
            ("timestamp", "2024-02-29 12:00:00", "2024-02-29T12:00:00"),
            ("timestamptz", "2024-02-29 12:00:00", "2024-02-29 13:00:00+01"),
            ("string", "a", "a"),
            ("binary", "a", "a"),
        ] {
            let found = is_in(&one(column_type, Some(value)), &list([same])).unwrap();
            assert!(found.is_constant());
            assert_eq!(read_booleans(&found), [Some(true)], "{column_type}");
            assert_eq!(read_booleans(&is_in(&one(column_type, Some(value)), &[]).unwrap()), [Some(false)]);
            assert_eq!(read_booleans(&is_in(&one(column_type, None), &list([same])).unwrap()), [None]);
        }
        assert_eq!(
            read_booleans(&is_in(&booleans(&[Some(true), None, Some(false)]), &list(["1"])).unwrap()),
            [Some(true), None, Some(false)]
        );
    }

    #[test]
    fn many_values_are_found_too() {
        let column = numbers::<Float64Type>(&[Some(12.0), None, Some(12.5), Some(-0.0)], ColumnType::Double);
        let listed: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(read_booleans(&is_in(&column, &listed).unwrap()), [Some(true), None, Some(false), Some(true)]);
    }

    #[test]
    fn what_cannot_be_a_value_is_told() {
        let error = is_in(&one("decimal(4,2)", None), &list(["1.50", "1.505"])).unwrap_err();
        assert_eq!(error.to_string(), "`1.505` is no `decimal(4,2)`");
    }
}
