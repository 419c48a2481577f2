//! The row API: a closure sees one row after the other. Slower than columns, and shorter to write.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::{
    Batch, Binaries, BinaryWriter, BooleanWriter, Booleans, Column, Output, Plan, Result, TextWriter, Texts,
    ValueWriter, Values,
};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int`, and `date` as days since 1970-01-01.
    Int(i32),
    /// `long`; `time` as microseconds since midnight; `timestamp` and `timestamptz` as microseconds since 1970-01-01, UTC.
    Long(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `decimal(p,s)`, times ten to the s.
    Decimal(i128),
    /// `string`.
    Text(Cow<'a, str>),
    /// `binary`.
    Binary(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// What it is, in words.
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "a boolean",
            Value::Int(_) => "an int",
            Value::Long(_) => "a long",
            Value::Float(_) => "a float",
            Value::Double(_) => "a double",
            Value::Decimal(_) => "a decimal",
            Value::Text(_) => "a text",
            Value::Binary(_) => "bytes",
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident($value:ident) $make:expr),* $(,)?) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                Value::$variant($make)
            }
        }
        impl<'a> From<Option<$type>> for Value<'a> {
            fn from(value: Option<$type>) -> Self {
                value.map_or(Value::Null, Value::from)
            }
        })*
    };
}

from! {
    bool => Boolean(value) value,
    i32 => Int(value) value,
    i64 => Long(value) value,
    f32 => Float(value) value,
    f64 => Double(value) value,
    i128 => Decimal(value) value,
    &'a str => Text(value) Cow::Borrowed(value),
    String => Text(value) Cow::Owned(value),
    &'a [u8] => Binary(value) Cow::Borrowed(value),
    Vec<u8> => Binary(value) Cow::Owned(value),
}

/// A column that is read, of whatever type.
enum Reader {
    Boolean(Booleans),
    Int(Values<i32>),
    Long(Values<i64>),
    Float(Values<f32>),
    Double(Values<f64>),
    Decimal(Values<i128>),
    Text(Texts),
    Binary(Binaries),
}

impl Reader {
    fn of(column: Column) -> Reader {
        let data_type = column.data_type();
        match name_of(&data_type) {
            "boolean" => Reader::Boolean(column.booleans()),
            "int" | "date" => Reader::Int(column.ints()),
            "long" | "time" | "timestamp" | "timestamptz" => Reader::Long(column.longs()),
            "float" => Reader::Float(column.floats()),
            "double" => Reader::Double(column.doubles()),
            "decimal" => Reader::Decimal(column.decimals()),
            "string" => Reader::Text(column.texts()),
            "binary" => Reader::Binary(column.binaries()),
            _ => panic!("columns of type {data_type} are not known to this version of the SDK"),
        }
    }

    fn get(&self, row: usize) -> Value<'_> {
        match self {
            Reader::Boolean(values) => values.get(row).into(),
            Reader::Int(values) => values.get(row).into(),
            Reader::Long(values) => values.get(row).into(),
            Reader::Float(values) => values.get(row).into(),
            Reader::Double(values) => values.get(row).into(),
            Reader::Decimal(values) => values.get(row).into(),
            Reader::Text(values) => values.get(row).into(),
            Reader::Binary(values) => values.get(row).into(),
        }
    }
}

/// A column that is written, of whatever type.
enum Writer {
    Boolean(BooleanWriter),
    Int(ValueWriter<i32>),
    Long(ValueWriter<i64>),
    Float(ValueWriter<f32>),
    Double(ValueWriter<f64>),
    Decimal(ValueWriter<i128>),
    Text(TextWriter),
    Binary(BinaryWriter),
}

impl Writer {
    fn of(data_type: &str, rows: usize) -> Result<Writer> {
        Ok(match name_of(data_type) {
            "boolean" => Writer::Boolean(BooleanWriter::for_rows(rows)),
            "int" | "date" => Writer::Int(ValueWriter::for_rows(rows)),
            "long" | "time" | "timestamp" | "timestamptz" => Writer::Long(ValueWriter::for_rows(rows)),
            "float" => Writer::Float(ValueWriter::for_rows(rows)),
            "double" => Writer::Double(ValueWriter::for_rows(rows)),
            "decimal" => Writer::Decimal(ValueWriter::for_rows(rows)),
            "string" => Writer::Text(TextWriter::for_rows(rows, 0)),
            "binary" => Writer::Binary(BinaryWriter::for_rows(rows, 0)),
            _ => return Err(format!("columns of type {data_type} cannot be written").into()),
        })
    }

    /// Whether the column can hold the value; numbers may be of a smaller type.
    fn takes(&self, value: &Value<'_>) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Writer::Boolean(_), Value::Boolean(_))
                | (Writer::Int(_), Value::Int(_))
                | (Writer::Long(_), Value::Int(_) | Value::Long(_))
                | (Writer::Float(_), Value::Float(_))
                | (Writer::Double(_), Value::Int(_) | Value::Float(_) | Value::Double(_))
                | (Writer::Decimal(_), Value::Decimal(_))
                | (Writer::Text(_), Value::Text(_))
                | (Writer::Binary(_), Value::Binary(_))
        )
    }

    /// Writes a value that the column takes.
    fn push(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Writer::Boolean(writer), Value::Boolean(value)) => writer.push(*value),
            (Writer::Int(writer), Value::Int(value)) => writer.push(*value),
            (Writer::Long(writer), Value::Int(value)) => writer.push(i64::from(*value)),
            (Writer::Long(writer), Value::Long(value)) => writer.push(*value),
            (Writer::Float(writer), Value::Float(value)) => writer.push(*value),
            (Writer::Double(writer), Value::Int(value)) => writer.push(f64::from(*value)),
            (Writer::Double(writer), Value::Float(value)) => writer.push(f64::from(*value)),
            (Writer::Double(writer), Value::Double(value)) => writer.push(*value),
            (Writer::Decimal(writer), Value::Decimal(value)) => writer.push(*value),
            (Writer::Text(writer), Value::Text(value)) => writer.push(value.as_ref()),
            (Writer::Binary(writer), Value::Binary(value)) => writer.push(value.as_ref()),
            (writer, _) => writer.push_null(),
        }
    }

    fn push_null(&mut self) {
        match self {
            Writer::Boolean(writer) => writer.push(None),
            Writer::Int(writer) => writer.push(None),
            Writer::Long(writer) => writer.push(None),
            Writer::Float(writer) => writer.push(None),
            Writer::Double(writer) => writer.push(None),
            Writer::Decimal(writer) => writer.push(None),
            Writer::Text(writer) => writer.push(None),
            Writer::Binary(writer) => writer.push(None),
        }
    }

    fn finish(self, data_type: &str) -> Column {
        match self {
            Writer::Boolean(writer) => writer.finish(),
            Writer::Int(writer) => writer.finish(data_type),
            Writer::Long(writer) => writer.finish(data_type),
            Writer::Float(writer) => writer.finish(data_type),
            Writer::Double(writer) => writer.finish(data_type),
            Writer::Decimal(writer) => writer.finish(data_type),
            Writer::Text(writer) => writer.finish(),
            Writer::Binary(writer) => writer.finish(),
        }
    }
}

/// A type's name without its parameters.
fn name_of(data_type: &str) -> &str {
    data_type.split_once('(').map_or(data_type, |(name, _)| name)
}

/// What rows read from.
struct Source<'a> {
    batch: &'a Batch,
    readers: Vec<Reader>,
    ops: OnceCell<Texts>,
    ordinals: OnceCell<Values<i64>>,
    times: OnceCell<Values<i64>>,
    /// For each written column, the read one of the same name.
    untouched: Vec<Option<usize>>,
}

enum Outcome {
    Kept,
    Dropped,
    Rejected(String),
}

/// One row of a batch. Columns that are read and written keep their value unless it is set; those that are only written
/// are null until they are set.
pub struct Row<'a> {
    source: &'a Source<'a>,
    sink: Sink<'a>,
    at: usize,
    set: Vec<Option<Value<'a>>>,
    op: Option<&'static str>,
    outcome: Outcome,
}

#[allow(clippy::should_implement_trait, reason = "a row is dropped; it is not the value that ends")]
impl<'a> Row<'a> {
    /// The value of a column that the plan reads. Panics if it does not.
    pub fn get(&self, name: &str) -> Value<'a> {
        match self.source.batch.plan.read_index(name) {
            Some(index) => self.source.readers[index].get(self.at),
            None => panic!("column {name} is not among those that the plan reads"),
        }
    }

    /// The text in a `string` column.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            Value::Null => None,
            Value::Text(Cow::Borrowed(text)) => Some(text),
            other => mismatch(name, &other, "a text"),
        }
    }

    /// The bytes in a `binary` column.
    pub fn binary(&self, name: &str) -> Option<&'a [u8]> {
        match self.get(name) {
            Value::Null => None,
            Value::Binary(Cow::Borrowed(bytes)) => Some(bytes),
            other => mismatch(name, &other, "bytes"),
        }
    }

    /// The value of a `boolean` column.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Value::Null => None,
            Value::Boolean(value) => Some(value),
            other => mismatch(name, &other, "a boolean"),
        }
    }

    /// The value of an `int` or `date` column.
    pub fn int(&self, name: &str) -> Option<i32> {
        match self.get(name) {
            Value::Null => None,
            Value::Int(value) => Some(value),
            other => mismatch(name, &other, "an int"),
        }
    }

    /// The value of a `long`, `time`, `timestamp` or `timestamptz` column, or of an `int`.
    pub fn long(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Null => None,
            Value::Int(value) => Some(value.into()),
            Value::Long(value) => Some(value),
            other => mismatch(name, &other, "a long"),
        }
    }

    /// The value of a `double`, `float` or `int` column.
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Null => None,
            Value::Int(value) => Some(value.into()),
            Value::Float(value) => Some(value.into()),
            Value::Double(value) => Some(value),
            other => mismatch(name, &other, "a double"),
        }
    }

    /// The value of a `decimal(p,s)` column, times ten to the s.
    pub fn decimal(&self, name: &str) -> Option<i128> {
        match self.get(name) {
            Value::Null => None,
            Value::Decimal(value) => Some(value),
            other => mismatch(name, &other, "a decimal"),
        }
    }

    /// What the row does: `L` comes from a full load, `I` inserts, `U` updates, `D` deletes.
    pub fn op(&self) -> &'a str {
        let source = self.source;
        source.ops.get_or_init(|| source.batch.ops.texts()).get(self.at).unwrap_or_default()
    }

    /// The row's number in the table's log.
    pub fn ordinal(&self) -> i64 {
        let source = self.source;
        source.ordinals.get_or_init(|| source.batch.ordinals.longs()).get(self.at).unwrap_or_default()
    }

    /// When the row was committed at the source, in microseconds since 1970-01-01, UTC; `None` if it does not say.
    pub fn time(&self) -> Option<i64> {
        let source = self.source;
        source.times.get_or_init(|| source.batch.times.longs()).get(self.at)
    }

    /// Sets a column that the plan writes. Panics if it does not.
    pub fn set(&mut self, name: &str, value: impl Into<Value<'a>>) {
        match self.source.batch.plan.write_index(name) {
            Some(index) => self.set[index] = Some(value.into()),
            None => panic!("column {name} is not among those that the plan writes"),
        }
    }

    /// Sets the row's op, such as `D`.
    pub fn set_op(&mut self, op: &'static str) {
        self.op = Some(op);
    }

    /// Drops the row, and its key's row in Silver.
    pub fn drop(&mut self) {
        self.outcome = Outcome::Dropped;
    }

    /// Rejects the row: it goes to the dead letters with this reason. An error of the closure does the same.
    pub fn reject(&mut self, reason: impl Into<String>) {
        self.outcome = Outcome::Rejected(reason.into());
    }

    /// With `fan_out_rows`: returns a row as it is now set.
    pub fn emit(&mut self) -> Result<()> {
        if self.sink.sources.is_none() {
            return Err("`emit` belongs to `fan_out_rows`".into());
        }
        self.write()
    }

    /// Writes what is set as a row of the output.
    fn write(&mut self) -> Result<()> {
        let source = self.source;
        let untouched = |column: usize| match source.untouched[column] {
            Some(read) => source.readers[read].get(self.at),
            None => Value::Null,
        };
        // All are looked at before any is written, so that a row that fails leaves no part of it.
        for (column, writer) in self.sink.writers.iter().enumerate() {
            let value = self.set[column].get_or_insert_with(|| untouched(column));
            if !writer.takes(value) {
                let write = &source.batch.plan.writes[column];
                return Err(
                    format!("column {} is {} and cannot take {}", write.name, write.data_type, value.kind()).into()
                );
            }
        }
        for (writer, value) in self.sink.writers.iter_mut().zip(&self.set) {
            writer.push(value.as_ref().unwrap_or(&Value::Null));
        }
        if let Some(sources) = &mut self.sink.sources {
            sources.push(self.at as i32);
        }
        self.sink.end_row(self.op);
        Ok(())
    }
}

fn mismatch(name: &str, value: &Value<'_>, wanted: &str) -> ! {
    panic!("column {name} holds {}, which is not {wanted}", value.kind())
}

/// What rows write to.
struct Sink<'a> {
    plan: &'a Plan,
    writers: Vec<Writer>,
    rows: usize,
    /// Source rows, where one row may become several.
    sources: Option<ValueWriter<i32>>,
    keep: Option<BooleanWriter>,
    rejected: Option<TextWriter>,
    ops: Option<TextWriter>,
}

impl Sink<'_> {
    fn end_row(&mut self, op: Option<&'static str>) {
        if op.is_some() && self.ops.is_none() {
            let mut ops = TextWriter::for_rows(self.rows + 1, 0);
            (0..self.rows).for_each(|_| ops.push(None));
            self.ops = Some(ops);
        }
        if let Some(ops) = &mut self.ops {
            ops.push(op);
        }
        self.rows += 1;
    }

    /// Notes what became of row number `row` of the batch.
    fn note(&mut self, row: usize, outcome: &Outcome) {
        if matches!(outcome, Outcome::Dropped) && self.keep.is_none() {
            let mut keep = BooleanWriter::for_rows(row + 1);
            (0..row).for_each(|_| keep.push(true));
            self.keep = Some(keep);
        }
        if matches!(outcome, Outcome::Rejected(_)) && self.rejected.is_none() {
            let mut rejected = TextWriter::for_rows(row + 1, 0);
            (0..row).for_each(|_| rejected.push(None));
            self.rejected = Some(rejected);
        }
        if let Some(keep) = &mut self.keep {
            keep.push(!matches!(outcome, Outcome::Dropped));
        }
        if let Some(rejected) = &mut self.rejected {
            let reason = if let Outcome::Rejected(reason) = outcome { Some(reason.as_str()) } else { None };
            rejected.push(reason);
        }
    }

    fn finish(self) -> Output {
        let mut output = Output::new();
        for (write, writer) in self.plan.writes.iter().zip(self.writers) {
            output = output.write(&write.name, writer.finish(&write.data_type));
        }
        output.source_rows = self.sources.map(|sources| sources.finish("int"));
        // With source rows, a row that is dropped is one that does not occur.
        output.keep = self.keep.filter(|_| output.source_rows.is_none()).map(BooleanWriter::finish);
        output.rejected = self.rejected.map(TextWriter::finish);
        output.ops = self.ops.map(TextWriter::finish);
        output
    }
}

impl Batch {
    /// Calls `shape` with each row; what it sets is the output. An error rejects the row with its message.
    pub fn map_rows(&self, shape: impl FnMut(&mut Row<'_>) -> Result<()>) -> Result<Output> {
        self.each_row(false, shape)
    }

    /// Calls `shape` with each row; the output are the rows that it emits, which may be none or several for a row.
    pub fn fan_out_rows(&self, shape: impl FnMut(&mut Row<'_>) -> Result<()>) -> Result<Output> {
        self.each_row(true, shape)
    }

    fn each_row(&self, fan_out: bool, mut shape: impl FnMut(&mut Row<'_>) -> Result<()>) -> Result<Output> {
        let plan = &self.plan;
        let source = Source {
            batch: self,
            readers: self.columns.iter().copied().map(Reader::of).collect(),
            ops: OnceCell::new(),
            ordinals: OnceCell::new(),
            times: OnceCell::new(),
            untouched: plan.writes.iter().map(|write| plan.read_index(&write.name)).collect(),
        };
        let writers = plan.writes.iter().map(|write| Writer::of(&write.data_type, self.rows));
        let sink = Sink {
            plan,
            writers: writers.collect::<Result<_>>()?,
            rows: 0,
            sources: fan_out.then(|| ValueWriter::for_rows(self.rows)),
            keep: None,
            rejected: None,
            ops: None,
        };
        let set = vec![None; plan.writes.len()];
        let mut row = Row { source: &source, sink, at: 0, set, op: None, outcome: Outcome::Kept };
        for at in 0..self.rows {
            row.at = at;
            row.op = None;
            row.outcome = Outcome::Kept;
            row.set.fill(None);
            let mut result = shape(&mut row);
            // A dropped row is written, too: where the transform has a key of its own, it names the row that goes.
            if result.is_ok() && !fan_out && !matches!(row.outcome, Outcome::Rejected(_)) {
                result = row.write();
            }
            if let Err(error) = result {
                row.outcome = Outcome::Rejected(error.to_string());
            }
            if !fan_out && matches!(row.outcome, Outcome::Rejected(_)) {
                row.sink.writers.iter_mut().for_each(Writer::push_null);
                row.sink.end_row(None);
            }
            row.sink.note(at, &row.outcome);
        }
        Ok(row.sink.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Table;
    use crate::{Setup, Transform};

    struct Judge;

    impl Transform for Judge {
        fn configure(_setup: &Setup) -> Result<(Self, Plan)> {
            Ok((Judge, Plan::new().read("id").read("name").write("name", "string").write("out", "long")))
        }

        fn transform(&self, batch: &Batch) -> Result<Output> {
            batch.map_rows(|row| {
                match row.long("id").ok_or("id is null")? {
                    1 => row.drop(),
                    2 => row.reject("refused"),
                    3 => row.set("out", "text"),
                    4 => row.set("name", format!("{} changed", row.text("name").unwrap_or("nobody"))),
                    id => row.set("out", id),
                }
                Ok(())
            })
        }
    }

    #[test]
    fn rows_are_kept_dropped_and_rejected() {
        let table = Table::new()
            .values::<i64, _>("id", "long", [Some(1), Some(2), Some(3), Some(4), Some(5), None])
            .texts("name", [Some("a"), Some("b"), Some("c"), None, Some("e"), Some("f")]);
        let shaped = table.run::<Judge>().unwrap();
        assert_eq!(shaped.kept(), [false, true, true, true, true, true]);
        let rejected = shaped.rejected();
        let wrong = (2, "column out is long and cannot take a text".to_owned());
        assert_eq!(rejected, [(1, "refused".to_owned()), wrong, (5, "id is null".to_owned())]);
        let (names, out) = (shaped.texts("name"), shaped.longs("out"));
        assert_eq!(names[0].as_deref(), Some("a"), "a dropped row keeps its values");
        assert_eq!((names[3].as_deref(), names[4].as_deref()), (Some("nobody changed"), Some("e")));
        assert_eq!(out[3..5], [None, Some(5)]);
    }

    struct Repeat;

    impl Transform for Repeat {
        fn configure(_setup: &Setup) -> Result<(Self, Plan)> {
            let plan = Plan::new().read("times").write("n", "int").required();
            Ok((Repeat, plan.key(["times", "n"]).deletes().fan_out()))
        }

        fn transform(&self, batch: &Batch) -> Result<Output> {
            batch.fan_out_rows(|row| {
                for number in 0..row.int("times").unwrap_or(0) {
                    row.set("n", number);
                    row.emit()?;
                }
                Ok(())
            })
        }
    }

    #[test]
    fn a_row_may_become_none_or_several() {
        let shaped = Table::new().values::<i32, _>("times", "int", [2, 0, 1]).run::<Repeat>().unwrap();
        assert_eq!(shaped.source_rows(), Some(vec![0, 0, 2]));
        assert_eq!(shaped.ints("n"), [Some(0), Some(1), Some(0)]);
    }
}
