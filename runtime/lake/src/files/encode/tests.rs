use std::collections::BTreeSet;

use arrow_array::types::Int32Type;
use arrow_array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::Field;
use arrow_select::concat::concat_batches;
use iceberg::arrow::arrow_primitive_to_literal;
use iceberg::spec::{
    Datum, Literal, NestedField, PartitionSpec, PrimitiveLiteral, PrimitiveType, Schema, Transform, Type,
};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Encoding, Repetition};
use sluice_change::ColumnType;

use super::super::layout::FileSettings;
use super::*;

fn layout_of(fields: Vec<NestedField>, partition: &[(&str, Transform)], settings: FileSettings) -> FileLayout {
    let schema = Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().unwrap();
    let mut spec = PartitionSpec::builder(schema.clone()).with_spec_id(3);
    for (number, (column, transform)) in partition.iter().enumerate() {
        spec = spec.add_partition_field(*column, format!("p{number}"), *transform).unwrap();
    }
    FileLayout::new(Arc::new(schema), Arc::new(spec.build().unwrap()), settings).unwrap()
}

fn optional(id: i32, name: &str, kind: PrimitiveType) -> NestedField {
    NestedField::optional(id, name, Type::Primitive(kind))
}

fn required(id: i32, name: &str, kind: PrimitiveType) -> NestedField {
    NestedField::required(id, name, Type::Primitive(kind))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn read(file: &EncodedDataFile) -> (RecordBatch, Arc<ParquetMetaData>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    let (schema, metadata) = (Arc::clone(builder.schema()), Arc::clone(builder.metadata()));
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

/// Every column type with its Iceberg type and some values, the extremes among them.
fn every_type() -> Vec<(ColumnType, PrimitiveType, ArrayRef)> {
    let decimal = |precision: u8, scale: u8, values: [i128; 3]| {
        let array = Decimal128Array::from(vec![Some(values[0]), None, Some(values[1]), Some(values[2])]);
        let array: ArrayRef = Arc::new(array.with_precision_and_scale(precision, scale as i8).unwrap());
        let kind = PrimitiveType::Decimal { precision: u32::from(precision), scale: u32::from(scale) };
        (ColumnType::Decimal { precision, scale }, kind, array)
    };
    let micros = [Some(i64::MIN), None, Some(-1), Some(i64::MAX)];
    let text = ["", "é".repeat(40).as_str(), "zz\u{10FFFF}"].map(|text| Some(text.to_owned()));
    vec![
        (
            ColumnType::Boolean,
            PrimitiveType::Boolean,
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        ),
        (
            ColumnType::Int,
            PrimitiveType::Int,
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(7), Some(i32::MAX)])),
        ),
        (ColumnType::Long, PrimitiveType::Long, Arc::new(Int64Array::from(micros.to_vec()))),
        (
            ColumnType::Float,
            PrimitiveType::Float,
            Arc::new(Float32Array::from(vec![Some(-1.5), None, Some(f32::MAX), Some(f32::NEG_INFINITY)])),
        ),
        (
            ColumnType::Double,
            PrimitiveType::Double,
            Arc::new(Float64Array::from(vec![Some(-1.5), None, Some(f64::MAX), Some(1e-300)])),
        ),
        decimal(5, 2, [-99_999, 0, 99_999]),
        decimal(15, 3, [-999_999_999_999_999, 1, 999_999_999_999_999]),
        decimal(38, 10, [-(10_i128.pow(38) - 1), -1, 10_i128.pow(38) - 1]),
        (
            ColumnType::Date,
            PrimitiveType::Date,
            Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(0), Some(2_932_896)])),
        ),
        (
            ColumnType::Time,
            PrimitiveType::Time,
            Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_399_999_999), Some(1)])),
        ),
        (ColumnType::Timestamp, PrimitiveType::Timestamp, Arc::new(TimestampMicrosecondArray::from(micros.to_vec()))),
        (
            ColumnType::TimestampTz,
            PrimitiveType::Timestamptz,
            Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("+00:00")),
        ),
        (
            ColumnType::String,
            PrimitiveType::String,
            Arc::new(StringArray::from(vec![text[0].clone(), None, text[1].clone(), text[2].clone()])),
        ),
        (
            ColumnType::Binary,
            PrimitiveType::Binary,
            Arc::new(BinaryArray::from(vec![
                Some([255_u8; 30].as_slice()),
                None,
                Some(b"\0"),
                Some([9; 17].as_slice()),
            ])),
        ),
    ]
}

