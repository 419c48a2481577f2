//! The commands that an engineer looks, asks and repairs with, on the sample and on bad input.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, Running, exit, json};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    program().run_in(folder, arguments)
}

/// Rows of Silver of `shop.items` as (id, amount), sorted.
fn silver(folder: &Path) -> Vec<Vec<Option<String>>> {
    let rows = lake_files::read(&folder.join("lake/catalog.db"), "silver", "shop_items");
    let mut rows = rows.select(&["id", "amount"]);
    rows.sort();
    rows.into_iter().map(|row| row.into_iter().map(|value| value.map(|value| value.to_string())).collect()).collect()
}

const LOAD: &str = "Op,ts,id,amount\nI,2026-01-01 00:00:00.000001,1,10\nI,2026-01-01 00:00:00.000001,2,lots\n\
                    I,2026-01-01 00:00:00.000001,3,30\n";
const CHANGES: &str = "Op,ts,id,amount\nU,2026-01-02 00:00:00.000001,1,many\nU,2026-01-02 00:00:01.000001,1,12\n\
                       U,2026-01-02 00:00:02.000001,3,few\nD,2026-01-02 00:00:03.000001,4,\n";

fn configure(folder: &Path, amount: &str) {
    let text = format!(
        "source.location = 'dms'\nsource.timestamp_column = 'ts'\nlake.warehouse = 'lake'\n\
         [tables.'shop.items']\nkey = ['id']\ncolumns = ['id long', 'amount {amount}']\n"
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

fn deliver(folder: &Path, name: &str, text: &str) {
    let table = folder.join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    fs::write(table.join(name), text).unwrap();
}

/// A folder in which three of seven records have become dead letters.
fn with_dead_letters() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    deliver(folder.path(), "LOAD00000001.csv", LOAD);
    deliver(folder.path(), "20260102-000000001.csv", CHANGES);
    configure(folder.path(), "int");
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    folder
}

#[test]
fn dead_letters_are_counted_listed_and_shown_as_they_came() {
    let folder = with_dead_letters();
    let list = run(folder.path(), &["rejects", "shop.items"]);
    list.expect_code(exit::SUCCESS).expect_words(&["3 dead letters", "amount", "lots", "LOAD00000001.csv"]);
    let report = json(&run(folder.path(), &["rejects", "shop.items", "--json", "--limit", "1"]));
    assert_eq!((&report["count"], &report["letters"][0]["number"]), (&3.into(), &3.into()));
    let shown = run(folder.path(), &["rejects", "shop.items", "--show", "1"]);
    shown.expect_code(exit::SUCCESS).expect_words(&["I,2026-01-01 00:00:00.000001,2,lots"]);
    let raw = run(folder.path(), &["rejects", "shop.items", "--raw"]).stdout;
    assert_eq!(raw.lines().count(), 3);
    run(folder.path(), &["rejects", "shop.item"]).expect_code(exit::CONFIGURATION).expect_words(&["`shop.items`"]);
    run(folder.path(), &["rejects", "shop.items", "--show", "9"]).expect_code(exit::CONFIGURATION);
}

#[test]
fn what_a_replay_still_cannot_take_in_stays_and_says_why() {
    let folder = with_dead_letters();
    run(folder.path(), &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    // Not mended yet: everything stays, and the reason is said.
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    let report = json(&run(folder.path(), &["rejects", "shop.items", "--json"]));
    assert_eq!((&report["count"], &report["last_replay"]["remaining"]), (&3.into(), &3.into()));
}

#[test]
fn a_replayed_record_does_not_overwrite_a_newer_one_and_goes_in_once() {
    let folder = tempfile::tempdir().unwrap();
    // `NULL` of a key is a dead letter until it is no longer a word for NULL; the keys are texts here.
    deliver(folder.path(), "LOAD00000001.csv", "I,a,1\nI,NA,2\nI,b,3\n");
    deliver(folder.path(), "20260102-000000001.csv", "U,NA,5\nU,b,NA\nU,b,4\nU,NA,6\n");
    let configure = |null: &str| {
        let text = format!(
            "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.items']\nkey = ['id']\n\
             columns = ['id string', 'amount string']\ncsv = {{ null = ['{null}'], header = false }}\n"
        );
        fs::write(folder.path().join("sluice.toml"), text).unwrap();
    };
    configure("NA");
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    let letters = json(&run(folder.path(), &["rejects", "shop.items", "--json"]));
    assert_eq!(letters["count"], 3);
    configure("-");
    // Since the mend, a newer change of one of the keys has come in.
    deliver(folder.path(), "20260103-000000001.csv", "U,b,9\n");
    run(folder.path(), &["rejects", "shop.items", "--replay"])
        .expect_code(exit::SUCCESS)
        .expect_words(&["3 dead letters"]);
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["dead letters replayed: 3"]);
    let some = |text: &str| Some(text.to_owned());
    let expected = vec![vec![some("NA"), some("6")], vec![some("a"), some("1")], vec![some("b"), some("9")]];
    assert_eq!(silver(folder.path()), expected);
    let report = json(&run(folder.path(), &["rejects", "shop.items", "--json"]));
    assert_eq!((&report["count"], &report["last_replay"]["replayed"]), (&0.into(), &3.into()));
    // Asked again, there is nothing left, and nothing goes in twice.
    run(folder.path(), &["rejects", "shop.items", "--replay"]).expect_words(&["no such dead letters"]);
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    let bronze = lake_files::read(&folder.path().join("lake/catalog.db"), "bronze", "shop_items");
    assert_eq!(bronze.rows.len(), 8);
    // A second life of the index: what is read from the lake alone is the same.
    assert_eq!(silver(folder.path()), expected);
}

#[test]
fn a_running_process_carries_a_replay_out() {
    let folder = tempfile::tempdir().unwrap();
    deliver(folder.path(), "LOAD00000001.csv", "I,a,1\nI,NA,2\n");
    let text = "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.items']\nkey = ['id']\n\
                columns = ['id string', 'amount string']\ncsv = { null = ['NA'], header = false }\n";
    fs::write(folder.path().join("sluice.toml"), text).unwrap();
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    fs::write(folder.path().join("sluice.toml"), text.replace("'NA'", "'-'")).unwrap();
    let mut command = program().command(&["run"]);
    command.current_dir(folder.path());
    let logs = tempfile::tempdir().unwrap();
    let mut process = Running::start(command, logs.path());
    process.wait_until_it_says("the lane starts");
    let replay = run(folder.path(), &["rejects", "shop.items", "--replay", "--wait", "--json"]);
    let report = json(replay.expect_code(exit::SUCCESS));
    assert_eq!((&report["requested"], &report["outcome"]["replayed"]), (&1.into(), &1.into()));
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    assert_eq!(silver(folder.path()).len(), 2);
}

#[test]
fn a_file_below_the_floor_whose_arrival_changed_is_not_taken_in_twice() {
    let folder = tempfile::tempdir().unwrap();
    let header = "Op,ts,id,amount\n";
    for number in 0..80 {
        let text = format!("{header}I,2026-01-01 00:00:00.000001,{number},{number}\n");
        deliver(folder.path(), &format!("20260102-{number:09}.csv"), &text);
    }
    configure(folder.path(), "int");
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    // Written anew with the same content: it has arrived later than everything below the floor.
    let text = format!("{header}I,2026-01-01 00:00:00.000001,3,3\n");
    deliver(folder.path(), "20260102-000000003.csv", &text);
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["looks late"]);
    let bronze = lake_files::read(&folder.path().join("lake/catalog.db"), "bronze", "shop_items");
    assert_eq!(bronze.rows.len(), 80);
    assert_eq!(silver(folder.path()).len(), 80);
}

