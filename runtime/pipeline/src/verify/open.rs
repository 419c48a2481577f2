//! The tables that are compared, each as of one snapshot.

use std::sync::Arc;

use arrow_schema::{FieldRef, Fields, Schema, SchemaRef};
use sluice_change::{Column, SchemaChange, TableSchema};
use sluice_lake::{LakeTable, Role};

use super::{VerifyError, VerifySeams};
use crate::LaneSettings;
use crate::error::LaneError;
use crate::index::LaneIndex;
use crate::shaping::Shaping;
use crate::tables::{self, Silver};
use crate::{bronze, rename};

/// Silver, the log that covers it, and what shapes the rows between them.
#[derive(Debug)]
pub struct Pinned {
    /// The merged table.
    pub silver: Silver,
    /// The log.
    pub bronze: LakeTable,
    /// From rows of the log to rows of Silver.
    pub shaping: Shaping,
    /// Silver's columns that come out of Bronze. Others are another program's, and so are their values.
    pub columns: SchemaRef,
    /// Whether Silver was last written by another transform than the configured one.
    pub other_transform: bool,
}

/// What there is of a table.
#[derive(Debug)]
pub enum Opened {
    /// Both layers.
    Both(Box<Pinned>),
    /// Nothing to compare, and why.
    Nothing(String),
}

/// Opens a table's layers without changing anything. Silver comes first, so the log holds all that it includes, whoever
/// writes meanwhile.
pub async fn open(lane: &LaneSettings, seams: &VerifySeams) -> Result<Opened, VerifyError> {
    let lake = &seams.lake;
    let silver = lake.open(&lane.silver, Role::Silver).await?;
    let Some(log) = lake.open(&lane.bronze, Role::Reader).await? else {
        return Ok(Opened::Nothing("nothing of it has been taken in yet".to_owned()));
    };
    let transformed = !lane.transform.is_empty();
    let key = tables::known_key(&lane.declared.key, silver.as_ref().filter(|_| !transformed));
    if key.is_empty() {
        return Ok(Opened::Nothing("it has no `key`, so it has no Silver: there is nothing to verify".to_owned()));
    }
    let Some(table) = silver else {
        return Ok(Opened::Nothing(
            "its Silver has not been made yet: the next `sluice run` makes it from Bronze".to_owned(),
        ));
    };
    refuse_open_renames(lane, &log)?;
    let stored = TableSchema { columns: bronze::source_columns(&log.columns()), key };
    let source = match lane.declared.columns.is_empty() {
        true => stored,
        false => stored.changed(&stored.change_for(&lane.declared.columns).map_err(LaneError::from)?),
    };
    let (settings, name, components) = (lane.transform.clone(), lane.table.clone(), Arc::clone(&seams.components));
    let of = source.clone();
    let build = move || {
        let transform = settings.build(&name, components.as_ref())?;
        let wanted = transform.output(&of)?;
        Ok::<_, LaneError>((transform, wanted))
    };
    let (transform, wanted) = seams.cpu.run(build).await?;
    tables::same_key(&lane.silver, &table, &wanted.key)?;
    let key_schema = bronze::plain_schema(&table.arrow_schema());
    let key_schema = Arc::new(tables::key_schema(&key_schema, &wanted.key)?);
    let extractor = Arc::new(tables::key_extractor(&key_schema)?);
    let is_ours = |field: &&FieldRef| wanted.column(field.name()).is_some();
    let columns: Fields =
        bronze::plain_schema(&table.arrow_schema()).fields().iter().filter(is_ours).cloned().collect();
    let columns = Arc::new(Schema::new(columns));
    let stored = table.checkpoint().map_err(LaneError::from)?.unwrap_or_default();
    let other_transform = !stored.commit_id.is_empty() && stored.transform.as_deref() != transform.digest();
    let index = LaneIndex::none();
    let silver = Silver { table, stored, key: wanted.key, key_schema, extractor, index, transform };
    let shaping = Shaping::of(&silver, &source, &SchemaChange::default())?.into_columns(&columns);
    Ok(Opened::Both(Box::new(Pinned { silver, bronze: log, shaping, columns, other_transform })))
}

/// Columns that the configuration renames and that still have their old names: rows would be shaped by the wrong ones.
pub fn refuse_open_renames(lane: &LaneSettings, log: &LakeTable) -> Result<(), VerifyError> {
    let columns = log.columns().into_iter().map(|column| Column::new(column.name, column.column_type)).collect();
    let stored = TableSchema { columns, key: Vec::new() };
    let open = stored.renames(&rename::with_images(&lane.renames)).map_err(LaneError::from)?;
    match open.first() {
        None => Ok(()),
        Some(first) => {
            Err(VerifyError::OpenRename { table: lane.table.clone(), from: first.from.clone(), to: first.to.clone() })
        }
    }
}
