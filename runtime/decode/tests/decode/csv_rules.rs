use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sluice_decode::{CsvSettings, DecodeError, FileContext, HeaderMode, OpColumn, csv_decoder};

use crate::drive::{context, csv, csv_load, csv_with, drive, schema};

const TWO: &[&str] = &["*id long", "name string"];
const EVERY_TYPE: &[&str] = &[
    "*id long",
    "b boolean",
    "i int",
    "f float",
    "d double",
    "n decimal(12,2)",
    "day date",
    "at time",
    "ts timestamp",
    "tz timestamptz",
    "s string",
    "x binary",
];

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn values_of_every_type_are_decoded() {
    let text = "I,1,true,-42,+3.23800011e+01,1.5,1234.50,2024-02-29,23:59:59.5,2024-02-29 12:00:00.000001,\
                2024-02-29 12:00:00+02,\"a, \"\"b\"\"\",00ff\n";
    let outcome = csv(EVERY_TYPE, text);
    assert_eq!(outcome.rejects(), [""; 0]);
    assert_eq!(
        outcome.rows(),
        ["1 I 1|true|-42|32.38|1.5|1234.50|2024-02-29|23:59:59.500|2024-02-29T12:00:00.000001|2024-02-29T10:00:00Z|\
          a, \"b\"|00ff"]
    );
    let declared = schema(EVERY_TYPE).arrow();
    assert_eq!(outcome.batches[0].rows.schema(), declared);
}

#[test]
fn an_unquoted_empty_value_is_null_and_a_quoted_one_is_an_empty_string() {
    assert_eq!(
        csv(TWO, "I,1,\nI,2,\"\"\nI,3,NULL\nI,4,\"NULL\"\nI,5,null\n").rows(),
        ["1 I 1|~", "2 I 2|", "3 I 3|~", "4 I 4|NULL", "5 I 5|null"]
    );
    let settings = CsvSettings { null_strings: vec!["\\N".into()], ..CsvSettings::default() };
    assert_eq!(csv_with(&settings, TWO, "I,1,\nI,2,\\N\nI,3,NULL\n").rows(), ["1 I 1|", "2 I 2|~", "3 I 3|NULL"]);
    let long = CsvSettings { null_strings: vec!["n".repeat(80)], ..CsvSettings::default() };
    let text = format!("I,1,{}\nI,2,{}\n", "n".repeat(80), "m".repeat(80));
    assert_eq!(csv_with(&long, TWO, text).rows(), ["1 I 1|~".to_owned(), format!("2 I 2|{}", "m".repeat(80))]);
}

#[test]
fn one_bad_value_rejects_its_record_and_no_other() {
    let text = "I,1,a\nI,x2,b\nX,3,c\nI,,d\nI,5\nI,6,e,f\n\"I\"7,g\nI,8,\"h\"\"\nlong\"\nU,9,\"i\"j\nD,10,\n";
    let outcome = csv(TWO, text);
    assert_eq!(outcome.rows(), ["1 I 1|a", "8 I 8|h\"\nlong", "10 D 10|~"]);
    assert_eq!(
        outcome.rejects(),
        [
            "2 id: `x2` is no long: expected a whole number",
            "3 Op: `X` is no operation: expected I, U or D",
            "4 id: the key column is NULL",
            "5 -: the record has 2 values, expected 3",
            "6 -: the record has 4 values, expected 3; if columns were added to the table, declare them at the end of \
         `columns`",
            "7 -: there is text between the quote that closes a value and the next delimiter; double the quotes inside \
         values",
            "9 -: there is text between the quote that closes a value and the next delimiter; double the quotes inside \
         values",
        ]
    );
    let raw: Vec<String> = outcome.raw().into_iter().map(|raw| String::from_utf8(raw).unwrap()).collect();
    assert_eq!(raw, ["I,x2,b", "X,3,c", "I,,d", "I,5", "I,6,e,f", "\"I\"7,g", "U,9,\"i\"j"]);
}

#[test]
fn the_first_fault_of_a_record_is_its_reason_and_later_columns_are_whole() {
    let columns = &["*id long", "a int", "s string", "b date", "x binary"];
    let text = "I,1,1,s1,2024-01-01,01\nI,2,y,s2,never,zz\nI,3,3,\"s3\",2024-02-30,02\nI,4,4,s4,2024-01-04,0\n\
                I,5,5,s5,2024-01-05,05\n";
    let outcome = csv(columns, text);
    assert_eq!(outcome.rows(), ["1 I 1|1|s1|2024-01-01|01", "5 I 5|5|s5|2024-01-05|05"]);
    assert_eq!(
        outcome.rejects(),
        [
            "2 a: `y` is no int: expected a whole number",
            "3 b: `2024-02-30` is no date: there is no such day in the calendar",
            "4 x: `0` is no binary: expected bytes as pairs of hexadecimal digits",
        ]
    );
}

