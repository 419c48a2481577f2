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
    Compare { left: Operand, by: Comparison, right: Operand },
    In { column: Name, values: Vec<Literal> },
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
