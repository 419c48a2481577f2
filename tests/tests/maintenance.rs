//! Upkeep of the lake tables by the real program: by hand, beforehand as a dry run, and by a run itself.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, Running, exit, json};

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_in(folder, arguments)
}

fn configure(folder: &Path, maintenance: &str) {
    let text = format!(
        "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.items']\nkey = ['id']\n\
         columns = ['id long', 'name string']\ncsv = {{ header = false }}\n{maintenance}\n"
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

/// Takes in a load of 200 rows, then twelve files that each change twenty of them and take one away, each in a run.
fn take_in(folder: &Path) {
    let table = folder.join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    let load: String = (0..200).map(|id| format!("{id},first\n")).collect();
    fs::write(table.join("LOAD00000001.csv"), load).unwrap();
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    for file in 0..12 {
        let mut text: String = (0..20).map(|n| format!("U,{},of file {file}\n", (file * 7 + n) % 150)).collect();
        text += &format!("D,{},\n", 180 + file);
        fs::write(table.join(format!("20260102-0000000{file:02}.csv")), text).unwrap();
        run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    }
}

struct Shape {
    files: usize,
    snapshots: usize,
    rows: Vec<Vec<Option<String>>>,
}

fn shape(folder: &Path, namespace: &str) -> Shape {
    let catalog = folder.join("lake/catalog.db");
    let metadata = lake_files::metadata(&catalog, namespace, "shop_items").unwrap();
    let files = lake_files::live_files(&metadata, &lake_files::load_local).0.len();
    let rows = lake_files::read(&catalog, namespace, "shop_items").select(&["id", "name"]);
    Shape { files, snapshots: metadata.snapshots().len(), rows }
}

#[test]
fn by_hand_files_are_put_together_and_snapshots_expire_after_a_dry_run_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "maintenance = { compact = false, expire = false }");
    take_in(folder);
    let before = shape(folder, "silver");
    assert!(before.files >= 12 && before.snapshots >= 12, "{} files", before.files);

    configure(folder, "maintenance = { max_snapshot_age = '0s', min_snapshots = 1, reader_time = '0s' }");
    let dry = json(&run(folder, &["maintain", "shop.items", "--dry-run", "--json"]));
    let silver = &dry["tables"][0]["lake_tables"][0];
    assert_eq!((&dry["dry_run"], &silver["table"]), (&true.into(), &"silver.shop_items".into()), "{dry}");
    assert!(silver["rewrites"].as_u64() >= Some(1) && silver["expired_snapshots"].as_u64() >= Some(10), "{dry}");
    let untouched = shape(folder, "silver");
    assert_eq!((untouched.files, untouched.snapshots), (before.files, before.snapshots), "a dry run changes nothing");

    let done = json(&run(folder, &["maintain", "--json"]));
    assert_eq!(done["tables"][0]["error"], Value::Null, "{done}");
    let after = shape(folder, "silver");
    assert!(after.files <= 2 && after.snapshots <= 2, "{} files, {} snapshots", after.files, after.snapshots);
    assert_eq!(after.rows, before.rows);
    let log = shape(folder, "bronze");
    assert!(log.files <= 2, "{} files of the log", log.files);
    assert_eq!(log.rows.len(), 200 + 12 * 21);
    // What nothing needs any more is gone from the folder.
    let left = fs::read_dir(folder.join("lake/silver/shop_items/data")).unwrap().count();
    assert!(left <= 4, "{left} files are left");

    // The stream goes on from there, and Silver is what Bronze comes to.
    fs::write(folder.join("dms/shop/items/20260103-000000000.csv"), "U,3,last\nD,4,\nI,500,new\n").unwrap();
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let rows = shape(folder, "silver").rows;
    assert_eq!(rows.len(), 188);
    assert!(rows.contains(&vec![Some("3".to_owned()), Some("last".to_owned())]));
    run(folder, &["verify", "shop.items", "--full"]).expect_code(exit::SUCCESS);
}

#[test]
fn a_run_looks_after_its_tables_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "");
    take_in(folder);
    for namespace in ["silver", "bronze"] {
        let files = shape(folder, namespace).files;
        assert!(files <= 8, "{files} files in {namespace}");
    }
    run(folder, &["verify", "shop.items", "--full"]).expect_code(exit::SUCCESS);
}

#[test]
fn by_hand_beside_a_stream_both_go_on_and_nothing_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "");
    fs::rename(folder.join("sluice.toml"), folder.join("by_hand.toml")).unwrap();
    configure(folder, "maintenance = { compact = false }");
    take_in(folder);
    let mut command = Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).command(&["run"]);
    command.current_dir(folder);
    let stream = Running::start(command, folder);
    let mut rewrites = 0;
    for file in 0..24 {
        let text: String = (0..20).map(|n| format!("U,{},again of {file}\n", (file * 11 + n) % 150)).collect();
        fs::write(folder.join(format!("dms/shop/items/20260104-0000000{file:02}.csv")), text).unwrap();
        if file % 4 == 0 {
            let done = json(&run(folder, &["maintain", "--config", "by_hand.toml", "--json"]));
            assert_eq!(done["tables"][0]["error"], Value::Null, "{done}");
            rewrites += done["tables"][0]["lake_tables"][0]["rewrites"].as_u64().unwrap();
        }
    }
    assert!(rewrites >= 1, "the stream must not have the better of every rewrite");
    stream.terminate();
    stream.wait().expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    run(folder, &["verify", "shop.items", "--full"]).expect_code(exit::SUCCESS);
    let log = shape(folder, "bronze").rows.len();
    assert_eq!(log, 200 + 12 * 21 + 24 * 20);
}

#[test]
fn settings_that_cannot_be_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (keys, words) in [
        ("{ orphan_age = '5m' }", "`maintenance.orphan_age` must be at least \"1h\""),
        ("{ min_snapshots = 0 }", "`maintenance.min_snapshots` must be at least 1"),
        ("{ deleted_share = 0 }", "`maintenance.deleted_share` must be above 0"),
        ("{ target_file_size = '1KiB' }", "`maintenance.target_file_size` must be at least"),
        ("{ compactt = true }", "did you mean `compact`?"),
    ] {
        configure(folder, &format!("maintenance = {keys}"));
        run(folder, &["run", "--once"]).expect_code(exit::CONFIGURATION).expect_words(&["sluice.toml:7:", words]);
    }
}
