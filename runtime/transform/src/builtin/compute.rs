//! What the steps compute with: the kernels, over plain arrays.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray};
use sluice_change::ColumnType;

use super::StepError;
use super::condition::Comparison;
use crate::kernels::{self, Column, KernelError, Limits};

/// The results of a step are as many values as its rows have; only Arrow's own bounds hold.
const LIMITS: Limits = Limits { bytes: i32::MAX as usize };

/// Why a column of one type cannot be given another, if so.
pub(super) fn cannot_cast(from: ColumnType, to: ColumnType) -> Option<String> {
    let empty = arrow_array::new_empty_array(&from.arrow());
    kernels::cast(&Column::rows(empty), to, LIMITS).err().map(|error| error.to_string())
}

/// The column in another type, null where a value has no place in it.
pub(super) fn cast(column: &ArrayRef, to: ColumnType) -> Result<ArrayRef, StepError> {
    of_rows(column, |column| kernels::cast(column, to, LIMITS))
}

/// A column of one row.
pub(super) fn constant(column_type: ColumnType, value: Option<&str>) -> Result<ArrayRef, StepError> {
    Ok(kernels::constant(column_type, value)?.array().clone())
}

/// A column of the same value so many times.
pub(super) fn repeated(column_type: ColumnType, value: Option<&str>, rows: usize) -> Result<ArrayRef, StepError> {
    Ok(kernels::repeated(&kernels::constant(column_type, value)?, rows, LIMITS)?)
}

/// HMAC-SHA-256 of a string or binary.
pub(super) fn hmac(column: &ArrayRef, key: &[u8]) -> Result<ArrayRef, StepError> {
    of_rows(column, |column| kernels::hmac(column, key, LIMITS))
}

/// Hexadecimal digits of a binary.
pub(super) fn hex(column: &ArrayRef) -> Result<ArrayRef, StepError> {
    of_rows(column, |column| kernels::hex(column, LIMITS))
}

/// Base64 of a binary.
pub(super) fn base64(column: &ArrayRef) -> Result<ArrayRef, StepError> {
    of_rows(column, |column| kernels::base64(column, LIMITS))
}

/// Texts with their characters covered.
pub(super) fn mask(column: &ArrayRef, keep_start: u32, keep_end: u32, fill: &str) -> Result<ArrayRef, StepError> {
    of_rows(column, |column| kernels::mask(column, keep_start, keep_end, fill, LIMITS))
}

/// A comparison of columns or constants, of which not both are constants.
pub(super) fn compare(by: Comparison, left: &Column, right: &Column) -> Result<Column, KernelError> {
    match by {
        Comparison::Equal => kernels::equal(left, right),
        Comparison::NotEqual => kernels::not_equal(left, right),
        Comparison::Less => kernels::less(left, right),
        Comparison::LessOrEqual => kernels::less_or_equal(left, right),
        Comparison::Greater => kernels::greater(left, right),
        Comparison::GreaterOrEqual => kernels::greater_or_equal(left, right),
    }
}

/// A condition's values.
pub(super) fn conditions(of: &Column) -> Result<BooleanArray, KernelError> {
    let values = of.array().as_boolean_opt();
    values.cloned().ok_or_else(|| KernelError("the column is no condition".to_owned()))
}

fn of_rows(column: &ArrayRef, kernel: impl Fn(&Column) -> Result<Column, KernelError>) -> Result<ArrayRef, StepError> {
    Ok(kernel(&Column::rows(column.clone()))?.array().clone())
}
