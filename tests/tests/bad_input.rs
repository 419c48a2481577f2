//! Bad input and bad circumstances: a clear message each, good rows land, nothing is lost once the fault is mended, and
//! the other tables go on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use sluice_change::ColumnType;
use sluice_tests::bad_rows::BadKind;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Shape, SourceFile};
use sluice_tests::process::{Program, Running, exit};
use sluice_tests::spec::{Layout, TableSpec};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

const COLUMNS: [(&str, ColumnType); 5] = [
    ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
    ("note", ColumnType::String),
    ("day", ColumnType::Date),
    ("at", ColumnType::Timestamp),
    ("count", ColumnType::Int),
];

fn shape() -> Shape {
    Shape { load_rows: 100, load_files: 2, changes: 300, change_files: 6, keys: 120, bad_share: 0.0 }
}

fn history(name: &str, layout: Layout, shape: &Shape) -> History {
    History::generate(&TableSpec::new(name, &COLUMNS).with_layout(layout), shape, 7)
}

fn gzip() -> Layout {
    Layout { gzip: true, ..Layout::default() }
}

/// A scenario with a table that will fail and one beside it.
fn two_tables(settings: &Settings, layout: Layout) -> (Scenario, History, History) {
    let (broken, sound) = (history("shop.broken", layout, &shape()), history("shop.sound", gzip(), &shape()));
    let tables = [&broken, &sound].map(|history| TableConfig::new(&history.spec));
    (Scenario::new(settings, &tables), broken, sound)
}

#[test]
fn a_truncated_gzip_gives_what_it_holds_and_the_rest_once_it_is_whole() {
    let (scenario, broken, sound) = two_tables(&Settings::default(), gzip());
    scenario.deliver_all(&sound);
    let cut = broken.files.len() - 2;
    broken.files[..cut].iter().for_each(|file| scenario.deliver(file));
    let whole = &broken.files[cut];
    let half = SourceFile { path: whole.path.clone(), bytes: whole.bytes[..whole.bytes.len() * 3 / 4].to_vec() };
    scenario.deliver(&half);
    program().run_once(&scenario).expect_code(exit::PARTIAL).expect_words(&["shop.broken", &whole.path, "cut short"]);
    scenario.assert_exact(&sound);
    let before: usize = broken.records.iter().filter(|record| record.file < cut).count();
    let landed = scenario.bronze(&broken.spec.name).rows.len();
    assert!(landed > before, "no row of the truncated file landed ({before} before it, {landed} now)");

    broken.files[cut..].iter().for_each(|file| scenario.deliver(file));
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&broken);
}

#[test]
fn every_kind_of_bad_record_becomes_a_dead_letter_that_says_why() {
    let words: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("TooWide", &["values", "expected"][..]),
        ("TooNarrow", &["values", "expected"]),
        ("Utf8", &["UTF-8"]),
        ("Date", &["2026-02-30", "no such day"]),
        ("DecimalRange", &["decimal(12,2)", "more digits before the point"]),
        ("DecimalScale", &["decimal(12,2)", "more digits after the point"]),
        ("IntegerRange", &["range"]),
        ("Operation", &["`Q` is no operation"]),
        ("NullKey", &["key"]),
    ]);
    let shape = Shape { bad_share: 0.4, ..shape() };
    let history = history("shop.bad", Layout { before_prefix: Some("BI_".into()), ..Layout::default() }, &shape);
    let scenario = Scenario::new(&Settings::default(), &[TableConfig::new(&history.spec)]);
    scenario.deliver_all(&history);
    program().run_once(&scenario).expect_code(exit::SUCCESS).expect_words(&["dead letters"]);
    scenario.assert_exact(&history);
    let letters = scenario.dead_letters(&history.spec.name).select(&["source_file", "source_row", "reason", "raw"]);
    let letters: BTreeMap<(String, String), (String, String)> = letters
        .into_iter()
        .map(|row| {
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            ((row[0].clone(), row[1].clone()), (row[2].clone(), row[3].clone()))
        })
        .collect();
    for kind in BadKind::ALL {
        assert!(history.bad.iter().any(|bad| bad.kind == kind), "{kind:?} was not generated");
    }
    for bad in &history.bad {
        let place = (history.files[bad.file].path.clone(), bad.row.to_string());
        let (reason, raw) = &letters[&place];
        for word in words[format!("{:?}", bad.kind).as_str()] {
            assert!(reason.contains(word), "{:?} at {place:?}: `{reason}` does not say `{word}`", bad.kind);
        }
        let hex: String = bad.raw.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(*raw, hex, "the record as it came, {place:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_listed_stops_its_own_table_only() {
    let (scenario, broken, sound) = two_tables(&Settings::default(), gzip());
    scenario.deliver_all(&sound);
    // In the place of the folder lies a file: no user, not even root, can list it.
    let folder = scenario.source().join(broken.spec.folder());
    fs::write(&folder, "not a folder").unwrap();
    program().run_once(&scenario).expect_code(exit::PARTIAL).expect_words(&["shop.broken", "cannot list the folder"]);
    scenario.assert_exact(&sound);
    fs::remove_file(&folder).unwrap();
    scenario.deliver_all(&broken);
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&broken);
}

