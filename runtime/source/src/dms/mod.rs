//! Folders that an AWS DMS task writes: `schema/table/LOAD00000001.csv` and then `schema/table/20201117-153046033.csv`.

mod again;
mod describe;
mod fates;
mod fetch;
mod file_name;
mod generation;
mod listing;
mod mixed;
mod open_file;
mod queue;
mod reader;
mod sequence;
mod settings;
mod survey;
mod watch;
mod word;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sluice_change::{ChangeBatch, Column, Position, TableName, TableSchema};
use sluice_decode::SetAside;
use sluice_platform::{Clock, CpuPool, Storage, StorageErrorKind, SystemClock};

pub use settings::{DmsSettings, DmsTableSettings, MixedFolder, OnReload, OnRewritten, OnVanished};
pub use survey::Survey;

use crate::{Arrivals, Source, SourceError, SourceFile, TableReader};
use describe::Description;
use fetch::ReadAhead;
use listing::{Noticed, TableFolder};
use mixed::{MixedCache, MixedReading};
use open_file::Reading;
use reader::{DmsReader, Policy};
use sequence::SequenceCheck;
use watch::Watch;
use word::Word;

/// How the names of DMS's own tables begin, in any case.
const CONTROL_TABLE_PREFIX: &str = "awsdms_";

/// The tables of a folder that a DMS task writes.
#[derive(Debug)]
pub struct DmsSource {
    storage: Arc<dyn Storage>,
    cpu: CpuPool,
    clock: Arc<dyn Clock>,
    settings: DmsSettings,
    noticed: Arc<Noticed>,
    ahead: ReadAhead,
    mixed: Arc<MixedCache>,
    /// Tables that are configured or have been opened.
    known: Arc<Mutex<HashSet<TableName>>>,
    words: Mutex<HashMap<TableName, Arc<Word>>>,
}

impl DmsSource {
    /// The source at `settings.location`. Nothing is read yet.
    pub fn new(storage: Arc<dyn Storage>, cpu: CpuPool, mut settings: DmsSettings) -> Self {
        settings.location.truncate(settings.location.trim_end_matches('/').len());
        settings.batch_rows = settings.batch_rows.max(1);
        Self {
            storage,
            cpu,
            clock: Arc::new(SystemClock),
            ahead: ReadAhead::new(settings.read_ahead_bytes),
            mixed: Arc::new(MixedCache::new(settings.mixed_cache_bytes)),
            known: Arc::new(Mutex::new(settings.tables.keys().cloned().collect())),
            settings,
            noticed: Arc::default(),
            words: Mutex::default(),
        }
    }

    /// The same source on another clock than the machine's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes word that an object at `location` is new. Word of what is no table's is for all tables to look at; a table
    /// looks as far back as what was named.
    pub fn notice(&self, location: &str) {
        let Some(path) = location.strip_prefix(&self.settings.location).and_then(|path| path.strip_prefix('/')) else {
            return;
        };
        let mut parts = path.split('/');
        let table = parts.next().zip(parts.next()).and_then(|(schema, table)| TableName::new(schema, table).ok());
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        match table.and_then(|table| words.get(&table)) {
            Some(word) => word.take_in(Some(0), location),
            None => {
                let below =
                    |mixed: &MixedFolder| path.strip_prefix(&mixed.path).is_some_and(|rest| rest.starts_with('/'));
                let folder = self.settings.mixed.iter().position(below).map(|number| number + 1);
                words.values().for_each(|word| word.take_in(folder, location));
            }
        }
    }

    fn word(&self, table: &TableName) -> Arc<Word> {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(words.entry(table.clone()).or_default())
    }

    fn folder(&self, table: &TableName) -> TableFolder {
        TableFolder {
            storage: Arc::clone(&self.storage),
            root: self.settings.location.clone(),
            table: table.clone(),
            folders: TableFolder::folders_of(table, self.settings.mixed.iter().map(|mixed| mixed.path.clone())),
            noticed: Arc::clone(&self.noticed),
        }
    }

