//! The configuration becomes the things that work: storage, source, catalog, lake.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sluice_aws::{AwsContext, AwsSettings, S3Storage, SCHEMES, SigV4Signer};
use sluice_change::TableName;
use sluice_decode::{CsvSettings, HeaderMode, MixedSettings, OpColumn, ParquetSettings};
use sluice_lake::{
    Catalog, CatalogError, Lake, LakeError, LakeSettings, RequestSigner, RestCatalog, RestSettings, SqliteCatalog,
};
use sluice_pipeline::{LaneSettings, Services};
use sluice_platform::{Clock, CpuPool, Entropy, LocalStorage, Storage, StorageRouter, SystemClock, SystemEntropy};
use sluice_source::{DmsSettings, DmsSource, DmsTableSettings, MixedFolder, Source, SourceError};
use sluice_transform::Components;
use thiserror::Error;

use crate::components::HostedComponents;
use crate::config::{CatalogChoice, Config, ConfigError, FileFormat, Presence, SigV4};
use crate::exit::Exit;
use crate::plugin::PluginError;
use crate::sampling::SAMPLE_ROWS;

/// The part of the process's memory that deletion vectors may take between commits: one in so many.
const DELETE_CACHE_SHARE: usize = 32;

/// Why a command cannot start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tables of the source cannot be listed.
    #[error(transparent)]
    Source(Box<SourceError>),
    /// The catalog cannot be opened.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The catalog's folder cannot be made.
    #[error("cannot make the folder {} for the catalog: check `lake.catalog.path`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The sample cannot be unpacked.
    #[error("cannot write the sample below {}: give another folder with --dir", path.display())]
    Sample {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What was asked for on the command line is not there, or cannot be meant.
    #[error("{0}")]
    Asked(String),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The rows of a table cannot be read.
    #[error("cannot read the rows")]
    Rows(#[from] arrow_schema::ArrowError),
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(Box<LakeError>),
    /// A plugin cannot be made, built, tested or measured.
    #[error(transparent)]
    Plugin(Box<PluginError>),
    /// The threads cannot be started.
    #[error("cannot start the threads that compute: lower `process.cpu_threads`, or raise the limit of the system")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<SourceError> for StartError {
    fn from(error: SourceError) -> Self {
        StartError::Source(Box::new(error))
    }
}

impl From<LakeError> for StartError {
    fn from(error: LakeError) -> Self {
        StartError::Lake(Box::new(error))
    }
}

impl From<PluginError> for StartError {
    fn from(error: PluginError) -> Self {
        StartError::Plugin(Box::new(error))
    }
}

impl StartError {
    /// How the program ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            StartError::Config(_) | StartError::Asked(_) => Exit::Configuration,
            StartError::Plugin(error) => error.exit(),
            _ => Exit::Failure,
        }
    }
}

/// The seams of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub storage: Arc<dyn Storage>,
    pub aws: Arc<AwsContext>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub cpu: CpuPool,
    pub components: Arc<dyn Components>,
}

