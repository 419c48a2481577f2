//! `sluice verify`: a healthy table is equal whatever it went through, and damage done to Silver from outside is named.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sluice_change::Checkpoint;
use sluice_lake::{
    FileId, FormatVersion, Lake, LakeSettings, LakeTable, Outcome, Role, ScanFilter, SqliteCatalog, TableChange,
};
use sluice_pipeline::{Scope, Verdict, VerifySettings};
use sluice_platform::{CpuPool, LocalStorage, SystemClock, SystemEntropy};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{Finished, Program, Running, exit};
use sluice_tests::simulation::{INDEX_BYTES, Setup, Weather, World};
use sluice_tests::spec::TableSpec;

#[path = "transforms/steps.rs"]
mod steps;

/// Random tables that go through each scenario; more are asked for with `SLUICE_CASES`.
const CASES: u64 = 60;
/// Where they begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_261_128;

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let start = number("SLUICE_SEED").unwrap_or(SEED);
    start..start + number("SLUICE_CASES").unwrap_or(CASES)
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_in(folder, arguments)
}

fn deliver(folder: &Path, name: &str, text: &str) {
    let table = folder.join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    fs::write(table.join(name), text).unwrap();
}

fn configure(folder: &Path, more: &str) {
    let text = format!(
        "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.items']\nkey = ['id']\n\
         columns = ['id long', 'name string', 'amount decimal(9,2)']\nbefore_image_prefix = 'BI_'\n{more}"
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

/// The report of the only table, which must end with this code.
#[track_caller]
fn verify(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let all: Vec<&str> = ["verify", "shop.items", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    let finished = run(folder, &all);
    finished.expect_code(code);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{}", finished.stdout));
    report["tables"][0].clone()
}

#[track_caller]
fn assert_equal(folder: &Path) -> Value {
    for sample in ["1%", "30%", "100%"] {
        verify(folder, &["--sample", sample], exit::SUCCESS);
    }
    let report = verify(folder, &["--full"], exit::SUCCESS);
    assert_eq!(report["verdict"], "equal");
    report
}

/// A table with a load, updates, deletes, a changed key and a late file.
fn healthy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut load = String::from("id,name,amount\n");
    for id in 0..500 {
        writeln!(load, "{id},name {id},{id}.50").unwrap();
    }
    deliver(folder.path(), "LOAD00000001.csv", &load);
    configure(folder.path(), "");
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    let mut changes = String::from("Op,id,name,amount,BI_id\n");
    for id in 0..100 {
        writeln!(changes, "U,{id},changed,{id}.75,").unwrap();
    }
    changes.push_str("D,7,,,\nD,8,,,\nI,8,again,1.00,\nU,1009,moved,9.00,9\nD,3000,,,\n");
    deliver(folder.path(), "20260103-000000001.csv", &changes);
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    deliver(
        folder.path(),
        "20260102-000000001.csv",
        "Op,id,name,amount\nU,5,late,1.00\nU,400,late,2.00\nI,2000,late,3.00\n",
    );
    run(folder.path(), &["run", "--once"]).expect_code(exit::SUCCESS);
    folder
}

/// What is done to one row of Silver.
enum Damage {
    Doubled,
    Gone,
    Changed,
    Added,
}

/// Silver of `shop.items`, for a writer that knows nothing of lanes.
async fn silver(folder: &Path) -> LakeTable {
    let folder = folder.canonicalize().unwrap();
    let lake = Lake::new(
        Arc::new(LocalStorage),
        Arc::new(SqliteCatalog::open(&folder.join("lake/catalog.db"), "sluice").unwrap()),
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        CpuPool::new(1).unwrap(),
        &format!("file://{}/lake", folder.display()),
        LakeSettings::default(),
    );
    lake.open(&"silver.shop_items".parse().unwrap(), Role::Silver).await.unwrap().unwrap()
}

/// Does something to the row of a key. Returns the data files that the table has had before.
fn damage(folder: &Path, id: i64, how: Damage) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut table = silver(folder).await;
        let files = table.live_files().map(|file| file.path.to_string()).collect();
        let (file, position, row) = find(&table, id).await;
        let mut deletes = HashMap::new();
        if matches!(how, Damage::Gone | Damage::Changed) {
            deletes.insert(file, [position].into_iter().collect());
        }
        let replaced = |name: &str, with: ArrayRef| {
            let place = row.schema().index_of(name).unwrap();
            let mut columns = row.columns().to_vec();
            columns[place] = with;
            RecordBatch::try_new(row.schema(), columns).unwrap()
        };
        let rows = match how {
            Damage::Doubled => vec![row],
            Damage::Gone => Vec::new(),
            Damage::Changed => vec![replaced("name", Arc::new(StringArray::from(vec!["damaged"])))],
            Damage::Added => vec![replaced("id", Arc::new(arrow_array::Int64Array::from(vec![777_777])))],
        };
        let stored = table.checkpoint().unwrap().unwrap();
        let checkpoint = Checkpoint { commit_id: format!("damage {id}"), ..stored.clone() };
        let files_written = if rows.is_empty() { Vec::new() } else { table.write(rows).await.unwrap() };
        let change =
            TableChange { files: files_written, deletes, checkpoint, expected: Some(stored), ..TableChange::default() };
        assert!(matches!(table.commit(change).await.unwrap(), Outcome::Landed { .. }));
        files
    })
}

