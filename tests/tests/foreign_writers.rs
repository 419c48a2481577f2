//! Spark does to the tables what other programs do while the program streams into them: it rewrites and expires, adds
//! columns, deletes rows, rolls back. The program notices, goes on, and the result is right.

use sluice_change::{Column, ColumnType};
use sluice_tests::config::{Settings, TableConfig, lake_name};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{Program, exit};
use sluice_tests::readers::Catalog;
use sluice_tests::spark::{Spark, spark};
use sluice_tests::spec::{Layout, TableSpec};
use sluice_tests::stream::{Stream, assert_layers, gone_on_from, key_of, touched};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice-under-test");
/// Options of procedures.
const ALL: &str = ", options => map('rewrite-all', 'true')";
const EXPIRED: &str = ", older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1";
const LAYERS: [&str; 2] = ["silver", "bronze"];

/// A table of this name and format version, with key changes.
fn table(name: &str, version: u8) -> TableConfig {
    let columns = [
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
        ("day", ColumnType::Date),
    ];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new(&format!("v{version}.{name}"), &columns).with_layout(layout);
    let mut table = TableConfig::new(&spec);
    table.format_version = Some(version);
    table
}

fn settings() -> Settings {
    Settings { max_rows: 30, max_attempts: 4, ..Settings::default() }
}

/// A call of one of Iceberg's procedures on a table.
fn call(procedure: &str, table: &str, options: &str) -> String {
    let table = table.trim_start_matches("sluice.");
    format!("CALL sluice.system.{procedure}(table => '{table}'{options})")
}

/// The snapshot at which a table stands.
fn snapshot(spark: &mut Spark, stream: &Stream<'_>, table: &str) -> String {
    let rows = spark.run(&stream.catalog(), &format!("SELECT snapshot_id FROM {table}.refs WHERE name = 'main'"));
    rows[0][0].clone().expect("a snapshot")
}

/// Lets a table stand at an earlier snapshot.
fn back_to(table: &str, snapshot: &str) -> String {
    call("rollback_to_snapshot", table, &format!(", snapshot_id => {snapshot}"))
}

fn shape(changes: usize, change_files: usize) -> Shape {
    Shape { load_rows: 300, load_files: 2, changes, change_files, keys: 400, bad_share: 0.0 }
}

#[test]
fn files_and_manifests_that_spark_rewrites_and_snapshots_that_it_expires_change_nothing() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let mut tables = vec![table("upkeep", 2), table("upkeep", 3)];
    tables[1].silver_partition = vec!["bucket(2, id)".into()];
    let mut stream = Stream::of(&program, &settings(), &tables, &shape(2400, 160), 1);
    for table in 0..tables.len() {
        stream.take_in(table, 12);
        for layer in LAYERS {
            let name = stream.sql_name(layer, table);
            let deletes = call("rewrite_position_delete_files", &name, ALL);
            // The log has no deletes.
            let deletes = (layer == "silver").then_some(deletes);
            let rewrites = [call("rewrite_data_files", &name, ALL), call("rewrite_manifests", &name, "")];
            for sql in rewrites.into_iter().chain(deletes).chain([call("expire_snapshots", &name, EXPIRED)]) {
                stream.beside(&mut spark, table, &sql);
            }
        }
        // One after the other between any two commits: that is no failure, let alone several in a row.
        for _ in 0..settings().max_attempts {
            spark.run(&stream.catalog(), &call("rewrite_data_files", &stream.sql_name("silver", table), ALL));
            stream.take_in(table, 1);
        }
    }
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
}

