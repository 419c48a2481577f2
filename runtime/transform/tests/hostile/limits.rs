//! What takes too much: time, memory, stack, words, room.

use std::time::Duration;

use sluice_transform::TransformError;
use sluice_transform::host::Level;

use super::guest::{Promise, component, file, with_functions};
use super::{complaint, host, input, run, run_component, run_promised, says, schema, settings};

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    says(&complaint(run("(loop $for (br $for)) (unreachable)", 1)), &["fuel", "endless loop", "fuel_per_row"]);
}

#[test]
fn one_row_that_loops_is_rejected_alone() {
    let body = "(if (call $has (local.get $id) (local.get $rows) (i64.const 777)) (then (loop $for (br $for))))
      (call $one (local.get $email))";
    let shaped = run(body, 1_000).unwrap();
    assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [777]);
    assert_eq!(shaped.ops.len(), 999);
    assert_eq!(shaped.sources.unwrap().values()[777], 778);
}

#[test]
fn a_row_that_traps_is_rejected_alone_wherever_it_is() {
    for poison in [0, 1, 499, 998, 999] {
        let body = format!(
            "(if (call $has (local.get $id) (local.get $rows) (i64.const {poison})) (then (unreachable)))
             (call $one (local.get $email))"
        );
        let shaped = run(&body, 1_000).unwrap();
        assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [poison]);
        says(&shaped.rejects[0].reason, &["trapped", "unreachable"]);
    }
}

#[test]
fn a_guest_that_always_traps_stops_its_table() {
    let error = run("(unreachable)", 1_000).unwrap_err();
    assert!(matches!(error, TransformError::TooManyFailures { .. }), "{error}");
    assert!(error.is_permanent());
    says(&error.to_string(), &["of 1000 rows", "max_failed_share", "unreachable"]);
}

#[test]
fn memory_ends_at_its_limit() {
    let body = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    says(&complaint(run(body, 1)), &["memory", "67108864 bytes", "`memory`"]);
}

#[test]
fn recursion_ends_at_the_stack() {
    let functions = "(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))";
    let component = with_functions(&Promise::default(), functions, "(call $down (i32.const 1))");
    says(&complaint(run_component(&component, 1, |_| {})), &["stack", "recursion"]);
}

#[test]
fn a_guest_with_fuel_for_ever_ends_by_its_deadline_and_is_tried_again() {
    let component = component(&Promise::default(), "(loop $for (br $for)) (unreachable)");
    let error = run_component(&component, 1, |limits| {
        limits.fuel_per_row = Some(u64::MAX / 4);
        limits.deadline = Duration::from_millis(300);
    });
    let error = error.unwrap_err();
    assert!(matches!(error, TransformError::Deadline { .. }), "{error}");
    assert!(!error.is_permanent());
}

#[test]
fn kernels_cost_fuel_and_room() {
    let body = "(loop $for (drop (call $lower (local.get $email))) (br $for)) (unreachable)";
    says(&complaint(run(body, 1_000)), &["100000 columns"]);
    let component = component(&Promise::default(), body);
    let rooms = complaint(run_component(&component, 1_000, |limits| limits.max_output_bytes = 1 << 20));
    says(&rooms, &["1048576 bytes", "max_output"]);
}

#[test]
fn a_guest_that_looks_at_the_rows_around_is_found_out_where_that_is_asked_for() {
    let body = "(call $one (if (result i32) (i32.eq (local.get $rows) (i32.const 1000))
      (then (call $lower (local.get $email))) (else (local.get $email))))";
    let component = component(&Promise::default(), body);
    assert!(run_component(&component, 1_000, |_| {}).is_ok());
    let error = run_component(&component, 1_000, |limits| limits.check_determinism = 1.0).unwrap_err();
    assert!(matches!(error, TransformError::NotDeterministic { .. }) && error.is_permanent(), "{error}");
    says(&error.to_string(), &["not deterministic", "cut in two"]);
    let honest = crate::guest::component(&Promise::default(), "(call $one (call $lower (local.get $email)))");
    assert!(run_component(&honest, 1_000, |limits| limits.check_determinism = 1.0).is_ok());
}

#[test]
fn columns_are_counted() {
    let body = "(loop $for (drop (call $make (i32.const 32) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (br $for)) (unreachable)";
    says(&complaint(run(body, 1)), &["more than", "columns"]);
}

#[test]
fn a_flood_of_lines_is_cut_and_counted() {
    let body = "(loop $for
        (call $log (i32.const 1) (i32.const 80) (i32.const 22))
        (br_if $for (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
      (call $one (local.get $email))";
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "guest.wasm", &component(&Promise::default(), body));
    let transform = host().open(&settings(&path)).unwrap();
    let trial = transform.try_rows(&schema(), input(2), true).unwrap();
    assert_eq!(trial.said.lines[0], (Level::Info, "a message of the guest".to_owned()));
    assert!(trial.said.lines.len() < 100);
    assert_eq!(trial.said.lines.len() as u64 + trial.said.lines_left_out, 100_000);
    assert!(trial.cost.fuel.is_some_and(|fuel| fuel > 100_000));
}

#[test]
fn fan_out_is_bounded_by_what_it_would_take() {
    // Sources of a million rows for one: four bytes each for the guest, but a hundred times that with what passes by.
    let promise = Promise { key: vec!["id", "out"], fan_out: true, deletes: true, ..Promise::default() };
    let body = "(local.set $x (call $make (i32.const 32) (i32.const 3) (i32.const 250000) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 15728640) (i32.const 1000000)))
      (drop (memory.grow (i32.const 1)))
      (drop (call $one (call $take (local.get $email) (local.get $x))))
      (call $sources (local.get $x)) (i32.const 2048)";
    let body = format!("(drop (memory.grow (i32.const 300))) {body}");
    let component = component(&promise, &body);
    let message = complaint(run_component(&component, 1, |limits| limits.max_output_bytes = 12 << 20));
    says(&message, &["max_output"]);
    assert_eq!(run_promised(&promise, &body, 1).unwrap().ops.len(), 250_000);
}
