//! Schemas that change while the tables are filled, and columns that the source does not send.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sluice_tests::config::{Scenario, Settings};
use sluice_tests::generator::SourceFile;
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, Running, exit};
use sluice_tests::table::{Row, TableRows};
use sluice_tests::write_parquet;

/// A folder with a configuration of its own.
struct Shop(Scenario);

impl Shop {
    /// With this text after the sections of source and lake.
    fn new(tables: &str) -> Self {
        let shop = Self(Scenario::new(&Settings::default(), &[]));
        shop.configure(tables);
        shop
    }

    fn configure(&self, tables: &str) {
        let text = format!(
            "[source]\nlocation = \"source\"\nbefore_image_prefix = \"BI_\"\ncsv.header = true\n\n[lake]\n\
             warehouse = \"lake\"\n\n[defaults]\nbatch.max_rows = 7\n\
             retry = {{ max_attempts = 3, first_wait = \"1ms\", max_wait = \"2ms\" }}\n\n{tables}"
        );
        fs::write(self.0.config(), text).unwrap();
    }

    fn deliver(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.0.deliver(&SourceFile { path: format!("shop/{path}"), bytes: bytes.into() });
    }

    fn deliver_parquet(&self, path: &str, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, it)| (name, it, true)));
        self.deliver(path, write_parquet::encode(&batch.unwrap()));
    }

    fn run(&self) -> Finished {
        Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_once(&self.0)
    }

    /// Runs until it ends itself at a failpoint.
    fn run_into(&self, failpoint: &str) {
        let mut command = Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_command(&self.0, true);
        command.env("SLUICE_FAILPOINT", failpoint);
        Running::start(command, self.0.path()).wait();
    }

    fn table(&self, layer: &str, table: &str) -> TableRows {
        lake_files::read(&self.0.catalog(), layer, &format!("shop_{table}"))
    }

    fn silver(&self, table: &str, columns: &[&str]) -> Vec<Row> {
        self.table("silver", table).select(columns)
    }
}

fn row(values: &[&str]) -> Row {
    values.iter().map(|value| (*value != "-").then(|| (*value).to_owned())).collect()
}

