//! `kill -9` of the real process, at every named point and at random moments, while files keep arriving: the tables come
//! out as if nothing had happened.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::ColumnType;
use sluice_platform::failpoint;
use sluice_tests::config::{Scenario, Settings, TableConfig, lake_name};
use sluice_tests::generator::{History, Shape};
use sluice_tests::process::{PATIENCE, Program, Running, exit, until};
use sluice_tests::readers::{self, Job};
use sluice_tests::spec::{Layout, TableSpec};
use sluice_tests::table::assert_same;

/// Kills that one run of this test has to survive.
const KILLS: usize = 200;
/// Passages of each point at which the process is ended.
const PASSAGES: [u32; 6] = [1, 2, 3, 4, 6, 9];
/// A process that has everything that there is and lives on after this time will not reach its point any more.
const STALLED: Duration = Duration::from_secs(3);

/// Two tables in a folder of their own, whose files arrive one by one.
struct Life {
    scenario: Scenario,
    histories: Vec<History>,
    arrived: Vec<usize>,
    kills: usize,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let histories: Vec<History> = (0..2).map(|number| history(&mut rng, number)).collect();
        let mut tables: Vec<TableConfig> = histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
        tables[0].silver_partition = vec!["bucket(3, id)".into()];
        tables[1].format_version = Some(2);
        // Small commits, so that most files are cut into several.
        let settings = Settings { max_rows: rng.random_range(5..40), ..Settings::default() };
        let scenario = Scenario::new(&settings, &tables);
        let arrived = vec![0; histories.len()];
        Self { scenario, histories, arrived, kills: 0 }
    }

    /// Lets one more file of some table arrive. Returns whether there was one.
    fn deliver_one(&mut self, rng: &mut StdRng) -> bool {
        let left = |table: usize| self.arrived[table] < self.histories[table].files.len();
        let first = rng.random_range(0..self.histories.len());
        let tables = (0..self.histories.len()).map(|step| (first + step) % self.histories.len());
        let Some(table) = tables.into_iter().find(|table| left(*table)) else { return false };
        self.scenario.deliver(&self.histories[table].files[self.arrived[table]]);
        self.arrived[table] += 1;
        true
    }

    /// Starts the process with a point armed and lets files arrive until it dies there. Returns whether it did.
    fn die_at(&mut self, program: &Program, point: &str, passage: u32, rng: &mut StdRng) -> bool {
        let mut command = program.run_command(&self.scenario, false);
        command.env("SLUICE_FAILPOINT", format!("{point}={passage}"));
        let mut process = Running::start(command, self.scenario.path());
        let mut more = self.deliver_one(rng);
        let mut fed = Instant::now();
        until(PATIENCE, || {
            if more && fed.elapsed() > Duration::from_millis(30) {
                more = self.deliver_one(rng);
                fed = Instant::now();
            }
            process.has_ended() || (!more && fed.elapsed() > STALLED)
        });
        if !process.has_ended() {
            process.kill();
            self.kills += 1;
            return false;
        }
        let end = process.wait();
        assert_eq!(end.signal, Some(6), "{point}={passage}: code {:?}\n{}", end.code, end.stderr);
        self.kills += 1;
        true
    }

    /// Starts the process, lets files arrive, and ends it at a random moment.
    fn die_somewhen(&mut self, program: &Program, rng: &mut StdRng) {
        let process = program.start(&self.scenario);
        let end = Instant::now() + Duration::from_micros(rng.random_range(0..400_000));
        while Instant::now() < end {
            if rng.random_bool(0.3) {
                self.deliver_one(rng);
            }
            std::thread::sleep(Duration::from_micros(rng.random_range(0..60_000)));
        }
        assert!(process.kill(), "it ended by itself");
        self.kills += 1;
    }

    fn has_files_left(&self) -> bool {
        self.arrived.iter().zip(&self.histories).any(|(arrived, history)| *arrived < history.files.len())
    }

    /// Lets the rest arrive, runs to the end and compares.
    fn end(&mut self, program: &Program, rng: &mut StdRng) {
        while self.deliver_one(rng) {}
        program.run_once(&self.scenario).expect_code(exit::SUCCESS);
        self.histories.iter().for_each(|history| self.scenario.assert_exact(history));
        // Nothing is left to do, and doing nothing changes nothing.
        program.run_once(&self.scenario).expect_code(exit::SUCCESS);
        self.histories.iter().for_each(|history| self.scenario.assert_exact(history));
    }

    fn job(&self) -> Job {
        let tables = self.histories.iter().map(|history| lake_name(&history.spec.name));
        let tables = tables.flat_map(|name| [("bronze".to_owned(), name.clone()), ("silver".to_owned(), name)]);
        Job { catalog: self.scenario.catalog(), warehouse: self.scenario.warehouse(), tables: tables.collect() }
    }
}

