use std::collections::BTreeMap;
use std::time::Duration;

use sluice_change::{TableName, TableSchema};
use sluice_decode::{CsvSettings, ParquetSettings};

/// Rows of one batch unless set otherwise: enough to make columns worth while, few enough for many lanes.
const DEFAULT_BATCH_ROWS: usize = 65_536;
/// How long a plain CSV file has to rest unless set otherwise; a copy in progress writes far more often.
const DEFAULT_SETTLE: Duration = Duration::from_millis(250);

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
    /// How long a plain CSV file must not have changed before its end counts as its end. Nothing in such a file says
    /// where it ends, so one that is still being written would be taken for whole.
    pub settle: Duration,
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

impl DmsSettings {
    /// The defaults for a source folder.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            csv: CsvSettings::default(),
            parquet: ParquetSettings::default(),
            tables: BTreeMap::new(),
            batch_rows: DEFAULT_BATCH_ROWS,
            settle: DEFAULT_SETTLE,
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
