use std::collections::HashMap;

use arrow_array::{
    Array, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_select::concat::concat_batches;
use iceberg::spec::{Literal, NestedField, PartitionSpec, PrimitiveType, Schema, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::encode::{ParquetBuffer, encode_data_files};
use super::super::layout::{FileLayout, FileSettings};
use super::*;

/// A file with these columns; a column with an id above 0 carries it.
fn file(columns: Vec<(&str, i32, ArrayRef)>, row_group_rows: usize) -> Bytes {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, id, array)| {
            let field = Field::new(*name, array.data_type().clone(), true);
            match id {
                0 => field,
                id => field.with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())])),
            }
        })
        .collect();
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut writer = ParquetBuffer::new(batch.schema(), properties).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap().0
}

fn column(id: i32, name: &str, kind: PrimitiveType) -> ScanColumn {
    ScanColumn::new(&NestedField::optional(id, name, Type::Primitive(kind))).unwrap()
}

/// All rows of a scan, with the positions of its batches checked.
fn read(file: &Bytes, columns: Vec<ScanColumn>, batch_rows: usize) -> Result<RecordBatch, FilesError> {
    let scan = ParquetScan::new(file.len() as u64, columns, batch_rows)?;
    let schema = Arc::clone(&scan.schema);
    let mut batches = Vec::new();
    let mut rows = 0;
    scan.read_all(file, |first_position, batch| {
        assert_eq!(first_position, rows);
        assert!(batch.num_rows() <= batch_rows);
        rows += batch.num_rows() as u64;
        batches.push(batch);
        Ok(())
    })?;
    Ok(concat_batches(&schema, &batches).unwrap())
}

#[test]
fn a_file_written_before_the_schema_changed_is_read_as_of_now() {
    let count = 2500;
    let decimals =
        Decimal128Array::from_iter_values((0..count).map(i128::from)).with_precision_and_scale(5, 2).unwrap();
    let old = file(
        vec![
            ("id", 1, Arc::new(Int32Array::from_iter_values(0..count as i32)) as _),
            ("old_name", 2, Arc::new(StringArray::from_iter_values((0..count).map(|row| row.to_string()))) as _),
            ("ratio", 3, Arc::new(Float32Array::from_iter_values((0..count).map(|row| row as f32))) as _),
            ("amount", 4, Arc::new(decimals) as _),
            ("day", 5, Arc::new(Date32Array::from_iter_values(0..count as i32)) as _),
        ],
        1000,
    );
    let columns = vec![
        column(9, "added", PrimitiveType::String),
        column(4, "amount", PrimitiveType::Decimal { precision: 20, scale: 2 }),
        column(1, "id", PrimitiveType::Long),
        column(3, "ratio", PrimitiveType::Double),
        column(2, "new_name", PrimitiveType::String),
        column(5, "day", PrimitiveType::Timestamp),
    ];
    let rows = read(&old, columns, 700).unwrap();
    assert_eq!(rows.num_rows(), count as usize);
    assert_eq!(rows.column(0).null_count(), count as usize);
    assert_eq!(rows.column(1).data_type(), &DataType::Decimal128(20, 2));
    assert_eq!(rows.column(2).as_ref(), &Int64Array::from_iter_values(0..count) as &dyn Array);
    let ratios = Float64Array::from_iter_values((0..count).map(|row| row as f64));
    assert_eq!(rows.column(3).as_ref(), &ratios as &dyn Array);
    let names = StringArray::from_iter_values((0..count).map(|row| row.to_string()));
    assert_eq!(rows.column(4).as_ref(), &names as &dyn Array);
    let days = TimestampMicrosecondArray::from_iter_values((0..count).map(|row| row * 86_400_000_000));
    assert_eq!(rows.column(5).as_ref(), &days as &dyn Array);
}

#[test]
fn a_file_without_field_ids_is_read_by_name_and_one_with_ids_is_not() {
    let values = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let wanted = || vec![column(7, "b", PrimitiveType::Long)];
    let plain = file(vec![("a", 0, values()), ("b", 0, values())], 10);
    assert_eq!(read(&plain, wanted(), 10).unwrap().column(0).null_count(), 0);
    let with_ids = file(vec![("a", 7, Arc::new(Int64Array::from(vec![8, 9])) as _), ("b", 1, values())], 10);
    let rows = read(&with_ids, wanted(), 10).unwrap();
    assert_eq!(rows.column(0).as_ref(), &Int64Array::from(vec![8, 9]) as &dyn Array);
}

#[test]
fn a_file_with_none_of_the_columns_still_has_its_rows() {
    let old = file(vec![("a", 1, Arc::new(Int64Array::from_iter_values(0..25)) as _)], 10);
    let mut added = NestedField::optional(2, "b", Type::Primitive(PrimitiveType::Date));
    added.initial_default = Some(Literal::date(77));
    let columns = vec![ScanColumn::new(&added).unwrap(), column(3, "c", PrimitiveType::Int)];
    let rows = read(&old, columns, 8).unwrap();
    assert_eq!(rows.column(0).as_ref(), &Date32Array::from(vec![77; 25]) as &dyn Array);
    assert_eq!(rows.column(1).null_count(), 25);
    assert_eq!(read(&old, Vec::new(), 8).unwrap().num_rows(), 25);
}

