use std::sync::Arc;

use sluice_change::{Column, ColumnType, TableName};
use sluice_decode::{DecodeError, Described, describe_csv, describe_parquet};
use sluice_platform::{CpuPool, Storage, StorageError};

use crate::SourceError;

use super::fetch::RangeReader;
use super::file_name::{FileFormat, FileKind};
use super::listing::Found;
use super::settings::DmsTableSettings;

/// How much of a CSV file is looked at.
const SAMPLE_BYTES: u64 = 256 << 10;
/// How many files are tried from either end.
const TRIED_FILES: usize = 8;

/// Finds out the columns of one table from its oldest and its newest file.
pub(super) struct Description<'a> {
    pub storage: &'a Arc<dyn Storage>,
    pub cpu: &'a CpuPool,
    pub table: &'a TableName,
    pub formats: &'a DmsTableSettings,
    pub guess: bool,
}

impl Description<'_> {
    /// The columns of the first file, then those that newer files add; declared types win.
    pub async fn of(&self, mut files: Vec<Found>) -> Result<Option<Vec<Column>>, SourceError> {
        files.retain(|file| file.size > 0);
        files.sort_unstable_by(|a, b| (a.is_changes(), &a.rank).cmp(&(b.is_changes(), &b.rank)));
        let newest = self.first_told(files.iter().rev()).await;
        let oldest = self.first_told(files.iter()).await;
        let found = match (oldest, newest) {
            (Ok(Some(oldest)), Ok(Some(newest))) => merge(oldest, newest, self.guess),
            (Ok(Some(columns)), _) | (_, Ok(Some(columns))) => columns,
            (Err(error), _) | (_, Err(error)) => return Err(error),
            (Ok(None), Ok(None)) => Vec::new(),
        };
        let columns = self.with_declared(found);
        match files.last() {
            Some(file) if columns.is_empty() => {
                Err(SourceError::NoColumnNames { table: self.table.clone(), file: file.name.clone() })
            }
            _ => Ok(Some(columns).filter(|columns| !columns.is_empty())),
        }
    }

    /// What the first file that tells anything tells. A file that cannot be read matters only if no other tells.
    async fn first_told<'f>(&self, files: impl Iterator<Item = &'f Found>) -> Result<Option<Vec<Column>>, SourceError> {
        let mut fault = None;
        for file in files.take(TRIED_FILES) {
            match self.columns(file).await {
                Ok(Some(columns)) => return Ok(Some(columns)),
                Ok(None) => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        fault.map_or(Ok(None), Err)
    }

    async fn columns(&self, file: &Found) -> Result<Option<Vec<Column>>, SourceError> {
        match file.format {
            FileFormat::Csv | FileFormat::GzipCsv => self.csv_columns(file).await,
            FileFormat::Parquet => self.parquet_columns(file).await,
        }
    }

    async fn csv_columns(&self, file: &Found) -> Result<Option<Vec<Column>>, SourceError> {
        let range = 0..file.size.min(SAMPLE_BYTES);
        let sample = self.storage.read_range(&file.location, range).await.map_err(|error| unreadable(file, error))?;
        let (formats, guess, full_load) = (self.formats.clone(), self.guess, file.kind == FileKind::FullLoad);
        let told = self.cpu.run(move || describe_csv(&formats.csv, full_load, &formats.declared, &sample, guess)).await;
        told.map_err(|error| undecodable(file, error))
    }

    async fn parquet_columns(&self, file: &Found) -> Result<Option<Vec<Column>>, SourceError> {
        let mut ranges = RangeReader::new(Arc::clone(self.storage), file.location.clone(), file.size);
        let mut description =
            describe_parquet(&self.formats.parquet, &file.name, file.size).map_err(|error| undecodable(file, error))?;
        loop {
            match description.step().map_err(|error| undecodable(file, error))? {
                Described::Columns(columns) => return Ok(Some(columns)),
                Described::Need(wanted) => {
                    for (range, bytes) in ranges.read(wanted).await.map_err(|error| unreadable(file, error))? {
                        description.supply(range, bytes);
                    }
                }
            }
        }
    }

    /// Declared types in place of found ones, and declared columns that were not found at the end.
    fn with_declared(&self, mut columns: Vec<Column>) -> Vec<Column> {
        for declared in &self.formats.declared.columns {
            match columns.iter_mut().find(|column| column.name == declared.name) {
                Some(column) => column.column_type = declared.column_type,
                None => columns.push(declared.clone()),
            }
        }
        columns
    }
}

/// The columns of the oldest file, each in a type that holds both files' values, then those that only the newest has.
fn merge(oldest: Vec<Column>, newest: Vec<Column>, guessed: bool) -> Vec<Column> {
    let mut merged = oldest;
    for new in newest {
        let Some(old) = merged.iter_mut().find(|column| column.name == new.name) else {
            merged.push(new);
            continue;
        };
        // What only looked like different types can be read as text; a type that changed is for the caller to refuse.
        let fallback = if guessed { ColumnType::String } else { new.column_type };
        old.column_type = old.column_type.widest(new.column_type).unwrap_or(fallback);
    }
    merged
}

fn unreadable(file: &Found, source: StorageError) -> SourceError {
    SourceError::Read { file: file.name.clone(), record: 0, source }
}

fn undecodable(file: &Found, source: DecodeError) -> SourceError {
    let source = match source {
        // The decoder of a sample does not know the file's name.
        DecodeError::Columns { reason, .. } => DecodeError::Columns { file: file.name.clone(), reason },
        other => other,
    };
    SourceError::Decode { file: file.name.clone(), record: 0, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_columns_come_last_and_types_hold_both() {
        let column = |name: &str, column_type| Column::new(name, column_type);
        let oldest = vec![column("id", ColumnType::Int), column("note", ColumnType::Long)];
        let newest =
            vec![column("id", ColumnType::Long), column("email", ColumnType::String), column("note", ColumnType::Date)];
        let guessed = merge(oldest.clone(), newest.clone(), true);
        let types: Vec<(&str, ColumnType)> = guessed.iter().map(|it| (it.name.as_str(), it.column_type)).collect();
        assert_eq!(types, [("id", ColumnType::Long), ("note", ColumnType::String), ("email", ColumnType::String)]);
        assert_eq!(merge(oldest, newest, false)[1].column_type, ColumnType::Date);
    }
}