#[test]
fn a_reason_quotes_no_more_than_the_beginning_of_a_long_value() {
    let rejects = csv(TWO, format!("I,{},a\n", "9x".repeat(5000))).rejects();
    assert_eq!(rejects, [format!("1 id: `{}…` (10000 bytes) is no long: expected a whole number", "9x".repeat(50))]);
}

#[test]
fn a_delete_need_not_fill_more_than_its_key() {
    let columns = &["*id long", "n decimal(10,2)", "day date", "s string"];
    assert_eq!(
        csv(columns, "D,1,,,\nD,2,\"\",\"\",\"\"\nU,3,\"\",,\nD,\"\",,,\n").rows(),
        ["1 D 1|~|~|~", "2 D 2|~|~|"]
    );
    let rejects = csv(columns, "U,3,\"\",,\nD,\"\",,,\nD,4,x,,\n").rejects();
    assert_eq!(rejects.len(), 3, "{rejects:?}");
}

#[test]
fn text_that_is_not_utf8_rejects_its_record() {
    let outcome = csv(TWO, b"I,1,a\nI,2,\xff\xfe\nI,\xff,b\nI,4,\xe7\x95\x8c\nI,5,\xe7\x95\n");
    assert_eq!(outcome.rows(), ["1 I 1|a", "4 I 4|界"]);
    let rejects = outcome.rejects();
    assert_eq!(rejects.len(), 3);
    assert!(rejects[0].starts_with("2 name: `\u{fffd}\u{fffd}` is not valid UTF-8"), "{rejects:?}");
    assert!(rejects[1].starts_with("3 id: "));
    assert_eq!(outcome.raw()[0], b"I,2,\xff\xfe");
}

#[test]
fn commit_times_stand_after_the_operation_and_are_utc() {
    let settings = CsvSettings { timestamp_column: Some("ts".into()), ..CsvSettings::default() };
    let text = "I,1970-01-01 00:00:01.000000,1,a\nU,,2,b\nU,yesterday,3,c\n";
    let outcome = csv_with(&settings, TWO, text);
    assert_eq!(outcome.rows(), ["1 I 1|a", "2 U 2|b"]);
    assert_eq!(outcome.times(), [Some(1_000_000), None]);
    assert_eq!(outcome.rejects().len(), 1);
    assert!(outcome.rejects()[0].starts_with("3 ts: `yesterday`"));
    assert!(csv(TWO, "I,1,a\n").batches[0].commit_times.is_none());
}

#[test]
fn line_ends_a_byte_order_mark_and_blank_lines_make_no_difference() {
    let expected = ["1 I 1|a", "2 I 2|b\r"];
    assert_eq!(csv(TWO, "I,1,a\nI,2,\"b\r\"\n").rows(), expected);
    assert_eq!(csv(TWO, "\u{feff}I,1,a\r\n\r\nI,2,\"b\r\"").rows(), expected);
    assert_eq!(csv(TWO, "\n\nI,1,a\n\n\nI,2,\"b\r\"\r\n\n").rows(), expected);
    assert_eq!(csv(TWO, "").rows(), [""; 0]);
    assert_eq!(csv(TWO, "\u{feff}").rows(), [""; 0]);
    assert_eq!(csv(TWO, "I").rejects().len(), 1);
}

#[test]
fn a_blank_line_is_a_null_in_a_table_of_one_value() {
    let settings = CsvSettings { op_column: OpColumn::Absent, ..CsvSettings::default() };
    assert_eq!(csv_load(&settings, &["s string"], "a\n\n\"\"\r\n").rows(), ["1 L a", "2 L ~", "3 L "]);
    assert_eq!(csv_load(&settings, &["s string"], "\na\n").rows(), ["1 L ~", "2 L a"]);
}

#[test]
fn another_delimiter_and_quote_are_taken() {
    let settings = CsvSettings { delimiter: b'\t', quote: b'\'', ..CsvSettings::default() };
    assert_eq!(
        csv_with(&settings, TWO, "I\t1\t'it''s\ta'\nI\t2\t\"a,b\"\n").rows(),
        ["1 I 1|it's\ta", "2 I 2|\"a,b\""]
    );
    for (delimiter, quote) in [(b'"', b'"'), (b'\n', b'"'), (b',', b'\r'), (0xff, b'"')] {
        let settings = CsvSettings { delimiter, quote, ..CsvSettings::default() };
        let refused = csv_decoder(&settings, context(schema(TWO), 0));
        assert!(matches!(refused.err(), Some(DecodeError::Settings(_))));
    }
}

#[test]
fn gzip_is_recognised_and_may_have_several_members() {
    let file = [gzip(b"I,1,a\nI,2"), gzip(b",b\n")].concat();
    assert_eq!(csv(TWO, &file).rows(), ["1 I 1|a", "2 I 2|b"]);
}