impl Machine {
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Self::reaching(config.aws.clone(), config.cpu_threads)
    }

    /// A machine that reaches S3 with these settings and computes with so many threads; 0 means one a processor.
    pub fn reaching(aws: AwsSettings, cpu_threads: usize) -> Result<Self, StartError> {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let aws = AwsContext::new(aws, clock.clone(), entropy.clone());
        let s3: Arc<dyn Storage> = Arc::new(S3Storage::new(Arc::clone(&aws)));
        let local = StorageRouter::new(Arc::new(LocalStorage));
        let storage = SCHEMES.iter().fold(local, |router, scheme| router.with(scheme, Arc::clone(&s3)));
        let cpu = CpuPool::new(cpu_threads).map_err(|error| StartError::Threads(error.into()))?;
        let components = HostedComponents::new(cpu.threads());
        Ok(Self { storage: Arc::new(storage), aws, clock, entropy, cpu, components })
    }

    /// The source for these lanes.
    pub fn source(&self, config: &Config, lanes: &[LaneSettings]) -> DmsSource {
        let settings = dms_settings(config, lanes);
        DmsSource::new(Arc::clone(&self.storage), self.cpu.clone(), settings).with_clock(Arc::clone(&self.clock))
    }

    /// The same source, which gives small batches for a sample.
    pub fn sampling_source(&self, config: &Config, lanes: &[LaneSettings]) -> DmsSource {
        let settings = DmsSettings { batch_rows: SAMPLE_ROWS, ..dms_settings(config, lanes) };
        DmsSource::new(Arc::clone(&self.storage), self.cpu.clone(), settings).with_clock(Arc::clone(&self.clock))
    }

    /// The lake, its catalog made where it is missing.
    pub fn lake(&self, config: &Config) -> Result<Lake, StartError> {
        Ok(Lake::new(
            Arc::clone(&self.storage),
            self.catalog(&config.catalog)?,
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            self.cpu.clone(),
            &config.warehouse,
            LakeSettings {
                delete_cache_bytes: config.process.memory_bytes / DELETE_CACHE_SHARE,
                ..LakeSettings::default()
            },
        ))
    }

    /// The lake, if there is one yet.
    pub fn existing_lake(&self, config: &Config) -> Result<Option<Lake>, StartError> {
        match &config.catalog {
            CatalogChoice::Sqlite { path, .. } if !path.exists() => Ok(None),
            _ => self.lake(config).map(Some),
        }
    }

    fn catalog(&self, choice: &CatalogChoice) -> Result<Arc<dyn Catalog>, StartError> {
        match choice {
            CatalogChoice::Sqlite { path, name } => {
                if let Some(folder) = path.parent() {
                    let failed = |source| StartError::Folder { path: folder.to_owned(), source };
                    std::fs::create_dir_all(folder).map_err(failed)?;
                }
                Ok(Arc::new(SqliteCatalog::open(path, name)?))
            }
            CatalogChoice::Rest { settings, sigv4 } => {
                let mut settings = RestSettings::clone(settings);
                settings.signer = sigv4.as_ref().map(|sigv4| self.signer(sigv4));
                Ok(Arc::new(RestCatalog::new(settings, Arc::clone(&self.clock), Arc::clone(&self.entropy))?))
            }
        }
    }

    /// What signs the requests to a catalog.
    fn signer(&self, sigv4: &SigV4) -> Arc<dyn RequestSigner> {
        let signer = SigV4Signer::new(Arc::clone(&self.aws), &sigv4.service, Some(sigv4.region.clone()));
        Arc::new(CatalogSigner(signer))
    }

    /// The lanes to run: the configured tables, and those in the source where all are taken.
    pub async fn lanes(&self, config: &Config) -> Result<Vec<LaneSettings>, StartError> {
        let found = if config.takes_all_tables { self.source(config, &[]).tables().await? } else { Vec::new() };
        Ok(config.lanes(&found)?)
    }

    /// Everything that a run of lanes over `source` works through.
    pub fn services(&self, config: &Config, source: Arc<dyn Source>) -> Result<Services, StartError> {
        Ok(Services {
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            cpu: self.cpu.clone(),
            source,
            lake: self.lake(config)?,
            components: Arc::clone(&self.components),
            cache: config.cache.clone(),
        })
    }
}

/// Signs a catalog's requests with Amazon's credentials.
#[derive(Debug)]
struct CatalogSigner(SigV4Signer);

#[async_trait]
impl RequestSigner for CatalogSigner {
    async fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CatalogError> {
        let signed = self.0.sign(method, url, headers, body).await;
        signed.map_err(|error| CatalogError::Unavailable {
            catalog: url.to_owned(),
            operation: "be asked",
            source: error.into(),
        })
    }
}

