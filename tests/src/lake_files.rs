//! A reader of Iceberg tables that shares nothing with the product but the `iceberg` crate's file formats.
//!
//! It reads what the current snapshot says, file by file, and is there to check often; PyIceberg and Spark check at the
//! end.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, TimeUnit};
use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, Manifest, ManifestList, PrimitiveType, SnapshotRef, TableMetadata, Type,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringTreemap;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::datum::Datum;
use crate::table::{Row, TableRows};

/// The name under which the tables are in the catalog file.
pub const CATALOG_NAME: &str = "sluice";

/// Bytes at a location.
pub type Load<'a> = &'a dyn Fn(&str) -> Bytes;

/// Reads a local file at a `file:///` location, which Java writes `file:/`.
pub fn load_local(location: &str) -> Bytes {
    let path = location.strip_prefix("file:").map_or(location, |path| path.strip_prefix("//").unwrap_or(path));
    Bytes::from(fs::read(path).unwrap_or_else(|error| panic!("the table refers to {path}: {error}")))
}

/// Where the metadata of a table lies, by a SQLite catalog; `None` where there is no such table.
pub fn metadata_location(catalog: &Path, namespace: &str, table: &str) -> Option<String> {
    if !catalog.exists() {
        return None;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(catalog, flags).expect("the catalog opens");
    connection.busy_timeout(std::time::Duration::from_secs(20)).expect("a timeout can be set");
    let found = connection
        .query_row(
            "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
            [CATALOG_NAME, namespace, table],
            |row| row.get(0),
        )
        .optional();
    match found {
        // The file is there before the catalog in it is.
        Err(error) if error.to_string().contains("no such table") => None,
        found => found.expect("the catalog can be read"),
    }
}

/// The metadata of a table in a SQLite catalog.
pub fn metadata(catalog: &Path, namespace: &str, table: &str) -> Option<TableMetadata> {
    let location = metadata_location(catalog, namespace, table)?;
    Some(serde_json::from_slice(&load_local(&location)).expect("the metadata reads"))
}

/// The number below which a table holds every record, by the newest snapshot of its branch that tells it, else by its
/// properties.
pub fn next_sequence(metadata: &TableMetadata) -> Option<u64> {
    const KEY: &str = "sluice.next-sequence";
    let parent = |snapshot: &&SnapshotRef| metadata.snapshot_by_id(snapshot.parent_snapshot_id()?);
    let mut branch = std::iter::successors(metadata.current_snapshot(), parent);
    let told = branch.find_map(|snapshot| snapshot.summary().additional_properties.get(KEY));
    told.or_else(|| metadata.properties().get(KEY)).map(|text| text.parse().expect("a number"))
}

/// All rows of a table in a SQLite catalog; no rows where there is no such table.
pub fn read(catalog: &Path, namespace: &str, table: &str) -> TableRows {
    metadata(catalog, namespace, table).map(|metadata| rows(&metadata, &load_local)).unwrap_or_default()
}

/// All rows of the current snapshot.
pub fn rows(metadata: &TableMetadata, load: Load<'_>) -> TableRows {
    let fields = metadata.current_schema().as_struct().fields();
    let mut found = TableRows {
        columns: fields.iter().map(|field| field.name.clone()).collect(),
        rows: Vec::new(),
        snapshots: metadata.snapshots().len(),
    };
    let (data, deletes) = live_files(metadata, load);
    let deleted = deleted_positions(&deletes, load);
    let nothing = RoaringTreemap::new();
    for file in &data {
        let deleted = deleted.get(file.file_path()).unwrap_or(&nothing);
        let before = found.rows.len();
        read_data_file(metadata, file, deleted, load, &mut found.rows);
        let expected = file.record_count() - deleted.len();
        assert_eq!((found.rows.len() - before) as u64, expected, "records of {}", file.file_path());
    }
    found
}

/// The live data files and delete files of the current snapshot.
pub fn live_files(metadata: &TableMetadata, load: Load<'_>) -> (Vec<DataFile>, Vec<DataFile>) {
    let (mut data, mut deletes) = (Vec::new(), Vec::new());
    let Some(snapshot) = metadata.current_snapshot() else { return (data, deletes) };
    let list = ManifestList::parse_with_version(&load(snapshot.manifest_list()), metadata.format_version())
        .expect("the manifest list reads");
    for manifest in list.entries() {
        let manifest = Manifest::parse_avro(&load(&manifest.manifest_path)).expect("the manifest reads");
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            let file = entry.data_file().clone();
            match file.content_type() {
                DataContentType::Data => data.push(file),
                DataContentType::PositionDeletes => deletes.push(file),
                DataContentType::EqualityDeletes => panic!("there are no equality deletes: {}", file.file_path()),
            }
        }
    }
    (data, deletes)
}

