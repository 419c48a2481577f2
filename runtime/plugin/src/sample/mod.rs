//! Rows to try a transform with: CSV with a header line, JSON lines, Parquet, or rows of a table's log.
//!
//! Beside the table's columns a sample may have those of Bronze that say what a row does: `_op`, `_seq`, `_commit_ts`,
//! `_before_NAME` and `_unsent`. Without them each row inserts.

mod delimited;
mod lines;
mod log;
mod parquet;

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use sluice_change::{Column, ColumnType, TableSchema};
use sluice_decode::DecodeError;
use sluice_transform::Input;
use thiserror::Error;

pub use log::from_log;

/// Largest file that is read as a sample.
pub const MOST_BYTES: u64 = 256 << 20;

/// Why rows cannot be read.
#[derive(Debug, Error)]
pub enum SampleError {
    /// The file cannot be read.
    #[error("cannot read the rows of {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file says something that cannot be meant.
    #[error("{}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, what is wrong, and what to do.
        reason: String,
    },
    /// The file's format is broken.
    #[error("{} cannot be read", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<DecodeError>,
    },
    /// Rows cannot be put together.
    #[error("the rows cannot be put together")]
    Rows(#[from] ArrowError),
}

/// Rows to try a transform with.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The table's columns and key.
    pub schema: TableSchema,
    /// The rows.
    pub input: Input,
}

/// What is known of a sample beside its file.
#[derive(Debug, Clone, Default)]
pub struct SampleOptions {
    /// Types of columns; the others are told from the file.
    pub columns: Vec<Column>,
    /// The key columns; empty: the first column.
    pub key: Vec<String>,
    /// Most rows that are taken.
    pub rows: Option<usize>,
}

impl SampleOptions {
    /// The type that a column is said to have, Bronze's own columns included.
    fn declared(&self, name: &str) -> Option<ColumnType> {
        log::meta_type(name).or_else(|| {
            let of = name.strip_prefix(log::BEFORE_PREFIX).unwrap_or(name);
            self.columns.iter().find(|column| column.name == of).map(|column| column.column_type)
        })
    }
}

impl Sample {
    /// Reads the rows of a file, whose ending says what it is.
    pub fn read(path: &Path, options: &SampleOptions) -> Result<Self, SampleError> {
        let file = |source| SampleError::File { path: path.to_owned(), source };
        let wrong = |reason: String| SampleError::Wrong { path: path.to_owned(), reason };
        let mut bytes = Vec::new();
        fs::File::open(path).and_then(|open| open.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(file)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(wrong(format!("a sample has at most {} MiB: take fewer rows", MOST_BYTES >> 20)));
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let rows = match ending.as_str() {
            "csv" => delimited::read(path, &bytes, options)?,
            "jsonl" | "ndjson" | "json" => lines::read(path, &bytes, options)?,
            "parquet" => parquet::read(path, bytes.into(), options)?,
            _ => return Err(wrong("rows are read from .csv, .jsonl or .parquet files".to_owned())),
        };
        Self::of(rows, options).map_err(|error| match error {
            SampleError::Wrong { reason, .. } => wrong(reason),
            other => other,
        })
    }

    /// Rows that may have Bronze's own columns.
    pub fn of(rows: RecordBatch, options: &SampleOptions) -> Result<Self, SampleError> {
        let wrong = |reason: String| SampleError::Wrong { path: PathBuf::from("the rows"), reason };
        let rows = match options.rows {
            Some(most) => rows.slice(0, most.min(rows.num_rows())),
            None => rows,
        };
        let input = from_log(&rows).map_err(wrong)?;
        let fields = input.rows.schema();
        let columns = fields.fields().iter().map(|field| {
            let column_type = ColumnType::from_arrow(field.data_type());
            let column_type = column_type
                .ok_or_else(|| wrong(format!("column `{}` has the type {}", field.name(), field.data_type())))?;
            Ok(Column::new(field.name(), column_type))
        });
        let columns = columns.collect::<Result<Vec<Column>, SampleError>>()?;
        let first = columns.first().ok_or_else(|| wrong("there are no columns".to_owned()))?;
        let key = if options.key.is_empty() { vec![first.name.clone()] } else { options.key.clone() };
        let schema = TableSchema { columns, key };
        for key in &schema.key {
            if schema.column(key).is_none() {
                let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
                return Err(wrong(format!(
                    "there is no column `{key}` for the key; the columns are {}: correct `test.key` in plugin.toml, or --key",
                    names.join(", ")
                )));
            }
        }
        Ok(Self { schema, input })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.input.ops.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.input.ops.is_empty()
    }

    /// The rows of a range.
    pub(crate) fn slice(&self, range: Range<usize>) -> Input {
        let (input, start, length) = (&self.input, range.start, range.len());
        Input {
            rows: input.rows.slice(start, length),
            ops: input.ops[range].to_vec(),
            ordinals: input.ordinals.slice(start, length),
            times: input.times.as_ref().map(|times| times.slice(start, length)),
            before: input.before.as_ref().map(|before| before.slice(start, length)),
            unsent: input.unsent.as_ref().and_then(|unsent| unsent.slice(start, length)),
        }
    }
}
