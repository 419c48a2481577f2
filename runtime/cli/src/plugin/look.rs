//! `sluice plugin inspect`: what a component is, what it needs, and whether it can be used.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use sluice_change::{Column, TableSchema};
use sluice_pipeline::explain;
use sluice_plugin::{Project, Sample, parse_columns};
use sluice_transform::host::{ComponentTransform, Inspection};
use sluice_transform::{ComponentLimits, Transform, TransformError};

use super::arguments::InspectArguments;
use super::component::{Component, Plugin, Runner};
use super::error::PluginError;
use super::report::PlanReport;
use super::rows::{self, TableRows, split_columns};
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::words;

/// What a component is.
#[derive(Debug, Serialize)]
struct InspectReport {
    component: PathBuf,
    bytes: usize,
    sha256: String,
    /// Languages and tools that made it.
    made_with: Vec<String>,
    /// The version of the contract that it is built for.
    contract: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    usable: bool,
    /// Why it cannot be used, and what to do.
    reason: Option<String>,
    limits: LimitsReport,
    /// What it says that it does with the table that was given.
    plan: Option<PlanReport>,
    /// What comes out for the table that was given, each `name type`.
    output: Option<Vec<String>>,
    /// Why it refuses the table that was given.
    refusal: Option<String>,
}

/// What a component answers for a table.
#[derive(Debug, Default)]
struct Answer {
    plan: Option<PlanReport>,
    output: Option<Vec<String>>,
    refusal: Option<String>,
}

impl Answer {
    fn of(transform: &ComponentTransform, schema: &TableSchema) -> Self {
        let asked = transform.plan(schema).and_then(|plan| Ok((plan, Transform::output(transform, schema)?)));
        match asked {
            Ok((plan, output)) => Self {
                plan: Some(PlanReport::of(&plan)),
                output: Some(output.columns.iter().map(written).collect()),
                refusal: None,
            },
            Err(error) => Self { refusal: Some(explain(&error)), ..Self::default() },
        }
    }
}

/// What a component may do: as the configuration says, where it names the component, else by default.
#[derive(Debug, Serialize)]
struct LimitsReport {
    memory_bytes: usize,
    max_output_bytes: usize,
    deadline_ms: u64,
    max_failed_share: f64,
    /// Whether it brings an interpreter along, and may use more fuel therefore.
    interpreted: bool,
}

/// Inspects and shows.
pub(super) fn command(
    arguments: &InspectArguments,
    table: Option<TableRows>,
    terminal: &Terminal,
) -> Result<Exit, PluginError> {
    let plugin = Plugin::at(&arguments.plugin)?;
    let component = Component::read(&plugin.component()?.0)?;
    let schema = schema(arguments, plugin.project(), table.as_ref())?;
    let (found, mut reason) = match component.inspect() {
        Ok(found) => {
            let fault = found.fault();
            (found, fault)
        }
        Err(reason) => (Inspection::default(), Some(reason)),
    };
    let own = rows::settings(&arguments.source, plugin.project())?.unwrap_or_else(|| Value::Object(Default::default()));
    let (settings, limits) = rows::terms(&arguments.source, table.as_ref(), &component.path, &own);
    let mut answer = Answer::default();
    if reason.is_none() {
        let table = table.map(|table| table.table).or_else(|| plugin.project()?.test.table.clone());
        match Runner::new()?.open(&component.path, table.as_deref(), &settings, &limits) {
            Ok(transform) => answer = schema.map(|schema| Answer::of(&transform, &schema)).unwrap_or_default(),
            Err(PluginError::Transform(TransformError::Unusable { reason: why, .. })) => reason = Some(why),
            Err(error) => return Err(error),
        }
    }
    let report = InspectReport {
        bytes: component.bytes.len(),
        sha256: component.digest(),
        component: component.path,
        made_with: found
            .producers
            .iter()
            .map(|(name, version)| format!("{name} {version}").trim().to_owned())
            .collect(),
        contract: contract(&found),
        usable: reason.is_none(),
        reason,
        limits: LimitsReport::of(&limits, found.interpreted),
        imports: found.imports,
        exports: found.exports,
        plan: answer.plan,
        output: answer.output,
        refusal: answer.refusal,
    };
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&render(&report));
    }
    let well = report.usable && report.refusal.is_none();
    Ok(if well { Exit::Success } else { Exit::Failure })
}

