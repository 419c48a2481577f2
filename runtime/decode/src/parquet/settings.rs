use crate::OpColumn;

/// How the Parquet files of a table are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetSettings {
    /// Name of the column of commit times, where there is one.
    pub timestamp_column: Option<String>,
    /// What stands before a column's name in the name of the column of its values before the change.
    pub before_prefix: Option<String>,
    /// Name of the column of operations. A full load may lack it.
    pub op_column: String,
    /// Whether there is such a column. If there is none, changes are inserts only.
    pub op: OpColumn,
}

impl Default for ParquetSettings {
    fn default() -> Self {
        Self { timestamp_column: None, before_prefix: None, op_column: "Op".into(), op: OpColumn::Auto }
    }
}
