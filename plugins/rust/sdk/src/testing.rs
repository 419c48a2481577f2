//! Runs a transform in `cargo test`, without sluice. Bytes and rows work; kernels are not computed, but a column tells which
//! ones were called for it.
//!
//! ```
//! # use sluice_transform_sdk::{Batch, Output, Plan, Result, Setup, Transform};
//! # struct Lower;
//! # impl Transform for Lower {
//! #     fn configure(_setup: &Setup) -> Result<(Self, Plan)> {
//! #         Ok((Lower, Plan::new().read("email").write("email", "string")))
//! #     }
//! #     fn transform(&self, batch: &Batch) -> Result<Output> {
//! #         Ok(Output::new().write("email", batch.column("email").trim().lower()))
//! #     }
//! # }
//! use sluice_transform_sdk::testing::Table;
//!
//! let shaped = Table::new().texts("email", [Some("Ada@Example.com "), None]).run::<Lower>().unwrap();
//! assert_eq!(shaped.computed("email"), "lower(trim(email))");
//! ```

use crate::{
    Batch, BinaryWriter, BooleanWriter, Column, Fixed, InputColumn, Level, Output, Plan, Result, Setup, TextWriter,
    Transform, ValueWriter, stand_in,
};

/// A table to run a transform on.
#[derive(Debug, Clone)]
pub struct Table {
    setup: Setup,
    columns: Vec<Column>,
    rows: usize,
    ops: Option<Vec<&'static str>>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        let setup = Setup {
            table: "public.sample".to_owned(),
            settings: "{}".to_owned(),
            seed: "00".repeat(32),
            columns: Vec::new(),
        };
        Self { setup, columns: Vec::new(), rows: 0, ops: None }
    }

    /// With these settings, the text of a JSON object.
    pub fn settings(mut self, json: &str) -> Self {
        self.setup.settings = json.to_owned();
        self
    }

    /// With this name, `schema.table`.
    pub fn named(mut self, table: &str) -> Self {
        self.setup.table = table.to_owned();
        self
    }

    /// With these ops instead of `I` for all rows.
    pub fn ops(mut self, ops: impl IntoIterator<Item = &'static str>) -> Self {
        self.ops = Some(ops.into_iter().collect());
        self
    }

    /// With a `string` column.
    pub fn texts<'a, V: Into<Option<&'a str>>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        let mut writer = TextWriter::for_rows(0, 0);
        let rows = values.into_iter().map(|value| writer.push(value)).count();
        self.column(name, "string", rows, writer.finish())
    }

    /// With a `binary` column.
    pub fn binaries<'a, V: Into<Option<&'a [u8]>>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        let mut writer = BinaryWriter::for_rows(0, 0);
        let rows = values.into_iter().map(|value| writer.push(value)).count();
        self.column(name, "binary", rows, writer.finish())
    }

    /// With a `boolean` column.
    pub fn booleans<V: Into<Option<bool>>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        let mut writer = BooleanWriter::for_rows(0);
        let rows = values.into_iter().map(|value| writer.push(value)).count();
        self.column(name, "boolean", rows, writer.finish())
    }

    /// With a column of this type, whose values all take the same number of bytes.
    pub fn values<T: Fixed, V: Into<Option<T>>>(
        self,
        name: &str,
        data_type: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        assert!(T::fits(data_type), "a column of type {data_type} does not hold such values");
        let mut writer = ValueWriter::<T>::for_rows(0);
        let rows = values.into_iter().map(|value| writer.push(value)).count();
        self.column(name, data_type, rows, writer.finish(data_type))
    }

    /// The column of this name belongs to the primary key.
    pub fn key(mut self, name: &str) -> Self {
        for column in self.setup.columns.iter_mut().filter(|column| column.name == name) {
            column.key = true;
            column.nullable = false;
        }
        self
    }

    fn column(mut self, name: &str, data_type: &str, rows: usize, column: Column) -> Self {
        assert!(self.columns.is_empty() || self.rows == rows, "column {name} has {rows} rows, others {}", self.rows);
        stand_in::name(column, name);
        let (name, data_type) = (name.to_owned(), data_type.to_owned());
        self.setup.columns.push(InputColumn { name, data_type, nullable: true, key: false });
        self.columns.push(column);
        self.rows = rows;
        self
    }

    /// Configures the transform and runs it on all rows.
    pub fn run<T: Transform>(&self) -> Result<Shaped> {
        let (transform, plan) = T::configure(&self.setup)?;
        let of = |name: &String| {
            let index = self.setup.columns.iter().position(|column| column.name == *name);
            index.map(|index| self.columns[index]).ok_or_else(|| format!("the plan reads {name}, which is no column"))
        };
        let columns = plan.reads.iter().map(of).collect::<std::result::Result<_, _>>()?;
        let batch = Batch { plan, rows: self.rows, columns, ops: self.op_column(), ..self.context() };
        let output = transform.transform(&batch)?;
        let columns = output.columns(&batch.plan)?;
        Ok(Shaped { plan: batch.plan, rows: self.rows, columns, output })
    }

    fn op_column(&self) -> Column {
        let mut writer = TextWriter::for_rows(self.rows, 0);
        let mut given = self.ops.iter().flatten();
        (0..self.rows).for_each(|_| writer.push(given.next().copied().unwrap_or("I")));
        writer.finish()
    }

    /// A batch with what each row has besides its columns.
    fn context(&self) -> Batch {
        let (mut ordinals, mut times) = (ValueWriter::<i64>::for_rows(0), ValueWriter::<i64>::for_rows(0));
        for row in 0..self.rows {
            ordinals.push(row as i64);
            times.push(None);
        }
        let (ordinals, times) = (ordinals.finish("long"), times.finish("timestamptz"));
        Batch { plan: Plan::new(), rows: self.rows, columns: Vec::new(), ops: ordinals, ordinals, times }
    }
}