fn dms_settings(config: &Config, lanes: &[LaneSettings]) -> DmsSettings {
    let mut settings = DmsSettings::new(config.source_location.clone()).within(config.process.memory_bytes);
    let common = config.files_of(None);
    settings.csv = csv_settings(&common);
    settings.parquet = parquet_settings(&common);
    let source = config.source_section();
    let defaults = MixedSettings::default();
    settings.mixed = source
        .mixed
        .iter()
        .flatten()
        .map(|mixed| MixedFolder {
            path: mixed.path.as_ref().map(|path| path.value.trim_matches('/').to_owned()).unwrap_or_default(),
            csv: MixedSettings {
                // The columns that name the table are told by themselves, and a table's text begins with the operation.
                csv: CsvSettings {
                    header: HeaderMode::Absent,
                    op_column: OpColumn::Present,
                    timestamp_column: None,
                    ..csv_settings(&common)
                },
                op_column: mixed.op_column.clone().unwrap_or_else(|| defaults.op_column.clone()),
                table_column: mixed.table_column.clone().unwrap_or_else(|| defaults.table_column.clone()),
                schema_column: mixed.schema_column.clone().unwrap_or_else(|| defaults.schema_column.clone()),
            },
        })
        .collect();
    settings.on_rewritten = source.on_rewritten.map_or(settings.on_rewritten, |choice| choice.0);
    settings.on_reload = source.on_reload.map_or(settings.on_reload, |choice| choice.0);
    settings.on_vanished = source.on_vanished.map_or(settings.on_vanished, |choice| choice.0);
    settings.change_sequence_column = source.change_sequence_column.filter(|name| !name.is_empty());
    settings.list_whole_every = source.list_whole_every.map_or(settings.list_whole_every, |span| span.0);
    settings.read_ahead_bytes = source.read_ahead_bytes.map_or(settings.read_ahead_bytes, |size| size.0);
    settings.tables = lanes.iter().map(|lane| (lane.table.clone(), table_settings(config, lane))).collect();
    settings
}

fn table_settings(config: &Config, lane: &LaneSettings) -> DmsTableSettings {
    let table: &TableName = &lane.table;
    let files = config.files_of(Some(table));
    let csv = CsvSettings { renames: lane.renames.clone(), ..csv_settings(&files) };
    let declared = lane.declared.columns.iter().map(|column| column.name.clone()).collect();
    let parquet = ParquetSettings { renames: lane.renames.clone(), declared, ..parquet_settings(&files) };
    DmsTableSettings { csv, parquet, declared: lane.declared.clone() }
}

fn csv_settings(files: &FileFormat) -> CsvSettings {
    let defaults = CsvSettings::default();
    CsvSettings {
        delimiter: files.csv.delimiter.map_or(defaults.delimiter, |character| character.0),
        quote: files.csv.quote.map_or(defaults.quote, |character| character.0),
        null_strings: files.csv.null.clone().unwrap_or(defaults.null_strings),
        header: match files.csv.header.unwrap_or(Presence::Auto) {
            Presence::Auto => HeaderMode::Auto,
            Presence::Present => HeaderMode::Present,
            Presence::Absent => HeaderMode::Absent,
        },
        op_column: match files.csv.op.unwrap_or(Presence::Auto) {
            Presence::Auto => OpColumn::Auto,
            Presence::Present => OpColumn::Present,
            Presence::Absent => OpColumn::Absent,
        },
        timestamp_column: files.timestamp_column.clone(),
        before_prefix: files.before_image_prefix.clone(),
        not_sent: files.csv.not_sent.clone().map(|text| text.value).filter(|text| !text.is_empty()),
        renames: Default::default(),
        row_delimiter: files.csv.row_delimiter.map_or(defaults.row_delimiter, |end| end.0),
        quoting: files.csv.quoting.unwrap_or(defaults.quoting),
    }
}

fn parquet_settings(files: &FileFormat) -> ParquetSettings {
    ParquetSettings {
        timestamp_column: files.timestamp_column.clone(),
        before_prefix: files.before_image_prefix.clone(),
        op: match files.csv.op {
            Some(Presence::Absent) => OpColumn::Absent,
            _ => OpColumn::Auto,
        },
        ..ParquetSettings::default()
    }
}