fn primitive(literal: Literal) -> PrimitiveLiteral {
    literal.as_primitive_literal().unwrap()
}

#[test]
fn every_column_type_comes_back_and_its_metrics_are_those_of_a_count_by_hand() {
    for (column_type, kind, array) in every_type() {
        let layout = layout_of(vec![optional(5, "c", kind.clone())], &[], FileSettings::default());
        assert_eq!(layout.arrow.field(0).data_type(), &column_type.arrow());
        let halves = [batch(vec![("c", array.slice(0, 2))]), batch(vec![("c", array.slice(2, 2))])];
        let files = encode_data_files(&layout, &halves).unwrap();
        let [file] = files.as_slice() else { panic!("one file") };
        assert!(file.rows.is_none());

        let (rows, metadata) = read(file);
        assert_eq!(
            super::conform(rows.column(0), array.data_type(), "c").unwrap().as_ref(),
            array.as_ref(),
            "{column_type}"
        );
        assert!(metadata.file_metadata().key_value_metadata().is_none_or(|pairs| pairs.is_empty()));
        assert_eq!(metadata.file_metadata().schema_descr().root_schema().get_fields()[0].get_basic_info().id(), 5);

        let values: Vec<_> = arrow_primitive_to_literal(&array, &Type::Primitive(kind.clone())).unwrap();
        let values: Vec<_> = values.into_iter().flatten().map(primitive).collect();
        let metrics = &file.metrics;
        assert_eq!((metrics.value_counts[&5], metrics.null_value_counts[&5]), (4, 1));
        assert_eq!(metrics.column_sizes[&5], metadata.row_group(0).column(0).compressed_size() as u64);
        check_bounds(&kind, &values, metrics.lower_bounds.get(&5), metrics.upper_bounds.get(&5));
    }
}

fn check_bounds(kind: &PrimitiveType, values: &[PrimitiveLiteral], lower: Option<&Datum>, upper: Option<&Datum>) {
    let lower = lower.unwrap();
    assert_eq!(lower.data_type(), kind);
    match kind {
        PrimitiveType::String => {
            assert_eq!(lower, &Datum::string(""));
            assert_eq!(upper, Some(&Datum::string(format!("{}ê", "é".repeat(15)))));
        }
        PrimitiveType::Binary => {
            assert_eq!(lower, &Datum::binary(*b"\0"));
            assert_eq!(upper, None, "nothing of sixteen bytes is above 0xFF");
        }
        _ => {
            let beyond = |a: &&PrimitiveLiteral, b: &&PrimitiveLiteral| a.partial_cmp(b).unwrap();
            assert_eq!(Some(lower.literal()), values.iter().min_by(beyond));
            assert_eq!(upper.map(Datum::literal), values.iter().max_by(beyond));
            let again = Datum::try_from_bytes(&lower.to_bytes().unwrap(), kind.clone()).unwrap();
            assert_eq!(&again, lower);
        }
    }
}

#[test]
fn an_upper_bound_of_text_is_above_all_text_and_short() {
    let layout = layout_of(vec![optional(1, "c", PrimitiveType::String)], &[], FileSettings::default());
    for longest in ["a".repeat(16), "a".repeat(17), "a".repeat(100), "\u{1F600}".repeat(16), "\u{1F600}".repeat(70)] {
        let rows = batch(vec![("c", Arc::new(StringArray::from_iter_values(["a", longest.as_str()])))]);
        let files = encode_data_files(&layout, &[rows]).unwrap();
        let upper = files[0].metrics.upper_bounds[&1].clone();
        let PrimitiveLiteral::String(upper) = upper.literal() else { panic!("text") };
        assert!(upper.as_str() >= longest.as_str() && upper.chars().count() <= 16, "{longest} {upper}");
    }
}

