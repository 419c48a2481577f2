//! Values that stand for columns which the source did not send.

use sluice_change::{Unsent, UnsentBuilder};

use super::column::Bad;
use super::layout::Layout;
use super::split::{Field, Rows};

/// Which values of the records of one layout were not sent.
#[derive(Debug, Default)]
pub(super) struct UnsentCells {
    builder: UnsentBuilder,
    columns: Vec<u32>,
    any: bool,
}

impl UnsentCells {
    /// Makes every value that is `text`, quoted or not, one that nobody looks at, and remembers which these were.
    ///
    /// A record whose key is among them cannot be told apart from others: it is bad.
    pub(super) fn take(&mut self, mark: &[u8], text: &[u8], rows: &mut Rows, layout: &Layout, bad: &mut Vec<Bad>) {
        for row in 0..rows.len() {
            self.columns.clear();
            let is_mark = |rows: &Rows, field: usize| {
                let value = rows.field(row, field);
                !value.is_void() && value.of(text) == mark
            };
            for place in &layout.before {
                if is_mark(rows, place.field) {
                    rows.set(row, place.field, Field::VOID);
                }
            }
            for (number, place) in layout.columns.iter().enumerate() {
                if is_mark(rows, place.field) {
                    self.columns.push(number as u32);
                }
            }
            let keys = self.columns.iter().map(|number| &layout.columns[*number as usize]);
            let keys: Vec<&str> = keys.filter(|place| place.key).map(|place| place.column.name.as_str()).collect();
            if let Some(first) = keys.first() {
                let reason = format!(
                    "the key column{} {} was not sent: add the key to the supplemental log",
                    if keys.len() > 1 { "s" } else { "" },
                    keys.join(", ")
                );
                bad.push(Bad { row, column: Some((*first).to_owned()), reason });
                rows.void(row);
                self.columns.clear();
            }
            for number in &self.columns {
                rows.set(row, layout.columns[*number as usize].field, Field::VOID);
            }
            self.any |= !self.columns.is_empty();
            self.builder.push(&self.columns);
        }
    }

    /// The marks of all records taken in; `None` where every one was sent whole.
    pub(super) fn finish(self, layout: &Layout) -> Option<Unsent> {
        if !self.any {
            return None;
        }
        self.builder.finish(|number| layout.columns[number as usize].column.name.clone())
    }
}
