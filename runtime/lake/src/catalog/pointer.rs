use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use iceberg::TableUpdate;
use iceberg::spec::{MetadataLog, TableMetadata};

use super::{Catalog, CatalogOutcome, NewTable, Proposal, Seams, StoredTable};
use crate::lake::Point;
use crate::{CatalogError, LakeError, TableIdent, io};

/// What became of a pointer that was to be moved.
#[derive(Debug)]
pub(crate) enum Swap {
    Done,
    Lost,
    Unknown(CatalogError),
}

/// A catalog that holds only where each table's metadata file is; the files are written here.
#[async_trait]
pub(crate) trait Pointers: fmt::Debug + Send + Sync {
    fn name(&self) -> &str;

    async fn get(&self, ident: &TableIdent) -> Result<Option<String>, CatalogError>;

    /// Sets the pointer of a table that must not exist.
    async fn insert(&self, ident: &TableIdent, location: &str) -> Result<Swap, CatalogError>;

    /// Moves the pointer if it is still `from`.
    async fn swap(&self, ident: &TableIdent, from: &str, to: &str) -> Result<Swap, CatalogError>;

    async fn tables(&self) -> Result<Vec<TableIdent>, CatalogError>;
}

#[async_trait]
impl<P: Pointers> Catalog for P {
    fn name(&self) -> &str {
        Pointers::name(self)
    }

    async fn load(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        known: Option<&StoredTable>,
    ) -> Result<Option<StoredTable>, LakeError> {
        let Some(location) = self.get(ident).await.map_err(LakeError::catalog(ident))? else { return Ok(None) };
        if let Some(known) = known
            && *known.location == *location
        {
            return Ok(Some(known.clone()));
        }
        let bytes = io::read(&seams.storage, &location).await.map_err(LakeError::storage(ident))?;
        let metadata =
            io::decode_metadata(bytes).await.map_err(LakeError::metadata(ident, format!("read {location}")))?;
        Ok(Some(StoredTable { location: location.into(), metadata: Arc::new(metadata) }))
    }

    async fn create(&self, seams: &Seams, ident: &TableIdent, new: NewTable) -> Result<CatalogOutcome, LakeError> {
        let stored = StoredTable {
            location: metadata_location(seams, &new.metadata, 0).into(),
            metadata: Arc::new(new.metadata),
        };
        write_metadata(seams, ident, &stored).await?;
        let swap = self.insert(ident, &stored.location).await;
        settle(seams, ident, stored, swap, Vec::new()).await
    }

    async fn commit(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        base: &StoredTable,
        proposal: Proposal,
    ) -> Result<CatalogOutcome, LakeError> {
        if proposal.requirements.iter().any(|required| required.check(Some(&base.metadata)).is_err()) {
            return Ok(CatalogOutcome::Conflict);
        }
        let refused = || LakeError::metadata(ident, "make the table's next metadata");
        let mut builder = TableMetadata::clone(&base.metadata).into_builder(Some(base.location.to_string()));
        for update in proposal.updates {
            builder = update.apply(builder).map_err(refused())?;
        }
        let built = builder.build().map_err(refused())?;
        let metadata = if built.changes.iter().any(|update| matches!(update, TableUpdate::AddSnapshot { .. })) {
            built.metadata
        } else {
            // Without a snapshot to take the time from, the builder takes the machine's.
            let logged = built.metadata.history().last().map_or(0, |entry| entry.timestamp_ms);
            let now_ms = (seams.clock.now_us() / 1000).max(base.metadata.last_updated_ms()).max(logged);
            io::stamped(&built.metadata, now_ms).map_err(refused())?
        };
        let location = metadata_location(seams, &metadata, version(&base.location) + 1);
        let stored = StoredTable { location: location.into(), metadata: Arc::new(metadata) };
        seams.role.hit(Point::BeforeMetadata);
        write_metadata(seams, ident, &stored).await?;
        seams.role.hit(Point::BeforeSwap);
        let swap = self.swap(ident, &base.location, &stored.location).await;
        seams.role.hit(Point::AfterSwap);
        settle(seams, ident, stored, swap, built.expired_metadata_logs).await
    }

    async fn list(&self) -> Result<Vec<TableIdent>, LakeError> {
        self.tables().await.map_err(|source| LakeError::Catalog { table: "*".to_owned(), source })
    }
}

/// Turns the pointer's answer into the outcome and removes the files that it leaves without use.
async fn settle(
    seams: &Seams,
    ident: &TableIdent,
    stored: StoredTable,
    swap: Result<Swap, CatalogError>,
    expired: Vec<MetadataLog>,
) -> Result<CatalogOutcome, LakeError> {
    match swap {
        Ok(Swap::Done) => {
            io::sweep(&seams.storage, expired.into_iter().map(|log| log.metadata_file)).await;
            Ok(CatalogOutcome::Committed(stored))
        }
        Ok(Swap::Lost) => {
            io::sweep(&seams.storage, [stored.location.to_string()]).await;
            Ok(CatalogOutcome::Conflict)
        }
        Ok(Swap::Unknown(source)) => Ok(CatalogOutcome::Unknown(LakeError::catalog(ident)(source))),
        Err(source) => {
            io::sweep(&seams.storage, [stored.location.to_string()]).await;
            Err(LakeError::catalog(ident)(source))
        }
    }
}

async fn write_metadata(seams: &Seams, ident: &TableIdent, stored: &StoredTable) -> Result<(), LakeError> {
    let bytes = serde_json::to_vec(&*stored.metadata)
        .map_err(|error| LakeError::metadata(ident, "encode the table's metadata")(error.into()))?;
    io::write(&seams.storage, &stored.location, Bytes::from(bytes)).await.map_err(LakeError::storage(ident))
}

/// `{table}/metadata/{version}-{uuid}.metadata.json`, as every engine names it.
fn metadata_location(seams: &Seams, metadata: &TableMetadata, version: u64) -> String {
    format!("{}/{version:05}-{}.metadata.json", crate::lake::metadata_folder(metadata), seams.entropy.uuid())
}

/// The version in a metadata file's name; 0 where it has none.
fn version(location: &str) -> u64 {
    let name = location.rsplit_once('/').map_or(location, |(_, name)| name);
    let digits = name.strip_prefix('v').unwrap_or(name);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_names_of_metadata_files() {
        assert_eq!(version("file:///t/metadata/00012-2cd22b57-5127-4198-92ba-e4e67c79821b.metadata.json"), 12);
        assert_eq!(version("file:///t/metadata/v7.gz.metadata.json"), 7);
        assert_eq!(version("file:///t/metadata/current.json"), 0);
    }
}
