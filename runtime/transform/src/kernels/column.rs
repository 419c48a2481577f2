use arrow_array::{Array, ArrayRef};
use thiserror::Error;

/// A column, or a constant that stands for any number of rows.
#[derive(Debug, Clone)]
pub struct Column {
    array: ArrayRef,
    constant: bool,
}

impl Column {
    /// A column of as many rows as `array` has.
    pub fn rows(array: ArrayRef) -> Self {
        Self { array, constant: false }
    }

    /// A constant; `array` has one row.
    pub fn constant(array: ArrayRef) -> Result<Self, KernelError> {
        match array.len() {
            1 => Ok(Self { array, constant: true }),
            rows => Err(KernelError(format!("a constant has one row, not {rows}"))),
        }
    }

    /// The values: one row if it is a constant.
    pub fn array(&self) -> &ArrayRef {
        &self.array
    }

    /// Whether it stands for any number of rows.
    pub fn is_constant(&self) -> bool {
        self.constant
    }
}

/// A kernel that cannot be run with these arguments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KernelError(pub String);
