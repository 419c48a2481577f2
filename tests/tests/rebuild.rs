//! Silver made anew by the real program, beside a stream that goes on: readers see the old rows or the new ones and nothing
//! between, whatever dies on the way, and the stream is neither stopped nor fenced.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_change::ColumnType;
use sluice_platform::failpoint;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, PATIENCE, Program, Running, exit, json, until};
use sluice_tests::spec::{Layout, TableSpec};
use sluice_tests::table::assert_same;

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    program().run_in(folder, arguments)
}

/// A table of ids and names, with `more` in its section.
fn configure(folder: &Path, more: &str) {
    let text = format!(
        "source.location = 'dms'\nlake.warehouse = 'lake'\n[process]\npoll_interval = '20ms'\n[tables.'shop.items']\n\
         key = ['id']\ncolumns = ['id long', 'name string']\ncsv = {{ header = false }}\n\
         batch = {{ max_rows = 100 }}\nretry = {{ first_wait = '10ms', max_wait = '100ms' }}\n{more}\n"
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

fn deliver(folder: &Path, name: &str, text: &str) {
    let table = folder.join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    let arriving = folder.join(format!("arriving-{name}"));
    fs::write(&arriving, text).unwrap();
    fs::rename(arriving, table.join(name)).unwrap();
}

fn load(ids: std::ops::Range<u32>) -> String {
    ids.map(|id| format!("{id},name{id}\n")).collect()
}

/// The column `column` of Silver by `id`.
fn silver(folder: &Path, column: &str) -> BTreeMap<u32, String> {
    let rows = lake_files::read(&folder.join("lake/catalog.db"), "silver", "shop_items");
    let count = rows.rows.len();
    let found: BTreeMap<u32, String> = rows
        .select(&["id", column])
        .into_iter()
        .map(|row| (row[0].as_ref().unwrap().parse().unwrap(), row[1].clone().unwrap_or("-".into())))
        .collect();
    assert_eq!(found.len(), count, "a key is there twice");
    found
}

fn rebuild(folder: &Path) -> Finished {
    run(folder, &["rebuild", "shop.items", "--json"])
}

fn version(number: u32) -> String {
    format!("transform = [{{ constant = {{ version = '{number}' }} }}]")
}

fn snapshots_and_branches(folder: &Path) -> (Value, Vec<String>) {
    let catalog = folder.join("lake/catalog.db");
    let metadata = lake_files::metadata(&catalog, "silver", "shop_items").unwrap();
    let value = serde_json::to_value(&metadata).unwrap();
    let refs = value["refs"].as_object().unwrap().keys().cloned().collect();
    (value["current-snapshot-id"].clone(), refs)
}

#[test]
fn a_changed_transform_shapes_all_rows_anew_while_a_stream_goes_on_and_readers_never_see_a_mixture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, &version(1));
    deliver(folder, "LOAD00000001.csv", &load(0..3_000));
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert!(silver(folder, "version").values().all(|version| version == "1"));
    configure(folder, &version(2));
    let mut stream = program().start_in(folder, &["run"]);
    let mut command = program().command(&["rebuild", "shop.items", "--json"]);
    command.current_dir(folder);
    let mut rebuilding = Running::start(command, folder);
    let (mut number, mut mixtures) = (0, 0);
    until(PATIENCE, || {
        // Every change is of a key of its own, so those that were never changed tell who shaped them.
        if number < 1_300 {
            number += 1;
            let (update, insert, gone) = (number, 10_000 + number, 1_500 + number);
            let text = format!("U,{update},changed\nI,{insert},new\nD,{gone},\n");
            deliver(folder, &format!("2026{number:04}-000000001.csv"), &text);
        }
        let rows = silver(folder, "version");
        assert_eq!(rows.len() % 1_000, 0, "a change is there in part");
        let untouched = rows.range(2_900..3_000);
        let old = untouched.clone().filter(|(_, version)| *version == "1").count();
        assert!(old == 0 || old == 100, "a mixture: {old} of 100 rows are old");
        assert_eq!(untouched.count(), 100, "rows are missing");
        mixtures += usize::from(old == 0);
        rebuilding.has_ended()
    });
    let rebuilt = rebuilding.wait();
    rebuilt.expect_code(exit::SUCCESS);
    let report = json(&rebuilt);
    assert_eq!(report["end"], "published");
    assert_eq!((report["rows_before"].clone(), report["rows"].clone()), (3_000.into(), 3_000.into()), "{report}");
    assert!(report["changes"].as_u64().unwrap() >= 3_000, "{report}");
    eprintln!("{number} files, {mixtures} looks at the new rows, {report}");
    // The stream goes on with what comes then.
    deliver(folder, "20269999-000000001.csv", "I,99999,last\n");
    stream.wait_until("the last change is there", || silver(folder, "name").contains_key(&99_999));
    stream.terminate();
    let ended = stream.wait();
    ended.expect_code(exit::SUCCESS);
    assert!(!ended.stderr.contains("taken this table over"), "{}", ended.stderr);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let rows = silver(folder, "version");
    assert!(rows.values().all(|version| version == "2"));
    assert_eq!(rows.len(), 3_001);
    assert_eq!(silver(folder, "name")[&number], "changed");
    run(folder, &["verify", "shop.items", "--full"]).expect_code(exit::SUCCESS);
    assert_eq!(snapshots_and_branches(folder).1, ["main"]);
}

