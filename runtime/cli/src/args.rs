use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::EXIT_HELP;
use crate::logging::LogFormat;

const ABOUT: &str = "Turns change data capture into Iceberg tables: an append-only Bronze table of every change and a \
                     merged Silver table of current rows for each source table, each change counted exactly once.";

const EXAMPLES: &str = "\
Examples:
  sluice demo                     make a sample lake in ./sluice-demo and show what is in it
  sluice check                    what can be known before running, from ./sluice.toml
  sluice run --once               take everything there is, commit, exit
  sluice run --config prod.toml   go on until stopped
  sluice status --json            where every table stands, for machines
";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about = ABOUT, after_help = format!("{EXAMPLES}\n{EXIT_HELP}"))]
pub(crate) struct Arguments {
    /// How log lines are written to standard error.
    #[arg(long, global = true, value_enum, default_value = "auto", env = "SLUICE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or directives such as `sluice_lake=debug,info`.
    /// [default: info for `run` without a terminal, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "SLUICE_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// What is logged: where people look at something else than log lines, only what needs their attention.
    pub fn log_filter(&self, watched: bool) -> &str {
        let quiet = watched || !matches!(self.command, Command::Run(_));
        self.log.as_deref().unwrap_or(if quiet { "warn" } else { "info" })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take changes in, continuously or once.
    #[command(after_help = format!("{RUN_HELP}\n{EXIT_HELP}"))]
    Run(RunArguments),
    /// Find out all that can be known before running.
    #[command(after_help = format!("{CHECK_HELP}\n{EXIT_HELP}"))]
    Check(ReportArguments),
    /// Show where every table stands, from the lake itself; no running process is needed.
    #[command(after_help = format!("{STATUS_HELP}\n{EXIT_HELP}"))]
    Status(ReportArguments),
    /// Run the sample that ships with sluice and show what it made.
    #[command(after_help = format!("{DEMO_HELP}\n{EXIT_HELP}"))]
    Demo(DemoArguments),
    /// Print the JSON schema of the configuration.
    #[command(after_help = "Examples:\n  sluice schema > sluice.schema.json")]
    Schema,
}

const RUN_HELP: &str = "\
SIGTERM and SIGINT let batches in flight finish within `process.stop_within`, then end the run; a second signal ends it at
once. Either way nothing is lost: what was not committed is read again by the next run.

Examples:
  sluice run                              continuous, configuration in ./sluice.toml
  sluice run --once --json                everything there is, then a report as JSON
  sluice run --log-format json 2> log     structured logs
";

const CHECK_HELP: &str = "\
Exit code 0: ready to run (there may be warnings); 2: the configuration is wrong; 1: the source, the warehouse or the
catalog cannot be used; 3: some tables cannot run.

Examples:
  sluice check
  sluice check --config prod.toml --json
";

const STATUS_HELP: &str = "\
Examples:
  sluice status
  sluice status --json | jq '.tables[] | {table, freshness_us}'
";

const DEMO_HELP: &str = "\
Running it again does no harm: it finds everything taken in already.

Examples:
  sluice demo
  sluice demo --dir /tmp/shop
";

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "sluice.toml", env = "SLUICE_CONFIG")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Take everything there is, commit, exit.
    #[arg(long)]
    pub once: bool,
    /// Report at the end as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub config: ConfigArgument,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The folder in which the sample and its lake are made.
    #[arg(long, value_name = "DIR", default_value = "sluice-demo")]
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}
