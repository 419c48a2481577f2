use std::fmt::Debug;

use async_trait::async_trait;
use sluice_change::{ChangeBatch, Column, Position, TableName, TableSchema};
use sluice_decode::SetAside;

use crate::{Arrivals, SourceError};

/// A place that offers the changes of several tables.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// The tables that can be seen now, in name order.
    async fn tables(&self) -> Result<Vec<TableName>, SourceError>;

    /// The columns of a table as its newest data shows them; `None` where nothing can be told yet.
    ///
    /// Declared columns win over what is found; where types can only be guessed, they are guessed only if `guess`.
    async fn describe(&self, table: &TableName, guess: bool) -> Result<Option<Vec<Column>>, SourceError>;

    /// Opens a table's changes after `from`. `schema` is what the table is known to hold; data may bring more columns.
    async fn open(
        &self,
        table: &TableName,
        schema: &TableSchema,
        from: Position,
    ) -> Result<Box<dyn TableReader>, SourceError>;

    /// The files of a table, those of the source and those that only `at` remembers, in their order, and what has become
    /// of each once `at` is consumed. A source whose partitions are logs has none.
    async fn files(&self, _table: &TableName, _at: &Position) -> Result<Vec<SourceFile>, SourceError> {
        Ok(Vec::new())
    }

    /// Reads records again that were set aside, with the settings as they are now: for each, in their order, a batch of
    /// one row without a position, or in words why it cannot be taken in yet.
    async fn read_again(
        &self,
        _table: &TableName,
        _schema: &TableSchema,
        records: Vec<SetAside>,
    ) -> Result<Vec<Result<ChangeBatch, String>>, SourceError> {
        let unable = || Err("this source cannot read single records again".to_owned());
        Ok(records.iter().map(|_| unable()).collect())
    }

    /// Word of new data of a table, where this source gets any.
    fn arrivals(&self, _table: &TableName) -> Arrivals {
        Arrivals::never()
    }
}

/// The changes of one table, in their order.
#[async_trait]
pub trait TableReader: Send {
    /// About how many bytes the next batch takes in memory; `None` when everything that is there now has been read.
    /// Asking again looks for new data.
    async fn peek(&mut self) -> Result<Option<usize>, SourceError>;

    /// The next batch; `None` when everything that is there now has been read. Asking again looks for new data.
    ///
    /// After an error, or if the wait is given up, the reader stands where it stood: asking again tries again.
    async fn next(&mut self) -> Result<Option<ChangeBatch>, SourceError>;

    /// What is known to lie ahead.
    fn backlog(&self) -> Backlog;
}

/// A file of a source, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What a person calls it: its path relative to the source.
    pub name: String,
    /// Its place among the table's files (see [`sluice_change::Origin::order`]); `None` for a file that is none of DMS's.
    pub order: Option<String>,
    /// Its length in bytes, as it is now or, where it is gone, as it was; `None` where that is not known.
    pub bytes: Option<u64>,
    /// When it came to be at its place, in microseconds since the epoch.
    pub arrived_us: Option<i64>,
    /// What has become of it.
    pub fate: FileFate,
}

/// What has become of a file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFate {
    /// All of it is in the tables; its records, where that is still remembered.
    Consumed {
        /// Records in it.
        rows: Option<u64>,
    },
    /// This many of its records are in the tables.
    Partial {
        /// Records consumed.
        rows: u64,
    },
    /// It is read next or later.
    Pending,
    /// It sorts before files that are in the tables already, and is read next.
    Late,
    /// It was consumed, and has other content now.
    Rewritten,
    /// It was consumed whole and is no longer at the source.
    Gone,
    /// It was consumed in part and is no longer at the source: the rest is missing.
    GoneInPart {
        /// Records consumed.
        rows: u64,
    },
    /// It is not read.
    Ignored {
        /// Why, in words.
        reason: String,
    },
}

/// Data that is there and has not been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Files (or partitions) that still hold something.
    pub files: u64,
    /// Their unread bytes, as stored.
    pub bytes: u64,
}