/// A table whose changes are cut into small commits, and everything that can happen to it.
fn scenario(seed: u64, shape: &Shape) -> (Scenario, History) {
    let columns = [("amount", ColumnType::Decimal { precision: 12, scale: 2 }), ("note", ColumnType::String)];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new("shop.items", &columns).with_layout(layout);
    let history = History::generate(&spec, shape, seed);
    let mut table = TableConfig::new(&spec);
    table.format_version = Some(2 + (seed % 2) as u8);
    let scenario = Scenario::new(&Settings { max_rows: 40, ..Settings::default() }, &[table]);
    (scenario, history)
}

fn rebuild_of(scenario: &Scenario, failpoint: Option<String>) -> Running {
    let mut command = program().command(&["rebuild", "shop.items", "--json", "--config"]);
    command.arg(scenario.config()).current_dir(scenario.path());
    command.envs(failpoint.map(|point| ("SLUICE_FAILPOINT", point)));
    Running::start(command, scenario.path())
}

#[test]
fn a_rebuild_that_is_killed_anywhere_changes_nothing_and_the_next_one_goes_on() {
    let shape = Shape { load_rows: 60, load_files: 2, changes: 300, change_files: 10, keys: 60, bad_share: 0.05 };
    let passed = |point: &&&str| point.starts_with("silver") || point.starts_with("index");
    let points: Vec<&str> = failpoint::ALL.iter().filter(passed).chain(failpoint::REBUILD).copied().collect();
    let mut died: BTreeMap<&str, usize> = BTreeMap::new();
    let mut resumed = 0;
    for seed in 0..2 {
        let (scenario, history) = scenario(seed, &shape);
        scenario.deliver_all(&history);
        program().run_once(&scenario).expect_code(exit::SUCCESS);
        scenario.assert_exact(&history);
        for point in &points {
            for passage in [1, 3, 8] {
                let end = rebuild_of(&scenario, Some(format!("{point}={passage}"))).wait();
                assert!(end.signal == Some(6) || end.code == Some(exit::SUCCESS), "{point}: {end:?}");
                *died.entry(point).or_default() += usize::from(end.signal.is_some());
                scenario.assert_exact(&history);
            }
            // A stream that starts meanwhile has nothing to do and does nothing.
            program().run_once(&scenario).expect_code(exit::SUCCESS);
            let end = rebuild_of(&scenario, None).wait();
            end.expect_code(exit::SUCCESS);
            resumed += usize::from(!json(&end)["resumed_at"].is_null());
            scenario.assert_exact(&history);
        }
    }
    eprintln!("died {died:?}, resumed {resumed}");
    assert!(points.iter().all(|point| died.get(point).is_some_and(|count| *count > 0)), "{died:?}");
    assert!(resumed > points.len() / 2, "{resumed} went on where another had stopped");
}

