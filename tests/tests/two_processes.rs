//! Two processes on the same tables: nothing is lost, nothing is doubled, and the one that loses says so.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{PATIENCE, Program, Running, exit, until};
use sluice_tests::spec::{Layout, TableSpec};

fn history(number: u32, seed: u64) -> History {
    let columns = [("amount", ColumnType::Decimal { precision: 12, scale: 2 }), ("note", ColumnType::String)];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new(&format!("shop.t{number}"), &columns).with_layout(layout);
    let shape = Shape { load_rows: 100, load_files: 2, changes: 1500, change_files: 50, keys: 150, bad_share: 0.02 };
    History::generate(&spec, &shape, seed)
}

/// One round: two processes work on the same tables while files arrive. Of each table one of them is left; one that has
/// lost all its tables ends by itself.
fn round(program: &Program, tables: u32, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let histories: Vec<History> = (0..tables).map(|number| history(number, rng.random())).collect();
    let configured: Vec<TableConfig> = histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
    let settings = Settings { max_rows: rng.random_range(10..60), ..Settings::default() };
    let scenario = Scenario::new(&settings, &configured);
    let files = 0..histories[0].files.len();
    let mut arrivals =
        files.rev().flat_map(|file| (0..histories.len()).map(move |table| (table, file))).collect::<Vec<_>>();
    let mut deliver = |count: usize| {
        for _ in 0..count {
            if let Some((table, file)) = arrivals.pop() {
                scenario.deliver(&histories[table].files[file]);
            }
        }
        !arrivals.is_empty()
    };

    let mut first = program.start(&scenario);
    deliver(rng.random_range(1..20));
    if rng.random_bool(0.7) {
        first.wait_until("its first commit", || scenario.bronze_count(&histories[0].spec.name) > 0);
    }
    let second = program.start(&scenario);
    let both = [first, second];
    let lost = |process: &Running| process.stderr().matches("another process has taken this table over").count();
    let met = until(PATIENCE, || {
        deliver(usize::from(rng.random_bool(0.2)));
        lost(&both[0]) + lost(&both[1]) == histories.len()
    });
    assert!(met, "they both go on:\n{}\n{}", both[0].stderr(), both[1].stderr());

    while deliver(5) {}
    let met =
        until(PATIENCE, || histories.iter().all(|it| scenario.bronze_count(&it.spec.name) == it.records.len() as u64));
    assert!(met, "not everything is taken in:\n{}\n{}", both[0].stderr(), both[1].stderr());
    for mut process in both {
        let lost = lost(&process);
        if lost == histories.len() {
            assert!(process.ended_within(PATIENCE).is_some(), "it has lost everything and stays");
        } else {
            process.terminate();
        }
        let end = process.wait();
        end.expect_code(if lost > 0 { exit::FENCED } else { exit::SUCCESS });
        if lost > 0 {
            end.expect_words(&["fenced", "was taken over by"]);
        }
    }
    program.run_once(&scenario).expect_code(exit::SUCCESS);
    histories.iter().for_each(|history| scenario.assert_exact(history));
}

#[test]
fn of_two_processes_one_is_fenced_and_nothing_is_lost_or_doubled() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    for seed in 0..8 {
        round(&program, 1 + u32::from(seed % 2 == 1), seed);
    }
}
