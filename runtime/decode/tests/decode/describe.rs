use sluice_decode::{CsvSettings, HeaderMode, describe_csv};

use crate::drive::schema;

/// The columns that are found, as `name type`.
fn described(settings: &CsvSettings, columns: &[&str], sample: &str, guess: bool) -> Option<Vec<String>> {
    let found = describe_csv(settings, false, &schema(columns), sample.as_bytes(), guess).unwrap();
    found.map(|found| found.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect())
}

fn auto(columns: &[&str], sample: &str, guess: bool) -> Option<Vec<String>> {
    described(&CsvSettings::default(), columns, sample, guess)
}

#[test]
fn a_header_names_the_columns_and_the_rest_is_declared_or_text() {
    let found = auto(&["*id long"], "Op,id,name,n\nI,1,a,2\n", false).unwrap();
    assert_eq!(found, ["id long", "name string", "n string"]);
    assert_eq!(auto(&[], "Op,id,name\n", false).unwrap(), ["id string", "name string"]);
}

#[test]
fn operation_commit_time_and_before_images_are_no_business_columns() {
    let settings = CsvSettings {
        timestamp_column: Some("ts".into()),
        before_prefix: Some("BI_".into()),
        ..CsvSettings::default()
    };
    assert_eq!(described(&settings, &[], "Op,ts,id,BI_id,BI_x\n", false).unwrap(), ["id string", "BI_x string"]);
}

#[test]
fn without_a_header_the_declared_columns_are_those_that_are_there() {
    assert_eq!(auto(&["*id long", "a int", "b int"], "I,1,2\nI,2,", false).unwrap(), ["id long", "a int"]);
    assert_eq!(auto(&[], "I,1,a\nI,2,b\n", true), None);
    assert_eq!(auto(&["*id long"], "", true), None);
    let absent = CsvSettings { header: HeaderMode::Absent, ..CsvSettings::default() };
    assert_eq!(described(&absent, &[], "a,b\n1,2\n", true), None);
}

#[test]
fn with_no_column_known_a_first_line_counts_as_names_only_with_evidence() {
    let load =
        |sample: &str| describe_csv(&CsvSettings::default(), true, &schema(&[]), sample.as_bytes(), true).unwrap();
    assert_eq!(load("id,name\n1,a\n").unwrap().len(), 2);
    assert_eq!(load("alice,bob\ncarol,dave\n"), None);
    assert_eq!(load("1,a\n2,b\n"), None);
    let present = CsvSettings { header: HeaderMode::Present, ..CsvSettings::default() };
    assert_eq!(described(&present, &["Op string"], "Op,a\nI,1\n", false).unwrap(), ["a string"]);
}

#[test]
fn a_guess_is_what_all_values_of_the_sample_are() {
    let guess = |values: &[&str]| {
        let lines: String = values.iter().map(|value| format!("I,{value}\n")).collect();
        auto(&[], &format!("Op,c\n{lines}"), true).unwrap()[0].strip_prefix("c ").unwrap().to_owned()
    };
    assert_eq!(guess(&["1", "-2", "", "9223372036854775807"]), "long");
    assert_eq!(guess(&["0", "-0"]), "long");
    assert_eq!(guess(&["1", "99999999999999999999"]), "decimal(38,0)");
    assert_eq!(guess(&["1", "2.50", "-3.125"]), "decimal(38,3)");
    assert_eq!(guess(&["+1.5e+01", "2e0"]), "double");
    assert_eq!(guess(&["1.5e+01", "-2E0"]), "double");
    assert_eq!(guess(&["007", "1"]), "string");
    assert_eq!(guess(&["\"1\"", "2"]), "string");
    assert_eq!(guess(&["true", "FALSE"]), "boolean");
    assert_eq!(guess(&["t", "f"]), "string");
    assert_eq!(guess(&["2024-02-29", "1970-01-01"]), "date");
    assert_eq!(guess(&["2024-02-29 00:00:00", "1970-01-01 12:00:00.5"]), "timestamp");
    assert_eq!(guess(&["2024-02-29 00:00:00Z", "1970-01-01 12:00:00+02"]), "timestamptz");
    assert_eq!(guess(&["12:00:00"]), "time");
    assert_eq!(guess(&["", "NULL"]), "string");
    assert_eq!(guess(&["1", "a"]), "string");
}

#[test]
fn a_sample_may_be_cut_anywhere_and_be_gzip() {
    use std::io::Write;
    let text = format!("Op,id,name\n{}", "I,1,\"a\nb\"\n".repeat(2000));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let file = encoder.finish().unwrap();
    let settings = CsvSettings::default();
    for cut in [text.len(), 300, 40, 12] {
        let found = describe_csv(&settings, false, &schema(&[]), &text.as_bytes()[..cut], true).unwrap().unwrap();
        assert_eq!(found.len(), 2, "{cut}");
    }
    let found = describe_csv(&settings, false, &schema(&[]), &file[..file.len() / 2], true).unwrap().unwrap();
    assert_eq!(found[0].column_type.to_string(), "long");
    assert_eq!(describe_csv(&settings, false, &schema(&[]), b"Op,i", true).unwrap(), None, "a name may be cut");
}

#[test]
fn a_header_line_without_the_key_is_said_to_lack_it() {
    let wrong = sluice_change::TableSchema { columns: Vec::new(), key: vec!["ident".into()] };
    let told = |sample: &str| {
        describe_csv(&CsvSettings::default(), true, &wrong, sample.as_bytes(), true).map_err(|e| e.to_string())
    };
    let error = told("id,name\n1,a\n").unwrap_err();
    assert!(error.contains("does not have the key column `ident` (it has id, name)"), "{error}");
    assert_eq!(told("1,a\n2,b\n"), Ok(None));
}