fn deleted_positions(deletes: &[DataFile], load: Load<'_>) -> HashMap<String, RoaringTreemap> {
    let mut deleted: HashMap<String, RoaringTreemap> = HashMap::new();
    for file in deletes {
        if file.file_format() == DataFileFormat::Puffin {
            let target = file.referenced_data_file().expect("a deletion vector names its data file");
            let vector = deletion_vector(file, load);
            assert_eq!(vector.len(), file.record_count(), "cardinality of {}", file.file_path());
            let twice = deleted.insert(target.clone(), vector);
            assert!(twice.is_none(), "two deletion vectors for {target}");
        } else {
            for batch in batches(&load(file.file_path())) {
                let (paths, positions) =
                    (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
                for (path, position) in paths.iter().zip(positions.iter()) {
                    let (path, position) = (path.expect("a path"), position.expect("a position"));
                    let position = u64::try_from(position).expect("a position");
                    deleted.entry(path.to_owned()).or_default().insert(position);
                }
            }
        }
    }
    deleted
}

/// Puffin specification, `deletion-vector-v1`: length, magic, bitmap, checksum.
fn deletion_vector(file: &DataFile, load: Load<'_>) -> RoaringTreemap {
    let number = |number: Option<i64>| usize::try_from(number.expect("where the vector lies")).expect("an offset");
    let start = number(file.content_offset());
    let blob = load(file.file_path()).slice(start..start + number(file.content_size_in_bytes()));
    assert_eq!(&blob[4..8], [0xD1, 0xD3, 0x39, 0x64], "magic of {}", file.file_path());
    RoaringTreemap::deserialize_from(&blob[8..blob.len() - 4]).expect("the bitmap reads")
}

fn batches(bytes: &Bytes) -> Vec<RecordBatch> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).and_then(ParquetRecordBatchReaderBuilder::build);
    reader.expect("the Parquet file opens").map(|batch| batch.expect("the Parquet file reads")).collect()
}

fn read_data_file(
    metadata: &TableMetadata,
    file: &DataFile,
    deleted: &RoaringTreemap,
    load: Load<'_>,
    rows: &mut Vec<Row>,
) {
    let mut position = 0_u64;
    for batch in batches(&load(file.file_path())) {
        let schema = batch.schema();
        let columns: Vec<Option<Column>> = metadata
            .current_schema()
            .as_struct()
            .fields()
            .iter()
            .map(|wanted| {
                // Other columns are not ours, and nothing is said of their values.
                let Type::Primitive(primitive) = wanted.field_type.as_ref() else { return None };
                let place = schema.fields().iter().position(|field| field_id(field) == wanted.id)?;
                Some(Column::new(batch.column(place), primitive))
            })
            .collect();
        for row in 0..batch.num_rows() {
            if !deleted.contains(position) {
                rows.push(columns.iter().map(|column| column.as_ref()?.text(row)).collect());
            }
            position += 1;
        }
    }
}

/// The rows of a batch in canonical text.
pub fn texts(batch: &RecordBatch) -> Vec<Row> {
    let columns: Vec<Column> =
        batch.columns().iter().map(|array| Column { array: array.clone(), widened: false }).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.text(row)).collect()).collect()
}

fn field_id(field: &Field) -> i32 {
    let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY).expect("every column has a field id");
    id.parse().expect("a field id is a number")
}

/// One column of a batch, whose values become canonical text.
struct Column {
    array: ArrayRef,
    /// The file was written before the column was promoted from float to double.
    widened: bool,
}

impl Column {
    fn new(array: &ArrayRef, wanted: &PrimitiveType) -> Self {
        let widened = *wanted == PrimitiveType::Double && *array.data_type() == DataType::Float32;
        Self { array: array.clone(), widened }
    }

    fn text(&self, row: usize) -> Option<String> {
        let array = self.array.as_ref();
        if array.is_null(row) {
            return None;
        }
        let datum = match array.data_type() {
            DataType::Boolean => Datum::Boolean(array.as_boolean().value(row)),
            DataType::Int32 => Datum::Int(array.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => Datum::Long(array.as_primitive::<Int64Type>().value(row)),
            DataType::Float32 if self.widened => {
                Datum::Double(f64::from(array.as_primitive::<Float32Type>().value(row)))
            }
            DataType::Float32 => Datum::Float(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Datum::Double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, scale) => Datum::Decimal(
                array.as_primitive::<Decimal128Type>().value(row),
                u8::try_from(*scale).expect("Iceberg has no negative scale"),
            ),
            DataType::Date32 => Datum::Date(array.as_primitive::<Date32Type>().value(row)),
            DataType::Time64(TimeUnit::Microsecond) => {
                Datum::Time(array.as_primitive::<Time64MicrosecondType>().value(row))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Datum::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            DataType::Utf8 => Datum::String(array.as_string::<i32>().value(row).to_owned()),
            DataType::Binary => Datum::Binary(array.as_binary::<i32>().value(row).to_owned()),
            other => panic!("{other} is no type of ours"),
        };
        Some(datum.canonical())
    }
}
