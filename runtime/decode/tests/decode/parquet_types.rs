//! Types, codecs and layouts that the file from DMS does not have.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal256Array, DictionaryArray, FixedSizeBinaryArray,
    Int8Array, Int16Array, Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray,
    Time32MillisecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sluice_decode::{DecodeError, FileContext, ParquetSettings, parquet_decoder};

use crate::drive::{Outcome, context, drive, schema};

fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    written(columns, WriterProperties::default())
}

fn decode_with(settings: &ParquetSettings, columns: &[&str], file: &[u8]) -> Outcome {
    let context = FileContext { full_load: false, ..context(schema(columns), file.len()) };
    drive(parquet_decoder(settings, context).unwrap(), file, || usize::MAX)
}

/// Decodes a full load of a table whose columns are declared.
fn load(columns: &[&str], file: &[u8]) -> Outcome {
    let declared = schema(columns).columns.into_iter().map(|column| column.name).collect();
    load_with(&ParquetSettings { declared, ..ParquetSettings::default() }, columns, file)
}

fn load_with(settings: &ParquetSettings, columns: &[&str], file: &[u8]) -> Outcome {
    let context = FileContext { full_load: true, ..context(schema(columns), file.len()) };
    drive(parquet_decoder(settings, context).unwrap(), file, || usize::MAX)
}

/// Type and value of the only column and row.
fn only(column: ArrayRef) -> String {
    let outcome = load(&[], &file(vec![("c", column)]));
    let data_type = outcome.batches[0].rows.schema().field(0).data_type().to_string();
    let row = outcome.rows_so_far().first().map_or_else(|| outcome.rejects()[0].clone(), |row| row[4..].to_owned());
    format!("{data_type} {row}")
}

#[test]
fn integers_of_every_width_find_one_that_holds_them() {
    assert_eq!(only(Arc::new(Int8Array::from(vec![-128]))), "Int32 -128");
    assert_eq!(only(Arc::new(Int16Array::from(vec![-32768]))), "Int32 -32768");
    assert_eq!(only(Arc::new(UInt8Array::from(vec![255]))), "Int32 255");
    assert_eq!(only(Arc::new(UInt16Array::from(vec![65535]))), "Int32 65535");
    assert_eq!(only(Arc::new(UInt32Array::from(vec![u32::MAX]))), "Int64 4294967295");
    assert_eq!(only(Arc::new(UInt64Array::from(vec![u64::MAX]))), "Decimal128(20, 0) 18446744073709551615");
}

#[test]
fn times_are_microseconds_exactly_or_rejects() {
    let rejected = "Time64(µs) 1 c: ";
    assert_eq!(only(Arc::new(Time32MillisecondArray::from(vec![1]))), "Time64(µs) 00:00:00.001");
    assert_eq!(only(Arc::new(Time64NanosecondArray::from(vec![1000]))), "Time64(µs) 00:00:00.000001");
    let fine = only(Arc::new(Time64NanosecondArray::from(vec![1001])));
    assert!(fine.starts_with(rejected) && fine.ends_with("is no time: it is finer than microseconds"), "{fine}");
    let late = only(Arc::new(Time32MillisecondArray::from(vec![86_400_000])));
    assert!(late.starts_with(rejected) && late.ends_with("there is no such time of day"), "{late}");
    assert_eq!(only(Arc::new(Date32Array::from(vec![-1]))), "Date32 1969-12-31");
}

