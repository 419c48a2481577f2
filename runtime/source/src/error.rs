use sluice_change::TableName;
use sluice_decode::DecodeError;
use sluice_platform::{StorageError, StorageErrorKind};
use thiserror::Error;

/// A source that cannot be read (any further).
#[derive(Debug, Error)]
pub enum SourceError {
    /// The source as a whole.
    #[error("cannot list the source folder {location}: check the setting `location`, and that this user may read it")]
    Root {
        /// The source's folder.
        location: String,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// One table's folder; other tables are not affected.
    #[error("cannot list the folder {location} of table {table}: check that this user may read all of it")]
    Folder {
        /// The table.
        table: TableName,
        /// Its folder.
        location: String,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// One file's bytes.
    #[error("cannot read {file} after its record {record}; it is tried again from there")]
    Read {
        /// The file, relative to the source.
        file: String,
        /// The last record that was read well.
        record: u64,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// A file that lost bytes while it was being read.
    #[error(
        "{file} went from {expected} to {found} bytes while it was being read, after its record {record}: something \
         replaces it; once it is whole again it is read on from there"
    )]
    Shrunk {
        /// The file, relative to the source.
        file: String,
        /// The last record that was read well.
        record: u64,
        /// Its length when it was opened.
        expected: u64,
        /// Its length now.
        found: u64,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// One file's content.
    #[error("cannot decode {file} after its record {record}; it is tried again from there")]
    Decode {
        /// The file, relative to the source.
        file: String,
        /// The last record that was read well.
        record: u64,
        /// What the decoder said.
        #[source]
        source: DecodeError,
    },
    /// Columns that are known only by their place.
    #[error(
        "the columns of table {table} have no names: {file} has no header line; declare the table's `columns`, or set \
         AddColumnName=true in the DMS endpoint"
    )]
    NoColumnNames {
        /// The table.
        table: TableName,
        /// The file that was looked at, relative to the source.
        file: String,
    },
}

impl SourceError {
    /// Whether it may well go better soon without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            SourceError::Root { source, .. } | SourceError::Folder { source, .. } => {
                source.kind == StorageErrorKind::Transient
            }
            SourceError::Read { source, .. } => {
                matches!(source.kind, StorageErrorKind::Transient | StorageErrorKind::NotFound)
            }
            SourceError::Shrunk { .. } => true,
            SourceError::Decode { source, .. } => matches!(source, DecodeError::Truncated { .. }),
            SourceError::NoColumnNames { .. } => false,
        }
    }

    /// Whether the columns of a file cannot be those of its table, which only a person can mend.
    pub fn has_impossible_columns(&self) -> bool {
        matches!(self, SourceError::Decode { source: DecodeError::Columns { .. }, .. })
    }

    /// The file at fault, relative to the source, where one is.
    pub fn file(&self) -> Option<&str> {
        match self {
            SourceError::Root { .. } | SourceError::Folder { .. } => None,
            SourceError::Read { file, .. }
            | SourceError::Shrunk { file, .. }
            | SourceError::Decode { file, .. }
            | SourceError::NoColumnNames { file, .. } => Some(file),
        }
    }
}