#[test]
fn dictionaries_arrive_as_plain_text_columns() {
    let layout = layout_of(vec![required(1, "_op", PrimitiveType::String)], &[], FileSettings::default());
    let dictionary: DictionaryArray<Int32Type> = ["I", "U", "U", "D"].into_iter().collect();
    let rows = batch(vec![("_op", Arc::new(dictionary))]);
    let files = encode_data_files(&layout, &[rows.clone(), rows]).unwrap();
    let (read, metadata) = read(&files[0]);
    assert_eq!(read.column(0).data_type(), &DataType::Utf8);
    let expected = StringArray::from(vec!["I", "U", "U", "D", "I", "U", "U", "D"]);
    assert_eq!(read.column(0).as_ref(), &expected as &dyn Array);
    let root = &metadata.file_metadata().schema_descr().root_schema().get_fields()[0];
    assert_eq!(root.get_basic_info().repetition(), Repetition::REQUIRED);
    assert_eq!(files[0].metrics.upper_bounds[&1], Datum::string("U"));
}

#[test]
fn mixed_dictionary_and_plain_batches_are_one_column() {
    let layout = layout_of(vec![optional(1, "c", PrimitiveType::String)], &[], FileSettings::default());
    let dictionary: DictionaryArray<Int32Type> = [Some("a"), None].into_iter().collect();
    let batches =
        [batch(vec![("c", Arc::new(dictionary))]), batch(vec![("c", Arc::new(StringArray::from(vec!["b"])))])];
    let (read, _) = read(&encode_data_files(&layout, &batches).unwrap()[0]);
    assert_eq!(read.column(0).as_ref(), &StringArray::from(vec![Some("a"), None, Some("b")]) as &dyn Array);
}

#[test]
fn only_encodings_that_vectorised_readers_know_are_used() {
    let fields = vec![
        required(1, "id", PrimitiveType::Long),
        optional(2, "name", PrimitiveType::String),
        optional(3, "kind", PrimitiveType::String),
    ];
    let layout = layout_of(fields, &[], FileSettings { row_group_rows: 900, ..FileSettings::default() });
    let count = 2000;
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..count))),
        ("name", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("name {row}"))))),
        ("kind", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("kind {}", row % 5))))),
    ]);
    let files = encode_data_files(&layout, std::slice::from_ref(&rows)).unwrap();
    let (read, metadata) = read(&files[0]);
    assert_eq!(read.column(1), rows.column(1));
    let known = BTreeSet::from([Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY, Encoding::PLAIN_DICTIONARY]);
    let used: BTreeSet<_> =
        metadata.row_groups().iter().flat_map(|group| group.columns()).flat_map(|chunk| chunk.encodings()).collect();
    assert!(used.is_subset(&known), "{used:?}");
    let dictionary = |column: usize| metadata.row_group(0).column(column).dictionary_page_offset().is_some();
    assert_eq!([dictionary(0), dictionary(1), dictionary(2)], [false, false, true]);

    assert_eq!(metadata.num_row_groups(), 3);
    let entry = files[0].clone().into_data_file("file:///t/data/a.parquet".to_owned()).unwrap();
    let offsets: Vec<_> = metadata.row_groups().iter().map(|group| group.file_offset().unwrap()).collect();
    assert_eq!(entry.split_offsets(), Some(offsets.as_slice()));
    assert_eq!((entry.record_count(), entry.file_size_in_bytes()), (2000, files[0].bytes.len() as u64));
    assert_eq!(entry.lower_bounds()[&1], Datum::long(0));
    assert_eq!(entry.upper_bounds()[&1], Datum::long(1999));
    assert_eq!(entry.value_counts()[&2], 2000);
}

#[test]
fn a_fixed_dictionary_setting_wins_over_the_sample() {
    let dictionary = [("id".to_owned(), true)].into();
    let settings = FileSettings { dictionary, ..FileSettings::default() };
    let layout = layout_of(vec![required(1, "id", PrimitiveType::Long)], &[], settings);
    let rows = batch(vec![("id", Arc::new(Int64Array::from_iter_values(0..100)))]);
    let (_, metadata) = read(&encode_data_files(&layout, &[rows]).unwrap()[0]);
    assert!(metadata.row_group(0).column(0).dictionary_page_offset().is_some());
}

#[test]
fn nulls_in_a_required_column_are_refused_and_the_column_is_written_required() {
    let layout = layout_of(vec![required(1, "id", PrimitiveType::Int)], &[], FileSettings::default());
    let bad = batch(vec![("id", Arc::new(Int32Array::from(vec![Some(1), None])))]);
    let error = encode_data_files(&layout, &[bad]).unwrap_err();
    assert!(matches!(error, FilesError::NullInRequired { nulls: 1, .. }), "{error}");
    let good = batch(vec![("id", Arc::new(Int32Array::from(vec![Some(1), Some(2)])))]);
    let (read, _) = read(&encode_data_files(&layout, &[good]).unwrap()[0]);
    assert!(!read.schema().field(0).is_nullable());
}

