//! Records as DMS writes them to Parquet.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sluice_change::ColumnType;

use crate::datum::{self, Cell, Datum};
use crate::generator::{Record, Slot};
use crate::spec::{ParquetLayout, TableSpec};
use crate::write_csv;

/// A whole file.
pub(crate) fn file(spec: &TableSpec, width: usize, slots: &[Slot], load: bool) -> Vec<u8> {
    let records: Vec<&Record> = slots
        .iter()
        .map(|slot| match slot {
            Slot::Good(record) => record,
            Slot::Bad(bad) => panic!("Parquet cannot hold {:?}", bad.kind),
        })
        .collect();
    let mut columns: Vec<ArrayRef> = Vec::new();
    if write_csv::has_op(spec, load) {
        columns.push(Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.change.op.code()))));
    }
    if spec.layout.time_column.is_some() {
        let times = records.iter().map(|record| datum::timestamp(record.commit_us));
        columns.push(Arc::new(StringArray::from_iter_values(times)));
    }
    for (index, column) in spec.schema.columns[..width].iter().enumerate() {
        let cells = records.iter().map(|record| record.change.cells.get(index).unwrap_or(&None));
        columns.push(array(column.column_type, cells));
    }
    if spec.layout.change_sequence.is_some() {
        let sequences = records.iter().map(|record| write_csv::change_sequence(record, load));
        columns.push(Arc::new(sequences.collect::<StringArray>()));
    }
    if write_csv::before_prefix(spec, load).is_some() {
        for key in &spec.schema.key {
            let index = spec.schema.columns.iter().position(|column| column.name == *key).expect("a key column");
            let before = records
                .iter()
                .map(|record| record.change.before.as_ref().and_then(|before| before.get(index)).unwrap_or(&None));
            columns.push(array(spec.schema.columns[index].column_type, before));
        }
    }
    let fields: Vec<Field> = write_csv::names(spec, width, load)
        .into_iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length");
    encode_as(&batch, spec.layout.parquet)
}

/// A batch as a Parquet file.
pub fn encode(batch: &RecordBatch) -> Vec<u8> {
    encode_as(batch, ParquetLayout::default())
}

fn encode_as(batch: &RecordBatch, layout: ParquetLayout) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_writer_version(layout.version)
        .set_compression(layout.codec)
        .set_dictionary_enabled(layout.dictionary)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("types that Parquet has");
    writer.write(batch).expect("writing to memory");
    writer.into_inner().expect("writing to memory")
}

/// A column of cells.
pub fn array<'a>(column_type: ColumnType, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    macro_rules! column {
        ($array:ty, $variant:ident) => {
            Arc::new(
                cells
                    .map(|cell| {
                        cell.as_ref().map(|datum| match datum {
                            Datum::$variant(value) => value.clone(),
                            other => panic!("{other:?} in a column of {column_type}"),
                        })
                    })
                    .collect::<$array>(),
            )
        };
    }
    match column_type {
        ColumnType::Boolean => column!(BooleanArray, Boolean),
        ColumnType::Int => column!(Int32Array, Int),
        ColumnType::Long => column!(Int64Array, Long),
        ColumnType::Float => column!(Float32Array, Float),
        ColumnType::Double => column!(Float64Array, Double),
        ColumnType::Date => column!(Date32Array, Date),
        ColumnType::Time => column!(Time64MicrosecondArray, Time),
        ColumnType::Timestamp => column!(TimestampMicrosecondArray, Timestamp),
        ColumnType::TimestampTz => {
            let array: Arc<TimestampMicrosecondArray> = column!(TimestampMicrosecondArray, TimestampTz);
            Arc::new(array.as_ref().clone().with_timezone("UTC"))
        }
        ColumnType::String => column!(StringArray, String),
        ColumnType::Binary => Arc::new(BinaryArray::from_iter(cells.map(|cell| {
            cell.as_ref().map(|datum| match datum {
                Datum::Binary(bytes) => bytes.clone(),
                other => panic!("{other:?} in a column of binary"),
            })
        }))),
        ColumnType::Decimal { precision, scale } => {
            let unscaled = cells.map(|cell| {
                cell.as_ref().map(|datum| match datum {
                    Datum::Decimal(unscaled, _) => *unscaled,
                    other => panic!("{other:?} in a column of {column_type}"),
                })
            });
            let array: Decimal128Array = unscaled.collect();
            let scale = i8::try_from(scale).expect("at most 38");
            Arc::new(array.with_precision_and_scale(precision, scale).expect("digits that fit"))
        }
    }
}
