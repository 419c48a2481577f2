//! `sluice plugin bench`: what a plugin costs, beside what the same rows cost otherwise.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sluice_platform::Clock;
use sluice_plugin::bench::{Measured, Native, PIPELINE_NANOSECONDS, measure, native, pass_through, repeated};
use sluice_plugin::build::tools_folder;
use sluice_plugin::{Project, Sample, Subject};
use sluice_transform::ComponentLimits;

use super::arguments::BenchArguments;
use super::component::{Component, Plugin, Runner};
use super::error::PluginError;
use super::rows::{self, TableRows};
use crate::exit::Exit;
use crate::grid::Grid;
use crate::terminal::Terminal;
use crate::words;

/// Characters of the longest bar.
const BAR: usize = 40;

/// What was measured.
#[derive(Debug, Serialize)]
struct BenchReport {
    plugin: String,
    component: PathBuf,
    /// Columns that the plugin reads.
    reads: Vec<String>,
    measured: Measured,
    /// A component that reads and writes nothing: what the boundary costs.
    pass_through: Measured,
    /// Native work on the columns that the plugin reads.
    native: Native,
    /// What the pipeline without a transform takes for a row.
    pipeline_nanoseconds_per_row: f64,
    /// The share of the pipeline's time that the transform takes, 0 to 1.
    share_of_pipeline: f64,
}

/// Measures and shows.
pub(super) fn command(
    arguments: &BenchArguments,
    table: Option<TableRows>,
    terminal: &Terminal,
    clock: &dyn Clock,
) -> Result<Exit, PluginError> {
    let plugin = Plugin::at(&arguments.plugin)?;
    let (sample, settings) = sample(arguments, &plugin, table.as_ref())?;
    let (component, _) = plugin.component()?;
    let (settings, limits) = rows::terms(&arguments.source, table.as_ref(), &component, &settings);
    let table = table.map(|table| table.table).or_else(|| plugin.project()?.test.table.clone());
    let runner = Runner::new()?;
    let transform = runner.open(&component, table.as_deref(), &settings, &limits)?;
    let plan = transform.plan(&sample.schema)?;
    let (rows, batch_rows) = (arguments.rows as usize, arguments.batch_rows as usize);
    let nothing =
        runner.open(&pass_through_file()?, None, &Value::Object(Default::default()), &ComponentLimits::default())?;
    let of = |subject: &dyn Subject| measure(subject, &sample, rows, batch_rows, clock);
    let measured = of(transform.as_ref())?;
    let report = BenchReport {
        plugin: plugin.name(),
        component,
        pass_through: of(nothing.as_ref())?,
        native: native(&repeated(&sample, batch_rows)?.rows, &plan.reads, clock)?,
        reads: plan.reads,
        share_of_pipeline: measured.share_of_pipeline(),
        measured,
        pipeline_nanoseconds_per_row: PIPELINE_NANOSECONDS,
    };
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&render(&report));
    }
    Ok(Exit::Success)
}

fn sample(
    arguments: &BenchArguments,
    plugin: &Plugin,
    table: Option<&TableRows>,
) -> Result<(Arc<Sample>, Value), PluginError> {
    let (source, project) = (&arguments.source, plugin.project());
    let settings = rows::settings(source, project)?.unwrap_or_else(|| Value::Object(Default::default()));
    if let Some(table) = table {
        return Ok((Arc::clone(&table.sample), settings));
    }
    let options = rows::options(source, project, Some(arguments.rows as usize))?;
    let file = match (&source.sample, project) {
        (Some(file), _) => file.clone(),
        (None, Some(project)) => first_case(project)?,
        (None, None) => {
            return Err(PluginError::Asked(
                "a component alone has no rows to measure with: give them with --sample FILE or --table SCHEMA.TABLE"
                    .to_owned(),
            ));
        }
    };
    Ok((Arc::new(Sample::read(&file, &options)?), settings))
}

fn first_case(project: &Project) -> Result<PathBuf, PluginError> {
    let cases = project.cases()?;
    let first = cases.into_iter().next().map(|case| case.input);
    first.ok_or_else(|| PluginError::Asked("the project has no rows to measure with".to_owned()))
}

