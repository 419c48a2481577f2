//! `sluice status`: where every table stands, read from the lake itself.

use serde::Serialize;
use sluice_lake::{FormatVersion, Lake, LakeTable};
use sluice_pipeline::{LaneSettings, explain};

use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::services::{Machine, StartError};
use crate::terminal::Terminal;
use crate::words;

/// Where the tables stand.
#[derive(Debug, Serialize)]
struct StatusReport {
    /// When it was looked, microseconds since the epoch.
    at_us: i64,
    warehouse: String,
    catalog: String,
    tables: Vec<TableStatus>,
}

/// Where one table stands.
#[derive(Debug, Default, Serialize)]
struct TableStatus {
    table: String,
    /// What has been consumed of the source; absent before the first commit.
    position: Option<String>,
    bronze: Option<LayerStatus>,
    silver: Option<LayerStatus>,
    /// Changes that are in Bronze and not yet in Silver.
    bronze_ahead: u64,
    /// Records in the dead letters.
    rejected: u64,
    /// Commit time at the source of the newest change taken in, microseconds since the epoch.
    newest_source_time_us: Option<i64>,
    /// How long ago that was.
    freshness_us: Option<i64>,
    /// When Bronze was last committed to, microseconds since the epoch.
    committed_us: Option<i64>,
    /// Why the table cannot be read.
    error: Option<String>,
}

/// One lake table.
#[derive(Debug, Serialize)]
struct LayerStatus {
    name: String,
    format_version: u8,
    rows: u64,
    snapshots: usize,
    data_files: u64,
    delete_files: u64,
    data_bytes: u64,
    metadata_location: String,
}

/// Shows where every table stands.
pub(crate) async fn command(config: &Config, json: bool, terminal: &Terminal) -> Result<Exit, StartError> {
    let machine = Machine::new(config)?;
    let lanes = machine.lanes(config).await?;
    let lake = machine.existing_lake(config)?;
    let now_us = machine.clock.now_us();
    let mut tables = Vec::with_capacity(lanes.len());
    for lane in &lanes {
        tables.push(table_status(lake.as_ref(), lane, now_us).await);
    }
    let report =
        StatusReport { at_us: now_us, warehouse: config.warehouse.clone(), catalog: config.catalog.address(), tables };
    if json {
        terminal.say_json(&report);
    } else {
        terminal.say(&render(&report));
    }
    Ok(exit_of(&report))
}

fn exit_of(report: &StatusReport) -> Exit {
    match report.tables.iter().filter(|table| table.error.is_some()).count() {
        0 => Exit::Success,
        failed if failed == report.tables.len() => Exit::AllFailed,
        _ => Exit::Partial,
    }
}

async fn table_status(lake: Option<&Lake>, lane: &LaneSettings, now_us: i64) -> TableStatus {
    let table = lane.table.to_string();
    let Some(lake) = lake else { return TableStatus { table, ..TableStatus::default() } };
    match read(lake, lane, now_us).await {
        Ok(status) => status,
        Err(error) => TableStatus { table, error: Some(explain(error.as_ref())), ..TableStatus::default() },
    }
}

async fn read(
    lake: &Lake,
    lane: &LaneSettings,
    now_us: i64,
) -> Result<TableStatus, Box<dyn std::error::Error + Send + Sync>> {
    let bronze = lake.open_metadata(&lane.bronze).await?;
    let silver = lake.open_metadata(&lane.silver).await?;
    let rejects = lake.open_metadata(&lane.rejects).await?;
    let log = bronze.as_ref().map(LakeTable::checkpoint).transpose()?.flatten();
    let merged = silver.as_ref().map(LakeTable::checkpoint).transpose()?.flatten();
    let next = log.as_ref().map_or(0, |checkpoint| checkpoint.next_sequence);
    let included = merged.map_or(0, |checkpoint| checkpoint.next_sequence);
    let newest_source_time_us = log.as_ref().and_then(|log| log.source_times).map(|times| times.newest_us);
    Ok(TableStatus {
        table: lane.table.to_string(),
        position: log.map(|checkpoint| checkpoint.position.to_string()),
        bronze_ahead: if silver.is_some() { next.saturating_sub(included) } else { 0 },
        rejected: rejects.as_ref().map_or(0, LakeTable::rows),
        newest_source_time_us,
        freshness_us: newest_source_time_us.map(|newest| now_us - newest),
        committed_us: bronze.as_ref().and_then(|bronze| bronze.facts().committed_us),
        bronze: bronze.as_ref().map(layer),
        silver: silver.as_ref().map(layer),
        error: None,
    })
}

