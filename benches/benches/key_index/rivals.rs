use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase, TableDefinition};
use sluice_benches::Failure;
use sluice_index::Location;

use crate::subject::{Subject, folder_bytes};
use crate::workload::{Changes, loaded};

/// Keys in an order that bytes keep.
fn ordered(key: i64) -> [u8; 8] {
    (key as u64 ^ 1 << 63).to_be_bytes()
}

fn value(location: Location) -> u64 {
    u64::from(location.file()) << 32 | u64::from(location.position())
}

fn location(value: u64) -> Location {
    Location::new((value >> 32) as u32, value as u32)
}

/// The places of keys in ascending order: both stores are faster then.
fn ascending(keys: &[i64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..keys.len()).collect();
    places.sort_unstable_by_key(|place| keys[*place]);
    places
}

/// fjall, an LSM tree.
pub struct Fjall {
    folder: PathBuf,
    budget_bytes: usize,
    open: Option<(fjall::Database, Keyspace)>,
}

impl Fjall {
    pub fn load(folder: &Path, count: u64, budget_bytes: usize) -> Result<Self, Failure> {
        let mut subject = Self { folder: folder.to_owned(), budget_bytes, open: None };
        let (database, keyspace) = subject.opened()?;
        let mut ingestion = keyspace.start_ingestion()?;
        for row in 0..count {
            let (key, location) = loaded(row);
            ingestion.write(ordered(key).to_vec(), value(location).to_le_bytes().to_vec())?;
        }
        ingestion.finish()?;
        database.persist(PersistMode::SyncAll)?;
        subject.open = Some((database, keyspace));
        Ok(subject)
    }

    fn opened(&self) -> Result<(fjall::Database, Keyspace), Failure> {
        let database = fjall::Database::builder(&self.folder).cache_size(self.budget_bytes as u64).open()?;
        let keyspace = database.keyspace("keys", KeyspaceCreateOptions::default)?;
        Ok((database, keyspace))
    }
}

impl Subject for Fjall {
    fn lookup(&self, keys: &[i64]) -> Result<Vec<Location>, Failure> {
        let (_, keyspace) = self.open.as_ref().ok_or("the database is closed")?;
        let mut locations = vec![Location::ABSENT; keys.len()];
        for place in ascending(keys) {
            if let Some(found) = keyspace.get(ordered(keys[place]))? {
                locations[place] = location(u64::from_le_bytes(found.as_ref().try_into()?));
            }
        }
        Ok(locations)
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), Failure> {
        let (database, keyspace) = self.open.as_ref().ok_or("the database is closed")?;
        let mut batch = database.batch();
        for place in ascending(&changes.keys) {
            let (key, location) = (ordered(changes.keys[place]).to_vec(), changes.locations[place]);
            if location.is_present() {
                batch.insert(keyspace, key, value(location).to_le_bytes().to_vec());
            } else {
                batch.remove(keyspace, key);
            }
        }
        Ok(batch.commit()?)
    }

    fn disk_bytes(&self) -> Result<u64, Failure> {
        folder_bytes(&self.folder)
    }

    fn reopen(&mut self) -> Result<Duration, Failure> {
        if let Some((database, _)) = self.open.take() {
            database.persist(PersistMode::SyncAll)?;
        }
        let start = Instant::now();
        self.open = Some(self.opened()?);
        Ok(start.elapsed())
    }
}

const TABLE: TableDefinition<i64, u64> = TableDefinition::new("keys");

/// redb, a B-tree that is copied on write.
pub struct Redb {
    path: PathBuf,
    budget_bytes: usize,
    database: Option<redb::Database>,
}

impl Redb {
    pub fn load(folder: &Path, count: u64, budget_bytes: usize) -> Result<Self, Failure> {
        let mut subject = Self { path: folder.join("keys.redb"), budget_bytes, database: None };
        let database = subject.opened()?;
        let writing = database.begin_write()?;
        {
            let mut table = writing.open_table(TABLE)?;
            for row in 0..count {
                let (key, location) = loaded(row);
                table.insert(key, value(location))?;
            }
        }
        writing.commit()?;
        subject.database = Some(database);
        Ok(subject)
    }

    fn opened(&self) -> Result<redb::Database, Failure> {
        Ok(redb::Builder::new().set_cache_size(self.budget_bytes).create(&self.path)?)
    }
}

impl Subject for Redb {
    fn lookup(&self, keys: &[i64]) -> Result<Vec<Location>, Failure> {
        let reading = self.database.as_ref().ok_or("the database is closed")?.begin_read()?;
        let table = reading.open_table(TABLE)?;
        let mut locations = vec![Location::ABSENT; keys.len()];
        for place in ascending(keys) {
            if let Some(found) = table.get(keys[place])? {
                locations[place] = location(found.value());
            }
        }
        Ok(locations)
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), Failure> {
        let mut writing = self.database.as_ref().ok_or("the database is closed")?.begin_write()?;
        // The index does not make every batch last either.
        writing.set_durability(redb::Durability::None)?;
        {
            let mut table = writing.open_table(TABLE)?;
            for place in ascending(&changes.keys) {
                let (key, location) = (changes.keys[place], changes.locations[place]);
                if location.is_present() {
                    table.insert(key, value(location))?;
                } else {
                    table.remove(key)?;
                }
            }
        }
        Ok(writing.commit()?)
    }

    fn disk_bytes(&self) -> Result<u64, Failure> {
        Ok(std::fs::metadata(&self.path)?.len())
    }

    fn reopen(&mut self) -> Result<Duration, Failure> {
        if let Some(database) = self.database.take() {
            // The first commit that lasts takes those before it along.
            database.begin_write()?.commit()?;
        }
        let start = Instant::now();
        self.database = Some(self.opened()?);
        Ok(start.elapsed())
    }
}
