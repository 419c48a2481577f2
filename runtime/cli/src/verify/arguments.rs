use std::path::PathBuf;

use clap::Args;

use crate::args::ConfigArgument;
use crate::config::{ByteSize, TimeSpan};

pub(crate) const VERIFY_HELP: &str = "\
The changes in Bronze that Silver includes are folded anew, key by key, and compared with Silver. Nothing is changed, and a
process may run the table meanwhile. Rows that do not fit into memory go to temporary files that have no name. Whatever the
sample, keys that Silver holds more than once are found among all keys.

Exit code 0: Silver is what Bronze comes to, or there is nothing to verify; 3: some table is not, or cannot be verified; 5:
none can be verified; 2: none is verified, for a reason that is in the configuration.

Examples:
  sluice verify public.orders                     a twentieth of the keys
  sluice verify public.orders --full              all of them
  sluice verify --all --sample 1% --json
  nice sluice verify --all --watch 6h             round after round other keys, with one thread
";

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The tables at the source, `schema.table`.
    #[arg(required_unless_present = "all", value_name = "TABLE")]
    pub tables: Vec<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
    /// All tables of the configuration.
    #[arg(long, conflicts_with = "tables")]
    pub all: bool,
    /// All keys.
    #[arg(long, conflicts_with = "sample")]
    pub full: bool,
    /// The share of the keys that is compared, such as 5% or 0.05.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub sample: f64,
    /// Chooses the keys; the same number chooses the same ones. [default: another each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Rows that are held in memory; the others go to temporary files. [default: 128MiB, with --watch 32MiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// The folder of the temporary files. [default: that of the system]
    #[arg(long, value_name = "DIR")]
    pub spill: Option<PathBuf>,
    /// Differences that are shown with the history of their key; all are counted.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub limit: usize,
    /// Compare although the transform has changed since Silver was written last.
    #[arg(long)]
    pub anyway: bool,
    /// Go round all tables again and again with one thread and this pause, taking other keys each time, until SIGTERM.
    #[arg(long, value_name = "TIME", conflicts_with = "seed")]
    pub watch: Option<TimeSpan>,
    /// JSON instead of text; with --watch, a line for each table.
    #[arg(long)]
    pub json: bool,
}

/// A share: a percentage or a fraction.
fn share(text: &str) -> Result<f64, String> {
    let invalid = || format!("`{text}` is no share: write it as 5% or 0.05, above 0 and at most 100%");
    let share = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.trim().parse::<f64>(),
    };
    share.ok().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share(" 100 %"), Ok(1.0));
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["0", "5", "101%", "-1%", "x", "NaN"] {
            assert!(share(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
