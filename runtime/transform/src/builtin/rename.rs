use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field, Schema};
use sluice_change::{TableSchema, Unsent};

use super::{StepError, StepFault, required};
use crate::{Input, Shaped};

/// Gives columns other names, all at once; the key goes along.
#[derive(Debug, Clone, PartialEq)]
pub struct Rename {
    /// The new names by the old ones.
    pub names: BTreeMap<String, String>,
}

impl Rename {
    pub(super) fn canonical(&self) -> String {
        serde_json::json!(self.names).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        for (from, to) in &self.names {
            required(input, from)?;
            if to.is_empty() {
                return Err(StepFault::of(from, format!("the column `{from}` needs a new name")));
            }
        }
        let mut output = input.clone();
        let names = output.columns.iter_mut().map(|column| &mut column.name).chain(&mut output.key);
        names.for_each(|name| *name = self.new_name(name).to_owned());
        let mut seen = HashSet::new();
        match output.columns.iter().find(|column| !seen.insert(column.name.as_str())) {
            Some(twice) => Err(StepFault::of(&twice.name, format!("two columns would be called `{}`", twice.name))),
            None => Ok(output),
        }
    }

    pub(super) fn shape(&self, input: Input) -> Result<Shaped, StepError> {
        let unsent = input.unsent.as_ref().and_then(|unsent| {
            let renamed = |names: &Vec<String>| names.iter().map(|name| self.new_name(name).to_owned()).collect();
            Unsent::new(unsent.rows().to_vec(), unsent.patterns().iter().map(renamed).collect())
        });
        let before = input.before.as_ref().map(|before| self.renamed(before)).transpose()?;
        Ok(Shaped::untouched(Input { rows: self.renamed(&input.rows)?, before, unsent, ..input }))
    }

    fn new_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.get(name).map_or(name, String::as_str)
    }

    fn renamed(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let field = |field: &Arc<Field>| field.as_ref().clone().with_name(self.new_name(field.name()));
        let fields: Vec<Field> = rows.schema().fields().iter().map(field).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), rows.columns().to_vec(), &options)
    }
}
