//! Rows of a table as a reader reports them, and how they are compared with what is expected.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use sluice_change::{Op, TableSchema};

/// A row in canonical text.
pub type Row = Vec<Option<String>>;

/// Most differing rows that a message shows.
const SHOWN: usize = 8;

/// What a reader found in a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// All rows, in no order.
    pub rows: Vec<Row>,
    /// Number of snapshots that the table remembers.
    pub snapshots: usize,
}

impl TableRows {
    /// The rows with only these columns, in this order, sorted. A column that the table lacks is null.
    pub fn select(&self, columns: &[&str]) -> Vec<Row> {
        let places: Vec<Option<usize>> =
            columns.iter().map(|name| self.columns.iter().position(|column| column == name)).collect();
        let pick = |row: &Row| places.iter().map(|place| place.and_then(|place| row[place].clone())).collect();
        let mut rows: Vec<Row> = self.rows.iter().map(pick).collect();
        rows.sort_unstable();
        rows
    }

    /// The rows of a Silver table with the columns of `schema`, sorted.
    pub fn silver(&self, schema: &TableSchema) -> Vec<Row> {
        self.select(&names(schema))
    }

    /// The rows of a Bronze table as [`crate::generator::History::bronze`] gives them.
    pub fn bronze(&self, schema: &TableSchema) -> Vec<Row> {
        let mut columns = vec!["_op", "_commit_ts", "_source_file", "_source_row"];
        columns.extend(names(schema));
        self.select(&columns)
    }

    /// File and row of every dead letter, sorted.
    pub fn dead_letters(&self) -> Vec<(String, u64)> {
        let rows = self.select(&["source_file", "source_row"]);
        rows.into_iter()
            .map(|row| match <[Option<String>; 2]>::try_from(row) {
                Ok([Some(file), Some(row)]) => (file, row.parse().expect("a row number")),
                other => panic!("a dead letter without its place: {other:?}"),
            })
            .collect()
    }

    /// Fails unless the records are numbered without a gap, and none twice.
    #[track_caller]
    pub fn assert_numbered(&self) {
        let numbers = self.select(&["_seq"]).into_iter().flatten();
        let mut numbers: Vec<u64> =
            numbers.map(|text| text.and_then(|text| text.parse().ok()).expect("every record is numbered")).collect();
        numbers.sort_unstable();
        let gap = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
        assert_eq!(gap, None, "the numbers of Bronze have a gap or come twice");
    }

    /// What Silver has to be by this Bronze: its changes applied in the order in which they happened, whenever they
    /// arrived.
    pub fn replayed(&self, schema: &TableSchema) -> Vec<Row> {
        let mut columns = vec!["_source_order", "_source_row", "_op"];
        let before: Vec<String> = schema.key.iter().map(|key| format!("_before_{key}")).collect();
        columns.extend(before.iter().map(String::as_str));
        columns.extend(names(schema));
        let mut log: Vec<(String, u64, Row)> = self
            .select(&columns)
            .into_iter()
            .map(|mut row| {
                let rest = row.split_off(2);
                let number = row[1].as_ref().and_then(|text| text.parse().ok()).expect("a row number");
                (row[0].take().expect("an order"), number, rest)
            })
            .collect();
        log.sort_unstable();
        let key: Vec<usize> = schema
            .key
            .iter()
            .map(|key| schema.columns.iter().position(|column| column.name == *key).expect("a key column"))
            .collect();
        let mut silver: BTreeMap<Row, Row> = BTreeMap::new();
        for (_, _, mut row) in log {
            let cells = row.split_off(1 + key.len());
            let old = row.split_off(1);
            let op = row.pop().flatten().and_then(|code| Op::from_code(code.as_bytes())).expect("an operation");
            let new: Row = key.iter().map(|place| cells[*place].clone()).collect();
            if old.iter().all(Option::is_some) && old != new {
                silver.remove(&old);
            }
            match op {
                Op::Truncate => silver.clear(),
                Op::Delete => drop(silver.remove(&new)),
                Op::Load | Op::Insert | Op::Update => drop(silver.insert(new, cells)),
            }
        }
        let mut rows: Vec<Row> = silver.into_values().collect();
        rows.sort_unstable();
        rows
    }
}

/// Names of the columns of a schema.
pub fn names(schema: &TableSchema) -> Vec<&str> {
    schema.columns.iter().map(|column| column.name.as_str()).collect()
}

/// The differences between two collections of rows, as text; `None` where there are none. Rows may come several times.
pub fn difference<T: Eq + std::hash::Hash + std::fmt::Debug + Ord>(expected: &[T], found: &[T]) -> Option<String> {
    let mut counts: HashMap<&T, i64> = HashMap::new();
    expected.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    found.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    let mut wrong: Vec<(&T, i64)> = counts.into_iter().filter(|(_, count)| *count != 0).collect();
    if wrong.is_empty() {
        return None;
    }
    wrong.sort_unstable();
    let missing: i64 = wrong.iter().map(|(_, count)| (*count).max(0)).sum();
    let extra: i64 = wrong.iter().map(|(_, count)| (-*count).max(0)).sum();
    let mut text = format!(
        "{} rows expected, {} found: {missing} missing, {extra} that should not be there\n",
        expected.len(),
        found.len()
    );
    for (row, count) in wrong.iter().take(SHOWN) {
        let word = if *count > 0 { "missing" } else { "extra  " };
        writeln!(text, "  {word} x{}: {row:?}", count.abs()).expect("writing to a string");
    }
    Some(text)
}

/// Fails with the differences, if there are any.
#[track_caller]
pub fn assert_same<T: Eq + std::hash::Hash + std::fmt::Debug + Ord>(what: &str, expected: &[T], found: &[T]) {
    if let Some(text) = difference(expected, found) {
        panic!("{what}: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn a_row_that_comes_twice_is_a_difference() {
        let (once, twice) = ([row(&["a"])], [row(&["a"]), row(&["a"])]);
        assert_eq!(difference(&once, &once), None);
        assert!(difference(&once, &twice).unwrap().contains("1 that should not be there"));
        assert!(difference(&twice, &once).unwrap().contains("1 missing"));
    }
}
