use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field, Schema};
use sluice_change::{Column, ColumnType, Op, Origin, Reject};

use super::column::{Bad, Chunk, ColumnBuilder, append_ops, fitted, invalid_text};
use super::layout::{Layout, Place};
use super::nulls::NullStrings;
use super::split::Rows;
use super::unsent::UnsentCells;
use crate::filter::remove_rows;
use crate::reject::{quoted, reject};
use crate::step::Decoded;

/// Records of one layout on their way to a batch.
pub(super) struct Batch {
    layout: Arc<Layout>,
    columns: Vec<ColumnBuilder>,
    before: Vec<ColumnBuilder>,
    time: Option<ColumnBuilder>,
    unsent: UnsentCells,
    ops: Vec<Op>,
    numbers: Vec<i64>,
    /// Rows whose record was rejected, to be filtered out.
    bad_rows: Vec<usize>,
    rejects: Vec<Reject>,
    /// Bytes of text taken in.
    pub(super) text_bytes: usize,
}

/// What all batches of a file share.
pub(super) struct Shared {
    pub(super) origin: Arc<Origin>,
    pub(super) nulls: NullStrings,
    pub(super) quote: u8,
    /// What a record does that does not say.
    pub(super) default_op: Op,
    pub(super) time_name: String,
    /// What stands for a value that was not sent, if anything does.
    pub(super) not_sent: Option<String>,
}

impl Batch {
    /// An empty batch with room for `rows` rows; columns of any length get as much room as `like` needed.
    pub(super) fn new(layout: Arc<Layout>, rows: usize, like: &[usize], time_name: &str) -> Self {
        let builder = |(n, place): (usize, &Place)| {
            let bytes = like.get(n).copied().unwrap_or_default();
            ColumnBuilder::new(place.column.clone(), place.field, place.key, rows, bytes + bytes / 8)
        };
        let time = layout
            .time
            .map(|place| ColumnBuilder::new(Column::new(time_name, ColumnType::TimestampTz), place, false, rows, 0));
        Self {
            columns: layout.columns.iter().enumerate().map(builder).collect(),
            before: layout.before.iter().map(|place| builder((usize::MAX, place))).collect(),
            time,
            unsent: UnsentCells::default(),
            layout,
            ops: Vec::with_capacity(rows),
            numbers: Vec::with_capacity(rows),
            bad_rows: Vec::new(),
            rejects: Vec::new(),
            text_bytes: 0,
        }
    }

    /// Records taken in, rejected ones counted.
    pub(super) fn records(&self) -> usize {
        self.ops.len() + self.rejects.len() - self.bad_rows.len()
    }

    /// Bytes of each column without fixed length.
    pub(super) fn stretch_bytes(&self) -> Vec<usize> {
        self.columns.iter().map(ColumnBuilder::stretch_bytes).collect()
    }

    /// Takes a record that did not even become a row.
    pub(super) fn refuse(&mut self, reject: Reject) {
        self.text_bytes += reject.raw.len();
        self.rejects.push(reject);
    }

    /// Takes records in; the first of them has the number `first`.
    pub(super) fn append(&mut self, text: &[u8], rows: &mut Rows, first: u64, shared: &Shared) {
        let (Some(start), Some(end)) = (rows.spans.first(), rows.spans.last()) else {
            return;
        };
        let stretch = &text[start.start as usize..end.end as usize];
        self.text_bytes += stretch.len();
        let base = self.ops.len();
        let mut bad = append_ops(&mut self.ops, self.layout.op, shared.default_op, text, rows);
        if std::str::from_utf8(stretch).is_err() {
            self.refuse_invalid_text(text, rows, shared, &mut bad);
        }
        if let Some(mark) = &shared.not_sent {
            self.unsent.take(mark.as_bytes(), text, rows, &self.layout, &mut bad);
        }
        self.numbers.extend(first as i64..(first + rows.len() as u64) as i64);
        let mut chunk = Chunk {
            text,
            rows,
            nulls: &shared.nulls,
            quote: shared.quote,
            ops: &self.ops[base..],
            places: &self.layout.columns,
            bad: &mut bad,
        };
        for builder in self.time.iter_mut().chain(&mut self.columns).chain(&mut self.before) {
            builder.append(&mut chunk);
        }
        for Bad { row, column, reason } in bad {
            let raw = rows.spans[row].of(text);
            self.bad_rows.push(base + row);
            self.rejects.push(reject(&shared.origin, first + row as u64, column.as_deref(), reason, raw));
        }
    }

    /// Finds the records that are not valid UTF-8 in a stretch that is not, as a whole.
    #[cold]
    fn refuse_invalid_text(&self, text: &[u8], rows: &mut Rows, shared: &Shared, bad: &mut Vec<Bad>) {
        for row in 0..rows.len() {
            let Some((place, field)) = invalid_text(text, rows, row) else {
                continue;
            };
            if field.is_void() {
                continue;
            }
            let named = self.layout.columns.iter().find(|column| column.field == place);
            let is_time = self.layout.time == Some(place);
            let column = named.map(|named| named.column.name.clone()).or(is_time.then(|| shared.time_name.clone()));
            let reason = format!("{} is not valid UTF-8; have the task write UTF-8", quoted(field.of(text)));
            bad.push(Bad { row, column, reason });
            rows.void(row);
        }
    }

    /// The finished batch.
    pub(super) fn finish(self, consumed: u64) -> Result<Decoded, ArrowError> {
        let count = self.ops.len();
        let rows = record_batch(&self.layout.columns, self.columns, count)?;
        let has_before = !self.before.is_empty();
        let before = if has_before { Some(record_batch(&self.layout.before, self.before, count)?) } else { None };
        let times = self.time.map(ColumnBuilder::finish).transpose()?;
        let mut rejects = self.rejects;
        rejects.sort_by_key(|reject| reject.row_number);
        let numbers: ArrayRef = Arc::new(Int64Array::from(fitted(self.numbers)));
        let mut decoded = Decoded {
            rows,
            ops: fitted(self.ops),
            row_numbers: numbers.as_primitive().clone(),
            commit_times: times.map(|times| times.as_primitive::<TimestampMicrosecondType>().clone()),
            before,
            unsent: self.unsent.finish(&self.layout),
            rejects,
            consumed,
        };
        if !self.bad_rows.is_empty() {
            remove_rows(&mut decoded, &self.bad_rows)?;
        }
        Ok(decoded)
    }
}

fn record_batch(places: &[Place], builders: Vec<ColumnBuilder>, count: usize) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> =
        places.iter().map(|place| Field::new(&place.column.name, place.column.column_type.arrow(), true)).collect();
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}
