//! Tables that are loaded anew, or emptied, in the middle of their life: Silver is the newest load with the changes after
//! it, and Bronze has every record of all loads once.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sluice_change::Op;
use sluice_lake::FormatVersion;
use sluice_source::OnVanished;
use sluice_tests::config::{Scenario, Settings, TableConfig};
use sluice_tests::generator::{History, Record, Shape, SourceFile};
use sluice_tests::model::Change;
use sluice_tests::process::{Program, Running, exit};
use sluice_tests::simulation::{INDEX_BYTES, Setup, Weather, World};
use sluice_tests::spec::TableSpec;
use sluice_tests::table::{Row, assert_same};

/// Tables that go through each scenario; more are asked for with `SLUICE_CASES`.
const CASES: u64 = 60;
/// Where they begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_260_501;

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let start = number("SLUICE_SEED").unwrap_or(SEED);
    start..start + number("SLUICE_CASES").unwrap_or(CASES)
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

/// Several lives of one table, each with a load and changes of its own.
struct Loads {
    spec: TableSpec,
    parts: Vec<History>,
}

impl Loads {
    fn generate(rng: &mut StdRng, count: usize) -> Self {
        let spec = TableSpec::random(rng, "s.t", true);
        let mut parts: Vec<History> = Vec::new();
        while parts.len() < count {
            let next = part(&spec, &any_shape(rng), parts.len(), rng.random());
            // A load whose first file is as long as the one before is not taken for a new one.
            if parts.last().is_none_or(|last| first_length(last) != first_length(&next)) {
                parts.push(next);
            }
        }
        Self { spec, parts }
    }

    /// What the tables have to hold after all parts; `begun` names the record with which each but the first one begins.
    fn whole(&self, begun: &str) -> History {
        let spec = self.spec.clone();
        let mut whole = History { spec, files: Vec::new(), records: Vec::new(), bad: Vec::new() };
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                let change = Change { op: Op::Truncate, cells: Vec::new(), before: None };
                whole.records.push(Record { file: whole.files.len(), row: 1, commit_us: 0, change, key: 0 });
                whole.files.push(SourceFile { path: format!("s/t{begun}"), bytes: Vec::new() });
            }
            let base = whole.files.len();
            whole.files.extend(part.files.iter().cloned());
            let mut records = part.records.clone();
            records.iter_mut().for_each(|record| record.file += base);
            whole.records.append(&mut records);
            let mut bad = part.bad.clone();
            bad.iter_mut().for_each(|bad| bad.file += base);
            whole.bad.append(&mut bad);
        }
        whole
    }
}

fn first_length(history: &History) -> Option<usize> {
    history.files.iter().find(|file| file.path.contains("LOAD00000001")).map(|file| file.bytes.len())
}

fn any_shape(rng: &mut StdRng) -> Shape {
    Shape { load_rows: rng.random_range(1..30), ..Shape::small(rng) }
}

/// One load and its changes, a year after those of the part before.
fn part(spec: &TableSpec, shape: &Shape, number: usize, seed: u64) -> History {
    let mut history = History::generate(spec, shape, seed);
    let year = format!("/{}", 2026 + number);
    history.files.iter_mut().for_each(|file| file.path = file.path.replace("/2026", &year));
    history
}

fn setup(rng: &mut StdRng) -> Setup {
    Setup {
        format_version: *[FormatVersion::V3, FormatVersion::V2].choose(rng).expect("not empty"),
        silver_partition: Vec::new(),
        max_rows: rng.random_range(1..60),
        batch_rows: rng.random_range(1..40),
        upkeep: rng.random(),
        index_bytes: INDEX_BYTES[rng.random_range(0..2)],
    }
}

fn any_weather(rng: &mut StdRng) -> Weather {
    Weather {
        crash_at: rng.random_bool(0.7).then(|| rng.random_range(1..90)),
        stop_after: rng.random_bool(0.2).then(|| rng.random_range(1..4)),
        failing: *[0.0, 0.0, 0.03].choose(rng).expect("not empty"),
        seed: rng.random(),
        ..Weather::fair()
    }
}

/// Bronze of a history in which a table was emptied: that record has no time at the source.
fn bronze(history: &History) -> Vec<Row> {
    let mut rows = history.bronze();
    rows.iter_mut().filter(|row| row[0].as_deref() == Some(Op::Truncate.code())).for_each(|row| row[1] = None);
    rows.sort_unstable();
    rows
}

