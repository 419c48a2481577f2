use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A source table: its schema and its name, written `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    schema: String,
    table: String,
}

/// A table name that is not `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a table name: write it as `schema.table`, for example `public.orders`")]
pub struct InvalidTableName(String);

impl TableName {
    /// Names a table; neither part may be empty.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Result<Self, InvalidTableName> {
        let (schema, table) = (schema.into(), table.into());
        if schema.is_empty() || table.is_empty() {
            return Err(InvalidTableName(format!("{schema}.{table}")));
        }
        Ok(Self { schema, table })
    }

    /// The source schema (a database for sources that have no schemas).
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The table within its schema.
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

impl FromStr for TableName {
    type Err = InvalidTableName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
                Ok(Self { schema: schema.to_owned(), table: table.to_owned() })
            }
            _ => Err(InvalidTableName(text.to_owned())),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = InvalidTableName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}