async fn find(table: &LakeTable, id: i64) -> (FileId, u32, RecordBatch) {
    let mut scan = table.scan(&[], ScanFilter::All, 1_000).await.unwrap();
    while let Some(found) = scan.next().await.unwrap() {
        let ids = found.batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
        let is_live = |row: usize| found.live.as_ref().is_none_or(|live| live.value(row));
        if let Some(row) = (0..ids.len()).find(|row| ids.value(*row) == id && is_live(*row)) {
            return (found.file, (found.first_position + row as u64) as u32, found.batch.slice(row, 1));
        }
    }
    panic!("Silver has no row of {id}");
}

#[test]
fn a_healthy_table_is_equal_after_everything_that_a_table_goes_through() {
    let folder = healthy();
    let folder = folder.path();
    let report = assert_equal(folder);
    assert_eq!((&report["silver_rows"], &report["rows_checked"]), (&500.into(), &500.into()), "{report}");
    assert_eq!((&report["bronze_rows"], &report["next_sequence"]), (&608.into(), &608.into()));
    assert_eq!(report["keys_checked"], 503);
    // Loaded anew: what was there is gone, and a late change of the old load touches nothing.
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,one,1.00\n2,two,2.00\n3,three,3.00\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let report = assert_equal(folder);
    assert_eq!((&report["silver_rows"], &report["keys_checked"]), (&3.into(), &3.into()), "{report}");
    deliver(folder, "20260102-000000002.csv", "Op,id,name,amount\nU,1,late,1.00\nI,70,late,2.00\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_equal(folder);
}

#[test]
fn a_table_is_equal_while_a_process_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,one,1.00\n");
    configure(folder, "batch = { max_rows = 50 }\n");
    let text = fs::read_to_string(folder.join("sluice.toml")).unwrap();
    fs::write(folder.join("sluice.toml"), format!("process.poll_interval = '5ms'\n{text}")).unwrap();
    let mut command = Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).command(&["run"]);
    command.current_dir(folder);
    let logs = tempfile::tempdir().unwrap();
    let mut process = Running::start(command, logs.path());
    process.wait_until("the load is there", || folder.join("lake/catalog.db").exists());
    process.wait_until_it_says("the lane starts");
    for number in 0..10 {
        let mut changes = String::from("Op,id,name,amount\n");
        for change in 0..200 {
            writeln!(changes, "U,{},n{number},{change}.00", (change * 7 + number) % 90).unwrap();
        }
        deliver(folder, &format!("20260102-{number:09}.csv"), &changes);
        let report = run(folder, &["verify", "shop.items", "--full", "--json"]);
        report.expect_code(exit::SUCCESS);
    }
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    assert_equal(folder);
}