/// The table that the component is asked about: that of the command line, else the project's sample.
fn schema(
    arguments: &InspectArguments,
    project: Option<&Project>,
    table: Option<&TableRows>,
) -> Result<Option<TableSchema>, PluginError> {
    let source = &arguments.source;
    if let Some(table) = table {
        return Ok(Some(table.sample.schema.clone()));
    }
    let options = rows::options(source, project, Some(0))?;
    if let Some(text) = &source.columns {
        let columns =
            parse_columns(split_columns(text)).map_err(|reason| PluginError::Asked(format!("--columns: {reason}")))?;
        let first = columns.first().map(|column| column.name.clone());
        let key = if source.key.is_empty() { first.into_iter().collect() } else { source.key.clone() };
        if let Some(unknown) = key.iter().find(|key| columns.iter().all(|column| column.name != **key)) {
            return Err(PluginError::Asked(format!("--key: `{unknown}` is none of the columns in --columns")));
        }
        return Ok(Some(TableSchema { columns, key }));
    }
    let file = match (&source.sample, project) {
        (Some(file), _) => Some(file.clone()),
        (None, Some(project)) => project.cases().ok().and_then(|cases| Some(cases.into_iter().next()?.input)),
        (None, None) => None,
    };
    file.map(|file| Ok(Sample::read(&file, &options)?.schema)).transpose()
}

/// The version behind the names of the contract's interfaces.
fn contract(found: &Inspection) -> Option<String> {
    let version =
        |name: &String| name.strip_prefix("sluice:transform/")?.rsplit_once('@').map(|(_, version)| version.to_owned());
    found.imports.iter().find_map(version)
}

fn written(column: &Column) -> String {
    format!("{} {}", column.name, column.column_type)
}

impl LimitsReport {
    fn of(limits: &ComponentLimits, interpreted: bool) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            max_output_bytes: limits.max_output_bytes,
            deadline_ms: limits.deadline.as_millis() as u64,
            max_failed_share: limits.max_failed_share,
            interpreted,
        }
    }
}

fn render(report: &InspectReport) -> String {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let usable = match &report.reason {
        None => "yes".to_owned(),
        Some(reason) => format!("NO: {reason}"),
    };
    let made_with =
        if report.made_with.is_empty() { "it does not say".to_owned() } else { report.made_with.join(", ") };
    let mut text = format!(
        "{}\nusable     {usable}\nsha256     {}\nsize       {} ({} bytes)\nmade with  {made_with}\ncontract   {}\n\
         imports    {}\nexports    {}\n",
        report.component.display(),
        report.sha256,
        words::bytes(report.bytes as u64),
        words::count(report.bytes as u64),
        report.contract.as_deref().unwrap_or("not said"),
        list(&report.imports),
        list(&report.exports),
    );
    let limits = &report.limits;
    text.push_str(&format!(
        "limits     {} of memory, {} of output, {} ms a batch, {} % of rows may fail; fuel as for {} code\n",
        words::bytes(limits.memory_bytes as u64),
        words::bytes(limits.max_output_bytes as u64),
        words::count(limits.deadline_ms),
        limits.max_failed_share * 100.0,
        if limits.interpreted { "interpreted" } else { "compiled" },
    ));
    if let Some(plan) = &report.plan {
        text.push_str(&format!("plan       {}\n", plan.line()));
    }
    if let Some(output) = &report.output {
        text.push_str(&format!("comes out  {}\n", output.join(", ")));
    }
    if let Some(refusal) = &report.refusal {
        text.push_str(&format!("REFUSES    {refusal}\n"));
    }
    text
}
