//! A transform runs on a sample, and once more: what every transform promises is checked, whatever it does.

use std::collections::BTreeMap;
use std::fmt::Debug;

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use serde::Serialize;
use sluice_change::{Op, TableSchema, Unsent};
use sluice_transform::{Input, Shaped, TransformError};

use crate::{Sample, cells};

/// What shapes rows and says what that cost.
pub trait Subject: Debug + Send + Sync {
    /// The schema of what comes out for rows of `input`.
    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError>;

    /// Shapes rows, as in production; with `count_fuel` it says how much fuel they took, which takes longer.
    fn run(&self, schema: &TableSchema, input: Input, count_fuel: bool) -> Result<Run, TransformError>;
}

/// What came of rows.
#[derive(Debug, Clone)]
pub struct Run {
    /// The rows.
    pub shaped: Shaped,
    /// What they cost.
    pub cost: Cost,
    /// What the transform logged.
    pub lines: Vec<Line>,
    /// Lines that were too many and were left out.
    pub lines_left_out: u64,
    /// What it added to its metrics.
    pub metrics: BTreeMap<String, f64>,
}

/// What rows cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Fuel, the start of instances included; absent where it was not counted.
    pub fuel: Option<u64>,
    /// Time, the start of instances included.
    pub nanoseconds: u64,
    /// Most memory that an instance had.
    pub memory_bytes: usize,
}

/// A line that a transform logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// What it said.
    pub message: String,
}

/// What came of a sample.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The columns and key that come out.
    pub output: TableSchema,
    /// What came of the rows the first time.
    pub run: Run,
    /// Why the answer is not the same for the same rows: what another run, or one of halves, gave instead.
    pub broken: Vec<String>,
}

impl Trial {
    /// Runs a sample through a transform: whole, whole again, and in two halves.
    pub fn run(subject: &dyn Subject, sample: &Sample) -> Result<Self, TransformError> {
        let output = subject.output(&sample.schema)?;
        let part = |start: usize, length: usize, count_fuel: bool| {
            subject.run(&sample.schema, sample.slice(start..start + length), count_fuel)
        };
        let mut run = part(0, sample.len(), true)?;
        let again = part(0, sample.len(), false)?;
        // The second time nothing counted fuel, and the code was warm.
        run.cost.nanoseconds = again.cost.nanoseconds;
        let mut broken = Vec::new();
        if let Some(difference) = difference(&run.shaped, &again.shaped, sample.len()) {
            broken.push(format!("the same rows gave something else the second time: {difference}"));
        }
        let half = sample.len() / 2;
        if half > 0 {
            let joined = joined(part(0, half, false)?.shaped, half, part(half, sample.len() - half, false)?.shaped);
            let found = joined.map(|joined| difference(&run.shaped, &joined, sample.len()));
            match found {
                Ok(None) => {}
                Ok(Some(difference)) => broken.push(format!(
                    "the rows gave something else when the batch was cut after row {half}: {difference}. A row may \
                     depend on itself, the settings and the seed alone"
                )),
                Err(reason) => broken.push(format!("the halves of the batch do not fit together: {reason}")),
            }
        }
        Ok(Self { output, run, broken })
    }
}

/// How many rows of a sample came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows that came out, those of dropped ones not counted.
    pub kept: usize,
    /// Rows that were dropped: they came out as deletes and were none.
    pub dropped: usize,
    /// Rows that were rejected.
    pub rejected: usize,
    /// Rows of which nothing came out.
    pub gone: usize,
}

impl Trial {
    /// How many rows came to what.
    pub fn counts(&self, sample: &Sample) -> Counts {
        let shaped = &self.run.shaped;
        let (mut counts, mut last) = (Counts { rejected: shaped.rejects.len(), ..Counts::default() }, None);
        let mut seen = 0;
        for (source, op) in sources(shaped).values().iter().zip(&shaped.ops) {
            let dropped = *op == Op::Delete && sample.input.ops[*source as usize] != Op::Delete;
            *(if dropped { &mut counts.dropped } else { &mut counts.kept }) += 1;
            seen += usize::from(last.replace(*source) != Some(*source));
        }
        counts.gone = sample.len().saturating_sub(seen + counts.rejected);
        counts
    }
}

/// The input row of each output row.
pub(crate) fn sources(shaped: &Shaped) -> UInt32Array {
    match &shaped.sources {
        Some(sources) => sources.clone(),
        None => UInt32Array::from_iter_values(0..shaped.ops.len() as u32),
    }
}

