//! The configuration file: read, checked as a whole, and mapped to what the rooms below are given.

mod catalog;
mod document;
mod evolution;
mod lanes;
mod names;
mod paths;
mod problem;
mod reader;
mod s3;
mod steps;
mod transforms;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::generate::SchemaSettings;
use sluice_aws::{AwsSettings, QueueSettings};
use sluice_change::TableName;
use sluice_decode::CsvSettings;
use sluice_pipeline::{LaneSettings, ProcessSettings};
use sluice_platform::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use catalog::{CatalogChoice, SigV4};
pub(crate) use document::CsvSection;
use document::{DocumentSection, SourceSection};
pub(crate) use paths::location;
pub use problem::{ConfigError, Problem};
pub(crate) use reader::nearest;
use reader::{Reading, Value};
use values::TableChoice;
pub(crate) use values::{ByteSize, Presence, TimeSpan};

/// Memory below which no table gets anywhere.
const LEAST_MEMORY: usize = 16 << 20;

/// A configuration that has been read and found right.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    /// The folder that relative paths are relative to.
    base: PathBuf,
    /// It may hold secrets.
    text: Secret,
    document: DocumentSection,
    /// `file://` or `s3://` URI of the folder that DMS writes to.
    pub source_location: String,
    /// Whether tables without settings of their own are taken too.
    pub takes_all_tables: bool,
    /// How S3 is reached.
    pub aws: AwsSettings,
    /// Where word of new files comes from.
    pub notifications: Option<QueueSettings>,
    /// `file://` or `s3://` URI of the warehouse.
    pub warehouse: String,
    /// The catalog of the tables.
    pub catalog: CatalogChoice,
    /// Limits of the process.
    pub process: ProcessSettings,
    /// Threads that compute; 0 means one a processor.
    pub cpu_threads: usize,
    /// Folder for what can be made again from the tables.
    pub cache: PathBuf,
}

impl Config {
    /// Reads a configuration file, taking `${NAME}` from the environment of the process.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let base = std::path::absolute(path).map_err(unreadable)?;
        Self::parse(path, base.parent().unwrap_or(Path::new("/")), text, &|name| std::env::var(name).ok())
    }

    /// Reads a configuration from its text. Relative paths in it are relative to `base`, which is absolute.
    pub fn parse(
        path: &Path,
        base: &Path,
        text: String,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let reading = Reading::new(&text, environment);
        let config = Self::read(path, base, &reading);
        let mut problems = reading.into_problems();
        if let Some(mut config) = config
            && problems.is_empty()
        {
            config.text = Secret::new(text);
            match config.lanes(&[]) {
                Ok(_) => return Ok(config),
                Err(ConfigError::Wrong { problems: found, .. }) => problems = found,
                Err(other) => return Err(other),
            }
        }
        Err(ConfigError::Wrong { path: path.to_owned(), problems })
    }

    fn read(path: &Path, base: &Path, reading: &Reading<'_>) -> Option<Config> {
        let (table, errors) = DeTable::parse_recoverable(reading.text());
        for error in &errors {
            reading.fault(error.span().map_or(0, |span| span.start), error.message().replace('\n', "; "));
        }
        if !errors.is_empty() {
            return None;
        }
        let whole = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let document = DocumentSection::read(reading, "", &whole)?;
        let source = document.source.clone().unwrap_or_default();
        let lake = document.lake.clone().unwrap_or_default();
        if source.location.is_none() {
            reading.fault(0, "`source.location` is missing: give the folder that DMS writes to");
        }
        if lake.warehouse.is_none() {
            reading.fault(0, "`lake.warehouse` is missing: give the folder in which the tables are to live");
        }
        for mixed in source.mixed.iter().flatten() {
            let path = mixed.path.as_ref().map_or("", |path| path.value.trim_matches('/'));
            if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
                let offset = mixed.path.as_ref().map_or(0, |path| path.offset);
                reading
                    .fault(offset, "`source.mixed.path` must name a folder below `source.location`, such as \"cdc\"");
            }
        }
        let location = |located: reader::Located<String>| {
            paths::location(base, &located.value).map_err(|message| reading.fault(located.offset, message)).ok()
        };
        let warehouse_at = lake.warehouse.as_ref().map_or(0, |located| located.offset);
        let aws = s3::settings(document.s3.as_ref(), reading);
        let notifications = source.notifications.as_ref().and_then(|section| s3::queue(section, reading));
        let source_location = source.location.and_then(location);
        let warehouse = lake.warehouse.and_then(location);
        let takes_all_tables = source.tables == Some(TableChoice::All);
        let no_tables = document.tables.as_ref().is_none_or(|tables| tables.0.is_empty());
        if no_tables && !takes_all_tables && document.source.is_some() {
            reading.fault(0, "no table is configured: add [tables.\"schema.table\"], or set `source.tables = \"all\"`");
        }
        let on_s3 = source_location.as_deref().is_some_and(paths::is_on_s3);
        let process = process_settings(&document, on_s3, reading);
        let cpu_threads = document.process.as_ref().and_then(|process| process.cpu_threads).unwrap_or(0) as usize;
        let cache = document.process.as_ref().and_then(|process| process.cache.clone());
        let cache = base.join(cache.unwrap_or_else(|| format!(".{}.cache", stem(path))));
        let catalog = lake.catalog.unwrap_or_default();
        let (source_location, warehouse) = (source_location?, warehouse?);
        if notifications.is_some() && !paths::is_on_s3(&source_location) {
            reading.fault(0, "`source.notifications` is about files on S3, and `source.location` is on local disk");
        }
        let catalog = catalog::choose(reading, base, &warehouse, warehouse_at, catalog);
        Some(Config {
            path: path.to_owned(),
            base: base.to_owned(),
            text: Secret::new(""),
            document,
            source_location,
            takes_all_tables,
            aws,
            notifications,
            warehouse,
            catalog: catalog?,
            process,
            cpu_threads,
            cache,
        })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A hidden file beside the configuration.
    pub(crate) fn beside(&self, kind: &str) -> PathBuf {
        self.path.with_file_name(format!(".{}.{kind}", stem(&self.path)))
    }

    /// The lanes of the configured tables, and of those `found` in the source where all tables are taken.
    pub fn lanes(&self, found: &[TableName]) -> Result<Vec<LaneSettings>, ConfigError> {
        let reading = Reading::new(self.text.reveal(), &|_| None);
        let found = if self.takes_all_tables { found } else { &[] };
        let lanes = lanes::resolve(&self.document, found, self.process.memory_bytes, &self.base, &reading);
        for lane in &lanes {
            self.check_not_sent(&lane.table, &reading);
        }
        let problems = reading.into_problems();
        if problems.is_empty() { Ok(lanes) } else { Err(ConfigError::Wrong { path: self.path.clone(), problems }) }
    }

    /// One text cannot stand for NULL and for a value that was not sent.
    fn check_not_sent(&self, table: &TableName, reading: &Reading<'_>) {
        let csv = self.files_of(Some(table)).csv;
        let nulls = csv.null.unwrap_or_else(|| CsvSettings::default().null_strings);
        if let Some(text) = csv.not_sent.filter(|text| !text.value.is_empty() && nulls.contains(&text.value)) {
            let message =
                format!("`csv.not_sent` is `{}`, which `csv.null` has too: one text cannot mean both", text.value);
            reading.fault(text.offset, message);
        }
    }

    /// The source's own section.
    pub(crate) fn source_section(&self) -> SourceSection {
        self.document.source.clone().unwrap_or_default()
    }

    /// What the configuration says of the source's files, the table's word before the defaults' before the source's.
    pub(crate) fn files_of(&self, table: Option<&TableName>) -> FileFormat {
        let source = self.document.source.clone().unwrap_or_default();
        let own = table.and_then(|table| self.document.tables.as_ref()?.0.get(table)).map(|own| &own.value);
        let section = lanes::layered(own, self.document.defaults.as_ref());
        FileFormat {
            csv: reader::overlay(&section.csv, &source.csv).unwrap_or_default(),
            timestamp_column: section.timestamp_column.or(source.timestamp_column).filter(|name| !name.is_empty()),
            before_image_prefix: section
                .before_image_prefix
                .or(source.before_image_prefix)
                .filter(|prefix| !prefix.is_empty()),
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "sluice".into(), |stem| stem.to_string_lossy()).into_owned()
}