/// The smallest component as a file, made once.
fn pass_through_file() -> Result<PathBuf, PluginError> {
    let bytes = pass_through()?;
    let folder = tools_folder();
    let path = folder.join("pass-through.wasm");
    let failed = |source| PluginError::Component { path: path.display().to_string(), source };
    if Component::read(&path).is_ok_and(|known| known.bytes == bytes) {
        return Ok(path);
    }
    let partial = folder.join(format!("pass-through.{}.partial", std::process::id()));
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, &path)).map_err(failed)?;
    Ok(path)
}

fn render(report: &BenchReport) -> String {
    let (measured, pipeline) = (&report.measured, report.pipeline_nanoseconds_per_row);
    let rows = [
        (report.plugin.as_str(), Some(measured.nanoseconds_per_row)),
        ("a component that does nothing", Some(report.pass_through.nanoseconds_per_row)),
        ("natively: copy what it reads", Some(report.native.copy_nanoseconds_per_row)),
        ("natively: HMAC of the texts it reads", report.native.hmac_nanoseconds_per_row),
        ("the pipeline without it", Some(pipeline)),
    ];
    let rows = rows.into_iter().filter_map(|(name, time)| Some((name, time?)));
    let most = rows.clone().map(|(_, time)| time).fold(1.0, f64::max);
    let mut grid = Grid::new(&["", ">ns a row", ""]);
    for (name, time) in rows {
        grid.row(vec![name.to_owned(), nanoseconds(time), bar(time / most)]);
    }
    let mut text = format!(
        "{}: {} in batches of {}\n\n{}\n",
        report.component.display(),
        words::things(measured.rows, "row"),
        words::count(measured.batch_rows as u64),
        grid.render()
    );
    let fuel = measured.fuel_per_row.map_or_else(|| "–".to_owned(), |fuel| words::count(fuel.round() as u64));
    text.push_str(&format!(
        "share of the pipeline  {:.1} %\nfuel a row             {fuel}\nmemory of an instance  {}\nstart of an instance   {} µs\n",
        report.share_of_pipeline * 100.0,
        words::bytes(measured.memory_bytes as u64),
        words::count(measured.start_nanoseconds / 1_000),
    ));
    if measured.rejected_per_batch > 0 {
        text.push_str(&format!(
            "\n{} of the {} rows of each batch were rejected: rows that fail cost much more than others\n",
            words::count(measured.rejected_per_batch as u64),
            words::count(measured.batch_rows as u64)
        ));
    }
    text
}

fn nanoseconds(time: f64) -> String {
    if time < 100.0 { format!("{time:.1}") } else { words::count(time.round() as u64) }
}

/// A bar of eighths of a character.
fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * BAR as f64 * 8.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0).chars().count(), BAR);
        assert_eq!([bar(0.0), bar(1.0 / 320.0)], ["", "▏"]);
        assert_eq!([nanoseconds(3.26), nanoseconds(1_800.0)], ["3.3", "1,800"]);
    }

    #[test]
    fn the_table_says_what_a_row_costs_beside_what_it_costs_otherwise() {
        let measured = |nanoseconds_per_row| Measured {
            batch_rows: 8_192,
            rows: 16_384,
            nanoseconds_per_row,
            fuel_per_row: Some(712.4),
            memory_bytes: 1 << 20,
            start_nanoseconds: 21_000,
            rejected_per_batch: 0,
        };
        let text = render(&BenchReport {
            plugin: "mask".into(),
            component: "build/mask.wasm".into(),
            reads: vec!["email".into()],
            measured: measured(200.0),
            pass_through: measured(1.2),
            native: Native { copy_nanoseconds_per_row: 5.0, hmac_nanoseconds_per_row: None, bytes_per_row: 29.0 },
            pipeline_nanoseconds_per_row: 1_800.0,
            share_of_pipeline: 0.1,
        });
        assert!(text.contains("16,384 rows in batches of 8,192"), "{text}");
        assert!(text.contains("share of the pipeline  10.0 %\nfuel a row             712\n"), "{text}");
        assert!(!text.contains("HMAC"), "{text}");
    }
}
