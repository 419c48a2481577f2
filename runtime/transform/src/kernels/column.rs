use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Datum, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use sluice_change::ColumnType;
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

    /// The type of its values.
    pub fn column_type(&self) -> Result<ColumnType, KernelError> {
        let data_type = self.array.data_type();
        ColumnType::from_arrow(data_type).ok_or_else(|| KernelError(format!("no column has the type {data_type}")))
    }

    /// The place of a row's value in the array.
    #[inline]
    pub(super) fn place(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// What was computed of this column alone, value by value.
    pub(super) fn with(&self, array: impl Array + 'static) -> Self {
        Self { array: Arc::new(array), constant: self.constant }
    }

    /// What was computed of this column alone, value by value.
    pub(super) fn with_array(&self, array: ArrayRef) -> Self {
        Self { array, constant: self.constant }
    }

    pub(super) fn texts(&self) -> Result<&StringArray, KernelError> {
        self.array.as_string_opt().ok_or_else(|| self.unfit("a `string`"))
    }

    pub(super) fn binaries(&self) -> Result<&BinaryArray, KernelError> {
        self.array.as_binary_opt().ok_or_else(|| self.unfit("a `binary`"))
    }

    pub(super) fn booleans(&self) -> Result<&BooleanArray, KernelError> {
        self.array.as_boolean_opt().ok_or_else(|| self.unfit("a `boolean`"))
    }

    /// Says that it is not of the type that is needed.
    pub(super) fn unfit(&self, wanted: &str) -> KernelError {
        match self.column_type() {
            Ok(found) => KernelError(format!("needs {wanted} and got a `{found}`")),
            Err(error) => error,
        }
    }
}

impl Datum for Column {
    fn get(&self) -> (&dyn Array, bool) {
        (&self.array, self.constant)
    }
}

/// How many rows the result of several columns has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Rows; one for a constant.
    pub rows: usize,
    /// Whether all columns are constants, and the result with them.
    pub constant: bool,
}

impl Shape {
    /// Of columns that have to agree; of none it is a constant.
    pub fn of<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Result<Self, KernelError> {
        let mut shape = Shape { rows: 1, constant: true };
        for column in columns.into_iter().filter(|column| !column.constant) {
            let rows = column.array.len();
            if !shape.constant && shape.rows != rows {
                return Err(KernelError(format!("its columns have {} and {rows} rows", shape.rows)));
            }
            shape = Shape { rows, constant: false };
        }
        Ok(shape)
    }

    /// Null where any of the columns is.
    pub fn nulls<'a>(self, columns: impl IntoIterator<Item = &'a Column>) -> Option<NullBuffer> {
        let mut nulls: Option<NullBuffer> = None;
        for column in columns {
            if !column.constant {
                nulls = NullBuffer::union(nulls.as_ref(), column.array.nulls());
            } else if column.array.null_count() > 0 {
                return Some(NullBuffer::new_null(self.rows));
            }
        }
        nulls
    }

    /// A boolean for each row.
    pub fn conditions(self, nulls: Option<NullBuffer>, is_true: impl FnMut(usize) -> bool) -> Column {
        self.column(BooleanArray::new(BooleanBuffer::collect_bool(self.rows, is_true), nulls))
    }

    /// The result.
    pub fn column(self, array: impl Array + 'static) -> Column {
        Column { array: Arc::new(array), constant: self.constant }
    }

    /// The result.
    pub fn column_of(self, array: ArrayRef) -> Column {
        Column { array, constant: self.constant }
    }
}

/// What the result of a kernel may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a result.
    pub bytes: usize,
}

impl Limits {
    /// Checks a result before room for it is made.
    pub(super) fn check(self, bytes: usize) -> Result<(), KernelError> {
        if bytes > self.bytes { Err(self.exceeded()) } else { Ok(()) }
    }

    /// Checks a result of `rows` values of `T`.
    pub(super) fn check_rows<T>(self, rows: usize) -> Result<(), KernelError> {
        self.check(rows.saturating_mul(size_of::<T>()))
    }

    /// Bytes that are left for the values of `rows` texts.
    pub(super) fn text_bytes(self, rows: usize) -> Result<usize, KernelError> {
        // Offsets are `i32`, one more than rows.
        let offsets = rows.saturating_add(1).saturating_mul(size_of::<i32>());
        let left = self.bytes.checked_sub(offsets).ok_or_else(|| self.exceeded())?;
        Ok(left.min(i32::MAX as usize))
    }

    pub(super) fn exceeded(self) -> KernelError {
        KernelError(format!(
            "the result would take more than the {} bytes that it may",
            self.bytes.min(i32::MAX as usize)
        ))
    }
}

/// A kernel that cannot be run with these arguments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KernelError(pub String);

impl From<arrow_schema::ArrowError> for KernelError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        KernelError(error.to_string())
    }
}
