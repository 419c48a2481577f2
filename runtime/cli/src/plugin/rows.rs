//! The rows that a command is about, and the settings: from the command line, the project, or a table's log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use serde_json::Value;
use sluice_lake::{LakeTable, Role, ScanFilter};
use sluice_plugin::sample::SampleOptions;
use sluice_plugin::{Project, Sample, parse_columns, parse_settings};
use sluice_transform::{ComponentLimits, ComponentSettings, StepSettings};

use super::arguments::RowsArguments;
use super::error::PluginError;
use crate::config::Config;
use crate::services::StartError;
use crate::target::Target;

/// Rows of the log read at a time.
const SCAN_ROWS: usize = 8_192;
/// Bronze's columns whose names or values sluice owns.
const UNSENT: &str = "_unsent";
const OP: &str = "_op";

/// Rows of a table's log.
#[derive(Debug, Clone)]
pub(super) struct TableRows {
    pub table: String,
    pub sample: Arc<Sample>,
    /// The components among the table's steps.
    steps: Vec<ComponentSettings>,
}

impl TableRows {
    /// How the configuration has the component of this file's name, wherever that file is: its settings and limits.
    pub fn configured(&self, component: &Path) -> Option<(Value, ComponentLimits)> {
        let step = self.steps.iter().find(|step| step.path.file_name() == component.file_name())?;
        Some((parse_settings(step.settings.reveal()).ok()?, step.limits.clone()))
    }
}

/// The settings and limits that a component runs with: those of the command line go before those of the configuration,
/// these before the project's.
pub(super) fn terms(
    arguments: &RowsArguments,
    table: Option<&TableRows>,
    component: &Path,
    own: &Value,
) -> (Value, ComponentLimits) {
    match table.and_then(|table| table.configured(component)) {
        Some((settings, limits)) if arguments.settings.is_none() => (settings, limits),
        Some((_, limits)) => (own.clone(), limits),
        None => (own.clone(), ComponentLimits::default()),
    }
}

/// The rows of the table that the command line names, where it names one.
pub(super) async fn of_table(
    arguments: &RowsArguments,
    config: &Path,
    most: usize,
) -> Result<Option<TableRows>, StartError> {
    let Some(name) = &arguments.table else { return Ok(None) };
    let config = Config::load(config)?;
    let target = Target::find(&config, name).await?;
    let bronze = target.bronze().await?;
    let key = match (arguments.key.is_empty(), target.lane.declared.key.is_empty()) {
        (false, _) => arguments.key.clone(),
        (true, false) => target.lane.declared.key.clone(),
        (true, true) => silver_key(&target).await?,
    };
    let rows = newest_names(&bronze, first_rows(&bronze, most).await?)?;
    let options = SampleOptions { key, ..SampleOptions::default() };
    let sample = Sample::of(rows, &options).map_err(|error| StartError::Asked(format!("Bronze of {name}: {error}")))?;
    let steps = target.lane.transform.steps.into_iter().filter_map(|step| match step {
        StepSettings::Component(component) => Some(component),
        StepSettings::Builtin(_) => None,
    });
    Ok(Some(TableRows { table: name.clone(), sample: Arc::new(sample), steps: steps.collect() }))
}

async fn silver_key(target: &Target) -> Result<Vec<String>, StartError> {
    let silver = target.lake.open(&target.lane.silver, Role::Reader).await?;
    let columns = silver.map(|silver| silver.columns()).unwrap_or_default();
    Ok(columns.into_iter().filter(|column| column.required).map(|column| column.name).collect())
}

