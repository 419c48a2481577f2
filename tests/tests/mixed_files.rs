//! Tables whose changes are in the same files, as a task with `PreserveTransactions` writes them: each gets its own.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sluice_lake::FormatVersion;
use sluice_tests::bad_rows::BadKind;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::dms_mixed::{self, Mixed};
use sluice_tests::generator::{BadRecord, History, Shape, SourceFile};
use sluice_tests::process::{Finished, Program, exit};
use sluice_tests::simulation::{INDEX_BYTES, Setup, Weather, World};
use sluice_tests::spec::TableSpec;

/// Groups of tables that go through each scenario in memory; more are asked for with `SLUICE_CASES`.
const CASES: u64 = 30;
/// Where they begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_260_601;
/// The folder of the mixed files.
const FOLDER: &str = "cdc";
/// Its configuration. No table is asked about its texts for NULL, for its changes are in files of all tables.
const SOURCE: &str = "mixed = [{ path = \"cdc\" }]\ncsv = { null = [\"\"] }\n";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Says which seed it was that failed.
struct Said(u64);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Histories of some tables. The last one is a table of changes only, which has no folder of its own.
fn histories(rng: &mut StdRng, count: usize, least_changes: usize) -> Vec<History> {
    (0..count)
        .map(|number| {
            let mut spec = TableSpec::random(rng, &format!("shop.t{number}"), true).with_layout(dms_mixed::layout());
            // No name says what a wider row holds.
            spec.first_width = spec.schema.columns.len();
            let mut shape = Shape { bad_share: 0.0, ..Shape::small(rng) };
            shape.changes += least_changes;
            if number + 1 == count {
                shape.load_rows = 0;
            }
            History::generate(&spec, &shape, rng.random())
        })
        .collect()
}

fn mix(rng: &mut StdRng, count: usize, least_changes: usize, rows_per_file: usize) -> Mixed {
    let histories = histories(rng, count, least_changes);
    let mut mixed = dms_mixed::mix(&histories, FOLDER, rows_per_file, rng.random());
    sprinkle(&mut mixed, rng);
    mixed
}

/// Adds to some mixed files records of a table that nobody takes, of no table at all, and some that are too short.
fn sprinkle(mixed: &mut Mixed, rng: &mut StdRng) {
    let mixed_files: Vec<usize> = (0..mixed.files.len()).filter(|file| is_mixed(&mixed.files[*file])).collect();
    for file in mixed_files {
        let path = mixed.files[file].path.clone();
        let first = rows_of(mixed, &path);
        for rows in first..first + rng.random_range(0..3) {
            let table = rng.random_range(0..mixed.histories.len());
            let name = mixed.histories[table].spec.name.clone();
            let line = match rng.random_range(0..3) {
                0 => "I,ghost,shop,1,boo\n".to_owned(),
                1 => "I\n".to_owned(),
                _ => {
                    let history = &mut mixed.histories[table];
                    let number = history.files.iter().position(|file| file.path == path).expect("a file of each table");
                    let raw = b"U".to_vec();
                    history.bad.push(BadRecord { file: number, row: rows + 1, kind: BadKind::TooNarrow, raw });
                    format!("U,{},{}\n", name.table(), name.schema())
                }
            };
            mixed.files[file].bytes.extend(line.as_bytes());
        }
    }
}

fn is_mixed(file: &SourceFile) -> bool {
    file.path.starts_with(FOLDER)
}

/// Records of all tables in a mixed file.
fn rows_of(mixed: &Mixed, path: &str) -> u64 {
    let of = |history: &History| {
        history.records.iter().filter(|record| history.files[record.file].path == path).count() as u64
    };
    mixed.histories.iter().map(of).sum()
}

fn any_weather(rng: &mut StdRng) -> Weather {
    Weather {
        crash_at: rng.random_bool(0.6).then(|| rng.random_range(1..90)),
        stop_after: rng.random_bool(0.3).then(|| rng.random_range(1..4)),
        failing: *[0.0, 0.0, 0.03].choose(rng).expect("not empty"),
        seed: rng.random(),
        ..Weather::fair()
    }
}

#[test]
fn each_table_gets_its_own_records_whatever_happens_on_the_way() {
    let seed = number("SLUICE_SEED", SEED);
    for seed in seed..seed + number("SLUICE_CASES", CASES) {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let rows_per_file = rng.random_range(1..60);
        let mixed = mix(&mut rng, 3, 0, rows_per_file);
        for history in &mixed.histories {
            let setup = Setup {
                format_version: *[FormatVersion::V3, FormatVersion::V2].choose(&mut rng).expect("not empty"),
                silver_partition: Vec::new(),
                max_rows: rng.random_range(1..60),
                batch_rows: rng.random_range(1..40),
                upkeep: rng.random(),
                index_bytes: INDEX_BYTES[rng.random_range(0..2)],
            };
            let world = World::new(&history.spec, &setup).with_mixed(FOLDER);
            let mut waiting: Vec<&SourceFile> = mixed.files.iter().collect();
            while !waiting.is_empty() {
                for _ in 0..rng.random_range(1..8).min(waiting.len()) {
                    // Mostly the next one, sometimes one from further on.
                    let last = if rng.random_bool(0.8) { 0 } else { waiting.len() - 1 };
                    world.deliver(waiting.remove(rng.random_range(0..=last)));
                }
                if rng.random() {
                    world.run(&any_weather(&mut rng));
                }
            }
            world.finish();
            world.assert_exact(history);
            world.finish();
            world.assert_exact(history);
        }
    }
}

#[test]
fn the_real_program_takes_the_tables_of_mixed_files_side_by_side_through_stops_and_kills() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let mut rng = StdRng::seed_from_u64(SEED);
    let mixed = mix(&mut rng, 6, 150, 40);
    let tables: Vec<TableConfig> = mixed.histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
    let settings = Settings { max_rows: 10, source: SOURCE, ..Settings::default() };
    let scenario = Scenario::new(&settings, &tables);
    let (changes, loads): (Vec<&SourceFile>, Vec<&SourceFile>) = mixed.files.iter().partition(|file| is_mixed(file));
    assert!(changes.len() > 9, "enough files to be cut into lives");
    let late = changes.len() / 2 - 1;
    let (first, second) = changes.split_at(changes.len() / 2);
    loads.iter().for_each(|file| scenario.deliver(file));
    first.iter().enumerate().filter(|(number, _)| *number != late).for_each(|(_, file)| scenario.deliver(file));
    let taken = || tables.iter().map(|table| scenario.bronze_count(&table.spec.name)).collect::<Vec<u64>>();

    let mut process = program.start(&scenario);
    process.wait_until("some of each table is taken in", || taken().iter().all(|rows| *rows > 10));
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);

    second.iter().for_each(|file| scenario.deliver(file));
    let before = taken();
    let mut process = program.start(&scenario);
    process.wait_until("some table goes on", || taken().iter().zip(&before).any(|(now, before)| *now > before + 20));
    process.kill();

    let end: Finished = program.run_once(&scenario);
    end.expect_code(exit::SUCCESS).expect_words(&["mixed files hold changes of a table that is not taken", "ghost"]);
    scenario.deliver(first[late]);
    program.run_once(&scenario).expect_code(exit::SUCCESS).expect_words(&["late"]);
    mixed.histories.iter().for_each(|history| scenario.assert_exact(history));
    assert!(mixed.histories.iter().any(|history| !history.bad.is_empty()), "some records are too short");
}
