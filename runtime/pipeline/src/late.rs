//! Changes that arrive after newer ones: the newer ones, which Bronze holds, keep the last word.

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use sluice_change::Op;
use sluice_lake::{LakeTable, ScanFilter};

use crate::bronze;
use crate::error::LaneError;
use crate::index_build::live_rows;
use crate::merge::{Fold, changed_keys};
use crate::tables::Silver;

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;

/// Takes out of `fold` every key of which Bronze holds a change from a file that sorts after `order`.
pub async fn supersede(log: &LakeTable, silver: &Silver, order: &str, fold: &mut Fold) -> Result<(), LaneError> {
    let stored: Vec<String> = log.columns().into_iter().map(|column| column.name).collect();
    let before: Vec<String> = silver.key.iter().map(|key| format!("{}{key}", bronze::BEFORE_PREFIX)).collect();
    let before: Vec<String> = before.into_iter().filter(|name| stored.contains(name)).collect();
    let own = [bronze::OP, bronze::SOURCE_ORDER].into_iter();
    let names: Vec<&str> =
        own.chain(silver.key.iter().map(String::as_str)).chain(before.iter().map(String::as_str)).collect();
    let mut scan = log.scan(&names, ScanFilter::All, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        supersede_by(silver, order, &live_rows(&found)?, fold)?;
    }
    Ok(())
}

fn supersede_by(silver: &Silver, order: &str, log: &RecordBatch, fold: &mut Fold) -> Result<(), LaneError> {
    let column = |name: &str| Ok::<_, LaneError>(log.column(log.schema().index_of(name)?).as_string::<i32>().clone());
    let (orders, ops) = (column(bronze::SOURCE_ORDER)?, column(bronze::OP)?);
    let newer = |row: usize| orders.value(row) > order;
    let truncate = Op::Truncate.code();
    if (0..log.num_rows()).any(|row| newer(row) && ops.value(row) == truncate) {
        fold.supersede_all();
        return Ok(());
    }
    let newer = BooleanArray::from_iter((0..log.num_rows()).map(|row| Some(newer(row))));
    if newer.true_count() == 0 {
        return Ok(());
    }
    let log = filter_record_batch(log, &newer)?;
    let keys = silver.key_columns(&log)?;
    fold.supersede(&silver.extractor.extract(&keys)?);
    if let Some(before) = bronze::before_columns(&log)?
        && let Some(changed) = changed_keys(&silver.extractor, &keys, &silver.key_columns(&before)?)?
    {
        fold.supersede(&changed.keys);
    }
    Ok(())
}
