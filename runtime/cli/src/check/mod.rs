//! `sluice check`: all that can be known before running.

mod lake;
mod report;
mod sample;
mod source;
mod transform;

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use sluice_lake::Lake;
use sluice_pipeline::{LaneSettings, explain};
use sluice_source::Source;

use crate::args::ReportArguments;
use crate::config::{Config, ConfigError};
use crate::exit::Exit;
use crate::services::{Machine, StartError};
use crate::terminal::Terminal;
use report::{CheckReport, TableCheck};

/// Tables looked at at the same time.
const AT_ONCE: usize = 8;

/// Checks and reports.
pub(crate) async fn command(arguments: &ReportArguments, terminal: &Terminal) -> Result<Exit, StartError> {
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(error) if arguments.json => {
            terminal.say_json(&wrong_configuration(&error));
            return Ok(Exit::Configuration);
        }
        Err(error) => return Err(error.into()),
    };
    let report = examine(&config).await?.settle();
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&report.render());
    }
    Ok(report.exit())
}

fn wrong_configuration(error: &ConfigError) -> serde_json::Value {
    let problems = match error {
        ConfigError::Unreadable { .. } => vec![serde_json::json!({ "message": explain(error) })],
        ConfigError::Wrong { problems, .. } => problems
            .iter()
            .map(|problem| {
                let (line, column) = problem.place.unzip();
                serde_json::json!({ "line": line, "column": column, "message": problem.message })
            })
            .collect(),
    };
    serde_json::json!({ "ready": false, "configuration_errors": problems })
}

async fn examine(config: &Config) -> Result<CheckReport, StartError> {
    let machine = Machine::new(config)?;
    let mut report = CheckReport::new(config);
    let found = match machine.source(config, &[]).tables().await {
        Ok(found) => Some(found),
        Err(error) => {
            report.errors.push(explain(&error));
            None
        }
    };
    let lanes = config.lanes(found.as_deref().unwrap_or(&[]))?;
    let unwritable = lake::unwritable(machine.storage.as_ref(), &config.warehouse).await;
    let lake = match machine.existing_lake(config) {
        // What is wrong with the warehouse as a whole would be said again of every table.
        Ok(lake) => lake.filter(|_| unwritable.is_none()),
        Err(error) => {
            report.errors.push(explain(&error));
            None
        }
    };
    report.errors.extend(unwritable);
    if let Some(found) = &found {
        let taken: BTreeSet<_> = lanes.iter().map(|lane| &lane.table).collect();
        report.not_taken = found.iter().filter(|table| !taken.contains(table)).map(ToString::to_string).collect();
        report.tables_in_source = found.len();
    }
    if let Some(lake) = &lake
        && let Err(error) = lake.list().await
    {
        report.errors.push(format!("the catalog cannot be read (`lake.catalog`): {}", explain(&error)));
    }
    let source = machine.sampling_source(config, &lanes);
    report.tables = stream::iter(&lanes)
        .map(|lane| {
            let here = found.as_ref().map(|found| found.contains(&lane.table));
            examine_table(config, &machine, lane, here, &source, lake.as_ref())
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(report)
}

async fn examine_table(
    config: &Config,
    machine: &Machine,
    lane: &LaneSettings,
    in_source: Option<bool>,
    source: &dyn Source,
    lake: Option<&Lake>,
) -> TableCheck {
    let mut check = TableCheck::new(lane);
    let (stored, position) = match lake {
        Some(lake) => lake::examine(lake, lane, &mut check).await,
        None => {
            // Without a catalog there is no table yet, and a run makes them.
            check.to_make.push(lane.bronze.to_string());
            check.to_make.extend((!lane.declared.key.is_empty()).then(|| lane.silver.to_string()));
            (Vec::new(), None)
        }
    };
    if in_source.is_some() {
        let columns = source::examine(lane, in_source == Some(true), source, &stored, &mut check).await;
        transform::examine(machine, lane, columns.clone(), &mut check).await;
        let sees_key_changes = config.files_of(Some(&lane.table)).before_image_prefix.is_some();
        sample::examine(lane, source, columns, position, sees_key_changes, &mut check).await;
    }
    check.settle_key(lane, config.files_of(Some(&lane.table)).before_image_prefix.is_some());
    check
}