fn history(rng: &mut StdRng, number: u32) -> History {
    let columns = [
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
        ("day", ColumnType::Date),
    ];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    let spec = TableSpec::new(&format!("shop.t{number}"), &columns).with_layout(layout);
    let shape = Shape { load_rows: 60, load_files: 2, changes: 900, change_files: 60, keys: 90, bad_share: 0.06 };
    History::generate(&spec, &shape, rng.random())
}

#[test]
fn two_hundred_kills_lose_nothing_and_double_nothing() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let mut rng = StdRng::seed_from_u64(9);
    let mut reached: BTreeMap<&str, u32> = failpoint::ALL.iter().map(|point| (*point, 0)).collect();
    let mut lives = Vec::new();
    let mut life = Life::begin(rng.random());
    let mut kills = 0;
    let mut turn = |life: &mut Life, rng: &mut StdRng, lives: &mut Vec<Life>| {
        if !life.has_files_left() {
            life.end(&program, rng);
            kills += life.kills;
            lives.push(std::mem::replace(life, Life::begin(rng.random())));
        }
        kills + life.kills
    };
    for passage in PASSAGES {
        for point in failpoint::ALL {
            turn(&mut life, &mut rng, &mut lives);
            if life.die_at(&program, point, passage, &mut rng) {
                *reached.entry(point).or_default() += 1;
            }
            // Now and then another one before the first has been mended.
            if rng.random_bool(0.3) {
                life.die_somewhen(&program, &mut rng);
            }
        }
    }
    while turn(&mut life, &mut rng, &mut lives) < KILLS {
        life.die_somewhen(&program, &mut rng);
    }
    life.end(&program, &mut rng);
    lives.push(life);
    let kills: usize = lives.iter().map(|life| life.kills).sum();
    eprintln!("{kills} kills in {} histories; at each point: {reached:?}", lives.len());
    assert!(kills >= KILLS);
    assert!(reached.values().all(|count| *count > 0), "some point was never reached: {reached:?}");
    read_by_pyiceberg(&lives);
}

#[test]
fn dead_letters_stored_before_a_crash_are_not_stored_again_when_an_earlier_file_comes_in_between() {
    let program = Program::new(env!("CARGO_BIN_EXE_sluice-under-test"));
    let layout = Layout { gzip: true, ..Layout::default() };
    let spec = TableSpec::new("shop.late", &[("note", ColumnType::String)]).with_layout(layout);
    let shape = Shape { load_rows: 20, load_files: 1, changes: 200, change_files: 6, keys: 30, bad_share: 0.3 };
    let history = History::generate(&spec, &shape, 5);
    // A commit a file.
    let settings = Settings { max_rows: 1, ..Settings::default() };
    let scenario = Scenario::new(&settings, &[TableConfig::new(&spec)]);
    scenario.deliver(&history.files[0]);
    program.run_once(&scenario).expect_code(exit::SUCCESS);
    let behind = history.bad.last().expect("something to set aside").file;
    assert!(history.bad.iter().any(|bad| bad.file > 0 && bad.file < behind), "something to set aside before it, too");
    scenario.deliver(&history.files[behind]);
    let mut command = program.run_command(&scenario, true);
    command.env("SLUICE_FAILPOINT", "bronze.before-files=1");
    assert_eq!(Running::start(command, scenario.path()).wait().signal, Some(6));
    scenario.deliver_all(&history);
    program.run_once(&scenario).expect_code(exit::SUCCESS);
    scenario.assert_exact(&history);
}

/// An independent reader has the last word.
fn read_by_pyiceberg(lives: &[Life]) {
    let Some(reader) = readers::pyiceberg() else { return };
    let jobs: Vec<Job> = lives.iter().map(Life::job).collect();
    let tables = reader.read(&jobs);
    let histories = lives.iter().flat_map(|life| &life.histories);
    for (history, layers) in histories.zip(tables.chunks(2)) {
        let schema = &history.spec.schema;
        assert_same("Bronze by PyIceberg", &history.bronze(), &layers[0].bronze(schema));
        assert_same("Silver by PyIceberg", &history.model().canonical_rows(), &layers[1].silver(schema));
    }
}
