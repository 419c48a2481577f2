use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use arrow_select::take::take_record_batch;
use bytes::Bytes;
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Struct};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::bounds::BoundLength;
use super::conform::conform;
use super::dictionary::dictionary_pays;
use super::error::FilesError;
use super::layout::FileLayout;
use super::metrics::{FileMetrics, count_nans};
use super::partition::Group;

/// A data file in memory, ready to be stored.
#[derive(Debug, Clone)]
pub struct EncodedDataFile {
    /// The file.
    pub bytes: Bytes,
    /// The partition value that all its rows share.
    pub partition: Struct,
    /// Number of rows.
    pub record_count: u64,
    /// What the manifest says of its columns.
    pub metrics: FileMetrics,
    /// For each row of the file, in order, the number of the input row; `None` where the file holds all input rows
    /// in their order.
    pub rows: Option<Vec<u32>>,
    pub(super) spec_id: i32,
    /// The table's sort order that the rows follow, if they do.
    pub(super) sort_order: Option<i32>,
}

impl EncodedDataFile {
    /// The manifest entry of this file, once it is stored at `path`.
    pub fn into_data_file(self, path: String) -> Result<DataFile, FilesError> {
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::Data)
            .file_path(path)
            .file_format(DataFileFormat::Parquet)
            .partition(self.partition)
            .partition_spec_id(self.spec_id)
            .record_count(self.record_count)
            .file_size_in_bytes(self.bytes.len() as u64);
        if let Some(order) = self.sort_order {
            builder.sort_order_id(order);
        }
        self.metrics.fill(&mut builder);
        build_entry(&builder)
    }
}

/// Builds a manifest entry; it fails only where a required field was left out.
pub(super) fn build_entry(builder: &DataFileBuilder) -> Result<DataFile, FilesError> {
    builder.build().map_err(|error| FilesError::Iceberg {
        what: "describe a file for its manifest".to_owned(),
        source: Box::new(iceberg::Error::new(iceberg::ErrorKind::DataInvalid, error.to_string())),
    })
}

/// Encodes rows as one Parquet file for each partition value, partitions in order of first appearance.
///
/// The batches are taken as one stretch of rows. Their columns are found by name, may be dictionaries and may be of a
/// type that the table's can be promoted from. No rows make no file.
pub fn encode_data_files(layout: &FileLayout, batches: &[RecordBatch]) -> Result<Vec<EncodedDataFile>, FilesError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows == 0 {
        return Ok(Vec::new());
    }
    if u32::try_from(rows).is_err() {
        return Err(FilesError::TooManyRows(rows));
    }
    let (schema, batches) = to_file_columns(layout, batches)?;
    let properties = properties(layout, &batches);
    let groups = layout.partitioner.split(&batches)?;
    let files = groups.into_iter().map(|group| {
        let writer = ParquetBuffer::new(Arc::clone(&schema), properties.clone())?;
        encode_group(layout, &batches, group, writer)
    });
    files.collect()
}

/// The batches with the table's columns in order, all under one schema: that which the Parquet writer is given.
fn to_file_columns(
    layout: &FileLayout,
    batches: &[RecordBatch],
) -> Result<(ArrowSchemaRef, Vec<RecordBatch>), FilesError> {
    let mut columns: Vec<Vec<ArrayRef>> =
        batches.iter().map(|_| Vec::with_capacity(layout.arrow.fields().len())).collect();
    let mut fields = Vec::with_capacity(layout.arrow.fields().len());
    for (position, field) in layout.arrow.fields().iter().enumerate() {
        let sources =
            batches.iter().map(|batch| find_column(batch, position, field.name())).collect::<Result<Vec<_>, _>>()?;
        let written_type = written_type(&sources, field.data_type());
        for (batch, source) in columns.iter_mut().zip(sources) {
            let array = conform(source, &written_type, field.name())?;
            if !field.is_nullable() {
                let nulls = array.logical_null_count();
                if nulls > 0 {
                    return Err(FilesError::NullInRequired { column: field.name().clone(), nulls });
                }
            }
            batch.push(array);
        }
        fields.push(field.as_ref().clone().with_data_type(written_type));
    }
    let schema: ArrowSchemaRef = Arc::new(ArrowSchema::new(fields));
    let batches = columns.into_iter().map(|columns| RecordBatch::try_new(Arc::clone(&schema), columns));
    let batches: Result<Vec<_>, _> = batches.collect();
    Ok((Arc::clone(&schema), batches.map_err(FilesError::arrow("lay the rows out in the table's columns"))?))
}

fn find_column<'a>(batch: &'a RecordBatch, position: usize, name: &str) -> Result<&'a ArrayRef, FilesError> {
    let schema = batch.schema_ref();
    let position = match schema.fields().get(position) {
        Some(field) if field.name() == name => position,
        _ => schema.index_of(name).map_err(|_| FilesError::MissingColumn(name.to_owned()))?,
    };
    Ok(batch.column(position))
}

