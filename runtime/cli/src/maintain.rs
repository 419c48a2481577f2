//! `sluice maintain`: rewrites data files, lets snapshots expire and removes orphans, now; or says what would go.

use serde::Serialize;
use sluice_pipeline::{Files, LaneSettings, Maintained, MemoryShares, RewriteGate, explain, maintain};

use crate::args::MaintainArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::outputs::Outputs;
use crate::progress::spinner;
use crate::services::{Machine, StartError};
use crate::target::Target;
use crate::words;

/// Files that a person is shown of each kind; JSON has all of them.
const SHOWN: usize = 20;

#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    tables: Vec<TableReport>,
}

#[derive(Debug, Serialize)]
struct TableReport {
    /// The table at the source.
    table: String,
    /// Its tables in the lake.
    lake_tables: Vec<Maintained>,
    /// Why the rest was not done.
    error: Option<String>,
}

/// Maintains one table, or all.
pub(crate) async fn command(
    config: &Config,
    arguments: &MaintainArguments,
    outputs: &Outputs,
) -> Result<Exit, StartError> {
    let (machine, lake, lanes): (Machine, _, Vec<LaneSettings>) = match &arguments.table {
        Some(table) => {
            let target = Target::find(config, table).await?;
            (target.machine, target.lake, vec![target.lane])
        }
        None => {
            let machine = Machine::new(config)?;
            let lanes = machine.lanes(config).await?;
            let Some(lake) = machine.existing_lake(config)? else { return Err(Target::nothing_yet(config)) };
            (machine, lake, lanes)
        }
    };
    let gate = RewriteGate::new(MemoryShares::of(config.process.memory_bytes, true).rewrites);
    let bar = spinner(outputs);
    let progress = |ident: &sluice_lake::TableIdent, what: &str| bar.set_message(format!("{ident}: {what}"));
    let mut report = Report { dry_run: arguments.dry_run, tables: Vec::new() };
    for lane in &lanes {
        let mut lake_tables = Vec::new();
        let ended = maintain(&lake, lane, &gate, arguments.dry_run, &progress, &mut lake_tables).await;
        let error = ended.err().map(|error| explain(&error));
        report.tables.push(TableReport { table: lane.table.to_string(), lake_tables, error });
    }
    bar.finish_and_clear();
    drop(machine);
    if arguments.json {
        outputs.terminal.say_json(&report);
    } else {
        outputs.terminal.say(&render(&report));
    }
    let failed = report.tables.iter().filter(|table| table.error.is_some()).count();
    Ok(match failed {
        0 => Exit::Success,
        failed if failed == report.tables.len() => Exit::AllFailed,
        _ => Exit::Partial,
    })
}

fn render(report: &Report) -> String {
    let mut grid =
        Grid::new(&["table", ">rewrites", ">files", ">bytes", ">deleted rows", ">snapshots", ">removed", ">orphans"]);
    let mut notes = String::new();
    for table in &report.tables {
        for done in &table.lake_tables {
            grid.row(vec![
                done.table.clone(),
                words::count(done.rewrites),
                words::count(done.files_read),
                words::bytes(done.bytes_read),
                words::count(done.deleted_rows),
                words::count(done.expired_snapshots),
                files(&done.unneeded),
                files(&done.orphans),
            ]);
            if let Some(reason) = &done.refused {
                notes += &format!("{}: data files are left as they are: {reason}\n", done.table);
            }
            if report.dry_run {
                notes += &listed(&done.table, "no snapshot would need it any more", &done.unneeded);
                notes += &listed(&done.table, "nothing refers to it", &done.orphans);
            }
        }
        if let Some(error) = &table.error {
            notes += &format!("✗ {}: {error}\n", table.table);
        }
    }
    let title = if report.dry_run { "what would be done; nothing was changed\n" } else { "" };
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    format!("{title}{}{notes}", grid.render())
}

fn files(files: &Files) -> String {
    if files.count == 0 {
        return "0".to_owned();
    }
    format!("{} ({})", words::count(files.count), words::bytes(files.bytes))
}

fn listed(table: &str, why: &str, files: &Files) -> String {
    let shown = files.locations.iter().take(SHOWN).map(|file| format!("{table}: {why}: {file}\n")).collect::<String>();
    match files.count.saturating_sub(SHOWN as u64) {
        0 => shown,
        more => format!("{shown}{table}: … and {} more (`--json` lists them)\n", words::count(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maintained(locations: usize) -> Maintained {
        let unneeded = Files {
            count: locations as u64,
            bytes: 2_048,
            failed: 0,
            locations: (0..locations).map(|n| format!("file:///lake/data/{n}.parquet")).collect(),
        };
        Maintained {
            table: "silver.shop_orders".to_owned(),
            rewrites: 1,
            files_read: 12,
            bytes_read: 3 << 20,
            files_written: None,
            deleted_rows: 7,
            dropped: 0,
            refused: None,
            expired_snapshots: 3,
            unneeded,
            orphans: Files::default(),
        }
    }

    #[test]
    fn a_dry_run_says_what_would_go() {
        let table = TableReport { table: "shop.orders".into(), lake_tables: vec![maintained(22)], error: None };
        let text = render(&Report { dry_run: true, tables: vec![table] });
        assert!(text.starts_with("what would be done; nothing was changed\n"), "{text}");
        assert!(text.contains("22 (2.0 KiB)"), "{text}");
        assert!(text.contains("no snapshot would need it any more: file:///lake/data/19.parquet"), "{text}");
        assert!(text.contains("… and 2 more"), "{text}");
    }

    #[test]
    fn what_failed_is_told_beside_what_was_done() {
        let table = |error: Option<&str>| TableReport {
            table: "shop.orders".into(),
            lake_tables: vec![maintained(0)],
            error: error.map(str::to_owned),
        };
        let text = render(&Report { dry_run: false, tables: vec![table(None), table(Some("no answer"))] });
        assert!(text.contains("✗ shop.orders: no answer") && !text.contains("would"), "{text}");
    }
}
