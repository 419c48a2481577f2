use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, NestedField, NestedFieldRef, PrimitiveType, Type,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::basic::{Compression, ZstdLevel};
use parquet::schema::types::ColumnPath;
use roaring::RoaringBitmap;

use super::bounds::BoundLength;
use super::encode::{ParquetBuffer, build_entry};
use super::error::FilesError;
use super::layout::base_properties;
use super::metrics::FileMetrics;
use super::scan::ParquetScan;
use super::scan_columns::ScanColumn;

/// Reserved field id of the path of the data file (Iceberg specification, "Reserved Field IDs").
const FILE_PATH_ID: i32 = 2_147_483_546;
/// Reserved field id of the position of the deleted row.
const POSITION_ID: i32 = 2_147_483_545;
/// Rows handed to the writer, or taken from the reader, at a time.
const CHUNK_ROWS: usize = 64 << 10;

static FIELDS: LazyLock<[NestedFieldRef; 2]> = LazyLock::new(|| {
    let path = NestedField::required(FILE_PATH_ID, "file_path", Type::Primitive(PrimitiveType::String));
    let position = NestedField::required(POSITION_ID, "pos", Type::Primitive(PrimitiveType::Long));
    [Arc::new(path), Arc::new(position)]
});

/// A position-delete file of one data file in memory, ready to be stored.
#[derive(Debug, Clone)]
pub struct EncodedPositionDeletes {
    /// The file.
    pub bytes: Bytes,
    /// Path of the data file whose rows it deletes.
    pub data_file: String,
    /// Number of rows that it deletes.
    pub record_count: u64,
    metrics: FileMetrics,
}

impl EncodedPositionDeletes {
    /// The manifest entry of this file, once it is stored at `path`.
    ///
    /// `data_file` is the entry of the file whose rows it deletes, `spec_id` the partition spec of that file.
    pub fn into_data_file(self, path: String, data_file: &DataFile, spec_id: i32) -> Result<DataFile, FilesError> {
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::PositionDeletes)
            .file_path(path)
            .file_format(DataFileFormat::Parquet)
            .partition(data_file.partition().clone())
            .partition_spec_id(spec_id)
            .record_count(self.record_count)
            .file_size_in_bytes(self.bytes.len() as u64)
            .referenced_data_file(Some(self.data_file));
        self.metrics.fill(&mut builder);
        build_entry(&builder)
    }
}

/// Encodes the deleted rows of one data file as a Parquet position-delete file (format version 2).
pub fn encode_position_deletes(
    data_file: &str,
    positions: &RoaringBitmap,
) -> Result<EncodedPositionDeletes, FilesError> {
    let level = ZstdLevel::try_new(1).map_err(FilesError::parquet("set the compression of a position-delete file"))?;
    // Bounds must carry the whole path: a reader plans a delete file with a cut path on every data file.
    let properties = base_properties(Compression::ZSTD(level))
        .set_statistics_truncate_length(None)
        .set_column_dictionary_enabled(ColumnPath::new(vec!["pos".to_owned()]), false)
        .build();
    let schema = written_schema();
    let mut writer = ParquetBuffer::new(Arc::clone(&schema), properties)?;
    let path: Arc<StringArray> = Arc::new(StringArray::from_iter_values([data_file]));
    let mut rest = positions.iter();
    loop {
        let chunk: Vec<i64> = rest.by_ref().take(CHUNK_ROWS).map(i64::from).collect();
        if chunk.is_empty() {
            break;
        }
        let keys = Int32Array::from(vec![0; chunk.len()]);
        let paths = DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&path) as _);
        let batch = paths.and_then(|paths| {
            let columns = vec![Arc::new(paths) as _, Arc::new(Int64Array::from(chunk)) as _];
            RecordBatch::try_new(Arc::clone(&schema), columns)
        });
        writer.write(&batch.map_err(FilesError::arrow("lay out deleted positions"))?)?;
    }
    let (bytes, metadata) = writer.finish()?;
    let metrics = FileMetrics::new(&metadata, FIELDS.as_slice(), HashMap::new(), BoundLength::Whole);
    Ok(EncodedPositionDeletes { bytes, data_file: data_file.to_owned(), record_count: positions.len(), metrics })
}

/// The schema in which deletes go to the writer: the path as a dictionary of one.
fn written_schema() -> ArrowSchemaRef {
    let field = |name: &str, data_type: DataType, id: i32| {
        let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
        Field::new(name, data_type, false).with_metadata(id)
    };
    let path_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(ArrowSchema::new(vec![
        field("file_path", path_type, FILE_PATH_ID),
        field("pos", DataType::Int64, POSITION_ID),
    ]))
}

