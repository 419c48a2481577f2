//! Files that are no transforms, and promises that cannot be kept.

use sluice_transform::{Transform, TransformError};

use super::guest::{Promise, component, file};
use super::{host, says, schema, settings};

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = host().open(&settings(&file(folder.path(), "guest.wasm", bytes))).unwrap_err();
    assert!(matches!(error, TransformError::Unusable { .. }), "{error}");
    assert!(error.is_permanent());
    error.to_string()
}

fn honest() -> Vec<u8> {
    component(&Promise::default(), "(call $one (local.get $email))")
}

#[test]
fn a_file_that_is_no_component_says_what_it_is() {
    says(&refused(b"hello"), &["guest.wasm", "not WebAssembly", "plugin build"]);
    says(&refused(b""), &["not WebAssembly"]);
    says(&refused(&wat::parse_str("(module)").unwrap()), &["core module", "plugin build"]);
}

#[test]
fn a_truncated_or_damaged_file_is_refused_wherever_it_ends() {
    let whole = honest();
    for part in 1..24 {
        let message = refused(&whole[..whole.len() * part / 24]);
        says(&message, &["guest.wasm"]);
    }
    let mut seen = 0;
    for place in (8..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        let folder = tempfile::tempdir().unwrap();
        // Some bytes are names or data, so not every change can be seen; none may do harm.
        if let Ok(transform) = host().open(&settings(&file(folder.path(), "guest.wasm", &damaged))) {
            let _ = transform.output(&schema());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn imports_beyond_the_contract_are_named() {
    let wasi =
        wat::parse_str(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func)))))"#);
    says(&refused(&wasi.unwrap()), &["wasi:clocks/wall-clock@0.2.0", "plugin build"]);
    let newer = wat::parse_str(r#"(component (import "sluice:transform/columns@9.0.0" (instance)))"#);
    says(&refused(&newer.unwrap()), &["sluice:transform/columns@9.0.0", "another version"]);
    let other = wat::parse_str(r#"(component (import "acme:tools/net" (instance)))"#);
    says(&refused(&other.unwrap()), &["acme:tools/net", "nothing else"]);
}

#[test]
fn a_component_of_another_world_is_told_apart() {
    says(&refused(&wat::parse_str("(component)").unwrap()), &["another world", "plugin new"]);
    let half = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f"))) (export "configure" (func $f)))"#;
    says(&refused(&wat::parse_str(half).unwrap()), &["does not export transform", "configure"]);
}

#[test]
fn functions_of_another_type_are_refused_before_the_first_row() {
    let wrong = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f"))) (export "configure" (func $f)) (export "transform" (func $f)))"#;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "guest.wasm", &wat::parse_str(wrong).unwrap());
    let error = host().open(&settings(&path)).map(|transform| transform.output(&schema()).map(|_| ()));
    let error = error.and_then(|output| output).unwrap_err();
    assert!(error.is_permanent(), "{error}");
}

#[test]
fn a_pinned_digest_must_be_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut pinned = settings(&file(folder.path(), "guest.wasm", &honest()));
    pinned.sha256 = Some("0".repeat(64));
    let error = host().open(&pinned).unwrap_err();
    says(&error.to_string(), &["SHA-256", &"0".repeat(64), "correct `sha256`"]);
    pinned.sha256 = Some(sluice_transform::host::digest(&honest()));
    host().open(&pinned).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let error = host().open(&settings("/nowhere/mask.wasm".as_ref())).unwrap_err();
    says(&error.to_string(), &["/nowhere/mask.wasm"]);
}

fn plan_refused(promise: Promise) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(&promise, "(call $one (local.get $email))");
    let transform = host().open(&settings(&file(folder.path(), "guest.wasm", &bytes))).unwrap();
    let error = transform.output(&schema()).unwrap_err();
    assert!(matches!(error, TransformError::Refused { .. }), "{error}");
    error.to_string()
}

#[test]
fn promises_that_cannot_be_are_refused() {
    let plan = Promise::default;
    says(&plan_refused(Promise { reads: vec!["id", "mail"], ..plan() }), &["reads `mail`", "(id, email)"]);
    says(&plan_refused(Promise { reads: vec!["id", "id"], ..plan() }), &["`id` twice"]);
    says(&plan_refused(Promise { writes: vec![("out", "text", true)], ..plan() }), &["`text`", "string"]);
    says(&plan_refused(Promise { writes: vec![("_seq", "long", true)], ..plan() }), &["`_seq`", "sluice's own"]);
    says(&plan_refused(Promise { writes: vec![("id", "long", true)], ..plan() }), &["key column `id`", "`key`"]);
    says(&plan_refused(Promise { drops: vec!["id"], ..plan() }), &["key column `id`"]);
    says(&plan_refused(Promise { drops: vec!["nothing"], ..plan() }), &["drops `nothing`"]);
    says(&plan_refused(Promise { fan_out: true, ..plan() }), &["several rows", "`key`"]);
    says(&plan_refused(Promise { key: vec!["out"], ..plan() }), &["deletes"]);
    says(&plan_refused(Promise { key: vec!["other"], deletes: true, ..plan() }), &["`other`"]);
}
