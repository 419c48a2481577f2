//! What a transform promised, checked against the table.

use sluice_change::{Column, ColumnType, TableSchema};

use super::bindings::Plan;

/// A column that is written.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub name: String,
    pub column_type: ColumnType,
    pub nullable: bool,
    /// Places in the plan's `reads`; all of them where the plan does not say.
    pub computed_from: Vec<usize>,
}

/// A plan that holds for a table of some schema.
#[derive(Debug, Clone)]
pub(super) struct CheckedPlan {
    /// What it said, to see that it says the same again.
    pub said: Plan,
    /// The columns that are read, with their types in the table.
    pub reads: Vec<Column>,
    pub writes: Vec<Write>,
    /// What comes out.
    pub output: TableSchema,
    /// Whether Silver's key is the plan's.
    pub own_key: bool,
}

impl CheckedPlan {
    /// Checks a plan; the error is for its author.
    pub fn new(said: Plan, input: &TableSchema) -> Result<Self, String> {
        let reads = said.reads.iter().map(|name| known(input, name, "reads")).collect::<Result<Vec<_>, _>>()?;
        refuse_twice(&said.reads, "reads")?;
        let writes = said.writes.iter().map(|column| {
            let column_type: ColumnType =
                column.data_type.parse().map_err(|error| format!("it writes `{}`: {error}", column.name))?;
            let place = |name: &String| {
                let found = said.reads.iter().position(|read| read == name);
                found.ok_or_else(|| {
                    format!("it computes `{}` from `{name}`, which is not among its `reads`", column.name)
                })
            };
            let computed_from = match column.computed_from.is_empty() {
                true => (0..said.reads.len()).collect(),
                false => column.computed_from.iter().map(place).collect::<Result<_, _>>()?,
            };
            if column.name.is_empty() || column.name.starts_with('_') {
                return Err(format!(
                    "it writes a column called `{}`: names begin with a letter, those with `_` are sluice's own",
                    column.name
                ));
            }
            Ok(Write { name: column.name.clone(), column_type, nullable: column.nullable, computed_from })
        });
        let writes = writes.collect::<Result<Vec<_>, String>>()?;
        let names: Vec<String> = writes.iter().map(|column| column.name.clone()).collect();
        refuse_twice(&names, "writes")?;
        refuse_twice(&said.drops, "drops")?;
        for name in &said.drops {
            known(input, name, "drops")?;
            if names.contains(name) {
                return Err(format!("it both writes and drops `{name}`"));
            }
        }
        let own_key = !said.key.is_empty();
        if !own_key {
            let touched = |name: &&String| names.contains(name) || said.drops.contains(name);
            if let Some(name) = input.key.iter().find(touched) {
                return Err(format!(
                    "it changes the key column `{name}`, and Silver is merged by it: leave it alone and write another \
                     column, or return a `key` of its own"
                ));
            }
            if said.fan_out {
                return Err("it returns several rows for one, and has no `key` that tells them apart".to_owned());
            }
        } else if !said.deletes {
            return Err("it has a `key` of its own, so it has to see deletes too: set `deletes`".to_owned());
        }
        let output = output(input, &writes, &said)?;
        Ok(Self { said, reads, writes, output, own_key })
    }
}

fn known(input: &TableSchema, name: &str, list: &str) -> Result<Column, String> {
    input.column(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = input.columns.iter().map(|column| column.name.as_str()).collect();
        format!("it {list} `{name}`, which is not a column of the table ({})", names.join(", "))
    })
}

fn refuse_twice(names: &[String], list: &str) -> Result<(), String> {
    match names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        Some((_, name)) => Err(format!("it {list} `{name}` twice")),
        None => Ok(()),
    }
}

fn output(input: &TableSchema, writes: &[Write], said: &Plan) -> Result<TableSchema, String> {
    let mut columns = Vec::with_capacity(input.columns.len() + writes.len());
    for column in input.columns.iter().filter(|column| !said.drops.contains(&column.name)) {
        let written = writes.iter().find(|write| write.name == column.name);
        let column_type = written.map_or(column.column_type, |write| write.column_type);
        columns.push(Column::new(&column.name, column_type));
    }
    for write in writes.iter().filter(|write| input.column(&write.name).is_none()) {
        columns.push(Column::new(&write.name, write.column_type));
    }
    let key = if said.key.is_empty() { input.key.clone() } else { said.key.clone() };
    refuse_twice(&key, "has in its `key`")?;
    match key.iter().find(|name| !columns.iter().any(|column| column.name == **name)) {
        Some(name) => Err(format!("its `key` has `{name}`, which is not among the columns that come out")),
        None => Ok(TableSchema { columns, key }),
    }
}