/// Adds the rows that a position-delete file deletes to `into`, by the path of their data file.
///
/// The file may come from any writer and hold deletes of several data files.
pub fn read_position_deletes(file: &Bytes, into: &mut HashMap<String, RoaringBitmap>) -> Result<(), FilesError> {
    let columns = FIELDS.iter().map(|field| ScanColumn::new(field)).collect::<Result<Vec<_>, _>>()?;
    let scan = ParquetScan::new(file.len() as u64, columns, CHUNK_ROWS)?;
    scan.read_all(file, |_, batch| {
        let (Some(paths), Some(positions)) =
            (batch.column(0).as_string_opt::<i32>(), batch.column(1).as_primitive_opt::<Int64Type>())
        else {
            return Err(FilesError::PositionDeletes("its columns `file_path` and `pos` have other types"));
        };
        add_runs(paths, positions, into)
    })
}

/// Adds stretches of rows with the same path at a time.
fn add_runs(
    paths: &StringArray,
    positions: &Int64Array,
    into: &mut HashMap<String, RoaringBitmap>,
) -> Result<(), FilesError> {
    let positions = positions.values();
    let mut start = 0;
    while start < paths.len() {
        let path = paths.value(start);
        let run = (start..paths.len()).take_while(|row| paths.value(*row) == path).count();
        if !into.contains_key(path) {
            into.insert(path.to_owned(), RoaringBitmap::new());
        }
        if let Some(bitmap) = into.get_mut(path) {
            for position in &positions[start..start + run] {
                let narrow = u32::try_from(*position)
                    .map_err(|_| FilesError::Position { file: path.to_owned(), position: *position })?;
                bitmap.insert(narrow);
            }
        }
        start += run;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{Datum, Struct};

    use super::*;

    /// Longer than the 64 bytes after which Parquet cuts statistics by default.
    const DATA_FILE: &str =
        "s3://bucket/warehouse/a-rather-long-namespace/table/data/day=2024-02-29/0123456789abcdef.parquet";

    fn data_file(path: &str) -> DataFile {
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::Data)
            .file_path(path.to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter([Some(iceberg::spec::Literal::int(4))]))
            .record_count(1)
            .file_size_in_bytes(1);
        builder.build().unwrap()
    }

    #[test]
    fn deletes_come_back_and_the_bounds_carry_the_whole_path() {
        let positions: RoaringBitmap = (0..200_000).step_by(3).chain([u32::MAX]).collect();
        let encoded = encode_position_deletes(DATA_FILE, &positions).unwrap();
        let mut read = HashMap::from([("other".to_owned(), RoaringBitmap::from_iter([1]))]);
        read_position_deletes(&encoded.bytes, &mut read).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[DATA_FILE], positions);

        let size = encoded.bytes.len() as u64;
        let entry = encoded.into_data_file("file:///t/d.parquet".to_owned(), &data_file(DATA_FILE), 1).unwrap();
        assert_eq!(entry.content_type(), DataContentType::PositionDeletes);
        assert_eq!((entry.record_count(), entry.file_size_in_bytes()), (positions.len(), size));
        assert_eq!(entry.referenced_data_file().as_deref(), Some(DATA_FILE));
        assert_eq!(entry.lower_bounds()[&FILE_PATH_ID], Datum::string(DATA_FILE));
        assert_eq!(entry.upper_bounds()[&FILE_PATH_ID], Datum::string(DATA_FILE));
        assert_eq!(entry.lower_bounds()[&POSITION_ID], Datum::long(0));
        assert_eq!(entry.upper_bounds()[&POSITION_ID], Datum::long(i64::from(u32::MAX)));
        assert_eq!(entry.partition().fields().len(), 1);
    }

    fn foreign(paths: Vec<&str>, positions: Vec<i64>) -> Bytes {
        let columns = [
            ("file_path", Arc::new(StringArray::from(paths)) as Arc<dyn Array>),
            ("pos", Arc::new(Int64Array::from(positions)) as Arc<dyn Array>),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ParquetBuffer::new(batch.schema(), Default::default()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap().0
    }

    #[test]
    fn a_foreign_file_of_several_data_files_without_field_ids_is_read() {
        let file = foreign(vec!["a", "a", "b", "a"], vec![4, 2, 9, 7]);
        let mut read = HashMap::new();
        read_position_deletes(&file, &mut read).unwrap();
        assert_eq!(read["a"], RoaringBitmap::from_iter([2, 4, 7]));
        assert_eq!(read["b"], RoaringBitmap::from_iter([9]));
    }

    #[test]
    fn a_position_out_of_range_is_refused_with_its_file() {
        for position in [-1, 1 << 32] {
            let error = read_position_deletes(&foreign(vec!["a"], vec![position]), &mut HashMap::new()).unwrap_err();
            assert!(matches!(&error, FilesError::Position { file, .. } if file == "a"), "{error}");
        }
    }

    #[test]
    fn a_file_with_other_columns_or_torn_is_refused() {
        let batch = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as Arc<dyn Array>)]).unwrap();
        let mut writer = ParquetBuffer::new(batch.schema(), Default::default()).unwrap();
        writer.write(&batch).unwrap();
        let (bytes, _) = writer.finish().unwrap();
        assert!(read_position_deletes(&bytes, &mut HashMap::new()).is_err());
        for end in [0, 5, bytes.len() - 1] {
            assert!(read_position_deletes(&bytes.slice(..end), &mut HashMap::new()).is_err());
        }
    }
}
