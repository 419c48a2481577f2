use std::collections::BTreeSet;

use crate::OpColumn;
use crate::renames::{Renames, current};

/// How the Parquet files of a table are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetSettings {
    /// Name of the column of commit times, where there is one.
    pub timestamp_column: Option<String>,
    /// What stands before a column's name in the name of the column of its values before the change.
    pub before_prefix: Option<String>,
    /// Name of the column of operations. A full load may lack it.
    pub op_column: String,
    /// Columns that have another name now; a file may still use the old one.
    pub renames: Renames,
    /// Columns whose types are declared: values that are none of the type are rejects. The others get a type that holds
    /// both the file's values and the table's, where there is one.
    pub declared: BTreeSet<String>,
    /// Whether there is such a column. If there is none, changes are inserts only.
    pub op: OpColumn,
}

impl Default for ParquetSettings {
    fn default() -> Self {
        Self {
            timestamp_column: None,
            before_prefix: None,
            op_column: "Op".into(),
            op: OpColumn::Auto,
            renames: Renames::new(),
            declared: BTreeSet::new(),
        }
    }
}

impl ParquetSettings {
    /// The name that a column of a file has now, and with it the column of its values before the change.
    pub(super) fn current_name(&self, name: &str) -> String {
        let image = self.before_prefix.as_deref().and_then(|prefix| Some((prefix, name.strip_prefix(prefix)?)));
        match image {
            Some((prefix, of)) if self.renames.contains_key(of) => format!("{prefix}{}", current(&self.renames, of)),
            _ => current(&self.renames, name).to_owned(),
        }
    }
}
