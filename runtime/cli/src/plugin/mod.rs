//! `sluice plugin`: what authors of transforms work with.

mod arguments;
mod component;
mod cost;
mod error;
mod look;
mod make;
mod paint;
mod report;
mod rows;
mod trial;
mod watch;

use std::sync::Arc;

use sluice_platform::{Clock, SystemClock};
use sluice_plugin::Project;
use tokio::task::spawn_blocking;

pub(crate) use arguments::PluginArguments;
pub(crate) use error::PluginError;

use arguments::{BuildArguments, PluginCommand, TestArguments};
use component::{Plugin, Runner};
use paint::Paint;
use trial::Tester;

use crate::exit::Exit;
use crate::services::StartError;
use crate::terminal::Terminal;

/// Does what an author asks for.
pub(crate) async fn command(arguments: PluginArguments, terminal: &Terminal) -> Result<Exit, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match arguments.command {
        PluginCommand::New(arguments) => Ok(make::new(&arguments, terminal)?),
        PluginCommand::Build(arguments) if arguments.watch => Ok(watch_build(arguments, terminal, clock).await?),
        PluginCommand::Build(arguments) => Ok(make::once(&arguments, terminal, clock.as_ref())?),
        PluginCommand::Test(arguments) => test(arguments, terminal).await,
        PluginCommand::Bench(arguments) => {
            let table = rows::of_table(&arguments.source, &arguments.config.config, arguments.rows as usize).await?;
            Ok(cost::command(&arguments, table, terminal, clock.as_ref())?)
        }
        PluginCommand::Inspect(arguments) => {
            let table = rows::of_table(&arguments.source, &arguments.config.config, 1).await?;
            Ok(look::command(&arguments, table, terminal)?)
        }
    }
}

async fn watch_build(
    arguments: BuildArguments,
    terminal: &Terminal,
    clock: Arc<dyn Clock>,
) -> Result<Exit, PluginError> {
    let project = Project::open(&arguments.project)?;
    let round = Arc::new(move || make::text(&arguments.project, clock.as_ref()));
    watch::rounds(&project, None, round, terminal).await
}

async fn test(arguments: TestArguments, terminal: &Terminal) -> Result<Exit, StartError> {
    let table = rows::of_table(&arguments.source, &arguments.config.config, arguments.rows as usize).await?;
    let tester = Tester { table, runner: Runner::new()?, arguments };
    if tester.arguments.watch {
        let Plugin::Project(project) = Plugin::at(&tester.arguments.plugin)? else {
            let advice = "--watch looks at a project's files: name the project's folder";
            return Err(StartError::Asked(advice.to_owned()));
        };
        let beside = rows::file_beside(&tester.arguments.source);
        let paint = Paint::standard();
        let round = Arc::new(move || tester.round().map(|(report, keys)| report.render(&keys, paint)));
        return Ok(watch::rounds(&project, beside, round, terminal).await?);
    }
    let json = tester.arguments.json;
    let done = spawn_blocking(move || tester.round()).await;
    let (report, keys) = done.map_err(|error| StartError::Asked(format!("the test ended by itself: {error}")))??;
    if json {
        terminal.say_json(&report);
    } else {
        terminal.say(&report.render(&keys, Paint::standard()));
    }
    Ok(if report.passed { Exit::Success } else { Exit::Failure })
}