#[test]
fn defaults_of_every_kind_become_values() {
    let cases = [
        (PrimitiveType::Boolean, Literal::bool(true)),
        (PrimitiveType::Int, Literal::int(1)),
        (PrimitiveType::Long, Literal::long(1)),
        (PrimitiveType::Float, Literal::float(1.5)),
        (PrimitiveType::Double, Literal::double(1.5)),
        (PrimitiveType::Decimal { precision: 38, scale: 5 }, Literal::decimal(-17)),
        (PrimitiveType::Date, Literal::date(3)),
        (PrimitiveType::Time, Literal::time(4)),
        (PrimitiveType::Timestamp, Literal::timestamp(5)),
        (PrimitiveType::Timestamptz, Literal::timestamptz(6)),
        (PrimitiveType::String, Literal::string("x")),
        (PrimitiveType::Binary, Literal::binary(vec![1, 2])),
        (PrimitiveType::Uuid, Literal::uuid(uuid::Uuid::from_u128(9))),
    ];
    for (kind, literal) in cases {
        let kind = Type::Primitive(kind);
        let field = NestedField::optional(1, "c", kind.clone()).with_initial_default(literal.clone());
        let missing = ScanColumn::new(&field).unwrap().missing;
        let read = iceberg::arrow::arrow_primitive_to_literal(&missing, &kind).unwrap();
        assert_eq!(read, [Some(literal)], "{kind}");
    }
}

#[test]
fn only_the_bytes_of_the_wanted_columns_are_asked_for() {
    let count = 60_000_i64;
    let noise = |seed: i64| {
        let values = (0..count).map(|row| (row + seed).wrapping_mul(6_364_136_223_846_793_005) ^ (row << 7));
        Arc::new(Int64Array::from_iter_values(values)) as ArrayRef
    };
    let big = file(vec![("a", 1, noise(1)), ("b", 2, noise(2)), ("c", 3, noise(3))], 20_000);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&big).unwrap();
    let mut scan = ParquetScan::new(big.len() as u64, vec![column(2, "b", PrimitiveType::Long)], 8192).unwrap();
    let mut asked = Vec::new();
    let mut rows = 0;
    loop {
        match scan.step().unwrap() {
            Step::Need(ranges) => {
                asked.extend(ranges.clone());
                let part = |range: Range<u64>| (range.clone(), big.slice(range.start as usize..range.end as usize));
                scan.supply(ranges.into_iter().map(part).collect()).unwrap();
            }
            Step::Batch { batch, .. } => rows += batch.num_rows(),
            Step::End => break,
        }
    }
    assert_eq!(rows, count as usize);
    let tail = big.len() as u64 - TAIL_BYTES..big.len() as u64;
    assert_eq!(asked.remove(0), tail);
    let chunks: Vec<_> = metadata.row_groups().iter().map(|group| group.column(1).byte_range()).collect();
    for range in &asked {
        let inside = chunks.iter().any(|(start, length)| range.start >= *start && range.end <= start + length);
        assert!(inside, "{range:?} is not of column b");
    }
    assert!(asked.len() >= 2);
}

#[test]
fn what_was_encoded_here_is_read_here() {
    let field = |id, name: &str, kind| Arc::new(NestedField::optional(id, name, Type::Primitive(kind)));
    let fields = [field(1, "at", PrimitiveType::Timestamptz), field(2, "data", PrimitiveType::Binary)];
    let schema = Arc::new(Schema::builder().with_fields(fields).build().unwrap());
    let spec = Arc::new(PartitionSpec::unpartition_spec());
    let layout = FileLayout::new(schema, spec, FileSettings::default()).unwrap();
    let times = TimestampMicrosecondArray::from(vec![Some(-1), None]).with_timezone("+00:00");
    let data = arrow_array::BinaryArray::from(vec![None, Some(b"x".as_slice())]);
    let rows = RecordBatch::try_new(Arc::clone(&layout.arrow), vec![Arc::new(times), Arc::new(data)]).unwrap();
    let files = encode_data_files(&layout, std::slice::from_ref(&rows)).unwrap();
    let columns = layout.schema().as_struct().fields().iter().map(|field| ScanColumn::new(field).unwrap()).collect();
    assert_eq!(read(&files[0].bytes, columns, 10).unwrap(), rows);
}

