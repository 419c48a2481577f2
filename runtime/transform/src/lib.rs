//! The place of a table's transform, between decode and Silver.
//!
//! A transform sees the rows of a change batch as columns and returns the rows that Silver merges. Bronze is written from
//! the untouched batch, so Silver can be made anew with another transform.

use std::fmt::Debug;

use arrow_array::RecordBatch;
use sluice_change::{ChangeBatch, Reject, TableSchema};
use thiserror::Error;

/// What shapes the rows of one table. The same batch gives the same rows.
pub trait Transform: Debug + Send + Sync {
    /// Digest that pins this transform in every snapshot that it shaped; `None` for the one that changes nothing.
    fn digest(&self) -> Option<&str>;

    /// The schema of what comes out for rows of `input`.
    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError>;

    /// Shapes the rows of a batch.
    fn shape(&self, batch: &ChangeBatch) -> Result<Shaped, TransformError>;
}

/// Rows after a transform, one for each row of the batch.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// The new columns.
    pub rows: RecordBatch,
    /// Rows of the batch that the transform rejected, with its reasons.
    pub rejects: Vec<Reject>,
}

/// A transform that failed as a whole.
#[derive(Debug, Error)]
#[error("the transform failed: {reason}")]
pub struct TransformError {
    /// What it said.
    pub reason: String,
}

/// Leaves every row as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassThrough;

impl Transform for PassThrough {
    fn digest(&self) -> Option<&str> {
        None
    }

    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        Ok(input.clone())
    }

    fn shape(&self, batch: &ChangeBatch) -> Result<Shaped, TransformError> {
        Ok(Shaped { rows: batch.rows.clone(), rejects: Vec::new() })
    }
}
