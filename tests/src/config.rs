//! The configuration of a scenario: a folder of its own with source, warehouse and `sluice.toml`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use sluice_change::TableName;

use crate::generator::{History, SourceFile};
use crate::lake_files;
use crate::spec::{NullText, TableSpec};
use crate::table::{TableRows, assert_same};

/// Settings of a scenario beside its tables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Iceberg format version.
    pub format_version: u8,
    /// Most rows of one commit.
    pub max_rows: u32,
    /// How often new files are looked for.
    pub poll_interval: &'static str,
    /// How long a batch in flight may take after a request to stop.
    pub stop_within: &'static str,
    /// Failures in a row after which a table is quarantined.
    pub max_attempts: u32,
    /// Whether types may be guessed.
    pub infer_types: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format_version: 3,
            max_rows: 500_000,
            poll_interval: "20ms",
            stop_within: "10s",
            max_attempts: 3,
            infer_types: false,
        }
    }
}

/// One table of a scenario.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// What DMS writes.
    pub spec: TableSpec,
    /// Partitioning of Silver.
    pub silver_partition: Vec<String>,
    /// Iceberg format version, where it differs.
    pub format_version: Option<u8>,
    /// Whether the columns are declared; else they come from Parquet or are guessed.
    pub declare: bool,
}

impl TableConfig {
    /// A table with its columns declared and Silver in one piece.
    pub fn new(spec: &TableSpec) -> Self {
        Self { spec: spec.clone(), silver_partition: Vec::new(), format_version: None, declare: true }
    }
}

/// A folder with everything that one scenario has.
#[derive(Debug)]
pub struct Scenario {
    folder: tempfile::TempDir,
}

impl Scenario {
    /// A folder with a configuration of these tables, and nothing in the source yet.
    pub fn new(settings: &Settings, tables: &[TableConfig]) -> Self {
        let scenario = Self { folder: tempfile::tempdir().expect("a folder for temporary files") };
        fs::create_dir_all(scenario.source()).expect("a folder can be made");
        scenario.configure(settings, tables);
        scenario
    }

    /// Writes the configuration anew.
    pub fn configure(&self, settings: &Settings, tables: &[TableConfig]) {
        fs::write(self.config(), document(settings, tables)).expect("the configuration can be written");
    }

    /// The folder of it all.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path().join("sluice.toml")
    }

    /// The folder that DMS writes to.
    pub fn source(&self) -> PathBuf {
        self.path().join("source")
    }

    /// The folder of the tables.
    pub fn warehouse(&self) -> PathBuf {
        self.path().join("lake")
    }

    /// The catalog file.
    pub fn catalog(&self) -> PathBuf {
        self.warehouse().join("catalog.db")
    }

    /// Lets a file arrive whole, under its final name only when it is.
    pub fn deliver(&self, file: &SourceFile) {
        let path = self.source().join(&file.path);
        let folder = path.parent().expect("a table's folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        let arriving = self.path().join(format!("arriving-{}", file.path.replace('/', "-")));
        fs::write(&arriving, &file.bytes).expect("a file can be written");
        fs::rename(&arriving, &path).expect("a file can be renamed");
    }

    /// Lets all files of a history arrive.
    pub fn deliver_all(&self, history: &History) {
        history.files.iter().for_each(|file| self.deliver(file));
    }

    /// The rows of a table's Bronze.
    pub fn bronze(&self, table: &TableName) -> TableRows {
        lake_files::read(&self.catalog(), "bronze", &lake_name(table))
    }

    /// Number of records in a table's Bronze, which is quicker to tell than the records.
    pub fn bronze_count(&self, table: &TableName) -> u64 {
        let Some(metadata) = lake_files::metadata(&self.catalog(), "bronze", &lake_name(table)) else { return 0 };
        let (data, _) = lake_files::live_files(&metadata, &lake_files::load_local);
        data.iter().map(|file| file.record_count()).sum()
    }

    /// The rows of a table's Silver.
    pub fn silver(&self, table: &TableName) -> TableRows {
        lake_files::read(&self.catalog(), "silver", &lake_name(table))
    }

    /// The dead letters of a table.
    pub fn dead_letters(&self, table: &TableName) -> TableRows {
        lake_files::read(&self.catalog(), "dead_letters", &lake_name(table))
    }

    /// Fails unless all tables of the history hold exactly what they should, everything having been consumed.
    #[track_caller]
    pub fn assert_exact(&self, history: &History) {
        let (table, schema) = (&history.spec.name, &history.spec.schema);
        let bronze = self.bronze(table);
        assert_same(&format!("Bronze of {table}"), &history.bronze(), &bronze.bronze(schema));
        bronze.assert_numbered();
        assert_same(&format!("dead letters of {table}"), &history.rejected(), &self.dead_letters(table).dead_letters());
        let silver = self.silver(table).silver(schema);
        assert_same(&format!("Silver of {table} against its Bronze"), &bronze.replayed(schema), &silver);
        assert_same(&format!("Silver of {table}"), &history.model().canonical_rows(), &silver);
    }
}

/// The name of a source table's tables within their namespaces.
pub fn lake_name(table: &TableName) -> String {
    format!("{}_{}", table.schema(), table.table())
}

fn document(settings: &Settings, tables: &[TableConfig]) -> String {
    let mut text = format!(
        "[source]\nlocation = \"source\"\n\n[lake]\nwarehouse = \"lake\"\n\n\
         [process]\npoll_interval = \"{}\"\nstop_within = \"{}\"\nretry_quarantined = \"0\"\n\n\
         [defaults]\nformat_version = {}\ninfer_types = {}\nbatch = {{ max_rows = {} }}\n\
         retry = {{ max_attempts = {}, first_wait = \"20ms\", max_wait = \"200ms\" }}\n",
        settings.poll_interval,
        settings.stop_within,
        settings.format_version,
        settings.infer_types,
        settings.max_rows,
        settings.max_attempts,
    );
    for table in tables {
        write_table(&mut text, table).expect("writing to a string");
    }
    text
}

fn write_table(text: &mut String, table: &TableConfig) -> std::fmt::Result {
    let (spec, layout) = (&table.spec, &table.spec.layout);
    writeln!(text, "\n[tables.\"{}\"]\nkey = {:?}", spec.name, spec.schema.key)?;
    if table.declare {
        let columns: Vec<String> =
            spec.declared().columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        writeln!(text, "columns = {columns:?}")?;
    }
    if let Some(version) = table.format_version {
        writeln!(text, "format_version = {version}")?;
    }
    if !table.silver_partition.is_empty() {
        writeln!(text, "silver_partition = {:?}", table.silver_partition)?;
    }
    writeln!(text, "timestamp_column = {:?}", layout.time_column.as_deref().unwrap_or_default())?;
    writeln!(text, "before_image_prefix = {:?}", layout.before_prefix.as_deref().unwrap_or_default())?;
    let null = match layout.null {
        NullText::Empty => "",
        NullText::Word => "NULL",
    };
    writeln!(text, "csv = {{ delimiter = {:?}, null = [{null:?}] }}", char::from(layout.delimiter).to_string())
}
