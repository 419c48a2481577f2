use std::error::Error as StdError;

use sluice_change::CheckpointError;
use sluice_platform::{StorageError, StorageErrorKind};
use thiserror::Error;

use crate::TableIdent;
use crate::files::FilesError;

type Cause = Box<dyn StdError + Send + Sync>;

/// A catalog that cannot be asked or told.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// Another program holds it.
    #[error("the catalog `{catalog}` is locked by another program; the work goes on by itself once it is free")]
    Busy {
        /// Which catalog.
        catalog: String,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// It cannot be reached or read now.
    #[error("the catalog `{catalog}` cannot {operation}")]
    Unavailable {
        /// Which catalog.
        catalog: String,
        /// What was tried.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// Its file is no catalog, or one that sluice cannot write.
    #[error("the catalog `{catalog}` is damaged or no catalog at all; check the path, or restore it from a copy")]
    Corrupt {
        /// Which catalog.
        catalog: String,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// It does not know who asks, or does not let them.
    #[error(
        "the catalog `{catalog}` does not let sluice in: asked to {operation}, {message}; check the credentials of \
         `lake.catalog` and what they allow"
    )]
    Denied {
        /// Which catalog.
        catalog: String,
        /// What was tried.
        operation: &'static str,
        /// What it said.
        message: String,
    },
    /// It understands what is asked, and will not do it.
    #[error("the catalog `{catalog}` refused to {operation}: {message}")]
    Refused {
        /// Which catalog.
        catalog: String,
        /// What was tried.
        operation: &'static str,
        /// What it said.
        message: String,
    },
}

/// What can go wrong with a lake table.
#[derive(Debug, Error)]
pub enum LakeError {
    /// Files cannot be read or written.
    #[error("table `{table}`: its files cannot be read or written")]
    Storage {
        /// The table.
        table: String,
        /// What the storage said.
        #[source]
        source: StorageError,
    },
    /// The catalog cannot be asked or told. Nothing has changed.
    #[error("table `{table}`: the catalog refused")]
    Catalog {
        /// The table.
        table: String,
        /// What the catalog said.
        #[source]
        source: CatalogError,
    },
    /// Whether a commit landed could not be found out; look at the table again before anything else.
    #[error(
        "table `{table}`: it is not known whether the commit landed; open the table again and look at its checkpoint"
    )]
    Unresolved {
        /// The table.
        table: String,
        /// What stood in the way of finding out.
        #[source]
        source: Box<LakeError>,
    },
    /// The table's metadata or manifests are damaged, or refuse a change.
    #[error("table `{table}`: cannot {what}; if another program wrote it, check the table there, else roll it back")]
    Metadata {
        /// The table.
        table: String,
        /// What was tried.
        what: String,
        /// What stood in the way.
        #[source]
        source: Cause,
    },
    /// A data or delete file cannot be encoded or decoded.
    #[error("table `{table}`: cannot {what}")]
    Files {
        /// The table.
        table: String,
        /// What was tried, and with which file.
        what: String,
        /// What stood in the way.
        #[source]
        source: Cause,
    },
    /// The table is gone from the catalog.
    #[error("table `{0}` is no longer in the catalog; it was dropped or renamed. Start again to make it anew")]
    Missing(TableIdent),
    /// A table of another identity has taken the name.
    #[error("table `{0}` was dropped and made again by another program; start again to use the new one")]
    Replaced(TableIdent),
    /// The table's schema does not allow what was asked.
    #[error("table `{table}`: {reason}")]
    Schema {
        /// The table.
        table: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The table uses something that sluice does not handle.
    #[error("table `{table}`: {what}")]
    Unsupported {
        /// The table.
        table: String,
        /// What it is, and what to do.
        what: String,
    },
    /// A checkpoint cannot be written or read.
    #[error("table `{table}`: its checkpoint cannot be read or written")]
    Checkpoint {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// It was rolled back to a snapshot of another program, and the snapshots before that one have expired.
    #[error(
        "table `{0}` was rolled back to a snapshot that does not say what it covers, and those before it have expired: roll \
         it back or forward to one whose summary has `sluice.checkpoint`"
    )]
    PositionLost(TableIdent),
    /// Other programs changed the table each time a commit was tried.
    #[error("table `{table}`: {attempts} attempts to commit were overtaken by other programs; it is tried again later")]
    Contention {
        /// The table.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
}

impl LakeError {
    /// Whether trying again later, with nothing else done, may go better.
    pub fn is_transient(&self) -> bool {
        match self {
            LakeError::Storage { source, .. } => {
                matches!(source.kind, StorageErrorKind::Transient | StorageErrorKind::Full)
            }
            LakeError::Catalog { source, .. } => {
                matches!(source, CatalogError::Busy { .. } | CatalogError::Unavailable { .. })
            }
            LakeError::Unresolved { .. } | LakeError::Contention { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn metadata(table: &TableIdent, what: impl Into<String>) -> impl FnOnce(iceberg::Error) -> LakeError {
        let (table, what) = (table.to_string(), what.into());
        move |source| LakeError::Metadata { table, what, source: source.into() }
    }

    pub(crate) fn files(table: &TableIdent, what: impl Into<String>) -> impl FnOnce(FilesError) -> LakeError {
        let (table, what) = (table.to_string(), what.into());
        move |source| LakeError::Files { table, what, source: source.into() }
    }

    pub(crate) fn storage(table: &TableIdent) -> impl FnOnce(StorageError) -> LakeError {
        let table = table.to_string();
        move |source| LakeError::Storage { table, source }
    }

    pub(crate) fn catalog(table: &TableIdent) -> impl FnOnce(CatalogError) -> LakeError {
        let table = table.to_string();
        move |source| LakeError::Catalog { table, source }
    }

    pub(crate) fn checkpoint(table: &TableIdent) -> impl FnOnce(CheckpointError) -> LakeError {
        let table = table.to_string();
        move |source| LakeError::Checkpoint { table, source }
    }

    pub(crate) fn schema(table: &TableIdent, reason: impl Into<String>) -> LakeError {
        LakeError::Schema { table: table.to_string(), reason: reason.into() }
    }

    /// Metadata that contradicts itself.
    pub(crate) fn inconsistent(table: &TableIdent, what: impl Into<String>, why: impl Into<String>) -> LakeError {
        LakeError::Metadata { table: table.to_string(), what: what.into(), source: why.into().into() }
    }
}
