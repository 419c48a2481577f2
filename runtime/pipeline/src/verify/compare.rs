//! What Silver holds beside what it has to hold.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_ord::cmp::distinct;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use serde::Serialize;
use sluice_index::Keys;

use super::events::Rows;
use super::fold::Expected;
use super::keys::Key;
use crate::merge::Distinct;

/// Rows of one duplicate key that are shown.
const SHOWN_DUPLICATES: usize = 8;

/// How a key's row in Silver is other than it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Silver has no row of the key.
    Missing,
    /// Silver has a row of a key that has none.
    Unexpected,
    /// Silver's row has other values.
    Different,
    /// Silver has several rows of the key.
    Duplicate,
}

/// Keys with a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Keys without a row.
    pub missing: u64,
    /// Keys with a row that have none.
    pub unexpected: u64,
    /// Keys whose row has other values.
    pub different: u64,
    /// Keys with several rows.
    pub duplicate: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.missing + self.unexpected + self.different + self.duplicate
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Missing => self.missing += 1,
            Kind::Unexpected => self.unexpected += 1,
            Kind::Different => self.different += 1,
            Kind::Duplicate => self.duplicate += 1,
        }
    }
}

/// A row that Silver holds.
#[derive(Debug, Clone)]
pub struct Actual {
    /// The data file that it is in.
    pub file: String,
    /// Its position there, from 0.
    pub position: u32,
    /// The row itself, in a batch of one.
    pub row: RecordBatch,
}

/// One key whose row is not as it has to be.
#[derive(Debug, Clone)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// The row that the key has to have, in a batch of one; `None`: none.
    pub expected: Option<RecordBatch>,
    /// The rows that Silver has; of a duplicate key at most 8.
    pub actual: Vec<Actual>,
    /// The columns that differ.
    pub columns: Vec<String>,
    /// The numbers in the log of all changes of the key, in the order of the source.
    pub sequences: Vec<i64>,
    /// Numbers of the data files, until they are given their names.
    pub(super) files: Vec<u32>,
}

/// Differences of all buckets: how many, and the first of them in the order of their keys.
#[derive(Debug)]
pub struct Findings {
    /// How many.
    pub counts: Counts,
    /// The first.
    pub first: BTreeMap<Key, Difference>,
    /// How many are kept.
    limit: usize,
}

impl Findings {
    /// None yet.
    pub fn new(limit: usize) -> Self {
        Self { counts: Counts::default(), first: BTreeMap::new(), limit }
    }

    /// Notes a difference, which is made only if it is kept.
    fn add(
        &mut self,
        key: Key,
        kind: Kind,
        make: impl FnOnce() -> Result<Difference, ArrowError>,
    ) -> Result<(), ArrowError> {
        self.counts.add(kind);
        if self.limit == 0
            || (self.first.len() >= self.limit && self.first.last_key_value().is_some_and(|(last, _)| *last <= key))
        {
            return Ok(());
        }
        self.first.insert(key, make()?);
        if self.first.len() > self.limit {
            self.first.pop_last();
        }
        Ok(())
    }
}

/// What was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows of Silver.
    pub rows: u64,
    /// Cells that cannot be known, and were left out.
    pub cells_unknown: u64,
    /// Keys that differ, and have changes which Silver does not include yet.
    pub keys_open: u64,
}

/// Rows of Silver by their keys.
struct Held<'a> {
    rows: Vec<Rows<'a>>,
    keys: Distinct,
    /// Of each key its first row.
    first: Vec<(u32, u32)>,
    /// Further rows of a key.
    further: BTreeMap<usize, Vec<(u32, u32)>>,
    count: u64,
}

impl<'a> Held<'a> {
    fn of(batches: &'a [RecordBatch], like: &Keys, is_apart: &dyn Fn(&Keys, usize) -> bool) -> Self {
        let rows: Vec<Rows<'a>> = batches.iter().map(Rows::of).collect();
        let total = rows.iter().map(|rows| rows.keys.len()).sum();
        let mut keys = Distinct::new(like, total);
        let (mut first, mut further, mut count) = (Vec::new(), BTreeMap::<usize, Vec<_>>::new(), 0);
        for (batch, of_batch) in rows.iter().enumerate() {
            for row in (0..of_batch.keys.len()).filter(|row| !is_apart(&of_batch.keys, *row)) {
                count += 1;
                let slot = keys.slot(&of_batch.keys, row);
                let at = (batch as u32, row as u32);
                if slot == first.len() { first.push(at) } else { further.entry(slot).or_default().push(at) }
            }
        }
        Self { rows, keys, first, further, count }
    }

    fn actual(&self, schema: &SchemaRef, slot: usize) -> Result<(Vec<Actual>, Vec<u32>), ArrowError> {
        let further = self.further.get(&slot).map_or(&[][..], Vec::as_slice);
        let all = std::iter::once(&self.first[slot]).chain(further).take(SHOWN_DUPLICATES);
        let one = |(batch, row): &(u32, u32)| {
            let rows = &self.rows[*batch as usize];
            let (file, position) = rows.place(*row as usize);
            let columns = rows.columns.iter().map(|column| column.slice(*row as usize, 1)).collect();
            let row = owned(&RecordBatch::try_new(schema.clone(), columns)?)?;
            Ok((Actual { file: String::new(), position, row }, file))
        };
        Ok(all.map(one).collect::<Result<Vec<_>, ArrowError>>()?.into_iter().unzip())
    }
}

