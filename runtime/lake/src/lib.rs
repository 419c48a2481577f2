//! Iceberg: data files, deletes, snapshots, the commit contract and catalogs.
//!
//! No Iceberg type crosses this interface. A [`Lake`] opens tables in a [`Catalog`]; a [`LakeTable`] is one table at one
//! snapshot with its live files and deletes in memory. Rows go in as Arrow through [`LakeTable::write`] and become
//! visible, together with deletes, schema changes and the checkpoint that covers them, in one [`LakeTable::commit`].

mod beside;
mod branch;
mod catalog;
mod commit;
mod compaction;
mod deletes;
mod error;
mod files;
mod ident;
mod io;
mod lake;
mod live;
mod manifest;
mod properties;
mod scan;
mod schema;
mod schema_history;
mod snapshot;
mod spec;
mod summary;
mod table;
mod take;
mod upkeep;
mod write;

pub use branch::{Main, Publication, Published};
pub use catalog::{
    Catalog, CatalogOutcome, ClientCredentials, MemoryCatalog, MemoryFault, NewTable, Proposal, RequestSigner,
    RestAuth, RestCatalog, RestSettings, Seams, SqliteCatalog, StoredTable,
};
pub use commit::{Outcome, TableChange};
pub use compaction::{
    CompactionJob, CompactionPlan, CompactionSettings, CompactionWork, Moved, RewriteOutcome, Rewritten, RowMapping,
};
pub use error::{CatalogError, LakeError};
pub use files::FileSettings;
pub use ident::{InvalidTableIdent, TableIdent};
pub use lake::{Lake, LakeSettings, Role};
pub use live::{FileId, LiveFile};
pub use scan::{Scan, ScanBatch, ScanFilter};
pub use schema_history::{SchemaColumn, SchemaUse, SchemaVersion};
pub use spec::{FormatVersion, InvalidPartitionField, LakeColumn, PartitionField, PartitionTransform, TableSpec};
pub use table::{LakeTable, Refreshed, TableFacts};
pub use upkeep::{ExpirySettings, OrphanSettings, Removal, RemovedFile};
pub use write::{Encoded, Encoder, WrittenFile};

#[cfg(test)]
mod tests;
