//! Seeded histories of one table as DMS writes them: the files, and what has to come out of them.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sluice_change::{ColumnType, Op, TableSchema};

use crate::bad_rows::{self, BadKind};
use crate::datum::{self, Cell};
use crate::model::{self, Change, Model};
use crate::spec::{Format, TableSpec};
use crate::{values, write_csv, write_parquet};

/// How long and how wild a history is.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Rows of the full load; 0 means that the table starts with CDC.
    pub load_rows: usize,
    /// Files of the full load.
    pub load_files: usize,
    /// Changes after the full load.
    pub changes: usize,
    /// CDC files.
    pub change_files: usize,
    /// Number of keys that changes choose from.
    pub keys: u64,
    /// Share of records that cannot be represented (CSV only).
    pub bad_share: f64,
}

impl Shape {
    /// A short history with many changes per key.
    pub fn small(rng: &mut StdRng) -> Self {
        Self {
            load_rows: if rng.random_bool(0.8) { rng.random_range(1..30) } else { 0 },
            load_files: rng.random_range(1..4),
            changes: rng.random_range(0..80),
            change_files: rng.random_range(1..8),
            keys: rng.random_range(1..40),
            bad_share: if rng.random_bool(0.3) { 0.05 } else { 0.0 },
        }
    }
}

/// A file of the source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceFile {
    /// Where it lies below the source folder.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A record that has to land in Bronze.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Index of its file in [`History::files`].
    pub file: usize,
    /// Its number within the file, from 1.
    pub row: u64,
    /// Commit time at the source, microseconds since the epoch.
    pub commit_us: i64,
    /// What it does.
    pub change: Change,
    /// Which key it is about, as a number.
    pub key: u64,
}

/// A record that has to be rejected.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRecord {
    /// Index of its file in [`History::files`].
    pub file: usize,
    /// Its number within the file, from 1.
    pub row: u64,
    /// What is wrong with it.
    pub kind: BadKind,
    /// Its bytes, without the row end.
    pub raw: Vec<u8>,
}

/// The whole life of a table: its files in the order in which they were written, and what they hold.
#[derive(Debug, Clone)]
pub struct History {
    /// The table.
    pub spec: TableSpec,
    /// All files, full load first.
    pub files: Vec<SourceFile>,
    /// All records that can be represented, in order.
    pub records: Vec<Record>,
    /// All others, in order.
    pub bad: Vec<BadRecord>,
}

/// A record before it is written.
pub(crate) enum Slot {
    /// One that can be represented.
    Good(Record),
    /// One that cannot.
    Bad(BadRecord),
}

impl History {
    /// The history that belongs to a seed.
    pub fn generate(spec: &TableSpec, shape: &Shape, seed: u64) -> Self {
        let mut writer = Writer::new(spec, shape, seed);
        writer.load();
        writer.changes();
        writer.finish()
    }

