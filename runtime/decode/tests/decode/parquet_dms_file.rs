//! The file that DMS wrote from PostgreSQL, whose origin `data/dms-parquet-types/README.md` tells.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, TimestampMicrosecondType};
use proptest::prelude::*;
use sluice_change::{ColumnType, Op, TableSchema};
use sluice_decode::{DecodeError, Described, FileContext, ParquetSettings, describe_parquet, parquet_decoder};

use crate::drive::{Outcome, context, drive, schema};

const FILE: &[u8] = include_bytes!("../data/dms-parquet-types/LOAD00000001.parquet");

const ROWS: [&str; 2] = [
    "1 L 2022-07-26 06:46:18.616807|1|1298498081|15887|1427131847.59|0.4246375|0.6868230728671094|47632969758.5400||\
     mraj|7768746863746375|2021-10-31T15:34:12.458|181e9c5d-9b55-4535-8c6e-6c8c1234b807|{\"key_24\":\"pldnjobcs\",\
     \"key_28\":\"e\",\"key_29\":\"jfbcxo\",\"key_3\":\"lgtem\",\"key_47\":\"kqfdafp\",\"key_83\":\"leqyhy\",\
     \"key_94\":\"frs\"}|{\"key_5\": \"bzrjxawn\", \"key_59\": \"rfe\", \"key_63\": \"wjjpjz\", \"key_67\": \
     \"dcekxba\", \"key_78\": \"otafet\", \"key_90\": \"kr\", \"key_91\": \"mf\"}|false",
    "2 L 2022-07-26 06:46:18.618066|2|531430493|27086|1272649819.81|0.6938381|0.03032254783300687|12664053511.7100|tco\
     ||61747979696e6b6172656b6a796978|2022-04-03T00:25:27.534|b98aa0f0-69ba-4b8b-a757-290676933e57|\
     {\"key_90\":\"ct\"}|{\"key_78\": \"ynsg\"}|true",
];

fn settings() -> ParquetSettings {
    ParquetSettings::default()
}

fn run_with(
    settings: &ParquetSettings,
    schema: TableSchema,
    file: &[u8],
    change: impl FnOnce(&mut FileContext),
) -> Outcome {
    let mut context = FileContext { full_load: true, ..context(schema, file.len()) };
    change(&mut context);
    match parquet_decoder(settings, context) {
        Ok(decoder) => drive(decoder, file, || 777),
        Err(error) => Outcome { batches: vec![], error: Some(error) },
    }
}

fn run(columns: &[&str]) -> Outcome {
    run_with(&settings(), schema(columns), FILE, |_| ())
}

fn describe(settings: &ParquetSettings, file: &[u8], piece: usize) -> Result<Vec<String>, DecodeError> {
    let mut description = describe_parquet(settings, "file", file.len() as u64)?;
    loop {
        match description.step()? {
            Described::Columns(columns) => {
                return Ok(columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect());
            }
            Described::Need(ranges) => {
                for range in ranges {
                    for at in (range.start..range.end).step_by(piece) {
                        let end = range.end.min(at + piece as u64);
                        description.supply(at..end, file[at as usize..end as usize].to_vec().into());
                    }
                }
            }
        }
    }
}

#[test]
fn its_columns_are_described_in_types_that_hold_them_exactly() {
    let expected = [
        "DMS_TIMESTAMP string",
        "id long",
        "my_int int",
        "my_smallint int",
        "my_numeric decimal(15,2)",
        "my_real float",
        "my_double double",
        "my_money decimal(38,4)",
        "my_varchar string",
        "my_text string",
        "my_bytea binary",
        "my_timestamp timestamp",
        "my_uuid string",
        "my_json string",
        "my_jsonb string",
        "my_bool boolean",
    ];
    assert_eq!(describe(&settings(), FILE, 100).unwrap(), expected);
    let timed = ParquetSettings { timestamp_column: Some("DMS_TIMESTAMP".into()), ..settings() };
    assert_eq!(describe(&timed, FILE, 5000).unwrap(), expected[1..]);
}

#[test]
fn its_rows_are_decoded_exactly() {
    let outcome = run(&["*id long"]);
    let rows = outcome.rows();
    assert_eq!(rows.len(), 10);
    assert_eq!(rows[..2], ROWS);
    assert_eq!(outcome.rejects(), [""; 0]);
    let batch = &outcome.batches[0];
    assert!(batch.commit_times.is_none() && batch.before.is_none());
    let money = batch.rows.column_by_name("my_money").unwrap().as_primitive::<Decimal128Type>();
    assert_eq!(money.values()[0], 476_329_697_585_400);
    assert_eq!(batch.rows.column_by_name("my_varchar").unwrap().as_string::<i32>().value(0), "");
    assert_eq!(
        batch.rows.schema().field_with_name("my_timestamp").unwrap().data_type(),
        &ColumnType::Timestamp.arrow()
    );
}

#[test]
fn its_commit_times_are_read_from_their_text() {
    let timed = ParquetSettings { timestamp_column: Some("DMS_TIMESTAMP".into()), ..settings() };
    let outcome = run_with(&timed, schema(&["*id long"]), FILE, |_| ());
    assert_eq!(outcome.times()[0], Some(1_658_817_978_616_807));
    assert_eq!(outcome.batches[0].rows.schema().field(0).name(), "id");
}

