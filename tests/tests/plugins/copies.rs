//! Columns that a guest decodes to its own values and makes anew are what they were.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Float32Array, Float64Array};
use arrow_schema::DataType;
use serde_json::json;
use sluice_change::Op;
use sluice_transform::Transform;

use crate::guest::{Language, open};
use crate::values::{Nulls, Rows, many, of_every_type};

pub fn extreme_values(language: Language) {
    // More rows than any column has different values, and no multiple of eight.
    come_back(language, &of_every_type(83, Nulls::None));
}

pub fn nulls(language: Language) {
    come_back(language, &of_every_type(83, Nulls::Some));
    come_back(language, &of_every_type(83, Nulls::All));
    come_back(language, &of_every_type(64, Nulls::Some));
}

pub fn few_rows(language: Language) {
    come_back(language, &of_every_type(0, Nulls::None));
    come_back(language, &of_every_type(1, Nulls::None));
    come_back(language, &of_every_type(1, Nulls::All));
}

pub fn many_rows(language: Language) {
    come_back(language, &many(100_000));
}

/// Both APIs give back equal columns.
fn come_back(language: Language, rows: &Rows) {
    for mode in ["columns", "rows"] {
        let Some(guest) = open(language, &json!({ "mode": mode })) else { return };
        let shaped = guest
            .shape(&rows.schema(), rows.input(&[Op::Insert, Op::Update, Op::Load]))
            .unwrap_or_else(|error| panic!("{language:?}, {mode}: {error}"));
        assert_eq!(shaped.rejects, [], "{language:?}, {mode}");
        assert_eq!(shaped.rows.num_rows(), rows.column("id").len(), "{language:?}, {mode}");
        for name in rows.names() {
            let found = shaped.rows.column_by_name(&format!("out_{name}")).expect("a column that is written");
            assert_same(rows.column(name), found, &format!("{name} in {language:?}, {mode}"));
        }
    }
}

/// Compares values, the sign of zero included; a NaN is like any other, since languages do not keep its bits.
pub fn assert_same(wanted: &ArrayRef, found: &ArrayRef, what: &str) {
    let (wanted, found) = (one_nan(wanted), one_nan(found));
    if *wanted == *found {
        return;
    }
    assert_eq!(wanted.data_type(), found.data_type(), "{what}");
    assert_eq!(wanted.len(), found.len(), "{what}");
    let row = (0..wanted.len()).find(|row| wanted.slice(*row, 1) != found.slice(*row, 1)).expect("a row that differs");
    panic!("{what}: row {row} is {:?}, not {:?}", found.slice(row, 1), wanted.slice(row, 1));
}

fn one_nan(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            let one = |value: f32| if value.is_nan() { f32::NAN } else { value };
            Arc::new(values.unary::<_, Float32Type>(one)) as Arc<Float32Array>
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            let one = |value: f64| if value.is_nan() { f64::NAN } else { value };
            Arc::new(values.unary::<_, Float64Type>(one)) as Arc<Float64Array>
        }
        _ => Arc::clone(array),
    }
}