/// A row by itself, without the memory of those around it.
fn owned(row: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let first = UInt32Array::from(vec![0]);
    let columns = row.columns().iter().map(|column| take(column, &first, None)).collect::<Result<_, _>>()?;
    RecordBatch::try_new(row.schema(), columns)
}

/// Compares the rows that some keys have to have with those that Silver holds.
///
/// `is_apart` says which of Silver's rows belong elsewhere, `is_open` which keys have changes that Silver need not include.
pub fn compare(
    expected: &Expected,
    actual: &[RecordBatch],
    is_apart: &dyn Fn(&Keys, usize) -> bool,
    is_open: &dyn Fn(&Keys, usize) -> bool,
    findings: &mut Findings,
) -> Result<Compared, ArrowError> {
    let schema = expected.rows.schema();
    let like = match &expected.keys {
        Keys::Int(_) => Keys::Int(Vec::new()),
        Keys::Bytes(_) => Keys::Bytes(Default::default()),
    };
    let mut held = Held::of(actual, &like, is_apart);
    let mut compared = Compared { rows: held.count, ..Compared::default() };
    compared.cells_unknown = expected.unknown.values().map(|rows| rows.len() as u64).sum();
    let expected_row = |row: usize| owned(&expected.rows.slice(row, 1));
    let mut is_expected = vec![false; held.first.len()];
    let mut expected_of: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut left, mut right): (Vec<u32>, Vec<usize>) = (Vec::new(), Vec::new());
    for row in 0..expected.keys.len() {
        match held.keys.find(&expected.keys, row) {
            None if is_open(&expected.keys, row) => compared.keys_open += 1,
            None => findings.add(Key::of(&expected.keys, row), Kind::Missing, || {
                Ok(difference(Kind::Missing, Some(expected_row(row)?), Default::default()))
            })?,
            Some(slot) => {
                is_expected[slot] = true;
                if held.further.contains_key(&slot) {
                    expected_of.insert(slot, row);
                } else {
                    left.push(row as u32);
                    right.push(slot);
                }
            }
        }
    }
    let differing = differing(expected, &held, &left, &right)?;
    for (pair, columns) in differing {
        let (row, slot) = (left[pair] as usize, right[pair]);
        if is_open(&expected.keys, row) {
            compared.keys_open += 1;
            continue;
        }
        findings.add(Key::of(&expected.keys, row), Kind::Different, || {
            let mut found = difference(Kind::Different, Some(expected_row(row)?), held.actual(&schema, slot)?);
            found.columns = columns.iter().map(|column| schema.field(*column).name().clone()).collect();
            Ok(found)
        })?;
    }
    let keys = held.keys.take_keys();
    for slot in (0..keys.len()).filter(|slot| !is_expected[*slot] || held.further.contains_key(slot)) {
        let kind = if held.further.contains_key(&slot) { Kind::Duplicate } else { Kind::Unexpected };
        if kind == Kind::Unexpected && is_open(&keys, slot) {
            compared.keys_open += 1;
            continue;
        }
        findings.add(Key::of(&keys, slot), kind, || {
            let row = expected_of.get(&slot).map(|row| expected_row(*row)).transpose()?;
            Ok(difference(kind, row, held.actual(&schema, slot)?))
        })?;
    }
    Ok(compared)
}

fn difference(kind: Kind, expected: Option<RecordBatch>, (actual, files): (Vec<Actual>, Vec<u32>)) -> Difference {
    Difference { kind, expected, actual, columns: Vec::new(), sequences: Vec::new(), files }
}

/// The pairs of rows that differ, ascending, with the columns in which they do.
fn differing(
    expected: &Expected,
    held: &Held<'_>,
    left: &[u32],
    right: &[usize],
) -> Result<BTreeMap<usize, Vec<usize>>, ArrowError> {
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    if left.is_empty() {
        return Ok(found);
    }
    let places = UInt32Array::from(left.to_vec());
    let rows: Vec<(usize, usize)> =
        right.iter().map(|slot| held.first[*slot]).map(|(batch, row)| (batch as usize, row as usize)).collect();
    for (column, wanted) in expected.rows.columns().iter().enumerate() {
        let sources: Vec<&dyn Array> = held.rows.iter().map(|rows| rows.columns[column].as_ref()).collect();
        let wanted: ArrayRef = take(wanted, &places, None)?;
        let differs: BooleanArray = distinct(&wanted, &interleave(&sources, &rows)?)?;
        if differs.true_count() == 0 {
            continue;
        }
        let unknown = expected.unknown.get(&column).map_or(&[][..], Vec::as_slice);
        for pair in differs.values().set_indices() {
            if unknown.binary_search(&left[pair]).is_err() {
                found.entry(pair).or_default().push(column);
            }
        }
    }
    Ok(found)
}