fn layer(table: &LakeTable) -> LayerStatus {
    let facts = table.facts();
    LayerStatus {
        name: table.ident().to_string(),
        format_version: version_number(table.format_version()),
        rows: table.rows(),
        snapshots: facts.snapshots,
        data_files: facts.data_files,
        delete_files: facts.delete_files,
        data_bytes: facts.data_bytes,
        metadata_location: facts.metadata_location,
    }
}

/// The version as people write it.
pub(crate) fn version_number(version: FormatVersion) -> u8 {
    match version {
        FormatVersion::V2 => 2,
        FormatVersion::V3 => 3,
    }
}

fn render(report: &StatusReport) -> String {
    let mut grid = Grid::new(&[
        "table",
        ">Bronze rows",
        ">Silver rows",
        ">behind",
        ">rejected",
        "format",
        "last commit",
        "newest change",
        "position",
    ]);
    let rows = |layer: &Option<LayerStatus>| layer.as_ref().map_or_else(|| "–".to_owned(), |l| words::count(l.rows));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    for table in report.tables.iter().filter(|table| table.error.is_none()) {
        let format = table.silver.as_ref().or(table.bronze.as_ref()).map(|layer| format!("v{}", layer.format_version));
        grid.row(vec![
            table.table.clone(),
            rows(&table.bronze),
            rows(&table.silver),
            words::count(table.bronze_ahead),
            words::count(table.rejected),
            or_dash(format),
            or_dash(table.committed_us.map(|us| format!("{} ago", words::span(report.at_us - us)))),
            or_dash(
                table
                    .newest_source_time_us
                    .map(|us| format!("{} ({} ago)", words::instant(us), words::span(report.at_us - us))),
            ),
            or_dash(table.position.clone()),
        ]);
    }
    let mut text = grid.render();
    for table in &report.tables {
        if let Some(error) = &table.error {
            text.push_str(&format!("\n{}: {error}\n", table.table));
        }
    }
    if report.tables.iter().all(|table| table.bronze.is_none() && table.error.is_none()) {
        text.push_str(&format!("\nNothing has been taken in yet (catalog {}).\n", report.catalog));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, rows: u64) -> LayerStatus {
        LayerStatus {
            name: name.into(),
            format_version: 3,
            rows,
            snapshots: 2,
            data_files: 2,
            delete_files: 1,
            data_bytes: 4096,
            metadata_location: "file:///lake/m.json".into(),
        }
    }

    fn report(tables: Vec<TableStatus>) -> StatusReport {
        StatusReport {
            at_us: 1_000_000_000,
            warehouse: "file:///lake".into(),
            catalog: "/lake/catalog.db".into(),
            tables,
        }
    }

    #[test]
    fn a_table_is_one_line() {
        let text = render(&report(vec![TableStatus {
            table: "public.orders".into(),
            position: Some("1/20260301-101500123.csv".into()),
            bronze: Some(layer("bronze.public_orders", 1_234)),
            silver: Some(layer("silver.public_orders", 1_000)),
            bronze_ahead: 34,
            rejected: 2,
            newest_source_time_us: Some(400_000_000),
            freshness_us: Some(600_000_000),
            committed_us: Some(990_000_000),
            error: None,
        }]));
        let line: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
        let line = line.join(" ");
        assert_eq!(
            line,
            "public.orders 1,234 1,000 34 2 v3 10s ago 1970-01-01 00:06:40Z (10m ago) 1/20260301-101500123.csv"
        );
    }

    #[test]
    fn an_empty_lake_and_an_unreadable_table_are_said_in_words() {
        let fresh = TableStatus { table: "a.b".into(), ..TableStatus::default() };
        assert!(render(&report(vec![fresh])).contains("Nothing has been taken in yet"));
        let broken = TableStatus { table: "a.b".into(), error: Some("torn".into()), ..TableStatus::default() };
        let report = report(vec![broken]);
        assert!(render(&report).contains("a.b: torn"));
        assert_eq!(exit_of(&report), Exit::AllFailed);
    }
}
