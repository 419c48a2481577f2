use arrow_schema::{ArrowError, DataType};
use parquet::errors::ParquetError;
use thiserror::Error;

/// A content file that cannot be encoded or decoded. The caller adds which file.
#[derive(Debug, Error)]
pub enum FilesError {
    /// Arrow refused a conversion or a selection of rows.
    #[error("cannot {what}")]
    Arrow {
        /// What was being done.
        what: String,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Parquet could not be written or read.
    #[error("cannot {what}; if the file came from another program, check that it is whole")]
    Parquet {
        /// What was being done.
        what: &'static str,
        /// What Parquet said.
        #[source]
        source: ParquetError,
    },
    /// The Iceberg library refused a value, a transform or a schema.
    #[error("cannot {what}")]
    Iceberg {
        /// What was being done.
        what: String,
        /// What it said.
        #[source]
        source: Box<iceberg::Error>,
    },
    /// A column that the table has is not among the rows.
    #[error("the rows have no column `{0}`, which the table has")]
    MissingColumn(String),
    /// A column of the table does not hold plain values.
    #[error("column `{column}` has type {found}, and only primitive types are supported: leave this table out")]
    NestedColumn {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A row is wanted that the file does not have.
    #[error("row {position} is wanted, but the file has {rows} rows; it was replaced by another file")]
    NoSuchRow {
        /// The position.
        position: u32,
        /// Rows of the file.
        rows: usize,
    },
    /// Values of one type where another is needed, and no exact way from one to the other.
    #[error("column `{column}` holds {found}, which cannot be read as {expected} exactly")]
    ColumnType {
        /// The column.
        column: String,
        /// The type that is needed.
        expected: DataType,
        /// The type that is there.
        found: DataType,
    },
    /// Nulls in a column that the table requires.
    #[error("column `{column}` is required by the table, and {nulls} of the rows have no value in it")]
    NullInRequired {
        /// The column.
        column: String,
        /// How many rows are null.
        nulls: usize,
    },
    /// More rows in one piece of work than positions can count.
    #[error("{0} rows are more than one piece of work may hold (4,294,967,295): use smaller batches")]
    TooManyRows(usize),
    /// A row position that does not fit in 32 bits.
    #[error("position {position} in `{file}` is out of the range 0 to 4,294,967,295 that row positions may have")]
    Position {
        /// The data file.
        file: String,
        /// The position.
        position: i64,
    },
    /// A setting that Parquet does not know.
    #[error("setting `{name}` is {value}, and {allowed}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: i64,
        /// What would be right.
        allowed: &'static str,
    },
    /// A deletion vector that is torn or of another kind.
    #[error("a deletion vector is damaged: {0}; restore the Puffin file, or roll the table back to before it")]
    Vector(String),
    /// A delete file without the columns that the specification asks for.
    #[error("a position-delete file is damaged: {0}; restore it, or roll the table back to before it")]
    PositionDeletes(&'static str),
    /// The bytes handed over are not those that were asked for.
    #[error("bytes {start}..{end} of a file were asked for, and {found} bytes came: the file is shorter than recorded")]
    Supply {
        /// First byte asked for.
        start: u64,
        /// First byte not asked for.
        end: u64,
        /// Bytes handed over.
        found: usize,
    },
    /// The file is no Parquet file.
    #[error("the file is no Parquet file, or a torn one: {0}; restore it from a copy")]
    NotParquet(&'static str),
}

impl FilesError {
    pub(super) fn arrow(what: impl Into<String>) -> impl FnOnce(ArrowError) -> FilesError {
        move |source| FilesError::Arrow { what: what.into(), source }
    }

    pub(crate) fn sort(source: ArrowError) -> FilesError {
        FilesError::Arrow { what: "sort the rows of a data file".to_owned(), source }
    }

    pub(crate) fn rewrite(source: ArrowError) -> FilesError {
        FilesError::Arrow { what: "gather the rows of rewritten files".to_owned(), source }
    }

    pub(super) fn parquet(what: &'static str) -> impl FnOnce(ParquetError) -> FilesError {
        move |source| FilesError::Parquet { what, source }
    }

    pub(super) fn iceberg(what: impl Into<String>) -> impl FnOnce(iceberg::Error) -> FilesError {
        move |source| FilesError::Iceberg { what: what.into(), source: Box::new(source) }
    }
}