/// What a transform made of a table.
#[derive(Debug, Clone)]
pub struct Shaped {
    plan: Plan,
    rows: usize,
    columns: Vec<Column>,
    output: Output,
}

impl Shaped {
    /// A written column.
    pub fn column(&self, name: &str) -> Column {
        self.columns[self.plan.write_index(name).unwrap_or_else(|| panic!("column {name} is not written"))]
    }

    /// A written `string` column's values.
    pub fn texts(&self, name: &str) -> Vec<Option<String>> {
        self.column(name).texts().iter().map(|value| value.map(str::to_owned)).collect()
    }

    /// A written `int` or `date` column's values.
    pub fn ints(&self, name: &str) -> Vec<Option<i32>> {
        self.column(name).ints().iter().collect()
    }

    /// A written `long`, `time`, `timestamp` or `timestamptz` column's values.
    pub fn longs(&self, name: &str) -> Vec<Option<i64>> {
        self.column(name).longs().iter().collect()
    }

    /// The kernels that make a written column, such as `lower(trim(email))`.
    pub fn computed(&self, name: &str) -> String {
        stand_in::describe(self.column(name))
    }

    /// Names of the columns that end here.
    pub fn dropped_columns(&self) -> &[String] {
        &self.plan.drops
    }

    /// Whether each row of the batch is kept; all are if the transform does not say. Not for conditions of kernels.
    pub fn kept(&self) -> Vec<bool> {
        let keep = self.output.keep.map(Column::booleans);
        (0..self.rows).map(|row| keep.as_ref().is_none_or(|keep| keep.get(row) == Some(true))).collect()
    }

    /// The rows of the batch that are rejected, each with the reason.
    pub fn rejected(&self) -> Vec<(usize, String)> {
        let reasons = self.output.rejected.map(Column::texts);
        let reason = |row| Some((row, reasons.as_ref()?.get(row)?.to_owned()));
        (0..self.rows).filter_map(reason).collect()
    }

    /// The row of the batch that each row comes from, if the transform says so.
    pub fn source_rows(&self) -> Option<Vec<i32>> {
        self.output.source_rows.map(|rows| rows.ints().iter().map(Option::unwrap_or_default).collect())
    }
}

/// What was logged on this thread since the last call.
pub fn logged() -> Vec<(Level, String)> {
    stand_in::take_logged()
}

/// What was added to metrics on this thread since the last call.
pub fn metrics() -> Vec<(String, f64)> {
    stand_in::take_metrics()
}