fn longs(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

const ORDERS: &str = "[tables.\"shop.orders\"]\nkey = [\"id\"]\n";

#[test]
fn columns_come_go_move_and_widen_from_file_to_file() {
    let shop = Shop::new(ORDERS);
    let load = vec![
        ("id", ints(&[1, 2])),
        ("note", texts(&["a", "b"])),
        ("weight", Arc::new(Float32Array::from(vec![1.5, 2.5])) as ArrayRef),
    ];
    shop.deliver_parquet("orders/LOAD00000001.parquet", load);
    shop.run().expect_code(exit::SUCCESS);
    let wider = vec![
        ("Op", texts(&["U", "I"])),
        ("weight", Arc::new(Float64Array::from(vec![0.1, 0.2])) as ArrayRef),
        ("email", texts(&["x@y", "z@y"])),
        ("id", longs(&[2, 1 << 40])),
    ];
    shop.deliver_parquet("orders/20260101-000000001.parquet", wider);
    shop.deliver_parquet(
        "orders/20260101-000000002.parquet",
        vec![("Op", texts(&["D"])), ("id", longs(&[1 << 40])), ("note", texts(&["q"]))],
    );
    shop.deliver_parquet(
        "orders/20260101-000000003.parquet",
        vec![("Op", texts(&["U"])), ("id", ints(&[1])), ("note", texts(&["c"]))],
    );
    shop.run().expect_code(exit::SUCCESS);
    // A column that a file does not have is null in its rows, as it would be if the source had dropped it. A double is
    // shown by its bits: here those of 0.1.
    let expected = [row(&["1", "c", "-", "-"]), row(&["2", "-", "3fb999999999999a", "x@y"])];
    assert_eq!(shop.silver("orders", &["id", "note", "weight", "email"]), expected);
    assert_eq!(shop.table("bronze", "orders").rows.len(), 6);
}

#[test]
fn an_impossible_change_stops_its_table_alone_and_says_what_to_do() {
    let both = format!("{ORDERS}[tables.\"shop.items\"]\nkey = [\"id\"]\n");
    let shop = Shop::new(&both);
    for table in ["orders", "items"] {
        let amount = Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
        shop.deliver_parquet(&format!("{table}/LOAD00000001.parquet"), vec![("id", longs(&[1])), ("amount", amount)]);
    }
    shop.run().expect_code(exit::SUCCESS);
    let day = Arc::new(Date32Array::from(vec![1])) as ArrayRef;
    shop.deliver_parquet(
        "orders/20260101-000000001.parquet",
        vec![("Op", texts(&["I"])), ("id", longs(&[2])), ("amount", day)],
    );
    let amount = Arc::new(Float64Array::from(vec![2.0])) as ArrayRef;
    shop.deliver_parquet(
        "items/20260101-000000001.parquet",
        vec![("Op", texts(&["I"])), ("id", longs(&[2])), ("amount", amount)],
    );
    let words =
        ["shop.orders", "quarantined", "20260101-000000001.parquet", "`amount` is date", "double", "rebuild the table"];
    shop.run().expect_code(exit::PARTIAL).expect_words(&words);
    assert_eq!(shop.silver("items", &["id"]).len(), 2);
    assert_eq!(shop.silver("orders", &["id"]).len(), 1);
}

#[test]
fn a_policy_leaves_new_columns_out_or_refuses_new_and_wider_ones() {
    let shop = Shop::new(&format!("{ORDERS}schema.added = \"ignore\"\n"));
    shop.deliver_parquet("orders/LOAD00000001.parquet", vec![("id", ints(&[1]))]);
    shop.run().expect_code(exit::SUCCESS);
    let file = vec![("Op", texts(&["I"])), ("id", ints(&[2])), ("email", texts(&["x@y"]))];
    shop.deliver_parquet("orders/20260101-000000001.parquet", file.clone());
    shop.run().expect_code(exit::SUCCESS);
    assert_eq!(shop.table("silver", "orders").columns, ["id"]);
    assert!(!shop.table("bronze", "orders").columns.contains(&"email".to_owned()));

    shop.configure(&format!("{ORDERS}schema = {{ added = \"refuse\", widened = \"refuse\" }}\n"));
    shop.deliver_parquet("orders/20260101-000000002.parquet", file);
    shop.run().expect_code(exit::ALL_FAILED).expect_words(&[
        "000000002.parquet",
        "`email` (string) is new",
        "schema.added",
    ]);
    shop.configure(&format!("{ORDERS}schema.widened = \"refuse\"\n"));
    shop.deliver_parquet("orders/20260101-000000003.parquet", vec![("Op", texts(&["I"])), ("id", longs(&[3]))]);
    shop.run().expect_code(exit::ALL_FAILED).expect_words(&[
        "000000003.parquet",
        "`id` is int",
        "long",
        "schema.widened",
    ]);
    shop.configure(ORDERS);
    shop.run().expect_code(exit::SUCCESS);
    assert_eq!(shop.silver("orders", &["id", "email"]), [row(&["1", "-"]), row(&["2", "x@y"]), row(&["3", "-"])]);
}

#[test]
fn a_renamed_column_keeps_its_values_even_if_it_is_the_key() {
    let columns = "columns = [\"id long\", \"note string\"]\n";
    let shop = Shop::new(&format!("{ORDERS}{columns}"));
    shop.deliver("orders/LOAD00000001.csv", "id,note\n1,a\n2,b\n");
    shop.deliver("orders/20260101-000000001.csv", "Op,id,note,BI_id\nU,3,c,1\n");
    shop.run_into("between-bronze-and-silver=1");
    let renamed = "[tables.\"shop.orders\"]\nkey = [\"order_id\"]\ncolumns = [\"order_id long\", \"text string\"]\n\
                   rename = { id = \"order_id\", note = \"text\" }\n";
    shop.configure(renamed);
    // Old names and new ones, in any order.
    shop.deliver("orders/20260101-000000002.csv", "Op,note,id,BI_id\nU,d,4,2\n");
    shop.deliver("orders/20260101-000000003.csv", "Op,order_id,text,BI_order_id\nU,5,e,3\n");
    shop.run().expect_code(exit::SUCCESS);
    let silver = shop.table("silver", "orders");
    assert_eq!(silver.columns, ["order_id", "text"]);
    assert_eq!(silver.select(&["order_id", "text"]), [row(&["4", "d"]), row(&["5", "e"])]);
    let bronze = shop.table("bronze", "orders");
    assert!(
        !bronze.columns.iter().any(|name| name == "id" || name == "note" || name == "_before_id"),
        "{:?}",
        bronze.columns
    );
    let images: Vec<Row> = bronze.select(&["_before_order_id"]).into_iter().filter(|row| row[0].is_some()).collect();
    assert_eq!(images, [row(&["1"]), row(&["2"]), row(&["3"])]);
    // Once both names are columns, no one can say which is which.
    shop.configure(&renamed.replace("note = \"text\"", "text = \"order_id\""));
    shop.run().expect_code(exit::CONFIGURATION);
}

#[test]
fn records_without_their_whole_key_are_dead_letters_that_name_what_is_missing() {
    let shop = Shop::new(
        "[tables.\"shop.orders\"]\nkey = [\"a\", \"b\", \"c\"]\ncolumns = [\"a long\", \"b string\", \"c long\", \"d long\"]\n",
    );
    shop.deliver("orders/LOAD00000001.csv", "a,b,c,d\n1,x,1,1\n2,x,2,2\n3,x,3,3\n");
    // The whole key and nothing else; a part of it; an upsert with a part of it.
    shop.deliver("orders/20260101-000000001.csv", "Op,a,b,c,d\nD,1,x,1,\nD,2,,,\nU,3,x,,9\n");
    shop.run().expect_code(exit::SUCCESS);
    assert_eq!(shop.silver("orders", &["a", "d"]), [row(&["2", "2"]), row(&["3", "3"])]);
    let letters = shop.table("dead_letters", "orders").select(&["source_row", "reason"]);
    assert_eq!(letters, [row(&["2", "the key columns b, c are NULL"]), row(&["3", "the key column is NULL"])]);
}

const UNSENT: &str = "[tables.\"shop.orders\"]\nkey = [\"id\"]\ncsv.not_sent = \"NOSUP\"\n\
                      columns = [\"id long\", \"a long\", \"b string\", \"c decimal(9,2)\"]\n";

#[test]
fn columns_that_were_not_sent_keep_their_value() {
    let shop = Shop::new(UNSENT);
    shop.deliver("orders/LOAD00000001.csv", "id,a,b,c\n1,10,x,1.00\n2,20,y,2.00\n");
    shop.run().expect_code(exit::SUCCESS);
    let changes = "Op,id,a,b,c,BI_id\n\
                   U,1,11,NOSUP,NOSUP,\n\
                   U,1,NOSUP,\"z\",NOSUP,\n\
                   U,3,NOSUP,NOSUP,3.00,2\n\
                   U,9,NOSUP,\"NOSUP\",9.00,NOSUP\n\
                   U,NOSUP,1,1,1.00,\n";
    shop.deliver("orders/20260101-000000001.csv", changes);
    shop.run().expect_code(exit::SUCCESS).expect_words(&["whose columns that were not sent are null"]);
    let expected = [row(&["1", "11", "z", "1.00"]), row(&["3", "20", "y", "3.00"]), row(&["9", "-", "-", "9.00"])];
    assert_eq!(shop.silver("orders", &["id", "a", "b", "c"]), expected);
    let marks = shop.table("bronze", "orders").select(&["id", "_unsent"]);
    let expected = [
        row(&["1", "-"]),
        row(&["1", "a,c"]),
        row(&["1", "b,c"]),
        row(&["2", "-"]),
        row(&["3", "a,b"]),
        row(&["9", "a,b"]),
    ];
    assert_eq!(marks, expected);
    let letters = shop.table("dead_letters", "orders").select(&["reason"]);
    assert_eq!(letters, [row(&["the key column id was not sent: add the key to the supplemental log"])]);
}

/// Random changes of a few keys, in files, with what Silver holds after them.
fn unsent_history(seed: u64) -> (Vec<(String, String)>, Vec<Row>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model: BTreeMap<u64, [Option<String>; 2]> = BTreeMap::new();
    let mut files = Vec::new();
    for number in 1..=6 {
        let mut text = String::from("Op,id,a,b,c,BI_id\n");
        for _ in 0..rng.random_range(0..12) {
            let id = rng.random_range(1..5_u64);
            if rng.random_bool(0.15) {
                writeln!(text, "D,{id},,,,").unwrap();
                model.remove(&id);
                continue;
            }
            let from = rng.random_bool(0.2).then(|| rng.random_range(1..5_u64));
            let cells = [(); 2].map(|()| match ["sent", "sent", "null", "unsent"].choose(&mut rng) {
                Some(&"sent") => rng.random_range(0..1000).to_string(),
                Some(&"null") => String::new(),
                _ => "NOSUP".to_owned(),
            });
            let image = from.map(|from| from.to_string()).unwrap_or_default();
            writeln!(text, "U,{id},{},{},1.00,{image}", cells[0], cells[1]).unwrap();
            let own = model.remove(&id);
            let kept = match from.filter(|from| *from != id) {
                Some(from) => model.remove(&from),
                None => own,
            };
            let kept = kept.unwrap_or_default();
            let value = |place: usize| match cells[place].as_str() {
                "NOSUP" => kept[place].clone(),
                text => Some(text.to_owned()).filter(|text| !text.is_empty()),
            };
            model.insert(id, [value(0), value(1)]);
        }
        files.push((format!("orders/20260101-00000000{number}.csv"), text));
    }
    let rows = model.into_iter().map(|(id, [a, b])| vec![Some(id.to_string()), a, b]);
    (files, rows.collect())
}

#[test]
fn columns_that_were_not_sent_keep_their_value_through_batches_crashes_and_catch_up() {
    for seed in 0..12 {
        let (files, expected) = unsent_history(seed);
        let shop = Shop::new(UNSENT);
        for (number, (path, text)) in files.iter().enumerate() {
            shop.deliver(path, text.as_bytes());
            if number % 2 == 1 {
                shop.run_into(&format!("between-bronze-and-silver={}", 1 + seed % 3));
            }
        }
        shop.run().expect_code(exit::SUCCESS);
        assert_eq!(shop.silver("orders", &["id", "a", "b"]), expected, "seed {seed}");
    }
}

#[test]
fn where_nothing_names_the_columns_the_order_in_which_they_are_declared_does() {
    let shop = Shop::new("");
    let declare = |columns: &str| {
        shop.configure(&format!("[tables.'shop.items']\nkey = ['id']\ncsv.header = false\ncolumns = [{columns}]\n"));
    };
    declare("'id long', 'a string', 'b string'");
    shop.deliver("items/20260101-000000001.csv", "I,1,a1,b1,\n");
    shop.run().expect_code(exit::SUCCESS);
    // Others, and in another order; then one is gone from the middle, which the lake keeps.
    declare("'id long', 'b string', 'c string', 'a string'");
    shop.deliver("items/20260101-000000002.csv", "I,2,b2,c2,a2,\n");
    shop.run().expect_code(exit::SUCCESS);
    declare("'id long', 'c string', 'a string'");
    shop.deliver("items/20260101-000000003.csv", "I,3,c3,a3,\n");
    shop.run().expect_code(exit::SUCCESS);
    let expected = [row(&["1", "a1", "b1", "-"]), row(&["2", "a2", "b2", "c2"]), row(&["3", "a3", "-", "c3"])];
    assert_eq!(shop.silver("items", &["id", "a", "b", "c"]), expected);
}
