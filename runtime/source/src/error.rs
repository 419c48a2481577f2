use sluice_change::TableName;
use sluice_decode::DecodeError;
use sluice_platform::{StorageError, StorageErrorKind};
use thiserror::Error;

/// A source that cannot be read (any further).
#[derive(Debug, Error)]
pub enum SourceError {
    /// The source as a whole.
    #[error(
        "cannot list the source folder {location}: check that it is there (`source.location`) and that this user may read it"
    )]
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
    #[error("cannot decode {file} after its record {record}")]
    Decode {
        /// The file, relative to the source.
        file: String,
        /// The last record that was read well.
        record: u64,
        /// What the decoder said.
        #[source]
        source: DecodeError,
    },
    /// A file that was read in part and holds something else now.
    #[error(
        "{file} holds something else than when its records up to {record} were taken in: it cannot be read on from \
         there; put the old content back, or remove the file and give the new content a name of its own"
    )]
    Replaced {
        /// The file, relative to the source.
        file: String,
        /// The last record that was read of its old content.
        record: u64,
    },
    /// A full load written anew where that is refused.
    #[error(
        "table {table} is being loaded anew (the full-load file {file} was consumed and has other content now), and \
         `source.on_reload` is \"refuse\": set it to \"replace\" to have the table emptied and loaded again, or to \"ignore\""
    )]
    Reloaded {
        /// The table.
        table: TableName,
        /// The file that shows it, relative to the source.
        file: String,
    },
    /// Columns that are known only by their place.
    #[error(
        "the columns of table {table} have no names: no header line is seen in {file}; declare the table's `columns`, or \
         set `csv.header = true` if its first line names them (DMS: AddColumnName)"
    )]
    NoColumnNames {
        /// The table.
        table: TableName,
        /// The file that was looked at, relative to the source.
        file: String,
    },
}

impl SourceError {
    /// Whether the storage does not answer now, which passes by itself. A file that is damaged or cut short may stay so.
    pub fn is_outage(&self) -> bool {
        match self {
            SourceError::Root { source, .. }
            | SourceError::Folder { source, .. }
            | SourceError::Read { source, .. } => source.kind == StorageErrorKind::Transient,
            _ => false,
        }
    }

    /// Whether only a person can mend it, so that trying again is of no use: settings that do not fit the files, and
    /// files that were changed under a reader.
    pub fn is_permanent(&self) -> bool {
        match self {
            SourceError::NoColumnNames { .. } | SourceError::Replaced { .. } | SourceError::Reloaded { .. } => true,
            SourceError::Decode { source, .. } => {
                matches!(
                    source,
                    DecodeError::Columns { .. } | DecodeError::Settings(_) | DecodeError::RecordTooLong { .. }
                )
            }
            SourceError::Root { .. }
            | SourceError::Folder { .. }
            | SourceError::Read { .. }
            | SourceError::Shrunk { .. } => false,
        }
    }

    /// The file at fault, relative to the source, where one is.
    pub fn file(&self) -> Option<&str> {
        match self {
            SourceError::Root { .. } | SourceError::Folder { .. } => None,
            SourceError::Replaced { file, .. }
            | SourceError::Reloaded { file, .. }
            | SourceError::Read { file, .. }
            | SourceError::Shrunk { file, .. }
            | SourceError::Decode { file, .. }
            | SourceError::NoColumnNames { file, .. } => Some(file),
        }
    }
}
