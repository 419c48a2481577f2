//! Eighty tables in one small process: three are broken, seventy-seven are exact, the small ones do not wait for the large
//! one, and the memory stays within bounds.

use std::fs;
use std::time::{Duration, Instant};

use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig, lake_name};
use sluice_tests::generator::{History, Shape, SourceFile};
use sluice_tests::lake_files;
use sluice_tests::process::{PATIENCE, Program, Running, exit, until};
use sluice_tests::spec::{Format, Layout, TableSpec};

const TABLES: usize = 80;
/// Rows of a table in the mean; other sizes are asked for with `SLUICE_ROWS`.
const ROWS: usize = 2000;
/// Share of all rows that the hot table has.
const HOT: f64 = 0.5;
/// What the process may need at most with 64 MiB for changes, unoptimised as it is here.
const MOST_MEMORY: u64 = 512 << 20;
/// How long it may take until all lanes run; a machine that does other things is slow.
const LONGEST_START: Duration = Duration::from_secs(20);

/// The tables that are broken.
const UNDECODABLE: usize = 11;
const WRONG_KEY: usize = 22;
const UNREADABLE: usize = 33;
const BROKEN: [usize; 3] = [UNDECODABLE, WRONG_KEY, UNREADABLE];

fn rows_of(table: usize, mean: usize) -> usize {
    let all = (TABLES * mean) as f64;
    // One is hot, the others get less and less.
    let weight = |table: usize| 1.0 / (table as f64 + 1.0);
    let rest: f64 = (1..TABLES).map(weight).sum();
    let share = if table == 0 { HOT } else { (1.0 - HOT) * weight(table) / rest };
    ((all * share) as usize).max(20)
}

fn history(table: usize, mean: usize) -> History {
    let columns = [
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
        ("day", ColumnType::Date),
        ("at", ColumnType::Timestamp),
    ];
    // Parquet states its columns, so a wrong key is known once the data is seen, not from the configuration alone.
    let format = if table == WRONG_KEY { Format::Parquet } else { Format::Csv };
    let layout = Layout { format, gzip: true, header: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new(&format!("shop.t{table:02}"), &columns).with_layout(layout);
    let rows = rows_of(table, mean);
    let files = (rows / 4000).clamp(2, 40);
    let shape = Shape {
        load_rows: rows / 2,
        load_files: files,
        changes: rows - rows / 2,
        change_files: files,
        keys: rows as u64,
        bad_share: 0.0,
    };
    History::generate(&spec, &shape, table as u64)
}

fn config(table: usize, history: &History) -> TableConfig {
    let mut config = TableConfig::new(&history.spec);
    if table == WRONG_KEY {
        config.declare = false;
        config.spec.schema.key = vec!["no_such_column".into()];
    }
    config
}

fn deliver(scenario: &Scenario, table: usize, history: &History) {
    match table {
        UNREADABLE => {
            let folder = scenario.source().join(history.spec.folder());
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            // A file where the folder should be: nobody, not even root, can list it.
            fs::write(folder, "not a folder").unwrap();
        }
        UNDECODABLE => {
            let file = &history.files[1];
            history.files.iter().for_each(|file| scenario.deliver(file));
            scenario
                .deliver(&SourceFile { path: file.path.clone(), bytes: [&file.bytes[..10], &[0xff; 200]].concat() });
        }
        _ => scenario.deliver_all(history),
    }
}

#[test]
fn of_eighty_tables_three_are_broken_and_the_others_exact_in_little_memory() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let mean = std::env::var("SLUICE_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROWS);
    let histories: Vec<History> = (0..TABLES).map(|table| history(table, mean)).collect();
    let tables: Vec<TableConfig> =
        histories.iter().enumerate().map(|(table, history)| config(table, history)).collect();
    let settings = Settings { memory: "64MiB", infer_types: true, ..Settings::default() };
    let scenario = Scenario::new(&settings, &tables);
    histories.iter().enumerate().for_each(|(table, history)| deliver(&scenario, table, history));

    let begin = Instant::now();
    let mut process = Running::start(program.run_command(&scenario, true), scenario.path());
    let (smallest, hot) = (TABLES - 1, 0);
    let in_silver = |table: usize| {
        let name = lake_name(&histories[table].spec.name);
        lake_files::metadata(&scenario.catalog(), "silver", &name).is_some_and(|it| it.current_snapshot().is_some())
    };
    let (mut peak, mut first_of_smallest, mut rows_of_hot) = (0, None, 0);
    until(PATIENCE, || {
        peak = peak.max(process.peak_memory().unwrap_or(0));
        if first_of_smallest.is_none() && in_silver(smallest) {
            first_of_smallest = Some(begin.elapsed());
            rows_of_hot = scenario.bronze_count(&histories[hot].spec.name);
        }
        process.has_ended()
    });
    let all = begin.elapsed();
    let end = process.wait();
    end.expect_code(exit::PARTIAL);
    for (table, why) in
        [(UNDECODABLE, "damaged"), (WRONG_KEY, "no_such_column"), (UNREADABLE, "cannot list the folder")]
    {
        let name = histories[table].spec.name.to_string();
        let said = end.stdout.lines().find(|line| line.starts_with(&format!("{name}: quarantined:")));
        assert!(said.is_some_and(|line| line.contains(why)), "{name}: {said:?}\n{}", end.stdout);
    }
    assert_eq!(end.stdout.matches(": quarantined:").count(), BROKEN.len(), "{}", end.stdout);
    let sound = histories.iter().enumerate().filter(|(table, _)| !BROKEN.contains(table));
    sound.for_each(|(_, history)| scenario.assert_exact(history));

    let rows: usize = histories.iter().map(|history| history.records.len()).sum();
    let first_of_smallest = first_of_smallest.expect("it was committed");
    eprintln!(
        "{TABLES} tables, {rows} rows ({} of the hot one) in {all:?}; at most {} MiB; the smallest was there after \
         {first_of_smallest:?}, with {rows_of_hot} rows of the hot one",
        histories[hot].records.len(),
        peak >> 20,
    );
    assert!(peak < MOST_MEMORY, "it needed {} MiB", peak >> 20);
    assert!((rows_of_hot as usize) < histories[hot].records.len(), "the smallest waited for the largest");

    // With nothing to do, all lanes that can run do so soon.
    let begin = Instant::now();
    let mut process = program.start(&scenario);
    let running = |process: &Running| process.stderr().matches("the lane starts").count();
    let met = until(PATIENCE, || running(&process) >= TABLES - BROKEN.len() || process.has_ended());
    let start = begin.elapsed();
    assert!(met && !process.has_ended(), "{}", process.stderr());
    eprintln!("start-up with {TABLES} tables: {start:?}");
    assert!(start < LONGEST_START, "start-up took {start:?}");
    process.terminate();
    process.wait();
}