#[test]
fn rows_that_spark_deletes_come_back_only_when_the_source_changes_them() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let mut tables = Vec::new();
    for mode in ["copy-on-write", "merge-on-read"] {
        tables.extend([2, 3].map(|version| (mode, table(&mode.replace('-', "_"), version))));
    }
    let configured: Vec<TableConfig> = tables.iter().map(|(_, table)| table.clone()).collect();
    let mut stream = Stream::of(&program, &settings(), &configured, &shape(700, 60), 10);
    let mut after = Vec::new();
    for (table, (mode, _)) in tables.iter().enumerate() {
        stream.take_in(table, 6);
        let name = stream.sql_name("silver", table);
        // Deletes of several data files in one file are the other way in which version 2 can have them.
        let properties = format!("'write.delete.mode' = '{mode}', 'write.delete.granularity' = 'partition'");
        spark.run(&stream.catalog(), &format!("ALTER TABLE {name} SET TBLPROPERTIES ({properties})"));
        let before = stream.arrived(table);
        stream.beside(&mut spark, table, &format!("DELETE FROM {name} WHERE id < 150"));
        let (arrived, history) = (stream.arrived(table), stream.history(table));
        let found = stream.scenario().silver(&history.spec.name).silver(&history.spec.schema);
        // Nothing is lost that was not deleted, and what was deleted is not there unless it has been changed since.
        let model = history.model_after(arrived).canonical_rows();
        let is_deleted = |key: &[Option<String>]| key[0].as_ref().is_some_and(|id| id.parse::<i64>().unwrap() < 150);
        let changed = touched(history, before..arrived);
        let may_be_gone = model.iter().filter(|row| is_deleted(&key_of(history, row))).count();
        assert!(
            model.len() - found.len() >= may_be_gone / 2,
            "{} of {may_be_gone} are gone",
            model.len() - found.len()
        );
        for row in &model {
            let key = key_of(history, row);
            let there = found.iter().filter(|found| *found == row).count();
            assert!(there == 1 || (there == 0 && is_deleted(&key)), "{key:?} is there {there} times");
            assert!(there == 0 || !is_deleted(&key) || changed.contains(&key), "{key:?} has come back");
        }
        assert!(found.iter().all(|row| model.contains(row)), "a row that the source does not have");
        after.push((arrived, found));
    }
    let ended = stream.end();
    ended.expect_went_on();
    for (table, (arrived, found)) in after.iter().enumerate() {
        let history = &ended.histories[table];
        let expected = gone_on_from(history, found, *arrived);
        assert!(expected.len() < history.model().len(), "all rows came back");
        assert_layers(history, &ended.read(&mut spark, table), &expected);
        // By Bronze the rows would have to be there.
        ended.verify(&program, table).expect_code(exit::PARTIAL).expect_words(&["NOT equal", "Silver has no row"]);
    }
}

/// A history whose later files have one column more than the first, from a file on that is not among the first `files`.
fn widened_after(table: &TableConfig, shape: &Shape, files: usize) -> (History, usize) {
    let narrow = table.spec.first_width;
    let history = (0..).map(|seed| History::generate(&table.spec, shape, seed)).find_map(|history| {
        let wide = history.records.iter().find(|record| record.change.cells.len() > narrow)?.file;
        (wide > files).then_some((history, wide))
    });
    history.expect("some seed widens late")
}

/// A table whose later files bring a column `remark` of text.
fn widening(name: &str, version: u8) -> TableConfig {
    let mut table = table(name, version);
    table.spec.layout.header = true;
    table.spec.schema.columns.push(Column::new("remark", ColumnType::String));
    table
}

#[test]
fn columns_that_spark_adds_stay_and_become_the_source_s_when_it_has_them() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let tables = [widening("columns", 2), widening("columns", 3)];
    let shape = shape(900, 60);
    let histories: Vec<(History, usize)> = tables.iter().map(|table| widened_after(table, &shape, 40)).collect();
    let wide: Vec<usize> = histories.iter().map(|(_, wide)| *wide).collect();
    let histories = histories.into_iter().map(|(history, _)| history).collect();
    let mut stream = Stream::begin(&program, &settings(), &tables, histories);
    for (table, wide) in wide.into_iter().enumerate() {
        stream.take_in(table, 6);
        for layer in LAYERS {
            let name = stream.sql_name(layer, table);
            stream.beside(
                &mut spark,
                table,
                &format!("ALTER TABLE {name} ADD COLUMNS (remark string, many array<int>)"),
            );
        }
        let name = stream.sql_name("silver", table);
        stream.beside(&mut spark, table, &format!("ALTER TABLE {name} ADD COLUMN seen timestamp"));
        let seen = format!("UPDATE {name} SET seen = TIMESTAMP '2026-02-03 04:05:06' WHERE id < 100");
        stream.beside(&mut spark, table, &seen);
        assert!(stream.arrived(table) < wide, "the column of the source has come too soon");
        let silver = stream.scenario().silver(&stream.history(table).spec.name).columns;
        assert!(["remark", "seen", "many"].iter().all(|name| silver.iter().any(|column| column == name)), "{silver:?}");
    }
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
    for history in &ended.histories {
        let name = format!("sluice.silver.{}", lake_name(&history.spec.name));
        let catalog = Catalog::of(&ended.scenario);
        let rows =
            spark.run(&catalog, &format!("SELECT count(seen), count(remark), count(many), count(*) FROM {name}"));
        let counts: Vec<u64> = rows[0].iter().map(|cell| cell.as_ref().unwrap().parse().unwrap()).collect();
        assert!(counts[0] > 0 && counts[0] < counts[3] && counts[1] > 0 && counts[2] == 0, "{counts:?}");
    }
}

