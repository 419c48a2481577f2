//! Parquet: columns in the types that the file states.

use std::path::Path;

use arrow_array::RecordBatch;
use bytes::Bytes;
use sluice_change::{Column, TableSchema};
use sluice_decode::{Described, OpColumn, ParquetSettings, describe_parquet, parquet_decoder};

use super::delimited::{context, decode_error, drive, together};
use super::{SampleError, SampleOptions};

pub(super) fn read(path: &Path, bytes: Bytes, options: &SampleOptions) -> Result<RecordBatch, SampleError> {
    let declared: Vec<&Column> = options.columns.iter().collect();
    let settings = ParquetSettings {
        op: OpColumn::Absent,
        declared: declared.iter().map(|column| column.name.clone()).collect(),
        ..ParquetSettings::default()
    };
    let found = describe(path, &settings, &bytes)?;
    let typed = |column: Column| {
        let column_type = options.declared(&column.name).unwrap_or(column.column_type);
        Column { column_type, ..column }
    };
    let schema = TableSchema { columns: found.into_iter().map(typed).collect(), key: Vec::new() };
    let empty = RecordBatch::new_empty(schema.arrow());
    let decoder = parquet_decoder(&settings, context(path, bytes.len(), schema)).map_err(decode_error(path))?;
    together(path, drive(path, decoder, bytes)?, empty)
}

fn describe(path: &Path, settings: &ParquetSettings, bytes: &Bytes) -> Result<Vec<Column>, SampleError> {
    let name = path.display().to_string();
    let mut description = describe_parquet(settings, &name, bytes.len() as u64).map_err(decode_error(path))?;
    loop {
        match description.step().map_err(decode_error(path))? {
            Described::Need(ranges) => {
                for range in ranges {
                    let piece = bytes.slice(range.start as usize..range.end as usize);
                    description.supply(range, piece);
                }
            }
            Described::Columns(columns) => return Ok(columns),
        }
    }
}
