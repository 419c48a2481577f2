use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use super::pointer::{Pointers, Swap};
use crate::{CatalogError, TableIdent};

/// How long a statement waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait where SQLite does not.
const BUSY_WAIT: Duration = Duration::from_millis(10);
/// The tables of the JDBC catalog, schema version V1, as PyIceberg and Spark make them.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL,
        table_namespace VARCHAR(255) NOT NULL,
        table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000),
        previous_metadata_location VARCHAR(1000),
        iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name)
    );
    CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL,
        namespace VARCHAR(255) NOT NULL,
        property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key)
    );";

/// A catalog in one SQLite file, which PyIceberg (`SqlCatalog`) and Spark (`JdbcCatalog`) can open under the same name.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    name: Arc<str>,
    shown: Arc<str>,
    connection: Arc<Mutex<Connection>>,
}

/// Turns the write-ahead log on. While another program does the same with a new file SQLite does not wait for it, whatever
/// the timeout, so it is tried again for as long.
fn write_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut attempts = BUSY_TIMEOUT.as_millis() / BUSY_WAIT.as_millis();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if attempts > 0 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                attempts -= 1;
                std::thread::sleep(BUSY_WAIT);
            }
            done => return done,
        }
    }
}

/// What a statement did, and whether that is certain.
type Done<T> = Result<T, rusqlite::Error>;

impl SqliteCatalog {
    /// Opens the catalog `name` in the file at `path`, making both where they are missing.
    pub fn open(path: &Path, name: &str) -> Result<Self, CatalogError> {
        let shown: Arc<str> = path.display().to_string().into();
        let explain = |error| explain(&shown, "be opened", error);
        let connection = Connection::open(path).map_err(explain)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
        write_ahead(&connection).map_err(explain)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(explain)?;
        connection.execute_batch(TABLES).map_err(explain)?;
        // A file of schema version V0 has no type column; the other programs add it in the same way.
        let typed: bool = connection
            .prepare("SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'")
            .and_then(|mut statement| statement.exists([]))
            .map_err(explain)?;
        if !typed {
            connection
                .execute_batch("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)")
                .map_err(explain)?;
        }
        Ok(Self { name: name.into(), shown: Arc::clone(&shown), connection: Arc::new(Mutex::new(connection)) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection, &str) -> Done<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (connection, name) = (Arc::clone(&self.connection), Arc::clone(&self.name));
        let joined = tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner), &name)
        });
        match joined.await {
            Ok(done) => done.map_err(|error| explain(&self.shown, operation, error)),
            Err(error) => {
                Err(CatalogError::Unavailable { catalog: self.shown.to_string(), operation, source: error.into() })
            }
        }
    }

    /// Runs `change` in a transaction. Up to the commit itself a failure is certain; from then on it is not.
    async fn transact(
        &self,
        change: impl FnOnce(&Connection, &str) -> Done<bool> + Send + 'static,
    ) -> Result<Swap, CatalogError> {
        let outcome = self.blocking("be changed", move |connection, name| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !change(&transaction, name)? {
                transaction.rollback()?;
                return Ok(Ok(false));
            }
            Ok(transaction.commit().map(|()| true))
        });
        Ok(match outcome.await? {
            Ok(true) => Swap::Done,
            Ok(false) => Swap::Lost,
            Err(error) => Swap::Unknown(explain(&self.shown, "say whether a change was kept", error)),
        })
    }
}

#[async_trait]
impl Pointers for SqliteCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, ident: &TableIdent) -> Result<Option<String>, CatalogError> {
        let (namespace, table) = (ident.dotted_namespace(), ident.name.clone());
        self.blocking("be read", move |connection, name| {
            connection
                .prepare_cached(
                    "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2 \
                     AND table_name = ?3 AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
                )?
                .query_row(params![name, namespace, table], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn insert(&self, ident: &TableIdent, location: &str) -> Result<Swap, CatalogError> {
        let (namespace, table, location) = (ident.dotted_namespace(), ident.name.clone(), location.to_owned());
        self.transact(move |connection, name| {
            connection.execute(
                "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) \
                 SELECT ?1, ?2, 'exists', 'true' WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties \
                 WHERE catalog_name = ?1 AND namespace = ?2)",
                params![name, namespace],
            )?;
            let rows = connection.execute(
                "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, \
                 previous_metadata_location, iceberg_type) VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE') \
                 ON CONFLICT DO NOTHING",
                params![name, namespace, table, location],
            )?;
            Ok(rows == 1)
        })
        .await
    }

    async fn swap(&self, ident: &TableIdent, from: &str, to: &str) -> Result<Swap, CatalogError> {
        let (namespace, table) = (ident.dotted_namespace(), ident.name.clone());
        let (from, to) = (from.to_owned(), to.to_owned());
        self.transact(move |connection, name| {
            let rows = connection.execute(
                "UPDATE iceberg_tables SET metadata_location = ?1, previous_metadata_location = ?2 \
                 WHERE catalog_name = ?3 AND table_namespace = ?4 AND table_name = ?5 AND metadata_location = ?2 \
                 AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
                params![to, from, name, namespace, table],
            )?;
            Ok(rows == 1)
        })
        .await
    }

    async fn tables(&self) -> Result<Vec<TableIdent>, CatalogError> {
        self.blocking("be read", |connection, name| {
            let mut statement = connection.prepare_cached(
                "SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name = ?1 \
                 AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL) ORDER BY 1, 2",
            )?;
            let rows = statement.query_map(params![name], |row| {
                let namespace: String = row.get(0)?;
                Ok(TableIdent { namespace: namespace.split('.').map(str::to_owned).collect(), name: row.get(1)? })
            })?;
            rows.collect()
        })
        .await
    }
}

fn explain(catalog: &str, operation: &'static str, error: rusqlite::Error) -> CatalogError {
    let catalog = catalog.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            CatalogError::Busy { catalog, source: error.into() }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            CatalogError::Corrupt { catalog, source: error.into() }
        }
        _ => CatalogError::Unavailable { catalog, operation, source: error.into() },
    }
}
