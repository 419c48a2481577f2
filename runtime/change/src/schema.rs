use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most digits that a decimal column may have (Iceberg specification, primitive types).
pub const MAX_DECIMAL_PRECISION: u8 = 38;

/// The type of a column, as a person writes it in the configuration: `long`, `decimal(12,2)`, `timestamptz`.
///
/// The names are those of the Iceberg specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Exact decimal of `precision` digits, `scale` of them after the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// Days.
    Date,
    /// Time of day in microseconds.
    Time,
    /// Date and time without a zone, in microseconds.
    Timestamp,
    /// An instant, in microseconds, kept as UTC.
    TimestampTz,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
}

impl ColumnType {
    /// The Arrow type in which this column travels through sluice.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Int => DataType::Int32,
            ColumnType::Long => DataType::Int64,
            ColumnType::Float => DataType::Float32,
            ColumnType::Double => DataType::Float64,
            ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
            ColumnType::Date => DataType::Date32,
            ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("+00:00"))),
            ColumnType::String => DataType::Utf8,
            ColumnType::Binary => DataType::Binary,
        }
    }

    /// The column type that travels as `data_type`; `None` where no column type does.
    pub fn from_arrow(data_type: &DataType) -> Option<ColumnType> {
        Some(match data_type {
            DataType::Boolean => ColumnType::Boolean,
            DataType::Int32 => ColumnType::Int,
            DataType::Int64 => ColumnType::Long,
            DataType::Float32 => ColumnType::Float,
            DataType::Float64 => ColumnType::Double,
            DataType::Decimal128(precision, scale) => {
                ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
            }
            DataType::Date32 => ColumnType::Date,
            DataType::Time64(TimeUnit::Microsecond) => ColumnType::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::TimestampTz,
            DataType::Utf8 => ColumnType::String,
            DataType::Binary => ColumnType::Binary,
            _ => return None,
        })
    }

    /// The narrowest type that holds every value of both exactly, where Iceberg can promote to it in place.
    ///
    /// Promotions are those of the Iceberg specification, "Schema Evolution": int to long, float to double, and a
    /// decimal of the same scale to more digits.
    pub fn widest(self, other: ColumnType) -> Option<ColumnType> {
        use ColumnType::{Decimal, Double, Float, Int, Long};
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Int, Long) | (Long, Int) => Some(Long),
            (Float, Double) | (Double, Float) => Some(Double),
            (Decimal { precision: a, scale: s }, Decimal { precision: b, scale: t }) if s == t => {
                Some(Decimal { precision: a.max(b), scale: s })
            }
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Boolean => f.write_str("boolean"),
            ColumnType::Int => f.write_str("int"),
            ColumnType::Long => f.write_str("long"),
            ColumnType::Float => f.write_str("float"),
            ColumnType::Double => f.write_str("double"),
            ColumnType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            ColumnType::Date => f.write_str("date"),
            ColumnType::Time => f.write_str("time"),
            ColumnType::Timestamp => f.write_str("timestamp"),
            ColumnType::TimestampTz => f.write_str("timestamptz"),
            ColumnType::String => f.write_str("string"),
            ColumnType::Binary => f.write_str("binary"),
        }
    }
}

/// A text that names no column type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a column type: use boolean, int, long, float, double, decimal(p,s), date, time, timestamp, \
     timestamptz, string or binary"
)]
pub struct InvalidColumnType(String);

impl FromStr for ColumnType {
    type Err = InvalidColumnType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidColumnType(text.to_owned());
        Ok(match text.trim() {
            "boolean" => ColumnType::Boolean,
            "int" => ColumnType::Int,
            "long" => ColumnType::Long,
            "float" => ColumnType::Float,
            "double" => ColumnType::Double,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time,
            "timestamp" => ColumnType::Timestamp,
            "timestamptz" => ColumnType::TimestampTz,
            "string" => ColumnType::String,
            "binary" => ColumnType::Binary,
            other => {
                let inner = other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
                let (precision, scale) = inner.and_then(|inner| inner.split_once(',')).ok_or_else(invalid)?;
                let precision: u8 = precision.trim().parse().map_err(|_| invalid())?;
                let scale: u8 = scale.trim().parse().map_err(|_| invalid())?;
                if precision == 0 || precision > MAX_DECIMAL_PRECISION || scale > precision {
                    return Err(invalid());
                }
                ColumnType::Decimal { precision, scale }
            }
        })
    }
}