#[track_caller]
fn assert_exact(world: &World, history: &History) {
    let schema = &history.spec.schema;
    assert_same("Bronze", &bronze(history), &world.bronze().bronze(schema));
    assert_same("dead letters", &history.rejected(), &world.dead_letters().dead_letters());
    world.assert_consistent();
    assert_same("Silver", &history.model().canonical_rows(), &world.silver().silver(schema));
}

/// Lets files arrive while the process lives and dies.
fn live(world: &World, files: &[SourceFile], rng: &mut StdRng) {
    let mut rest = files;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rng.random_range(1..=rest.len()));
        now.iter().for_each(|file| world.deliver(file));
        rest = later;
        for _ in 0..rng.random_range(0..3) {
            world.run(&any_weather(rng));
        }
    }
}

const ANEW: &str = "/LOAD00000001.EXT (loaded anew)";

fn anew(spec: &TableSpec) -> String {
    ANEW.replace("EXT", spec.extension())
}

#[test]
fn a_full_load_written_anew_replaces_the_table_whatever_happens_on_the_way() {
    for seed in seeds() {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let loads = Loads::generate(&mut rng, 3);
        let world = World::new(&loads.spec, &setup(&mut rng));
        live(&world, &loads.parts[0].files, &mut rng);
        world.finish();
        assert_exact(&world, &loads.parts[0]);
        for part in &loads.parts[1..] {
            live(&world, &part.files, &mut rng);
            // The next load is known by the first file of this one, so that has to be taken in.
            world.finish();
        }
        let whole = loads.whole(&anew(&loads.spec));
        assert_exact(&world, &whole);
        world.finish();
        assert_exact(&world, &whole);
    }
}

#[test]
fn each_operation_of_a_reload_can_be_the_last_one_of_the_process() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let loads = Loads::generate(&mut rng, 2);
    let whole = loads.whole(&anew(&loads.spec));
    let setup = Setup { max_rows: 20, batch_rows: 7, ..setup(&mut rng) };
    for crash_at in 1.. {
        let world = World::new(&loads.spec, &setup);
        loads.parts[0].files.iter().for_each(|file| world.deliver(file));
        world.finish();
        loads.parts[1].files.iter().for_each(|file| world.deliver(file));
        let ended = world.run(&Weather { crash_at: Some(crash_at), seed: crash_at, ..Weather::fair() }).is_some();
        world.finish();
        assert_exact(&world, &whole);
        if ended {
            assert!(crash_at > 10, "a reload takes more than {crash_at} operations");
            break;
        }
    }
}