/// How the files of a table are written.
#[derive(Debug, Clone)]
pub(crate) struct FileFormat {
    pub csv: CsvSection,
    pub timestamp_column: Option<String>,
    pub before_image_prefix: Option<String>,
}

/// How often a table on S3 is looked at unless set otherwise: each look is a request that costs money.
const POLL_INTERVAL_ON_S3: Duration = Duration::from_secs(15);

fn process_settings(document: &DocumentSection, on_s3: bool, reading: &Reading<'_>) -> ProcessSettings {
    let mut defaults = ProcessSettings::default();
    if on_s3 {
        defaults.poll_interval = POLL_INTERVAL_ON_S3;
    }
    let Some(process) = &document.process else { return defaults };
    if let Some(memory) = process.memory.as_ref().filter(|memory| memory.value.0 < LEAST_MEMORY) {
        reading.fault(memory.offset, "`process.memory` is too little: give at least \"16MiB\"");
    }
    let memory_bytes = process.memory.as_ref().map_or(defaults.memory_bytes, |memory| memory.value.0);
    if let Some(index) = process.index_memory.as_ref().filter(|index| index.value.0 > memory_bytes) {
        reading
            .fault(index.offset, "`process.index_memory` is a part of `process.memory` and cannot be more than that");
    }
    if let Some(interval) = process.poll_interval.as_ref().filter(|interval| interval.value.0.is_zero()) {
        reading.fault(interval.offset, "`process.poll_interval` must be longer than nothing, for example \"1s\"");
    }
    ProcessSettings {
        index_bytes: process.index_memory.as_ref().map(|memory| memory.value.0),
        memory_bytes,
        poll_interval: process.poll_interval.as_ref().map_or(defaults.poll_interval, |interval| interval.value.0),
        stop_within: process.stop_within.map_or(defaults.stop_within, |span| span.0),
        retry_quarantined: match process.retry_quarantined {
            None => defaults.retry_quarantined,
            Some(span) => Some(span.0).filter(|span| *span != Duration::ZERO),
        },
    }
}

/// The JSON schema of the configuration.
pub fn json_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<DocumentSection>();
    schema.insert("title".to_owned(), "sluice configuration".into());
    schema.insert("required".to_owned(), serde_json::json!(["source", "lake"]));
    schema.to_value()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transform_tests;