#[test]
fn damage_is_named_with_the_key_its_rows_and_its_history() {
    let folder = healthy();
    let folder = folder.path();
    damage(folder, 42, Damage::Changed);
    let report = verify(folder, &["--full"], exit::PARTIAL);
    assert_eq!((&report["verdict"], &report["differences"]["different"]), (&"different".into(), &1.into()));
    let first = &report["first"][0];
    assert_eq!((&first["kind"], &first["key"]["id"]), (&"different".into(), &42.into()));
    assert_eq!(first["columns"], serde_json::json!(["name"]));
    assert_eq!(
        (&first["expected"]["name"], &first["silver"][0]["row"]["name"]),
        (&"changed".into(), &"damaged".into())
    );
    let ops: Vec<&str> =
        first["changes"].as_array().unwrap().iter().map(|change| change["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["L", "U"]);

    damage(folder, 43, Damage::Gone);
    damage(folder, 44, Damage::Added);
    let report = verify(folder, &["--full"], exit::PARTIAL);
    let counts = &report["differences"];
    assert_eq!((&counts["missing"], &counts["unexpected"], &counts["different"]), (&1.into(), &1.into(), &1.into()));
    let kinds: Vec<(&str, i64)> = report["first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|first| (first["kind"].as_str().unwrap(), first["key"]["id"].as_i64().unwrap()))
        .collect();
    assert_eq!(kinds, [("different", 42), ("missing", 43), ("unexpected", 777_777)]);
    let words = run(folder, &["verify", "shop.items", "--full", "--limit", "1"]);
    words.expect_code(exit::PARTIAL).expect_words(&[
        "NOT equal: 1 key missing, 1 key unexpected, 1 key different",
        "id = 42: Silver's row differs in name",
        "name *",
        "Its changes in Bronze",
        "LOAD00000001.csv",
    ]);
    assert!(!words.stdout.contains("id = 43"));
}

#[test]
fn a_duplicate_key_is_found_whatever_the_sample() {
    let folder = healthy();
    let folder = folder.path();
    let files = damage(folder, 450, Damage::Doubled);
    for arguments in [&["--full"][..], &["--sample", "0.0001%"], &["--sample", "10%", "--memory", "1KiB"]] {
        let report = verify(folder, arguments, exit::PARTIAL);
        assert_eq!(report["differences"]["duplicate"], 1, "{report}");
        let first = &report["first"][0];
        assert_eq!((&first["kind"], &first["key"]["id"]), (&"duplicate".into(), &450.into()));
        let places: Vec<&str> =
            first["silver"].as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap()).collect();
        assert_eq!(places.len(), 2);
        assert_eq!(places.iter().filter(|file| files.iter().any(|known| known == *file)).count(), 1, "{places:?}");
        assert_eq!(first["expected"]["name"], "name 450");
    }
    // Another table is not to blame, and a sample that does not hold a damaged row does not know of it.
    damage(folder, 451, Damage::Gone);
    let report = verify(folder, &["--sample", "0.0001%"], exit::PARTIAL);
    assert_eq!(report["differences"]["missing"], 0);
}

#[test]
fn rows_that_do_not_fit_into_memory_are_spilled_and_found_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut load = String::from("id,name,amount\n");
    for id in 0..30_000 {
        writeln!(load, "{id},name {id} {},{id}.50", "x".repeat(id % 40)).unwrap();
    }
    deliver(folder, "LOAD00000001.csv", &load);
    let mut changes = String::from("Op,id,name,amount\n");
    for id in (0..30_000).step_by(3) {
        writeln!(changes, "U,{id},changed {id},1.00").unwrap();
    }
    // One key with more changes than fit into memory.
    for change in 0..8_000 {
        writeln!(changes, "U,17,changed {change},1.00").unwrap();
    }
    deliver(folder, "20260102-000000001.csv", &changes);
    configure(folder, "");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let spill = tempfile::tempdir().unwrap();
    let small = ["--full", "--memory", "256KiB", "--spill", spill.path().to_str().unwrap()];
    let report = verify(folder, &small, exit::SUCCESS);
    assert!(report["spilled_bytes"].as_u64().unwrap() > 5_000_000, "{report}");
    assert_eq!((&report["keys_checked"], &report["changes_checked"]), (&30_000.into(), &48_000.into()));
    assert_eq!(fs::read_dir(spill.path()).unwrap().count(), 0);
    let whole = verify(folder, &["--full", "--memory", "1GiB"], exit::SUCCESS);
    assert_eq!(whole["spilled_bytes"], 0);
    damage(folder, 29_999, Damage::Gone);
    damage(folder, 12, Damage::Changed);
    damage(folder, 500, Damage::Doubled);
    let report = verify(folder, &small, exit::PARTIAL);
    let kinds: Vec<(&str, i64)> = report["first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|first| (first["kind"].as_str().unwrap(), first["key"]["id"].as_i64().unwrap()))
        .collect();
    assert_eq!(kinds, [("different", 12), ("duplicate", 500), ("missing", 29_999)]);
    let gone = run(folder, &["verify", "shop.items", "--full", "--memory", "64KiB", "--spill", "/nowhere"]);
    gone.expect_code(exit::ALL_FAILED).expect_words(&["/nowhere", "give a folder with more room"]);
}

#[test]
fn rows_that_a_transform_shapes_rejects_or_drops_are_as_they_have_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,a,10.00\n2,b,20.00\n3,c,30.00\n4,drop,1.00\n5,e,5.00\n");
    deliver(
        folder,
        "20260102-000000001.csv",
        "Op,id,name,amount,BI_id\nU,1,a2,1000.00,\nU,3,drop,3.00,\nU,9,e,5.50,5\n",
    );
    let hash = "silver_key = ['id']\ntransform = [{ filter = \"name != 'drop'\" }, { cast = { amount = 'decimal(4,2)' } }, \
                { hash = { columns = ['id'], key = '${SECRET:-shh}' } }]\n";
    configure(folder, hash);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let report = assert_equal(folder);
    assert_eq!((&report["silver_rows"], &report["rejected"]), (&3.into(), &1.into()), "{report}");
    run(folder, &["verify", "shop.items", "--full"]).expect_words(&["1 changes are rejected by the transform"]);
    // Another transform: what is there may differ and be right.
    configure(folder, &hash.replace("shh", "pst"));
    let refused = run(folder, &["verify", "shop.items", "--full"]);
    refused.expect_code(exit::CONFIGURATION).expect_words(&["the transform of shop.items has changed", "--anyway"]);
    let report = verify(folder, &["--full", "--anyway"], exit::PARTIAL);
    assert_eq!((&report["differences"]["missing"], &report["differences"]["unexpected"]), (&3.into(), &3.into()));
    assert_eq!(report["other_transform"], true);
    // The history of a key that only the transform knows.
    let changes = report["first"].as_array().unwrap().iter().map(|first| first["changes"].as_array().unwrap().len());
    assert!(changes.sum::<usize>() > 2, "{report}");
}

#[test]
fn values_that_were_not_sent_are_those_of_the_row_before_even_under_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,a,10.00\n2,b,20.00\n3,c,30.00\n");
    configure(folder, "csv.not_sent = 'NOSUP'\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let changes = "Op,id,name,amount,BI_id\nU,1,NOSUP,11.00,\nU,12,NOSUP,NOSUP,2\nU,13,x,NOSUP,12\nU,9,NOSUP,1.00,\n";
    deliver(folder, "20260103-000000001.csv", changes);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let report = assert_equal(folder);
    assert_eq!(report["cells_unknown"], 0, "{report}");
    damage(folder, 13, Damage::Changed);
    assert_eq!(verify(folder, &["--full"], exit::PARTIAL)["first"][0]["key"]["id"], 13);
    // What is sent late cannot be given to the newer row any more, and nobody can know what it was.
    deliver(folder, "20260102-000000001.csv", "Op,id,name,amount\nU,1,late,0.00\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let report = verify(folder, &["--full"], exit::PARTIAL);
    assert_eq!((&report["cells_unknown"], &report["differences"]["different"]), (&1.into(), &1.into()), "{report}");
}

#[test]
fn what_cannot_be_verified_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "[tables.'shop.log']\ncolumns = ['line string']\n");
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,a,10.00\n");
    let log = folder.join("dms/shop/log");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("LOAD00000001.csv"), "line\nx\n").unwrap();
    run(folder, &["verify", "shop.items"]).expect_code(exit::CONFIGURATION).expect_words(&["run `sluice run` first"]);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let words = run(folder, &["verify", "--all", "--full"]);
    words.expect_code(exit::SUCCESS).expect_words(&["shop.items: equal", "shop.log: it has no `key`"]);
    run(folder, &["verify", "shop.item"])
        .expect_code(exit::CONFIGURATION)
        .expect_words(&["did you mean `shop.items`?"]);
    run(folder, &["verify"]).expect_code(exit::CONFIGURATION);
    run(folder, &["verify", "shop.items", "--sample", "0%"]).expect_code(exit::CONFIGURATION);
}

