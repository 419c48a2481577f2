//! Components in the whole program: five tables side by side, of which some break every rule.

use std::fs;
use std::path::Path;

use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, exit, json};

use super::guest::{Promise, component, file};

/// Passes `email` on in lower case as `out`.
const HONEST: &str = "(call $one (call $lower (local.get $email)))";

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_in(folder, arguments)
}

fn deliver(folder: &Path, table: &str, name: &str, ids: std::ops::Range<u32>) {
    let folder = folder.join("dms/shop").join(table);
    fs::create_dir_all(&folder).unwrap();
    let op = if name.starts_with("LOAD") { "" } else { "I," };
    fs::write(folder.join(name), ids.map(|id| format!("{op}{id},Person{id}@X\n")).collect::<String>()).unwrap();
}

/// A configuration of tables, each with the keys of its component's step.
fn configure(folder: &Path, tables: &[(&str, Option<&str>)]) {
    let mut text = "source.location = 'dms'\nlake.warehouse = 'lake'\n[defaults]\nkey = ['id']\n\
                    columns = ['id long', 'email string']\ncsv = { header = false }\n\
                    retry = { max_attempts = 2, first_wait = '10ms' }\n"
        .to_owned();
    for (table, step) in tables {
        text += &format!("[tables.'shop.{table}']\n");
        if let Some(step) = step {
            text += &format!("transform = [{{ component = '{table}.wasm'{step} }}]\n");
        }
    }
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

fn rows(folder: &Path, namespace: &str, table: &str) -> usize {
    lake_files::read(&folder.join("lake/catalog.db"), namespace, &format!("shop_{table}")).rows.len()
}

#[test]
fn hostile_components_spoil_nothing_but_their_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let poison = "(if (call $has (local.get $id) (local.get $rows) (i64.const 777)) (then (unreachable)))";
    let hungry = "(if (call $has (local.get $id) (local.get $rows) (i64.const 5))
      (then (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)))";
    for (name, body) in [
        ("honest", HONEST.to_owned()),
        ("poison", format!("{poison} {HONEST}")),
        ("hungry", format!("{hungry} {HONEST}")),
        ("loops", "(loop $for (br $for)) (unreachable)".to_owned()),
        ("slow", "(loop $for (br $for)) (unreachable)".to_owned()),
    ] {
        file(folder, &format!("{name}.wasm"), &component(&Promise::default(), &body));
    }
    let slow = format!(", fuel_per_row = {}, deadline = '100ms'", i64::MAX / 100_000);
    let tables = [
        ("calm", None),
        ("honest", Some("")),
        ("poison", Some("")),
        ("hungry", Some(", memory = '8MiB'")),
        ("loops", Some(", fuel_per_row = 1000")),
        ("slow", Some(slow.as_str())),
    ];
    configure(folder, &tables);
    for (table, _) in &tables {
        deliver(folder, table, "LOAD00000001.csv", 0..1_000);
    }
    run(folder, &["run", "--once"]).expect_code(exit::PARTIAL).expect_words(&[
        "shop.loops",
        "max_failed_share",
        "used up its fuel",
        "shop.slow",
        "100 ms",
    ]);
    let silver: Vec<usize> = tables.iter().map(|(table, _)| rows(folder, "silver", table)).collect();
    assert_eq!(silver, [1_000, 1_000, 999, 999, 0, 0]);
    let letters = json(&run(folder, &["rejects", "shop.poison", "--json"]));
    assert_eq!(letters["count"], 1, "{letters}");
    assert!(letters.to_string().contains("trapped") && letters.to_string().contains("Person777@X"), "{letters}");

    // Mended, the tables that stood still go on with what they had not done, and the letter can be replayed.
    for name in ["loops", "slow", "poison"] {
        file(folder, &format!("{name}.wasm"), &component(&Promise::default(), HONEST));
    }
    run(folder, &["rejects", "shop.poison", "--replay"]).expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let silver: Vec<usize> = tables.iter().map(|(table, _)| rows(folder, "silver", table)).collect();
    assert_eq!(silver, [1_000, 1_000, 1_000, 999, 1_000, 1_000]);
}

#[test]
fn a_changed_component_changes_silvers_schema_and_every_snapshot_says_which_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, &[("honest", Some(""))]);
    deliver(folder, "honest", "LOAD00000001.csv", 0..10);
    file(folder, "honest.wasm", &component(&Promise::default(), HONEST));
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);

    let promise = Promise { writes: vec![("out", "string", true), ("more", "string", true)], ..Promise::default() };
    let both = "(i32.store (i32.const 1024) (call $lower (local.get $email)))
      (i32.store offset=4 (i32.const 1024) (local.get $email)) (call $answer (i32.const 1024) (i32.const 2))";
    let second = component(&promise, both);
    file(folder, "honest.wasm", &second);
    deliver(folder, "honest", "20260102-000000001.csv", 10..12);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["the transform has changed"]);

    let catalog = folder.join("lake/catalog.db");
    let silver = lake_files::read(&catalog, "silver", "shop_honest");
    let words = |row: Vec<Option<String>>| row.into_iter().map(|cell| cell.unwrap_or("-".into())).collect::<Vec<_>>();
    let found: Vec<String> =
        silver.select(&["id", "email", "out", "more"]).into_iter().map(|row| words(row).join(" ")).collect();
    assert!(found.contains(&"9 Person9@X person9@x -".to_owned()), "{found:?}");
    assert!(found.contains(&"11 Person11@X person11@x Person11@X".to_owned()), "{found:?}");
    let metadata = lake_files::metadata(&catalog, "silver", "shop_honest").unwrap();
    let mut snapshots: Vec<_> = metadata.snapshots().collect();
    snapshots.sort_by_key(|snapshot| snapshot.sequence_number());
    let digest = |snapshot: &iceberg::spec::SnapshotRef| {
        snapshot.summary().additional_properties.get("sluice.transform").cloned().expect("the digest is there")
    };
    let digests: Vec<String> = snapshots.into_iter().map(digest).collect();
    assert!(digests.len() >= 2 && digests.first() != digests.last(), "{digests:?}");
}
