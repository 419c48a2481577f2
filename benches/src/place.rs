//! A source folder and a lake, on local disk or on S3, and what runs on them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_change::{TableName, TableSchema};
use sluice_lake::{FormatVersion, Lake, LakeSettings, SqliteCatalog};
use sluice_pipeline::{
    BatchSettings, LaneSettings, LaneState, LaneStatus, ProcessSettings, RetrySettings, Services, Supervisor,
    UpkeepSettings,
};
use sluice_platform::{CpuPool, LocalStorage, Storage, SystemClock, SystemEntropy};
use sluice_source::{DmsSettings, DmsSource, DmsTableSettings};
use sluice_transform::{Components, NoComponents, TransformSettings};
use tokio::sync::watch;

use crate::Failure;

/// The lanes as they stand, after every change.
pub type Board = watch::Receiver<Arc<Vec<LaneStatus>>>;

/// A source folder and a lake below one folder.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    storage: Arc<dyn Storage>,
    /// Where the source and the lake are, for the storage.
    root: String,
    /// The tables with their columns and keys.
    pub tables: Vec<(TableName, TableSchema)>,
    components: Arc<dyn Components>,
    transform: TransformSettings,
    lake: LakeSettings,
}

impl Place {
    /// The place below `folder`.
    pub fn new(folder: &Path, tables: Vec<(TableName, TableSchema)>) -> Self {
        let root = LocalStorage::location(folder);
        Self {
            folder: folder.to_owned(),
            storage: Arc::new(LocalStorage),
            root,
            tables,
            components: Arc::new(NoComponents),
            transform: TransformSettings::default(),
            lake: LakeSettings::default(),
        }
    }

    /// The same place with so many deletion vectors in one Puffin file.
    pub fn with_vectors_per_file(self, vectors_per_file: usize) -> Self {
        Self { lake: LakeSettings { vectors_per_file, ..self.lake }, ..self }
    }

    /// The same place with all tables shaped by these steps.
    pub fn shaped(self, components: Arc<dyn Components>, transform: TransformSettings) -> Self {
        Self { components, transform, ..self }
    }

    /// The same tables at `root` of another storage; only the catalog stays in the folder.
    pub fn on(&self, storage: Arc<dyn Storage>, root: &str) -> Self {
        Self { storage, root: root.to_owned(), ..self.clone() }
    }

    /// Where one table's files are, for the storage.
    pub fn table_location(&self, table: &TableName) -> String {
        format!("{}/dms/{}/{}", self.root, table.schema(), table.table())
    }

    /// The folder of one table's files.
    pub fn table_folder(&self, table: &TableName) -> PathBuf {
        self.folder.join("dms").join(table.schema()).join(table.table())
    }

    /// The source, for a process that may hold so many bytes.
    pub fn source(&self, memory_bytes: usize) -> Result<DmsSource, Failure> {
        let mut settings = DmsSettings::new(format!("{}/dms", self.root)).within(memory_bytes);
        settings.settle = Duration::ZERO;
        settings.csv.timestamp_column = Some("ts".into());
        for (name, schema) in &self.tables {
            let table =
                DmsTableSettings { csv: settings.csv.clone(), declared: schema.clone(), ..DmsTableSettings::default() };
            settings.tables.insert(name.clone(), table);
        }
        Ok(DmsSource::new(Arc::clone(&self.storage), CpuPool::new(0)?, settings))
    }

    /// All tables, ready to run.
    pub fn supervisor(&self, batch: BatchSettings, memory_bytes: usize) -> Result<Supervisor, Failure> {
        let process = ProcessSettings {
            memory_bytes,
            poll_interval: Duration::from_millis(20),
            retry_quarantined: None,
            ..ProcessSettings::default()
        };
        let lanes: Result<Vec<LaneSettings>, Failure> =
            self.tables.iter().map(|(name, schema)| self.lane(name, schema, batch)).collect();
        Ok(Supervisor::new(self.services(memory_bytes)?, process, lanes?))
    }

    fn services(&self, memory_bytes: usize) -> Result<Services, Failure> {
        let (clock, entropy, cpu) = (Arc::new(SystemClock), Arc::new(SystemEntropy), CpuPool::new(0)?);
        let lake_folder = self.folder.join("lake");
        std::fs::create_dir_all(&lake_folder)?;
        let catalog = Arc::new(SqliteCatalog::open(&lake_folder.join("catalog.db"), "sluice")?);
        let lake = Lake::new(
            Arc::clone(&self.storage),
            catalog,
            clock.clone(),
            entropy.clone(),
            cpu.clone(),
            &format!("{}/lake", self.root),
            self.lake.clone(),
        );
        Ok(Services {
            clock,
            entropy,
            cpu,
            source: Arc::new(self.source(memory_bytes)?),
            lake,
            components: Arc::clone(&self.components),
            cache: self.folder.join("cache"),
        })
    }

    fn lane(&self, table: &TableName, schema: &TableSchema, batch: BatchSettings) -> Result<LaneSettings, Failure> {
        let name = |layer: &str| format!("{layer}.{}_{}", table.schema(), table.table()).parse();
        Ok(LaneSettings {
            table: table.clone(),
            bronze: name("bronze")?,
            silver: name("silver")?,
            rejects: name("dead_letters")?,
            declared: schema.clone(),
            schema: Default::default(),
            renames: Default::default(),
            transform: self.transform.clone(),
            guess_types: false,
            format_version: FormatVersion::V3,
            bronze_partition: vec!["day(_commit_ts)".parse()?],
            silver_partition: Vec::new(),
            batch,
            upkeep: UpkeepSettings::default(),
            retry: RetrySettings { max_attempts: 2, first_wait: Duration::from_millis(10), ..RetrySettings::default() },
        })
    }
}

/// Waits until every lane has committed so many changes and nothing more is there; a lane that failed ends the wait.
pub async fn caught_up(board: &mut Board, changes: u64) -> Result<(), Failure> {
    let done = |lane: &LaneStatus| lane.state == LaneState::CaughtUp && lane.committed.changes() == changes;
    until(board, |_| false, |lanes| lanes.iter().all(done)).await
}

/// Waits until all lanes are `done`. A lane that `may_fail` refuses and that failed ends the wait with its reason.
pub async fn until(
    board: &mut Board,
    may_fail: impl Fn(&TableName) -> bool,
    done: impl Fn(&[LaneStatus]) -> bool,
) -> Result<(), Failure> {
    loop {
        {
            let lanes = board.borrow_and_update();
            for lane in lanes.iter().filter(|lane| !may_fail(&lane.table)) {
                if let LaneState::Retrying { reason, .. }
                | LaneState::Quarantined { reason }
                | LaneState::Fenced { reason } = &lane.state
                {
                    return Err(format!("{}: {reason}", lane.table).into());
                }
            }
            if done(&lanes) {
                return Ok(());
            }
        }
        board.changed().await?;
    }
}
