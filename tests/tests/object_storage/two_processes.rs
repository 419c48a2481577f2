//! Two processes on the same table over S3 and a REST catalog: one is fenced and says so, the other goes on.

use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::place::Place;
use sluice_tests::process::{PATIENCE, Running, exit, until};
use sluice_tests::spec::{Layout, TableSpec};

use crate::program;

const LOST: &str = "another process has taken this table over";

#[test]
fn the_process_that_lost_a_table_is_fenced_and_the_table_is_exact() {
    let Some(place) = Place::cloud("two-processes") else { return };
    for (seed, version) in [(1, 3), (2, 2)] {
        let columns = [("amount", ColumnType::Decimal { precision: 12, scale: 2 }), ("note", ColumnType::String)];
        let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
        let spec = TableSpec::new(&format!("two.v{version}"), &columns).with_layout(layout);
        let shape = Shape { load_rows: 60, load_files: 1, changes: 600, change_files: 40, keys: 90, bad_share: 0.02 };
        let history = History::generate(&spec, &shape, seed);
        let settings = Settings { format_version: version, max_rows: 20, poll_interval: "50ms", ..Settings::default() };
        let scenario = Scenario::at(place.clone(), &settings, &[TableConfig::new(&spec)]);
        let mut files = history.files.iter();
        let mut deliver = |count: usize| files.by_ref().take(count).for_each(|file| scenario.deliver(file));

        deliver(10);
        let mut first = program().start(&scenario);
        first.wait_until("its first commit", || scenario.bronze_count(&spec.name) > 0);
        let both = [first, program().start(&scenario)];
        let lost = |process: &Running| process.stderr().contains(LOST);
        let met = until(PATIENCE, || {
            deliver(1);
            both.iter().any(lost)
        });
        assert!(met, "they both go on:\n{}\n{}", both[0].stderr(), both[1].stderr());
        deliver(usize::MAX);
        let all = history.records.len() as u64;
        let met = until(PATIENCE, || scenario.bronze_count(&spec.name) == all);
        assert!(met, "not everything is taken in:\n{}\n{}", both[0].stderr(), both[1].stderr());
        for process in both {
            let lost = lost(&process);
            if !lost {
                process.terminate();
            }
            process.wait().expect_code(if lost { exit::FENCED } else { exit::SUCCESS });
        }
        program().run_once(&scenario).expect_code(exit::SUCCESS);
        scenario.assert_exact(&history);
    }
}
