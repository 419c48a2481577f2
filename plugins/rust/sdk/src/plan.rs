//! What a transform is told and what it answers.

use crate::json::{Json, JsonError};
use crate::{Column, Result};

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// Its type, such as `string` or `decimal(10,2)`.
    pub data_type: String,
    /// Whether it may be null: every column but the key's may.
    pub nullable: bool,
    /// Whether it belongs to the primary key.
    pub key: bool,
}

/// What a transform is configured with.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The table, as `schema.table`.
    pub table: String,
    /// The settings from the configuration, as the text of a JSON object.
    pub settings: String,
    /// 32 bytes as 64 hexadecimal digits, the same for all batches of this table: the only randomness there is.
    pub seed: String,
    /// The table's columns.
    pub columns: Vec<InputColumn>,
}

impl Setup {
    /// The settings.
    pub fn settings(&self) -> std::result::Result<Json, JsonError> {
        Json::parse(&self.settings)
    }

    /// The table's column of this name.
    pub fn column(&self, name: &str) -> Option<&InputColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub name: String,
    pub data_type: String,
    pub nullable: bool,
    pub computed_from: Vec<String>,
}

/// What a transform is going to do. Columns that it neither writes nor drops go through untouched.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(crate) reads: Vec<String>,
    pub(crate) writes: Vec<Write>,
    pub(crate) drops: Vec<String>,
    pub(crate) deletes: bool,
    pub(crate) key: Vec<String>,
    pub(crate) fan_out: bool,
}

impl Plan {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants to see a column.
    pub fn read(mut self, name: &str) -> Self {
        if self.read_index(name).is_none() {
            self.reads.push(name.to_owned());
        }
        self
    }

    /// Writes a column, which may be null. The name of a column of the table replaces it; any other is added at the end.
    pub fn write(mut self, name: &str, data_type: &str) -> Self {
        self.writes.push(Write {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            nullable: true,
            computed_from: Vec::new(),
        });
        self
    }

    /// The column written last may not be null: a null rejects the row.
    pub fn required(mut self) -> Self {
        self.last_write("required").nullable = false;
        self
    }

    /// The column written last is computed from these columns only (without this, from all that are read): where the
    /// source did not send them, it keeps its value.
    pub fn computed_from<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.last_write("computed_from").computed_from = names.into_iter().map(Into::into).collect();
        self
    }

    /// A column ends here.
    pub fn drop(mut self, name: &str) -> Self {
        self.drops.push(name.to_owned());
        self
    }

    /// Wants to see rows that delete; else they pass by. A delete has its key; its other columns may be null.
    pub fn deletes(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// Silver gets this key: names of columns after the transform. It then has to see deletes, too.
    pub fn key<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.key = names.into_iter().map(Into::into).collect();
        self
    }

    /// May return several rows for one. It then needs a key of its own that tells them apart.
    pub fn fan_out(mut self) -> Self {
        self.fan_out = true;
        self
    }

    pub(crate) fn read_index(&self, name: &str) -> Option<usize> {
        self.reads.iter().position(|read| read == name)
    }

    pub(crate) fn write_index(&self, name: &str) -> Option<usize> {
        self.writes.iter().position(|write| write.name == name)
    }

    fn last_write(&mut self, method: &str) -> &mut Write {
        match self.writes.last_mut() {
            Some(write) => write,
            None => panic!("`{method}` belongs to a column that is written: call `write` first"),
        }
    }
}

/// Rows to be shaped.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) plan: Plan,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
    pub(crate) ops: Column,
    pub(crate) ordinals: Column,
    pub(crate) times: Column,
}

impl Batch {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column that the plan reads. Panics if it does not.
    pub fn column(&self, name: &str) -> Column {
        match self.plan.read_index(name) {
            Some(index) => self.columns[index],
            None => panic!("column {name} is not among those that the plan reads"),
        }
    }

    /// The columns that the plan reads, in that order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What each row does, a `string`: `L` comes from a full load, `I` inserts, `U` updates, `D` deletes.
    pub fn ops(&self) -> Column {
        self.ops
    }

    /// The number of each row in the table's log, a `long`: it is the same whenever Silver is made anew.
    pub fn ordinals(&self) -> Column {
        self.ordinals
    }

    /// When each row was committed at the source, a `timestamptz`; null where the source does not say.
    pub fn times(&self) -> Column {
        self.times
    }
}

/// The shaped rows.
#[derive(Debug, Clone, Default)]
pub struct Output {
    pub(crate) written: Vec<(String, Column)>,
    pub(crate) keep: Option<Column>,
    pub(crate) source_rows: Option<Column>,
    pub(crate) rejected: Option<Column>,
    pub(crate) ops: Option<Column>,
}

impl Output {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column that the plan writes, in any order.
    pub fn write(mut self, name: &str, column: Column) -> Self {
        self.written.push((name.to_owned(), column));
        self
    }

    /// A `boolean` a row of the batch: rows where it is not true are dropped, and so is their key's row in Silver. Not
    /// together with `source_rows`.
    pub fn keep(mut self, condition: Column) -> Self {
        self.keep = Some(condition);
        self
    }

    /// An `int` an output row: the row of the batch that it comes from (0 is the first), never falling.
    pub fn source_rows(mut self, rows: Column) -> Self {
        self.source_rows = Some(rows);
        self
    }

    /// A `string` a row of the batch: where it is not null, the row is rejected, and this is the reason.
    pub fn rejected(mut self, reasons: Column) -> Self {
        self.rejected = Some(reasons);
        self
    }

    /// A `string` an output row: its op, where it is not that of its source row; null leaves it.
    pub fn ops(mut self, ops: Column) -> Self {
        self.ops = Some(ops);
        self
    }

    /// The written columns in the plan's order.
    pub(crate) fn columns(&self, plan: &Plan) -> Result<Vec<Column>> {
        if let Some((name, _)) = self.written.iter().find(|(name, _)| plan.write_index(name).is_none()) {
            return Err(format!("column {name} was written, but the plan does not write it").into());
        }
        let of = |name: &String| self.written.iter().find(|(written, _)| written == name);
        let columns = plan.writes.iter().map(|write| match of(&write.name) {
            Some((_, column)) => Ok(*column),
            None => Err(format!("column {} was not written, but the plan writes it", write.name).into()),
        });
        columns.collect()
    }
}