#[test]
fn a_column_of_another_type_than_the_source_s_stops_its_table_alone_until_it_is_gone() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let tables = [widening("clash", 3), table("other", 3)];
    let shape = shape(200, 30);
    let (history, wide) = widened_after(&tables[0], &shape, 12);
    let histories = vec![history, History::generate(&tables[1].spec, &shape, 5)];
    let mut stream = Stream::begin(&program, &settings(), &tables, histories);
    stream.take_in(0, wide);
    let name = stream.sql_name("silver", 0);
    stream.beside(&mut spark, 1, &format!("ALTER TABLE {name} ADD COLUMN remark array<int>"));
    stream.deliver(0);
    stream.wait_until_it_says("quarantined");
    stream.take_in(1, 10);
    spark.run(&stream.catalog(), &format!("ALTER TABLE {name} DROP COLUMN remark"));
    let first = stream.restart();
    first.expect_words(&["column `remark`", "cannot become string", "v3.clash"]);
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
}

#[test]
fn a_layer_that_spark_rolls_back_is_brought_up_again() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let layered = LAYERS.iter().flat_map(|layer| [2, 3].map(|version| (*layer, version)));
    let tables: Vec<(&str, TableConfig)> =
        layered.map(|(layer, version)| (layer, table(&format!("{layer}_back"), version))).collect();
    let configured: Vec<TableConfig> = tables.iter().map(|(_, table)| table.clone()).collect();
    let mut stream = Stream::of(&program, &settings(), &configured, &shape(700, 60), 20);
    for (table, (layer, _)) in tables.iter().enumerate() {
        stream.take_in(table, 8);
        let name = stream.sql_name(layer, table);
        let before = snapshot(&mut spark, &stream, &name);
        stream.take_in(table, 5);
        stream.hold(table);
        stream.take_in(table, 5);
        // What was late is not there yet when Bronze is rolled back, so what it takes in again is not what it lost.
        spark.run(&stream.catalog(), &back_to(&name, &before));
        stream.deliver_late(table);
        stream.take_in(table, 0);
        let before = snapshot(&mut spark, &stream, &name);
        stream.take_in(table, 8);
        stream.beside(&mut spark, table, &back_to(&name, &before));
    }
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
}

#[test]
fn a_silver_that_no_longer_says_what_it_covers_is_made_from_bronze_and_a_bronze_stops() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let tables = [table("lost", 2), table("stopped", 3)];
    let mut stream = Stream::of(&program, &settings(), &tables, &shape(300, 30), 30);
    for (table, layer) in LAYERS.iter().enumerate() {
        stream.take_in(table, 10);
        let name = stream.sql_name(layer, table);
        // A snapshot of Spark's own, and none of ours before it.
        let catalog = stream.catalog();
        spark.run(&catalog, &call("rewrite_data_files", &name, ALL));
        let rewritten = snapshot(&mut spark, &stream, &name);
        spark.run(&catalog, &call("expire_snapshots", &name, EXPIRED));
        stream.take_in(table, 10);
        let newest = snapshot(&mut spark, &stream, &name);
        spark.run(&catalog, &back_to(&name, &rewritten));
        if *layer == "bronze" {
            stream.deliver(table);
            stream.wait_until_it_says("quarantined");
            spark.run(&catalog, &call("set_current_snapshot", &name, &format!(", snapshot_id => {newest}")));
            stream.restart().expect_words(&["silver.v2_lost", "bronze.v3_stopped", "does not say what it covers"]);
        }
        stream.take_in(table, 1);
    }
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
}

#[test]
fn a_delete_that_is_rolled_back_leaves_no_row_twice() {
    let Some(mut spark) = spark() else { return };
    let program = Program::new(PROGRAM);
    let modes = [("copy-on-write", table("whole", 3)), ("merge-on-read", table("marked", 3))];
    let tables: Vec<TableConfig> = modes.iter().map(|(_, table)| table.clone()).collect();
    let mut stream = Stream::of(&program, &settings(), &tables, &shape(300, 20), 40);
    for (table, (mode, _)) in modes.iter().enumerate() {
        stream.take_in(table, 8);
        let (name, catalog) = (stream.sql_name("silver", table), stream.catalog());
        spark.run(&catalog, &format!("ALTER TABLE {name} SET TBLPROPERTIES ('write.delete.mode' = '{mode}')"));
        let whole = snapshot(&mut spark, &stream, &name);
        spark.run(&catalog, &format!("DELETE FROM {name} WHERE id < 300"));
        // It opens the table without those rows, and finds it with them when it commits next.
        stream.restart().expect_code(exit::SUCCESS);
        stream.wait_until_it_says(&format!("\"the lane starts\",\"table\":\"{}\"", modes[table].1.spec.name));
        spark.run(&catalog, &back_to(&name, &whole));
        stream.take_in(table, 4);
    }
    let ended = stream.end();
    ended.expect_went_on().assert_exact(&program, &mut spark);
}
