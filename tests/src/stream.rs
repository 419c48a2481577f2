//! A process that streams while files arrive one by one, and others do things to its tables.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::config::{Scenario, Settings, TableConfig, lake_name};
use crate::generator::{History, Record, Shape};
use crate::model;
use crate::process::{Finished, Program, Running, exit};
use crate::readers::{self, Catalog, Job};
use crate::spark::Spark;
use crate::table::{Row, TableRows, assert_same};

/// Time between two files that arrive while something else goes on.
const PACE: Duration = Duration::from_millis(150);
const LAYERS: [&str; 2] = ["bronze", "silver"];
/// Files that arrive during one thing that goes on, at most.
const TRICKLE: usize = 8;

/// A scenario, its process, and how much of each history has arrived.
#[derive(Debug)]
pub struct Stream<'a> {
    program: &'a Program,
    scenario: Scenario,
    histories: Vec<History>,
    arrived: Vec<usize>,
    /// Files before those that have arrived which have not.
    held: Vec<HashSet<usize>>,
    process: Running,
    trickled: Instant,
}

/// A stream that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its tables.
    pub scenario: Scenario,
    /// What arrived in them.
    pub histories: Vec<History>,
    /// Its process.
    pub process: Finished,
}

impl<'a> Stream<'a> {
    /// Starts a process on a scenario to which nothing has been delivered.
    pub fn begin(program: &'a Program, settings: &Settings, tables: &[TableConfig], histories: Vec<History>) -> Self {
        let scenario = Scenario::new(settings, tables);
        let process = program.start(&scenario);
        let (arrived, held) = (vec![0; histories.len()], vec![HashSet::new(); histories.len()]);
        Self { program, scenario, histories, arrived, held, process, trickled: Instant::now() }
    }

    /// The same for histories of one shape, generated from seeds from `seed` on.
    pub fn of(program: &'a Program, settings: &Settings, tables: &[TableConfig], shape: &Shape, seed: u64) -> Self {
        let histories = tables.iter().zip(seed..).map(|(table, seed)| History::generate(&table.spec, shape, seed));
        Self::begin(program, settings, tables, histories.collect())
    }

    /// Its tables.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The history of a table.
    pub fn history(&self, table: usize) -> &History {
        &self.histories[table]
    }

    /// The catalog.
    pub fn catalog(&self) -> Catalog {
        Catalog::of(&self.scenario)
    }

    /// A table as SQL names it.
    pub fn sql_name(&self, layer: &str, table: usize) -> String {
        format!("sluice.{layer}.{}", lake_name(&self.histories[table].spec.name))
    }

    /// How many files of a table have arrived.
    pub fn arrived(&self, table: usize) -> usize {
        self.arrived[table]
    }

    /// Lets one more file of a table arrive, if there is one.
    pub fn deliver(&mut self, table: usize) {
        if let Some(file) = self.histories[table].files.get(self.arrived[table]) {
            self.scenario.deliver(file);
            self.arrived[table] += 1;
        }
    }

    /// Lets the next file of a table be late.
    pub fn hold(&mut self, table: usize) {
        self.held[table].insert(self.arrived[table]);
        self.arrived[table] += 1;
    }

    /// Lets the late files of a table arrive.
    pub fn deliver_late(&mut self, table: usize) {
        for file in self.held[table].drain() {
            self.scenario.deliver(&self.histories[table].files[file]);
        }
    }

    /// Lets files of a table arrive and waits until they are taken in.
    #[track_caller]
    pub fn take_in(&mut self, table: usize, files: usize) {
        (0..files).for_each(|_| self.deliver(table));
        let Self { scenario, histories, arrived, held, process, .. } = self;
        let (history, arrived, held) = (&histories[table], arrived[table], &held[table]);
        let there = |record: &&Record| record.file < arrived && !held.contains(&record.file);
        let records = history.records.iter().filter(there).count() as u64;
        let name = &history.spec.name;
        process.wait_until(&format!("{arrived} files of {name} are taken in"), || {
            LAYERS.iter().all(|layer| scenario.next_sequence(layer, name) == records)
        });
    }

    /// Has Spark do something to a table while files of it keep arriving, and waits until those are taken in.
    #[track_caller]
    pub fn beside(&mut self, spark: &mut Spark, table: usize, sql: &str) -> Vec<Row> {
        let catalog = self.catalog();
        let until = self.arrived[table] + TRICKLE;
        let rows = spark.beside(&catalog, sql, || {
            if self.arrived[table] < until && self.trickled.elapsed() >= PACE {
                self.trickled = Instant::now();
                self.deliver(table);
            }
        });
        self.take_in(table, 2);
        rows
    }

    /// Waits until the process says something.
    #[track_caller]
    pub fn wait_until_it_says(&mut self, words: &str) {
        self.process.wait_until_it_says(words);
    }