/// The first rows of the log, in its order, that are changes of rows.
async fn first_rows(bronze: &LakeTable, most: usize) -> Result<RecordBatch, StartError> {
    let filter = ScanFilter::AtLeast { column: "_seq".to_owned(), value: 0 };
    let mut scan = bronze.scan(&[], filter, SCAN_ROWS.min(most)).await?;
    let (mut batches, mut count) = (Vec::new(), 0);
    while count < most
        && let Some(found) = scan.next().await?
    {
        let codes = found.batch.column_by_name(OP).map(|codes| codes.as_string::<i32>().clone());
        let wanted = (0..found.batch.num_rows()).map(|row| {
            let live = found.live.as_ref().is_none_or(|live| live.value(row));
            // A truncate is no row.
            Some(live && codes.as_ref().is_none_or(|codes| codes.value(row) != "T"))
        });
        let wanted: BooleanArray = wanted.collect();
        let batch = filter_record_batch(&found.batch, &wanted)?;
        let batch = batch.slice(0, batch.num_rows().min(most - count));
        count += batch.num_rows();
        batches.push(batch);
    }
    match batches.first() {
        Some(first) => Ok(concat_batches(&first.schema(), &batches)?),
        None => Err(StartError::Asked("the table's Bronze holds no rows yet: run `sluice run` first".to_owned())),
    }
}

/// Rows whose `_unsent` names columns as they are called now.
fn newest_names(bronze: &LakeTable, rows: RecordBatch) -> Result<RecordBatch, StartError> {
    let Ok(place) = rows.schema().index_of(UNSENT) else { return Ok(rows) };
    let renamed: StringArray = rows
        .column(place)
        .as_string::<i32>()
        .iter()
        .map(|names| {
            let names = names?.split(',').map(|name| bronze.current_name(name).unwrap_or(name).to_owned());
            Some(names.collect::<Vec<_>>().join(","))
        })
        .collect();
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[place] = Arc::new(renamed);
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// What is known of the columns of rows, from the command line and the project.
pub(super) fn options(
    arguments: &RowsArguments,
    project: Option<&Project>,
    rows: Option<usize>,
) -> Result<SampleOptions, PluginError> {
    let asked = |reason: String| PluginError::Asked(format!("--columns: {reason}"));
    let mut columns = match &arguments.columns {
        Some(text) => parse_columns(split_columns(text)).map_err(asked)?,
        None => Vec::new(),
    };
    let (mut key, mut declared) = (arguments.key.clone(), Vec::new());
    if let Some(project) = project {
        declared = parse_columns(project.test.columns.iter().map(String::as_str)).map_err(PluginError::Asked)?;
        if key.is_empty() {
            key.clone_from(&project.test.key);
        }
    }
    declared.retain(|column| columns.iter().all(|named| named.name != column.name));
    columns.extend(declared);
    Ok(SampleOptions { columns, key, rows })
}

/// Columns between commas; those within a type's parentheses are its own.
pub(super) fn split_columns(text: &str) -> Vec<&str> {
    let (mut depth, mut parts, mut from) = (0_u32, Vec::new(), 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The settings: from the command line, else the project's, else none.
pub(super) fn settings(arguments: &RowsArguments, project: Option<&Project>) -> Result<Option<Value>, PluginError> {
    let Some(text) = &arguments.settings else {
        return Ok(project.map(|project| project.settings.clone()));
    };
    let text = match text.trim_start().starts_with('{') {
        true => text.clone(),
        false => fs::read_to_string(text).map_err(|error| {
            PluginError::Asked(format!(
                "--settings: {text} is neither a JSON object nor a file that can be read: {error}"
            ))
        })?,
    };
    parse_settings(&text).map(Some).map_err(|reason| PluginError::Asked(format!("--settings: {reason}")))
}

/// The file of rows that is not the project's own, which a watch has to look at too.
pub(super) fn file_beside(arguments: &RowsArguments) -> Option<PathBuf> {
    arguments.sample.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_split_outside_of_types() {
        assert_eq!(split_columns("id long, total decimal(12,2),x int"), ["id long", " total decimal(12,2)", "x int"]);
    }

    #[test]
    fn settings_are_an_object_or_a_file_with_one() {
        let given =
            |text: &str| settings(&RowsArguments { settings: Some(text.to_owned()), ..RowsArguments::default() }, None);
        assert_eq!(given(" {\"a\": 1}").unwrap(), Some(serde_json::json!({ "a": 1 })));
        assert!(given("{").unwrap_err().to_string().contains("--settings: settings are no JSON"));
        assert!(given("nowhere.json").unwrap_err().to_string().contains("neither a JSON object nor a file"));
        assert_eq!(settings(&RowsArguments::default(), None).unwrap(), None);
    }
}
