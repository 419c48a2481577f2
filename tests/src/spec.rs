//! What a generated source table looks like: its columns, and how DMS was set up to write it.

use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sluice_change::{Column, ColumnType, TableName, TableSchema};

/// The file format of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 CSV.
    Csv,
    /// Parquet.
    Parquet,
}

/// How a null is written in CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullText {
    /// An unquoted empty field.
    Empty,
    /// The unquoted word `NULL`.
    Word,
    /// The unquoted text `\N`.
    Backslash,
}

impl NullText {
    /// The text itself.
    pub fn text(self) -> &'static str {
        match self {
            NullText::Empty => "",
            NullText::Word => "NULL",
            NullText::Backslash => "\\N",
        }
    }
}

/// Which CSV values are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// Those that have to be, and now and then another.
    Needed,
    /// All but nulls.
    All,
    /// None: what would need it is written as it is (DMS: `Rfc4180=false`).
    Never,
}

/// How Parquet files are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParquetLayout {
    /// Version of the format.
    pub version: WriterVersion,
    /// Compression of pages.
    pub codec: Compression,
    /// Whether values are in dictionaries.
    pub dictionary: bool,
}

impl Default for ParquetLayout {
    fn default() -> Self {
        Self { version: WriterVersion::PARQUET_1_0, codec: Compression::SNAPPY, dictionary: true }
    }
}

/// How DMS was set up to write one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// CSV or Parquet.
    pub format: Format,
    /// Whether CSV files are gzipped.
    pub gzip: bool,
    /// Whether CSV files begin with the column names.
    pub header: bool,
    /// Whether full-load rows carry an `Op` too.
    pub op_in_load: bool,
    /// The name of the commit time column, if there is one.
    pub time_column: Option<String>,
    /// The prefix of before-image columns of the key, if there are any.
    pub before_prefix: Option<String>,
    /// CSV delimiter.
    pub delimiter: u8,
    /// CSV null.
    pub null: NullText,
    /// CSV row end.
    pub row_end: &'static str,
    /// Which CSV values are quoted.
    pub quoting: Quoting,
    /// Whether the task writes inserts only, so that changes have an operation only if the full load has.
    pub inserts_only: bool,
    /// The name of the column of change sequences, if there is one; it comes behind the table's own.
    pub change_sequence: Option<String>,
    /// How Parquet files are written.
    pub parquet: ParquetLayout,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            gzip: false,
            header: false,
            op_in_load: false,
            time_column: Some("commit_ts".into()),
            before_prefix: None,
            delimiter: b',',
            null: NullText::Empty,
            row_end: "\n",
            quoting: Quoting::Needed,
            inserts_only: false,
            change_sequence: None,
            parquet: ParquetLayout::default(),
        }
    }
}

impl Layout {
    /// Any of the ways in which DMS can be set up.
    pub fn random(rng: &mut StdRng) -> Self {
        let format = if rng.random_bool(0.15) { Format::Parquet } else { Format::Csv };
        Self {
            format,
            gzip: rng.random_bool(0.3),
            header: rng.random_bool(0.5),
            op_in_load: rng.random_bool(0.4),
            time_column: rng.random_bool(0.8).then(|| "commit_ts".to_owned()),
            before_prefix: rng.random_bool(0.6).then(|| "BI_".to_owned()),
            delimiter: *[b',', b',', b'|', b'\t'].choose(rng).expect("not empty"),
            null: if rng.random_bool(0.7) { NullText::Empty } else { NullText::Word },
            row_end: if rng.random_bool(0.15) { "\r\n" } else { "\n" },
            ..Self::default()
        }
    }
}

/// A source table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    /// Its name.
    pub name: TableName,
    /// All columns that it ever has, and its key.
    pub schema: TableSchema,
    /// How many of the columns the first files have; the rest come with a later file.
    pub first_width: usize,
    /// How it is written.
    pub layout: Layout,
}

/// Types that a key column of a generated table may have.
const KEY_TYPES: [ColumnType; 7] = [
    ColumnType::Int,
    ColumnType::Long,
    ColumnType::Long,
    ColumnType::String,
    ColumnType::Date,
    ColumnType::Decimal { precision: 18, scale: 2 },
    ColumnType::Timestamp,
];

/// Types of the other columns.
const TYPES: [ColumnType; 14] = [
    ColumnType::Boolean,
    ColumnType::Int,
    ColumnType::Long,
    ColumnType::Float,
    ColumnType::Double,
    ColumnType::Decimal { precision: 9, scale: 0 },
    ColumnType::Decimal { precision: 12, scale: 2 },
    ColumnType::Decimal { precision: 38, scale: 10 },
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::String,
    ColumnType::String,
    ColumnType::Binary,
];

impl TableSpec {
    /// A table with a key of one `long` and the columns given.
    pub fn new(name: &str, columns: &[(&str, ColumnType)]) -> Self {
        let mut all = vec![Column::new("id", ColumnType::Long)];
        all.extend(columns.iter().map(|(name, column_type)| Column::new(*name, *column_type)));
        Self {
            name: name.parse().expect("a table name"),
            first_width: all.len(),
            schema: TableSchema { columns: all, key: vec!["id".into()] },
            layout: Layout::default(),
        }
    }

    /// The same table, written otherwise.
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// A table with a random key, random columns and a random layout. Spark knows no time of day, so it is left out
    /// unless asked for.
    pub fn random(rng: &mut StdRng, name: &str, with_time: bool) -> Self {
        let layout = Layout::random(rng);
        let keys = if rng.random_bool(0.3) { 2 } else { 1 };
        let mut columns = Vec::new();
        for n in 0..keys {
            columns.push(Column::new(format!("k{n}"), *KEY_TYPES.choose(rng).expect("not empty")));
        }
        let key = columns.iter().map(|column| column.name.clone()).collect();
        for n in 0..rng.random_range(1..10) {
            let mut column_type = *TYPES.choose(rng).expect("not empty");
            if with_time && rng.random_bool(0.08) {
                column_type = ColumnType::Time;
            }
            columns.push(Column::new(format!("c{n}"), column_type));
        }
        let mut first_width = columns.len();
        // Without a header only the configuration can tell what a wider row holds; with before images not even that.
        if (layout.header || layout.format == Format::Parquet) && rng.random_bool(0.4) {
            for n in 0..rng.random_range(1..3) {
                columns.push(Column::new(format!("added{n}"), ColumnType::String));
            }
        } else if rng.random_bool(0.2) {
            // The key need not come first.
            columns.rotate_left(1);
        }
        first_width = first_width.min(columns.len());
        Self { name: name.parse().expect("a table name"), schema: TableSchema { columns, key }, first_width, layout }
    }

    /// The columns that the configuration declares: those of the first files.
    pub fn declared(&self) -> TableSchema {
        let mut columns = self.schema.columns[..self.first_width].to_vec();
        columns.extend(self.layout.change_sequence.as_ref().map(|name| Column::new(name, ColumnType::String)));
        TableSchema { columns, key: self.schema.key.clone() }
    }

    /// The folder of its files below the source.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.name.schema(), self.name.table())
    }

    /// The end of its files' names.
    pub fn extension(&self) -> &'static str {
        match (self.layout.format, self.layout.gzip) {
            (Format::Parquet, _) => "parquet",
            (Format::Csv, true) => "csv.gz",
            (Format::Csv, false) => "csv",
        }
    }
}