#[test]
fn it_goes_on_round_after_round_until_it_is_stopped() {
    let folder = healthy();
    let folder = folder.path();
    let mut command = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
        .command(&["verify", "--all", "--watch", "1ms", "--sample", "40%", "--json"]);
    command.current_dir(folder);
    let mut process = Running::start(command, folder);
    process.wait_until_it_prints("\"turn\":4");
    process.terminate();
    let finished = process.wait();
    finished.expect_code(exit::SUCCESS);
    let checked: Vec<u64> = finished
        .stdout
        .lines()
        .take(4)
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["keys_checked"].as_u64().unwrap())
        .collect();
    assert!(checked.iter().all(|keys| (100..300).contains(keys)), "{checked:?}");
    // Three turns of 40 % see every key.
    assert!(checked[..3].iter().sum::<u64>() >= 503, "{checked:?}");
}

/// Changes of a few keys in files: some values are not sent, some keys change.
fn unsent_files(rng: &mut StdRng) -> Vec<(String, String)> {
    let files = 1..=6;
    let file = |number: i32| {
        let mut text = String::from("Op,id,name,amount,BI_id\n");
        for _ in 0..rng.random_range(1..10) {
            let id = rng.random_range(1..6);
            if rng.random_bool(0.15) {
                writeln!(text, "D,{id},,,").unwrap();
                continue;
            }
            let before = if rng.random_bool(0.25) { rng.random_range(1..6).to_string() } else { String::new() };
            let mut cell =
                || if rng.random_bool(0.5) { "NOSUP".to_owned() } else { rng.random_range(0..99).to_string() };
            writeln!(text, "U,{id},{},{},{before}", cell(), cell()).unwrap();
        }
        (format!("20260102-{number:09}.csv"), text)
    };
    files.map(file).collect()
}

