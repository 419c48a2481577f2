use arrow_array::ArrayRef;
use sluice_change::{ColumnType, TableSchema};

use super::{StepError, StepFault, compute, required, with_columns};
use crate::{Input, Shaped};

/// Covers the characters of texts but for some at either end. A text of no more characters than these is covered whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// The columns.
    pub columns: Vec<String>,
    /// Characters at the beginning that stay.
    pub keep_start: u32,
    /// Characters at the end that stay.
    pub keep_end: u32,
    /// What stands for each of the others: one character.
    pub fill: String,
}

impl Mask {
    pub(super) fn canonical(&self) -> String {
        serde_json::json!([self.columns, self.keep_start, self.keep_end, self.fill]).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        for name in &self.columns {
            let column_type = required(input, name)?.column_type;
            if column_type != ColumnType::String {
                let reason =
                    format!("the column `{name}` is {column_type} and only a string can be masked: cast it first");
                return Err(StepFault::of(name, reason));
            }
        }
        Ok(input.clone())
    }

    pub(super) fn shape(&self, input: Input) -> Result<Shaped, StepError> {
        let mut new: Vec<(&str, ArrayRef)> = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let Some(column) = input.rows.column_by_name(name) else { continue };
            new.push((name, compute::mask(column, self.keep_start, self.keep_end, &self.fill)?));
        }
        let rows = with_columns(&input.rows, new)?;
        Ok(Shaped::untouched(Input { rows, ..input }))
    }
}