#[test]
fn a_change_sequence_that_steps_back_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let row = |id: u32, sequence: u32| format!("I,2026-01-01 00:00:00.000001,{id},{id},{sequence:035}\n");
    let header = "Op,ts,id,amount,AR_H_CHANGE_SEQ\n";
    let changes = format!("{header}{}{}{}", row(1, 5), row(2, 4), row(3, 6));
    deliver(folder.path(), "20260102-000000000.csv", &changes);
    configure(folder.path(), "int");
    let told = run(folder.path(), &["run", "--once"]);
    told.expect_code(exit::SUCCESS).expect_words(&["change sequence steps back", "\"record\":2"]);
    assert_eq!(silver(folder.path()).len(), 3, "the order of rows decides");
}

#[test]
fn a_touched_file_of_many_commits_is_not_taken_in_twice() {
    const ROWS: usize = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let row = |id: usize| format!("I,2026-01-01 00:00:00.000001,{id},{id}\n");
    let large: String = std::iter::once("Op,ts,id,amount\n".to_owned()).chain((1_000..1_000 + ROWS).map(row)).collect();
    deliver(folder.path(), "20260102-000000000.csv", &large);
    for number in 1..80 {
        deliver(folder.path(), &format!("20260102-{number:09}.csv"), &format!("Op,ts,id,amount\n{}", row(number)));
    }
    configure(folder.path(), "int");
    let settings = fs::read_to_string(folder.path().join("sluice.toml")).unwrap();
    // Batches of half a mebibyte, each a commit of its own.
    let small = "process.memory = '16MiB'\ndefaults.batch.max_rows = 1000\n";
    fs::write(folder.path().join("sluice.toml"), format!("{small}{settings}")).unwrap();
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    deliver(folder.path(), "20260102-000000000.csv", &large);
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["looks late"]);
    let bronze = lake_files::read(&folder.path().join("lake/catalog.db"), "bronze", "shop_items");
    assert_eq!(bronze.rows.len(), ROWS + 79);
}

