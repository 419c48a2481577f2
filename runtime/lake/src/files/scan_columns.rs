use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::FieldRef;
use iceberg::spec::{Literal, NestedField, PrimitiveLiteral};

use super::error::FilesError;
use super::layout::arrow_field;

/// A column that a scan shall yield.
#[derive(Debug, Clone)]
pub struct ScanColumn {
    /// Its id in the table's schema.
    pub field_id: i32,
    /// Its name and type now; a file may be older and have another.
    pub field: FieldRef,
    /// The value of its rows in files that were written before it was added, as an array of one row.
    pub missing: ArrayRef,
}

impl ScanColumn {
    /// The column of a table's schema.
    pub fn new(field: &NestedField) -> Result<Self, FilesError> {
        let arrow = Arc::new(arrow_field(field)?);
        let missing = match &field.initial_default {
            Some(Literal::Primitive(value)) => default_value(&arrow, value)?,
            _ => new_null_array(arrow.data_type(), 1),
        };
        Ok(Self { field_id: field.id, field: arrow, missing })
    }
}

/// A default (version 3 of the specification) as an array of one row.
fn default_value(field: &FieldRef, value: &PrimitiveLiteral) -> Result<ArrayRef, FilesError> {
    use arrow_array::{
        BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
    };
    let plain: ArrayRef = match value {
        PrimitiveLiteral::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
        PrimitiveLiteral::Int(value) => Arc::new(Int32Array::from(vec![*value])),
        PrimitiveLiteral::Long(value) => Arc::new(Int64Array::from(vec![*value])),
        PrimitiveLiteral::Float(value) => Arc::new(Float32Array::from(vec![value.0])),
        PrimitiveLiteral::Double(value) => Arc::new(Float64Array::from(vec![value.0])),
        PrimitiveLiteral::String(value) => Arc::new(StringArray::from(vec![value.as_str()])),
        PrimitiveLiteral::Binary(value) => Arc::new(BinaryArray::from(vec![value.as_slice()])),
        PrimitiveLiteral::Int128(value) => {
            Arc::new(Decimal128Array::from(vec![*value]).with_data_type(field.data_type().clone()))
        }
        PrimitiveLiteral::UInt128(value) => Arc::new(BinaryArray::from(vec![value.to_be_bytes().as_slice()])),
        PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin => new_null_array(field.data_type(), 1),
    };
    // Dates, times and instants are kept as the integers that Arrow keeps them as.
    arrow_cast::cast(&plain, field.data_type())
        .map_err(FilesError::arrow(format!("read the default of column `{}`", field.name())))
}
