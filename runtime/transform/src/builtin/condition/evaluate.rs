//! Whether a condition holds, with SQL's three values: a comparison with null is neither true nor false.

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use sluice_change::{ColumnType, TableSchema};

use super::{Condition, ConditionError, Literal, LiteralKind, Name, Node, Operand};
use crate::builtin::{StepError, compute};
use crate::kernels::{self, Column};

impl Condition {
    /// Whether it can be asked of rows of `schema`.
    pub fn check(&self, schema: &TableSchema) -> Result<(), ConditionError> {
        self.check_node(schema, &self.root)
    }

    fn check_node(&self, schema: &TableSchema, node: &Node) -> Result<(), ConditionError> {
        match node {
            Node::Or(left, right) | Node::And(left, right) => {
                self.check_node(schema, left)?;
                self.check_node(schema, right)
            }
            Node::Not(inner) => self.check_node(schema, inner),
            Node::IsNull(name) => self.type_of(schema, name).map(|_| ()),
            Node::Holds(name) => match self.type_of(schema, name)? {
                ColumnType::Boolean => Ok(()),
                other => Err(self.fault(name.at, format!("`{}` is {other} and no condition: compare it", name.name))),
            },
            Node::In { column, values } => {
                let column_type = self.type_of(schema, column)?;
                values.iter().try_for_each(|value| self.check_literal(column_type, value))
            }
            Node::Compare { left, right, .. } => match (left, right) {
                (Operand::Column(left), Operand::Column(right)) => {
                    let (a, b) = (self.type_of(schema, left)?, self.type_of(schema, right)?);
                    if a == b || (is_number(a) && is_number(b)) {
                        return Ok(());
                    }
                    Err(self.fault(
                        right.at,
                        format!("`{}` is {b} and `{}` is {a}: cast one of them", right.name, left.name),
                    ))
                }
                (Operand::Column(column), Operand::Literal(value))
                | (Operand::Literal(value), Operand::Column(column)) => {
                    self.check_literal(self.type_of(schema, column)?, value)
                }
                (Operand::Literal(value), Operand::Literal(_)) => {
                    Err(self.fault(value.at, "two values are compared here: one side must be a column"))
                }
            },
        }
    }

    fn fault(&self, at: usize, message: impl Into<String>) -> ConditionError {
        ConditionError::new(&self.text, at, message)
    }

    fn type_of(&self, schema: &TableSchema, name: &Name) -> Result<ColumnType, ConditionError> {
        schema.column(&name.name).map(|column| column.column_type).ok_or_else(|| {
            let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            self.fault(name.at, format!("there is no column `{}` here, only {}", name.name, names.join(", ")))
        })
    }

    fn check_literal(&self, column_type: ColumnType, value: &Literal) -> Result<(), ConditionError> {
        let Literal { kind, text, at } = value;
        let fits = match kind {
            LiteralKind::Number => is_number(column_type),
            LiteralKind::Boolean => column_type == ColumnType::Boolean,
            LiteralKind::Text => !is_number(column_type) && column_type != ColumnType::Boolean,
        };
        if !fits {
            let shown = if *kind == LiteralKind::Text { format!("'{text}'") } else { text.clone() };
            let quotes = match column_type {
                _ if is_number(column_type) => ": write numbers without quotes",
                ColumnType::Boolean => ": write true or false",
                _ => ": write it in '...'",
            };
            return Err(self.fault(*at, format!("the column is {column_type}, and {shown} is not{quotes}")));
        }
        match constant(column_type, value) {
            Ok(column) if column.array().is_valid(0) => Ok(()),
            _ => Err(self.fault(*at, format!("`{text}` is no {column_type}"))),
        }
    }

    /// Whether it holds for each of the rows, which have the columns of `schema`.
    pub(crate) fn evaluate(&self, schema: &TableSchema, rows: &RecordBatch) -> Result<BooleanArray, StepError> {
        Ok(compute::conditions(&evaluate(schema, rows, &self.root)?)?)
    }
}

fn evaluate(schema: &TableSchema, rows: &RecordBatch, node: &Node) -> Result<Column, StepError> {
    Ok(match node {
        Node::Or(left, right) => kernels::either(&evaluate(schema, rows, left)?, &evaluate(schema, rows, right)?)?,
        Node::And(left, right) => kernels::both(&evaluate(schema, rows, left)?, &evaluate(schema, rows, right)?)?,
        Node::Not(inner) => kernels::negate(&evaluate(schema, rows, inner)?)?,
        Node::IsNull(name) => kernels::is_null(&column(schema, rows, name)?.0)?,
        Node::Holds(name) => column(schema, rows, name)?.0,
        Node::In { column: name, values } => {
            let (column, column_type) = column(schema, rows, name)?;
            let is_one = |value: &Literal| -> Result<Column, StepError> {
                Ok(kernels::equal(&column, &constant(column_type, value)?)?)
            };
            let mut values = values.iter();
            let Some(first) = values.next() else { return Err(missing("a value").into()) };
            values.try_fold(is_one(first)?, |any, value| Ok::<_, StepError>(kernels::either(&any, &is_one(value)?)?))?
        }
        Node::Compare { left, by, right } => {
            let operand = |operand: &Operand, other: &Operand| match (operand, other) {
                (Operand::Column(name), _) => column(schema, rows, name).map(|(column, _)| column),
                (Operand::Literal(value), Operand::Column(name)) => constant(column(schema, rows, name)?.1, value),
                (Operand::Literal(_), Operand::Literal(_)) => Err(missing("a column").into()),
            };
            compute::compare(*by, &operand(left, right)?, &operand(right, left)?)?
        }
    })
}

fn column(schema: &TableSchema, rows: &RecordBatch, name: &Name) -> Result<(Column, ColumnType), StepError> {
    let array = rows.column_by_name(&name.name).ok_or_else(|| missing(&name.name))?;
    let column = schema.column(&name.name).ok_or_else(|| missing(&name.name))?;
    Ok((Column::rows(array.clone()), column.column_type))
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("there is no column `{name}`"))
}

/// A value as a constant to compare a column of this type with.
fn constant(column_type: ColumnType, value: &Literal) -> Result<Column, StepError> {
    let wanted = match (column_type, value.text.split_once('.')) {
        // A whole number may be compared with one that is not.
        (ColumnType::Int | ColumnType::Long | ColumnType::Decimal { .. }, Some((whole, part))) => {
            let digits = whole.trim_start_matches('-').len() + part.len();
            ColumnType::Decimal { precision: u8::try_from(digits.max(1)).unwrap_or(u8::MAX), scale: part.len() as u8 }
        }
        (ColumnType::Int | ColumnType::Decimal { .. }, None) => ColumnType::Long,
        (other, _) => other,
    };
    Ok(Column::constant(compute::constant(wanted, Some(&value.text))?)?)
}

fn is_number(column_type: ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Int | ColumnType::Long | ColumnType::Float | ColumnType::Double | ColumnType::Decimal { .. }
    )
}
