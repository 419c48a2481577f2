//! `kill -9` of the real process, at every named point and at random moments, while files keep arriving: the tables come
//! out as if nothing had happened.

use std::time::Duration;

use sluice_change::ColumnType;
use sluice_platform::failpoint;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::life::Lives;
use sluice_tests::place::Place;
use sluice_tests::process::{Program, Running, exit};
use sluice_tests::spec::{Layout, TableSpec};

/// Kills that one run of this test has to survive.
const KILLS: usize = 200;
/// Passages of each point at which the process is ended.
const PASSAGES: [u32; 6] = [1, 2, 3, 4, 6, 9];

#[test]
fn two_hundred_kills_lose_nothing_and_double_nothing() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let lives = Lives {
        place: Place::Local,
        poll_interval: "20ms",
        shape: Shape { load_rows: 60, load_files: 2, changes: 900, change_files: 60, keys: 90, bad_share: 0.06 },
        longest: Duration::from_millis(400),
    };
    let reached = lives.end_suddenly(&program, failpoint::ALL, &PASSAGES, KILLS, 9);
    assert!(reached.values().all(|count| *count > 0), "some point was never reached: {reached:?}");
}

#[test]
fn dead_letters_stored_before_a_crash_are_not_stored_again_when_an_earlier_file_comes_in_between() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let layout = Layout { gzip: true, ..Layout::default() };
    let spec = TableSpec::new("shop.late", &[("note", ColumnType::String)]).with_layout(layout);
    let shape = Shape { load_rows: 20, load_files: 1, changes: 200, change_files: 6, keys: 30, bad_share: 0.3 };
    let history = History::generate(&spec, &shape, 5);
    // A commit a file.
    let settings = Settings { max_rows: 1, ..Settings::default() };
    let scenario = Scenario::new(&settings, &[TableConfig::new(&spec)]);
    scenario.deliver(&history.files[0]);
    program.run_once(&scenario).expect_code(exit::SUCCESS);
    let behind = history.bad.last().expect("something to set aside").file;
    assert!(history.bad.iter().any(|bad| bad.file > 0 && bad.file < behind), "something to set aside before it, too");
    scenario.deliver(&history.files[behind]);
    let mut command = program.run_command(&scenario, true);
    command.env("SLUICE_FAILPOINT", "bronze.before-files=1");
    assert_eq!(Running::start(command, scenario.path()).wait().signal, Some(6));
    scenario.deliver_all(&history);
    program.run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&history);
}
