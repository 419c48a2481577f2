//! Records of DMS files that were set aside are read again.

use std::sync::Arc;

use arrow_array::Int64Array;
use sluice_change::{ChangeBatch, Position, TableSchema};
use sluice_decode::{SetAside, decode_again};

use super::file_name::{FileFormat, FileKind, recognise};
use super::settings::DmsTableSettings;

/// Reads each record with the table's settings.
pub(super) fn read(
    formats: &DmsTableSettings,
    schema: &TableSchema,
    records: &[SetAside],
) -> Vec<Result<ChangeBatch, String>> {
    records.iter().map(|record| read_one(formats, schema, record)).collect()
}

fn read_one(formats: &DmsTableSettings, schema: &TableSchema, record: &SetAside) -> Result<ChangeBatch, String> {
    let name = record.origin.name.rsplit('/').next().unwrap_or_default();
    let known = recognise(name).ok_or_else(|| format!("`{name}` is no file of one table"))?;
    let (full_load, parquet) = (known.kind == FileKind::FullLoad, known.format == FileFormat::Parquet);
    let mut settings = formats.csv.clone();
    if parquet {
        settings.timestamp_column.clone_from(&formats.parquet.timestamp_column);
        settings.before_prefix.clone_from(&formats.parquet.before_prefix);
    }
    let decoded = decode_again(&settings, schema, full_load, parquet, record)?;
    if let Some(reject) = decoded.rejects.first() {
        return Err(match &reject.column {
            Some(column) => format!("column `{column}`: {}", reject.reason),
            None => reject.reason.clone(),
        });
    }
    Ok(ChangeBatch {
        origin: Arc::clone(&record.origin),
        rows: decoded.rows,
        ops: decoded.ops,
        row_numbers: Int64Array::from(vec![record.row_number as i64]),
        commit_times: decoded.commit_times,
        before: decoded.before,
        unsent: decoded.unsent,
        rejects: Vec::new(),
        position: Position::start(),
    })
}