#[test]
fn declared_types_are_reached_exactly_or_the_row_is_a_reject() {
    let declared = &[
        "*id decimal(10,0)",
        "my_timestamp timestamptz",
        "my_int long",
        "my_smallint decimal(7,2)",
        "my_real double",
        "my_money decimal(38,2)",
        "my_numeric string",
        "my_bool int",
        "my_bytea string",
        "my_uuid string",
    ];
    let outcome = run(declared);
    assert_eq!(outcome.rejects(), [""; 0]);
    let row = &outcome.rows()[1];
    assert!(row.contains("|2|531430493|27086.00|1272649819.81|0.69383"), "{row}");
    assert!(row.contains("|12664053511.71|tco||atyyinkarekjyix|2022-04-03T00:25:27.534Z|"), "{row}");
    let narrow = run(&["*id long", "my_smallint boolean", "my_int decimal(9,0)"]);
    assert_eq!(narrow.rows(), [""; 0]);
    assert_eq!(narrow.rejects().len(), 10);
    assert_eq!(narrow.rejects()[1], "2 my_smallint: `27086` is no boolean: expected 0 or 1");
    let raw = String::from_utf8(narrow.raw()[1].clone()).unwrap();
    assert!(raw.starts_with("{\"DMS_TIMESTAMP\": \"2022-07-26 06:46:18.618066\", \"id\": 2, \"my_int\": 531430493,"));
    assert!(raw.contains("\"my_json\": \"{\\\"key_90\\\":\\\"ct\\\"}\""), "{raw}");
    let some = run(&["*id long", "my_int decimal(9,0)"]);
    assert_eq!(some.rows().len() + some.rejects().len(), 10);
    assert_eq!(some.rejects()[0], "1 my_int: `1298498081` is no decimal(9,0): it is out of range");
}

#[test]
fn a_type_that_cannot_be_reached_is_an_error_of_the_file() {
    let error = run(&["*id long", "my_double date"]).error.unwrap().to_string();
    assert!(error.contains("`my_double` is double, which cannot become the date"), "{error}");
    let error = run(&["*no long"]).error.unwrap().to_string();
    assert!(error.contains("does not have the key column `no`"), "{error}");
    let changes = run_with(&settings(), schema(&["*id long"]), FILE, |file| file.full_load = false);
    assert!(changes.error.unwrap().to_string().contains("has no column `Op`"));
}

#[test]
fn it_is_resumed_after_any_record_and_cut_into_any_batches() {
    let whole = run(&["*id long"]).rows();
    for skip in 0..=10 {
        for batch_rows in [1, 3, 100] {
            let outcome = run_with(&settings(), schema(&["*id long"]), FILE, |file| {
                file.skip = skip;
                file.batch_rows = batch_rows;
            });
            assert_eq!(outcome.rows(), whole[skip as usize..]);
            assert!(outcome.batches.iter().all(|batch| batch.ops.len() <= batch_rows));
        }
    }
    let beyond = run_with(&settings(), schema(&[]), FILE, |file| file.skip = 11);
    assert!(matches!(beyond.error, Some(DecodeError::Shrunk { records: 10, skip: 11, .. })));
}

#[test]
fn a_column_can_be_taken_for_the_operation() {
    let odd = ParquetSettings { op_column: "my_varchar".into(), ..settings() };
    let outcome = run_with(&odd, schema(&["*id long"]), FILE, |_| ());
    assert_eq!(outcome.rejects().len(), 10);
    assert_eq!(outcome.rejects()[1], "2 my_varchar: `tco` is no operation: expected I, U or D");
    assert!(outcome.batches[0].ops.is_empty());
    assert!(run(&[]).batches[0].ops.iter().all(|op| *op == Op::Load));
}

#[test]
fn a_cut_or_empty_file_is_a_clear_error() {
    for length in [0, 7, 8, 100, FILE.len() - 1] {
        let error = run_with(&settings(), schema(&[]), &FILE[..length], |_| ()).error.unwrap();
        assert!(matches!(error, DecodeError::Parquet { .. }), "{length}: {error}");
        assert!(describe(&settings(), &FILE[..length], 64).is_err());
    }
}

#[test]
fn int_columns_of_other_widths_become_ints() {
    let outcome = run(&["*id long"]);
    let small = outcome.batches[0].rows.column_by_name("my_smallint").unwrap();
    assert_eq!(small.as_primitive::<Int32Type>().values()[0], 15887);
    let at = outcome.batches[0].rows.column_by_name("my_timestamp").unwrap();
    assert_eq!(at.as_primitive::<TimestampMicrosecondType>().values()[0], 1_635_694_452_458_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_decoded_or_refused_without_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_footer in any::<bool>(),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut file = FILE.to_vec();
        for (place, byte) in &damage {
            let start = if in_footer { file.len() * 3 / 4 } else { 0 };
            let place = start + place.index(file.len() - start);
            file[place] = *byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        run_with(&settings(), schema(&["*id long"]), &file, |_| ());
        let _ = describe(&settings(), &file, 1000);
    }
}
