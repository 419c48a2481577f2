//! Builds the key index from Silver's key columns.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use sluice_change::SchemaChange;
use sluice_index::{Keys, Location};
use sluice_lake::{ScanBatch, ScanFilter};
use tracing::{debug, error};

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::tables::Silver;

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;

/// The rows of a scanned stretch that are not deleted.
pub fn live_rows(found: &ScanBatch) -> Result<RecordBatch, ArrowError> {
    match &found.live {
        Some(live) => filter_record_batch(&found.batch, &BooleanArray::new(live.clone(), None)),
        None => Ok(found.batch.clone()),
    }
}

/// Lets keys compare as they will once `change` is made. Promoting a column of a key changes that, and the index with it.
pub async fn follow_key(context: &LaneContext, silver: &mut Silver, change: &SchemaChange) -> Result<(), LaneError> {
    if change.widened.iter().any(|column| silver.key.contains(&column.name)) {
        silver.rekey(change)?;
        build(context, silver).await?;
    }
    Ok(())
}

/// Reads the key columns of all live rows into the index, unless it reflects the table's snapshot already.
pub async fn build(context: &LaneContext, silver: &mut Silver) -> Result<(), LaneError> {
    let snapshot = silver.table.snapshot_id();
    if snapshot.is_none() || silver.index.lock().snapshot() == snapshot {
        return Ok(());
    }
    silver.index.lock().clear()?;
    let names: Vec<&str> = silver.key.iter().map(String::as_str).collect();
    let mut scan = silver.table.scan(&names, ScanFilter::All, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        let columns = silver.key_columns(&live_rows(&found)?)?;
        let (extractor, index) = (silver.extractor.clone(), silver.index.clone());
        context
            .services
            .cpu
            .run(move || -> Result<(), LaneError> {
                let keys: Keys = extractor.extract(&columns)?;
                let first = found.first_position as u32;
                let place = |row: usize| Location::new(found.file.0, first + row as u32);
                let locations: Vec<Location> = match &found.live {
                    Some(live) => live.set_indices().map(place).collect(),
                    None => (0..found.batch.num_rows()).map(place).collect(),
                };
                Ok(index.lock().apply(&keys, &locations, snapshot)?)
            })
            .await?;
    }
    let (keys, rows) = (silver.index.lock().key_count(), silver.table.rows());
    debug!(table = %silver.table.ident(), keys, "the key index is built");
    if let Some(keys) = keys.filter(|keys| *keys != rows) {
        error!(
            table = %silver.table.ident(), keys, rows,
            "Silver holds several rows of one key, which sluice never writes: another writer did; rebuild the table"
        );
    }
    Ok(())
}