#[test]
fn readers_see_the_old_load_until_the_new_one_is_whole_whatever_dies_on_the_way() {
    for number in 0..3 {
        let mut rng = StdRng::seed_from_u64(SEED + number);
        let spec = TableSpec::random(&mut rng, "s.t", true);
        let shape =
            |load_rows| Shape { load_rows, load_files: 2, changes: 6, change_files: 2, keys: 12, bad_share: 0.0 };
        let parts = [(0, 9), (1, 12)].map(|(number, rows)| part(&spec, &shape(rows), number, rng.random()));
        let loads = Loads { spec, parts: parts.into() };
        let whole = loads.whole(&anew(&loads.spec));
        let setup = Setup { max_rows: 6, batch_rows: 3, upkeep: false, ..setup(&mut rng) };
        let schema = &loads.spec.schema;
        let old = loads.parts[0].model().canonical_rows();
        // Whatever the table may be once its load is in: with more and more of the changes.
        let is_of_load = |record: &Record| whole.files[record.file].path.contains("LOAD");
        let loaded = whole.records.iter().rposition(is_of_load).expect("a load") + 1;
        let after = |length: usize| History { records: whole.records[..length].to_vec(), ..whole.clone() };
        let mut states: Vec<Vec<Row>> =
            (loaded..=whole.records.len()).map(|length| after(length).model().canonical_rows()).collect();
        states.push(old);
        for crash_at in (1 + number..).step_by(3) {
            let world = World::new(&loads.spec, &setup);
            loads.parts[0].files.iter().for_each(|file| world.deliver(file));
            world.finish();
            loads.parts[1].files.iter().for_each(|file| world.deliver(file));
            let mut ended = false;
            for life in 0..3 {
                let weather = Weather { crash_at: Some(crash_at), seed: crash_at + life, ..Weather::fair() };
                ended |= world.run(&weather).is_some();
                let seen = world.silver().silver(schema);
                assert!(states.contains(&seen), "seed {number}, crash at {crash_at}, life {life}: {seen:?}");
            }
            world.finish();
            assert_exact(&world, &whole);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn the_real_program_keeps_the_old_rows_until_the_new_load_is_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "source.location = 'dms'\nlake.warehouse = 'lake'\n[process]\npoll_interval = '20ms'\n\
                [tables.'shop.items']\nkey = ['id']\ncolumns = ['id long', 'load string']\n\
                csv = { header = false }\nbatch = { max_rows = 1 }\n";
    std::fs::write(folder.join("sluice.toml"), text).unwrap();
    let table = folder.join("dms/shop/items");
    std::fs::create_dir_all(&table).unwrap();
    let deliver = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::rename(folder.join(name), table.join(name)).unwrap();
    };
    let load = |rows: std::ops::Range<u32>, word: &str| rows.map(|id| format!("{id},{word}\n")).collect::<String>();
    for part in 0..8 {
        deliver(&format!("LOAD{:08}.csv", part + 1), load(part * 100..part * 100 + 100, "first"));
    }
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let mut process = program.start_in(folder, &["run"]);
    let seen = || {
        let rows = sluice_tests::lake_files::read(&folder.join("lake/catalog.db"), "silver", "shop_items");
        let words = rows.select(&["load"]).into_iter().map(|mut row| row.remove(0).expect("a word"));
        words.collect::<Vec<String>>()
    };
    process.wait_until("the first load is in", || seen().len() == 800);
    // The later files first: which load they belong to is known by the first one.
    let parts: Vec<u32> = (0..8).collect();
    for part in parts.iter().rev() {
        deliver(&format!("LOAD{:08}.csv", part + 1), load(part * 100..part * 100 + 100, "second"));
    }
    deliver("20270101-000000001.csv", "U,5,changed\n".into());
    let mut looks = 0;
    process.wait_until("the second load is in", || {
        let words = seen();
        let (first, second) =
            (words.iter().filter(|word| *word == "first"), words.iter().filter(|word| *word == "second"));
        let (first, second) = (first.count(), second.count());
        assert_eq!(words.len(), 800, "{first} rows of the first load, {second} of the second");
        assert!(first == 800 || first == 0, "{first} rows of the first load, {second} of the second");
        looks += 1;
        words.iter().any(|word| word == "changed")
    });
    eprintln!("{looks} looks");
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
}

#[test]
fn changes_that_were_there_before_a_load_written_anew_are_those_of_the_old_load() {
    for seed in seeds() {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let loads = Loads::generate(&mut rng, 2);
        let world = World::new(&loads.spec, &setup(&mut rng));
        let (load, changes): (Vec<SourceFile>, Vec<SourceFile>) =
            loads.parts[0].files.iter().cloned().partition(|file| file.path.contains("LOAD"));
        load.iter().for_each(|file| world.deliver(file));
        world.finish();
        changes.iter().for_each(|file| world.deliver(file));
        live(&world, &loads.parts[1].files, &mut rng);
        world.finish();
        assert_exact(&world, &loads.whole(&anew(&loads.spec)));
    }
}

#[test]
fn changes_of_an_old_load_that_come_after_the_new_one_touch_no_row_of_it() {
    for seed in seeds() {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let loads = Loads::generate(&mut rng, 2);
        let world = World::new(&loads.spec, &setup(&mut rng));
        let old = &loads.parts[0].files;
        let changes: Vec<usize> = (0..old.len()).filter(|file| !old[*file].path.contains("LOAD")).collect();
        // The newest changes tell where the old load ends, so another one is late.
        let late = changes[rng.random_range(0..changes.len())];
        let late = (changes.len() > 1 && late != changes[changes.len() - 1]).then_some(late);
        (0..old.len()).filter(|file| Some(*file) != late).for_each(|file| world.deliver(&old[file]));
        world.finish();
        live(&world, &loads.parts[1].files, &mut rng);
        if rng.random() {
            world.finish();
        } else {
            world.run(&any_weather(&mut rng));
        }
        late.into_iter().for_each(|file| world.deliver(&old[file]));
        for _ in 0..rng.random_range(0..3) {
            world.run(&any_weather(&mut rng));
        }
        world.finish();
        assert_exact(&world, &loads.whole(&anew(&loads.spec)));
    }
}

#[test]
fn files_of_the_same_load_that_come_late_are_no_new_load() {
    for seed in seeds() {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let spec = TableSpec::random(&mut rng, "s.t", true);
        let shape = Shape { load_files: 3, ..any_shape(&mut rng) };
        let history = part(&spec, &shape, 0, rng.random());
        let world = World::new(&spec, &setup(&mut rng));
        let late = rng.random_range(0..3);
        let (now, later): (Vec<usize>, Vec<usize>) = (0..history.files.len()).partition(|file| *file != late);
        now.into_iter().for_each(|file| world.deliver(&history.files[file]));
        if rng.random() {
            world.finish();
        } else {
            world.run(&any_weather(&mut rng));
        }
        later.into_iter().for_each(|file| world.deliver(&history.files[file]));
        world.finish();
        world.assert_exact(&history);
    }
}

#[test]
fn a_load_written_anew_after_very_many_changes_is_still_seen() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let spec = TableSpec::random(&mut rng, "s.t", true);
    let long = Shape { load_rows: 20, load_files: 3, changes: 200, change_files: 150, keys: 30, bad_share: 0.0 };
    let short = Shape { load_files: 2, change_files: 3, ..long.clone() };
    let parts = [long, short].iter().enumerate().map(|(number, shape)| part(&spec, shape, number, 7)).collect();
    let loads = Loads { spec, parts };
    let world = World::new(&loads.spec, &Setup { max_rows: 50, ..setup(&mut rng) });
    for part in &loads.parts {
        part.files.iter().for_each(|file| world.deliver(file));
        world.finish();
    }
    assert_exact(&world, &loads.whole(&anew(&loads.spec)));
}

