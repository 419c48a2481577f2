//! What authors of transforms work with: a project is made, built, tested, watched, measured and inspected.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_plugin::build::componentize;
use sluice_plugin::{Language, Project};
use sluice_tests::process::{Finished, Program, Running, exit, json};

/// The plugin does not do what is expected of it.
const FAILED: i32 = 1;

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

fn start(folder: &Path, arguments: &[&str]) -> Running {
    let mut command = program().command(arguments);
    command.current_dir(folder).env("SLUICE_PLUGIN_TOOLS", folder.join("tools"));
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).unwrap();
    Running::start(command, &logs)
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    start(folder, arguments).wait()
}

/// A guest that writes `name` in upper case and rejects rows named `bad`. With `around` it writes in lower case where it
/// sees one row alone.
fn guest(around: bool) -> Vec<u8> {
    let name = match around {
        true => {
            "(if (result i32) (i32.eq (local.get $rows) (i32.const 1))
               (then (call $lower (local.get $name))) (else (call $upper (local.get $name))))"
        }
        false => "(call $upper (local.get $name))",
    };
    let text = format!(
        r#"(module
  (import "sluice:transform/kernels@1.0.0" "upper" (func $upper (param i32) (result i32)))
  (import "sluice:transform/kernels@1.0.0" "lower" (func $lower (param i32) (result i32)))
  (import "sluice:transform/kernels@1.0.0" "equal" (func $equal (param i32 i32) (result i32)))
  (import "sluice:transform/kernels@1.0.0" "choose" (func $choose (param i32 i32 i32) (result i32)))
  (import "sluice:transform/columns@1.0.0" "constant" (func $constant (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 1024) "name")
  (data (i32.const 1032) "string")
  (data (i32.const 1040) "bad")
  (data (i32.const 1048) "bad is refused")
  ;; A list with the text "name".
  (data (i32.const 1100) "\00\04\00\00\04\00\00\00")
  ;; A list with the column that is written: name, type, nullable, computed from everything.
  (data (i32.const 1120) "\00\04\00\00\04\00\00\00\08\04\00\00\06\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00")
  ;; The plan: reads and writes.
  (data (i32.const 1204) "\4c\04\00\00\01\00\00\00\60\04\00\00\01\00\00\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get 3))))
  (func (export "configure") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1200))
  (func (export "transform")
    (param $rows i32) (param $columns i32) (param $count i32) (param i32 i32 i32) (result i32)
    (local $name i32)
    (local.set $name (i32.load (local.get $columns)))
    (i32.store (i32.const 1400) {name})
    (i32.store (i32.const 1304) (i32.const 1400))
    (i32.store (i32.const 1308) (i32.const 1))
    (i32.store8 (i32.const 1328) (i32.const 1))
    (i32.store (i32.const 1332)
      (call $choose
        (call $equal (local.get $name)
          (call $constant (i32.const 1032) (i32.const 6) (i32.const 1) (i32.const 1040) (i32.const 3)))
        (call $constant (i32.const 1032) (i32.const 6) (i32.const 1) (i32.const 1048) (i32.const 14))
        (call $constant (i32.const 1032) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 0))))
    (i32.const 1300)))"#
    );
    componentize(&wat::parse_str(text).unwrap(), None).unwrap()
}

/// A project whose component is there already, and newer than its sources.
fn built_project(folder: &Path, component: &[u8]) -> Project {
    let place = folder.join("upper");
    fs::create_dir_all(place.join("build")).unwrap();
    fs::write(place.join("plugin.toml"), "name = \"upper\"\nlanguage = \"rust\"\n[test]\nkey = [\"id\"]\n").unwrap();
    fs::write(place.join("sample.csv"), "id:long,name:string\n1,ada\n2,bob\n").unwrap();
    let project = Project::open(&place).unwrap();
    fs::write(project.component(), component).unwrap();
    fs::write(place.join("build/upper.sources"), project.sources().unwrap()).unwrap();
    project
}

#[test]
fn a_test_shows_every_row_before_and_after_with_its_cost() {
    let folder = tempfile::tempdir().unwrap();
    built_project(folder.path(), &guest(false));
    let test = run(folder.path(), &["plugin", "test", "upper"]);
    test.expect_code(exit::SUCCESS).expect_words(&[
        "sample.csv: 2 rows in, 2 out",
        "ada",
        "ADA",
        "reads name",
        "passed",
    ]);
    assert!(!test.stdout.contains('\x1b'), "no colours without a terminal");
    let report = json(&run(folder.path(), &["plugin", "test", "upper", "--json"]));
    let case = &report["cases"][0];
    assert_eq!(
        (&report["passed"], &case["kept"], &case["plan"]["writes"][0]["type"]),
        (&true.into(), &2.into(), &"string".into())
    );
    assert!(case["fuel_per_row"].as_f64().unwrap() > 0.0 && case["nanoseconds_per_row"].as_f64().unwrap() > 0.0);
    assert_eq!(case["changes"][0]["cells"][1]["after"], "ADA");
}

