//! Every kernel, called by a guest, gives what it gives without one.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray};
use serde_json::{Value, json};
use sluice_change::Op;
use sluice_transform::Transform;
use sluice_transform::kernels::{Column, take};

use crate::copies::assert_same;
use crate::direct::{self, LIMITS};
use crate::guest::{Language, WIT, open};
use crate::values::Rows;

const ROWS: usize = 24;
const KEY: &str = "000102030405060708090a0b0c0d0e0f";

pub fn all(language: Language) {
    let rows = rows();
    let cases = cases();
    let called: BTreeSet<&str> = cases.iter().filter_map(|case| case[0].as_str()).collect();
    assert_eq!(called, names().into_iter().collect(), "the kernels called and those of the contract");
    for case in &cases {
        if !gives_the_same(language, &rows, case, None) {
            return;
        }
    }
    // These return other rows than they get, so it has to be said where each comes from.
    let all_rows = json!({ "column": "places" });
    let taken = json!(["take", { "column": "text" }, { "column": "picks" }]);
    gives_the_same(language, &rows, &taken, Some(&all_rows));
    let kept = json!(["filter", { "column": "text" }, { "constant": ["boolean", "true"] }]);
    gives_the_same(language, &rows, &kept, Some(&all_rows));
    let one = json!(["filter", { "column": "text" }, { "column": "only_the_fifth" }]);
    gives_the_same(language, &rows, &one, Some(&json!({ "constant": ["int", "4"] })));
}

/// Compares one call; false where there is no guest.
fn gives_the_same(language: Language, rows: &Rows, case: &Value, sources: Option<&Value>) -> bool {
    let what = format!("{case} in {language:?}");
    let (name, arguments) = case.as_array().and_then(|case| case.split_first()).expect("a kernel and its arguments");
    let name = name.as_str().expect("a kernel's name");
    let wanted = direct::call(name, arguments, rows).unwrap_or_else(|error| panic!("{what}: {error}"));
    let column_type = wanted.column_type().expect("a type of a table").to_string();
    let mut settings = json!({ "mode": "call", "call": case, "type": column_type });
    if let Some(sources) = sources {
        settings["sources"] = sources.clone();
        settings["key"] = json!(["id"]);
    }
    let Some(guest) = open(language, &settings) else { return false };
    let shaped =
        guest.shape(&rows.schema(), rows.input(&[Op::Insert])).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(shaped.rejects, [], "{what}");
    // Without a key of its own a guest's dropped rows are deletes.
    let kept = (0..).zip(&shaped.ops).filter(|(_, op)| **op != Op::Delete).map(|(row, _)| row);
    let kept = Column::rows(Arc::new(Int32Array::from_iter_values(kept)));
    let found = Column::rows(Arc::clone(shaped.rows.column_by_name("out").expect("the result")));
    let found = take(&found, &kept, LIMITS).expect("rows that are there");
    let wanted = if wanted.is_constant() { spread(&wanted, found.array().len()) } else { wanted };
    assert_same(wanted.array(), found.array(), &what);
    true
}

/// A constant as the column that the host makes of it.
fn spread(constant: &Column, rows: usize) -> Column {
    let numbers = Column::rows(Arc::new(Int32Array::from(vec![0; rows])));
    take(constant, &numbers, LIMITS).expect("a constant as a column")
}

/// The kernels of the contract, as it declares them.
fn names() -> Vec<&'static str> {
    let from = WIT.find("interface kernels {").expect("an interface of kernels");
    let to = from + WIT[from..].find("\n}").expect("its end");
    let declared = WIT[from..to].lines().filter_map(|line| line.trim().split_once(": func("));
    declared.map(|(name, _)| name).collect()
}

