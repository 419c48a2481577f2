use sluice_decode::{CsvSettings, HeaderMode, OpColumn};

use crate::drive::{csv, csv_load, csv_with};

const THREE: &[&str] = &["*id long", "name string", "n int"];

fn settings(change: impl FnOnce(&mut CsvSettings)) -> CsvSettings {
    let mut settings = CsvSettings::default();
    change(&mut settings);
    settings
}

#[test]
fn a_header_is_seen_by_its_names_and_may_have_any_order() {
    assert_eq!(csv(THREE, "Op,id,name,n\nI,1,a,2\n").rows(), ["1 I 1|a|2"]);
    let outcome = csv(THREE, "Op,n,id,name\nI,2,1,a\n");
    assert_eq!(outcome.rows(), ["1 I 2|1|a"]);
    assert_eq!(outcome.batches[0].rows.schema().field(0).name(), "n");
    assert_eq!(csv_load(&CsvSettings::default(), THREE, "id,name,n\r\n1,a,2\r\n").rows(), ["1 L 1|a|2"]);
    assert_eq!(csv_load(&CsvSettings::default(), THREE, "Op,id,name,n\r\nI,1,a,2\r\n").rows(), ["1 I 1|a|2"]);
}

#[test]
fn columns_that_only_a_header_knows_are_text_and_missing_ones_are_absent() {
    let outcome = csv(THREE, "Op,id,email,AR_H_CHANGE_SEQ\nI,1,a@b,20240101000000000000000000000000001\n");
    assert_eq!(outcome.rows(), ["1 I 1|a@b|20240101000000000000000000000000001"]);
    assert_eq!(outcome.batches[0].rows.num_columns(), 3);
}

#[test]
fn records_of_another_width_than_the_header_are_rejects() {
    let outcome = csv(THREE, "Op,id,name\nI,1,a\nI,2\nI,3,c,4\n");
    assert_eq!(outcome.rows(), ["1 I 1|a"]);
    assert_eq!(outcome.rejects()[1], "3 -: the record has 4 values, but the header line names 3");
}

#[test]
fn a_header_names_commit_time_and_before_images() {
    let settings = settings(|settings| {
        settings.timestamp_column = Some("ts".into());
        settings.before_prefix = Some("BI_".into());
    });
    let text = "Op,ts,id,name,BI_id,BI_name,BI_other\nU,1970-01-01 00:00:00.000001,2,a,1,,x\nI,,3,c,,,\n";
    let outcome = csv_with(&settings, &["*id long", "name string"], text);
    assert_eq!(outcome.rows(), ["1 U 2|a|x", "2 I 3|c|~"]);
    assert_eq!(outcome.before(), ["1|~", "~|~"]);
    assert_eq!(outcome.times(), [Some(1), None]);
    let before = outcome.batches[0].before.as_ref().unwrap().schema();
    assert_eq!(before.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "name"]);
}

#[test]
fn the_settings_can_say_that_there_is_a_header_or_none() {
    let absent = settings(|settings| settings.header = HeaderMode::Absent);
    assert_eq!(csv_with(&absent, &["*id string", "name string"], "I,id,name\n").rows(), ["1 I id|name"]);
    let present = settings(|settings| settings.header = HeaderMode::Present);
    assert_eq!(csv_load(&present, &[], "a,b\n1,\n").rows(), ["1 L 1|~"]);
}

#[test]
fn a_narrower_file_is_a_prefix_if_it_has_the_key() {
    assert_eq!(csv(THREE, "I,1,a\nI,2,b\n").rows(), ["1 I 1|a", "2 I 2|b"]);
    assert_eq!(csv(THREE, "D,1\n").rows(), ["1 D 1"]);
    let late_key = &["name string", "*id long", "n int"];
    assert_eq!(csv(late_key, "I,a\nI,a,1\n").rejects().len(), 1);
    assert_eq!(csv(late_key, "I,a\nI,a,1\n").rows(), ["2 I a|1"]);
}

#[test]
fn a_wider_record_widens_the_file_and_a_narrower_one_is_then_a_reject() {
    let outcome = csv(THREE, "I,1,a\nI,2,b\nI,3,c,3\nI,4,d\nI,5,e,5\nI,6,f,6,6\n");
    assert_eq!(outcome.rows(), ["1 I 1|a", "2 I 2|b", "3 I 3|c|3", "5 I 5|e|5"]);
    assert_eq!(outcome.rejects().len(), 2);
    assert!(outcome.rejects()[0].starts_with("4 -: the record has 3 values, expected 4"));
    assert_eq!(outcome.batches.len(), 2, "a batch has one set of columns");
}

