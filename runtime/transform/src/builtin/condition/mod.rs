//! Simple conditions over the columns of a row, as text: `status != 'deleted' and amount >= 10`.

mod evaluate;
mod parse;
mod token;

use std::collections::BTreeSet;
use std::str::FromStr;

use thiserror::Error;

/// A condition that has been read.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    root: Node,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What is wrong with a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (at {shown})")]
pub struct ConditionError {
    /// The byte of the text at which it was seen.
    pub at: usize,
    /// What is wrong and what to do.
    pub message: String,
    /// The place for a person.
    shown: String,
}

impl ConditionError {
    fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let rest: String = text.get(at..).unwrap_or_default().chars().take(20).collect();
        let shown = if rest.is_empty() { "the end".to_owned() } else { format!("`{rest}`") };
        Self { at, message: message.into(), shown }
    }
}

/// A column and where it is named.
#[derive(Debug, Clone)]
struct Name {
    name: String,
    at: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
struct Literal {
    kind: LiteralKind,
    text: String,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiteralKind {
    Text,
    Number,
    Boolean,
}

#[derive(Debug, Clone)]
enum Operand {
    Column(Name),
    Literal(Literal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
enum Node {
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare {
        left: Operand,
        by: Comparison,
        right: Operand,
    },
    In {
        column: Name,
        values: Vec<Literal>,
    },
    IsNull(Name),
    /// A boolean column by itself.
    Holds(Name),
}

impl Condition {
    /// The text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the columns that it reads.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.collect(&mut names);
        names
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }
}

impl Node {
    fn collect<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Node::Or(left, right) | Node::And(left, right) => {
                left.collect(names);
                right.collect(names);
            }
            Node::Not(inner) => inner.collect(names),
            Node::Compare { left, right, .. } => {
                for operand in [left, right] {
                    if let Operand::Column(column) = operand {
                        names.insert(&column.name);
                    }
                }
            }
            Node::In { column, .. } | Node::IsNull(column) | Node::Holds(column) => {
                names.insert(&column.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, Int32Array, RecordBatch, StringArray};
    use sluice_change::{Column, ColumnType, TableSchema};

    use super::*;

    fn rows() -> (TableSchema, RecordBatch) {
        let decimals =
            Decimal128Array::from(vec![Some(1050), None, Some(-100)]).with_precision_and_scale(8, 2).unwrap();
        let columns: [(&str, ArrayRef); 4] = [
            ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
            ("text", Arc::new(StringArray::from(vec![Some("it's"), Some("b"), None]))),
            ("on", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("an amount", Arc::new(decimals)),
        ];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
        let fields = batch.schema();
        let column = |field: &Arc<arrow_schema::Field>| {
            Column::new(field.name(), ColumnType::from_arrow(field.data_type()).unwrap())
        };
        (TableSchema { columns: fields.fields().iter().map(column).collect(), key: Vec::new() }, batch)
    }

    /// The rows of which the condition holds.
    fn holding(text: &str) -> Vec<usize> {
        let (schema, batch) = rows();
        let condition: Condition = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        condition.check(&schema).unwrap_or_else(|error| panic!("{text}: {error}"));
        let holds = condition.evaluate(&schema, &batch).unwrap();
        (0..3).filter(|row| arrow_array::Array::is_valid(&holds, *row) && holds.value(*row)).collect()
    }

    #[test]
    fn conditions_hold_as_in_sql() {
        for (text, wanted) in [
            ("n = 1", vec![0]),
            ("1 < n", vec![2]),
            ("n <> 1", vec![2]),
            ("n >= 1.5", vec![2]),
            ("n is null", vec![1]),
            ("n IS NOT NULL and n != 1", vec![2]),
            ("text = 'it''s' or n = 3", vec![0, 2]),
            ("not (text = 'b')", vec![0]),
            ("not text in ('b', 'c')", vec![0]),
            ("text not in ('b')", vec![0]),
            ("n in (1, 3, 5)", vec![0, 2]),
            ("on", vec![0]),
            ("not on", vec![1]),
            ("on = false", vec![1]),
            ("\"an amount\" > 10", vec![0]),
            ("\"an amount\" < n", vec![2]),
            ("\"an amount\" <= -1.0", vec![2]),
            // `and` binds closer than `or`.
            ("n = 1 or n = 3 and text = 'b'", vec![0]),
            ("(n = 1 or n = 3) and text is null", vec![2]),
        ] {
            assert_eq!(holding(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, words) in [
            ("", 0, "no condition"),
            ("n =", 3, "a column or a value"),
            ("n = null", 4, "is null"),
            ("n = 1 n = 2", 6, "`and`, `or`"),
            ("(n = 1", 6, "`)`"),
            ("text = 'abc", 7, "never closed"),
            ("n = 1x", 4, "no number"),
            ("n ? 1", 2, "no meaning"),
            ("1 = 2", 0, "must be a column"),
            ("n in ()", 6, "a column or a value"),
            ("n in (1 2)", 8, "`,` or `)`"),
            ("n in (text)", 6, "a value"),
            ("n is 3", 5, "`null` or `not null`"),
            ("n not 3", 6, "`in`"),
            ("text like 'x'", 5, "a comparison"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
        let deep = format!("{}n = 1{}", "(".repeat(100), ")".repeat(100));
        assert!(deep.parse::<Condition>().unwrap_err().message.contains("too deeply"));
    }

    #[test]
    fn columns_and_values_are_checked_against_the_table() {
        let (schema, _) = rows();
        for (text, at, words) in [
            ("m = 1", 0, "no column `m`"),
            ("n = 'x'", 4, "without quotes"),
            ("text = 3", 7, "in '...'"),
            ("on = 1", 5, "true or false"),
            ("n", 0, "no condition"),
            ("n = text", 4, "cast one of them"),
        ] {
            let error = text.parse::<Condition>().unwrap().check(&schema).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }
}
