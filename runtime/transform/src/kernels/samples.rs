//! Columns for tests: cut out of longer arrays, with nulls, in several alphabets.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use proptest::prelude::*;
use sluice_change::ColumnType;

use super::{Column, KernelError, Limits, constant};

/// Room enough.
pub const ROOMY: Limits = Limits { bytes: 1 << 24 };

/// A column that is a part of a longer array.
fn cut(all: impl Array + 'static, rows: usize) -> Column {
    let all: ArrayRef = Arc::new(all);
    Column::rows(all.slice(2, rows))
}

/// Texts that lie between others, which are not ASCII.
pub fn texts(values: &[Option<impl AsRef<str>>]) -> Column {
    let before = [Some("früher"), None];
    let values = values.iter().map(|value| value.as_ref().map(AsRef::as_ref));
    let rows = values.len();
    let all: StringArray = before.into_iter().chain(values).chain([Some("später"), None]).collect();
    cut(all, rows)
}

/// Texts without nulls.
pub fn words<const N: usize>(values: [&str; N]) -> Column {
    texts(&values.map(Some))
}

/// Bytes that lie between others.
pub fn binaries(values: &[Option<Vec<u8>>]) -> Column {
    let values = values.iter().map(|value| value.as_deref());
    let rows = values.len();
    let all: BinaryArray =
        [Some(&b"\xff\x00"[..]), None].into_iter().chain(values).chain([Some(&b"\xfe"[..])]).collect();
    cut(all, rows)
}

/// Truth values that lie between others.
pub fn booleans(values: &[Option<bool>]) -> Column {
    let all: BooleanArray = [Some(true), None].into_iter().chain(values.iter().copied()).chain([Some(false)]).collect();
    cut(all, values.len())
}

/// Numbers that lie between others.
pub fn numbers<T: ArrowPrimitiveType>(values: &[Option<T::Native>], column_type: ColumnType) -> Column {
    let junk = T::Native::default();
    let all: PrimitiveArray<T> =
        [Some(junk), None].into_iter().chain(values.iter().copied()).chain([Some(junk)]).collect();
    cut(all.with_data_type(column_type.arrow()), values.len())
}

/// What texts a column holds; the column has to be sound.
pub fn read_texts(column: &Column) -> Vec<Option<String>> {
    sound(column).as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}

/// What bytes a column holds; the column has to be sound.
pub fn read_binaries(column: &Column) -> Vec<Option<Vec<u8>>> {
    sound(column).as_binary::<i32>().iter().map(|value| value.map(<[u8]>::to_vec)).collect()
}

/// What truth values a column holds; the column has to be sound.
pub fn read_booleans(column: &Column) -> Vec<Option<bool>> {
    sound(column).as_boolean().iter().collect()
}

/// What numbers a column holds; the column has to be sound.
pub fn read_numbers<T: ArrowPrimitiveType>(column: &Column) -> Vec<Option<T::Native>> {
    sound(column).as_primitive::<T>().iter().collect()
}

fn sound(column: &Column) -> &ArrayRef {
    column.array().to_data().validate_full().unwrap();
    column.array()
}

/// A constant, as its text.
pub fn one(column_type: &str, value: Option<&str>) -> Column {
    constant(column_type.parse().unwrap(), value).unwrap()
}

/// Texts of several alphabets, of letters whose case changes their length, with white space, digits and separators.
pub fn any_texts() -> impl Strategy<Value = Vec<Option<String>>> {
    let text = prop_oneof![
        3 => "[a-cA-C0-2 @.,-]{0,12}",
        2 => "[a-cäÄßſıİΣσςⱥȺ€😀\u{1f80}\u{3000}\t ]{0,8}",
        1 => "\\PC{0,6}",
    ];
    let plain = "[a-cA-C @.]{0,12}";
    let of = |text: BoxedStrategy<String>| prop::collection::vec(prop::option::weighted(0.85, text), 0..20);
    prop_oneof![of(text.boxed()), of(plain.boxed())]
}

/// Checks a kernel of one text against a model that takes one value, on a column, on a constant, and on nothing.
pub fn against_model<R: PartialEq + std::fmt::Debug>(
    values: &[Option<String>],
    kernel: impl Fn(&Column) -> Result<Column, KernelError>,
    read: impl Fn(&Column) -> Vec<Option<R>>,
    model: impl Fn(&str) -> Option<R>,
) {
    let expected: Vec<Option<R>> = values.iter().map(|value| value.as_deref().and_then(&model)).collect();
    let found = kernel(&texts(values)).unwrap();
    assert_eq!(read(&found), expected, "{values:?}");
    assert!(!found.is_constant());
    for value in values.iter().take(3) {
        let found = kernel(&one("string", value.as_deref())).unwrap();
        assert!(found.is_constant());
        assert_eq!(read(&found), [value.as_deref().and_then(&model)]);
    }
    assert_eq!(read(&kernel(&texts(&[None::<&str>; 0])).unwrap()), []);
}
