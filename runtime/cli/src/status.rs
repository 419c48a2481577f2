//! `sluice status`: where every table stands, read from the lake itself.

use futures::{StreamExt, stream};
use serde::Serialize;
use sluice_change::Position;
use sluice_lake::{FormatVersion, Lake, LakeTable};
use sluice_pipeline::{LaneSettings, explain, is_rebuilding};
use sluice_source::{FileFate, Source, SourceFile};

use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::services::{Machine, StartError};
use crate::standing::{LaneStanding, Standing};
use crate::terminal::Terminal;
use crate::words;

/// Tables looked at at the same time.
const AT_ONCE: usize = 8;

/// Where the tables stand.
#[derive(Debug, Serialize)]
struct StatusReport {
    /// When it was looked, microseconds since the epoch.
    at_us: i64,
    warehouse: String,
    catalog: String,
    /// The process that runs this configuration, or ran it last; absent where none is known.
    process: Option<ProcessStatus>,
    tables: Vec<TableStatus>,
}

/// A process.
#[derive(Debug, Serialize)]
struct ProcessStatus {
    pid: u32,
    /// Whether it is at work, as far as its last word tells.
    alive: bool,
    /// When it gave its last word, microseconds since the epoch.
    written_us: i64,
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
    /// Whether Silver is being made anew, or an interrupted rebuild left its branch.
    rebuilding: bool,
    /// Records in the dead letters.
    rejected: u64,
    /// Commit time at the source of the newest change taken in, microseconds since the epoch.
    newest_source_time_us: Option<i64>,
    /// How long ago that was.
    freshness_us: Option<i64>,
    /// When Bronze was last committed to, microseconds since the epoch.
    committed_us: Option<i64>,
    /// Files that are there and not taken in whole; absent where the source cannot be listed.
    behind_files: Option<u64>,
    /// Their bytes.
    behind_bytes: Option<u64>,
    /// Those of them that sort before files that are taken in.
    late_files: u64,
    /// Files that need a look: rewritten after they were taken in, gone in part, or ignored.
    odd_files: u64,
    /// What the process does with the table, or did last: `running`, `caught-up`, `quarantined`, …
    state: Option<String>,
    /// Why, where something is wrong.
    reason: Option<String>,
    /// Why the table cannot be read.
    error: Option<String>,
    /// Why the source cannot be listed.
    source_error: Option<String>,
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
    let source = machine.source(config, &lanes);
    let standing = Standing::read(config);
    let told = |lane: &LaneSettings| standing.as_ref().and_then(|standing| standing.lane(&lane.table.to_string()));
    let tables = stream::iter(&lanes)
        .map(|lane| table_status(lake.as_ref(), &source, lane, told(lane), now_us))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let report = StatusReport {
        at_us: now_us,
        warehouse: config.warehouse.clone(),
        catalog: config.catalog.address(),
        process: standing.as_ref().map(|standing| ProcessStatus {
            pid: standing.pid,
            alive: standing.is_alive(now_us),
            written_us: standing.written_us,
        }),
        tables,
    };
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

async fn table_status(
    lake: Option<&Lake>,
    source: &dyn Source,
    lane: &LaneSettings,
    standing: Option<&LaneStanding>,
    now_us: i64,
) -> TableStatus {
    let table = lane.table.to_string();
    let (mut status, position) = match lake {
        None => (TableStatus { table, ..TableStatus::default() }, None),
        Some(lake) => match read(lake, lane, now_us).await {
            Ok(found) => found,
            Err(error) => {
                let error = Some(explain(error.as_ref()));
                (TableStatus { table, error, ..TableStatus::default() }, None)
            }
        },
    };
    if let Some(standing) = standing {
        status.state = Some(standing.state.clone());
        status.reason.clone_from(&standing.reason);
    }
    match source.files(&lane.table, &position.unwrap_or_else(Position::start)).await {
        Ok(files) => status.count(&files),
        Err(error) => status.source_error = Some(explain(&error)),
    }
    status
}

impl TableStatus {
    /// Counts the files that are not in the tables.
    fn count(&mut self, files: &[SourceFile]) {
        let (mut behind, mut bytes) = (0, 0);
        for file in files {
            match file.fate {
                FileFate::Pending | FileFate::Late | FileFate::Partial { .. } => {
                    behind += 1;
                    bytes += file.bytes.unwrap_or(0);
                    self.late_files += u64::from(file.fate == FileFate::Late);
                }
                FileFate::Rewritten | FileFate::GoneInPart { .. } | FileFate::Ignored { .. } => self.odd_files += 1,
                FileFate::Consumed { .. } | FileFate::Gone => {}
            }
        }
        (self.behind_files, self.behind_bytes) = (Some(behind), Some(bytes));
    }
}

async fn read(
    lake: &Lake,
    lane: &LaneSettings,
    now_us: i64,
) -> Result<(TableStatus, Option<Position>), Box<dyn std::error::Error + Send + Sync>> {
    let bronze = lake.open_metadata(&lane.bronze).await?;
    let silver = lake.open_metadata(&lane.silver).await?;
    let rejects = lake.open_metadata(&lane.rejects).await?;
    let log = bronze.as_ref().map(LakeTable::checkpoint).transpose()?.flatten();
    let merged = silver.as_ref().map(LakeTable::checkpoint).transpose()?.flatten();
    let next = log.as_ref().map_or(0, |checkpoint| checkpoint.next_sequence);
    let included = merged.map_or(0, |checkpoint| checkpoint.next_sequence);
    let newest_source_time_us = log.as_ref().and_then(|log| log.source_times).map(|times| times.newest_us);
    let position = log.map(|checkpoint| checkpoint.position);
    let status = TableStatus {
        table: lane.table.to_string(),
        position: position.as_ref().map(ToString::to_string),
        bronze_ahead: if silver.is_some() { next.saturating_sub(included) } else { 0 },
        rebuilding: silver.as_ref().is_some_and(is_rebuilding),
        rejected: rejects.as_ref().map_or(0, LakeTable::rows),
        newest_source_time_us,
        freshness_us: newest_source_time_us.map(|newest| now_us - newest),
        committed_us: bronze.as_ref().and_then(|bronze| bronze.facts().committed_us),
        bronze: bronze.as_ref().map(layer),
        silver: silver.as_ref().map(layer),
        ..TableStatus::default()
    };
    Ok((status, position))
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
        "state",
        ">Bronze rows",
        ">Silver rows",
        ">rejected",
        "behind",
        "last commit",
        "newest change",
        "position",
    ]);
    let rows = |layer: &Option<LayerStatus>| layer.as_ref().map_or_else(|| "–".to_owned(), |l| words::count(l.rows));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    for table in report.tables.iter().filter(|table| table.error.is_none()) {
        grid.row(vec![
            table.table.clone(),
            or_dash(table.state.as_ref().map(|state| state.replace('-', " "))),
            rows(&table.bronze),
            rows(&table.silver),
            words::count(table.rejected),
            behind(table),
            or_dash(table.committed_us.map(|us| format!("{} ago", words::span(report.at_us - us)))),
            or_dash(
                table
                    .newest_source_time_us
                    .map(|us| format!("{} ({} ago)", words::instant(us), words::span(report.at_us - us))),
            ),
            or_dash(table.position.clone()),
        ]);
    }
    let mut text = if grid.is_empty() { String::new() } else { grid.render() };
    if let Some(process) = &report.process {
        let ago = words::span(report.at_us - process.written_us);
        text.push_str(&match process.alive {
            true => format!("\nProcess {} runs this configuration (seen {ago} ago).\n", process.pid),
            false => format!(
                "\nNo process runs this configuration; states are the last word of process {}, {ago} ago.\n",
                process.pid
            ),
        });
    }
    for table in &report.tables {
        for remark in remarks(table) {
            text.push_str(&format!("\n{}: {remark}\n", table.table));
        }
    }
    if report.tables.iter().all(|table| table.bronze.is_none() && table.error.is_none()) {
        text.push_str(&format!("\nNothing has been taken in yet (catalog {}).\n", report.catalog));
    }
    text
}

