//! `sluice files`: what has become of every source file of a table.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use serde::Serialize;
use sluice_change::Position;
use sluice_lake::{LakeTable, Role, ScanFilter};
use sluice_source::{FileFate, Source, SourceFile};

use crate::args::{Fate, FilesArguments};
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::services::StartError;
use crate::target::Target;
use crate::terminal::Terminal;
use crate::words;

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;

/// The files of a table.
#[derive(Debug, Serialize)]
struct FilesReport {
    table: String,
    /// What has been consumed of the source; absent before the first commit.
    position: Option<String>,
    files: Vec<FileReport>,
}

/// A file.
#[derive(Debug, Serialize)]
struct FileReport {
    file: String,
    fate: Fate,
    bytes: Option<u64>,
    /// When it came to be at its place, microseconds since the epoch.
    arrived_us: Option<i64>,
    /// Records of it that have been consumed, where that is remembered.
    records: Option<u64>,
    /// Rows of it in Bronze, where they were counted.
    bronze_rows: Option<u64>,
    /// Why it is not read.
    reason: Option<String>,
}

/// Shows the files of one table.
pub(crate) async fn command(
    config: &Config,
    arguments: &FilesArguments,
    terminal: &Terminal,
) -> Result<Exit, StartError> {
    let target = Target::find(config, &arguments.table).await?;
    let bronze = target.lake.open(&target.lane.bronze, Role::Reader).await?;
    let stored = bronze.as_ref().map(LakeTable::checkpoint).transpose()?.flatten().map(|stored| stored.position);
    let source = target.machine.source(config, std::slice::from_ref(&target.lane));
    let position = stored.clone().unwrap_or_else(Position::start);
    let files = source.files(&target.lane.table, &position).await?;
    let rows = match &bronze {
        Some(bronze) if arguments.rows => Some(rows_by_file(bronze).await?),
        _ => None,
    };
    let files = files.into_iter().map(|file| report(file, rows.as_ref()));
    let wanted = |file: &FileReport| arguments.fate.is_empty() || arguments.fate.contains(&file.fate);
    let report = FilesReport {
        table: arguments.table.clone(),
        position: stored.map(|position| position.to_string()),
        files: files.filter(wanted).collect(),
    };
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&match report.files.is_empty() {
            true if arguments.fate.is_empty() => format!("{}: there are no files at the source", report.table),
            true => format!("{}: there are no files of that fate", report.table),
            false => render(&report, arguments.rows),
        });
    }
    Ok(Exit::Success)
}

fn report(file: SourceFile, rows: Option<&BTreeMap<String, u64>>) -> FileReport {
    let (fate, records, reason) = match file.fate {
        FileFate::Consumed { rows } => (Fate::Consumed, rows, None),
        FileFate::Partial { rows } => (Fate::Partial, Some(rows), None),
        FileFate::Pending => (Fate::Pending, None, None),
        FileFate::Late => (Fate::Late, None, None),
        FileFate::Rewritten => (Fate::Rewritten, None, None),
        FileFate::Gone => (Fate::Gone, None, None),
        FileFate::GoneInPart { rows } => (Fate::GoneInPart, Some(rows), None),
        FileFate::Ignored { reason } => (Fate::Ignored, None, Some(reason)),
    };
    FileReport {
        bronze_rows: rows.map(|rows| rows.get(&file.name).copied().unwrap_or(0)),
        file: file.name,
        fate,
        bytes: file.bytes,
        arrived_us: file.arrived_us,
        records,
        reason,
    }
}

async fn rows_by_file(bronze: &LakeTable) -> Result<BTreeMap<String, u64>, StartError> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut scan = bronze.scan(&["_source_file"], ScanFilter::All, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        let names = found.batch.column(0).as_string::<i32>();
        let mut run: Option<(&str, u64)> = None;
        for (row, name) in names.iter().enumerate() {
            let (Some(name), true) = (name, found.live.as_ref().is_none_or(|live| live.value(row))) else { continue };
            // Rows of one file lie together: one look-up a stretch.
            match &mut run {
                Some((last, count)) if *last == name => *count += 1,
                _ => {
                    if let Some((last, count)) = run.replace((name, 1)) {
                        *counts.entry(last.to_owned()).or_default() += count;
                    }
                }
            }
        }
        if let Some((last, count)) = run {
            *counts.entry(last.to_owned()).or_default() += count;
        }
    }
    Ok(counts)
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Consumed => "consumed",
        Fate::Partial => "partial",
        Fate::Pending => "pending",
        Fate::Late => "late",
        Fate::Rewritten => "rewritten",
        Fate::Gone => "gone",
        Fate::GoneInPart => "gone in part",
        Fate::Ignored => "ignored",
    }
}

fn render(report: &FilesReport, counted: bool) -> String {
    let dash = || "–".to_owned();
    let mut header = vec!["file", "fate", ">bytes", "arrived", ">records"];
    header.extend(counted.then_some(">Bronze rows"));
    header.push("remark");
    let mut grid = Grid::new(&header);
    let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for file in &report.files {
        let sum = sums.entry(word(file.fate)).or_default();
        *sum = (sum.0 + 1, sum.1 + file.bytes.unwrap_or(0));
        let mut cells = vec![
            file.file.clone(),
            word(file.fate).to_owned(),
            file.bytes.map_or_else(dash, words::count),
            file.arrived_us.map_or_else(dash, words::instant),
            file.records.map_or_else(dash, words::count),
        ];
        cells.extend(counted.then(|| file.bronze_rows.map_or_else(dash, words::count)));
        cells.push(file.reason.clone().unwrap_or_default());
        grid.row(cells);
    }
    let sums: Vec<String> = sums
        .iter()
        .map(|(word, (files, bytes))| format!("{} {word} ({})", words::count(*files), words::bytes(*bytes)))
        .collect();
    format!("{}\n{}\n", grid.render(), sums.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_with_their_fate_and_summed() {
        let file = |name: &str, fate| {
            report(SourceFile { name: name.into(), order: None, bytes: Some(2048), arrived_us: Some(0), fate }, None)
        };
        let files = vec![
            file("s/t/LOAD00000001.csv", FileFate::Consumed { rows: Some(12) }),
            file("s/t/20200101-000000001.csv", FileFate::Pending),
            file("s/t/x.tmp", FileFate::Ignored { reason: "no name of DMS".into() }),
        ];
        let text = render(&FilesReport { table: "s.t".into(), position: None, files }, false);
        assert!(text.contains("s/t/LOAD00000001.csv        consumed  2,048  1970-01-01 00:00:00Z       12"), "{text}");
        assert!(text.contains("no name of DMS"), "{text}");
        assert!(text.ends_with("1 consumed (2.0 KiB), 1 ignored (2.0 KiB), 1 pending (2.0 KiB)\n"), "{text}");
    }
}
