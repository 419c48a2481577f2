//! Plays the source: hands a decoder the ranges that it asks for, whole or in pieces.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use sluice_change::{Column, Origin, TableSchema};
use sluice_decode::{CsvSettings, Decode, DecodeError, Decoded, FileContext, Step, csv_decoder};

/// Everything that a decoder gave.
pub struct Outcome {
    pub batches: Vec<Decoded>,
    pub error: Option<DecodeError>,
}

/// A schema from `name type` pairs; key columns have a `*` before their name.
pub fn schema(columns: &[&str]) -> TableSchema {
    let mut schema = TableSchema::default();
    for column in columns {
        let (name, column_type) = column.split_once(' ').unwrap();
        let name = name.strip_prefix('*').inspect(|name| schema.key.push((*name).to_owned())).unwrap_or(name);
        schema.columns.push(Column::new(name, column_type.parse().unwrap()));
    }
    schema
}

pub fn context(schema: TableSchema, length: usize) -> FileContext {
    FileContext {
        origin: Arc::new(Origin { partition: "public.t".into(), name: "t/file".into(), order: "1".into() }),
        length: length as u64,
        full_load: false,
        skip: 0,
        schema,
        batch_rows: 1000,
        batch_bytes: sluice_decode::MOST_BATCH_BYTES,
    }
}

/// Runs a decoder to its end; `piece` says how many bytes to hand over next.
pub fn drive(mut decoder: Box<dyn Decode>, file: &[u8], mut piece: impl FnMut() -> usize) -> Outcome {
    let mut batches = Vec::new();
    loop {
        match decoder.step() {
            Err(error) => {
                assert!(matches!(decoder.step(), Ok(Step::End)), "nothing comes after an error");
                return Outcome { batches, error: Some(error) };
            }
            Ok(Step::End) => return Outcome { batches, error: None },
            Ok(Step::Batch(batch)) => {
                check_lengths(&batch);
                batches.push(batch);
            }
            Ok(Step::Need(ranges)) => {
                assert!(ranges.iter().all(|range| range.start < range.end && range.end <= file.len() as u64));
                for range in ranges {
                    let mut at = range.start;
                    while at < range.end {
                        let end = at.saturating_add(piece().max(1) as u64).min(range.end);
                        decoder.supply(at..end, Bytes::copy_from_slice(&file[at as usize..end as usize]));
                        at = end;
                    }
                }
            }
        }
    }
}

fn check_lengths(batch: &Decoded) {
    let count = batch.ops.len();
    assert!(count + batch.rejects.len() > 0, "a batch is never empty");
    assert_eq!(batch.rows.num_rows(), count);
    assert_eq!(batch.row_numbers.len(), count);
    assert!(batch.commit_times.as_ref().is_none_or(|times| times.len() == count));
    assert!(batch.before.as_ref().is_none_or(|before| before.num_rows() == count));
    let last_row = batch.row_numbers.values().last().map_or(0, |&number| number as u64);
    let last_reject = batch.rejects.last().map_or(0, |reject| reject.row_number);
    assert_eq!(batch.consumed, last_row.max(last_reject));
}

/// Decodes CSV text of changes with these settings.
pub fn csv_with(settings: &CsvSettings, columns: &[&str], text: impl AsRef<[u8]>) -> Outcome {
    let text = text.as_ref();
    drive(csv_decoder(settings, context(schema(columns), text.len())).unwrap(), text, || usize::MAX)
}

/// Decodes CSV text of changes with the default settings.
pub fn csv(columns: &[&str], text: impl AsRef<[u8]>) -> Outcome {
    csv_with(&CsvSettings::default(), columns, text)
}

/// Decodes CSV text of a full load with these settings.
pub fn csv_load(settings: &CsvSettings, columns: &[&str], text: impl AsRef<[u8]>) -> Outcome {
    let text = text.as_ref();
    let context = FileContext { full_load: true, ..context(schema(columns), text.len()) };
    drive(csv_decoder(settings, context).unwrap(), text, || usize::MAX)
}

/// The values of a row, `~` for NULL.
pub fn shown_row(rows: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("~");
    let value = |column: &Arc<dyn Array>| ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
    rows.columns().iter().map(value).collect::<Vec<_>>().join("|")
}

impl Outcome {
    /// All rows as `number op values`.
    pub fn rows(&self) -> Vec<String> {
        assert!(self.error.is_none(), "{:?}", self.error);
        self.rows_so_far()
    }

    pub fn rows_so_far(&self) -> Vec<String> {
        let of_batch = |batch: &Decoded| {
            (0..batch.ops.len())
                .map(|row| {
                    let values = shown_row(&batch.rows, row);
                    format!("{} {} {values}", batch.row_numbers.value(row), batch.ops[row].code())
                })
                .collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(of_batch).collect()
    }

    /// All rejects as `number column: reason`.
    pub fn rejects(&self) -> Vec<String> {
        let rejects = self.batches.iter().flat_map(|batch| &batch.rejects);
        rejects
            .map(|reject| {
                format!("{} {}: {}", reject.row_number, reject.column.as_deref().unwrap_or("-"), reject.reason)
            })
            .collect()
    }

    /// The raw bytes of all rejects.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.batches.iter().flat_map(|batch| &batch.rejects).map(|reject| reject.raw.to_vec()).collect()
    }

    /// The before-image values of all rows.
    pub fn before(&self) -> Vec<String> {
        let images = self.batches.iter().flat_map(|batch| &batch.before);
        images.flat_map(|before| (0..before.num_rows()).map(|row| shown_row(before, row))).collect()
    }

    /// The commit times of all rows.
    pub fn times(&self) -> Vec<Option<i64>> {
        self.batches.iter().flat_map(|batch| &batch.commit_times).flat_map(|times| times.iter()).collect()
    }
}
