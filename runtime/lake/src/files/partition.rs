use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::DataType;
use iceberg::arrow::{arrow_primitive_to_literal, type_to_arrow_type};
use iceberg::spec::{Literal, PartitionSpec, PrimitiveType, Schema, Struct, StructType, Type};

use super::conform::conform;
use super::error::FilesError;
use super::layout::arrow_field;
use super::transform::ColumnTransform;

/// Rows that share a partition value.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) partition: Struct,
    /// Their numbers among all rows, ascending; `None` where it is all of them.
    pub(super) rows: Option<Vec<u32>>,
}

/// Sorts rows into partitions.
#[derive(Debug)]
pub(super) struct Partitioner {
    /// One a partition field; `None` for a field that is always null.
    fields: Vec<Option<PartitionField>>,
}

#[derive(Debug)]
struct PartitionField {
    /// Place of the source among the columns of the table.
    column: usize,
    name: String,
    source_type: DataType,
    transform: ColumnTransform,
    result: Type,
    result_arrow: DataType,
}

/// A partition value that occurs.
#[derive(Debug)]
struct Found {
    /// Its first row: which batch, which row in it.
    first: (usize, usize),
    rows: Vec<u32>,
}

/// The partition values seen so far, by their bytes.
#[derive(Debug, Default)]
struct Partitions {
    known: HashMap<Box<[u8]>, usize>,
    found: Vec<Found>,
    /// The value of the last row, which the next one often shares.
    last: Vec<u8>,
    last_found: usize,
}

impl Partitions {
    /// The partition of `key`, whose first row is at `row` if it is new.
    fn of(&mut self, key: &[u8], row: (usize, usize)) -> &mut Found {
        if self.found.is_empty() || self.last != key {
            self.last_found = match self.known.get(key) {
                Some(found) => *found,
                None => {
                    self.known.insert(key.into(), self.found.len());
                    self.found.push(Found { first: row, rows: Vec::new() });
                    self.found.len() - 1
                }
            };
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        &mut self.found[self.last_found]
    }
}

impl Partitioner {
    pub(super) fn new(spec: &PartitionSpec, schema: &Schema) -> Result<Self, FilesError> {
        if spec.is_unpartitioned() {
            return Ok(Self { fields: spec.fields().iter().map(|_| None).collect() });
        }
        let types = partition_type(spec, schema)?;
        let columns = schema.as_struct().fields();
        let mut fields = Vec::with_capacity(types.fields().len());
        for (field, partition) in spec.fields().iter().zip(types.fields()) {
            let Some(transform) = ColumnTransform::new(field.transform)? else {
                fields.push(None);
                continue;
            };
            let column = columns
                .iter()
                .position(|column| column.id == field.source_id)
                .ok_or_else(|| FilesError::MissingColumn(format!("with field id {}", field.source_id)))?;
            let result = partition.field_type.as_ref().clone();
            let result_arrow = match &result {
                Type::Primitive(PrimitiveType::Binary) => DataType::Binary,
                other => {
                    type_to_arrow_type(other).map_err(FilesError::iceberg("find the type of a partition value"))?
                }
            };
            fields.push(Some(PartitionField {
                column,
                name: columns[column].name.clone(),
                source_type: arrow_field(&columns[column])?.data_type().clone(),
                transform,
                result,
                result_arrow,
            }));
        }
        Ok(Self { fields })
    }

    /// The partitions of the rows in order of first appearance; `batches` have the columns of the table in order.
    pub(super) fn split(&self, batches: &[RecordBatch]) -> Result<Vec<Group>, FilesError> {
        if self.fields.iter().all(Option::is_none) {
            return Ok(vec![Group { partition: Struct::from_iter(self.fields.iter().map(|_| None)), rows: None }]);
        }
        let values = batches.iter().map(|batch| self.values(batch)).collect::<Result<Vec<_>, _>>()?;
        let found = self.group(batches, &values)?;
        let is_single = found.len() == 1;
        let groups = found.into_iter().map(|found| {
            let (batch, row) = found.first;
            let rows = (!is_single).then_some(found.rows);
            Ok(Group { partition: self.literals(&values[batch], row)?, rows })
        });
        groups.collect()
    }

    /// The value of each partition field that is not always null.
    fn values(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, FilesError> {
        let fields = self.fields.iter().flatten();
        let values = fields.map(|field| {
            let source = conform(batch.column(field.column), &field.source_type, &field.name)?;
            conform(&field.transform.apply(&source)?, &field.result_arrow, &field.name)
        });
        values.collect()
    }

    /// Which rows have which partition value.
    fn group(&self, batches: &[RecordBatch], values: &[Vec<ArrayRef>]) -> Result<Vec<Found>, FilesError> {
        let compare = || FilesError::arrow("compare partition values");
        let sort_fields = self.fields.iter().flatten().map(|field| SortField::new(field.result_arrow.clone()));
        let converter = RowConverter::new(sort_fields.collect()).map_err(compare())?;
        let mut partitions = Partitions::default();
        let mut start = 0_u32;
        for (number, (batch, values)) in batches.iter().zip(values).enumerate() {
            let end = start + batch.num_rows() as u32;
            if batch.num_rows() > 0 && values.iter().all(is_constant) {
                let first: Vec<ArrayRef> = values.iter().map(|array| array.slice(0, 1)).collect();
                let key = converter.convert_columns(&first).map_err(compare())?;
                partitions.of(key.row(0).as_ref(), (number, 0)).rows.extend(start..end);
            } else {
                let keys = converter.convert_columns(values).map_err(compare())?;
                for (row, key) in keys.iter().enumerate() {
                    partitions.of(key.as_ref(), (number, row)).rows.push(start + row as u32);
                }
            }
            start = end;
        }
        Ok(partitions.found)
    }

    fn literals(&self, values: &[ArrayRef], row: usize) -> Result<Struct, FilesError> {
        let mut arrays = values.iter();
        let mut literals: Vec<Option<Literal>> = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            literals.push(match (field, field.as_ref().and_then(|_| arrays.next())) {
                (Some(field), Some(array)) => arrow_primitive_to_literal(&array.slice(row, 1), &field.result)
                    .map_err(FilesError::iceberg(format!("take the partition value of column `{}`", field.name)))?
                    .pop()
                    .flatten(),
                _ => None,
            });
        }
        Ok(Struct::from_iter(literals))
    }
}

/// Whether all values are the same, as far as that is cheap to say.
fn is_constant(array: &ArrayRef) -> bool {
    if array.null_count() == array.len() {
        return true;
    }
    if array.null_count() > 0 {
        return false;
    }
    let values: &[i32] = match array.data_type() {
        DataType::Int32 => array.as_primitive::<Int32Type>().values(),
        DataType::Date32 => array.as_primitive::<Date32Type>().values(),
        _ => return false,
    };
    values.iter().all(|value| *value == values[0])
}

pub(super) fn partition_type(spec: &PartitionSpec, schema: &Schema) -> Result<StructType, FilesError> {
    spec.partition_type(schema).map_err(FilesError::iceberg("find the types of the partition spec"))
}
