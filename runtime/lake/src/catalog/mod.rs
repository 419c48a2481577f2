//! Catalogs: which metadata file is a table's current one, changed by compare-and-swap.

mod memory;
mod pointer;
mod rest;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::{TableMetadata, TableMetadataRef};
use iceberg::{TableRequirement, TableUpdate};
pub use memory::{MemoryCatalog, MemoryFault};
pub use rest::{ClientCredentials, RequestSigner, RestAuth, RestCatalog, RestSettings};
use sluice_platform::{Clock, Entropy, Storage};
pub use sqlite::SqliteCatalog;

use crate::{LakeError, Role, TableIdent};

/// What a catalog may use of the machine while it works for one table.
#[derive(Debug, Clone)]
pub struct Seams {
    /// Where metadata files go.
    pub storage: Arc<dyn Storage>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What the table is to its lane; names the failpoints.
    pub role: Role,
}

/// A table as a catalog holds it: its current metadata and where that is.
#[derive(Clone)]
pub struct StoredTable {
    pub(crate) location: Arc<str>,
    pub(crate) metadata: TableMetadataRef,
}

/// The metadata of a table that is to be made.
#[derive(Debug, Clone)]
pub struct NewTable {
    pub(crate) metadata: TableMetadata,
}

/// A change of a table's metadata, and what must hold for it.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub(crate) requirements: Vec<TableRequirement>,
    pub(crate) updates: Vec<TableUpdate>,
}

/// What became of a change that was sent to a catalog.
#[derive(Debug)]
pub enum CatalogOutcome {
    /// It is in effect.
    Committed(StoredTable),
    /// It is not in effect, and another change is.
    Conflict,
    /// The catalog did not say. Only looking tells.
    Unknown(LakeError),
}

/// The one place where a table's state changes, atomically.
///
/// An `Err` means that nothing was changed. Whatever may have been changed without an answer is
/// [`CatalogOutcome::Unknown`].
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync {
    /// The catalog's name, under which other programs must open it.
    fn name(&self) -> &str;

    /// The table as it stands. `known` comes back unread if it is still current.
    async fn load(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        known: Option<&StoredTable>,
    ) -> Result<Option<StoredTable>, LakeError>;

    /// Makes a table; [`CatalogOutcome::Conflict`] where there is one.
    async fn create(&self, seams: &Seams, ident: &TableIdent, new: NewTable) -> Result<CatalogOutcome, LakeError>;

    /// Changes a table, provided that it still is `base`.
    async fn commit(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        base: &StoredTable,
        proposal: Proposal,
    ) -> Result<CatalogOutcome, LakeError>;

    /// All tables, in name order.
    async fn list(&self) -> Result<Vec<TableIdent>, LakeError>;
}

impl StoredTable {
    /// Where the metadata file is.
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl fmt::Debug for StoredTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTable").field("location", &self.location).finish_non_exhaustive()
    }
}