#[test]
fn columns_are_found_by_name_and_promoted_and_others_are_refused() {
    let fields = vec![
        optional(1, "a", PrimitiveType::Long),
        optional(2, "b", PrimitiveType::Decimal { precision: 12, scale: 2 }),
    ];
    let layout = layout_of(fields, &[], FileSettings::default());
    let decimals = Decimal128Array::from(vec![123]).with_precision_and_scale(5, 2).unwrap();
    let rows = batch(vec![("b", Arc::new(decimals)), ("a", Arc::new(Int32Array::from(vec![-4])))]);
    let (read, _) = read(&encode_data_files(&layout, &[rows]).unwrap()[0]);
    assert_eq!(read.column(0).as_ref(), &Int64Array::from(vec![-4]) as &dyn Array);
    assert_eq!(read.column(1).data_type(), &DataType::Decimal128(12, 2));

    let missing = batch(vec![("a", Arc::new(Int64Array::from(vec![1])))]);
    assert!(matches!(encode_data_files(&layout, &[missing]), Err(FilesError::MissingColumn(name)) if name == "b"));
    let narrowing =
        batch(vec![("a", Arc::new(Float64Array::from(vec![1.0]))), ("b", Arc::new(Int32Array::from(vec![1])))]);
    assert!(matches!(encode_data_files(&layout, &[narrowing]), Err(FilesError::ColumnType { .. })));
}

#[test]
fn a_column_with_nan_is_counted_and_has_no_bounds() {
    let fields = vec![optional(1, "d", PrimitiveType::Double), optional(2, "f", PrimitiveType::Float)];
    let layout = layout_of(fields, &[], FileSettings::default());
    let rows = batch(vec![
        ("d", Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None]))),
        ("f", Arc::new(Float32Array::from(vec![Some(-0.0), Some(0.0), Some(2.0)]))),
    ]);
    let metrics = encode_data_files(&layout, &[rows]).unwrap().remove(0).metrics;
    assert_eq!(metrics.nan_value_counts, HashMap::from([(1, 1), (2, 0)]));
    assert!(!metrics.lower_bounds.contains_key(&1) && !metrics.upper_bounds.contains_key(&1));
    assert_eq!(metrics.lower_bounds[&2], Datum::float(-0.0));
    assert_eq!(metrics.upper_bounds[&2], Datum::float(2.0));
}

#[test]
fn a_column_of_nulls_has_counts_and_no_bounds() {
    let layout = layout_of(vec![optional(1, "c", PrimitiveType::String)], &[], FileSettings::default());
    let rows = batch(vec![("c", Arc::new(StringArray::from(vec![None::<&str>; 3])))]);
    let metrics = encode_data_files(&layout, &[rows]).unwrap().remove(0).metrics;
    assert_eq!((metrics.null_value_counts[&1], metrics.lower_bounds.len(), metrics.upper_bounds.len()), (3, 0, 0));
}

#[test]
fn no_rows_make_no_file() {
    let layout = layout_of(vec![optional(1, "c", PrimitiveType::Int)], &[], FileSettings::default());
    assert!(encode_data_files(&layout, &[]).unwrap().is_empty());
    let empty = batch(vec![("c", Arc::new(Int32Array::from(Vec::<i32>::new())))]);
    assert!(encode_data_files(&layout, &[empty]).unwrap().is_empty());
}

#[test]
fn a_nested_column_and_bad_settings_are_refused() {
    let nested = Type::Struct(iceberg::spec::StructType::new(vec![Arc::new(optional(2, "x", PrimitiveType::Int))]));
    let schema = Schema::builder().with_fields([Arc::new(NestedField::optional(1, "s", nested))]).build().unwrap();
    let spec = Arc::new(PartitionSpec::unpartition_spec());
    let error = FileLayout::new(Arc::new(schema), Arc::clone(&spec), FileSettings::default()).unwrap_err();
    assert!(matches!(error, FilesError::NestedColumn { .. }));
    let plain = Arc::new(Schema::builder().build().unwrap());
    for settings in [
        FileSettings { compression_level: 23, ..FileSettings::default() },
        FileSettings { row_group_rows: 0, ..FileSettings::default() },
    ] {
        assert!(FileLayout::new(Arc::clone(&plain), Arc::clone(&spec), settings).is_err());
    }
}

