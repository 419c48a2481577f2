use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use iceberg::arrow::type_to_arrow_type;
use iceberg::spec::{NestedField, PartitionSpecRef, PrimitiveType, SchemaRef, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};

use super::error::FilesError;
use super::partition::Partitioner;

/// Uncompressed bytes after which a page ends.
const PAGE_BYTES: usize = 1 << 20;
/// Rows after which a page ends, for columns that the dictionary makes tiny.
const PAGE_ROWS: usize = 1 << 18;
/// Rows that a column writer takes between two looks at the size of its page.
const WRITE_BATCH_ROWS: usize = 8192;
/// Bytes of text kept in Parquet's own statistics: sixteen characters of up to four bytes, from which the Iceberg
/// bounds are cut.
const STATISTICS_BYTES: usize = 64;

/// How data files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// Most rows in one row group.
    pub row_group_rows: usize,
    /// Level of zstd, 1 to 22.
    pub compression_level: i32,
    /// Columns whose dictionary encoding is fixed; the others are decided by a sample of their values.
    pub dictionary: BTreeMap<String, bool>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { row_group_rows: 1 << 20, compression_level: 1, dictionary: BTreeMap::new() }
    }
}

/// What the data files of one table schema look like; built once and used for many.
#[derive(Debug)]
pub struct FileLayout {
    pub(super) schema: SchemaRef,
    pub(super) arrow: ArrowSchemaRef,
    pub(super) spec: PartitionSpecRef,
    pub(super) partitioner: Partitioner,
    pub(super) settings: FileSettings,
    compression: Compression,
}

impl FileLayout {
    /// The layout of the data files of `schema`, split by `spec`.
    pub fn new(schema: SchemaRef, spec: PartitionSpecRef, settings: FileSettings) -> Result<Self, FilesError> {
        let level = ZstdLevel::try_new(settings.compression_level).map_err(|_| FilesError::Setting {
            name: "compression_level",
            value: i64::from(settings.compression_level),
            allowed: "must be from 1 to 22",
        })?;
        if settings.row_group_rows == 0 {
            return Err(FilesError::Setting { name: "row_group_rows", value: 0, allowed: "must be at least 1" });
        }
        let arrow = Arc::new(file_arrow_schema(schema.as_struct().fields())?);
        let partitioner = Partitioner::new(&spec, &schema)?;
        Ok(Self { schema, arrow, spec, partitioner, settings, compression: Compression::ZSTD(level) })
    }

    /// The Iceberg schema of the files.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The partition spec of the files.
    pub fn spec(&self) -> &PartitionSpecRef {
        &self.spec
    }

    /// Properties for a Parquet writer; dictionaries are set by the encoder, which has seen the values.
    pub(super) fn writer_properties(&self) -> WriterPropertiesBuilder {
        base_properties(self.compression)
            .set_max_row_group_row_count(Some(self.settings.row_group_rows))
            .set_statistics_truncate_length(Some(STATISTICS_BYTES))
    }
}

/// Properties that all Parquet files written here share: pages that every reader knows, statistics by chunk.
pub(super) fn base_properties(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(WRITE_BATCH_ROWS)
        .set_created_by(concat!("sluice ", env!("CARGO_PKG_VERSION")).to_owned())
}

/// The Arrow schema of a file with these fields, field ids in the metadata.
fn file_arrow_schema(fields: &[Arc<NestedField>]) -> Result<ArrowSchema, FilesError> {
    let fields = fields.iter().map(|field| arrow_field(field)).collect::<Result<Vec<_>, _>>()?;
    Ok(ArrowSchema::new(fields))
}

/// The Arrow field in which a column travels, its field id in the metadata.
pub(super) fn arrow_field(field: &NestedField) -> Result<Field, FilesError> {
    let data_type = match field.field_type.as_ref() {
        Type::Primitive(PrimitiveType::Binary) => DataType::Binary,
        primitive @ Type::Primitive(_) => type_to_arrow_type(primitive)
            .map_err(FilesError::iceberg(format!("find the Arrow type of column `{}`", field.name)))?,
        nested => {
            return Err(FilesError::NestedColumn { column: field.name.clone(), found: nested.to_string() });
        }
    };
    let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), field.id.to_string())]);
    Ok(Field::new(&field.name, data_type, !field.required).with_metadata(id))
}
