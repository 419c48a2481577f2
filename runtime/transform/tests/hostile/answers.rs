//! Answers that lie.

use super::guest::Promise;
use super::{complaint, run, run_promised, says};

/// `make` of text with `rows` rows, whose offsets and values lie at these places.
fn text(rows: i64, offsets: (i32, i64), values: (i32, i64)) -> String {
    format!(
        "(call $make (i32.const 16) (i32.const 6) (i32.const {rows}) (i32.const 0) (i32.const 0)
           (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}))",
        offsets.0, offsets.1, values.0, values.1
    )
}

/// Stores offsets at 512.
fn offsets(values: &[i64]) -> String {
    let store = |(n, value): (usize, &i64)| format!("(i32.store (i32.const {}) (i32.const {value}))", 512 + 4 * n);
    values.iter().enumerate().map(store).collect()
}

#[test]
fn offsets_must_rise_within_the_values() {
    let cases: [(&[i64], &str); 5] = [
        (&[0, 3, 2], "fall from 3 to 2 at row 1"),
        (&[-1, 1, 2], "begin at -1"),
        (&[0, 2, 100], "end at 100, beyond its 4 bytes"),
        (&[0, -5, 2], "fall from 0 to -5"),
        (&[2147483647, 2147483647, 2147483647], "beyond its 4 bytes"),
    ];
    for (found, words) in cases {
        let body = format!("{} (call $one {})", offsets(found), text(2, (512, 12), (80, 4)));
        says(&complaint(run(&body, 2)), &["string", words]);
    }
}

#[test]
fn lengths_must_be_what_the_rows_take() {
    for (rows, length, words) in [
        (2, 8, "2 rows take 12"),
        (2, 0, "2 rows take 12"),
        (-1, 12, "4294967295 rows take"),
        (1_000_000_000, 12, "1000000000 rows take"),
    ] {
        let body = format!("(call $one {})", text(rows, (512, length), (80, 4)));
        says(&complaint(run(&body, 2)), &[words]);
    }
}

#[test]
fn negative_and_huge_lists_are_refused_by_the_boundary() {
    for (at, length) in [(80, -1), (-8, 4), (0, 2_147_483_647), (2_147_483_647, 2_147_483_647)] {
        let body = format!("(call $one {})", text(1, (512, 8), (at, length)));
        says(&complaint(run(&body, 1)), &["boundary's rules", "out of bounds"]);
    }
}

#[test]
fn text_must_be_utf_8_and_not_cut_within_a_character() {
    let body = format!("{} (call $one {})", offsets(&[0, 2]), text(1, (512, 8), (112, 2)));
    says(&complaint(run(&body, 1)), &["UTF-8"]);
    let cut = format!(
        "(i32.store (i32.const 700) (i32.const 0xA9C3A9C3)) {} (call $one {})",
        offsets(&[0, 1, 4]),
        text(2, (512, 12), (700, 4))
    );
    says(&complaint(run(&cut, 2)), &["within a character"]);
}

#[test]
fn columns_must_be_as_many_and_as_long_and_of_the_type_that_was_promised() {
    says(&complaint(run("(call $answer (i32.const 1024) (i32.const 0))", 2)), &["0 columns", "1 were promised"]);
    says(&complaint(run("(call $one (local.get $id))", 2)), &["Int64", "Utf8", "`out`"]);
    let fewer = format!("{} (call $one {})", offsets(&[0]), text(0, (512, 4), (80, 0)));
    says(&complaint(run(&fewer, 2)), &["of 0 rows where there are 1"]);
    says(&complaint(run("(call $one (i32.const 999))", 2)), &["no column with the handle 999"]);
    says(&complaint(run("(call $one (i32.const -1))", 2)), &["no column with the handle"]);
}

#[test]
fn the_answer_itself_must_lie_in_memory() {
    for body in [
        "(i32.const -16)",
        "(i32.store (i32.const 2048) (i32.const 77)) (i32.const 2048)",
        "(call $answer (i32.const 1024) (i32.const 1000000000))",
        "(call $answer (i32.const 1025) (i32.const 1))",
    ] {
        says(&complaint(run(body, 1)), &["boundary's rules"]);
    }
}

