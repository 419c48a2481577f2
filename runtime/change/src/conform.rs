use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, SchemaRef};
use thiserror::Error;

/// A batch whose columns cannot be brought into a table's types.
#[derive(Debug, Error)]
pub enum ConformError {
    /// A column's values do not fit the table's type.
    #[error("column `{column}` does not fit the table's type {wanted}")]
    Cast {
        /// The column at fault.
        column: String,
        /// The table's type.
        wanted: String,
        /// What the cast reported.
        #[source]
        source: ArrowError,
    },
    /// The columns do not make a batch.
    #[error("the columns do not make a batch of the table's schema")]
    Batch(#[from] ArrowError),
}

/// Brings a batch into `schema`: columns found by name, promoted where the table's type is wider, null where absent.
///
/// Columns that the schema lacks are left out. Without promotions nothing is copied.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ConformError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        columns.push(match batch.column_by_name(field.name()) {
            None => new_null_array(field.data_type(), batch.num_rows()),
            Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
            Some(column) => cast_with_options(column, field.data_type(), &options).map_err(|source| {
                ConformError::Cast { column: field.name().clone(), wanted: field.data_type().to_string(), source }
            })?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
