use std::collections::BTreeSet;

use arrow_array::Array;
use sluice_change::{Op, TableSchema};

use super::condition::Condition;
use super::{StepError, StepFault};
use crate::{Input, Rejected, Shaped};

/// Drops the rows of which a condition does not hold: they take their key's row out of Silver. Deletes pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The condition.
    pub condition: Condition,
}

impl Filter {
    pub(super) fn canonical(&self) -> String {
        self.condition.text().to_owned()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        match self.condition.check(input) {
            Ok(()) => Ok(input.clone()),
            Err(error) => Err(StepFault { column: None, reason: error.to_string() }),
        }
    }

    pub(super) fn shape(&self, schema: &TableSchema, mut input: Input) -> Result<Shaped, StepError> {
        let holds = self.condition.evaluate(schema, &input.rows)?;
        let rejects = self.unsent(&input);
        for (row, op) in input.ops.iter_mut().enumerate() {
            if op.is_upsert() && !(holds.is_valid(row) && holds.value(row)) {
                *op = Op::Delete;
            }
        }
        Ok(Shaped::rejecting(input, rejects)?)
    }

    /// Rows of which it cannot be said whether the condition holds, since the source did not send what it reads.
    fn unsent(&self, input: &Input) -> Vec<Rejected> {
        let Some(unsent) = &input.unsent else { return Vec::new() };
        let read: BTreeSet<&str> = self.condition.columns();
        let missing: Vec<Option<&String>> =
            unsent.patterns().iter().map(|names| names.iter().find(|name| read.contains(name.as_str()))).collect();
        let rows = (0_u32..).zip(unsent.rows()).zip(&input.ops).filter(|(_, op)| op.is_upsert());
        let rejected = rows.filter_map(|((row, pattern), _)| {
            let column = missing[*pattern as usize]?;
            let reason = format!("the source did not send the column `{column}`, which the filter reads");
            Some(Rejected { row, column: Some(column.clone()), reason })
        });
        rejected.collect()
    }
}
