//! Where log lines go: to people beside the progress lines, or to machines as JSON.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether people are watching: standard error is a terminal, and JSON was not asked for.
pub(crate) fn is_watched(format: LogFormat) -> bool {
    format != LogFormat::Json && io::stderr().is_terminal()
}

/// Starts logging at `filter`, a level or directives as `tracing` knows them.
pub(crate) fn start(format: LogFormat, filter: &str, progress: MultiProgress) -> Result<(), String> {
    let watched = is_watched(format);
    let json = match format {
        LogFormat::Auto => !watched,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let filter = EnvFilter::try_new(quietened(filter))
        .map_err(|error| format!("`{filter}` is no log filter ({error}): use error, warn, info, debug or trace"))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(BesideProgress { progress }).with_ansi(watched);
    // A second start (in a test) keeps the first subscriber.
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    Ok(())
}

/// The filter without what Amazon's SDK says of each request, unless it is asked for: what matters comes as an error.
fn quietened(filter: &str) -> String {
    if filter.contains("aws_") {
        return filter.to_owned();
    }
    let sdk = ["aws_config", "aws_credential_types", "aws_runtime", "aws_sigv4", "aws_smithy_runtime", "hyper_util"];
    sdk.iter().fold(filter.to_owned(), |filter, target| format!("{filter},{target}=error"))
}

/// Standard error, with the progress lines out of the way while a line is written.
#[derive(Debug, Clone)]
struct BesideProgress {
    progress: MultiProgress,
}

impl<'a> MakeWriter<'a> for BesideProgress {
    type Writer = BesideProgress;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for BesideProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.progress.suspend(|| io::stderr().lock().write(bytes))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.progress.suspend(|| io::stderr().lock().write_all(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_speaks_only_when_it_is_asked() {
        assert!(quietened("debug").starts_with("debug,aws_config=error,"));
        assert_eq!(quietened("info,aws_config=debug"), "info,aws_config=debug");
        assert!(EnvFilter::try_new(quietened("info")).is_ok());
    }
}