#[test]
fn an_error_must_be_text() {
    let body = "(i32.store (i32.const 2048) (i32.const 1)) (i32.store offset=4 (i32.const 2048) (i32.const 112))
      (i32.store offset=8 (i32.const 2048) (i32.const 4)) (i32.const 2048)";
    says(&complaint(run(body, 1)), &["utf-8"]);
    let honest = body.replace("(i32.const 112)", "(i32.const 80)").replace("(i32.const 4)", "(i32.const 22)");
    assert_eq!(complaint(run(&honest, 1)), "a message of the guest");
}

/// A column of ints that lie at 512.
fn ints(values: &[i64]) -> String {
    format!(
        "{} (local.set $x (call $make (i32.const 32) (i32.const 3) (i32.const {}) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 512) (i32.const {})))",
        offsets(values),
        values.len(),
        4 * values.len()
    )
}

#[test]
fn source_rows_must_be_rows_in_order() {
    for (sources, words) in [
        (vec![0_i64, 2], "row 2, and there are"),
        (vec![0, -1], "row -1"),
        (vec![0, 0, -3], "row -3"),
        (vec![0, 0], "more than once"),
        (vec![0, 2_147_483_647], "2147483647"),
    ] {
        let body = format!(
            "{} (drop (call $one (local.get $email))) (call $sources (local.get $x)) (i32.const 2048)",
            ints(&sources)
        );
        says(&complaint(run(&body, 2)), &["source-rows", words]);
    }
    let both = format!(
        "{} (drop (call $one (local.get $email))) (call $sources (local.get $x)) (call $keep (local.get $x))
         (i32.const 2048)",
        ints(&[0, 1])
    );
    says(&complaint(run(&both, 2)), &["both `keep` and `source-rows`"]);
}

#[test]
fn keep_and_rejected_must_be_of_their_types() {
    let keep = "(drop (call $one (local.get $email))) (call $keep (local.get $email)) (i32.const 2048)";
    says(&complaint(run(keep, 2)), &["`keep`", "Utf8", "Boolean"]);
    let rejected = "(drop (call $one (local.get $email))) (call $rejected (local.get $id)) (i32.const 2048)";
    says(&complaint(run(rejected, 2)), &["`rejected`", "Int64"]);
}

#[test]
fn rows_that_are_refused_by_the_guest_are_rejected_with_its_reason() {
    let body = "(drop (call $one (local.get $email))) (call $rejected (local.get $email)) (i32.const 2048)";
    let shaped = run(body, 3).unwrap();
    assert_eq!(shaped.ops.len(), 0);
    assert_eq!(shaped.rejects[1].reason, "Person1@example.com");
}

#[test]
fn a_null_where_none_may_be_rejects_the_row() {
    let promise = Promise { writes: vec![("out", "string", false)], ..Promise::default() };
    let body = format!(
        "(i32.store8 (i32.const 600) (i32.const 5)) {} (call $one (call $make (i32.const 16) (i32.const 6) (i32.const 3)
           (i32.const 600) (i32.const 1) (i32.const 512) (i32.const 16) (i32.const 80) (i32.const 3)))",
        offsets(&[0, 1, 2, 3])
    );
    let shaped = run_promised(&promise, &body, 3).unwrap();
    assert_eq!(shaped.rejects.len(), 1);
    assert_eq!((shaped.rejects[0].row, shaped.rejects[0].column.as_deref()), (1, Some("out")));
    says(&shaped.rejects[0].reason, &["may not be null"]);
}

#[test]
fn kernels_say_what_is_wrong_with_their_arguments() {
    let body = "(call $one (call $hmac (local.get $id) (i32.const 80) (i32.const 22)))";
    says(&complaint(run(body, 1)), &["hmac", "long"]);
    says(&complaint(run("(call $one (call $lower (i32.const 4711)))", 1)), &["no column with the handle 4711"]);
}
