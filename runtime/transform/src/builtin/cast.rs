use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef};
use sluice_change::{ColumnType, TableSchema};

use super::{StepError, StepFault, compute, required, retyped, with_columns};
use crate::{Input, Rejected, Shaped};

/// Gives columns other types. A row with a value that has no place in the new type is rejected, unless it is deleted
/// anyway.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// The new types by the columns' names.
    pub columns: BTreeMap<String, ColumnType>,
}

impl Cast {
    pub(super) fn canonical(&self) -> String {
        serde_json::json!(self.columns).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        for (name, to) in &self.columns {
            let from = required(input, name)?.column_type;
            if let Some(reason) = compute::cannot_cast(from, *to) {
                return Err(StepFault::of(name, format!("the column `{name}` cannot become {to}: {reason}")));
            }
        }
        retyped(input, self.columns.iter().map(|(name, to)| (name.as_str(), *to)))
    }

    pub(super) fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, StepError> {
        let mut rejects: BTreeMap<u32, Rejected> = BTreeMap::new();
        let mut new: Vec<(&str, ArrayRef)> = Vec::with_capacity(self.columns.len());
        for (name, to) in &self.columns {
            let (Some(column), Some(from)) = (input.rows.column_by_name(name), schema.column(name)) else { continue };
            let cast = compute::cast(column, *to)?;
            if cast.null_count() > column.null_count() {
                let fails = |row: &usize| cast.is_null(*row) && column.is_valid(*row) && input.ops[*row].is_upsert();
                for row in (0..column.len()).filter(fails) {
                    let reason = format!("its value, a {}, has no place in {to}", from.column_type);
                    let row = row as u32;
                    rejects.entry(row).or_insert(Rejected { row, column: Some(name.clone()), reason });
                }
            }
            new.push((name, cast));
        }
        let rows = with_columns(&input.rows, new)?;
        Ok(Shaped::rejecting(Input { rows, ..input }, rejects.into_values().collect())?)
    }
}