    /// The folders below a schema's folder; what cannot be listed is reported and does not keep the others from going on.
    async fn tables_of(&self, schema: &str) -> Vec<String> {
        let location = format!("{}/{schema}", self.settings.location);
        match self.storage.list_folders(&location).await {
            Ok(names) => names,
            Err(error) if error.kind == StorageErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let reason: &dyn std::error::Error = &error;
                tracing::error!(location, reason, "the tables of this schema cannot be seen; the others go on");
                Vec::new()
            }
        }
    }

    /// How the mixed files of each folder are read for a table.
    fn mixed_readings(&self, table: &TableName) -> Vec<MixedReading> {
        let reading = |folder: &MixedFolder| MixedReading {
            table: table.clone(),
            settings: folder.csv.clone(),
            cache: Arc::clone(&self.mixed),
            known: Arc::clone(&self.known),
            noticed: Arc::clone(&self.noticed),
        };
        self.settings.mixed.iter().map(reading).collect()
    }

    /// Whether a folder two below the source's is one of mixed files rather than a table's.
    fn is_mixed(&self, schema: &str, table: &str) -> bool {
        let path = format!("{schema}/{table}/");
        self.settings.mixed.iter().any(|mixed| {
            let mixed = format!("{}/", mixed.path);
            path.starts_with(&mixed) || mixed.starts_with(&path)
        })
    }

    fn is_offered(&self, table: &str) -> bool {
        let control = table
            .get(..CONTROL_TABLE_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CONTROL_TABLE_PREFIX));
        !table.starts_with('.') && (self.settings.control_tables || !control)
    }
}

#[async_trait]
impl Source for DmsSource {
    async fn tables(&self) -> Result<Vec<TableName>, SourceError> {
        let location = &self.settings.location;
        let schemas = self.storage.list_folders(location).await;
        let schemas = schemas.map_err(|source| SourceError::Root { location: location.clone(), source })?;
        let mut tables = Vec::new();
        for schema in schemas.iter().filter(|schema| !schema.starts_with('.')) {
            let names = self.tables_of(schema).await;
            let offered = |name: &&String| self.is_offered(name) && !self.is_mixed(schema, name);
            tables.extend(names.iter().filter(offered).filter_map(|name| {
                // Folders have names, so both parts are there.
                TableName::new(schema, name).ok()
            }));
        }
        tables.sort_unstable();
        Ok(tables)
    }

    async fn describe(&self, table: &TableName, guess: bool) -> Result<Option<Vec<Column>>, SourceError> {
        let files = self.folder(table).all().await?.files;
        let files = files.into_iter().filter(|file| file.folder == 0).collect();
        let formats = self.settings.for_table(table);
        Description { storage: &self.storage, cpu: &self.cpu, table, formats: &formats, guess }.of(files).await
    }

    async fn open(
        &self,
        table: &TableName,
        schema: &TableSchema,
        from: Position,
    ) -> Result<Box<dyn TableReader>, SourceError> {
        let reading = Reading {
            storage: Arc::clone(&self.storage),
            cpu: self.cpu.clone(),
            clock: Arc::clone(&self.clock),
            formats: self.settings.for_table(table),
            batch_rows: self.settings.batch_rows,
            batch_bytes: self.settings.batch_bytes,
            settle: self.settings.settle,
            ahead: self.ahead.clone(),
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone());
        let (folder, settings) = (self.folder(table), &self.settings);
        let policy =
            Policy { rewritten: settings.on_rewritten, reload: settings.on_reload, vanished: settings.on_vanished };
        Ok(Box::new(DmsReader::new(
            reading,
            self.mixed_readings(table),
            policy,
            Watch::new(folder.folders.len(), settings.list_whole_every, self.word(table)),
            SequenceCheck::new(settings.change_sequence_column.clone()),
            schema.clone(),
            from,
            folder,
        )))
    }

    async fn files(&self, table: &TableName, at: &Position) -> Result<Vec<SourceFile>, SourceError> {
        let folder = self.folder(table);
        let listing = folder.all().await?;
        Ok(fates::fates(listing, at, &folder.folders, self.settings.on_rewritten, self.settings.on_reload))
    }

    async fn read_again(
        &self,
        table: &TableName,
        schema: &TableSchema,
        records: Vec<SetAside>,
    ) -> Result<Vec<Result<ChangeBatch, String>>, SourceError> {
        let (formats, schema) = (self.settings.for_table(table), schema.clone());
        Ok(self.cpu.run(move || again::read(&formats, &schema, &records)).await)
    }

    fn arrivals(&self, table: &TableName) -> Arrivals {
        Arrivals::of(Arc::clone(&self.word(table).arrived))
    }
}

#[cfg(test)]
mod tests;