#[test]
fn the_history_of_a_key_shows_its_changes_its_row_and_where_its_key_went() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["demo"]).expect_code(exit::SUCCESS);
    let demo = folder.path().join("sluice-demo");
    let moved = json(&run(&demo, &["history", "shop.customers", "1004", "--json"]));
    assert_eq!(moved["silver"], Value::Null);
    let changes = moved["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["moves_away"] == true), "{moved}");
    let now = json(&run(&demo, &["history", "shop.customers", "id=2004", "--json"]));
    assert_eq!(now["silver"]["id"], 2004);
    run(&demo, &["history", "shop.customers", "1010"]).expect_code(exit::SUCCESS).expect_words(&["Its row in Silver"]);
    run(&demo, &["history", "shop.customers", "x"]).expect_code(exit::CONFIGURATION).expect_words(&["`x` is no long"]);
    run(&demo, &["history", "shop.order_items", "1"]).expect_code(exit::CONFIGURATION).expect_words(&["2 values"]);
}

#[test]
fn status_and_files_answer_in_words_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["demo"]).expect_code(exit::SUCCESS);
    let demo = folder.path().join("sluice-demo");
    let status = json(&run(&demo, &["status", "--json"]));
    assert_eq!(status["process"]["alive"], false);
    assert!(status["tables"].as_array().unwrap().iter().all(|table| table["state"] == "caught-up"), "{status}");
    run(&demo, &["status"]).expect_code(exit::SUCCESS).expect_words(&["shop.orders", "caught up"]);
    let files = json(run(&demo, &["files", "shop.orders", "--rows", "--json"]).expect_code(exit::SUCCESS));
    assert_eq!(files["table"], "shop.orders");
    run(&demo, &["files", "shop.orders", "--fate", "nonsense"]).expect_code(exit::CONFIGURATION);
}

#[test]
fn a_quarantine_and_its_reason_are_seen_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    deliver(folder.path(), "LOAD00000001.csv", "I,1,x\n");
    let text = "source.location = 'dms'\nlake.warehouse = 'lake'\n\
                tables.'shop.items' = { key = ['id'], retry = { max_attempts = 1 } }\n";
    fs::write(folder.path().join("sluice.toml"), text).unwrap();
    run(folder.path(), &["run", "--once"]).expect_code(exit::ALL_FAILED);
    let status = json(&run(folder.path(), &["status", "--json"]));
    assert_eq!(status["tables"][0]["state"], "quarantined");
    assert!(status["tables"][0]["reason"].as_str().unwrap().contains("columns"), "{status}");
}

#[test]
fn discover_writes_a_configuration_that_checks_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["demo"]).expect_code(exit::SUCCESS);
    let fresh = tempfile::tempdir().unwrap();
    let dms = folder.path().join("sluice-demo/dms");
    let dms = dms.to_str().unwrap();
    let out = run(fresh.path(), &["discover", dms, "--out", "sluice.toml"]);
    out.expect_code(exit::SUCCESS).expect_words(&["4 tables found", "sluice check"]);
    let text = fs::read_to_string(fresh.path().join("sluice.toml")).unwrap();
    for words in ["[tables.\"shop.orders\"]", "key = [\"id\"]", "before_image_prefix = \"BI_\"", "commit_ts"] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    run(fresh.path(), &["check"]).expect_code(exit::SUCCESS);
    run(fresh.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    run(fresh.path(), &["discover", dms, "--out", "sluice.toml"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["is there already", "--force"]);
    let found = json(run(fresh.path(), &["discover", dms, "--json"]).expect_code(exit::SUCCESS));
    assert_eq!(found["tables"].as_array().unwrap().len(), 4);
    run(fresh.path(), &["discover", "nowhere"]).expect_code(1);
}

#[test]
fn check_tells_of_rejects_and_of_a_key_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    deliver(
        folder.path(),
        "LOAD00000001.csv",
        "Op,ts,id,amount\nI,2026-01-01 00:00:00.000001,1,10\n\
        I,2026-01-01 00:00:00.000001,1,lots\nI,2026-01-01 00:00:00.000001,1,11\n",
    );
    configure(folder.path(), "int");
    let check = run(folder.path(), &["check"]);
    check.expect_code(exit::SUCCESS).expect_words(&["1 of 3 sampled records", "`lots`", "its `key` is not unique"]);
    let report = json(&run(folder.path(), &["check", "--json"]));
    assert_eq!(report["tables"][0]["sampled_rejects"], 1);
}
