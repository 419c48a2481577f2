use sluice_decode::{CsvSettings, HeaderMode, csv_decoder, describe_csv};

use crate::drive::*;

const THREE: &[&str] = &["*id long", "name string", "amount decimal(9,2)"];

fn settings() -> CsvSettings {
    CsvSettings { not_sent: Some("NOSUP".into()), ..CsvSettings::default() }
}

/// Of each row the columns that were not sent.
fn unsent(outcome: &Outcome) -> Vec<String> {
    let of_batch = |batch: &sluice_decode::Decoded| match &batch.unsent {
        None => vec![String::new(); batch.ops.len()],
        Some(unsent) => unsent.rows().iter().map(|row| unsent.patterns()[*row as usize].join("+")).collect(),
    };
    outcome.batches.iter().flat_map(of_batch).collect()
}

#[test]
fn a_value_that_was_not_sent_is_null_and_marked_quoted_or_not() {
    let outcome =
        csv_with(&settings(), THREE, "U,1,NOSUP,NOSUP\nU,2,\"NOSUP\",2.00\nU,3,,3.00\nU,4,NOSUPER,\"NOSUP\"\n");
    assert_eq!(outcome.rows(), ["1 U 1|~|~", "2 U 2|~|2.00", "3 U 3|~|3.00", "4 U 4|NOSUPER|~"]);
    assert_eq!(unsent(&outcome), ["name+amount", "name", "", "amount"]);
    assert!(outcome.rejects().is_empty());
}

#[test]
fn the_marks_stay_with_their_rows_when_others_are_rejected() {
    let outcome =
        csv_with(&settings(), THREE, "U,1,a,1.00\nU,2,NOSUP,two\nU,3,NOSUP,3.00\nX,4,NOSUP,1.00\nU,5,NOSUP,NOSUP\n");
    assert_eq!(outcome.rows(), ["1 U 1|a|1.00", "3 U 3|~|3.00", "5 U 5|~|~"]);
    assert_eq!(unsent(&outcome), ["", "name", "name+amount"]);
    assert_eq!(outcome.rejects().len(), 2);
}

#[test]
fn a_key_that_was_not_sent_is_a_reject_and_an_image_that_was_not_sent_is_none() {
    let settings = CsvSettings { before_prefix: Some("BI_".into()), ..settings() };
    let text = "U,NOSUP,a,1.00,1\nD,NOSUP,,,\nU,3,NOSUP,3.00,NOSUP\nU,4,x,4.00,3\n";
    let outcome = csv_with(&settings, THREE, text);
    assert_eq!(outcome.rows(), ["3 U 3|~|3.00", "4 U 4|x|4.00"]);
    assert_eq!(outcome.before(), ["~", "3"]);
    let reason = "the key column id was not sent: add the key to the supplemental log";
    assert_eq!(outcome.rejects(), [format!("1 id: {reason}"), format!("2 id: {reason}")]);
    assert_eq!(outcome.raw()[0], b"U,NOSUP,a,1.00,1");
}

#[test]
fn files_that_were_sent_whole_have_no_marks_and_a_text_that_means_null_cannot_be_one() {
    assert!(csv_with(&settings(), THREE, "U,1,a,1.00\n").batches[0].unsent.is_none());
    for text in ["", "NULL"] {
        let wrong = CsvSettings { not_sent: Some(text.into()), ..CsvSettings::default() };
        assert!(csv_decoder(&wrong, context(schema(THREE), 0)).is_err());
    }
}

#[test]
fn a_key_of_which_a_part_is_null_is_a_reject_that_names_the_part() {
    let columns = &["*a long", "*b string", "*c long", "d long"];
    let outcome = csv(columns, "D,1,x,1,\nD,2,,,\nU,3,x,,9\n");
    assert_eq!(outcome.rows(), ["1 D 1|x|1|~"]);
    assert_eq!(outcome.rejects(), ["2 b: the key columns b, c are NULL", "3 c: the key column is NULL"]);
}

#[test]
fn old_names_in_a_header_line_become_the_new_ones_before_images_too() {
    let settings = CsvSettings {
        header: HeaderMode::Auto,
        before_prefix: Some("BI_".into()),
        renames: [("id".to_owned(), "order_id".to_owned())].into(),
        ..CsvSettings::default()
    };
    let columns = &["*order_id long", "name string"];
    for names in ["name,id,BI_id", "name,order_id,BI_order_id", "name,order_id,BI_id"] {
        let text = format!("Op,{names}\nU,a,2,1\n");
        let outcome = csv_with(&settings, columns, &text);
        assert_eq!(outcome.rows(), ["1 U a|2"], "{names}");
        assert_eq!(outcome.before(), ["1"], "{names}");
        let described = describe_csv(&settings, false, &schema(columns), text.as_bytes(), false).unwrap().unwrap();
        let described: Vec<&str> = described.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(described, ["name", "order_id"]);
    }
    let twice = csv_with(&settings, columns, "Op,id,order_id\nU,1,2\n").error.unwrap().to_string();
    assert!(twice.contains("has the column `order_id` twice"), "{twice}");
}