#[test]
fn a_file_that_is_cut_short_gives_what_is_before_the_cut() {
    let file = gzip("I,1,a\nI,2,b\n".repeat(3).as_bytes());
    for cut in 1..9 {
        let outcome = csv(TWO, &file[..file.len() - cut]);
        assert!(matches!(outcome.error, Some(DecodeError::Truncated { .. })), "{cut}: {:?}", outcome.error);
    }
    let outcome = csv(TWO, &file[..file.len() - 8]);
    assert_eq!(outcome.rows_so_far().len(), 6, "only the check sum is missing");
    let open = csv(TWO, "I,1,a\nI,2,\"b\nI,3,c\n");
    assert_eq!(open.rows_so_far(), ["1 I 1|a"]);
    let error = open.error.unwrap();
    assert!(matches!(error, DecodeError::Truncated { records: 1, .. }));
    assert!(error.to_string().starts_with("t/file is cut short after record 1: it ends inside a quoted value"));
}

#[test]
fn damaged_gzip_is_an_error_after_what_could_be_read() {
    let mut file = [gzip(b"I,1,a\nI,2,b\n"), gzip(b"I,3,c\n")].concat();
    let last = file.len() - 5;
    file[last] ^= 0xff;
    let outcome = csv(TWO, &file);
    assert!(matches!(outcome.error, Some(DecodeError::Gzip { .. })));
    assert_eq!(outcome.rows_so_far().first().map(String::as_str), Some("1 I 1|a"));
}

#[test]
fn a_record_without_end_is_an_error() {
    let text = format!("I,1,a\nI,2,\"{}", "x\n".repeat(35 << 20));
    let outcome = csv(TWO, text);
    assert!(matches!(outcome.error, Some(DecodeError::RecordTooLong { record: 2, .. })));
    assert_eq!(outcome.rows_so_far(), ["1 I 1|a"]);
}

#[test]
fn a_long_record_within_the_limit_is_decoded() {
    let long = "x".repeat(5 << 20);
    let outcome = csv(TWO, format!("I,1,{long}\nI,2,\"{long}\"\nI,3,c"));
    assert_eq!(outcome.rows().len(), 3);
}

#[test]
fn batches_have_at_most_the_rows_that_were_asked_for_and_resume_where_the_last_ended() {
    let text: String = (1..=100).map(|n| if n % 7 == 0 { "bad\n".into() } else { format!("I,{n},r{n}\n") }).collect();
    let run = |skip: u64, batch_rows: usize| {
        let file = FileContext { skip, batch_rows, ..context(schema(TWO), text.len()) };
        drive(csv_decoder(&CsvSettings::default(), file).unwrap(), text.as_bytes(), || 11)
    };
    let whole = run(0, 1000);
    assert_eq!(whole.batches.len(), 1);
    assert_eq!(whole.batches[0].consumed, 100);
    let parts = run(0, 9);
    assert_eq!(parts.rows(), whole.rows());
    assert!(parts.batches.iter().all(|batch| batch.ops.len() + batch.rejects.len() <= 9));
    for batch in &parts.batches {
        let (rest, expected) = (run(batch.consumed, 9), batch.consumed as i64);
        let later = |row: &&String| row.split(' ').next().unwrap().parse::<i64>().unwrap() > expected;
        assert_eq!(rest.rows(), whole.rows().iter().filter(later).cloned().collect::<Vec<_>>());
        assert_eq!(rest.rejects(), whole.rejects().iter().filter(later).cloned().collect::<Vec<_>>());
    }
    assert!(matches!(run(101, 9).error, Some(DecodeError::Shrunk { records: 100, skip: 101, .. })));
}

#[test]
fn a_small_batch_does_not_hold_the_room_of_a_large_one() {
    let text = "I,1,a\nI,2,b\n";
    let file = FileContext { batch_rows: 100_000, ..context(schema(TWO), text.len()) };
    let outcome = drive(csv_decoder(&CsvSettings::default(), file).unwrap(), text.as_bytes(), || usize::MAX);
    let batch = &outcome.batches[0];
    assert!(batch.rows.get_array_memory_size() < 2000);
    assert!(batch.ops.capacity() < 100);
}

#[test]
fn bytes_that_were_not_asked_for_are_an_error() {
    let mut decoder = csv_decoder(&CsvSettings::default(), context(schema(TWO), 100)).unwrap();
    decoder.supply(5..6, bytes::Bytes::from_static(b"x"));
    assert!(matches!(decoder.step(), Err(DecodeError::Supply { expected: 0, got: 5, .. })));
}

#[test]
fn a_header_that_lacks_what_is_needed_is_an_error() {
    let settings = CsvSettings { header: HeaderMode::Present, ..CsvSettings::default() };
    for (header, says) in [
        ("Op,name\n", "does not have the key column `id`"),
        ("id,name\n", "has no column `Op`"),
        ("Op,id,id\n", "has the column `id` twice"),
    ] {
        let error = csv_with(&settings, TWO, header).error.unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
    let unknown = csv(&[], "I,1,a\n").error.unwrap().to_string();
    assert!(unknown.contains("declare them as `columns`"), "{unknown}");
}