/// Columns to call them with; every one but `id` has nulls.
fn rows() -> Rows {
    let texts = ["Ada@Example.com", " zoë @x.org\t", "", "a,b,,c", "日本語@tokyo.jp", "STRASSE ß 12", "😀@😀"];
    let documents = [
        r#"{"a":{"b":[1,{"c":"x\u00e9"}]}}"#,
        r#"{"a":{"b":[null,{"c":2.50}]}}"#,
        "no json",
        r#"{"a":null}"#,
        r#"{"a":{"b":"text"}}"#,
    ];
    let numbers = ["12", "-7.25", "1e3", "x", "2024-02-29", "", "9223372036854775808", "true"];
    let decimals = |values: [i128; 4], precision: u8, scale: i8| {
        let array = Decimal128Array::from(some(0, |row| values[row % 4]));
        array.with_precision_and_scale(precision, scale).expect("digits that fit")
    };
    Rows::new(ROWS)
        .with("text", StringArray::from(some(1, |row| texts[row % texts.len()])))
        .with("other", StringArray::from(some(2, |row| texts[(row * 3) % texts.len()])))
        .with("document", StringArray::from(some(3, |row| documents[row % documents.len()])))
        .with("numerals", StringArray::from(some(4, |row| numbers[row % numbers.len()])))
        .with("bytes", BinaryArray::from(some(5, |row| texts[row % texts.len()].as_bytes())))
        .with("small", Int32Array::from(some(6, |row| [0, 3, -8, i32::MAX, i32::MIN][row % 5])))
        .with("large", Int64Array::from(some(7, |row| [0, 2, -5, i64::MAX, i64::MIN, 86_400_000_000][row % 6])))
        .with("double", Float64Array::from(some(8, |row| [0.0, -2.5, 1e300, f64::INFINITY, f64::NAN, 0.125][row % 6])))
        .with("price", decimals([12_345, -50, 999_999_999_999, 5], 18, 4))
        .with("rate", decimals([10_825, 1, -9_999_999, 0], 9, 4))
        .with("flag", BooleanArray::from(some(9, |row| row % 2 == 0)))
        .with("other_flag", BooleanArray::from(some(10, |row| row % 3 == 0)))
        .with("picks", Int32Array::from(some(11, |row| (row * 5 % ROWS) as i32)))
        .with("places", Int32Array::from_iter_values(0..ROWS as i32))
        .with("only_the_fifth", BooleanArray::from((0..ROWS).map(|row| row == 4).collect::<Vec<_>>()))
}

/// Values with a null in every fifth row.
fn some<T>(first_null: usize, value: impl Fn(usize) -> T) -> Vec<Option<T>> {
    (0..ROWS).map(|row| (row % 5 != first_null % 5).then(|| value(row))).collect()
}

fn cases() -> Vec<Value> {
    let mut cases = text_cases();
    cases.extend(pseudonym_cases());
    cases.extend(number_cases());
    cases.extend(condition_cases());
    cases
}

fn text_cases() -> Vec<Value> {
    let text = json!({ "column": "text" });
    vec![
        json!(["lower", text]),
        json!(["upper", text]),
        json!(["trim", text]),
        json!(["length", text]),
        json!(["length", { "column": "bytes" }]),
        json!(["substring", text, { "number": 1 }, { "number": 3 }]),
        json!(["substring", text, { "number": -4 }, { "none": true }]),
        json!(["substring", text, { "number": 0 }, { "number": 0 }]),
        json!(["split-part", text, { "text": "@" }, { "number": 1 }]),
        json!(["split-part", text, { "text": "," }, { "number": 2 }]),
        json!(["replace", text, { "text": "a" }, { "text": "ä$1" }]),
        json!(["pad-start", text, { "number": 9 }, { "text": "•" }]),
        json!(["concat", { "columns": ["text", "other"] }, { "text": " – " }]),
        json!(["concat", { "columns": ["text", { "constant": ["string", "x"] }, "numerals"] }, { "text": "" }]),
        json!(["starts-with", text, { "text": "A" }]),
        json!(["ends-with", text, { "text": ".com" }]),
        json!(["contains", text, { "text": "本" }]),
        json!(["regex-matches", text, { "text": r"^\p{L}+@" }]),
        json!(["regex-extract", text, { "text": r"(\w+)@(\w+)" }, { "number": 2 }]),
        json!(["regex-replace", text, { "text": r"(?<name>\w+)@" }, { "text": "<${name}>" }]),
        json!(["json-field", { "column": "document" }, { "text": "a.b[1].c" }]),
        json!(["json-field", { "column": "document" }, { "text": "a" }]),
    ]
}