#[test]
fn rebuild_after_rebuild_beside_a_loaded_stream_loses_and_doubles_nothing() {
    for seed in 2..4 {
        let shape =
            Shape { load_rows: 400, load_files: 2, changes: 3_000, change_files: 120, keys: 300, bad_share: 0.02 };
        let (scenario, history) = scenario(seed, &shape);
        let mut files = history.files.iter();
        files.by_ref().take(10).for_each(|file| scenario.deliver(file));
        program().run_once(&scenario).expect_code(exit::SUCCESS);
        let mut stream = program().start(&scenario);
        let (mut rebuilds, mut overtaken) = (0, 0);
        let mut rebuilding = rebuild_of(&scenario, None);
        for (number, file) in files.enumerate() {
            scenario.deliver(file);
            let began = Instant::now();
            until(Duration::from_millis(100), || {
                began.elapsed() > Duration::from_millis(if number % 3 == 0 { 80 } else { 10 })
            });
            if rebuilding.has_ended() {
                let end = std::mem::replace(&mut rebuilding, rebuild_of(&scenario, None)).wait();
                end.expect_code(exit::SUCCESS);
                overtaken += json(&end)["overtaken"].as_u64().unwrap();
                rebuilds += 1;
            }
        }
        rebuilding.wait().expect_code(exit::SUCCESS);
        eprintln!("{} rebuilds, overtaken {overtaken} times", rebuilds + 1);
        let wanted = history.records.len() as u64;
        stream.wait_until("everything is in Bronze", || scenario.bronze_count(&history.spec.name) == wanted);
        stream.terminate();
        let ended = stream.wait();
        ended.expect_code(exit::SUCCESS);
        assert!(!ended.stderr.contains("taken this table over"), "{}", ended.stderr);
        program().run_once(&scenario).expect_code(exit::SUCCESS);
        scenario.assert_exact(&history);
        rebuild_of(&scenario, None).wait().expect_code(exit::SUCCESS);
        scenario.assert_exact(&history);
    }
}

#[test]
fn a_process_that_shapes_rows_otherwise_is_told_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, &version(1));
    deliver(folder, "LOAD00000001.csv", &load(0..500));
    let mut stream = program().start_in(folder, &["run"]);
    stream.wait_until("it is taken in", || silver(folder, "version").len() == 500);
    configure(folder, &version(2));
    // It has nothing to do, so nothing tells that it is there.
    rebuild(folder).expect_code(exit::SUCCESS);
    assert!(silver(folder, "version").values().all(|version| version == "2"));
    deliver(folder, "20260101-000000001.csv", "U,1,changed\nI,900,new\n");
    stream.wait_until_it_says("was made anew with another transform");
    assert_eq!(silver(folder, "name")[&1], "name1");
    stream.terminate();
    stream.wait();
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_eq!(silver(folder, "name")[&1], "changed");
    assert!(silver(folder, "version").values().all(|version| version == "2"));
}