/// What is there and not in the tables yet.
fn behind(table: &TableStatus) -> String {
    let mut parts = Vec::new();
    if let (Some(files), Some(bytes)) = (table.behind_files, table.behind_bytes) {
        let late =
            if table.late_files > 0 { format!(", {} late", words::count(table.late_files)) } else { String::new() };
        match files {
            0 => {}
            files => parts.push(format!(
                "{}{late} ({})",
                words::things(usize::try_from(files).unwrap_or(usize::MAX), "file"),
                words::bytes(bytes)
            )),
        }
    }
    if table.bronze_ahead > 0 {
        parts.push(format!("{} rows to Silver", words::count(table.bronze_ahead)));
    }
    match (parts.is_empty(), table.behind_files) {
        (true, None) => "?".to_owned(),
        (true, Some(_)) => "–".to_owned(),
        (false, _) => parts.join(", "),
    }
}

fn remarks(table: &TableStatus) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(error) = &table.error {
        remarks.push(error.clone());
    }
    let is_reason = |error: &&String| table.reason.as_ref().is_some_and(|reason| reason.contains(*error));
    if let Some(error) = table.source_error.as_ref().filter(|error| !is_reason(error)) {
        remarks.push(error.clone());
    }
    if let Some(reason) = &table.reason {
        remarks.push(format!("{}: {reason}", table.state.as_deref().unwrap_or("failed")));
    }
    if table.rebuilding {
        remarks.push(format!(
            "Silver is being made anew, or an interrupted rebuild left what it had: `sluice rebuild {}` goes on with it, \
             `--abandon` removes it",
            table.table
        ));
    }
    if table.odd_files > 0 {
        remarks.push(format!(
            "{} rewritten, gone in part or ignored: see `sluice files {} --fate rewritten,gone-in-part,ignored`",
            words::things(usize::try_from(table.odd_files).unwrap_or(usize::MAX), "file"),
            table.table
        ));
    }
    remarks
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
            process: None,
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
            behind_files: Some(2),
            behind_bytes: Some(2_048),
            state: Some("caught-up".into()),
            ..TableStatus::default()
        }]));
        let line: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
        let line = line.join(" ");
        assert_eq!(
            line,
            "public.orders caught up 1,234 1,000 2 2 files (2.0 KiB), 34 rows to Silver 10s ago 1970-01-01 00:06:40Z \
             (10m ago) 1/20260301-101500123.csv"
        );
    }

    #[test]
    fn an_empty_lake_and_an_unreadable_table_are_said_in_words() {
        let fresh = TableStatus { table: "a.b".into(), ..TableStatus::default() };
        assert!(render(&report(vec![fresh])).contains("Nothing has been taken in yet"));
        let broken = TableStatus { table: "a.b".into(), error: Some("torn".into()), ..TableStatus::default() };
        let quarantined = TableStatus {
            table: "a.c".into(),
            state: Some("quarantined".into()),
            reason: Some("no columns".into()),
            ..TableStatus::default()
        };
        assert!(render(&report(vec![quarantined])).contains("a.c: quarantined: no columns"));
        let report = report(vec![broken]);
        assert!(render(&report).contains("a.b: torn"));
        assert_eq!(exit_of(&report), Exit::AllFailed);
    }
}