#[test]
fn whether_a_full_load_has_operations_is_told_from_its_first_record() {
    let auto = CsvSettings::default();
    assert_eq!(csv_load(&auto, THREE, "1,a,2\nx,b,3\n").rows(), ["1 L 1|a|2"]);
    assert_eq!(csv_load(&auto, THREE, "I,1,a,2\nI,2,b,3\n").rows(), ["1 I 1|a|2", "2 I 2|b|3"]);
    // As wide as the table without the operation, but the first value can only be one.
    assert_eq!(csv_load(&auto, THREE, "I,1,a\n").rows(), ["1 I 1|a"]);
    // Both readings fit; the one with all columns counts.
    assert_eq!(csv_load(&auto, &["*a string", "b string"], "I,b\n").rows(), ["1 L I|b"]);
    assert_eq!(csv_load(&auto, &["*a string", "b string"], "I,b,c\n").rows(), ["1 I b|c"]);
    // No reading fits the first record, which is then a reject in the one with all columns.
    let bad = csv_load(&auto, THREE, "x,a,2\n2,b,3\n");
    assert_eq!(bad.rows(), ["2 L 2|b|3"]);
    assert_eq!(bad.rejects().len(), 1);
}

#[test]
fn the_settings_can_say_whether_there_are_operations() {
    let present = settings(|settings| settings.op_column = OpColumn::Present);
    assert_eq!(csv_load(&present, &["*a string", "b string"], "I,b\n").rows(), ["1 I b"]);
    let absent = settings(|settings| settings.op_column = OpColumn::Absent);
    assert_eq!(csv_load(&absent, &["*a string", "b string"], "I,b\n").rows(), ["1 L I|b"]);
    assert_eq!(csv_with(&absent, &["*a string", "b string"], "I,b\n").rows(), ["1 I I|b"]);
    assert_eq!(csv_with(&absent, &["*a string", "b string"], "a,b\nI,b\n").rows(), ["1 I I|b"]);
}

#[test]
fn before_images_of_the_key_end_the_records_of_changes_without_header() {
    let settings = settings(|settings| settings.before_prefix = Some("BI_".into()));
    let columns = &["*id long", "name string", "*k int"];
    let outcome = csv_with(&settings, columns, "U,2,a,8,1,9\nI,3,b,7,,\nU,4,c,6,bad,\n");
    assert_eq!(outcome.rows(), ["1 U 2|a|8", "2 I 3|b|7"]);
    assert_eq!(outcome.before(), ["1|9", "~|~"]);
    assert_eq!(outcome.rejects().len(), 1);
    // Narrower: written before `name` was added at the end.
    let columns = &["*id long", "name string"];
    let outcome = csv_with(&settings, columns, "U,2,1\nU,3,c,2\n");
    assert_eq!(outcome.rows(), ["1 U 2", "2 U 3|c"]);
    assert_eq!(outcome.before(), ["1", "2"]);
    // A full load may have them, empty, or not.
    assert_eq!(csv_load(&settings, columns, "1,a\n2,b\n").rows(), ["1 L 1|a", "2 L 2|b"]);
    assert_eq!(csv_load(&settings, columns, "1,a,\n").rows(), ["1 L 1|a"]);
    assert_eq!(csv_load(&settings, columns, "I,1,a,\n").rows(), ["1 I 1|a"]);
}

#[test]
fn a_bad_first_record_of_a_full_load_does_not_decide_how_the_others_are_read() {
    // One value too many: with `Op` it would be a possible record, and all others would not.
    let outcome = csv_load(&CsvSettings::default(), THREE, "1,a,2,9\n2,b,3\n3,c,4\n");
    assert_eq!(outcome.rows(), ["2 L 2|b|3", "3 L 3|c|4"]);
    assert_eq!(outcome.rejects().len(), 1);
    let outcome = csv_load(&CsvSettings::default(), THREE, "1,a,x\n2,b,3\n");
    assert_eq!(outcome.rows(), ["2 L 2|b|3"]);
    assert!(outcome.rejects()[0].contains("`x` is no int (column `n`)"), "{:?}", outcome.rejects());
}