fn pseudonym_cases() -> Vec<Value> {
    let mut cases = vec![
        json!(["mask", { "column": "text" }, { "number": 1 }, { "number": 2 }, { "text": "*" }]),
        json!(["hex", { "column": "bytes" }]),
        json!(["base64", { "column": "bytes" }]),
    ];
    for name in ["text", "bytes"] {
        cases.push(json!(["hmac", { "column": name }, { "bytes": "6b6579ff00" }]));
        cases.push(json!(["hmac", { "column": name }, { "bytes": "" }]));
        cases.push(json!(["sha256", { "column": name }]));
        cases.push(json!(["keyed-hash", { "column": name }, { "bytes": KEY }]));
    }
    cases
}

fn number_cases() -> Vec<Value> {
    let mut cases = Vec::new();
    let pairs = [("small", "large"), ("price", "rate"), ("double", "small"), ("large", "price"), ("small", "small")];
    for name in ["add", "subtract", "multiply", "divide", "remainder"] {
        for (left, right) in pairs {
            cases.push(json!([name, { "column": left }, { "column": right }]));
        }
        cases.push(json!([name, { "column": "price" }, { "constant": ["int", "3"] }]));
        cases.push(json!([name, { "constant": ["long", null] }, { "column": "large" }]));
    }
    for (name, digits) in [("price", 2), ("price", 0), ("double", 1), ("double", -2), ("small", -1)] {
        cases.push(json!(["round", { "column": name }, { "number": digits }]));
    }
    for name in ["small", "large", "double", "price"] {
        cases.push(json!(["abs", { "column": name }]));
    }
    for to in
        ["boolean", "int", "long", "float", "double", "decimal(9,2)", "date", "timestamp", "timestamptz", "binary"]
    {
        cases.push(json!(["cast", { "column": "numerals" }, { "text": to }]));
    }
    for name in ["small", "large", "double", "price", "flag", "bytes"] {
        cases.push(json!(["cast", { "column": name }, { "text": "string" }]));
    }
    cases
}

fn condition_cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for name in ["equal", "not-equal", "less", "less-or-equal", "greater", "greater-or-equal"] {
        for (left, right) in [("text", "other"), ("small", "large"), ("double", "price"), ("bytes", "bytes")] {
            cases.push(json!([name, { "column": left }, { "column": right }]));
        }
        cases.push(json!([name, { "column": "small" }, { "constant": ["int", "3"] }]));
    }
    for name in ["both", "either"] {
        cases.push(json!([name, { "column": "flag" }, { "column": "other_flag" }]));
        cases.push(json!([name, { "column": "flag" }, { "constant": ["boolean", null] }]));
    }
    cases.extend([
        json!(["is-in", { "column": "text" }, { "texts": ["", "a,b,,c", "nowhere"] }]),
        json!(["is-in", { "column": "small" }, { "texts": ["3", "-8"] }]),
        json!(["is-in", { "column": "text" }, { "texts": [] }]),
        json!(["is-null", { "column": "text" }]),
        json!(["negate", { "column": "flag" }]),
        json!(["coalesce", { "columns": ["text", "other", { "constant": ["string", "neither"] }] }]),
        json!(["coalesce", { "columns": ["small"] }]),
        json!(["choose", { "column": "flag" }, { "column": "text" }, { "column": "other" }]),
        json!(["choose", { "column": "flag" }, { "column": "price" }, { "constant": ["decimal(18,4)", null] }]),
        json!(["filter", { "column": "text" }, { "constant": ["boolean", "true"] }]),
        json!(["take", { "column": "price" }, { "column": "picks" }]),
    ]);
    cases
}