#[test]
fn files_that_vanish_all_at_once_empty_the_table_and_what_comes_then_fills_it() {
    for seed in seeds() {
        let _said = Said(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut loads = Loads::generate(&mut rng, 2);
        if rng.random() {
            // Changes alone.
            let shape = Shape { load_rows: 0, ..any_shape(&mut rng) };
            loads.parts[1] = part(&loads.spec, &shape, 1, rng.random());
        }
        let world = World::new(&loads.spec, &setup(&mut rng)).with_on_vanished(OnVanished::Truncate);
        world.deliver(&SourceFile { path: "s/other/LOAD00000001.csv".into(), bytes: b"1\n".to_vec() });
        loads.parts[0].files.iter().for_each(|file| world.deliver(file));
        world.finish();
        assert_exact(&world, &loads.parts[0]);
        loads.parts[0].files.iter().for_each(|file| world.remove(&file.path));
        for _ in 0..rng.random_range(0..3) {
            world.run(&any_weather(&mut rng));
        }
        world.finish();
        assert!(world.silver().rows.is_empty(), "nothing is left");
        live(&world, &loads.parts[1].files, &mut rng);
        world.finish();
        assert_exact(&world, &loads.whole(" (truncated)"));
    }
}

#[test]
fn the_real_program_is_killed_at_every_point_of_a_reload() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let points = ["bronze.before-files", "between-bronze-and-silver", "silver.before-files", "index.before-apply"];
    for (number, point) in (0..).zip(points) {
        let mut rng = StdRng::seed_from_u64(SEED + number);
        let loads = Loads::generate(&mut rng, 2);
        let mut table = TableConfig::new(&loads.spec);
        table.format_version = Some(2 + (number % 2) as u8);
        let settings = Settings { max_rows: 15, ..Settings::default() };
        let scenario = Scenario::new(&settings, &[table]);
        scenario.deliver_all(&loads.parts[0]);
        program.run_once(&scenario).expect_code(exit::SUCCESS);
        scenario.assert_exact(&loads.parts[0]);
        // On disk a file is told from its old content by its length or its time.
        scenario.deliver_all(&loads.parts[1]);
        for passage in 1..4 {
            let mut command = program.run_command(&scenario, true);
            command.env("SLUICE_FAILPOINT", format!("{point}={passage}"));
            let end = Running::start(command, scenario.path()).wait();
            assert!(end.signal.is_some() || end.code == Some(exit::SUCCESS), "{}", end.stderr);
        }
        program.run_once(&scenario).expect_code(exit::SUCCESS);
        let (whole, schema) = (loads.whole(&anew(&loads.spec)), &loads.spec.schema);
        let table = &loads.spec.name;
        let log = scenario.bronze(table);
        assert_same("Bronze", &bronze(&whole), &log.bronze(schema));
        log.assert_numbered();
        let silver = scenario.silver(table).silver(schema);
        assert_same("Silver", &whole.model().canonical_rows(), &silver);
        assert_same("Silver against its Bronze", &log.replayed(schema), &silver);
        assert_same("dead letters", &whole.rejected(), &scenario.dead_letters(table).dead_letters());
    }
}
