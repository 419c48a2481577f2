//! `sluice plugin test`: rows go through a plugin, and what came of them is compared, checked and shown.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_pipeline::explain;
use sluice_plugin::sample::SampleOptions;
use sluice_plugin::{Case, Project, Sample, Subject, Trial, expected, row_changes};
use sluice_transform::Shaped;
use sluice_transform::host::{ComponentTransform, OutputColumn, Plan};

use super::arguments::TestArguments;
use super::component::{Plugin, Runner};
use super::error::PluginError;
use super::report::{CaseReport, ExpectedReport, PlanReport, TestReport, WriteReport, mismatch_failures};
use super::rows::{self, TableRows};

/// Everything that a test needs but the plugin, which may change from one round to the next.
#[derive(Debug, Clone)]
pub(super) struct Tester {
    pub arguments: TestArguments,
    pub table: Option<TableRows>,
    pub runner: Runner,
}

/// Rows, with what is to be done with them.
struct Rows {
    name: String,
    sample: Sample,
    settings: Value,
    /// The file with the expected rows, where some are expected.
    expected: Option<PathBuf>,
}

impl Tester {
    /// Builds what has changed, and tests it. The names are those of the key columns.
    pub fn round(&self) -> Result<(TestReport, Vec<String>), PluginError> {
        let plugin = Plugin::at(&self.arguments.plugin)?;
        let rows = self.rows(&plugin)?;
        let (component, built) = plugin.component()?;
        let table = self.table.as_ref().map(|table| table.table.as_str());
        let table = table.or_else(|| plugin.project()?.test.table.as_deref());
        let mut cases = Vec::new();
        for case in &rows {
            let (settings, limits) =
                rows::terms(&self.arguments.source, self.table.as_ref(), &component, &case.settings);
            let transform = self.runner.open(&component, table, &settings, &limits)?;
            cases.push(self.case(case, &transform)?);
        }
        let keys = rows.first().map(|rows| rows.sample.schema.key.clone()).unwrap_or_default();
        let passed = cases.iter().all(|case| case.failures.is_empty());
        Ok((TestReport { plugin: plugin.name(), component, built, cases, passed }, keys))
    }

    fn rows(&self, plugin: &Plugin) -> Result<Vec<Rows>, PluginError> {
        let (arguments, project) = (&self.arguments.source, plugin.project());
        let settings = rows::settings(arguments, project)?;
        let empty = || Value::Object(serde_json::Map::new());
        let options = rows::options(arguments, project, Some(self.arguments.rows as usize))?;
        if let Some(TableRows { table, sample, .. }) = &self.table {
            let (name, settings) = (format!("Bronze of {table}"), settings.unwrap_or_else(empty));
            return Ok(vec![Rows { name, sample: Sample::clone(sample), settings, expected: None }]);
        }
        if let Some(path) = &arguments.sample {
            let sample = Sample::read(path, &options)?;
            let settings = settings.unwrap_or_else(empty);
            return Ok(vec![Rows { name: path.display().to_string(), sample, settings, expected: None }]);
        }
        let Some(project) = project else {
            return Err(PluginError::Asked(
                "a component alone has no rows to test with: give them with --sample FILE or --table SCHEMA.TABLE, or \
                 name the folder of its project"
                    .to_owned(),
            ));
        };
        let forced = arguments.settings.is_some();
        let read = |case: Case| of_case(project, case, &options, settings.clone().unwrap_or_else(empty), forced);
        project.cases()?.into_iter().map(read).collect()
    }

