//! Steps that sluice brings along, for the common cases: no component has to be built for them.
//!
//! They have the semantics of components: columns that a step does not name go through untouched, deletes pass, a row that
//! a step drops takes its key's row out of Silver, and a cell that the source did not send keeps the value it had.

mod cast;
mod compute;
mod condition;
mod constant;
mod drop;
mod filter;
mod hash;
mod mask;
mod rename;
#[cfg(test)]
mod tests;

pub use cast::Cast;
pub use condition::{Condition, ConditionError};
pub use constant::{Constant, ConstantValue};
pub use drop::Drop;
pub use filter::Filter;
pub use hash::{Encoding, Hash};
pub use mask::Mask;
pub use rename::Rename;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field, Schema};
use sha2::{Digest, Sha256};
use sluice_change::{ColumnType, TableName, TableSchema};

use crate::kernels::KernelError;
use crate::{Input, Shaped, Transform, TransformError};

/// A step, with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Builtin {
    /// Gives columns other names.
    Rename(Rename),
    /// Leaves columns out.
    Drop(Drop),
    /// Gives columns other types.
    Cast(Cast),
    /// Sets columns to values.
    Constant(Constant),
    /// Replaces values by keyed hashes.
    Hash(Hash),
    /// Covers the characters of texts.
    Mask(Mask),
    /// Drops the rows of which a condition does not hold.
    Filter(Filter),
}

/// What is wrong with a step for the columns that it gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StepFault {
    /// The column at fault, where one is.
    pub column: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl StepFault {
    fn of(column: &str, reason: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), reason: reason.into() }
    }
}

/// A step that could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl Builtin {
    /// The key that stands for it in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Builtin::Rename(_) => "rename",
            Builtin::Drop(_) => "drop",
            Builtin::Cast(_) => "cast",
            Builtin::Constant(_) => "constant",
            Builtin::Hash(_) => "hash",
            Builtin::Mask(_) => "mask",
            Builtin::Filter(_) => "filter",
        }
    }

    /// Its settings as text, the same for the same settings. It may hold secrets.
    pub(crate) fn canonical(&self) -> String {
        let settings = match self {
            Builtin::Rename(step) => step.canonical(),
            Builtin::Drop(step) => step.canonical(),
            Builtin::Cast(step) => step.canonical(),
            Builtin::Constant(step) => step.canonical(),
            Builtin::Hash(step) => step.canonical(),
            Builtin::Mask(step) => step.canonical(),
            Builtin::Filter(step) => step.canonical(),
        };
        format!("{} {settings}", self.name())
    }

    /// The schema of what comes out for rows of `input`. Key columns that go are no longer part of its key.
    pub fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        match self {
            Builtin::Rename(step) => step.output(input),
            Builtin::Drop(step) => step.output(input),
            Builtin::Cast(step) => step.output(input),
            Builtin::Constant(step) => step.output(input),
            Builtin::Hash(step) => step.output(input),
            Builtin::Mask(step) => step.output(input),
            Builtin::Filter(step) => step.output(input),
        }
    }

    /// Whether it takes a column away or gives it other values.
    pub fn changes(&self, column: &str) -> bool {
        match self {
            Builtin::Rename(_) | Builtin::Filter(_) => false,
            Builtin::Drop(step) => step.columns.iter().any(|name| name == column),
            Builtin::Cast(step) => step.columns.contains_key(column),
            Builtin::Constant(step) => step.columns.contains_key(column),
            Builtin::Hash(step) => step.columns.iter().any(|name| name == column),
            Builtin::Mask(step) => step.columns.iter().any(|name| name == column),
        }
    }

    fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, StepError> {
        match self {
            Builtin::Rename(step) => step.shape(input),
            Builtin::Drop(step) => step.shape(input),
            Builtin::Cast(step) => step.shape(schema, input),
            Builtin::Constant(step) => step.shape(input),
            Builtin::Hash(step) => step.shape(schema, input),
            Builtin::Mask(step) => step.shape(input),
            Builtin::Filter(step) => step.shape(schema, input),
        }
    }
}

/// A step of one table's transform.
#[derive(Debug)]
pub struct BuiltinStep {
    step: Builtin,
    table: String,
    digest: String,
}

impl BuiltinStep {
    /// The step for a table.
    pub fn new(step: Builtin, table: &TableName) -> Self {
        let digest = Sha256::digest(step.canonical().as_bytes());
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self { step, table: table.to_string(), digest: format!("sha256:{digest}") }
    }
}

impl Transform for BuiltinStep {
    fn digest(&self) -> Option<&str> {
        Some(&self.digest)
    }

    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        self.step.output(input).map_err(|fault| TransformError::Refused {
            transform: self.step.name().to_owned(),
            table: self.table.clone(),
            reason: fault.reason,
        })
    }

    fn changes_key(&self, input: &TableSchema) -> Result<bool, TransformError> {
        Ok(input.key.iter().any(|column| self.step.changes(column)))
    }

    fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, TransformError> {
        self.step.shape(schema, input).map_err(|error| TransformError::Host {
            transform: format!("{} of {}", self.step.name(), self.table),
            reason: error.to_string(),
        })
    }
}

/// A column that a step names and that has to be there.
fn required<'a>(input: &'a TableSchema, name: &str) -> Result<&'a sluice_change::Column, StepFault> {
    input.column(name).ok_or_else(|| {
        let names: Vec<&str> = input.columns.iter().map(|column| column.name.as_str()).collect();
        StepFault::of(name, format!("there is no column `{name}` here, only {}", names.join(", ")))
    })
}

/// The schema with some columns of other types.
fn retyped<'a>(
    input: &TableSchema,
    types: impl Iterator<Item = (&'a str, ColumnType)>,
) -> Result<TableSchema, StepFault> {
    let mut output = input.clone();
    for (name, column_type) in types {
        required(input, name)?;
        output
            .columns
            .iter_mut()
            .filter(|column| column.name == name)
            .for_each(|column| column.column_type = column_type);
    }
    Ok(output)
}

/// The rows with some columns replaced in place; others are added at the end.
fn with_columns(rows: &RecordBatch, new: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, ArrowError> {
    let schema = rows.schema();
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = rows.columns().to_vec();
    for (name, column) in new {
        let field = Field::new(name, column.data_type().clone(), true);
        match schema.index_of(name) {
            Ok(place) => {
                fields[place] = field;
                columns[place] = column;
            }
            Err(_) => {
                fields.push(field);
                columns.push(column);
            }
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}
