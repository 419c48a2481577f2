//! What a person meets first: the demo, one run, a wrong configuration, a stop.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, Running, exit};
use sluice_tests::spec::{Layout, TableSpec};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = program().command(arguments);
    command.current_dir(folder);
    Running::start(command, folder).wait()
}

/// The counts that the sample's own description states: table, changes in Bronze, rows in Silver, dead letters.
fn sample_counts() -> Vec<(String, [usize; 3])> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../sample/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].strip_prefix("`shop.")?.strip_suffix('`')?;
        let numbers: Vec<usize> = cells[1..].iter().filter_map(|cell| cell.parse().ok()).collect();
        Some((format!("shop_{name}"), numbers.try_into().ok()?))
    });
    rows.collect()
}

#[test]
fn the_demo_makes_what_its_description_says_and_a_second_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let counts = sample_counts();
    assert!(counts.len() >= 3, "the sample has several tables: {counts:?}");
    for _ in 0..2 {
        let end = run(folder.path(), &["demo"]);
        end.expect_code(exit::SUCCESS).expect_words(&["pyiceberg", "spark"]);
        let demo = folder.path().join("sluice-demo");
        let config = fs::read_to_string(demo.join("sluice.toml")).unwrap();
        assert!(config.contains("[lake]"));
        let catalog = find(&demo, "catalog.db").expect("a catalog");
        for (table, expected) in &counts {
            let found =
                ["bronze", "silver", "dead_letters"].map(|layer| lake_files::read(&catalog, layer, table).rows.len());
            assert_eq!(found, *expected, "{table}");
        }
    }
}

#[test]
fn files_whose_columns_nobody_names_are_a_failure_not_an_empty_success() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("dms/a/b")).unwrap();
    fs::write(folder.path().join("dms/a/b/LOAD00000001.csv"), "I,1,x\n").unwrap();
    let config = "source.location = 'dms'\nlake.warehouse = 'lake'\ntables.'a.b' = { key = ['id'], retry = { max_attempts = 1 } }\n";
    fs::write(folder.path().join("sluice.toml"), config).unwrap();
    let end = run(folder.path(), &["run", "--once"]);
    end.expect_code(exit::ALL_FAILED).expect_words(&["a.b", "declare the table's `columns`"]);
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.file_name().is_some_and(|found| found == name) {
            Some(path)
        } else if path.is_dir() {
            find(&path, name)
        } else {
            None
        }
    })
}

fn history(files: usize) -> History {
    let columns = [("amount", ColumnType::Decimal { precision: 12, scale: 2 }), ("note", ColumnType::String)];
    let spec = TableSpec::new("shop.orders", &columns).with_layout(Layout { gzip: true, ..Layout::default() });
    let shape =
        Shape { load_rows: 200, load_files: 1, changes: 20 * files, change_files: files, keys: 200, bad_share: 0.0 };
    History::generate(&spec, &shape, 3)
}

#[test]
fn a_run_once_takes_everything_and_status_tells_where_it_stands() {
    let history = history(5);
    let scenario = Scenario::new(&Settings::default(), &[TableConfig::new(&history.spec)]);
    scenario.deliver_all(&history);
    run(scenario.path(), &["check"]).expect_code(exit::SUCCESS);
    run(scenario.path(), &["run", "--once"]).expect_code(exit::SUCCESS).expect_words(&["shop.orders", "caught up"]);
    scenario.assert_exact(&history);
    let status = run(scenario.path(), &["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&status.expect_code(exit::SUCCESS).stdout).unwrap();
    assert_eq!(json["tables"][0]["table"], "shop.orders");
    let rows = history.model().len();
    assert!(status.stdout.contains(&rows.to_string()), "{rows} rows of Silver in {}", status.stdout);
    run(scenario.path(), &["status"]).expect_code(exit::SUCCESS).expect_words(&["shop.orders"]);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(folder.path().join("sluice.toml"), text).unwrap();
    write("[source]\nlocation = \"dms\"\n\n[lake]\nwarehosue = \"lake\"\n");
    run(folder.path(), &["run", "--once"]).expect_code(exit::CONFIGURATION).expect_words(&["warehosue", "`warehouse`"]);
    assert!(!folder.path().join("lake").exists(), "nothing was started");
    write("[source]\nlocation = \"dms\"\n\n[lake]\nwarehouse = \"lake\"\n\n[tables.orders]\nkey = [\"id\"]\n");
    run(folder.path(), &["run", "--once"]).expect_code(exit::CONFIGURATION).expect_words(&["orders", "schema.table"]);
    write("[source\n");
    run(folder.path(), &["run"]).expect_code(exit::CONFIGURATION).expect_words(&["sluice.toml"]);
    fs::remove_file(folder.path().join("sluice.toml")).unwrap();
    run(folder.path(), &["run"]).expect_code(exit::CONFIGURATION).expect_words(&["sluice.toml", "--config"]);
}

#[test]
fn a_signal_ends_a_run_within_its_deadline_and_the_next_run_goes_on() {
    const DEADLINE: Duration = Duration::from_secs(10);
    let history = history(40);
    let scenario = Scenario::new(&Settings { max_rows: 10, ..Settings::default() }, &[TableConfig::new(&history.spec)]);
    scenario.deliver_all(&history);
    for signal in ["TERM", "INT"] {
        let mut process = program().start(&scenario);
        process.wait_until_it_says("the lane starts");
        let asked = Instant::now();
        process.signal(signal);
        process.wait().expect_code(exit::SUCCESS);
        assert!(asked.elapsed() < DEADLINE + Duration::from_secs(5), "SIG{signal} took {:?}", asked.elapsed());
    }
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&history);
}