#[test]
fn a_reject_fails_until_it_is_accepted_and_then_every_difference_does() {
    let folder = tempfile::tempdir().unwrap();
    let project = built_project(folder.path(), &guest(false));
    fs::write(project.folder.join("sample.csv"), "id:long,name:string\n1,ada\n2,bad\n").unwrap();
    run(folder.path(), &["plugin", "test", "upper"]).expect_code(FAILED).expect_words(&[
        "1 of 2 rows were rejected",
        "--accept",
        "bad is refused",
    ]);
    run(folder.path(), &["plugin", "test", "upper", "--accept"]).expect_code(exit::SUCCESS).expect_words(&["accepted"]);
    run(folder.path(), &["plugin", "test", "upper"])
        .expect_code(exit::SUCCESS)
        .expect_words(&["as in", "expected.jsonl"]);
    let expected = project.folder.join("expected.jsonl");
    fs::write(&expected, fs::read_to_string(&expected).unwrap().replace("ADA", "EVE")).unwrap();
    run(folder.path(), &["plugin", "test", "upper"])
        .expect_code(FAILED)
        .expect_words(&["line 1", "name: expected \"EVE\", got \"ADA\""]);
}

#[test]
fn every_folder_of_cases_is_tested_too() {
    let folder = tempfile::tempdir().unwrap();
    let project = built_project(folder.path(), &guest(false));
    let case = project.folder.join("cases/nulls");
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("input.jsonl"), "{\"id\": 1, \"name\": null}\n{\"id\": 2, \"name\": \"x\"}\n").unwrap();
    fs::write(case.join("expected.jsonl"), "{\"id\": 1, \"name\": null}\n{\"id\": 2, \"name\": \"Y\"}\n").unwrap();
    let test = run(folder.path(), &["plugin", "test", "upper", "--json"]);
    let report = json(test.expect_code(FAILED));
    assert_eq!(report["cases"].as_array().unwrap().len(), 2);
    assert_eq!(report["cases"][0]["failures"], Value::Array(Vec::new()));
    assert_eq!(report["cases"][1]["expected"]["mismatches"][0]["line"], 2);
}

#[test]
fn a_transform_that_looks_at_the_rows_around_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    built_project(folder.path(), &guest(true));
    run(folder.path(), &["plugin", "test", "upper"]).expect_code(FAILED).expect_words(&[
        "not deterministic",
        "cut after row 1",
        "`ADA`, then `ada`",
    ]);
}

#[test]
fn a_component_alone_is_tested_on_any_rows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("upper.wasm"), guest(false)).unwrap();
    fs::write(folder.path().join("rows.jsonl"), "{\"n\": 7, \"name\": \"bad\"}\n").unwrap();
    let test = ["plugin", "test", "upper.wasm"];
    run(folder.path(), &test).expect_code(exit::CONFIGURATION).expect_words(&["--sample"]);
    // Nothing is expected of rows that are only looked at.
    let sampled = run(folder.path(), &[&test[..], &["--sample", "rows.jsonl", "--key", "n"]].concat());
    sampled.expect_code(exit::SUCCESS).expect_words(&["bad is refused", "1 rejected"]);
    run(folder.path(), &[&test[..], &["--sample", "rows.jsonl", "--key", "m"]].concat())
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["no column `m` for the key"]);
}

#[test]
fn rows_of_a_tables_bronze_go_through_as_its_configuration_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("dms/shop/people");
    fs::create_dir_all(&table).unwrap();
    fs::write(table.join("LOAD00000001.csv"), "I,1,ada\nI,2,bob\nI,3,eve\n").unwrap();
    fs::write(
        folder.path().join("sluice.toml"),
        "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.people']\nkey = ['id']\n\
         columns = ['id long', 'name string']\ncsv = { header = false }\n",
    )
    .unwrap();
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    fs::write(folder.path().join("upper.wasm"), guest(false)).unwrap();
    let arguments = ["plugin", "test", "upper.wasm", "--table", "shop.people", "--rows", "2", "--json"];
    let report = json(run(folder.path(), &arguments).expect_code(exit::SUCCESS));
    assert_eq!(
        (&report["cases"][0]["rows"], &report["cases"][0]["name"]),
        (&2.into(), &"Bronze of shop.people".into())
    );
    run(folder.path(), &["plugin", "test", "upper.wasm", "--table", "shop.person"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["`shop.people`"]);
    let inspected = json(&run(folder.path(), &["plugin", "inspect", "upper.wasm", "--table", "shop.people", "--json"]));
    assert_eq!(inspected["output"], serde_json::json!(["id long", "name string"]));
    // Once the configuration has the component, it runs within the configuration's limits.
    let configuration = fs::read_to_string(folder.path().join("sluice.toml")).unwrap();
    let step = "transform = [{ component = 'upper.wasm', max_failed_share = 0.5 }]\n";
    fs::write(folder.path().join("sluice.toml"), configuration + step).unwrap();
    let inspected = json(&run(folder.path(), &["plugin", "inspect", "upper.wasm", "--table", "shop.people", "--json"]));
    assert_eq!(inspected["limits"]["max_failed_share"], 0.5);
}