/// The type in which a column goes to the writer: the table's, or a dictionary of it where all batches bring one.
fn written_type(sources: &[&ArrayRef], table_type: &DataType) -> DataType {
    let Some(first) = sources.first() else { return table_type.clone() };
    match first.data_type() {
        dictionary @ DataType::Dictionary(_, value)
            if value.as_ref() == table_type
                && matches!(table_type, DataType::Utf8 | DataType::Binary)
                && sources.iter().all(|source| source.data_type() == dictionary) =>
        {
            dictionary.clone()
        }
        _ => table_type.clone(),
    }
}

fn properties(layout: &FileLayout, batches: &[RecordBatch]) -> WriterProperties {
    let mut properties = layout.writer_properties();
    for (column, field) in layout.arrow.fields().iter().enumerate() {
        let wanted = layout.settings.dictionary.get(field.name()).copied();
        let enabled = wanted.unwrap_or_else(|| dictionary_pays(batches, column));
        let path = ColumnPath::new(vec![field.name().clone()]);
        properties = properties.set_column_dictionary_enabled(path, enabled);
    }
    properties.build()
}

fn encode_group(
    layout: &FileLayout,
    batches: &[RecordBatch],
    group: Group,
    mut writer: ParquetBuffer,
) -> Result<EncodedDataFile, FilesError> {
    let fields = layout.schema.as_struct().fields();
    let mut nans = HashMap::new();
    match &group.rows {
        None => {
            for batch in batches {
                count_nans(batch, fields, &mut nans);
                writer.write(batch)?;
            }
        }
        Some(rows) => {
            for_selected(batches, rows, |batch| {
                count_nans(&batch, fields, &mut nans);
                writer.write(&batch)
            })?;
        }
    }
    let (bytes, metadata) = writer.finish()?;
    Ok(EncodedDataFile {
        bytes,
        partition: group.partition,
        record_count: metadata.file_metadata().num_rows().max(0) as u64,
        metrics: FileMetrics::new(&metadata, fields, nans, BoundLength::Short),
        rows: group.rows,
        spec_id: layout.spec.spec_id(),
        sort_order: None,
    })
}

/// Hands out the rows numbered `rows` (ascending) over all batches, batch by batch.
fn for_selected(
    batches: &[RecordBatch],
    mut rows: &[u32],
    mut write: impl FnMut(RecordBatch) -> Result<(), FilesError>,
) -> Result<(), FilesError> {
    let mut start = 0_u32;
    for batch in batches {
        let end = start + batch.num_rows() as u32;
        let (here, rest) = rows.split_at(rows.partition_point(|row| *row < end));
        rows = rest;
        if let (Some(first), Some(last)) = (here.first(), here.last()) {
            let is_run = (last - first) as usize + 1 == here.len();
            write(if is_run {
                batch.slice((first - start) as usize, here.len())
            } else {
                let indices = UInt32Array::from_iter_values(here.iter().map(|row| row - start));
                take_record_batch(batch, &indices).map_err(FilesError::arrow("gather the rows of a partition"))?
            })?;
        }
        start = end;
    }
    Ok(())
}

/// A Parquet file being written to memory.
pub(super) struct ParquetBuffer(ArrowWriter<Vec<u8>>);

impl ParquetBuffer {
    pub(super) fn new(schema: ArrowSchemaRef, properties: WriterProperties) -> Result<Self, FilesError> {
        Self::with_capacity(schema, properties, 0)
    }

    /// Room for `bytes` is made at once: a large file that grows by doubling needs its memory twice.
    pub(super) fn with_capacity(
        schema: ArrowSchemaRef,
        properties: WriterProperties,
        bytes: usize,
    ) -> Result<Self, FilesError> {
        // Readers shall see plain columns, not the dictionaries in which rows happened to arrive.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true)
            .with_schema_root("table".to_owned());
        ArrowWriter::try_new_with_options(Vec::with_capacity(bytes), schema, options)
            .map(ParquetBuffer)
            .map_err(FilesError::parquet("start a Parquet file"))
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), FilesError> {
        self.0.write(batch).map_err(FilesError::parquet("encode rows as Parquet"))
    }

    /// Bytes written, and those of the row group under way.
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes_written() + self.0.in_progress_size()
    }

    pub(super) fn finish(mut self) -> Result<(Bytes, ParquetMetaData), FilesError> {
        let metadata = self.0.finish().map_err(FilesError::parquet("finish a Parquet file"))?;
        Ok((Bytes::from(std::mem::take(self.0.inner_mut())), metadata))
    }
}

#[cfg(test)]
mod tests;