#[test]
fn old_spark_timestamps_are_read_far_beyond_the_years_of_nanoseconds() {
    let message = parse_message_type("message spark_schema { optional int96 at; }").unwrap();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(message), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column_writer = group.next_column().unwrap().unwrap();
    // Julian day 5,373,484 is 9999-12-31.
    let value = Int96::from(vec![1_000_000, 0, 5_373_484]);
    column_writer.typed::<Int96Type>().write_batch(&[value], Some(&[1]), None).unwrap();
    column_writer.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let rows = read(&Bytes::from(bytes), vec![column(1, "at", PrimitiveType::Timestamptz)], 10).unwrap();
    let expected = TimestampMicrosecondArray::from(vec![253_402_214_400_001_000]).with_timezone("+00:00");
    assert_eq!(rows.column(0).as_ref(), &expected as &dyn Array);
}

#[test]
fn a_type_that_cannot_be_promoted_is_refused_by_name() {
    let file = file(vec![("a", 1, Arc::new(Int64Array::from(vec![1])) as _)], 10);
    let error = read(&file, vec![column(1, "a", PrimitiveType::Int)], 10).unwrap_err();
    assert!(matches!(&error, FilesError::ColumnType { column, .. } if column == "a"), "{error}");
}

#[test]
fn torn_files_and_wrong_supplies_are_errors() {
    let whole = file(vec![("a", 1, Arc::new(Int64Array::from_iter_values(0..1000)) as _)], 100);
    let wanted = || vec![column(1, "a", PrimitiveType::Long)];
    for end in [0, 11, 12, 100, whole.len() - 9, whole.len() - 1] {
        assert!(read(&whole.slice(..end), wanted(), 100).is_err(), "{end}");
    }
    let mut huge_footer = whole.to_vec();
    let at = huge_footer.len() - 8;
    huge_footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&Bytes::from(huge_footer), wanted(), 100).is_err());
    let mut scan = ParquetScan::new(whole.len() as u64, wanted(), 100).unwrap();
    let Step::Need(ranges) = scan.step().unwrap() else { panic!("bytes are needed") };
    let short = whole.slice(..whole.len() - 1);
    assert!(matches!(scan.supply(vec![(ranges[0].clone(), short)]), Err(FilesError::Supply { .. })));
}

#[test]
fn row_groups_without_wanted_values_are_left_out_and_positions_stay() {
    let ids = Int64Array::from_iter_values((0..1000).map(|row| row / 2));
    let names = StringArray::from_iter_values((0..1000).map(|row| format!("{row:04}")));
    let file = file(vec![("id", 1, Arc::new(ids) as _), ("name", 2, Arc::new(names) as _)], 100);
    let columns = || vec![column(1, "id", PrimitiveType::Long), column(2, "name", PrimitiveType::String)];
    let found = |filter: GroupFilter| {
        let scan = ParquetScan::new(file.len() as u64, columns(), 30).unwrap().with_groups(filter);
        let mut rows = Vec::new();
        scan.read_all(&file, |first, batch| {
            let names = batch.column(1).as_any().downcast_ref::<StringArray>().unwrap();
            for (position, name) in (first..).zip(names) {
                assert_eq!(name, Some(format!("{position:04}").as_str()));
                rows.push(position);
            }
            Ok(())
        })
        .unwrap();
        rows
    };
    let groups = |numbers: &[u64]| numbers.iter().flat_map(|n| n * 100..n * 100 + 100).collect::<Vec<_>>();
    assert_eq!(found(GroupFilter::Numbers(1, 75, 120)), groups(&[1, 2]));
    assert_eq!(found(GroupFilter::Numbers(1, 49, 50)), groups(&[0, 1]));
    assert_eq!(found(GroupFilter::Numbers(1, 500, i64::MAX)), groups(&[]));
    assert_eq!(found(GroupFilter::Text(2, "0850".into(), None)), groups(&[8, 9]));
    assert_eq!(found(GroupFilter::Text(2, "".into(), Some("0099".into()))), groups(&[0]));
    let either = vec![GroupFilter::Numbers(1, 0, 0), GroupFilter::Text(2, "0710".into(), Some("0711".into()))];
    assert_eq!(found(GroupFilter::AnyOf(either)), groups(&[0, 7]));
    // Nor are numbers compared that count in other units.
    let millis = arrow_array::TimestampMillisecondArray::from_iter_values(1 << 31..(1 << 31) + 10);
    let foreign = super::tests::file(vec![("at", 3, Arc::new(millis) as _)], 5);
    let at = column(3, "at", PrimitiveType::Timestamp);
    let scan = ParquetScan::new(foreign.len() as u64, vec![at], 30).unwrap();
    let mut rows = 0;
    scan.with_groups(GroupFilter::Numbers(3, 1 << 40, 1 << 50))
        .read_all(&foreign, |_, batch| {
            rows += batch.num_rows();
            Ok(())
        })
        .unwrap();
    assert_eq!(rows, 10);
    // A column that the file does not have leaves nothing out.
    assert_eq!(found(GroupFilter::Numbers(7, 1, 1)).len(), 1000);
    assert_eq!(found(GroupFilter::All).len(), 1000);
}
