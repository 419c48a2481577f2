//! Changes of several tables in the same files, as a task with `PreserveTransactions` and `CdcPath` writes them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::datum;
use crate::generator::{History, Record, START_US, SourceFile};
use crate::spec::Layout;
use crate::write_csv;

/// Histories of several tables whose changes are in the same files.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// All files, those of the full loads first.
    pub files: Vec<SourceFile>,
    /// What each table then has to hold; the mixed files are files of each of them.
    pub histories: Vec<History>,
}

/// The layout with which histories have to be generated and configured: such files have no time and no before images.
pub fn layout() -> Layout {
    Layout { time_column: None, before_prefix: None, ..Layout::default() }
}

/// Writes the changes of all histories into files `folder/CDC_TXN-….csv` in the order of their commits.
pub fn mix(histories: &[History], folder: &str, rows_per_file: usize, seed: u64) -> Mixed {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut mixed = Mixed { files: Vec::new(), histories: Vec::new() };
    let mut changes: Vec<(usize, Record)> = Vec::new();
    for (table, history) in histories.iter().enumerate() {
        let is_load = |record: &&Record| history.files[record.file].path.contains("LOAD");
        let loads: Vec<SourceFile> = history.files.iter().filter(|file| file.path.contains("LOAD")).cloned().collect();
        mixed.files.extend(loads.iter().cloned());
        // Files of the load come first, so their numbers stay.
        let records = history.records.iter().filter(is_load).cloned().collect();
        changes.extend(history.records.iter().filter(|record| !is_load(record)).map(|record| (table, record.clone())));
        let spec = history.spec.clone();
        mixed.histories.push(History { spec, files: loads, records, bad: Vec::new() });
    }
    changes.sort_by_key(|(_, record)| record.commit_us);
    let mut stamp_us = START_US;
    let mut rest = changes.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rng.random_range(1..=rows_per_file).min(rest.len()));
        rest = later;
        stamp_us = (now[now.len() - 1].1.commit_us + 1_000_000).max(stamp_us + 1_000);
        let digits: String = datum::timestamp(stamp_us).chars().filter(char::is_ascii_digit).collect();
        mixed.file(format!("{folder}/CDC_TXN-{}.csv", &digits[..17]), now, &mut rng);
    }
    mixed
}

impl Mixed {
    fn file(&mut self, path: String, changes: &[(usize, Record)], rng: &mut StdRng) {
        let mut bytes = Vec::new();
        for (row, (table, record)) in changes.iter().enumerate() {
            let history = &mut self.histories[*table];
            let spec = &history.spec;
            let mut fields = write_csv::fields(spec, spec.schema.columns.len(), record, false, rng);
            // The operation, the table, the schema, and then its columns.
            let names = [spec.name.table(), spec.name.schema()].map(|name| name.as_bytes().to_vec());
            fields.splice(1..1, names);
            bytes.extend(fields.join(&spec.layout.delimiter));
            bytes.extend(spec.layout.row_end.as_bytes());
            let file = history.files.len();
            history.records.push(Record { file, row: row as u64 + 1, ..record.clone() });
        }
        let file = SourceFile { path, bytes };
        self.histories.iter_mut().for_each(|history| history.files.push(file.clone()));
        self.files.push(file);
    }
}

#[cfg(test)]
mod tests {
    use sluice_change::ColumnType;

    use super::*;
    use crate::generator::Shape;
    use crate::spec::TableSpec;

    #[test]
    fn mixed_files_hold_each_change_once_with_its_table_before_its_values() {
        let shape = Shape { load_rows: 9, load_files: 2, changes: 60, change_files: 5, keys: 20, bad_share: 0.0 };
        let histories: Vec<History> = ["shop.a", "shop.b"]
            .iter()
            .zip(1..)
            .map(|(name, seed)| {
                let spec = TableSpec::new(name, &[("amount", ColumnType::Int)]).with_layout(layout());
                History::generate(&spec, &shape, seed)
            })
            .collect();
        let mixed = mix(&histories, "cdc", 20, 1);
        for (before, after) in histories.iter().zip(&mixed.histories) {
            assert_eq!(before.model().canonical_rows(), after.model().canonical_rows());
            let last = after.records.last().expect("changes");
            let text = String::from_utf8(after.files[last.file].bytes.clone()).expect("text");
            let line = text.lines().nth(last.row as usize - 1).expect("the record's line");
            let [table, schema] = [before.spec.name.table(), before.spec.name.schema()];
            assert!(line.starts_with(&format!("{},{table},{schema},", last.change.op.code())), "{line}");
        }
        assert!(mixed.files.iter().filter(|file| file.path.starts_with("cdc/CDC_TXN-2026")).count() > 3);
    }
}
