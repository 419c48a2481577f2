//! Looks at the beginnings of a table's files, for `discover`.

use std::sync::Arc;

use sluice_change::TableName;
use sluice_decode::beginning;

use super::DmsSource;
use super::file_name::{FileFormat, FileKind};
use super::listing::Found;
use crate::SourceError;
use crate::discover::FileSample;

/// Most bytes that are read of one file.
const SAMPLE_BYTES: u64 = 1 << 20;
/// How the names of files with the changes of many tables begin.
const MIXED_PREFIX: &str = "CDC_TXN-";

/// What a table's folder holds.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Files of the full load.
    pub load_files: usize,
    /// Files of changes.
    pub change_files: usize,
    /// Bytes of all of them, as stored.
    pub bytes: u64,
    /// CSV files, gzip among them.
    pub csv_files: usize,
    /// CSV files within gzip.
    pub gzip_files: usize,
    /// Parquet files.
    pub parquet_files: usize,
    /// Folders below the table's in which files lie: those of dates, and those of a parallel load.
    pub folders: Vec<String>,
    /// The beginnings of some CSV files: of the full load, then of the changes, in their order.
    pub samples: Vec<FileSample>,
}

impl DmsSource {
    /// Looks at the beginnings of up to `each` files of the full load of a table, and as many of its changes.
    pub async fn survey(&self, table: &TableName, each: usize) -> Result<Survey, SourceError> {
        let mut files = self.folder(table).all().await?.files;
        files.sort_unstable_by(|a, b| (a.is_changes(), &a.rank).cmp(&(b.is_changes(), &b.rank)));
        let (loads, changes): (Vec<&Found>, Vec<&Found>) =
            files.iter().partition(|file| file.kind == FileKind::FullLoad);
        let count = |format| files.iter().filter(|file| file.format == format).count();
        let gzip_files = count(FileFormat::GzipCsv);
        let mut survey = Survey {
            load_files: loads.len(),
            change_files: changes.len(),
            bytes: files.iter().map(|file| file.size).sum(),
            csv_files: count(FileFormat::Csv) + gzip_files,
            gzip_files,
            parquet_files: count(FileFormat::Parquet),
            folders: Vec::new(),
            samples: Vec::new(),
        };
        for file in &files {
            if let Some((folder, _)) = file.name.rsplit_once('/')
                && folder.split('/').count() > 2
                && survey.folders.last().is_none_or(|last| last != folder)
            {
                survey.folders.push(folder.to_owned());
            }
        }
        for file in spread(&loads, each).chain(spread(&changes, each)) {
            if file.format != FileFormat::Parquet && file.size > 0 {
                survey.samples.push(self.sample(file).await?);
            }
        }
        Ok(survey)
    }

    async fn sample(&self, file: &Found) -> Result<FileSample, SourceError> {
        let end = file.size.min(SAMPLE_BYTES);
        let bytes = self.storage.read_range(&file.location, 0..end).await;
        let bytes = bytes.map_err(|source| SourceError::Read { file: file.name.clone(), record: 0, source })?;
        let name = file.name.clone();
        let text = self.cpu.run(move || beginning(&bytes)).await;
        let text = text.map_err(|source| SourceError::Decode { file: name.clone(), record: 0, source })?;
        let text = String::from_utf8_lossy(&text).trim_start_matches('\u{feff}').to_owned();
        let whole = end == file.size && file.format == FileFormat::Csv;
        Ok(FileSample { name, full_load: file.kind == FileKind::FullLoad, text, whole })
    }

    /// The files below the source that hold the changes of many tables.
    pub async fn mixed_files(&self) -> Result<Vec<String>, SourceError> {
        let location = &self.settings.location;
        let listed = Arc::clone(&self.storage).list(location).await;
        let listed = listed.map_err(|source| SourceError::Root { location: location.clone(), source })?;
        let name = |location: &str| location.get(self.settings.location.len() + 1..).map(str::to_owned);
        let is_mixed = |name: &String| name.rsplit('/').next().is_some_and(|name| name.starts_with(MIXED_PREFIX));
        Ok(listed.iter().filter_map(|object| name(&object.location)).filter(is_mixed).collect())
    }
}

/// Up to `each` of some files, the first and the last among them.
fn spread<'a>(files: &[&'a Found], each: usize) -> impl Iterator<Item = &'a Found> {
    let count = files.len();
    let wanted = each.min(count);
    let places: Vec<&Found> = (0..wanted).map(|n| files[n * (count - 1) / (wanted - 1).max(1)]).collect();
    places.into_iter()
}