impl TryFrom<String> for ColumnType {
    type Error = InvalidColumnType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

/// A column of a source table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name at the source.
    pub name: String,
    /// Type of its values.
    pub column_type: ColumnType,
}

impl Column {
    /// A column of this name and type.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type }
    }
}

/// The columns of a source table, in source order, and the names of those that make its primary key.
///
/// A table without key columns goes to Bronze only. Every column but the key's may be null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The columns in source order.
    pub columns: Vec<Column>,
    /// Names of the key columns, in key order.
    pub key: Vec<String>,
}

/// A column under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// What it was called.
    pub from: String,
    /// What it is called from now on.
    pub to: String,
}

/// What happens when data brings a column that the table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenAdded {
    /// It is added to the table.
    #[default]
    Add,
    /// It is left out.
    Ignore,
    /// The table is given up until someone decides.
    Refuse,
}

/// What happens when data brings a column in a wider type than the table's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenWidened {
    /// The table's column is promoted.
    #[default]
    Promote,
    /// The table is given up until someone decides.
    Refuse,
}

/// How the schema of a table may follow its data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaPolicy {
    /// Columns that are new.
    pub added: WhenAdded,
    /// Columns whose type is wider.
    pub widened: WhenWidened,
}

/// What has to happen to a table before rows of another schema fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaChange {
    /// Columns that get another name, before anything else; what follows uses the new names.
    pub renamed: Vec<Renamed>,
    /// Columns to add at the end, all optional.
    pub added: Vec<Column>,
    /// Columns to promote in place.
    pub widened: Vec<Column>,
}

impl SchemaChange {
    /// Whether nothing has to happen.
    pub fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.added.is_empty() && self.widened.is_empty()
    }
}

/// A schema change that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaConflict {
    /// Neither type can be promoted to the other.
    #[error(
        "column `{column}` is {current} in the table and {incoming} in the new data, and neither can be promoted to \
         the other: declare the column's type in the configuration, or rebuild the table"
    )]
    Types {
        /// The column at fault.
        column: String,
        /// Its type in the table.
        current: ColumnType,
        /// Its type in the new data.
        incoming: ColumnType,
    },
    /// The policy refuses new columns.
    #[error(
        "column `{column}` ({incoming}) is new, and new columns are refused: declare it, or allow new columns (\"add\") \
         or leave them out (\"ignore\") by `schema.added`"
    )]
    Added {
        /// The new column.
        column: String,
        /// Its type in the new data.
        incoming: ColumnType,
    },
    /// The policy refuses wider types.
    #[error(
        "column `{column}` is {current} in the table and {incoming} in the new data, and wider types are refused: \
         declare the column's type, or set `schema.widened = \"promote\"`"
    )]
    Widened {
        /// The column.
        column: String,
        /// Its type in the table.
        current: ColumnType,
        /// Its type in the new data.
        incoming: ColumnType,
    },
    /// Both names of a column that was renamed are columns of the table.
    #[error(
        "column `{from}` was renamed to `{to}`, but the table has both: take the rename out of the configuration, or drop \
         one of the two columns from the table"
    )]
    Renamed {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
}