#[test]
fn timestamps_keep_their_kind_and_are_microseconds_exactly_or_rejects() {
    let zoned = "Timestamp(µs, \"+00:00\") 1970-01-01T00:00:00.000001Z";
    let plain = "Timestamp(µs) 1970-01-01T00:00:00.000001";
    assert_eq!(only(Arc::new(TimestampMicrosecondArray::from(vec![1]))), plain);
    assert_eq!(only(Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"))), zoned);
    // The offset is only in the Arrow schema that the writer embedded; the instant is the same.
    assert_eq!(only(Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("+02:00"))), zoned);
    assert_eq!(only(Arc::new(TimestampNanosecondArray::from(vec![1000]))), plain);
    assert!(only(Arc::new(TimestampNanosecondArray::from(vec![1]))).ends_with("it is finer than microseconds"));
    assert!(only(Arc::new(TimestampMillisecondArray::from(vec![i64::MAX]))).ends_with("it is out of range"));
}

#[test]
fn decimals_of_more_digits_than_fit_are_rejects() {
    let wide = |value: &str| {
        let value = value.parse::<i128>().map(arrow_buffer::i256::from_i128).unwrap();
        Arc::new(Decimal256Array::from(vec![value]).with_precision_and_scale(50, 2).unwrap())
    };
    assert_eq!(only(wide("-12345")), "Decimal128(38, 2) -123.45");
    let too_long = only(wide("100000000000000000000000000000000000000"));
    assert!(too_long.ends_with("it has more digits than the column's type"), "{too_long}");
}

#[test]
fn strings_and_bytes_of_every_layout_are_plain_ones() {
    assert_eq!(only(Arc::new(LargeStringArray::from(vec!["界"]))), "Utf8 界");
    assert_eq!(
        only(Arc::new(StringViewArray::from(vec!["a string longer than twelve bytes"]))),
        "Utf8 a string longer than twelve bytes"
    );
    assert_eq!(only(Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("d")]))), "Utf8 d");
    assert_eq!(only(Arc::new(FixedSizeBinaryArray::from(vec![&[1_u8, 2, 3]]))), "Binary 010203");
    assert_eq!(only(Arc::new(StringArray::from(vec![Some("")]))), "Utf8 ");
    assert_eq!(only(Arc::new(StringArray::from(vec![None::<&str>]))), "Utf8 ~");
}

#[test]
fn every_codec_is_read() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        let properties =
            WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(7)).build();
        let file = written(vec![("id", Arc::new(Int64Array::from_iter_values(0..100)) as ArrayRef)], properties);
        assert_eq!(load(&["*id long"], &file).rows().len(), 100, "{codec:?}");
    }
}

#[test]
fn operations_commit_times_and_before_images_are_taken_off() {
    let ops = StringArray::from(vec![Some("I"), Some("U"), Some("D"), Some("X"), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("Op", Arc::new(ops)),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), Some(2), None, Some(4), Some(5)]))),
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("name", Arc::new(StringArray::from(vec![Some("a"), None, None, Some("d"), Some("e")]))),
        ("BI_id", Arc::new(Int64Array::from(vec![None, Some(9), None, None, None]))),
        ("BI_x", Arc::new(BooleanArray::from(vec![true; 5]))),
    ];
    let settings = ParquetSettings {
        timestamp_column: Some("ts".into()),
        before_prefix: Some("BI_".into()),
        ..ParquetSettings::default()
    };
    let outcome = decode_with(&settings, &["*id long", "name string"], &file(columns));
    assert_eq!(outcome.rows(), ["1 I 1|a|true", "2 U 2|~|true", "3 D 3|~|true"]);
    assert_eq!(outcome.times(), [Some(1), Some(2), None]);
    assert_eq!(outcome.before(), ["~", "9", "~"]);
    assert_eq!(
        outcome.rejects(),
        ["4 Op: `X` is no operation: expected I, U or D", "5 Op: NULL is no operation: expected I, U or D"]
    );
}

#[test]
fn text_is_read_as_the_declared_type_by_the_same_rules_as_csv() {
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let columns = vec![
        ("id", text(["1", "x"])),
        ("n", text(["1.5E+1", "2"])),
        ("day", text(["2024-02-29", "2024-02-30"])),
        ("b", text(["t", "f"])),
        ("x", text(["00ff", "11"])),
        ("f", text(["1.5", "2.5"])),
    ];
    let declared = &["*id long", "n decimal(5,2)", "day date", "b boolean", "x binary", "f double"];
    let outcome = load(declared, &file(columns));
    assert_eq!(outcome.rows(), ["1 L 1|15.00|2024-02-29|true|00ff|1.5"]);
    assert_eq!(outcome.rejects(), ["2 id: `x` is no long: expected a whole number"]);
}

