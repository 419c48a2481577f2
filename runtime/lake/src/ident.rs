use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A lake table: its namespace and its name, written `namespace.name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableIdent {
    /// The levels of the namespace, outermost first.
    pub namespace: Vec<String>,
    /// The table within its namespace.
    pub name: String,
}

/// A text that names no lake table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a lake table: write it as `namespace.name`, for example `bronze.public_orders`")]
pub struct InvalidTableIdent(String);

impl TableIdent {
    /// Names a table; neither the namespace's levels nor the name may be empty or contain a dot.
    pub fn new(namespace: Vec<String>, name: impl Into<String>) -> Result<Self, InvalidTableIdent> {
        let ident = Self { namespace, name: name.into() };
        let fits = |part: &String| !part.is_empty() && !part.contains('.') && !part.contains('/');
        if ident.namespace.is_empty() || !ident.namespace.iter().all(fits) || !fits(&ident.name) {
            return Err(InvalidTableIdent(ident.to_string()));
        }
        Ok(ident)
    }

    /// The namespace as catalogs store it, its levels joined by dots.
    pub(crate) fn dotted_namespace(&self) -> String {
        self.namespace.join(".")
    }
}

impl fmt::Display for TableIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for level in &self.namespace {
            write!(f, "{level}.")?;
        }
        f.write_str(&self.name)
    }
}

impl FromStr for TableIdent {
    type Err = InvalidTableIdent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.rsplit_once('.').ok_or_else(|| InvalidTableIdent(text.to_owned()))?;
        Self::new(namespace.split('.').map(str::to_owned).collect(), name)
            .map_err(|_| InvalidTableIdent(text.to_owned()))
    }
}

impl TryFrom<String> for TableIdent {
    type Error = InvalidTableIdent;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TableIdent> for String {
    fn from(ident: TableIdent) -> Self {
        ident.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_read_back_and_bad_ones_are_refused() {
        for text in ["bronze.orders", "lake.silver.orders"] {
            assert_eq!(text.parse::<TableIdent>().unwrap().to_string(), text);
        }
        for text in ["orders", ".orders", "bronze.", "a..b", ""] {
            assert!(text.parse::<TableIdent>().is_err(), "{text}");
        }
    }
}
