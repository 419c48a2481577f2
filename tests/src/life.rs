//! A scenario whose process is killed again and again while files keep arriving.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::ColumnType;

use crate::config::{Scenario, Settings, TableConfig};
use crate::generator::{History, Shape};
use crate::place::Place;
use crate::process::{PATIENCE, Program, Running, exit, until};
use crate::readers;
use crate::spec::{Layout, TableSpec};

/// A process that has everything that there is and lives on after this time will not reach its point any more.
const STALLED: Duration = Duration::from_secs(3);

/// Tries to end the process at a point where it has never ended.
const TRIES: usize = 3;
/// What the process says of a table that another one commits to.
const OVERTAKEN: &str = "another process has taken this table over";

/// How the lives of a test are.
#[derive(Debug, Clone)]
pub struct Lives {
    /// Where each is; its number is the schema of its tables.
    pub place: Place,
    /// How often new files are looked for.
    pub poll_interval: &'static str,
    /// What its tables go through.
    pub shape: Shape,
    /// Longest time until a process is ended at a random moment.
    pub longest: Duration,
}

impl Lives {
    /// Kills at each of the points at each of the passages, and then at random moments until there are `kills`; in the
    /// end all tables are exact, for PyIceberg too. Returns how often the process died at each point.
    pub fn end_suddenly(
        &self,
        program: &Program,
        points: &[&'static str],
        passages: &[u32],
        kills: usize,
        seed: u64,
    ) -> BTreeMap<&'static str, u32> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut reached: BTreeMap<&str, u32> = points.iter().map(|point| (*point, 0)).collect();
        let mut over = Vec::new();
        let mut life = Life::begin(self, 0, rng.random());
        let next = |life: &mut Life, over: &mut Vec<Life>, rng: &mut StdRng| {
            if !life.has_files_left() {
                life.end(program, rng);
                let another = Life::begin(self, over.len() + 1, rng.random());
                over.push(std::mem::replace(life, another));
            }
            over.iter().map(|life| life.kills).sum::<usize>() + life.kills
        };
        for passage in passages {
            for point in points {
                for _ in 0..TRIES {
                    next(&mut life, &mut over, &mut rng);
                    let count = reached.entry(point).or_default();
                    *count += u32::from(life.die_at(program, point, *passage, &mut rng));
                    if *count > 0 {
                        break;
                    }
                }
                // Now and then another one before the first has been mended.
                if rng.random_bool(0.3) {
                    life.die_somewhen(program, &mut rng);
                }
            }
        }
        while next(&mut life, &mut over, &mut rng) < kills {
            life.die_somewhen(program, &mut rng);
        }
        life.end(program, &mut rng);
        over.push(life);
        let survived: usize = over.iter().map(|life| life.kills).sum();
        eprintln!("{survived} kills in {} histories; at each point: {reached:?}", over.len());
        assert!(survived >= kills);
        // An independent reader has the last word.
        if let Some(reader) = readers::pyiceberg() {
            let all: Vec<_> = over.iter().map(|life| (&life.scenario, &life.histories[..])).collect();
            reader.assert_exact(&all);
        }
        reached
    }
}

/// Two tables, whose files arrive one by one.
#[derive(Debug)]
struct Life {
    scenario: Scenario,
    histories: Vec<History>,
    arrived: Vec<usize>,
    longest: Duration,
    kills: usize,
}

impl Life {
    fn begin(lives: &Lives, number: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let histories: Vec<History> =
            (0..2).map(|table| history(&format!("life{number}.t{table}"), &lives.shape, rng.random())).collect();
        let mut tables: Vec<TableConfig> = histories.iter().map(|history| TableConfig::new(&history.spec)).collect();
        tables[0].silver_partition = vec!["bucket(3, id)".into()];
        tables[1].format_version = Some(2);
        // Small commits, so that most files are cut into several.
        let settings =
            Settings { max_rows: rng.random_range(5..40), poll_interval: lives.poll_interval, ..Settings::default() };
        let scenario = Scenario::at(lives.place.clone(), &settings, &tables);
        let arrived = vec![0; histories.len()];
        Self { scenario, histories, arrived, longest: lives.longest, kills: 0 }
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
        if self.may_be_overtaken(&end.stderr) {
            return false;
        }
        assert_eq!(end.signal, Some(6), "{point}={passage}: code {:?}\n{}", end.code, end.stderr);
        self.kills += 1;
        true
    }

    /// Starts the process, lets files arrive, and ends it at a random moment.
    fn die_somewhen(&mut self, program: &Program, rng: &mut StdRng) {
        let process = program.start(&self.scenario);
        let end = Instant::now() + self.longest.mul_f64(rng.random());
        while Instant::now() < end {
            if rng.random_bool(0.3) {
                self.deliver_one(rng);
            }
            std::thread::sleep(Duration::from_micros(rng.random_range(0..60_000)));
        }
        let stderr = process.stderr();
        assert!(process.kill() || self.may_be_overtaken(&stderr), "it ended by itself:\n{stderr}");
        self.kills += 1;
    }

    /// Whether the last commit of a dead process got to the tables after this process had opened them: a server may hold
    /// a request for longer than the next start takes.
    fn may_be_overtaken(&self, stderr: &str) -> bool {
        matches!(self.scenario.place(), Place::Cloud(_)) && stderr.contains(OVERTAKEN)
    }

    fn has_files_left(&self) -> bool {
        self.arrived.iter().zip(&self.histories).any(|(arrived, history)| *arrived < history.files.len())
    }

    /// Lets the rest arrive, runs to the end and compares.
    fn end(&mut self, program: &Program, rng: &mut StdRng) {
        while self.deliver_one(rng) {}
        let end = program.run_once(&self.scenario);
        if self.may_be_overtaken(&end.stderr) {
            program.run_once(&self.scenario).expect_code(exit::SUCCESS);
        } else {
            end.expect_code(exit::SUCCESS);
        }
        self.histories.iter().for_each(|history| self.scenario.assert_exact(history));
        // Nothing is left to do, and doing nothing changes nothing.
        program.run_once(&self.scenario).expect_code(exit::SUCCESS);
        self.histories.iter().for_each(|history| self.scenario.assert_exact(history));
    }
}

fn history(name: &str, shape: &Shape, seed: u64) -> History {
    let columns = [
        ("amount", ColumnType::Decimal { precision: 12, scale: 2 }),
        ("note", ColumnType::String),
        ("day", ColumnType::Date),
    ];
    let layout = Layout { gzip: true, before_prefix: Some("BI_".into()), ..Layout::default() };
    History::generate(&TableSpec::new(name, &columns).with_layout(layout), shape, seed)
}