#[test]
fn rows_go_to_their_partitions_in_order_and_each_exactly_once() {
    let fields = vec![
        required(1, "id", PrimitiveType::Long),
        optional(2, "region", PrimitiveType::String),
        optional(3, "at", PrimitiveType::Timestamptz),
    ];
    let partition = [("region", Transform::Identity), ("at", Transform::Day), ("id", Transform::Bucket(4))];
    let layout = layout_of(fields, &partition, FileSettings::default());
    let regions = [Some("eu"), None, Some("us")];
    let batches: Vec<_> = (0..3_i64)
        .map(|piece| {
            let ids = piece * 100..(piece + 1) * 100;
            let times = ids.clone().map(|id| if id % 11 == 0 { None } else { Some((id - 150) * 3_600_000_000) });
            batch(vec![
                ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
                ("region", Arc::new(ids.map(|id| regions[(id % 3) as usize]).collect::<StringArray>())),
                ("at", Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))),
            ])
        })
        .collect();
    let files = encode_data_files(&layout, &batches).unwrap();
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    let mut seen = BTreeSet::new();
    let mut partitions = BTreeSet::new();
    for file in &files {
        let rows = file.rows.clone().unwrap();
        assert!(rows.is_sorted() && rows.len() as u64 == file.record_count);
        let expected = take_record_batch(&all, &UInt32Array::from(rows.clone())).unwrap();
        let (read, _) = read(file);
        assert_eq!(read.column(0), expected.column(0));
        assert_eq!(
            super::conform(read.column(2), expected.column(2).data_type(), "at").unwrap().as_ref(),
            expected.column(2).as_ref()
        );
        for row in &rows {
            assert!(seen.insert(*row));
            let id = i64::from(*row);
            let region = regions[(id % 3) as usize].map(Literal::string);
            let day = (id % 11 != 0).then(|| Literal::date((id - 150).div_euclid(24) as i32));
            assert_eq!(file.partition.fields()[..2], [region, day]);
            assert!(matches!(file.partition.fields()[2], Some(Literal::Primitive(PrimitiveLiteral::Int(0..4)))));
        }
        assert!(partitions.insert(format!("{:?}", file.partition)));
        let entry = file.clone().into_data_file("p".to_owned()).unwrap();
        assert_eq!(entry.partition(), &file.partition);
    }
    assert_eq!(seen.len(), 300);
}

#[test]
fn rows_of_one_partition_are_one_file_without_a_selection() {
    let fields = vec![optional(1, "at", PrimitiveType::Timestamp), optional(2, "n", PrimitiveType::Int)];
    let layout = layout_of(fields, &[("at", Transform::Day), ("n", Transform::Void)], FileSettings::default());
    let day = |values: Vec<i64>| {
        let numbers = Int32Array::from_iter_values(0..values.len() as i32);
        batch(vec![("at", Arc::new(TimestampMicrosecondArray::from(values))), ("n", Arc::new(numbers))])
    };
    let files = encode_data_files(&layout, &[day(vec![1, 2]), day(vec![3])]).unwrap();
    assert_eq!((files.len(), files[0].rows.is_none()), (1, true));
    assert_eq!(files[0].partition.fields(), [Some(Literal::date(0)), None]);
    let files = encode_data_files(&layout, &[day(vec![1, 2]), day(vec![-1, -2])]).unwrap();
    let rows: Vec<_> = files.iter().map(|file| file.rows.clone().unwrap()).collect();
    assert_eq!(rows, [vec![0, 1], vec![2, 3]]);
}

#[test]
fn the_embedded_arrow_schema_is_left_out() {
    let layout = layout_of(vec![optional(1, "c", PrimitiveType::Timestamptz)], &[], FileSettings::default());
    let rows = batch(vec![("c", Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("+00:00")))]);
    let files = encode_data_files(&layout, &[rows]).unwrap();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ParquetRecordBatchReaderBuilder::try_new_with_options(files[0].bytes.clone(), options).unwrap();
    let default = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
    let types = |field: &Field| field.data_type().clone();
    assert_eq!(types(plain.schema().field(0)), types(default.schema().field(0)));
}