    fn case(&self, rows: &Rows, transform: &ComponentTransform) -> Result<CaseReport, PluginError> {
        let sample = &rows.sample;
        let mut report = CaseReport::new(&rows.name, sample.len());
        let trial = match Trial::run(transform as &dyn Subject, sample) {
            Ok(trial) => trial,
            Err(error) => {
                let reason = explain(&error);
                report.failures.push(reason.clone());
                report.error = Some(reason);
                return Ok(report);
            }
        };
        report.plan = transform.plan(&sample.schema).ok().map(|plan| PlanReport::of(&plan));
        let shaped = &trial.run.shaped;
        report.count(sample, &trial);
        report.changes = row_changes(sample, shaped, self.arguments.show)?;
        report.failures.extend(trial.broken.iter().map(|reason| format!("not deterministic: {reason}")));
        report.not_deterministic = trial.broken;
        report.log = trial.run.lines;
        report.log_left_out = trial.run.lines_left_out;
        report.metrics = trial.run.metrics;
        if !sample.is_empty() {
            let per_row = |value: u64| value as f64 / sample.len() as f64;
            report.nanoseconds_per_row = Some(per_row(trial.run.cost.nanoseconds));
            report.fuel_per_row = trial.run.cost.fuel.map(per_row);
        }
        report.cost = Some(trial.run.cost);
        if let Some(file) = &rows.expected {
            let text = expected::text(shaped)?;
            let sound = report.failures.is_empty();
            let compared = self.compare(file, &text, shaped, sound)?;
            match &compared {
                Some(compared) => report.failures.extend(mismatch_failures(compared)),
                None if report.rejected > 0 => report.failures.push(format!(
                    "{} of {} rows were rejected, and nothing says that they are to be: `sluice plugin test --accept` \
                     writes {} if this is right",
                    report.rejected,
                    report.rows,
                    file.display()
                )),
                None => {}
            }
            report.expected = compared;
        }
        Ok(report)
    }

    /// Compares with the accepted answer, or accepts this one if it is `sound`; `None` where there is nothing to compare
    /// with.
    fn compare(
        &self,
        file: &Path,
        text: &str,
        shaped: &Shaped,
        sound: bool,
    ) -> Result<Option<ExpectedReport>, PluginError> {
        let report = |accepted, mismatches| ExpectedReport { file: file.to_owned(), accepted, mismatches };
        if self.arguments.accept && sound {
            expected::write(file, text)?;
            return Ok(Some(report(true, Vec::new())));
        }
        let Some(wanted) = expected::read(file)? else { return Ok(None) };
        let mismatches = expected::mismatches(&wanted, shaped)
            .map_err(|reason| PluginError::Asked(format!("{}: {reason}", file.display())))?;
        Ok(Some(report(false, mismatches)))
    }
}

fn of_case(
    project: &Project,
    case: Case,
    options: &SampleOptions,
    settings: Value,
    forced: bool,
) -> Result<Rows, PluginError> {
    let sample = Sample::read(&case.input, options)?;
    let name = case.input.strip_prefix(&project.folder).unwrap_or(&case.input).display().to_string();
    let settings = case.settings.filter(|_| !forced).unwrap_or(settings);
    Ok(Rows { name, sample, settings, expected: Some(case.expected) })
}

impl CaseReport {
    fn new(name: &str, rows: usize) -> Self {
        Self {
            name: name.to_owned(),
            rows,
            kept: 0,
            dropped: 0,
            rejected: 0,
            gone: 0,
            plan: None,
            error: None,
            changes: Vec::new(),
            not_deterministic: Vec::new(),
            expected: None,
            log: Vec::new(),
            log_left_out: 0,
            metrics: Default::default(),
            cost: None,
            nanoseconds_per_row: None,
            fuel_per_row: None,
            failures: Vec::new(),
        }
    }

    fn count(&mut self, sample: &Sample, trial: &Trial) {
        let counts = trial.counts(sample);
        (self.kept, self.dropped) = (counts.kept, counts.dropped);
        (self.rejected, self.gone) = (counts.rejected, counts.gone);
    }
}

impl PlanReport {
    pub fn of(plan: &Plan) -> Self {
        let write = |column: &OutputColumn| WriteReport {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            computed_from: column.computed_from.clone(),
        };
        Self {
            reads: plan.reads.clone(),
            writes: plan.writes.iter().map(write).collect(),
            drops: plan.drops.clone(),
            deletes: plan.deletes,
            key: plan.key.clone(),
            fan_out: plan.fan_out,
        }
    }
}
