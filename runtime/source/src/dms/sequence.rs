//! The change sequence that a transformation rule adds (`AR_H_CHANGE_SEQ`), checked against the order of files and rows.
//!
//! It is 35 digits: a time of 16 and a counter of 19, which starts over with every run of the task. Read as text it goes
//! up within a table. The order of files and rows decides all the same; a step back is reported, not mended.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

/// Names of the column where no setting gives one.
const NAMES: [&str; 2] = ["AR_H_CHANGE_SEQ", "$AR_H_CHANGE_SEQ"];

/// Follows the change sequence of one table.
#[derive(Debug, Default)]
pub(super) struct SequenceCheck {
    column: Option<String>,
    last: Option<Last>,
    /// Whether the open file has been reported.
    reported: bool,
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Last {
    Text(Vec<u8>),
    Number(i128),
}

/// A step back: the row of the batch, and whether the value before was in an earlier file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StepBack {
    pub row: usize,
    pub across_files: bool,
}

impl SequenceCheck {
    pub fn new(column: Option<String>) -> Self {
        Self { column, ..Self::default() }
    }

    /// A file begins. `follows` says that it comes after the one before in the table's order: a late one does not.
    pub fn begin_file(&mut self, follows: bool) {
        self.reported = false;
        if !follows {
            self.last = None;
        }
    }

    /// A file ends. What comes after a late one follows none that is known.
    pub fn end_file(&mut self, late: bool) {
        if late {
            self.last = None;
        }
    }

    /// Looks at a batch; gives the first step back of a file that was not reported yet. `first` says that the file's
    /// rows begin with this batch.
    pub fn check(&mut self, rows: &RecordBatch, first: bool) -> Option<StepBack> {
        let column = match &self.column {
            Some(name) => rows.column_by_name(name)?,
            None => NAMES.iter().find_map(|name| rows.column_by_name(name))?,
        };
        let found = match column.data_type() {
            DataType::Utf8 => {
                let column = column.as_string::<i32>();
                let before = match &self.last {
                    Some(Last::Text(text)) => Some(text.clone()),
                    _ => None,
                };
                // Full loads leave it empty.
                let value = |row: usize| Some(column.value(row).as_bytes()).filter(|text| !text.is_empty());
                let values = (0..column.len()).filter(|&row| column.is_valid(row));
                let (steps, last) = steps_back(values.map(|row| (row, value(row))), before.as_deref());
                self.last = last.map(|text| Last::Text(text.to_vec())).or(self.last.take());
                steps
            }
            DataType::Decimal128(_, 0) => {
                let column = column.as_primitive::<Decimal128Type>();
                let before = match self.last {
                    Some(Last::Number(number)) => Some(number),
                    _ => None,
                };
                let values = (0..column.len()).filter(|&row| column.is_valid(row));
                let (steps, last) = steps_back(values.map(|row| (row, Some(column.value(row)))), before);
                self.last = last.map(Last::Number).or(self.last.take());
                steps
            }
            _ => return None,
        };
        let (row, at_start) = found?;
        let new = !std::mem::replace(&mut self.reported, true);
        new.then_some(StepBack { row, across_files: at_start && first })
    }
}

/// The row of the first value that is less than the one before it, and whether it is the first of all.
type First = Option<(usize, bool)>;

/// Finds a value that is less than the one before it, and gives the last value.
fn steps_back<T: PartialOrd + Copy>(
    values: impl Iterator<Item = (usize, Option<T>)>,
    before: Option<T>,
) -> (First, Option<T>) {
    let (mut first, mut last, mut seen) = (None, before, false);
    for (row, value) in values {
        let Some(value) = value else { continue };
        if last.is_some_and(|last| value < last) {
            first = first.or(Some((row, !seen)));
        }
        (last, seen) = (Some(value), true);
    }
    (first, last)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, StringArray};

    use super::*;

    fn batch(name: &str, values: &[Option<&str>]) -> RecordBatch {
        let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        RecordBatch::try_from_iter([(name, column)]).unwrap()
    }

    #[test]
    fn a_step_back_is_reported_once_a_file() {
        let mut check = SequenceCheck::new(None);
        check.begin_file(true);
        let load = batch("AR_H_CHANGE_SEQ", &[None, Some("")]);
        assert_eq!(check.check(&load, true), None, "a full load leaves it empty");
        check.end_file(false);
        check.begin_file(true);
        let found = check.check(&batch("AR_H_CHANGE_SEQ", &[Some("0005"), Some("0004"), Some("0003")]), true);
        assert_eq!(found, Some(StepBack { row: 1, across_files: false }));
        assert_eq!(check.check(&batch("AR_H_CHANGE_SEQ", &[Some("0001")]), false), None, "the file is reported");
        check.end_file(false);
        check.begin_file(true);
        let found = check.check(&batch("$AR_H_CHANGE_SEQ", &[Some("0000"), Some("0000")]), true);
        assert_eq!(found, Some(StepBack { row: 0, across_files: true }));
    }

    #[test]
    fn a_late_file_is_compared_with_itself_only() {
        let mut check = SequenceCheck::new(Some("seq".into()));
        check.begin_file(true);
        check.check(&batch("seq", &[Some("0009")]), true);
        check.end_file(false);
        check.begin_file(false);
        assert_eq!(check.check(&batch("seq", &[Some("0002"), Some("0003")]), true), None);
        check.end_file(true);
        check.begin_file(true);
        assert_eq!(check.check(&batch("seq", &[Some("0001")]), true), None, "what came before it is not known");
        assert_eq!(check.check(&batch("other", &[Some("0000")]), false), None);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let numbers = Decimal128Array::from(vec![7, 12, 11]).with_precision_and_scale(38, 0).unwrap();
        let column: ArrayRef = Arc::new(numbers);
        let rows = RecordBatch::try_from_iter([("AR_H_CHANGE_SEQ", column)]).unwrap();
        let mut check = SequenceCheck::new(None);
        assert_eq!(check.check(&rows, true), Some(StepBack { row: 2, across_files: false }));
    }
}
