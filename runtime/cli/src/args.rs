use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::EXIT_HELP;
use crate::logging::LogFormat;
use crate::plugin::PluginArguments;
use crate::verify::{VERIFY_HELP, VerifyArguments};

const ABOUT: &str = "Turns change data capture into Iceberg tables: an append-only Bronze table of every change and a \
                     merged Silver table of current rows for each source table, each change counted exactly once.";

const EXAMPLES: &str = "\
Examples:
  sluice demo                              make a sample lake in ./sluice-demo and show what is in it
  sluice discover dms --out sluice.toml    look at a folder that DMS writes and write a configuration for it
  sluice check                             what can be known before running, from ./sluice.toml
  sluice run --once                        take everything there is, commit, exit
  sluice run --config prod.toml            go on until stopped
  sluice status                            where every table stands
  sluice rejects public.orders             the records that could not be taken in, and why
  sluice history public.orders 4711        all changes of a key, and its row now
  sluice verify public.orders              whether Silver is what Bronze comes to
  sluice files public.orders               what has become of every source file
  sluice schemas public.orders             every schema that the table has had
  sluice rebuild public.orders             make Silver anew from Bronze, beside a running stream
  sluice maintain --dry-run                which data files would be rewritten, which snapshots would expire
  sluice plugin new mask --lang python     write a transform of your own
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
    /// Look at what a DMS task writes and make a configuration from it.
    #[command(after_help = format!("{DISCOVER_HELP}\n{EXIT_HELP}"))]
    Discover(DiscoverArguments),
    /// Find out all that can be known before running.
    #[command(after_help = format!("{CHECK_HELP}\n{EXIT_HELP}"))]
    Check(ReportArguments),
    /// Show where every table stands: how far, how fresh, how far behind, and what is wrong.
    #[command(after_help = format!("{STATUS_HELP}\n{EXIT_HELP}"))]
    Status(ReportArguments),
    /// List, show or replay a table's dead letters: the records that could not be taken in exactly.
    #[command(after_help = format!("{REJECTS_HELP}\n{EXIT_HELP}"))]
    Rejects(RejectsArguments),
    /// Show all changes of a key, in order, and its row now.
    #[command(after_help = format!("{HISTORY_HELP}\n{EXIT_HELP}"))]
    History(HistoryArguments),
    /// Show what has become of every source file of a table.
    #[command(after_help = format!("{FILES_HELP}\n{EXIT_HELP}"))]
    Files(FilesArguments),
    /// Show every schema that a table of the lake has had, and since when.
    #[command(after_help = format!("{SCHEMAS_HELP}\n{EXIT_HELP}"))]
    Schemas(SchemasArguments),
    /// Rewrite data files, let snapshots expire and remove orphaned files now, as a run does by itself.
    #[command(after_help = format!("{MAINTAIN_HELP}\n{EXIT_HELP}"))]
    Maintain(MaintainArguments),
    /// Make a table's Silver anew from Bronze, beside a running stream, and put it in place at once.
    #[command(after_help = format!("{REBUILD_HELP}\n{EXIT_HELP}"))]
    Rebuild(RebuildArguments),
    /// Prove that Silver is what Bronze comes to, for a sample of the keys or all of them.
    #[command(after_help = format!("{VERIFY_HELP}\n{EXIT_HELP}"))]
    Verify(VerifyArguments),
    /// Run the sample that ships with sluice and show what it made.
    #[command(after_help = format!("{DEMO_HELP}\n{EXIT_HELP}"))]
    Demo(DemoArguments),
    /// Write, build, test and measure transforms of your own, in any of five languages.
    #[command(after_help = PLUGIN_HELP)]
    Plugin(PluginArguments),
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

const DISCOVER_HELP: &str = "\
What is found is written as a configuration: source settings, tables, columns, types and keys, each with its evidence as a
comment. Types of CSV columns and all keys are guesses: read every line that says `review`. Nothing is written but the
configuration.

Examples:
  sluice discover /data/dms                        print a configuration
  sluice discover /data/dms --out sluice.toml      write it, then run `sluice check`
  sluice discover /data/dms --json | jq '.tables[] | {table, key}'
";

const CHECK_HELP: &str = "\
Looks at the source, the warehouse, the catalog and, of every table, at a sample of its oldest and its newest file. Nothing
is changed but a probe file in the warehouse, which is removed at once.

Exit code 0: ready to run (there may be warnings); 2: the configuration is wrong; 1: the source, the warehouse or the
catalog cannot be used; 3: some tables cannot run.

Examples:
  sluice check
  sluice check --config prod.toml --json
";

const STATUS_HELP: &str = "\
What is in the lake is read from the lake. What a process is doing with a table, and why a table is quarantined, is told by
a small file beside the configuration (.NAME.status.json) that `sluice run` keeps up to date; it is only a cache and may be
removed.

Examples:
  sluice status
  sluice status --json | jq '.tables[] | {table, behind_files, freshness_us, state}'
";

const MAINTAIN_HELP: &str = "\
A run does all of this beside the stream; by hand it is for tables that no run looks after, or for a look at what would go.
What is done follows the table's `maintenance` settings. Beside a run that streams into the table it is safe, and the run has
to read the keys of the table anew.

Examples:
  sluice maintain public.orders --dry-run     what would be rewritten, expire and be removed
  sluice maintain public.orders
  sluice maintain --json                      all tables
";

const REBUILD_HELP: &str = "\
All changes in Bronze are shaped and merged as the configuration says now, on a branch of Silver (`sluice-rebuild`) that
readers do not see. Then the new rows take the place of the old ones in one commit. A process that runs the table goes on
meanwhile: it only has to read the keys anew. One that shapes rows with another transform has to be started again first.

