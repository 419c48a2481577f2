//! Tables through their whole life from S3 to S3, behind a REST catalog, come out as the naive model says.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::place::Place;
use sluice_tests::process::exit;
use sluice_tests::spec::{Format, Layout, TableSpec};

use crate::program;

/// Random histories; more are asked for with `SLUICE_CASES`.
const CASES: u64 = 8;
/// Where they begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_260_301;

/// Files in an order in which some come late.
fn mostly_in_order(files: usize, rng: &mut StdRng) -> Vec<usize> {
    let mut waiting: Vec<usize> = (0..files).collect();
    let next = |rng: &mut StdRng, left: usize| if rng.random_bool(0.8) { 0 } else { rng.random_range(0..left) };
    (0..files).map(|_| waiting.remove(next(rng, waiting.len()))).collect()
}

/// A history in which a column comes in the middle, and some files twice.
fn widening(name: &str, rng: &mut StdRng) -> History {
    let columns = [
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
        ("day", ColumnType::Date),
        ("email", ColumnType::String),
    ];
    let layout = Layout { gzip: true, header: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let mut spec = TableSpec::new(name, &columns).with_layout(layout);
    spec.first_width -= 1;
    let shape = Shape { load_rows: 80, load_files: 2, changes: 700, change_files: 16, keys: 100, bad_share: 0.05 };
    History::generate(&spec, &shape, rng.random()).with_duplicates(rng)
}

#[test]
fn both_versions_are_exact_with_late_and_doubled_files_and_a_new_column() {
    let Some(place) = Place::cloud("end-to-end") else { return };
    let mut rng = StdRng::seed_from_u64(1);
    let histories = [3, 2].map(|version| widening(&format!("end.v{version}"), &mut rng));
    let mut tables: Vec<TableConfig> = histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
    tables[0].silver_partition = vec!["month(day)".into()];
    tables[1].format_version = Some(2);
    let settings = Settings { max_rows: 60, poll_interval: "100ms", ..Settings::default() };
    let scenario = Scenario::at(place, &settings, &tables);
    let mut process = program().start(&scenario);
    for history in &histories {
        for file in mostly_in_order(history.files.len(), &mut rng) {
            scenario.deliver(&history.files[file]);
            if rng.random_bool(0.2) {
                let count = scenario.bronze_count(&history.spec.name);
                process.wait_until("a commit", || scenario.bronze_count(&history.spec.name) > count);
            }
            if rng.random_bool(0.1) {
                // Under its own name a second time, which is the same file.
                scenario.deliver(&history.files[file]);
            }
        }
    }
    for history in &histories {
        let records = history.records.len() as u64;
        process.wait_until("everything", || scenario.bronze_count(&history.spec.name) == records);
    }
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    // Silver may be behind Bronze by one commit.
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    histories.iter().for_each(|history| scenario.assert_exact(history));
    for (history, version) in histories.iter().zip([3, 2]) {
        assert!(history.bad.len() > 5, "something is rejected");
        let Place::Cloud(cloud) = scenario.place() else { unreachable!("it is on S3") };
        let name = sluice_tests::config::lake_name(&history.spec.name);
        let metadata = cloud.metadata("silver", &name).expect("there is a table");
        assert_eq!(metadata.format_version() as u8, version);
    }
}

#[test]
fn any_small_history_is_exact() {
    let Some(place) = Place::cloud("any-history") else { return };
    let number = |name: &str, otherwise| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    let first: u64 = number("SLUICE_SEED", SEED);
    for seed in (first..).take(number("SLUICE_CASES", CASES) as usize) {
        eprintln!("SLUICE_SEED={seed} SLUICE_CASES=1");
        let mut rng = StdRng::seed_from_u64(seed);
        let history = History::random(rng.random(), &format!("any{seed}.t")).with_duplicates(&mut rng);
        let mut table = TableConfig::new(&history.spec);
        table.declare = history.spec.layout.format == Format::Csv;
        table.format_version = Some(if rng.random_bool(0.5) { 3 } else { 2 });
        let settings = Settings { max_rows: rng.random_range(3..60), ..Settings::default() };
        let scenario = Scenario::at(place.clone(), &settings, &[table]);
        let order = mostly_in_order(history.files.len(), &mut rng);
        let half = rng.random_range(0..=order.len());
        order[..half].iter().for_each(|file| scenario.deliver(&history.files[*file]));
        if half > 0 {
            program().run_once(&scenario).expect_code(exit::SUCCESS);
        }
        order[half..].iter().for_each(|file| scenario.deliver(&history.files[*file]));
        program().run_once(&scenario).expect_code(exit::SUCCESS);
        scenario.assert_exact(&history);
    }
}
