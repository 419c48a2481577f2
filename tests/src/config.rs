//! The configuration of a scenario: a folder of its own with source, warehouse and `sluice.toml`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use iceberg::spec::TableMetadata;
use sluice_change::TableName;

use crate::generator::{History, SourceFile};
use crate::lake_files;
use crate::place::Place;
use crate::spec::{Quoting, TableSpec};
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
    /// What all tables together may hold in memory.
    pub memory: &'static str,
    /// More lines of the section of the source.
    pub source: &'static str,
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
            memory: "512MiB",
            source: "",
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

/// Reads what a table refers to, wherever it lies.
type Reach<'a> = Box<dyn Fn(&str) -> Bytes + 'a>;

/// A folder with everything that one scenario has, or with its configuration where source and lake are elsewhere.
#[derive(Debug)]
pub struct Scenario {
    folder: tempfile::TempDir,
    place: Place,
}

impl Scenario {
    /// A folder with a configuration of these tables, and nothing in the source yet.
    pub fn new(settings: &Settings, tables: &[TableConfig]) -> Self {
        Self::at(Place::Local, settings, tables)
    }

    /// The same with source and lake at a place.
    pub fn at(place: Place, settings: &Settings, tables: &[TableConfig]) -> Self {
        let scenario = Self { folder: tempfile::tempdir().expect("a folder for temporary files"), place };
        fs::create_dir_all(scenario.source()).expect("a folder can be made");
        scenario.configure(settings, tables);
        scenario
    }

    /// Where source and lake are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Writes the configuration anew.
    pub fn configure(&self, settings: &Settings, tables: &[TableConfig]) {
        fs::write(self.config(), document(&self.place, settings, tables)).expect("the configuration can be written");
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
        if let Place::Cloud(cloud) = &self.place {
            return cloud.deliver(file);
        }
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
        self.read("bronze", table)
    }

    /// Number of records in a table's Bronze, which is quicker to tell than the records.
    pub fn bronze_count(&self, table: &TableName) -> u64 {
        let Some((metadata, load)) = self.table("bronze", table) else { return 0 };
        let (data, _) = lake_files::live_files(&metadata, &*load);
        data.iter().map(|file| file.record_count()).sum()
    }

    /// The number below which a layer of a table holds every record; 0 where there is no such table yet.
    pub fn next_sequence(&self, layer: &str, table: &TableName) -> u64 {
        self.table(layer, table).and_then(|(metadata, _)| lake_files::next_sequence(&metadata)).unwrap_or(0)
    }

    /// The rows of a table's Silver.
    pub fn silver(&self, table: &TableName) -> TableRows {
        self.read("silver", table)
    }

    /// The dead letters of a table.
    pub fn dead_letters(&self, table: &TableName) -> TableRows {
        self.read("dead_letters", table)
    }

    fn read(&self, namespace: &str, table: &TableName) -> TableRows {
        self.table(namespace, table).map(|(metadata, load)| lake_files::rows(&metadata, &*load)).unwrap_or_default()
    }

    /// A table's metadata, and how to get at what it refers to.
    fn table(&self, namespace: &str, table: &TableName) -> Option<(TableMetadata, Reach<'_>)> {
        match &self.place {
            Place::Local => {
                let metadata = lake_files::metadata(&self.catalog(), namespace, &lake_name(table))?;
                Some((metadata, Box::new(lake_files::load_local)))
            }
            Place::Cloud(cloud) => {
                let metadata = cloud.metadata(namespace, &lake_name(table))?;
                Some((metadata, Box::new(|location| cloud.load(location))))
            }
        }
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

fn document(place: &Place, settings: &Settings, tables: &[TableConfig]) -> String {
    let mut text = place.sections().replacen("[source]\n", &format!("[source]\n{}", settings.source), 1);
    write!(
        text,
        "[process]\nmemory = \"{}\"\npoll_interval = \"{}\"\nstop_within = \"{}\"\nretry_quarantined = \"0\"\n\n\
         [defaults]\nformat_version = {}\ninfer_types = {}\nbatch = {{ max_rows = {} }}\n\
         retry = {{ max_attempts = {}, first_wait = \"20ms\", max_wait = \"200ms\" }}\n",
        settings.memory,
        settings.poll_interval,
        settings.stop_within,
        settings.format_version,
        settings.infer_types,
        settings.max_rows,
        settings.max_attempts,
    )
    .expect("writing to a string");
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
    // The settings of a task that the program is told; all others it sees.
    let op = if layout.inserts_only && !layout.op_in_load { ", op = false" } else { "" };
    let (delimiter, null) = (char::from(layout.delimiter).to_string(), layout.null.text());
    let quoting = if layout.quoting == Quoting::Never { ", quoting = false" } else { "" };
    let row_end = match layout.row_end {
        "\n" => String::new(),
        "\r\n" if layout.quoting != Quoting::Never => String::new(),
        other => {
            let letters: String = other.chars().map(|letter| format!("\\u{:04X}", u32::from(letter))).collect();
            format!(", row_delimiter = \"{letters}\"")
        }
    };
    writeln!(text, "csv = {{ delimiter = {delimiter:?}, null = [{null:?}]{op}{quoting}{row_end} }}")
}
