use std::path::PathBuf;

use clap::{Args, Subcommand};
use sluice_plugin::Language;

use crate::args::ConfigArgument;

/// What every `--help` of these commands says of exit codes.
const EXIT_HELP: &str = "\
Exit codes:
  0  success
  1  the plugin does not build, does not run, or does not do what is expected of it
  2  the command line, plugin.toml, the rows or the configuration is wrong";

#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// What authors of transforms do.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make the project of a new plugin: one function to edit, a sample, a test.
    #[command(after_help = format!("{NEW_HELP}\n{EXIT_HELP}"))]
    New(NewArguments),
    /// Build a project's component, build/NAME.wasm.
    #[command(after_help = format!("{BUILD_HELP}\n{EXIT_HELP}"))]
    Build(BuildArguments),
    /// Run rows through a plugin and show what it does to them, what it costs, and whether it keeps its promises.
    #[command(after_help = format!("{TEST_HELP}\n{EXIT_HELP}"))]
    Test(TestArguments),
    /// Measure what a plugin costs.
    #[command(after_help = format!("{BENCH_HELP}\n{EXIT_HELP}"))]
    Bench(BenchArguments),
    /// Show what a component is, what it needs, and whether it can be used.
    #[command(after_help = format!("{INSPECT_HELP}\n{EXIT_HELP}"))]
    Inspect(InspectArguments),
}

const NEW_HELP: &str = "\
Examples:
  sluice plugin new mask-customers --lang python
  sluice plugin new clean-addresses --lang typescript --dir plugins/clean-addresses
";

const BUILD_HELP: &str = "\
What a build needs of its language's registry is fetched once and kept in SLUICE_PLUGIN_TOOLS (below the user's cache folder
without it). The compiler or interpreter of the language has to be there.

Examples:
  sluice plugin build
  sluice plugin build plugins/mask-customers --watch
";

const TEST_HELP: &str = "\
The component is built anew if its sources have changed. It runs as in production: the same host, the same limits. Every case
runs again, whole and cut in two: a transform has to give the same, byte for byte.

Rows come from the project's sample and from cases/NAME/input.csv (or .jsonl, .parquet), or from --sample or --table. A CSV file
has a header line; types stand in it (`id:long`), in a line of their own below it, in `test.columns` of plugin.toml, or are told
from the values. Columns named as in Bronze say what a row does: _op (L, I, U, D), _seq, _commit_ts, _before_NAME, _unsent.

What came out is compared with expected.jsonl beside the rows; --accept writes it. Without it no row may be rejected.

Examples:
  sluice plugin test
  sluice plugin test --watch
  sluice plugin test --accept                                         what came out is right
  sluice plugin test --sample strange.csv --settings '{\"key\": \"x\"}'
  sluice plugin test --table shop.customers --rows 1000               rows of the table's Bronze
  sluice plugin test build/mask.wasm --sample rows.jsonl --key id --json
";

const BENCH_HELP: &str = "\
The sample's rows are repeated to --rows. The pipeline without a transform is taken at 1,800 ns a row, from the file into both
tables (docs/benchmarks.md).

Examples:
  sluice plugin bench
  sluice plugin bench --rows 1000000 --json
  sluice plugin bench build/mask.wasm --sample rows.csv
";

const INSPECT_HELP: &str = "\
With a table's columns, the component is asked what it would do with them.

Examples:
  sluice plugin inspect build/mask.wasm
  sluice plugin inspect build/mask.wasm --columns 'id long, email string' --key id --settings '{\"key\": \"x\"}'
  sluice plugin inspect build/mask.wasm --table shop.customers
";

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// The plugin's name: lower-case letters, digits and hyphens.
    pub name: String,
    /// The language: rust, python, javascript, typescript, go or c.
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,
    /// The folder that is made [default: the name].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    /// Build again whenever a file is saved, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Which rows a plugin is run on, and how it is set.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RowsArguments {
    /// Rows from this file: .csv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE", conflicts_with = "table")]
    pub sample: Option<PathBuf>,
    /// Rows of the Bronze of this table, `schema.table`, as the configuration has it.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Columns of the rows and their types, such as 'id long, email string'; others are told from the rows.
    #[arg(long, value_name = "COLUMNS")]
    pub columns: Option<String>,
    /// Key columns, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub key: Vec<String>,
    /// Settings in place of those in plugin.toml: a JSON object, or the name of a file with one.
    #[arg(long, value_name = "JSON|FILE")]
    pub settings: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TestArguments {
    /// The project's folder, or a component.
    #[arg(value_name = "DIR|COMPONENT", default_value = ".")]
    pub plugin: PathBuf,
    #[command(flatten)]
    pub source: RowsArguments,
    /// Rows that are taken of a file or a table.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rows: u32,
    /// Rows that are shown of each case.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub show: usize,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// Accept what comes out: write expected.jsonl.
    #[arg(long, conflicts_with_all = ["sample", "table", "watch"])]
    pub accept: bool,
    /// Test again whenever a file is saved, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// The project's folder, or a component.
    #[arg(value_name = "DIR|COMPONENT", default_value = ".")]
    pub plugin: PathBuf,
    #[command(flatten)]
    pub source: RowsArguments,
    /// Rows that go through.
    #[arg(long, value_name = "N", default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub rows: u32,
    /// Rows in each batch.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch_rows: u32,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The component, or a project's folder.
    #[arg(value_name = "COMPONENT|DIR")]
    pub plugin: PathBuf,
    #[command(flatten)]
    pub source: RowsArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::args::Arguments;

    #[test]
    fn every_command_has_examples_and_its_exit_codes() {
        let mut command = Arguments::command();
        let plugin = command.find_subcommand_mut("plugin").unwrap();
        for command in plugin.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{}", command.get_name());
        }
    }
}
