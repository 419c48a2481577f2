//! Renames columns in place, in a commit of its own before anything else is done with the table.
//!
//! A rename is made when the lane opens, not with the first rows: Silver may have to catch up from Bronze before there are
//! any, and then both have to use the same names.

use std::collections::BTreeMap;

use sluice_change::{Column, SchemaChange, TableSchema};
use sluice_lake::{LakeTable, TableChange};
use uuid::Uuid;

use crate::bronze;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::write::{epoch, expected, land};

/// The same names, and those of the columns that hold values before a change.
pub fn with_images(names: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let image = |name: &String| format!("{}{name}", bronze::BEFORE_PREFIX);
    let images = names.iter().map(|(from, to)| (image(from), image(to)));
    names.iter().map(|(from, to)| (from.clone(), to.clone())).chain(images).collect()
}

/// Gives the columns of a table the names that they have now, where it still has the old ones.
pub async fn rename_columns(
    context: &LaneContext,
    table: &mut LakeTable,
    names: &BTreeMap<String, String>,
) -> Result<(), LaneError> {
    let columns = table.columns().into_iter().map(|column| Column::new(column.name, column.column_type)).collect();
    let renamed = TableSchema { columns, key: Vec::new() }.renames(names)?;
    if renamed.is_empty() {
        return Ok(());
    }
    let stored = table.checkpoint()?.unwrap_or_default();
    let mut work = stored.commit_id.clone().into_bytes();
    for change in &renamed {
        tracing::info!(table = %table.ident(), from = change.from, to = change.to, "a column is renamed");
        work.extend(format!("\0{}\0{}", change.from, change.to).into_bytes());
    }
    let mut checkpoint = stored.clone();
    checkpoint.commit_id = Uuid::new_v5(&table.uuid(), &work).to_string();
    checkpoint.writer.clone_from(&context.writer);
    checkpoint.epoch = epoch(context, &stored);
    checkpoint.counts = Default::default();
    checkpoint.source_times = None;
    let schema = SchemaChange { renamed, ..SchemaChange::default() };
    let change = TableChange { schema, checkpoint, expected: expected(&stored), ..TableChange::default() };
    land(table, change).await?;
    Ok(())
}
