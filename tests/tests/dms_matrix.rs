//! Every setting of a DMS task alone, and many of them together: other files, the same tables.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sluice_lake::FormatVersion;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::dms_task::{DmsTask, Setting};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{Program, exit};
use sluice_tests::simulation::{INDEX_BYTES, Setup, World};
use sluice_tests::spec::{Format, TableSpec};
use sluice_tests::table::assert_same;

/// Histories through which each setting goes alone.
const HISTORIES: u64 = 6;
/// Random combinations; more are asked for with `SLUICE_CASES`.
const CASES: u64 = 300;
/// Where they begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_260_401;
/// Combinations that go through the real program.
const ON_DISK: u64 = 12;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn logical(seed: u64, name: &str) -> History {
    let mut rng = StdRng::seed_from_u64(seed);
    let spec = TableSpec::random(&mut rng, name, true).with_layout(DmsTask::logical_layout());
    let shape = Shape { bad_share: 0.0, ..Shape::small(&mut rng) };
    History::generate(&spec, &shape, rng.random())
}

/// Takes the files in through the pipeline in memory, in one or two lives.
fn check(settings: &[Setting], seed: u64) {
    let task = DmsTask::new(settings);
    let history = task.write(&logical(seed, "s.t"), seed);
    let setup = Setup {
        format_version: FormatVersion::V3,
        silver_partition: Vec::new(),
        max_rows: 30,
        batch_rows: 1 + seed as usize % 50,
        upkeep: seed.is_multiple_of(2),
        index_bytes: INDEX_BYTES[seed as usize / 2 % 2],
    };
    let world = World::new(&history.spec, &setup);
    let first = if seed.is_multiple_of(2) { 0 } else { history.files.len() / 2 };
    history.files[..first].iter().for_each(|file| world.deliver(file));
    if first > 0 {
        world.finish();
    }
    history.files[first..].iter().for_each(|file| world.deliver(file));
    world.finish();
    if task.has_key() {
        world.assert_exact(&history);
    } else {
        assert_same("Bronze", &history.bronze(), &world.bronze().bronze(&history.spec.schema));
        assert!(world.silver().columns.is_empty(), "no key, no Silver");
    }
}

/// Says which settings it was that failed.
fn checked(settings: &[Setting], seed: u64) {
    struct Said<'a>(&'a [Setting], u64);
    impl Drop for Said<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("with {:?}, seed {}", self.0, self.1);
            }
        }
    }
    let _said = Said(settings, seed);
    check(settings, seed);
}

fn combination(seed: u64, most: usize) -> Vec<Setting> {
    let mut rng = StdRng::seed_from_u64(seed);
    let count = rng.random_range(2..=most);
    Setting::supported().choose_multiple(&mut rng, count).copied().collect()
}

#[test]
fn each_setting_alone_changes_nothing_in_the_tables() {
    for seed in 0..HISTORIES {
        checked(&[], seed);
        for setting in Setting::supported() {
            checked(&[setting], seed);
        }
    }
}

#[test]
fn settings_together_change_nothing_in_the_tables() {
    let seed = number("SLUICE_SEED", SEED);
    for case in 0..number("SLUICE_CASES", CASES) {
        checked(&combination(seed + case, 9), seed + case);
    }
}

#[test]
fn the_real_program_takes_them_from_disk_side_by_side() {
    let histories: Vec<(DmsTask, History)> = (0..ON_DISK)
        .map(|seed| {
            let task = DmsTask::new(&combination(seed, 9));
            let history = task.write(&logical(seed, &format!("shop.t{seed}")), seed);
            (task, history)
        })
        .collect();
    let tables: Vec<TableConfig> = histories
        .iter()
        .map(|(_, history)| {
            let mut table = TableConfig::new(&history.spec);
            table.declare = history.spec.layout.format == Format::Csv;
            table
        })
        .collect();
    let scenario = Scenario::new(&Settings::default(), &tables);
    histories.iter().for_each(|(_, history)| scenario.deliver_all(history));
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_once(&scenario).expect_code(exit::SUCCESS);
    for (task, history) in &histories {
        if task.has_key() {
            scenario.assert_exact(history);
        } else {
            let bronze = scenario.bronze(&history.spec.name).bronze(&history.spec.schema);
            assert_same("Bronze", &history.bronze(), &bronze);
        }
    }
}
