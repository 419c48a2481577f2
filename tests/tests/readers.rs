//! PyIceberg and Spark read what sluice wrote, and find what the model says: both layers, both format versions, tables
//! with many commits, partitioned Silver with rows that move.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sluice_change::ColumnType;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{Program, exit};
use sluice_tests::readers;
use sluice_tests::spec::{Format, Layout, TableSpec};

/// A scenario that has been taken in, and how many commits each table should at least have.
struct Taken {
    scenario: Scenario,
    histories: Vec<History>,
}

impl Taken {
    fn new(program: &Program, settings: &Settings, tables: &[TableConfig], shape: &Shape, seed: u64) -> Self {
        let scenario = Scenario::new(settings, tables);
        let histories: Vec<History> =
            tables.iter().zip(seed..).map(|(table, seed)| History::generate(&table.spec, shape, seed)).collect();
        histories.iter().for_each(|history| scenario.deliver_all(history));
        program.run_once(&scenario).expect_code(exit::SUCCESS);
        histories.iter().for_each(|history| scenario.assert_exact(history));
        Self { scenario, histories }
    }
}

/// Tables whose rows move between partitions all the time.
fn partitioned(version: u8) -> Vec<TableConfig> {
    let columns = [
        ("small", ColumnType::Boolean),
        ("day", ColumnType::Date),
        ("at", ColumnType::Timestamp),
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
    ];
    let partitions: [(&str, &[&str]); 6] = [
        ("plain", &[]),
        ("identity", &["small"]),
        ("bucket", &["bucket(4, id)"]),
        ("day", &["day(at)"]),
        ("two", &["month(day)", "bucket(2, note)"]),
        ("truncate", &["truncate(100, amount)", "truncate(1, note)"]),
    ];
    let layout = Layout { before_prefix: Some("BI_".into()), ..Layout::default() };
    partitions
        .iter()
        .map(|(name, partition)| {
            let spec = TableSpec::new(&format!("v{version}.{name}"), &columns).with_layout(layout.clone());
            let mut table = TableConfig::new(&spec);
            table.silver_partition = partition.iter().map(|field| (*field).to_owned()).collect();
            table.format_version = Some(version);
            table
        })
        .collect()
}

/// Random tables of all types and layouts.
fn random(version: u8, count: usize) -> Vec<TableConfig> {
    let mut rng = StdRng::seed_from_u64(u64::from(version));
    (0..count)
        .map(|number| {
            let spec = TableSpec::random(&mut rng, &format!("r{version}.t{number}"), false);
            let mut table = TableConfig::new(&spec);
            table.declare = spec.layout.format == Format::Csv;
            table.format_version = Some(version);
            table
        })
        .collect()
}

#[test]
fn pyiceberg_and_spark_read_what_the_model_says() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let mut all = Vec::new();
    for version in [2, 3] {
        // Many commits on few rows; then every type and layout.
        let moving =
            Shape { load_rows: 80, load_files: 2, changes: 1800, change_files: 180, keys: 120, bad_share: 0.0 };
        let settings = Settings { max_rows: 8, ..Settings::default() };
        all.push(Taken::new(&program, &settings, &partitioned(version), &moving, 1));
        let wild = Shape { load_rows: 60, load_files: 2, changes: 400, change_files: 9, keys: 60, bad_share: 0.01 };
        let settings = Settings { max_rows: 50, ..Settings::default() };
        all.push(Taken::new(&program, &settings, &random(version, 12), &wild, 100));
    }
    for reader in [readers::pyiceberg(), readers::spark()].into_iter().flatten() {
        let all: Vec<_> = all.iter().map(|taken| (&taken.scenario, &taken.histories[..])).collect();
        let most_snapshots = reader.assert_exact(&all);
        assert!(most_snapshots >= 100, "no table has many commits: {most_snapshots}");
    }
}
