use std::collections::BTreeMap;
use std::time::Duration;

use sluice_change::{TableName, TableSchema};
use sluice_decode::{CsvSettings, MOST_BATCH_BYTES, MixedSettings, ParquetSettings};

/// Rows of one batch unless set otherwise: enough to make columns worth while, few enough for many lanes.
const DEFAULT_BATCH_ROWS: usize = 65_536;
/// How long a plain CSV file has to rest unless set otherwise; a copy in progress writes far more often.
const DEFAULT_SETTLE: Duration = Duration::from_millis(250);

/// How often a whole folder is listed unless set otherwise, where looking behind the newest file will do in between.
const DEFAULT_LIST_WHOLE_EVERY: Duration = Duration::from_secs(60);
/// Bytes read ahead of the decoders unless set otherwise.
const DEFAULT_READ_AHEAD: usize = 32 << 20;
/// Bytes of split mixed files kept for other tables unless set otherwise.
const DEFAULT_MIXED_CACHE: usize = 32 << 20;

/// What happens with a file that was consumed and has other content now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRewritten {
    /// It is reported and not read.
    #[default]
    Report,
    /// It is taken in again, as a late file behind its old content.
    ReadAgain,
}

/// What happens when a table's full load is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReload {
    /// The table is emptied at that place and loaded again.
    #[default]
    Replace,
    /// Its files are treated like any rewritten ones.
    Ignore,
    /// The table is not read any further.
    Refuse,
}

/// What happens when all files of a table that were consumed are gone at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnVanished {
    /// Nothing: someone has moved consumed files away.
    #[default]
    Ignore,
    /// The table was truncated at its source, and is emptied.
    Truncate,
}

/// A folder of files that hold the changes of many tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedFolder {
    /// Its path below the source's location (DMS: CdcPath).
    pub path: String,
    /// How its files are written.
    pub csv: MixedSettings,
}

/// Where a DMS task writes, and how.
#[derive(Debug, Clone)]
pub struct DmsSettings {
    /// The folder that holds `schema/table/`, as a URI.
    pub location: String,
    /// How CSV files are written.
    pub csv: CsvSettings,
    /// How Parquet files are written.
    pub parquet: ParquetSettings,
    /// Tables that differ, or whose columns are declared.
    pub tables: BTreeMap<TableName, DmsTableSettings>,
    /// Most records of one batch.
    pub batch_rows: usize,
    /// Bytes, as stored, after which a batch ends even if it has few records.
    pub batch_bytes: usize,
    /// How long a plain CSV file must not have changed before its end counts as its end. Nothing in such a file says
    /// where it ends, so one that is still being written would be taken for whole.
    pub settle: Duration,
    /// Folders of mixed files.
    pub mixed: Vec<MixedFolder>,
    /// Consumed files with other content.
    pub on_rewritten: OnRewritten,
    /// Full loads written anew.
    pub on_reload: OnReload,
    /// Consumed files that are gone all at once.
    pub on_vanished: OnVanished,
    /// Name of the column with the change sequence; by default one that is called `AR_H_CHANGE_SEQ`, if there is one.
    pub change_sequence_column: Option<String>,
    /// How often a folder of very many files is listed as a whole, so that late files are found.
    pub list_whole_every: Duration,
    /// Bytes that all readers together may read ahead of their decoders.
    pub read_ahead_bytes: usize,
    /// Bytes of split mixed files that are kept for the tables that have not come so far yet.
    pub mixed_cache_bytes: usize,
    /// Whether the control tables of DMS (`awsdms_…`) are offered too.
    pub control_tables: bool,
}

/// How one table is written.
#[derive(Debug, Clone, Default)]
pub struct DmsTableSettings {
    /// How its CSV files are written.
    pub csv: CsvSettings,
    /// How its Parquet files are written.
    pub parquet: ParquetSettings,
    /// Its columns and key as far as they are declared.
    pub declared: TableSchema,
}

/// The share of a process's memory that one batch may take: with more, few tables could be read at the same time.
const BATCH_SHARE: usize = 32;
/// Less than this is not worth the making of columns.
const LEAST_BATCH_BYTES: usize = 256 << 10;
/// The share of a process's memory that may be read ahead, and that split mixed files may take.
const READ_AHEAD_SHARE: usize = 8;

impl DmsSettings {
    /// Sizes batches and read-ahead for a process that may hold so many bytes.
    pub fn within(mut self, memory_bytes: usize) -> Self {
        self.batch_bytes = (memory_bytes / BATCH_SHARE).clamp(LEAST_BATCH_BYTES, MOST_BATCH_BYTES);
        self.read_ahead_bytes = memory_bytes / READ_AHEAD_SHARE;
        self.mixed_cache_bytes = memory_bytes / READ_AHEAD_SHARE;
        self
    }

    /// The defaults for a source folder.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            csv: CsvSettings::default(),
            parquet: ParquetSettings::default(),
            tables: BTreeMap::new(),
            batch_rows: DEFAULT_BATCH_ROWS,
            batch_bytes: MOST_BATCH_BYTES,
            settle: DEFAULT_SETTLE,
            mixed: Vec::new(),
            on_rewritten: OnRewritten::default(),
            on_reload: OnReload::default(),
            on_vanished: OnVanished::default(),
            change_sequence_column: None,
            list_whole_every: DEFAULT_LIST_WHOLE_EVERY,
            read_ahead_bytes: DEFAULT_READ_AHEAD,
            mixed_cache_bytes: DEFAULT_MIXED_CACHE,
            control_tables: false,
        }
    }

    /// What holds for one table.
    pub(super) fn for_table(&self, table: &TableName) -> DmsTableSettings {
        self.tables.get(table).cloned().unwrap_or_else(|| DmsTableSettings {
            csv: self.csv.clone(),
            parquet: self.parquet.clone(),
            declared: TableSchema::default(),
        })
    }
}
