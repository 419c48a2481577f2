use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use sluice_change::{TableSchema, Unsent};

use super::{StepError, StepFault, required};
use crate::{Input, Shaped};

/// Leaves columns out.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// Their names.
    pub columns: Vec<String>,
}

impl Drop {
    pub(super) fn canonical(&self) -> String {
        serde_json::json!(self.columns).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        for name in &self.columns {
            required(input, name)?;
        }
        let mut output = input.clone();
        output.columns.retain(|column| !self.has(&column.name));
        output.key.retain(|name| !self.has(name));
        if output.columns.is_empty() {
            return Err(StepFault { column: None, reason: "no column would be left".to_owned() });
        }
        Ok(output)
    }

    pub(super) fn shape(&self, input: Input) -> Result<Shaped, StepError> {
        let unsent = input.unsent.as_ref().and_then(|unsent| without(unsent, |name| self.has(name)));
        let before = input.before.as_ref().map(|before| self.left(before)).transpose()?;
        Ok(Shaped::untouched(Input { rows: self.left(&input.rows)?, before, unsent, ..input }))
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    fn left(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let fields = rows.schema_ref().fields().iter().enumerate();
        let places: Vec<usize> = fields.filter(|(_, field)| !self.has(field.name())).map(|(place, _)| place).collect();
        rows.project(&places)
    }
}

/// The marks without those of some columns; `None` where no row has one left.
pub(super) fn without(unsent: &Unsent, is_gone: impl Fn(&str) -> bool) -> Option<Unsent> {
    let left = |names: &Vec<String>| names.iter().filter(|name| !is_gone(name)).cloned().collect::<Vec<String>>();
    let patterns: Vec<Vec<String>> = unsent.patterns().iter().map(left).collect();
    let rows = unsent.rows().iter().map(|row| if patterns[*row as usize].is_empty() { 0 } else { *row });
    Unsent::new(rows.collect(), patterns.clone())
}
