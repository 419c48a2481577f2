//! Reads from the lake what the demo shows.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use sluice_lake::{Lake, LakeError, LakeTable, Role, ScanFilter, TableIdent};
use sluice_pipeline::LaneSettings;

use super::{SHOWN_COLUMNS, SHOWN_KEYS, SHOWN_TABLE};
use crate::config::Config;
use crate::grid::Grid;
use crate::services::{Machine, StartError};

const DEAD_LETTER_COLUMNS: [&str; 4] = ["source_file", "source_row", "column", "reason"];
/// Rows read at a time; the sample's tables are smaller.
const BATCH_ROWS: usize = 1024;

/// The lake as the demo shows it.
pub(super) struct Look {
    pub tables: Vec<TableLook>,
    /// The rows of one Silver table under a few keys.
    pub rows: Grid,
    pub dead_letters: Grid,
}

/// The names of a table's lake tables, with their rows where they are there.
pub(super) struct TableLook {
    pub name: String,
    pub bronze: (String, Option<u64>),
    pub silver: (String, Option<u64>),
    pub dead_letters: (String, Option<u64>),
}

impl Look {
    /// Looks at the lake of a configuration.
    pub async fn at(config: &Config) -> Result<Look, StartError> {
        let machine = Machine::new(config)?;
        let lanes = machine.lanes(config).await?;
        let lake = machine.lake(config)?;
        let mut look = Look {
            tables: Vec::with_capacity(lanes.len()),
            rows: Grid::new(&[">id", "name", "city", "note"]),
            dead_letters: Grid::new(&["file", ">record", "column", "reason"]),
        };
        for lane in &lanes {
            look.add(&lake, lane).await?;
        }
        Ok(look)
    }

    async fn add(&mut self, lake: &Lake, lane: &LaneSettings) -> Result<(), LakeError> {
        let (bronze, _) = open(lake, &lane.bronze, Role::Bronze).await?;
        let (silver, merged) = open(lake, &lane.silver, Role::Silver).await?;
        let (dead_letters, rejects) = open(lake, &lane.rejects, Role::Rejects).await?;
        let name = lane.table.to_string();
        if let Some(merged) = merged.filter(|_| name == SHOWN_TABLE) {
            let mut rows = read(&merged, &SHOWN_COLUMNS, is_shown).await?;
            rows.sort();
            rows.into_iter().for_each(|row| self.rows.row(row));
        }
        if let Some(rejects) = rejects {
            read(&rejects, &DEAD_LETTER_COLUMNS, |_, _| true)
                .await?
                .into_iter()
                .for_each(|row| self.dead_letters.row(row));
        }
        self.tables.push(TableLook { name, bronze, silver, dead_letters });
        Ok(())
    }
}

async fn open(
    lake: &Lake,
    ident: &TableIdent,
    role: Role,
) -> Result<((String, Option<u64>), Option<LakeTable>), LakeError> {
    let table = lake.open(ident, role).await?;
    Ok(((ident.to_string(), table.as_ref().map(LakeTable::rows)), table))
}

fn is_shown(batch: &RecordBatch, row: usize) -> bool {
    batch.column(0).as_primitive_opt::<Int64Type>().is_some_and(|keys| SHOWN_KEYS.contains(&keys.value(row)))
}

/// The live rows of a small table as text.
async fn read(
    table: &LakeTable,
    columns: &[&str],
    wanted: impl Fn(&RecordBatch, usize) -> bool,
) -> Result<Vec<Vec<String>>, LakeError> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    let mut scan = table.scan(columns, ScanFilter::All, BATCH_ROWS).await?;
    while let Some(scanned) = scan.next().await? {
        let batch = &scanned.batch;
        let formatters: Vec<Option<ArrayFormatter<'_>>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).ok()).collect();
        for row in 0..batch.num_rows() {
            if scanned.live.as_ref().is_none_or(|live| live.value(row)) && wanted(batch, row) {
                rows.push(formatters.iter().map(|formatter| cell(formatter.as_ref(), row)).collect());
            }
        }
    }
    Ok(rows)
}

/// A value in one line.
fn cell(formatter: Option<&ArrayFormatter<'_>>, row: usize) -> String {
    formatter.map(|formatter| formatter.value(row).to_string().replace('\n', "⏎")).unwrap_or_default()
}
