//! `sluice discover`: looks at what a DMS task writes and makes a configuration of it.

mod document;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sluice_aws::AwsSettings;
use sluice_change::{Column, Position, TableName, TableSchema};
use sluice_decode::{CsvSettings, ParquetSettings};
use sluice_pipeline::explain;
use sluice_platform::{CpuPool, Storage};
use sluice_source::discover::{Dialect, find_dialect, guess_key};
use sluice_source::{DmsSettings, DmsSource, DmsTableSettings, Source, SourceError, Survey};

use crate::args::DiscoverArguments;
use crate::config;
use crate::exit::Exit;
use crate::outputs::Outputs;
use crate::sampling::{SAMPLE_ROWS, Sample};
use crate::services::{Machine, StartError};
use crate::words;

/// Tables looked at at the same time.
const AT_ONCE: usize = 8;
/// A prefix for before images that no header line names; any would do.
const UNNAMED_PREFIX: &str = "BI_";
/// Names that the commit time has where Parquet states the columns.
const TIME_NAMES: [&str; 4] = ["commit_ts", "commit_timestamp", "dms_timestamp", "transact_ts"];

/// What was found at a location.
#[derive(Debug, Serialize)]
struct Found {
    location: String,
    /// The server, where it is not Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_endpoint: Option<String>,
    tables: Vec<FoundTable>,
    /// Files that hold the changes of many tables.
    mixed_files: Vec<String>,
}

/// What was found of a table.
#[derive(Debug, Default, Serialize)]
struct FoundTable {
    table: String,
    load_files: usize,
    change_files: usize,
    bytes: u64,
    /// `csv`, `csv.gz` and `parquet`, as far as there are such files.
    formats: Vec<&'static str>,
    delimiter: Option<char>,
    /// Whether files begin with a line of names; absent where only some do, or none is CSV.
    header: Option<bool>,
    op_in_load: Option<bool>,
    op_in_changes: Option<bool>,
    timestamp_column: Option<String>,
    before_image_prefix: Option<String>,
    null: Option<Vec<String>>,
    /// Each as `name type`.
    columns: Vec<String>,
    /// Whether the data itself states the columns' types.
    types_stated: bool,
    key: Vec<String>,
    key_evidence: Vec<String>,
    /// What a person has to look at.
    review: Vec<String>,
    evidence: Vec<String>,
    sampled_records: u64,
    sampled_rejects: u64,
    /// Why the table could not be looked at.
    error: Option<String>,
}

/// Looks, and writes what it found.
pub(crate) async fn command(arguments: &DiscoverArguments, outputs: &Outputs) -> Result<Exit, StartError> {
    if let Some(out) = &arguments.out
        && out.exists()
        && !arguments.force
    {
        return Err(StartError::Asked(format!("{} is there already: give another name, or --force", out.display())));
    }
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let location = config::location(&here, &arguments.location).map_err(StartError::Asked)?;
    let aws = AwsSettings { endpoint: arguments.s3_endpoint.clone(), ..AwsSettings::default() };
    let Machine { storage, cpu, .. } = Machine::reaching(aws, 0)?;
    let mut found = look(&location, arguments.sample as usize, &storage, &cpu, outputs).await?;
    if location.starts_with("s3://") {
        found.s3_endpoint.clone_from(&arguments.s3_endpoint);
    }
    if arguments.json {
        outputs.terminal.say_json(&found);
    } else {
        let written = document::write(&found, &shown_location(&arguments.location, arguments.out.as_deref(), &here));
        match &arguments.out {
            None => outputs.terminal.say(&written),
            Some(out) => {
                fs::write(out, written).map_err(|source| StartError::Output { path: out.clone(), source })?;
                outputs.terminal.say(&summary(&found, out));
            }
        }
    }
    let failed = found.tables.iter().filter(|table| table.error.is_some()).count();
    Ok(match failed {
        0 => Exit::Success,
        all if all == found.tables.len() => Exit::AllFailed,
        _ => Exit::Partial,
    })
}

/// The location as the configuration names it: as it was given where that means the same from the configuration's place.
fn shown_location(given: &str, out: Option<&Path>, here: &Path) -> String {
    let beside = out.is_none_or(|out| out.parent().is_none_or(|folder| folder.as_os_str().is_empty()));
    if given.contains("://") || Path::new(given).is_absolute() || beside {
        return given.trim_end_matches('/').to_owned();
    }
    here.join(given).display().to_string()
}