/// The answers for two stretches as the one for both.
fn joined(first: Shaped, first_rows: usize, second: Shaped) -> Result<Shaped, String> {
    let rows = concat_batches(&first.rows.schema(), [&first.rows, &second.rows]).map_err(|error| error.to_string())?;
    let moved = |row: u32| row + first_rows as u32;
    let (head, tail) = (sources(&first), sources(&second));
    let sources = head.values().iter().copied().chain(tail.values().iter().map(|row| moved(*row)));
    let before = match (&first.before, &second.before) {
        (Some(a), Some(b)) => Some(concat_batches(&a.schema(), [a, b]).map_err(|error| error.to_string())?),
        _ => None,
    };
    let (mut numbers, mut patterns) = (Vec::new(), vec![Vec::new()]);
    for (unsent, rows) in [(&first.unsent, first.ops.len()), (&second.unsent, second.ops.len())] {
        let start = patterns.len() as u32;
        match unsent {
            Some(unsent) => {
                patterns.extend(unsent.patterns().iter().cloned());
                numbers.extend(unsent.rows().iter().map(|pattern| if *pattern == 0 { 0 } else { start + pattern }));
            }
            None => numbers.resize(numbers.len() + rows, 0),
        }
    }
    let mut rejects = first.rejects;
    rejects.extend(second.rejects.into_iter().map(|mut reject| {
        reject.row = moved(reject.row);
        reject
    }));
    Ok(Shaped {
        rows,
        sources: Some(sources.collect()),
        ops: first.ops.into_iter().chain(second.ops).collect(),
        before,
        unsent: Unsent::new(numbers, patterns),
        rejects,
    })
}

/// Where two answers for the same rows differ first.
pub(crate) fn difference(a: &Shaped, b: &Shaped, rows: usize) -> Option<String> {
    for (one, other) in a.rejects.iter().zip(&b.rejects) {
        if one != other {
            return Some(format!(
                "row {} was rejected ({}), then row {} ({})",
                one.row + 1,
                one.reason,
                other.row + 1,
                other.reason
            ));
        }
    }
    if a.rejects.len() != b.rejects.len() {
        return Some(format!("{} of {rows} rows were rejected, then {}", a.rejects.len(), b.rejects.len()));
    }
    if a.ops.len() != b.ops.len() {
        return Some(format!("{} rows came out, then {}", a.ops.len(), b.ops.len()));
    }
    let (from, other) = (sources(a), sources(b));
    for row in 0..a.ops.len() {
        if from.value(row) != other.value(row) {
            let (one, other) = (from.value(row) + 1, other.value(row) + 1);
            return Some(format!("output row {} came from row {one}, then from row {other}", row + 1));
        }
        if a.ops[row] != b.ops[row] {
            let (one, other) = (a.ops[row].code(), b.ops[row].code());
            return Some(format!("row {} had the op {one}, then {other}", from.value(row) + 1));
        }
        if unsent(&a.unsent, row) != unsent(&b.unsent, row) {
            return Some(format!("row {} keeps other columns", from.value(row) + 1));
        }
    }
    columns(&a.rows, &b.rows, &from).or_else(|| match (&a.before, &b.before) {
        (Some(a), Some(b)) => columns(a, b, &from).map(|found| format!("before the change, {found}")),
        _ => None,
    })
}