Whatever ends a rebuild, Silver stays as it was, and the next one goes on where it stopped. The snapshot that readers saw
before stays readable until it expires.

Exit code 0: the new rows are in place; 3: stopped by a signal before; 2: the table cannot be rebuilt, for a reason that is
in the configuration; 4: another rebuild of the table is under way; 5: it failed.

Examples:
  sluice rebuild public.orders                after its transform was changed
  sluice rebuild public.orders --json
  sluice rebuild public.orders --abandon      remove what an interrupted rebuild left
";

const REJECTS_HELP: &str = "\
A replay reads dead letters again, in their original order, with the configuration as it is now. The process that runs the
table carries it out within a few seconds, else the next `sluice run` does. Records that can be taken in now go to Bronze
and, unless their key has a newer change, to Silver; the others stay.

Examples:
  sluice rejects public.orders                          counts by reason, then the newest dead letters
  sluice rejects public.orders --reason 'no date' --json
  sluice rejects public.orders --show 3                 the third of the list, as it came
  sluice rejects public.orders --raw > records.csv      all of them, as they came
  sluice rejects public.orders --replay --wait          after the configuration was mended
";

const HISTORY_HELP: &str = "\
A key of several columns is given in the order of `key`, or by name.

Examples:
  sluice history public.orders 4711
  sluice history public.order_items 4711 2
  sluice history public.order_items line_no=2 order_id=4711 --json
";

const FILES_HELP: &str = "\
Of files that were taken in long ago only the place in the order is remembered: their records are not counted, and they are
not listed once they are gone.

Examples:
  sluice files public.orders
  sluice files public.orders --fate late,rewritten,ignored
  sluice files public.orders --rows --json
";

const SCHEMAS_HELP: &str = "\
Columns are told apart by Iceberg's ids, so a renamed column is seen as one.

Examples:
  sluice schemas public.orders
  sluice schemas public.orders --layer bronze --json
";

const DEMO_HELP: &str = "\
Running it again does no harm: it finds everything taken in already.

Examples:
  sluice demo
  sluice demo --dir /tmp/shop
";

const PLUGIN_HELP: &str = "\
A plugin is a folder with plugin.toml, one function and a sample. docs/plugins.md is the guide.

Examples:
  sluice plugin new mask-customers --lang python
  sluice plugin test mask-customers --watch
  sluice plugin build mask-customers
";

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
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
pub(crate) struct DiscoverArguments {
    /// The folder that DMS writes to: a path, or a URI such as file:///data/dms or s3://bucket/dms.
    #[arg(value_name = "LOCATION")]
    pub location: String,
    /// Files that are looked at of each table, and as many of its full load; at most 1 MiB of each.
    #[arg(long, value_name = "FILES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub sample: u32,
    /// URL of an S3 server that is not Amazon's.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_S3")]
    pub s3_endpoint: Option<String>,
    /// Where the configuration is written; without it, to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "out")]
    pub force: bool,
    /// What was found, as JSON, in place of a configuration.
    #[arg(long, conflicts_with = "out")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RejectsArguments {
    /// The table at the source, `schema.table`.
    pub table: String,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Dead letters that are listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Only those of files whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    pub file: Option<String>,
    /// Only those whose reason holds this text.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Show one as it came, by its number in the list.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["raw", "replay"])]
    pub show: Option<u64>,
    /// Write all of them as they came, one a line, oldest first.
    #[arg(long, conflicts_with_all = ["replay", "json"])]
    pub raw: bool,
    /// Ask for a replay.
    #[arg(long)]
    pub replay: bool,
    /// Wait until the replay is done.
    #[arg(long, requires = "replay")]
    pub wait: bool,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The table at the source, `schema.table`.
    pub table: String,
    /// The key: values in the order of `key`, or `column=value`.
    #[arg(required = true, allow_negative_numbers = true)]
    pub key: Vec<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FilesArguments {
    /// The table at the source, `schema.table`.
    pub table: String,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Only files of these fates, separated by commas.
    #[arg(long, value_name = "FATES", value_enum, value_delimiter = ',')]
    pub fate: Vec<Fate>,
    /// Count the rows of each file in Bronze too, which reads a column of all of it.
    #[arg(long)]
    pub rows: bool,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MaintainArguments {
    /// The table at the source, `schema.table`; all tables without it.
    pub table: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RebuildArguments {
    /// The table at the source, `schema.table`.
    pub table: String,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Remove what an interrupted rebuild left, and rebuild nothing.
    #[arg(long)]
    pub abandon: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemasArguments {
    /// The table at the source, `schema.table`.
    pub table: String,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Which of its tables in the lake.
    #[arg(long, value_enum, default_value = "silver")]
    pub layer: Layer,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// A table of the lake that is made of a source table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layer {
    /// Every change as it came.
    Bronze,
    /// The current row of each key.
    Silver,
    /// Records that could not be taken in.
    DeadLetters,
}

/// What may become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// All of it is taken in.
    Consumed,
    /// Taken in in part; the rest comes next.
    Partial,
    /// Not taken in yet.
    Pending,
    /// It sorts before files that are taken in, and comes next.
    Late,
    /// Taken in, and has other content now (see `source.on_rewritten`).
    Rewritten,
    /// Taken in, and no longer at the source.
    Gone,
    /// Removed when it had been taken in in part: put it back for the rest.
    GoneInPart,
    /// No file of DMS; the remark says why.
    Ignored,
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
