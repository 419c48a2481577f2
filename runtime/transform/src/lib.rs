//! The place of a table's transform, between decode and Silver.
//!
//! A transform sees the rows of a change batch as columns and returns the rows that Silver merges. Bronze is written from
//! the untouched batch, so Silver can be made anew with another transform. The contract with components is
//! `wit/transform/v1`; built-in steps have the same semantics in the same place.

mod chain;
mod component;
mod error;
mod rows;
mod stretches;

pub mod builtin;
pub mod host;
pub mod kernels;

pub use chain::Chain;
pub use component::{ComponentLimits, ComponentSettings, Components};
pub use error::TransformError;
pub use rows::{Input, Rejected, Shaped};

use std::fmt::Debug;

use sluice_change::TableSchema;

/// What shapes the rows of one table. The same batch gives the same rows, however it is cut.
pub trait Transform: Debug + Send + Sync {
    /// Digest that pins this transform, its settings included, in every snapshot that it shaped; `None` for the one that
    /// changes nothing.
    fn digest(&self) -> Option<&str>;

    /// The schema of what comes out for rows of `input`, with Silver's key.
    ///
    /// Rows that are shaped later may have fewer columns than `input`: those are null throughout.
    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError>;

    /// Whether Silver's key may hold other values than the key columns of `input` do. A key that only has other names is
    /// not changed. Changes of the source's key are then shown as deletes of the old key, and `before` is never given.
    fn changes_key(&self, input: &TableSchema) -> Result<bool, TransformError>;

    /// Shapes rows of `schema`. Runs on a thread of the processor pool.
    ///
    /// A row that fails is among the rejects; an error means that nothing can be said about any row.
    fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, TransformError>;
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

    fn changes_key(&self, _input: &TableSchema) -> Result<bool, TransformError> {
        Ok(false)
    }

    fn shape(&self, _schema: &TableSchema, input: Input) -> Result<Shaped, TransformError> {
        Ok(Shaped::untouched(input))
    }
}