#[test]
fn random_changes_with_values_that_were_not_sent_are_equal_in_whatever_order_their_files_come() {
    let mut unknown = 0;
    for seed in 0..16 {
        let mut rng = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        configure(folder, "csv.not_sent = 'NOSUP'\n");
        let mut files = unsent_files(&mut rng);
        let is_in_order = seed % 2 == 0;
        if !is_in_order {
            files.shuffle(&mut rng);
        }
        for (number, (name, text)) in files.iter().enumerate() {
            deliver(folder, name, text);
            if number % 2 == 1 {
                run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
            }
        }
        for scope in [&["--full"][..], &["--sample", "30%", "--seed", "3"]] {
            let report = verify(folder, scope, exit::SUCCESS);
            if is_in_order {
                assert_eq!(report["cells_unknown"], 0, "{report}");
            }
            unknown += report["cells_unknown"].as_u64().unwrap();
        }
    }
    eprintln!("{unknown} cells could not be known");
}

#[test]
fn replayed_dead_letters_are_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "id,name,amount\n1,a,10.00\n2,b,many\n3,c,30.00\n");
    deliver(folder, "20260102-000000001.csv", "Op,id,name,amount\nU,1,x,few\nU,1,y,12.00\nU,3,z,few\n");
    configure(folder, "");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_equal(folder);
    let text = fs::read_to_string(folder.join("sluice.toml")).unwrap();
    fs::write(folder.join("sluice.toml"), format!("{text}csv.null = ['many', 'few']\n")).unwrap();
    run(folder, &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["dead letters replayed: 3"]);
    let report = assert_equal(folder);
    assert_eq!((&report["bronze_rows"], &report["silver_rows"]), (&6.into(), &3.into()), "{report}");
}

