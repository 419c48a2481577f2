use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef};
use sluice_change::{Column, ColumnType, TableSchema};

use super::drop::without;
use super::{StepError, StepFault, compute, with_columns};
use crate::{Input, Shaped};

/// Sets columns to a value; those that are not there are added at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The values by the columns' names.
    pub columns: BTreeMap<String, ConstantValue>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstantValue {
    /// The column's type.
    pub column_type: ColumnType,
    /// The value as text; `None` is null.
    pub value: Option<String>,
}

impl ConstantValue {
    /// The value as a column of one row. An error says what is wrong with it.
    fn column(&self) -> Result<ArrayRef, String> {
        let column = compute::constant(self.column_type, self.value.as_deref()).map_err(|error| error.to_string())?;
        match &self.value {
            Some(text) if column.is_null(0) => Err(format!("`{text}` is no {}", self.column_type)),
            _ => Ok(column),
        }
    }
}

impl Constant {
    pub(super) fn canonical(&self) -> String {
        let all: BTreeMap<&str, (String, &Option<String>)> = self
            .columns
            .iter()
            .map(|(name, value)| (name.as_str(), (value.column_type.to_string(), &value.value)))
            .collect();
        serde_json::json!(all).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        let mut output = input.clone();
        for (name, value) in &self.columns {
            value.column().map_err(|reason| StepFault::of(name, format!("the column `{name}`: {reason}")))?;
            match output.columns.iter_mut().find(|column| column.name == *name) {
                Some(column) => column.column_type = value.column_type,
                None => output.columns.push(Column::new(name, value.column_type)),
            }
        }
        Ok(output)
    }

    pub(super) fn shape(&self, input: Input) -> Result<Shaped, StepError> {
        let mut new: Vec<(&str, ArrayRef)> = Vec::with_capacity(self.columns.len());
        for (name, value) in &self.columns {
            let column = compute::repeated(value.column_type, value.value.as_deref(), input.ops.len())?;
            new.push((name, column));
        }
        let rows = with_columns(&input.rows, new)?;
        let unsent = input.unsent.as_ref().and_then(|all| without(all, |name| self.columns.contains_key(name)));
        Ok(Shaped::untouched(Input { rows, unsent, ..input }))
    }
}