#[test]
fn what_the_transform_rejects_is_among_the_dead_letters_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cast = "transform = [{ rename = { name = 'number' } }, { cast = { number = 'int' } }]";
    configure(folder, cast);
    deliver(folder, "LOAD00000001.csv", "1,10\n2,many\n3,30\n4,few\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    let letters = || json(&run(folder, &["rejects", "shop.items", "--json"]))["count"].as_u64().unwrap();
    assert_eq!((letters(), silver(folder, "id").len()), (2, 2));
    let mut stream = program().start_in(folder, &["run"]);
    stream.wait_until_it_says("the lane starts");
    for _ in 0..2 {
        let report = json(rebuild(folder).expect_code(exit::SUCCESS));
        assert_eq!(report["rejected"], 0);
        assert_eq!((letters(), silver(folder, "id").len()), (2, 2));
    }
    deliver(folder, "20260101-000000001.csv", "U,1,more\nU,2,20\n");
    stream.wait_until("the change is there", || silver(folder, "number").get(&2).is_some_and(|number| number == "20"));
    stream.terminate();
    stream.wait().expect_code(exit::SUCCESS);
    assert_eq!(letters(), 3);
    // Another transform lets all of them pass and rejects another one.
    configure(folder, "transform = [{ filter = \"name != 'few'\" }, { constant = { origin = 'x' } }]");
    let report = json(rebuild(folder).expect_code(exit::SUCCESS));
    assert_eq!(report["rejected"], 0, "{report}");
    assert_eq!(silver(folder, "name").into_values().collect::<Vec<_>>(), ["more", "20", "30"]);
    assert_eq!(letters(), 3, "they stay until they are replayed");
    run(folder, &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_eq!(letters(), 0);
    assert_eq!(silver(folder, "name").into_values().collect::<Vec<_>>(), ["more", "20", "30"]);
}

#[test]
fn what_is_left_of_a_rebuild_is_told_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "");
    run(folder, &["rebuild", "shop.items"]).expect_code(exit::CONFIGURATION);
    deliver(folder, "LOAD00000001.csv", &load(0..500));
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    run(folder, &["rebuild", "shop.item"]).expect_code(exit::CONFIGURATION).expect_words(&["did you mean"]);
    let (before, _) = snapshots_and_branches(folder);
    let mut command = program().command(&["rebuild", "shop.items"]);
    command.current_dir(folder).env("SLUICE_FAILPOINT", "rebuild.between-stretches=2");
    assert_eq!(Running::start(command, folder).wait().signal, Some(6));
    assert_eq!(snapshots_and_branches(folder), (before.clone(), vec!["main".to_owned(), "sluice-rebuild".to_owned()]));
    run(folder, &["status"]).expect_code(exit::SUCCESS).expect_words(&["Silver is being made anew"]);
    run(folder, &["maintain"]).expect_code(exit::SUCCESS);
    run(folder, &["rebuild", "shop.items", "--abandon"]).expect_code(exit::SUCCESS).expect_words(&["is removed"]);
    run(folder, &["rebuild", "shop.items", "--abandon"]).expect_code(exit::SUCCESS).expect_words(&["nothing of"]);
    assert_eq!(snapshots_and_branches(folder).1, ["main"]);
    let status = json(&run(folder, &["status", "--json"]));
    assert_eq!(status["tables"][0]["rebuilding"], false);
    // Another transform is another rebuild.
    let mut command = program().command(&["rebuild", "shop.items"]);
    command.current_dir(folder).env("SLUICE_FAILPOINT", "rebuild.between-stretches=2");
    assert_eq!(Running::start(command, folder).wait().signal, Some(6));
    configure(folder, &version(5));
    let report = json(rebuild(folder).expect_code(exit::SUCCESS));
    assert_eq!((report["resumed_at"].clone(), report["changes"].clone()), (Value::Null, 500.into()));
    assert!(silver(folder, "version").values().all(|version| version == "5"));
    let names: Vec<String> = (0..500).map(|id| format!("name{id}")).collect();
    let mut found: Vec<String> = silver(folder, "name").into_values().collect();
    found.sort_by_key(|name| name[4..].parse::<u32>().unwrap());
    assert_eq!(found, names);
    // Silver merged by another key is another table.
    configure(folder, "");
    let text = fs::read_to_string(folder.join("sluice.toml")).unwrap().replace("key = ['id']", "key = ['name']");
    fs::write(folder.join("sluice.toml"), text).unwrap();
    rebuild(folder).expect_code(exit::CONFIGURATION).expect_words(&["is merged by"]);
    assert_same("nothing", &Vec::<Vec<Option<String>>>::new(), &Vec::new());
}