impl TableSchema {
    /// The column of this name, if there is one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the column of this name is part of the key.
    pub fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|key| key == name)
    }

    /// The Arrow schema of a batch with all columns; every field is nullable, since changes may leave columns out.
    pub fn arrow(&self) -> SchemaRef {
        let fields: Vec<Field> =
            self.columns.iter().map(|column| Field::new(&column.name, column.column_type.arrow(), true)).collect();
        Arc::new(Schema::new(fields))
    }

    /// What has to happen to this schema before rows with `incoming` columns fit. Columns that `incoming` lacks stay.
    pub fn change_for(&self, incoming: &[Column]) -> Result<SchemaChange, SchemaConflict> {
        self.change_within(incoming, SchemaPolicy::default())
    }

    /// The same within a policy. Columns that the policy leaves out are not part of the change.
    pub fn change_within(&self, incoming: &[Column], policy: SchemaPolicy) -> Result<SchemaChange, SchemaConflict> {
        let mut change = SchemaChange::default();
        for new in incoming {
            let (column, incoming) = (new.name.clone(), new.column_type);
            let Some(current) = self.column(&new.name).map(|current| current.column_type) else {
                match policy.added {
                    WhenAdded::Add => change.added.push(new.clone()),
                    WhenAdded::Ignore => {}
                    WhenAdded::Refuse => return Err(SchemaConflict::Added { column, incoming }),
                }
                continue;
            };
            let Some(widest) = current.widest(incoming) else {
                return Err(SchemaConflict::Types { column, current, incoming });
            };
            if widest != current {
                if policy.widened == WhenWidened::Refuse {
                    return Err(SchemaConflict::Widened { column, current, incoming });
                }
                change.widened.push(Column::new(column, widest));
            }
        }
        Ok(change)
    }

    /// Which columns of this schema get another name, by their old names.
    pub fn renames(&self, names: &BTreeMap<String, String>) -> Result<Vec<Renamed>, SchemaConflict> {
        let mut renamed = Vec::new();
        for (from, to) in names.iter().filter(|(from, _)| self.column(from).is_some()) {
            let (from, to) = (from.clone(), to.clone());
            if self.column(&to).is_some() {
                return Err(SchemaConflict::Renamed { from, to });
            }
            renamed.push(Renamed { from, to });
        }
        Ok(renamed)
    }

    /// This schema after `change`.
    pub fn changed(&self, change: &SchemaChange) -> TableSchema {
        let mut changed = self.clone();
        for Renamed { from, to } in &change.renamed {
            let names = changed.columns.iter_mut().map(|column| &mut column.name).chain(&mut changed.key);
            names.filter(|name| *name == from).for_each(|name| name.clone_from(to));
        }
        for column in &mut changed.columns {
            if let Some(wider) = change.widened.iter().find(|wider| wider.name == column.name) {
                column.column_type = wider.column_type;
            }
        }
        changed.columns.extend(change.added.iter().cloned());
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> TableSchema {
        TableSchema {
            columns: vec![Column::new("id", ColumnType::Int), Column::new("name", ColumnType::String)],
            key: vec!["id".into()],
        }
    }

    #[test]
    fn type_names_read_back() {
        for text in ["boolean", "int", "long", "decimal(38,10)", "timestamptz", "time", "binary"] {
            let parsed: ColumnType = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(ColumnType::from_arrow(&parsed.arrow()), Some(parsed));
        }
        for text in ["integer", "decimal", "decimal(39,0)", "decimal(3,4)", "decimal(0,0)", ""] {
            assert!(text.parse::<ColumnType>().is_err(), "{text}");
        }
    }

    #[test]
    fn added_and_widened_columns_are_followed_and_missing_ones_stay() {
        let incoming = [Column::new("id", ColumnType::Long), Column::new("email", ColumnType::String)];
        let change = schema().change_for(&incoming).unwrap();
        let changed = schema().changed(&change);
        assert_eq!(changed.column("id").unwrap().column_type, ColumnType::Long);
        assert_eq!(changed.columns.len(), 3);
        assert!(changed.change_for(&incoming).unwrap().is_empty());
    }

    #[test]
    fn narrower_data_needs_no_change_and_another_kind_is_refused() {
        let wide = TableSchema { columns: vec![Column::new("id", ColumnType::Long)], key: vec![] };
        assert!(wide.change_for(&[Column::new("id", ColumnType::Int)]).unwrap().is_empty());
        assert!(wide.change_for(&[Column::new("id", ColumnType::String)]).is_err());
    }

    #[test]
    fn a_policy_adds_ignores_or_refuses() {
        let new = [Column::new("email", ColumnType::String)];
        let wider = [Column::new("id", ColumnType::Long)];
        let policy = |added, widened| SchemaPolicy { added, widened };
        let ignore = policy(WhenAdded::Ignore, WhenWidened::Promote);
        assert!(schema().change_within(&new, ignore).unwrap().is_empty());
        assert_eq!(schema().change_within(&wider, ignore).unwrap().widened, wider);
        let refuse = policy(WhenAdded::Refuse, WhenWidened::Refuse);
        assert!(matches!(schema().change_within(&new, refuse), Err(SchemaConflict::Added { .. })));
        assert!(matches!(schema().change_within(&wider, refuse), Err(SchemaConflict::Widened { .. })));
    }

    #[test]
    fn a_rename_takes_the_key_along_and_two_columns_cannot_become_one() {
        let names = |from: &str, to: &str| BTreeMap::from([(from.to_owned(), to.to_owned())]);
        let renamed = schema().renames(&names("id", "order_id")).unwrap();
        let changed = schema().changed(&SchemaChange { renamed, ..SchemaChange::default() });
        assert_eq!((changed.columns[0].name.as_str(), changed.key[0].as_str()), ("order_id", "order_id"));
        assert!(changed.renames(&names("id", "order_id")).unwrap().is_empty());
        assert!(matches!(schema().renames(&names("id", "name")), Err(SchemaConflict::Renamed { .. })));
    }
}