#[test]
fn a_damaged_gzip_is_named_and_nothing_behind_it_is_taken_before_it() {
    let (scenario, broken, sound) = two_tables(&Settings::default(), gzip());
    scenario.deliver_all(&sound);
    let damaged = &broken.files[2];
    for (number, file) in broken.files.iter().enumerate() {
        // After the header of ten bytes comes a block of a kind that there is not.
        let bytes = if number == 2 { [&file.bytes[..10], &[0xff; 200]].concat() } else { file.bytes.clone() };
        scenario.deliver(&SourceFile { path: file.path.clone(), bytes });
    }
    program().run_once(&scenario).expect_code(exit::PARTIAL).expect_words(&[&damaged.path, "damaged", "copy it again"]);
    scenario.assert_exact(&sound);
    let later = scenario.bronze(&broken.spec.name).select(&["_source_file"]);
    assert!(later.iter().flatten().flatten().all(|file| *file <= damaged.path || file.contains("LOAD")));
    scenario.deliver(damaged);
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&broken);
}

#[test]
fn a_locked_catalog_is_waited_for_and_named() {
    let settings = Settings { max_attempts: 1000, ..Settings::default() };
    let (scenario, first, second) = two_tables(&settings, gzip());
    for history in [&first, &second] {
        history.files[..2].iter().for_each(|file| scenario.deliver(file));
    }
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    let mut process = program().start(&scenario);
    let lock = Connection::open(scenario.catalog()).unwrap();
    lock.busy_timeout(Duration::from_secs(30)).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for history in [&first, &second] {
        scenario.deliver_all(history);
    }
    // The process is asked through its own words, for the catalog cannot be.
    process.wait_until_it_says("locked by another program");
    let words = process.stderr();
    assert!(words.contains("catalog.db") && words.contains("once it is free"), "{words}");
    lock.execute_batch("ROLLBACK").unwrap();
    process.wait_until("everything is taken in", || {
        [&first, &second].iter().all(|it| scenario.bronze_count(&it.spec.name) == it.records.len() as u64)
    });
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    program().run_once(&scenario).expect_code(exit::SUCCESS);
    [&first, &second].iter().for_each(|history| scenario.assert_exact(history));
}

/// Mounts a small disk for the warehouse, fills it, runs, makes room, runs again, and leaves the warehouse behind.
const SMALL_DISK: &str = r#"
set -u
program=$1 folder=$2
cd "$folder"
mkdir -p lake
mount -t tmpfs -o size=24m small-disk lake || exit 99
"$program" run --config sluice.toml --once > load.stdout 2> load.stderr || exit 98
mv rest/* source/shop/ 2>/dev/null
rm -rf source/shop && mv rest source/shop
dd if=/dev/zero of=lake/filler bs=64k 2> /dev/null
# A little room is left, so that it fails in the middle of its work.
truncate -s -200k lake/filler
"$program" run --config sluice.toml --once > full.stdout 2> full.stderr
echo $? > full.code
rm lake/filler
"$program" run --config sluice.toml --once > mended.stdout 2> mended.stderr
echo $? > mended.code
cp -a lake kept
umount lake
cp -a kept/. lake/
"#;

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_once_there_is_room() {
    let big = Shape { load_rows: 3000, load_files: 1, changes: 12_000, change_files: 6, keys: 6000, bad_share: 0.01 };
    let history = history("shop.orders", gzip(), &big);
    let scenario = Scenario::new(&Settings::default(), &[TableConfig::new(&history.spec)]);
    scenario.deliver(&history.files[0]);
    // The script moves these into place once the disk is full.
    fs::create_dir_all(scenario.path().join("rest/orders")).unwrap();
    for file in &history.files {
        let name = file.path.rsplit('/').next().unwrap();
        fs::write(scenario.path().join("rest/orders").join(name), &file.bytes).unwrap();
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", SMALL_DISK, "sh"]);
    command.arg(program().path()).arg(scenario.path());
    let end = Running::start(command, scenario.path()).wait();
    if end.code == Some(99) || end.stderr.contains("unshare failed") {
        eprintln!("\n*** NO SMALL DISK CAN BE MOUNTED HERE: the full disk is not tried ***\n{}\n", end.stderr);
        return;
    }
    let read = |name: &str| fs::read_to_string(scenario.path().join(name)).unwrap_or_default();
    let words = read("full.stderr") + &read("full.stdout");
    assert_eq!(end.code, Some(0), "{}\n{}", end.stderr, read("load.stderr"));
    assert_ne!(read("full.code").trim(), "0", "the disk was not full:\n{words}");
    assert!(words.contains("no space is left"), "{words}");
    assert_eq!(read("mended.code").trim(), "0", "{}", read("mended.stderr"));
    scenario.assert_exact(&history);
}
