//! The key index between two lives of the real program: it is found again, damage is seen, and without it nothing is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_tests::process::{Finished, Program, exit};

/// What the log says of an index that had something to read: rows that it took in, or all rows, sorted on disk.
const FOLLOWED: [&str; 2] = ["the key index has followed the table", "the key index is built"];

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test")).run_in(folder, arguments)
}

/// Takes in what is there, and says whether keys of Silver had to be read for it.
fn take_in(folder: &Path) -> bool {
    let log = ["run", "--once", "--log", "sluice_pipeline=debug"];
    let finished = run(folder, &log);
    finished.expect_code(exit::SUCCESS);
    FOLLOWED.iter().any(|words| finished.stderr.contains(words))
}

/// Lets a file of changes arrive.
fn deliver(folder: &Path, number: u32) {
    let text: String = (0..40).map(|n| format!("U,{},of file {number}\n", (number * 13 + n) % 200)).collect();
    let text = format!("{text}D,{},\nI,{},new\n", 200 + number, 1000 + number);
    fs::write(folder.join(format!("dms/shop/items/20260102-0000000{number:02}.csv")), text).unwrap();
}

fn begin(process: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "source.location = 'dms'\nlake.warehouse = 'lake'\n{process}\n[tables.'shop.items']\nkey = ['id']\n\
         columns = ['id long', 'name string']\ncsv = {{ header = false }}\nmaintenance = {{ compact = false }}\n"
    );
    fs::write(folder.path().join("sluice.toml"), configuration).unwrap();
    let table = folder.path().join("dms/shop/items");
    fs::create_dir_all(&table).unwrap();
    let load: String = (0..300).map(|id| format!("{id},first\n")).collect();
    fs::write(table.join("LOAD00000001.csv"), load).unwrap();
    folder
}

fn index_of(folder: &Path) -> PathBuf {
    folder.join(".sluice.cache/index/silver_shop_items")
}

fn assert_right(folder: &Path) {
    run(folder, &["verify", "shop.items", "--full"]).expect_code(exit::SUCCESS);
}

/// In memory, and on disk for lack of memory.
const PROCESSES: [&str; 2] = ["", "process.index_memory = '2KiB'"];

#[test]
fn the_next_process_finds_the_index_and_reads_no_key() {
    for process in PROCESSES {
        let folder = begin(process);
        let folder = folder.path();
        take_in(folder);
        for number in 0..4 {
            deliver(folder, number);
            assert!(!take_in(folder), "the index of the process before is there");
        }
        assert_right(folder);
    }
}

#[test]
fn without_its_index_or_with_a_damaged_one_a_process_reads_the_keys() {
    for process in PROCESSES {
        let folder = begin(process);
        let folder = folder.path();
        take_in(folder);
        let manifest = index_of(folder).join("manifest");
        let bytes = fs::read(&manifest).unwrap();
        fs::write(&manifest, &bytes[..bytes.len() - 1]).unwrap();
        deliver(folder, 1);
        assert!(take_in(folder));
        fs::remove_dir_all(folder.join(".sluice.cache")).unwrap();
        deliver(folder, 2);
        assert!(take_in(folder));
        // An index of an earlier time lacks the rows of the files since then, and has some that are gone.
        fs::rename(index_of(folder), folder.join("earlier")).unwrap();
        for number in 3..6 {
            deliver(folder, number);
            take_in(folder);
        }
        fs::remove_dir_all(index_of(folder)).unwrap();
        fs::rename(folder.join("earlier"), index_of(folder)).unwrap();
        deliver(folder, 6);
        assert!(take_in(folder));
        deliver(folder, 7);
        assert!(!take_in(folder));
        assert_right(folder);
    }
}
