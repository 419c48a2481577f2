use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sluice_change::ColumnType;
use thiserror::Error;

/// Version of the Iceberg table format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatVersion {
    /// Deletes are position delete files.
    V2,
    /// Deletes are deletion vectors, and rows keep their ids.
    #[default]
    V3,
}

/// How a partition value comes from a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartitionTransform {
    /// The value itself.
    Identity,
    /// A hash of the value modulo this number.
    Bucket(u32),
    /// The value cut to this width.
    Truncate(u32),
    /// The year.
    Year,
    /// The month.
    Month,
    /// The day.
    Day,
    /// The hour.
    Hour,
}

/// One field of a table's partitioning, written `day(_commit_ts)`, `bucket(16, id)` or just `country`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartitionField {
    /// The column that the partition value comes from.
    pub column: String,
    /// How it comes from it.
    pub transform: PartitionTransform,
}

/// A text that describes no partition field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a partition field: use a column name, identity(c), year(c), month(c), day(c), hour(c), \
     bucket(n, c) or truncate(w, c)"
)]
pub struct InvalidPartitionField(String);

/// A column of a lake table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeColumn {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub column_type: ColumnType,
    /// Whether every row has a value.
    pub required: bool,
    /// What it holds, for people.
    pub doc: Option<String>,
}

/// What a table is to look like when it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSpec {
    /// The columns in order.
    pub columns: Vec<LakeColumn>,
    /// Names of the columns that identify a row; they must be required.
    pub identifier: Vec<String>,
    /// The partitioning; empty for none.
    pub partition: Vec<PartitionField>,
    /// Version of the table format.
    pub format_version: FormatVersion,
    /// Table properties beside those that sluice sets.
    pub properties: BTreeMap<String, String>,
}

impl PartitionField {
    /// The field's name, as other engines name it: `column`, `column_day`, `column_bucket`, `column_trunc`.
    pub(crate) fn name(&self) -> String {
        let suffix = match self.transform {
            PartitionTransform::Identity => return self.column.clone(),
            PartitionTransform::Bucket(_) => "bucket",
            PartitionTransform::Truncate(_) => "trunc",
            PartitionTransform::Year => "year",
            PartitionTransform::Month => "month",
            PartitionTransform::Day => "day",
            PartitionTransform::Hour => "hour",
        };
        format!("{}_{suffix}", self.column)
    }
}

impl fmt::Display for PartitionField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match self.transform {
            PartitionTransform::Identity => f.write_str(column),
            PartitionTransform::Bucket(buckets) => write!(f, "bucket({buckets}, {column})"),
            PartitionTransform::Truncate(width) => write!(f, "truncate({width}, {column})"),
            PartitionTransform::Year => write!(f, "year({column})"),
            PartitionTransform::Month => write!(f, "month({column})"),
            PartitionTransform::Day => write!(f, "day({column})"),
            PartitionTransform::Hour => write!(f, "hour({column})"),
        }
    }
}

impl FromStr for PartitionField {
    type Err = InvalidPartitionField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPartitionField(text.to_owned());
        let text = text.trim();
        let Some(inner) = text.strip_suffix(')') else {
            return match text {
                "" => Err(invalid()),
                _ if text.contains(['(', ',']) => Err(invalid()),
                column => Ok(Self { column: column.to_owned(), transform: PartitionTransform::Identity }),
            };
        };
        let (function, arguments) = inner.split_once('(').ok_or_else(invalid)?;
        let numbered = || {
            let (number, column) = arguments.split_once(',').ok_or_else(invalid)?;
            let number: u32 = number.trim().parse().map_err(|_| invalid())?;
            if number == 0 { Err(invalid()) } else { Ok((number, column)) }
        };
        let (transform, column) = match function.trim().to_ascii_lowercase().as_str() {
            "identity" => (PartitionTransform::Identity, arguments),
            "year" | "years" => (PartitionTransform::Year, arguments),
            "month" | "months" => (PartitionTransform::Month, arguments),
            "day" | "days" => (PartitionTransform::Day, arguments),
            "hour" | "hours" => (PartitionTransform::Hour, arguments),
            "bucket" => numbered().map(|(buckets, column)| (PartitionTransform::Bucket(buckets), column))?,
            "truncate" => numbered().map(|(width, column)| (PartitionTransform::Truncate(width), column))?,
            _ => return Err(invalid()),
        };
        let column = column.trim();
        if column.is_empty() {
            return Err(invalid());
        }
        Ok(Self { column: column.to_owned(), transform })
    }
}

impl TryFrom<String> for PartitionField {
    type Error = InvalidPartitionField;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PartitionField> for String {
    fn from(field: PartitionField) -> Self {
        field.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_fields_read_back_and_bad_ones_are_refused() {
        for text in ["day(_commit_ts)", "bucket(16, id)", "truncate(4, name)", "country", "hour(a b)"] {
            assert_eq!(text.parse::<PartitionField>().unwrap().to_string(), text);
        }
        assert_eq!("identity( x )".parse::<PartitionField>().unwrap().to_string(), "x");
        for text in ["", "bucket(id)", "bucket(0, id)", "week(x)", "day()", "day(x", "truncate(x, 4)"] {
            assert!(text.parse::<PartitionField>().is_err(), "{text}");
        }
    }
}