#[test]
fn a_saved_file_begins_another_round_and_an_error_does_not_end_them() {
    let folder = tempfile::tempdir().unwrap();
    let project = built_project(folder.path(), &guest(false));
    let mut watch = start(folder.path(), &["plugin", "test", "upper", "--watch"]);
    watch.wait_until_it_prints("1 case");
    fs::write(project.folder.join("sample.csv"), "id:long,name:string\n1,grace\n").unwrap();
    watch.wait_until_it_prints("GRACE");
    fs::write(project.folder.join("sample.csv"), "id:long,name:string\nx,grace\n").unwrap();
    watch.wait_until_it_prints("record 1, column `id`");
    fs::write(project.folder.join("sample.csv"), "id:long,name:string\n1,linus\n").unwrap();
    watch.wait_until_it_prints("LINUS");
    watch.signal("INT");
    watch.wait().expect_code(exit::SUCCESS);
}

#[test]
fn a_bench_says_what_a_row_costs() {
    let folder = tempfile::tempdir().unwrap();
    built_project(folder.path(), &guest(false));
    let bench = ["plugin", "bench", "upper", "--rows", "4096", "--batch-rows", "1024"];
    run(folder.path(), &bench).expect_code(exit::SUCCESS).expect_words(&[
        "ns a row",
        "the pipeline without it",
        "fuel a row",
    ]);
    let report = json(&run(folder.path(), &[&bench[..], &["--json"]].concat()));
    assert!(report["measured"]["fuel_per_row"].as_f64().unwrap() > 0.0);
    assert_eq!((&report["measured"]["batch_rows"], &report["reads"]), (&1024.into(), &serde_json::json!(["name"])));
    assert!(report["native"]["hmac_nanoseconds_per_row"].as_f64().is_some());
}

#[test]
fn an_inspection_says_what_a_component_is_and_why_it_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |arguments: &[&str]| run(folder.path(), &[&["plugin", "inspect"], arguments].concat());
    fs::write(folder.path().join("upper.wasm"), guest(false)).unwrap();
    inspect(&["upper.wasm"]).expect_code(exit::SUCCESS).expect_words(&[
        "usable     yes",
        "sha256",
        "contract   1.0.0",
        "sluice:transform/kernels@1.0.0",
    ]);
    inspect(&["upper.wasm", "--columns", "id long, name string, total decimal(12,2)", "--key", "id"])
        .expect_code(exit::SUCCESS)
        .expect_words(&["reads name", "id long, name string, total decimal(12,2)"]);
    inspect(&["upper.wasm", "--columns", "id long"]).expect_code(FAILED).expect_words(&["REFUSES", "name"]);
    fs::write(folder.path().join("core.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    inspect(&["core.wasm"]).expect_code(FAILED).expect_words(&["NO: ", "sluice plugin build"]);
    fs::write(folder.path().join("text.wasm"), "no wasm").unwrap();
    let report = json(inspect(&["text.wasm", "--json"]).expect_code(FAILED));
    assert_eq!(report["usable"], false);
    inspect(&["nowhere"]).expect_code(exit::CONFIGURATION).expect_words(&["no plugin"]);
}

#[test]
fn a_new_project_of_every_language_is_one_that_can_be_built() {
    let folder = tempfile::tempdir().unwrap();
    for language in Language::ALL {
        let name = format!("mask-{}", language.word());
        run(folder.path(), &["plugin", "new", &name, "--lang", language.word()])
            .expect_code(exit::SUCCESS)
            .expect_words(&["sluice plugin test --watch", "sluice plugin build", &format!("cd {name}")]);
        assert_eq!(Project::open(&folder.path().join(&name)).unwrap().language, language);
    }
    run(folder.path(), &["plugin", "new", "mask-c", "--lang", "c"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["not empty", "--dir"]);
    run(folder.path(), &["plugin", "new", "Mask", "--lang", "c"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["lower-case"]);
    run(folder.path(), &["plugin", "new", "mask", "--lang", "cobol"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["`cobol` is no language", "typescript"]);
}

#[test]
fn a_new_rust_project_is_built_tested_and_built_again_when_its_source_changes() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["plugin", "new", "mask", "--lang", "rust"]).expect_code(exit::SUCCESS);
    run(folder.path(), &["plugin", "test", "mask"])
        .expect_code(exit::SUCCESS)
        .expect_words(&["built just now", "passed"]);
    let again = run(folder.path(), &["plugin", "test", "mask"]);
    assert!(!again.expect_code(exit::SUCCESS).stdout.contains("built just now"));
    let build = json(run(folder.path(), &["plugin", "build", "mask", "--json"]).expect_code(exit::SUCCESS));
    assert_eq!(build["sha256"].as_str().unwrap().len(), 64);
    assert!(
        build["imports"].as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with("sluice:transform/"))
    );
    let source = folder.path().join("mask/src/lib.rs");
    fs::write(&source, "this is no Rust").unwrap();
    run(folder.path(), &["plugin", "test", "mask"]).expect_code(FAILED).expect_words(&["src/lib.rs:1"]);
}