#[test]
fn random_tables_with_random_steps_are_equal_at_every_moment_of_their_lives() {
    for seed in seeds() {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut spec = TableSpec::random(&mut rng, "s.t", true);
        spec.layout.change_sequence = None;
        let changes_key = rng.random();
        let steps = steps::random(&mut rng, &spec, changes_key);
        let setup = Setup {
            format_version: FormatVersion::V3,
            silver_partition: Vec::new(),
            max_rows: rng.random_range(1..60),
            batch_rows: rng.random_range(1..40),
            upkeep: rng.random(),
            index_bytes: INDEX_BYTES[rng.random_range(0..2)],
        };
        let world = World::new(&spec, &setup).with_transform(steps);
        let history = History::generate(&spec, &Shape::small(&mut rng), rng.random());
        let mut files = history.files.clone();
        if rng.random_bool(0.5) {
            files.shuffle(&mut rng);
        }
        for file in &files {
            world.deliver(file);
            if rng.random_bool(0.6) {
                let crash_at = rng.random_bool(0.7).then(|| rng.random_range(1..90));
                world.run(&Weather { crash_at, seed: rng.random(), ..Weather::fair() });
                let report = world.verify(&settings(Scope::Full, 1 << 26));
                assert_ne!(report.verdict, Verdict::Different, "seed {seed}: {report:?}");
            }
        }
        world.finish();
        let report = world.verify(&settings(Scope::Full, 1 << 26));
        assert_ne!(report.verdict, Verdict::Different, "seed {seed}: {report:?}");
    }
}

fn settings(scope: Scope, memory_bytes: usize) -> VerifySettings {
    let folder = std::env::temp_dir();
    VerifySettings { scope, seed: 1, memory_bytes, folder, shown: 3, anyway: false }
}

#[test]
fn random_tables_are_equal_at_every_moment_of_their_lives() {
    let mut open = 0;
    for seed in seeds() {
        let mut rng = StdRng::seed_from_u64(seed);
        let spec = TableSpec::random(&mut rng, "s.t", true);
        let setup = Setup {
            format_version: if rng.random() { FormatVersion::V2 } else { FormatVersion::V3 },
            silver_partition: Vec::new(),
            max_rows: rng.random_range(1..60),
            batch_rows: rng.random_range(1..40),
            upkeep: rng.random(),
            index_bytes: INDEX_BYTES[rng.random_range(0..2)],
        };
        let world = World::new(&spec, &setup);
        let history = History::generate(&spec, &Shape::small(&mut rng), rng.random());
        let mut files = history.files.clone();
        if rng.random_bool(0.5) {
            files.shuffle(&mut rng);
        }
        for file in &files {
            world.deliver(file);
            if rng.random_bool(0.6) {
                let crash_at = rng.random_bool(0.7).then(|| rng.random_range(1..90));
                world.run(&Weather { crash_at, seed: rng.random(), ..Weather::fair() });
                let memory = if rng.random() { 1 << 26 } else { 4_096 };
                let report = world.verify(&settings(Scope::Full, memory));
                assert_ne!(report.verdict, Verdict::Different, "seed {seed}: {report:?}");
                open += report.keys_open;
            }
        }
        world.finish();
        world.assert_exact(&history);
        for turn in 0..3 {
            let report = world.verify(&settings(Scope::Sample { share: 0.4, turn }, 1 << 26));
            assert_ne!(report.verdict, Verdict::Different, "seed {seed}: {report:?}");
        }
        let report = world.verify(&settings(Scope::Full, 1 << 26));
        assert_ne!(report.verdict, Verdict::Different, "seed {seed}: {report:?}");
        assert_eq!((report.keys_open, report.cells_unknown), (0, 0), "seed {seed}");
        assert_eq!(report.silver_rows, history.model().len() as u64);
    }
    eprintln!("{open} keys had changes that Silver did not include yet");
}
