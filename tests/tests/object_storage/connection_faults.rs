//! Connections that are slow, reset, cut or refused while the process runs: it lives through them, and nothing is lost or
//! doubled.

use std::time::{Duration, Instant};

use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::place::{Cloud, Place};
use sluice_tests::process::{PATIENCE, exit, until};
use sluice_tests::services::toxiproxy::Toxic;
use sluice_tests::spec::{Layout, TableSpec};

use crate::{is_caught_up, program};

/// How long each fault lasts; outages of minutes are in the properties, where time is simulated.
const LASTS: Duration = Duration::from_secs(2);
/// Bytes of answers after which a connection is cut: within a listing, a file of a table, its metadata.
const CUT_AFTER: u64 = 2_500;

/// Does harm to the ways of a place.
type Harm = fn(&Cloud);

/// What goes wrong, and how.
const FAULTS: [(&str, Harm); 9] = [
    ("answers come late", |cloud| {
        for way in [cloud.storage_way(), cloud.catalog_way()] {
            way.poison(Toxic::Latency(Duration::from_millis(100)), 1.0);
        }
    }),
    ("connections to the storage are reset", |cloud| {
        cloud.storage_way().poison(Toxic::Reset(Duration::from_millis(20)), 0.4);
    }),
    ("connections to the catalog are reset", |cloud| {
        cloud.catalog_way().poison(Toxic::Reset(Duration::from_millis(20)), 0.6);
    }),
    ("answers of the storage are cut", |cloud| cloud.storage_way().poison(Toxic::Cut(CUT_AFTER), 0.5)),
    ("answers of the catalog are cut", |cloud| cloud.catalog_way().poison(Toxic::Cut(CUT_AFTER), 0.6)),
    ("the storage says nothing", |cloud| cloud.storage_way().poison(Toxic::Silence, 1.0)),
    // Commits land whose answers are lost.
    ("the catalog says nothing", |cloud| cloud.catalog_way().poison(Toxic::Silence, 1.0)),
    ("the storage is away", |cloud| cloud.storage_way().set_open(false)),
    ("the catalog is away", |cloud| cloud.catalog_way().set_open(false)),
];

fn history(name: &str, seed: u64) -> History {
    let columns = [("amount", ColumnType::Decimal { precision: 12, scale: 2 }), ("note", ColumnType::String)];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new(name, &columns).with_layout(layout);
    let change_files = FAULTS.len() * 6;
    let shape = Shape { load_rows: 60, load_files: 1, changes: 1200, change_files, keys: 90, bad_share: 0.03 };
    History::generate(&spec, &shape, seed)
}

/// Records of the first files that have to be in Bronze.
fn records(history: &History, files: usize) -> u64 {
    history.records.iter().filter(|record| record.file < files).count() as u64
}

#[test]
fn a_process_lives_through_faults_of_its_connections_and_loses_nothing() {
    let Some(place) = Place::cloud("connection-faults") else { return };
    let histories = [history("faults.v3", 1), history("faults.v2", 2)];
    let mut tables: Vec<TableConfig> = histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
    tables[1].format_version = Some(2);
    let settings = Settings { max_rows: 40, poll_interval: "100ms", ..Settings::default() };
    let scenario = Scenario::at(place.clone(), &settings, &tables);
    let Place::Cloud(cloud) = place else { unreachable!("a cloud was asked for") };
    let mut process = program().start(&scenario);
    let mut arrived = 0;
    let deliver_until = |arrived: &mut usize, end: usize| {
        while *arrived < end {
            histories.iter().for_each(|history| scenario.deliver(&history.files[*arrived]));
            *arrived += 1;
        }
    };
    let files = histories[0].files.len();
    for (number, (name, harm)) in FAULTS.iter().enumerate() {
        let (first, end) = (arrived, files * (number + 1) / FAULTS.len());
        // One comes in fair weather, so that the fault finds it at work.
        deliver_until(&mut arrived, first + 1);
        harm(&cloud);
        let began = Instant::now();
        until(LASTS, || {
            let share = began.elapsed().as_secs_f64() / LASTS.as_secs_f64();
            let due = first + 1 + ((end - first - 1) as f64 * share) as usize;
            deliver_until(&mut arrived, due.min(end));
            false
        });
        deliver_until(&mut arrived, end);
        cloud.storage_way().heal();
        cloud.catalog_way().heal();
        let healed = Instant::now();
        for history in &histories {
            let wanted = records(history, arrived);
            process.wait_until(name, || scenario.bronze_count(&history.spec.name) == wanted);
        }
        eprintln!("{name}: all is there {:?} after the end of it", healed.elapsed());
    }
    assert!(until(PATIENCE, || is_caught_up(&scenario)), "{}", process.stderr());
    process.terminate();
    let end = process.wait();
    end.expect_code(exit::SUCCESS).expect_words(&["the lane failed and is tried again"]);
    assert!(!end.stderr.contains("quarantined;"), "{}", end.stderr);
    histories.iter().for_each(|history| scenario.assert_exact(history));
}

#[test]
fn a_process_that_starts_while_everything_is_away_begins_once_it_is_back() {
    let Some(place) = Place::cloud("away") else { return };
    let history = history("away.t", 3);
    let settings = Settings { poll_interval: "100ms", ..Settings::default() };
    let scenario = Scenario::at(place.clone(), &settings, &[TableConfig::new(&history.spec)]);
    let Place::Cloud(cloud) = place else { unreachable!("a cloud was asked for") };
    scenario.deliver_all(&history);
    for way in [cloud.storage_way(), cloud.catalog_way()] {
        way.set_open(false);
    }
    let mut process = program().start(&scenario);
    process.wait_until_it_says("the lane failed and is tried again");
    cloud.catalog_way().heal();
    cloud.storage_way().heal();
    process.wait_until("everything", || scenario.bronze_count(&history.spec.name) == history.records.len() as u64);
    assert!(until(PATIENCE, || is_caught_up(&scenario)), "{}", process.stderr());
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    scenario.assert_exact(&history);
}