    /// Ends the process and starts another.
    #[track_caller]
    pub fn restart(&mut self) -> Finished {
        self.process.terminate();
        let next = self.program.start(&self.scenario);
        std::mem::replace(&mut self.process, next).wait()
    }

    /// Lets the rest of everything arrive, waits until it is taken in, and ends the process.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        for table in 0..self.histories.len() {
            self.take_in(table, self.histories[table].files.len() - self.arrived[table]);
        }
        let Self { scenario, histories, mut process, .. } = self;
        assert!(!process.has_ended(), "it ended by itself:\n{}", process.stderr());
        process.terminate();
        Ended { scenario, histories, process: process.wait() }
    }
}

impl Ended {
    /// Fails unless the process went on all the time without a table that failed.
    #[track_caller]
    pub fn expect_went_on(&self) -> &Self {
        self.process.expect_code(exit::SUCCESS);
        for word in ["quarantined", "taken this table over", "ERROR", "panicked"] {
            assert!(!self.process.stderr.contains(word), "`{word}`:\n{}", self.process.stderr);
        }
        self
    }

    /// Fails unless all tables are what the model says, by our own reader, by Spark and by PyIceberg, and Silver is what
    /// `sluice verify` makes of Bronze.
    #[track_caller]
    pub fn assert_exact(&self, program: &Program, spark: &mut Spark) {
        self.histories.iter().for_each(|history| self.scenario.assert_exact(history));
        let all = [(&self.scenario, &self.histories[..])];
        spark.assert_exact(&all);
        if let Some(reader) = readers::pyiceberg() {
            reader.assert_exact(&all);
        }
        for table in 0..self.histories.len() {
            self.verify(program, table).expect_code(exit::SUCCESS);
        }
    }

    /// What `sluice verify` says of all keys of a table.
    pub fn verify(&self, program: &Program, table: usize) -> Finished {
        let (config, name) = (self.scenario.config(), self.histories[table].spec.name.to_string());
        let config = config.to_str().expect("a path of text");
        program.run_in(self.scenario.path(), &["verify", "--full", "--config", config, &name])
    }

    /// Both layers of a table, by our own reader, by Spark and by PyIceberg.
    pub fn read(&self, spark: &mut Spark, table: usize) -> Vec<(&'static str, Vec<TableRows>)> {
        let history = &self.histories[table];
        let name = &history.spec.name;
        let job = Job::of(&self.scenario, std::slice::from_ref(history));
        let own = vec![self.scenario.bronze(name), self.scenario.silver(name)];
        let mut all = vec![("our own reader", own), ("Spark", spark.read(&job))];
        all.extend(readers::pyiceberg().map(|reader| (reader.name(), reader.read(&[job]))));
        all
    }
}

/// Which keys the records of these files change, in canonical text.
pub fn touched(history: &History, files: Range<usize>) -> HashSet<Row> {
    let schema = &history.spec.schema;
    let key = |cells: &[crate::datum::Cell]| key_of(history, &model::canonical(schema, cells));
    let of_record = |record: &Record| {
        let before = record.change.before.as_deref().map(key).filter(|key| key.iter().all(Option::is_some));
        [Some(key(&record.change.cells)), before]
    };
    history.records.iter().filter(|record| files.contains(&record.file)).flat_map(of_record).flatten().collect()
}

/// The key of a row in canonical text.
pub fn key_of(history: &History, row: &[Option<String>]) -> Row {
    let schema = &history.spec.schema;
    let of_key =
        |(column, cell): (&sluice_change::Column, &Option<String>)| schema.is_key(&column.name).then(|| cell.clone());
    schema.columns.iter().zip(row).filter_map(of_key).collect()
}

/// What Silver has to be in the end if it was `rows` once the first `files` files were in: rows of keys that later files
/// change are the model's, and all others stay.
pub fn gone_on_from(history: &History, rows: &[Row], files: usize) -> Vec<Row> {
    let touched = touched(history, files..history.files.len());
    let by_key =
        |rows: &[Row]| -> HashMap<Row, Row> { rows.iter().map(|row| (key_of(history, row), row.clone())).collect() };
    let stays = by_key(rows).into_iter().filter(|(key, _)| !touched.contains(key));
    let comes = by_key(&history.model().canonical_rows()).into_iter().filter(|(key, _)| touched.contains(key));
    let mut expected: Vec<Row> = stays.chain(comes).map(|(_, row)| row).collect();
    expected.sort_unstable();
    expected
}

/// Fails unless each reader finds these rows in Silver, and the whole history in Bronze.
#[track_caller]
pub fn assert_layers(history: &History, found: &[(&str, Vec<TableRows>)], silver: &[Row]) {
    let (name, schema) = (&history.spec.name, &history.spec.schema);
    for (reader, layers) in found {
        assert_same(&format!("Bronze of {name} by {reader}"), &history.bronze(), &layers[0].bronze(schema));
        assert_same(&format!("Silver of {name} by {reader}"), silver, &layers[1].silver(schema));
    }
}