async fn look(
    location: &str,
    each: usize,
    storage: &Arc<dyn Storage>,
    cpu: &CpuPool,
    outputs: &Outputs,
) -> Result<Found, StartError> {
    let plain = DmsSource::new(Arc::clone(storage), cpu.clone(), DmsSettings::new(location));
    let names = plain.tables().await?;
    let mixed_files = plain.mixed_files().await?;
    if names.is_empty() && mixed_files.is_empty() {
        return Err(StartError::Asked(format!(
            "there are no tables below {location}: give the folder that holds the `schema/table/` folders"
        )));
    }
    let bar = outputs.watched.then(|| outputs.progress.add(bar(names.len() as u64)));
    let tables = stream::iter(&names)
        .map(|name| async {
            let table = found_table(name, each, location, &plain, storage, cpu).await;
            if let Some(bar) = &bar {
                bar.inc(1);
                bar.set_message(name.to_string());
            }
            table
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if let Some(bar) = bar {
        outputs.progress.remove(&bar);
    }
    Ok(Found { location: location.to_owned(), s3_endpoint: None, tables, mixed_files })
}

fn bar(tables: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {pos} of {len} tables · {msg}");
    ProgressBar::new(tables).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn found_table(
    name: &TableName,
    each: usize,
    location: &str,
    plain: &DmsSource,
    storage: &Arc<dyn Storage>,
    cpu: &CpuPool,
) -> FoundTable {
    let survey = match plain.survey(name, each).await {
        Ok(survey) => survey,
        Err(error) => {
            return FoundTable { table: name.to_string(), error: Some(explain(&error)), ..FoundTable::default() };
        }
    };
    let samples = survey.samples.clone();
    let dialect = cpu.run(move || find_dialect(&samples)).await;
    let mut found = describe(name, &survey, dialect.as_ref());
    let mut settings = table_settings(&found, dialect.as_ref());
    if found.types_stated {
        // What Parquet calls the commit time or a before image is told by its names.
        if let Err(error) = state_columns(&mut found, &mut settings, name, location, storage, cpu).await {
            found.error = Some(explain(&error));
            return found;
        }
    }
    let columns: Vec<Column> = settings.declared.columns.clone();
    let source = with_settings(location, name, settings, storage, cpu);
    if let Err(error) = sample(&mut found, name, &columns, &source, each).await {
        found.review.push(format!("the sample could not be read with these settings: {}", explain(&error)));
    }
    take_before_images(&mut found, dialect.map_or(0, |dialect| dialect.unnamed_before));
    found
}

/// Takes the last columns for before images of the key, if there are as many of them as the key has.
fn take_before_images(found: &mut FoundTable, columns: usize) {
    if columns == 0 {
        return;
    }
    if columns == found.key.len() && columns < found.columns.len() {
        found.columns.truncate(found.columns.len() - columns);
        found.before_image_prefix = Some(UNNAMED_PREFIX.to_owned());
        found.review.push(format!(
            "the last {} of changes look like before images of the key: only some updates fill them",
            words::things(columns, "value")
        ));
    } else {
        found
            .review
            .push(format!("the last {columns} values of changes may be before images, or columns that were added"));
    }
}

/// What the survey and the CSV files tell.
fn describe(name: &TableName, survey: &Survey, dialect: Option<&Dialect>) -> FoundTable {
    let mut found = FoundTable {
        table: name.to_string(),
        load_files: survey.load_files,
        change_files: survey.change_files,
        bytes: survey.bytes,
        types_stated: dialect.is_none() && survey.parquet_files > 0,
        ..FoundTable::default()
    };
    for (format, count) in [
        ("csv", survey.csv_files - survey.gzip_files),
        ("csv.gz", survey.gzip_files),
        ("parquet", survey.parquet_files),
    ] {
        if count > 0 {
            found.formats.push(format);
        }
    }
    if let Some(dialect) = dialect {
        found.delimiter = Some(dialect.delimiter);
        found.header = dialect.header;
        (found.op_in_load, found.op_in_changes) = (dialect.op_in_load, dialect.op_in_changes);
        found.timestamp_column.clone_from(&dialect.timestamp_column);
        found.before_image_prefix.clone_from(&dialect.before_prefix);
        found.null.clone_from(&dialect.null);
        found.columns = named(&dialect.columns);
        found.evidence.clone_from(&dialect.evidence);
        found.review.push("types are guessed from a sample".to_owned());
        if dialect.header == Some(false) {
            found.review.push("the files do not name the columns: put their real names in, in this order".to_owned());
        }
    }
    if survey.load_files == 0 && survey.change_files > 0 {
        found.evidence.push("there is no full load: the table begins with changes".to_owned());
    }
    if let Some(first) = survey.folders.first() {
        found.evidence.push(format!("{} folders below the table's, such as {first}", survey.folders.len()));
    }
    if survey.load_files + survey.change_files == 0 {
        found.review.push("its folder holds no file of DMS yet".to_owned());
    }
    found
}

fn named(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect()
}

fn table_settings(found: &FoundTable, dialect: Option<&Dialect>) -> DmsTableSettings {
    let defaults = CsvSettings::default();
    let delimiter = found.delimiter.and_then(|letter| u8::try_from(letter).ok());
    let csv = CsvSettings {
        delimiter: delimiter.unwrap_or(defaults.delimiter),
        null_strings: found.null.clone().unwrap_or_else(|| defaults.null_strings.clone()),
        op_column: document::op_column(found),
        timestamp_column: found.timestamp_column.clone(),
        before_prefix: found.before_image_prefix.clone(),
        ..defaults
    };
    let columns = dialect.map(|dialect| dialect.columns.clone()).unwrap_or_default();
    DmsTableSettings { csv, parquet: ParquetSettings::default(), declared: TableSchema { columns, key: Vec::new() } }
}

fn with_settings(
    location: &str,
    name: &TableName,
    settings: DmsTableSettings,
    storage: &Arc<dyn Storage>,
    cpu: &CpuPool,
) -> DmsSource {
    let settings = DmsSettings {
        tables: BTreeMap::from([(name.clone(), settings)]),
        batch_rows: SAMPLE_ROWS,
        ..DmsSettings::new(location)
    };
    DmsSource::new(Arc::clone(storage), cpu.clone(), settings)
}

/// The columns that Parquet files state, the commit time and before images taken out.
async fn state_columns(
    found: &mut FoundTable,
    settings: &mut DmsTableSettings,
    name: &TableName,
    location: &str,
    storage: &Arc<dyn Storage>,
    cpu: &CpuPool,
) -> Result<(), SourceError> {
    let source = with_settings(location, name, settings.clone(), storage, cpu);
    let columns = source.describe(name, false).await?.unwrap_or_default();
    let is_time = |column: &&Column| TIME_NAMES.contains(&column.name.to_lowercase().as_str());
    found.timestamp_column = columns.iter().take(2).find(is_time).map(|column| column.name.clone());
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let prefix = ["BI_", "BEFORE_", "before_", "old_"]
        .into_iter()
        .find(|prefix| names.iter().any(|name| name.strip_prefix(prefix).is_some_and(|of| names.contains(&of))));
    found.before_image_prefix = prefix.map(str::to_owned);
    settings.parquet.timestamp_column.clone_from(&found.timestamp_column);
    settings.parquet.before_prefix.clone_from(&found.before_image_prefix);
    let source = with_settings(location, name, settings.clone(), storage, cpu);
    settings.declared.columns = source.describe(name, false).await?.unwrap_or_default();
    found.columns = named(&settings.declared.columns);
    found.evidence.push("columns and types are as the Parquet files state them".to_owned());
    Ok(())
}

/// Reads a sample with the settings that were found, and looks for what identifies a row.
async fn sample(
    found: &mut FoundTable,
    name: &TableName,
    columns: &[Column],
    source: &DmsSource,
    each: usize,
) -> Result<(), SourceError> {
    let files = source.files(name, &Position::start()).await?;
    let schema = TableSchema { columns: columns.to_vec(), key: Vec::new() };
    let sample = Sample::take(source, name, &schema, &files, each).await?;
    found.sampled_records = sample.records();
    for reject in sample.batches.iter().flat_map(|batch| &batch.rejects) {
        found.sampled_rejects += 1;
        if found.sampled_rejects == 1 {
            let column = reject.column.as_ref().map(|column| format!("column `{column}`: ")).unwrap_or_default();
            found.review.push(format!(
                "some sampled records cannot be taken in with these settings: {}:{} {column}{}",
                reject.origin.name, reject.row_number, reject.reason
            ));
        }
    }
    let guess = guess_key(&found.table, columns, &sample.batches);
    (found.key, found.key_evidence) = (guess.key, guess.evidence);
    found.review.extend(guess.doubts.into_iter().map(|doubt| format!("key: {doubt}")));
    Ok(())
}

fn summary(found: &Found, out: &Path) -> String {
    let reviews: usize = found.tables.iter().map(|table| table.review.len()).sum();
    format!(
        "{} found; {} has {} to review.\nNext: read them (`grep -n review {}`), then `sluice check --config {}`.\n",
        words::things(found.tables.len(), "table"),
        out.display(),
        words::things(reviews, "note"),
        out.display(),
        out.display()
    )
}
