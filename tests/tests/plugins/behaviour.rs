//! What becomes of rows, and what a guest says.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, UInt32Array};
use serde_json::json;
use sluice_change::Op;
use sluice_transform::host::{Level, inspect};
use sluice_transform::{Rejected, Transform};

use crate::guest::{Language, component, open};
use crate::values::Rows;

const ROWS: usize = 42;

pub fn outcome(language: Language) {
    let Some(guest) = open(language, &json!({ "mode": "outcome" })) else { return };
    let rows = Rows::new(ROWS);
    let ops = [Op::Insert, Op::Update, Op::Delete, Op::Load];
    let shaped = guest.shape(&rows.schema(), rows.input(&ops)).unwrap_or_else(|error| panic!("{language:?}: {error}"));
    let left: Vec<u32> = (0..ROWS as u32).filter(|id| id % 5 != 3).collect();
    let sources = shaped.sources.clone().unwrap_or_else(|| UInt32Array::from_iter_values(0..ROWS as u32));
    assert_eq!(sources.values().as_ref(), left, "{language:?}");
    let refused = |row: u32| Rejected { row, column: None, reason: format!("id {row} is refused") };
    assert_eq!(
        shaped.rejects,
        (0..ROWS as u32).filter(|id| id % 5 == 3).map(refused).collect::<Vec<_>>(),
        "{language:?}"
    );
    let ids = shaped.rows.column_by_name("id").expect("a column").as_primitive::<Int64Type>();
    let out = shaped.rows.column_by_name("out").expect("a column").as_string::<i32>();
    for (place, row) in left.iter().enumerate() {
        assert_eq!(ids.value(place), i64::from(*row), "{language:?}");
        let dropped = row % 5 == 4;
        let op = if dropped { Op::Delete } else { ops[*row as usize % ops.len()] };
        assert_eq!(shaped.ops[place], op, "row {row} in {language:?}");
        if !dropped {
            assert_eq!(out.value(place), row.to_string(), "{language:?}");
        }
    }
}

pub fn fan_out(language: Language) {
    for times in [0, 1, 3] {
        let Some(guest) = open(language, &json!({ "mode": "fan-out", "times": times })) else { return };
        let rows = Rows::new(ROWS);
        let shaped = guest
            .shape(&rows.schema(), rows.input(&[Op::Insert, Op::Update]))
            .unwrap_or_else(|error| panic!("{language:?}: {error}"));
        assert_eq!(guest.output(&rows.schema()).expect("a schema").key, ["id", "n"], "{language:?}");
        assert_eq!(shaped.rejects, [], "{language:?}");
        let ids = shaped.rows.column_by_name("id").expect("a column").as_primitive::<Int64Type>();
        let numbers = shaped.rows.column_by_name("n").expect("a column").as_primitive::<Int32Type>();
        let found: Vec<(i64, i32)> = ids.values().iter().copied().zip(numbers.values().iter().copied()).collect();
        let wanted: Vec<(i64, i32)> = (0..ROWS as i64).flat_map(|id| (0..times).map(move |n| (id, n))).collect();
        assert_eq!(found, wanted, "{language:?}");
        assert_eq!(numbers.null_count(), 0, "{language:?}");
    }
}

pub fn log(language: Language) {
    let Some(guest) = open(language, &json!({ "mode": "log", "lines": 3 })) else { return };
    let rows = Rows::new(ROWS);
    let trial = guest
        .try_rows(&rows.schema(), rows.input(&[Op::Insert]), true)
        .unwrap_or_else(|error| panic!("{language:?}: {error}"));
    let wanted: Vec<(Level, String)> = (0..3).map(|line| (Level::Info, format!("line {line}"))).collect();
    assert_eq!(trial.said.lines, wanted, "{language:?}");
    assert_eq!(trial.said.metrics.get("lines"), Some(&3.0), "{language:?}");
    assert!(trial.cost.fuel.is_some_and(|fuel| fuel > 0), "{language:?}");
    let out = trial.shaped.rows.column_by_name("out").expect("a column").as_string::<i32>();
    assert_eq!(out.len(), ROWS, "{language:?}");
    assert!(out.iter().all(|text| text == Some("logged")), "{language:?}");
}

pub fn error(language: Language) {
    fails(language, "error", "asked to fail");
}

pub fn panic(language: Language) {
    fails(language, "panic", "asked to crash");
}

/// Every row is rejected by itself, and the reason holds the guest's words.
fn fails(language: Language, mode: &str, words: &str) {
    let Some(guest) = open(language, &json!({ "mode": mode })) else { return };
    let rows = Rows::new(3);
    let shaped =
        guest.shape(&rows.schema(), rows.input(&[Op::Insert])).unwrap_or_else(|error| panic!("{language:?}: {error}"));
    assert_eq!(shaped.rows.num_rows(), 0, "{language:?}");
    assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [0, 1, 2], "{language:?}");
    for reject in &shaped.rejects {
        assert!(reject.reason.contains(words), "{language:?}: {}", reject.reason);
    }
}

pub fn unknown_mode(language: Language) {
    let Some(guest) = open(language, &json!({ "mode": "sing" })) else { return };
    let error = guest.output(&Rows::new(1).schema()).expect_err("an unknown mode").to_string();
    assert!(error.contains("sing") && error.contains("shop.orders"), "{language:?}: {error}");
}

pub fn imports(language: Language) {
    let Some(path) = component(language) else { return };
    let found = inspect(&std::fs::read(path).expect("a component")).expect("a component that can be read");
    assert_eq!(found.fault(), None, "{language:?}");
    let interpreted = matches!(language, Language::Python | Language::JavaScript);
    assert_eq!(found.interpreted, interpreted, "{language:?}, made by {:?}", found.producers);
}
