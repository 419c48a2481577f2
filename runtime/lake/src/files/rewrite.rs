use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use iceberg::spec::{NestedFieldRef, PartitionSpec, SchemaRef, Struct};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::bounds::BoundLength;
use super::dictionary::dictionary_pays;
use super::encode::{EncodedDataFile, ParquetBuffer};
use super::error::FilesError;
use super::layout::{FileLayout, FileSettings};
use super::lineage::LINEAGE_FIELDS;
use super::metrics::{FileMetrics, count_nans};
use super::scan_columns::ScanColumn;

/// What the files of a rewrite have in common: they share one partition value and may have row ids among their columns.
#[derive(Debug)]
pub struct RewriteLayout {
    layout: FileLayout,
    partition: Struct,
    spec_id: i32,
    sort_order: Option<i32>,
    columns: Vec<ScanColumn>,
    written: ArrowSchemaRef,
    /// Whether the last two columns are those of row lineage.
    lineage: bool,
}

impl RewriteLayout {
    /// Files of `schema` for one partition value of one spec; `lineage`: with the columns of row lineage.
    pub fn new(
        schema: SchemaRef,
        settings: FileSettings,
        (spec_id, partition): (i32, Struct),
        sort_order: Option<i32>,
        lineage: bool,
    ) -> Result<Self, FilesError> {
        // The partition value is known, so nothing is to be computed from the columns of its spec.
        let layout = FileLayout::new(schema, Arc::new(PartitionSpec::unpartition_spec()), settings)?;
        let lineage_fields: &[NestedFieldRef] = if lineage { LINEAGE_FIELDS.as_slice() } else { &[] };
        let fields = layout.schema().as_struct().fields().iter().chain(lineage_fields);
        let columns = fields.map(|field| ScanColumn::new(field)).collect::<Result<Vec<_>, _>>()?;
        let written = ArrowSchema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>());
        Ok(Self { layout, partition, spec_id, sort_order, columns, written: Arc::new(written), lineage })
    }

    /// The columns to read from the files that are rewritten, in the order in which they are written.
    pub fn columns(&self) -> &[ScanColumn] {
        &self.columns
    }

    /// The same columns as an Arrow schema.
    pub fn arrow_schema(&self) -> &ArrowSchemaRef {
        &self.written
    }

    /// Whether the last two columns are those of row lineage.
    pub fn lineage(&self) -> bool {
        self.lineage
    }

    /// The schema of the files, row lineage left out.
    pub fn schema(&self) -> &SchemaRef {
        self.layout.schema()
    }

    fn properties(&self, sample: &RecordBatch) -> WriterProperties {
        let mut properties = self.layout.writer_properties();
        let sample = std::slice::from_ref(sample);
        for (column, field) in self.written.fields().iter().enumerate() {
            let wanted = self.layout.settings.dictionary.get(field.name()).copied();
            let enabled = wanted.unwrap_or_else(|| dictionary_pays(sample, column));
            properties = properties.set_column_dictionary_enabled(ColumnPath::new(vec![field.name().clone()]), enabled);
        }
        properties.build()
    }
}

/// Encodes one data file out of batches as they come.
pub struct DataFileWriter {
    layout: Arc<RewriteLayout>,
    writer: ParquetBuffer,
    nans: HashMap<i32, u64>,
    rows: u64,
}

impl DataFileWriter {
    /// A file about `bytes` long; the rows of `sample` say what suits their columns.
    pub fn new(layout: Arc<RewriteLayout>, sample: &RecordBatch, bytes: usize) -> Result<Self, FilesError> {
        let schema = Arc::clone(&layout.written);
        let writer = ParquetBuffer::with_capacity(schema, layout.properties(sample), bytes)?;
        Ok(Self { layout, writer, nans: HashMap::new(), rows: 0 })
    }

    /// Adds rows, in the columns of the layout.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FilesError> {
        count_nans(batch, self.layout.schema().as_struct().fields(), &mut self.nans);
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that the file would have if it ended here, about.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes() as u64
    }

    /// The file.
    pub fn finish(self) -> Result<EncodedDataFile, FilesError> {
        let Self { layout, writer, nans, .. } = self;
        let (bytes, metadata) = writer.finish()?;
        let fields = layout.schema().as_struct().fields();
        Ok(EncodedDataFile {
            bytes,
            partition: layout.partition.clone(),
            record_count: metadata.file_metadata().num_rows().max(0) as u64,
            metrics: FileMetrics::new(&metadata, fields, nans, BoundLength::Short),
            rows: None,
            spec_id: layout.spec_id,
            sort_order: layout.sort_order,
        })
    }
}

impl std::fmt::Debug for DataFileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFileWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}