#[test]
fn numbers_dates_and_truth_values_change_type_exactly_or_not_at_all() {
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("id", Arc::new(Int64Array::from(vec![1, 1 << 53, (1 << 53) + 1, i64::MAX]))),
            ("day", Arc::new(Date32Array::from(vec![0, 1, 2, 3]))),
            ("bytes", Arc::new(BinaryArray::from(vec![b"a".as_slice(), b"\xff", b"c", b"d"]))),
        ]
    };
    let file = file(columns());
    let outcome = load(&["id double", "day timestamp", "bytes string"], &file);
    assert_eq!(outcome.rows(), ["1 L 1.0|1970-01-01T00:00:00|a"]);
    assert_eq!(
        outcome.rejects(),
        [
            "2 bytes: `ff` is no string: it is not valid UTF-8",
            "3 id: `9007199254740993` is no double: it cannot be represented exactly",
            "4 id: `9223372036854775807` is no double: it cannot be represented exactly",
        ]
    );
    assert_eq!(load(&["id int"], &file).rejects().len(), 3);
    assert_eq!(load(&["id decimal(16,0)"], &file).rows().len(), 3);
    assert_eq!(load(&["id boolean"], &file).rows()[0], "1 L true|1970-01-01|61");
}

#[test]
fn a_null_key_is_a_reject() {
    let outcome = load(&["*id long"], &file(vec![("id", Arc::new(Int64Array::from(vec![Some(1), None])))]));
    assert_eq!(outcome.rows(), ["1 L 1"]);
    assert_eq!(outcome.rejects(), ["2 id: the key column is NULL"]);
    assert_eq!(outcome.raw(), [b"{\"id\": null}"]);
}

#[test]
fn what_no_column_can_hold_is_an_error_that_names_the_column() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let outcome = load(&[], &file(vec![("c", Arc::new(list))]));
    let error = outcome.error.unwrap();
    assert!(matches!(error, DecodeError::Columns { .. }));
    assert!(error.to_string().contains("its column `c` is of the type List"), "{error}");
}

#[test]
fn a_file_without_rows_is_at_its_end_at_once() {
    let outcome = load(&["*id long"], &file(vec![("id", Arc::new(Int64Array::from(Vec::<i64>::new())))]));
    assert!(outcome.error.is_none() && outcome.batches.is_empty());
}

#[test]
fn a_wider_type_than_the_tables_is_kept_unless_the_column_is_declared() {
    let wide = file(vec![("id", Arc::new(Int64Array::from(vec![1 << 40])))]);
    let known = load_with(&ParquetSettings::default(), &["*id int"], &wide);
    assert_eq!(known.rows(), ["1 L 1099511627776"]);
    assert_eq!(load(&["*id int"], &wide).rejects().len(), 1);
    // What cannot be promoted to is taken where it is exact.
    let text = load_with(&ParquetSettings::default(), &["id string"], &wide);
    assert_eq!(text.rows(), ["1 L 1099511627776"]);
    let narrow = load_with(&ParquetSettings::default(), &["id decimal(20,0)"], &wide);
    assert_eq!(narrow.rows(), ["1 L 1099511627776"]);
}

#[test]
fn old_names_become_the_new_ones_before_images_too() {
    let settings = ParquetSettings {
        before_prefix: Some("BI_".into()),
        renames: [("id".to_owned(), "order_id".to_owned())].into(),
        ..ParquetSettings::default()
    };
    let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let old = file(vec![("Op", Arc::new(StringArray::from(vec!["U"]))), ("id", column(2)), ("BI_id", column(1))]);
    let outcome = decode_with(&settings, &["*order_id long"], &old);
    assert_eq!((outcome.rows(), outcome.before()), (vec!["1 U 2".to_owned()], vec!["1".to_owned()]));
    assert_eq!(outcome.batches[0].rows.schema().field(0).name(), "order_id");
}

#[test]
fn a_row_without_its_whole_key_is_a_reject_that_names_what_is_missing() {
    let column = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let keys = file(vec![
        ("a", column(vec![Some(1), Some(2)])),
        ("b", column(vec![Some(1), None])),
        ("c", column(vec![Some(1), None])),
    ]);
    let outcome = load(&["*a long", "*b long", "*c long"], &keys);
    assert_eq!(outcome.rows(), ["1 L 1|1|1"]);
    assert_eq!(outcome.rejects(), ["2 b: the key columns b, c are NULL"]);
}