fn unsent(unsent: &Option<Unsent>, row: usize) -> Vec<&String> {
    let of = |unsent: &'_ Unsent| -> Option<usize> { unsent.rows().get(row).map(|pattern| *pattern as usize) };
    let mut names: Vec<&String> = unsent
        .as_ref()
        .and_then(|unsent| unsent.patterns().get(of(unsent)?))
        .map(|names| names.iter().collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn columns(a: &RecordBatch, b: &RecordBatch, sources: &UInt32Array) -> Option<String> {
    let schemas = (a.schema(), b.schema());
    if schemas.0.fields().len() != schemas.1.fields().len() {
        return Some(format!("{} columns came out, then {}", schemas.0.fields().len(), schemas.1.fields().len()));
    }
    for (place, field) in schemas.0.fields().iter().enumerate() {
        let (one, other) = (a.column(place), b.column(place));
        if field.name() != schemas.1.field(place).name() || one.data_type() != other.data_type() {
            let (name, data_type) = (schemas.1.field(place).name(), other.data_type());
            return Some(format!(
                "the column `{}` was {}, then `{name}` was {data_type}",
                field.name(),
                one.data_type()
            ));
        }
        // Equal arrays hold the same bytes in every row that has a value.
        if one == other {
            continue;
        }
        let row = (0..one.len()).find(|row| one.slice(*row, 1) != other.slice(*row, 1)).unwrap_or_default();
        let shown = |array| match cells::text(array, row) {
            Ok(Some(text)) => format!("`{text}`"),
            Ok(None) => "NULL".to_owned(),
            Err(error) => error.to_string(),
        };
        let source = sources.value(row) + 1;
        return Some(format!("row {source}, column `{}`: {}, then {}", field.name(), shown(one), shown(other)));
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use arrow_array::cast::AsArray;
    use arrow_array::{ArrayRef, StringArray};
    use sluice_transform::Rejected;

    use super::*;
    use crate::sample::SampleOptions;

    /// Writes `name` in upper case; rejects rows named `bad`, drops those named `drop`.
    #[derive(Debug, Default)]
    pub(crate) struct Upper {
        /// Adds the number of the call to every name.
        pub counts: Option<AtomicU64>,
        /// Adds the number of rows in the batch to every name.
        pub looks_around: bool,
    }

    impl Subject for Upper {
        fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
            Ok(input.clone())
        }

        fn run(&self, _schema: &TableSchema, input: Input, _fuel: bool) -> Result<Run, TransformError> {
            let names = input.rows.column(1).as_string::<i32>();
            let call = self.counts.as_ref().map(|count| count.fetch_add(1, Ordering::Relaxed).to_string());
            let around = self.looks_around.then(|| names.len().to_string());
            let end = call.or(around).unwrap_or_default();
            let upper: StringArray = names.iter().map(|name| name.map(|name| name.to_uppercase() + &end)).collect();
            let rejects: Vec<Rejected> = (0..names.len())
                .filter(|row| names.value(*row) == "bad")
                .map(|row| Rejected { row: row as u32, column: None, reason: "bad is refused".into() })
                .collect();
            let kept: Vec<u32> =
                (0..names.len() as u32).filter(|row| rejects.iter().all(|reject| reject.row != *row)).collect();
            let ops = kept.iter().map(|row| match names.value(*row as usize) {
                "drop" => Op::Delete,
                _ => input.ops[*row as usize],
            });
            let ops = ops.collect();
            let sources = UInt32Array::from(kept);
            let columns: Vec<ArrayRef> = [Arc::clone(input.rows.column(0)), Arc::new(upper) as ArrayRef]
                .iter()
                .map(|column| arrow_select::take::take(column, &sources, None).unwrap())
                .collect();
            let rows = RecordBatch::try_new(input.rows.schema(), columns).unwrap();
            let shaped = Shaped { rows, ops, sources: Some(sources), before: None, unsent: None, rejects };
            Ok(Run { shaped, cost: Cost::default(), lines: Vec::new(), lines_left_out: 0, metrics: BTreeMap::new() })
        }
    }

    pub(crate) fn sample(text: &str) -> Sample {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.csv");
        std::fs::write(&path, text).unwrap();
        Sample::read(Path::new(&path), &SampleOptions::default()).unwrap()
    }

    #[test]
    fn a_sound_transform_gives_the_same_however_often_and_however_cut() {
        for rows in ["", "1,a\n", "1,a\n2,bad\n3,drop\n4,\n"] {
            let trial = Trial::run(&Upper::default(), &sample(&format!("id:long,name:string\n{rows}"))).unwrap();
            assert!(trial.broken.is_empty(), "{:?}", trial.broken);
        }
    }

    #[test]
    fn every_row_is_counted_once() {
        let sample = sample("id:long,name:string\n1,a\n2,bad\n3,drop\n4,b\n");
        let counts = Trial::run(&Upper::default(), &sample).unwrap().counts(&sample);
        assert_eq!(counts, Counts { kept: 2, dropped: 1, rejected: 1, gone: 0 });
    }

    #[test]
    fn another_answer_the_second_time_is_named() {
        let subject = Upper { counts: Some(AtomicU64::new(0)), looks_around: false };
        let trial = Trial::run(&subject, &sample("id:long,name:string\n1,a\n")).unwrap();
        assert_eq!(
            trial.broken,
            ["the same rows gave something else the second time: row 1, column `name`: `A0`, then `A1`"]
        );
    }

    #[test]
    fn a_row_that_depends_on_its_neighbours_is_found() {
        let subject = Upper { counts: None, looks_around: true };
        let trial = Trial::run(&subject, &sample("id:long,name:string\n1,a\n2,b\n")).unwrap();
        assert_eq!(trial.broken.len(), 1);
        assert!(
            trial.broken[0].contains("cut after row 1: row 1, column `name`: `A2`, then `A1`"),
            "{:?}",
            trial.broken
        );
    }
}
