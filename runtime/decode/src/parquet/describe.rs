use std::ops::Range;

use bytes::Bytes;
use sluice_change::{Column, TableSchema};

use super::footer::{Footer, FooterStep};
use super::layout::Layout;
use crate::{DecodeError, ParquetSettings};

/// What a description wants or has.
#[derive(Debug)]
pub enum Described {
    /// It goes on once these byte ranges of the file have been supplied, in this order.
    Need(Vec<Range<u64>>),
    /// The business columns in file order, in the types that hold their values exactly.
    Columns(Vec<Column>),
}

/// Finds out the columns of a Parquet file; driven like a [`crate::Decode`].
pub struct ParquetDescription {
    settings: ParquetSettings,
    file: String,
    footer: Footer,
}

/// Begins to find out the columns of a Parquet file; `file` names it in errors, `length` is its length in bytes.
pub fn describe_parquet(
    settings: &ParquetSettings,
    file: &str,
    length: u64,
) -> Result<ParquetDescription, DecodeError> {
    Ok(ParquetDescription { settings: settings.clone(), file: file.to_owned(), footer: Footer::new(file, length)? })
}

impl ParquetDescription {
    /// Goes on as far as it can. It is at its end with [`Described::Columns`].
    pub fn step(&mut self) -> Result<Described, DecodeError> {
        match self.footer.step()? {
            FooterStep::Need(ranges) => Ok(Described::Need(ranges)),
            FooterStep::Metadata(metadata) => {
                let layout = Layout::of_file(&self.file, &metadata, &self.settings, true, &TableSchema::default())?;
                Ok(Described::Columns(layout.columns.into_iter().map(|place| place.column).collect()))
            }
        }
    }

    /// Hands in bytes of the file. An asked-for range may come in several pieces, in order; `bytes` is exactly `range`.
    pub fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        self.footer.supply(range, bytes);
    }
}
