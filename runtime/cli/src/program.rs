use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::MultiProgress;
use sluice_pipeline::explain;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Arguments, Command};
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::outputs::Outputs;
use crate::services::StartError;
use crate::terminal::Terminal;
use crate::{
    check, demo, discover, files, history, logging, maintain, plugin, rebuild, rejects, run, schemas, status, verify,
};

/// Threads that wait for I/O; computing has its own.
const IO_THREADS: usize = 2;
/// How long reads and writes of the system that nobody waits for any more may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Runs the program on the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outputs = Outputs {
        terminal: Terminal::standard(),
        progress: MultiProgress::new(),
        watched: logging::is_watched(arguments.log_format),
    };
    let started = logging::start(arguments.log_format, arguments.log_filter(outputs.watched), outputs.progress.clone());
    if let Err(message) = started {
        outputs.terminal.complain(&format!("error: {message}"));
        return Exit::Configuration.into();
    }
    let runtime = match Builder::new_multi_thread().worker_threads(IO_THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            outputs.terminal.complain(&format!("error: cannot start the threads that wait for I/O: {error}"));
            return Exit::Failure.into();
        }
    };
    let exit = perform(&runtime, arguments.command, &outputs);
    runtime.shutdown_timeout(LEAVE_WITHIN);
    exit.into()
}

fn perform(runtime: &Runtime, command: Command, outputs: &Outputs) -> Exit {
    let done = runtime.block_on(dispatch(command, outputs));
    done.unwrap_or_else(|error| {
        outputs.terminal.complain(&format!("error: {}", explain(&error)));
        error.exit()
    })
}

async fn dispatch(command: Command, outputs: &Outputs) -> Result<Exit, StartError> {
    let terminal = &outputs.terminal;
    match command {
        Command::Run(arguments) => {
            let config = Config::load(&arguments.config.config)?;
            run::command(&config, arguments.once, arguments.json, outputs).await
        }
        Command::Discover(arguments) => discover::command(&arguments, outputs).await,
        Command::Check(arguments) => check::command(&arguments, terminal).await,
        Command::Status(arguments) => {
            status::command(&Config::load(&arguments.config.config)?, arguments.json, terminal).await
        }
        Command::Rejects(arguments) => {
            rejects::command(&Config::load(&arguments.config.config)?, &arguments, outputs).await
        }
        Command::History(arguments) => {
            history::command(&Config::load(&arguments.config.config)?, &arguments, terminal).await
        }
        Command::Files(arguments) => {
            files::command(&Config::load(&arguments.config.config)?, &arguments, terminal).await
        }
        Command::Schemas(arguments) => {
            schemas::command(&Config::load(&arguments.config.config)?, &arguments, terminal).await
        }
        Command::Maintain(arguments) => {
            maintain::command(&Config::load(&arguments.config.config)?, &arguments, outputs).await
        }
        Command::Rebuild(arguments) => {
            rebuild::command(&Config::load(&arguments.config.config)?, &arguments, outputs).await
        }
        Command::Verify(arguments) => {
            verify::command(&Config::load(&arguments.config.config)?, &arguments, outputs).await
        }
        Command::Demo(arguments) => demo::command(&arguments.dir, outputs).await,
        Command::Plugin(arguments) => plugin::command(arguments, terminal).await,
        Command::Schema => {
            terminal.say_json(&config::json_schema());
            Ok(Exit::Success)
        }
    }
}
