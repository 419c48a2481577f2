use std::fmt::Debug;

use async_trait::async_trait;
use sluice_change::{ChangeBatch, Column, Position, TableName, TableSchema};

use crate::SourceError;

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
}

/// The changes of one table, in their order.
#[async_trait]
pub trait TableReader: Send {
    /// The next batch; `None` when everything that is there now has been read. Asking again looks for new data.
    ///
    /// After an error, or if the wait is given up, the reader stands where it stood: asking again tries again.
    async fn next(&mut self) -> Result<Option<ChangeBatch>, SourceError>;

    /// What is known to lie ahead.
    fn backlog(&self) -> Backlog;

    /// How many files this reader has taken in although newer ones had been read before them.
    ///
    /// A source whose partitions are logs has none.
    fn late_files(&self) -> u64 {
        0
    }
}

/// Data that is there and has not been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Files (or partitions) that still hold something.
    pub files: u64,
    /// Their unread bytes, as stored.
    pub bytes: u64,
}