    /// A random small history of a random table.
    pub fn random(seed: u64, name: &str) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let spec = TableSpec::random(&mut rng, name, true);
        let shape = Shape::small(&mut rng);
        Self::generate(&spec, &shape, rng.random())
    }

    /// The state after all records of the first `files` files, one by one.
    pub fn model_after(&self, files: usize) -> Model {
        let mut model = Model::new(self.spec.schema.clone());
        self.records.iter().filter(|record| record.file < files).for_each(|record| model.apply(&record.change));
        model
    }

    /// The state after all files.
    pub fn model(&self) -> Model {
        self.model_after(self.files.len())
    }

    /// What Bronze has to hold after the first `files` files: op, commit time, path of the file, row, then the columns of
    /// `schema`, in canonical text and sorted.
    pub fn bronze_after(&self, files: usize, schema: &TableSchema) -> Vec<Vec<Option<String>>> {
        let has_time = self.spec.layout.time_column.is_some();
        let mut rows: Vec<Vec<Option<String>>> = self
            .records
            .iter()
            .filter(|record| record.file < files)
            .map(|record| {
                let mut row = vec![
                    Some(record.change.op.code().to_owned()),
                    has_time.then(|| datum::timestamp(record.commit_us)),
                    Some(self.files[record.file].path.clone()),
                    Some(record.row.to_string()),
                ];
                row.extend(model::canonical(schema, &record.change.cells));
                row
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    /// What Bronze has to hold after all files.
    pub fn bronze(&self) -> Vec<Vec<Option<String>>> {
        self.bronze_after(self.files.len(), &self.spec.schema)
    }

    /// File path and row number of every record that has to be rejected, sorted.
    pub fn rejected(&self) -> Vec<(String, u64)> {
        let mut rejected: Vec<(String, u64)> =
            self.bad.iter().map(|bad| (self.files[bad.file].path.clone(), bad.row)).collect();
        rejected.sort_unstable();
        rejected
    }
}

/// 2026-01-01 in microseconds.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

struct Writer<'a> {
    spec: &'a TableSpec,
    shape: &'a Shape,
    rng: StdRng,
    now_us: i64,
    /// Columns that are written now.
    width: usize,
    files: Vec<SourceFile>,
    records: Vec<Record>,
    bad: Vec<BadRecord>,
    /// The rows as they stand, so that deletes can repeat them.
    live: std::collections::BTreeMap<u64, Vec<Cell>>,
}

impl<'a> Writer<'a> {
    fn new(spec: &'a TableSpec, shape: &'a Shape, seed: u64) -> Self {
        Self {
            spec,
            shape,
            rng: StdRng::seed_from_u64(seed),
            now_us: START_US,
            width: spec.first_width,
            files: Vec::new(),
            records: Vec::new(),
            bad: Vec::new(),
            live: std::collections::BTreeMap::new(),
        }
    }

    fn load(&mut self) {
        if self.shape.load_rows == 0 {
            return;
        }
        let op = if self.spec.layout.op_in_load { Op::Insert } else { Op::Load };
        let mut start = 0;
        for number in 0..self.shape.load_files {
            let end = self.cut(start, self.shape.load_rows, number, self.shape.load_files);
            let slots = (start..end)
                .map(|key| {
                    let cells = self.row(key as u64);
                    self.live.insert(key as u64, cells.clone());
                    self.good(Change { op, cells, before: None }, key as u64)
                })
                .collect();
            start = end;
            let name = format!("LOAD{:08X}.{}", number + 1, self.spec.extension());
            self.file(&name, slots, true);
        }
    }

    fn changes(&mut self) {
        let widen_at = self.rng.random_range(0..self.shape.change_files.max(1));
        let mut start = 0;
        for number in 0..self.shape.change_files {
            if number == widen_at {
                self.width = self.spec.schema.columns.len();
            }
            let end = self.cut(start, self.shape.changes, number, self.shape.change_files);
            let mut slots = Vec::with_capacity(end - start);
            for _ in start..end {
                let slot = self.change();
                slots.push(slot);
            }
            start = end;
            self.now_us += 1_000_000;
            let name = format!("{}.{}", file_stamp(self.now_us), self.spec.extension());
            self.file(&name, slots, false);
        }
    }

    /// Where the file of this number ends: anywhere for all but the last.
    fn cut(&mut self, start: usize, total: usize, number: usize, files: usize) -> usize {
        let left = files - number;
        if left <= 1 { total } else { start + self.rng.random_range(0..=(total - start) * 2 / left).min(total - start) }
    }

    fn change(&mut self) -> Slot {
        // Several changes of one timestamp are as usual as time that passes.
        if self.rng.random_bool(0.4) {
            self.now_us += self.rng.random_range(1..3_000_000_000_i64);
        }
        let key = self.rng.random_range(0..self.shape.keys);
        let known = self.live.contains_key(&key);
        let roll: f64 = self.rng.random();
        if roll < 0.2 {
            self.delete(key)
        } else if roll < 0.3 && known && self.spec.layout.before_prefix.is_some() {
            self.key_change(key)
        } else {
            let op = if known != self.rng.random_bool(0.05) { Op::Update } else { Op::Insert };
            let cells = self.row(key);
            self.live.insert(key, cells.clone());
            self.good(Change { op, cells, before: None }, key)
        }
    }

    fn delete(&mut self, key: u64) -> Slot {
        let whole = self.live.remove(&key).filter(|_| self.rng.random_bool(0.5));
        let mut cells = whole.unwrap_or_else(|| self.key_only(key));
        cells.resize(self.width, None);
        self.good(Change { op: Op::Delete, cells, before: None }, key)
    }

    fn key_change(&mut self, old: u64) -> Slot {
        let new = self.rng.random_range(0..self.shape.keys);
        let before = self.key_only(old);
        self.live.remove(&old);
        let cells = self.row(new);
        self.live.insert(new, cells.clone());
        self.good(Change { op: Op::Update, cells, before: Some(before) }, new)
    }

    fn good(&self, change: Change, key: u64) -> Slot {
        Slot::Good(Record { file: 0, row: 0, commit_us: self.now_us, change, key })
    }

    fn row(&mut self, key: u64) -> Vec<Cell> {
        let schema = &self.spec.schema;
        let first_width = self.spec.first_width;
        let columns = schema.columns.iter().take(self.width).enumerate();
        let rng = &mut self.rng;
        columns
            .map(|(index, column)| {
                if schema.is_key(&column.name) {
                    Some(values::key(column.column_type, key))
                } else if index >= first_width && column.column_type == ColumnType::String {
                    rng.random_bool(0.8).then(|| values::plain_text(rng))
                } else {
                    values::cell(rng, column.column_type)
                }
            })
            .collect()
    }

    fn key_only(&self, key: u64) -> Vec<Cell> {
        let schema = &self.spec.schema;
        let columns = schema.columns.iter().take(self.width);
        columns.map(|column| schema.is_key(&column.name).then(|| values::key(column.column_type, key))).collect()
    }

    fn file(&mut self, name: &str, slots: Vec<Slot>, load: bool) {
        let mut slots = slots;
        if self.spec.layout.format == Format::Csv {
            self.spoil(&mut slots, load);
        }
        let file = self.files.len();
        for (index, slot) in slots.iter_mut().enumerate() {
            match slot {
                Slot::Good(record) => (record.file, record.row) = (file, index as u64 + 1),
                Slot::Bad(bad) => (bad.file, bad.row) = (file, index as u64 + 1),
            }
        }
        let bytes = match self.spec.layout.format {
            Format::Csv => write_csv::file(self.spec, self.width, &slots, load, &mut self.rng),
            Format::Parquet => write_parquet::file(self.spec, self.width, &slots, load),
        };
        self.files.push(SourceFile { path: format!("{}/{name}", self.spec.folder()), bytes });
        for slot in slots {
            match slot {
                Slot::Good(record) => self.records.push(record),
                Slot::Bad(bad) => self.bad.push(bad),
            }
        }
    }

    /// Puts records that cannot be represented among the good ones.
    fn spoil(&mut self, slots: &mut Vec<Slot>, load: bool) {
        // Whether a full load has operations is told from its first record, so that one has to be sound.
        let first = usize::from(load && !self.spec.layout.header);
        if slots.len() < first {
            return;
        }
        let expected = self.shape.bad_share * slots.len() as f64;
        let count = expected as usize + usize::from(self.rng.random_bool(expected.fract()));
        for _ in 0..count {
            let key = self.rng.random_range(0..self.shape.keys);
            let cells = self.row(key);
            let op = if load && !self.spec.layout.op_in_load { Op::Load } else { Op::Update };
            let change = Change { op, cells, before: None };
            let Slot::Good(record) = self.good(change, key) else { unreachable!("just made good") };
            let line = write_csv::fields(self.spec, self.width, &record, load, &mut self.rng);
            let candidates = bad_rows::candidates(self.spec, self.width, load);
            let kind = *candidates.choose(&mut self.rng).expect("some kind fits every table");
            let raw = bad_rows::spoil(self.spec, kind, line, load);
            let at = self.rng.random_range(first..=slots.len());
            slots.insert(at, Slot::Bad(BadRecord { file: 0, row: 0, kind, raw }));
        }
    }

    fn finish(self) -> History {
        History { spec: self.spec.clone(), files: self.files, records: self.records, bad: self.bad }
    }
}

/// `yyyyMMdd-HHmmssSSS`, as DMS names its CDC files.
pub fn file_stamp(us: i64) -> String {
    let digits: String = datum::timestamp(us).chars().filter(char::is_ascii_digit).collect();
    format!("{}-{}", &digits[..8], &digits[8..17])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_history() {
        for seed in 0..50 {
            let (a, b) = (History::random(seed, "s.t"), History::random(seed, "s.t"));
            assert_eq!((a.files, a.records, a.bad), (b.files, b.records, b.bad));
        }
    }

    #[test]
    fn files_sort_in_the_order_in_which_they_were_written_full_load_first() {
        for seed in 0..200 {
            let history = History::random(seed, "s.t");
            let (load, changes): (Vec<&str>, Vec<&str>) =
                history.files.iter().map(|file| file.path.as_str()).partition(|path| path.contains("LOAD"));
            assert!(load.is_sorted() && changes.is_sorted());
            assert!(changes.windows(2).all(|pair| pair[0] < pair[1]), "{changes:?}");
        }
    }

    #[test]
    fn histories_hold_everything_that_has_gone_wrong_elsewhere() {
        let all: Vec<History> = (0..400).map(|seed| History::random(seed, "s.t")).collect();
        let records = || all.iter().flat_map(|history| &history.records);
        assert!(records().any(|record| record.change.before.is_some()), "key changes");
        assert!(records().any(|record| record.change.op == Op::Delete), "deletes");
        let ties = |history: &History| {
            history.records.windows(2).any(|pair| {
                pair[0].key == pair[1].key && pair[0].commit_us == pair[1].commit_us && pair[0].file == pair[1].file
            })
        };
        assert!(all.iter().any(ties), "two changes of one key at one time");
        for kind in BadKind::ALL {
            assert!(all.iter().flat_map(|history| &history.bad).any(|bad| bad.kind == kind), "{kind:?}");
        }
        assert!(all.iter().any(|history| history.spec.first_width < history.spec.schema.columns.len()), "wider files");
    }
}
