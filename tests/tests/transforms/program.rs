//! What the program does: rejects become dead letters and are replayed, and a wrong transform is told before anything runs.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_tests::lake_files;
use sluice_tests::process::{Finished, Program, exit, json};

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_in(folder, arguments)
}

fn deliver(folder: &Path, name: &str, text: &str) {
    let table = folder.join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    fs::write(table.join(name), text).unwrap();
}

fn configure(folder: &Path, more: &str) {
    let text = format!(
        "source.location = 'dms'\nlake.warehouse = 'lake'\n[tables.'shop.items']\nkey = ['id']\n\
         columns = ['id long', 'email string', 'amount string']\ncsv = {{ header = false }}\n{more}"
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

/// Rows of Silver with these columns, as words.
fn silver(folder: &Path, columns: &[&str]) -> Vec<String> {
    let rows = lake_files::read(&folder.join("lake/catalog.db"), "silver", "shop_items").select(columns);
    let words = |row: Vec<Option<String>>| row.into_iter().map(|cell| cell.unwrap_or("-".into())).collect::<Vec<_>>();
    rows.into_iter().map(|row| words(row).join(" ")).collect()
}

fn letters(folder: &Path) -> Value {
    json(&run(folder, &["rejects", "shop.items", "--json"]))
}

#[test]
fn what_a_step_rejects_is_in_bronze_and_among_the_dead_letters_until_it_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "1,a@x,10\n2,b@x,many\n3,c@x,30\n4,d@x,few\n");
    deliver(folder, "20260102-000000001.csv", "U,1,a@x,lots\nU,4,d@x,44\nD,3,,\n");
    configure(folder, "transform = [{ cast = { amount = 'int' } }]\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_eq!(silver(folder, &["id", "amount"]), ["1 10", "4 44"]);
    let bronze = lake_files::read(&folder.join("lake/catalog.db"), "bronze", "shop_items");
    assert_eq!(bronze.rows.len(), 7);
    let list = letters(folder);
    assert_eq!(list["count"], 3, "{list}");
    let text = list.to_string();
    assert!(text.contains("has no place in int") && text.contains("many"), "{text}");

    // Nothing was mended: all of them stay.
    run(folder, &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_eq!(letters(folder)["last_replay"]["remaining"], 3);

    // A condition takes the place of the type that did not fit; one row has been changed since.
    configure(folder, "transform = [{ filter = \"amount != 'few'\" }, { constant = { origin = 'shop' } }]\n");
    run(folder, &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    // Silver's `amount` was made as int and cannot become text: the table says so and waits.
    run(folder, &["run", "--once"]).expect_words(&["amount"]);
}

#[test]
fn a_replayed_row_is_shaped_anew_and_leaves_newer_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "1,a@x,10\n2,b@x,2000\n3,c@x,3000\n");
    deliver(folder, "20260102-000000001.csv", "U,3,c@x,33\nU,1,a@x,9999\n");
    configure(folder, "transform = [{ cast = { amount = 'decimal(3,0)' } }]\n");
    run(folder, &["run", "--once"]).expect_code(exit::SUCCESS);
    assert_eq!(silver(folder, &["id", "amount"]), ["1 10", "3 33"]);
    assert_eq!(letters(folder)["count"], 3);
    configure(folder, "transform = [{ cast = { amount = 'decimal(6,0)' } }]\n");
    run(folder, &["rejects", "shop.items", "--replay"]).expect_code(exit::SUCCESS);
    run(folder, &["run", "--once"])
        .expect_code(exit::SUCCESS)
        .expect_words(&["dead letters replayed: 3", "the transform has changed"]);
    assert_eq!(silver(folder, &["id", "amount"]), ["1 9999", "2 2000", "3 33"]);
    assert_eq!(letters(folder)["count"], 0);
    // Silver made anew from Bronze is the same.
    let bronze = lake_files::read(&folder.join("lake/catalog.db"), "bronze", "shop_items");
    assert_eq!(bronze.rows.len(), 5);
}

#[test]
fn a_key_may_be_hashed_and_its_changes_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "1,a@x,10\n2,b@x,20\n3,c@x,30\n");
    deliver(folder, "20260102-000000001.csv", "U,7,a@x,11,1\nD,2,,,\n");
    configure(
        folder,
        "before_image_prefix = 'BI_'\nsilver_key = ['id']\n\
         transform = [{ hash = { columns = ['id', 'email'], key = '${SECRET:-shh}' } }]\n",
    );
    let text = fs::read_to_string(folder.join("sluice.toml")).unwrap();
    fs::write(folder.join("sluice.toml"), text.replace("header = false", "header = true")).unwrap();
    deliver(folder, "LOAD00000001.csv", "id,email,amount\n1,a@x,10\n2,b@x,20\n3,c@x,30\n");
    deliver(folder, "20260102-000000001.csv", "Op,id,email,amount,BI_id\nU,7,a@x,11,1\nD,2,,,\n");
    let finished = run(folder, &["run", "--once"]);
    finished.expect_code(exit::SUCCESS);
    let rows = silver(folder, &["amount", "id"]);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].starts_with("11 ") && rows[1].starts_with("30 ") && rows[0].len() == 67, "{rows:?}");
}

#[test]
fn a_wrong_transform_is_told_with_its_place_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    deliver(folder, "LOAD00000001.csv", "1,a@x,10\n");
    configure(
        folder,
        "transform = [\n  { drop = ['emial'] },\n  { component = 'mask.wasm' },\n  { filter = 'amount >' },\n]\n",
    );
    let told = run(folder, &["run", "--once"]);
    told.expect_code(exit::CONFIGURATION).expect_words(&[
        "sluice.toml:8:12: table `shop.items`: `transform`: `drop`: there is no column `emial`",
        "sluice.toml:9:17: table `shop.items`: `transform`: there is no component",
        "sluice.toml:10:23: table `shop.items`: `transform`: `filter`: expected a column or a value",
    ]);
    assert!(!folder.join("lake").exists());
}
