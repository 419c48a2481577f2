//! Components that break every rule: the process lives, the rows at fault stand alone, the message says what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod answers;
mod files;
mod guest;
mod limits;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use sluice_change::{Column, ColumnType, Op, TableSchema};
use sluice_platform::Secret;
use sluice_transform::host::{Host, HostSettings};
use sluice_transform::{ComponentLimits, ComponentSettings, Input, Shaped, Transform, TransformError};

/// One host for all tests, as in the process: what one guest does must not touch the others.
fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(&HostSettings::for_threads(8), None).unwrap())
}

fn settings(path: &Path) -> ComponentSettings {
    ComponentSettings {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        table: "public.people".parse().unwrap(),
        path: path.to_owned(),
        settings: Secret::new("{}"),
        sha256: None,
        limits: ComponentLimits { memory_bytes: 64 << 20, ..ComponentLimits::default() },
    }
}

fn schema() -> TableSchema {
    TableSchema {
        columns: vec![Column::new("id", ColumnType::Long), Column::new("email", ColumnType::String)],
        key: vec!["id".to_owned()],
    }
}

/// Rows with the ids 0 to `rows`.
fn input(rows: usize) -> Input {
    let ids = Int64Array::from_iter_values(0..rows as i64);
    let emails = StringArray::from_iter_values((0..rows).map(|row| format!("Person{row}@example.com")));
    let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![("id", Arc::new(ids.clone())), ("email", Arc::new(emails))];
    Input {
        rows: RecordBatch::try_from_iter(columns).unwrap(),
        ops: vec![Op::Insert; rows],
        ordinals: ids,
        times: None,
        before: None,
        unsent: None,
    }
}

/// What becomes of `rows` rows in a guest with this body.
fn run(body: &str, rows: usize) -> Result<Shaped, TransformError> {
    run_promised(&guest::Promise::default(), body, rows)
}

fn run_promised(promise: &guest::Promise, body: &str, rows: usize) -> Result<Shaped, TransformError> {
    run_component(&guest::component(promise, body), rows, |_| {})
}

fn run_component(
    component: &[u8],
    rows: usize,
    change: impl FnOnce(&mut ComponentLimits),
) -> Result<Shaped, TransformError> {
    let folder = tempfile::tempdir().unwrap();
    let path = guest::file(folder.path(), "guest.wasm", component);
    let mut settings = settings(&path);
    change(&mut settings.limits);
    let transform = host().open(&settings)?;
    transform.output(&schema())?;
    transform.shape(&schema(), input(rows))
}

/// The one message of a run in which every row fails alone or the table is given up.
fn complaint(result: Result<Shaped, TransformError>) -> String {
    match result {
        Ok(shaped) => {
            assert!(!shaped.rejects.is_empty(), "nothing was rejected");
            shaped.rejects[0].reason.clone()
        }
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

fn texts(shaped: &Shaped, column: &str) -> Vec<Option<String>> {
    let array = shaped.rows.column_by_name(column).unwrap().as_string::<i32>().clone();
    array.iter().map(|value| value.map(str::to_owned)).collect()
}

#[test]
fn an_honest_guest_is_served() {
    let shaped = run("(call $one (call $lower (local.get $email)))", 3).unwrap();
    assert_eq!(texts(&shaped, "out")[2].as_deref(), Some("person2@example.com"));
    assert_eq!(texts(&shaped, "email")[2].as_deref(), Some("Person2@example.com"));
    assert!(shaped.rejects.is_empty() && shaped.sources.is_none());
}

#[test]
fn nothing_is_kept_from_one_batch_to_the_next() {
    // Traps if a word that it sets is set already, so a second call in the same memory would fail.
    let body = "(if (i32.load (i32.const 900)) (then (unreachable)))
      (i32.store (i32.const 900) (i32.const 1))
      (call $one (local.get $email))";
    let folder = tempfile::tempdir().unwrap();
    let path = guest::file(folder.path(), "guest.wasm", &guest::component(&guest::Promise::default(), body));
    let transform = host().open(&settings(&path)).unwrap();
    for _ in 0..50 {
        assert!(transform.shape(&schema(), input(10)).unwrap().rejects.is_empty());
    }
}
