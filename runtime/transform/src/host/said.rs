//! What a guest says beside its answer, within bounds.

use std::collections::BTreeMap;

/// Lines kept of one call.
const MOST_LINES: usize = 50;
/// Bytes kept of one line.
pub(super) const MOST_LINE_BYTES: usize = 1_000;
/// Metrics of different names kept of one call.
const MOST_METRICS: usize = 64;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author.
    Debug,
    /// For the record.
    Info,
    /// For someone to look at.
    Warn,
    /// For someone to act on.
    Error,
}

/// Log lines and metrics of a transform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The first lines, with their levels.
    pub lines: Vec<(Level, String)>,
    /// Lines that were left out.
    pub lines_left_out: u64,
    /// Sums by name.
    pub metrics: BTreeMap<String, f64>,
    /// Additions to metrics that were left out.
    pub metrics_left_out: u64,
}

impl Said {
    /// `message` is no longer than [`MOST_LINE_BYTES`].
    pub(super) fn log(&mut self, level: Level, message: &str) {
        if self.lines.len() >= MOST_LINES {
            self.lines_left_out += 1;
            return;
        }
        self.lines.push((level, message.to_owned()));
    }

    pub(super) fn add(&mut self, name: &str, value: f64) {
        if let Some(sum) = self.metrics.get_mut(name) {
            *sum += value;
        } else if self.metrics.len() < MOST_METRICS && name.len() <= MOST_LINE_BYTES {
            self.metrics.insert(name.to_owned(), value);
        } else {
            self.metrics_left_out += 1;
        }
    }

    /// Takes in what another call said.
    pub fn extend(&mut self, other: Said) {
        self.lines_left_out += other.lines_left_out;
        self.metrics_left_out += other.metrics_left_out;
        for (level, line) in other.lines {
            self.log(level, &line);
        }
        for (name, value) in other.metrics {
            self.add(&name, value);
        }
    }

    /// The last line that says what went wrong.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.lines.iter().rev().find(|(level, _)| *level == Level::Error).map(|(_, line)| line.as_str())
    }
}

/// The beginning of a text, cut at a character.
pub(super) fn shortened(text: &str, most_bytes: usize) -> String {
    if text.len() <= most_bytes {
        return text.to_owned();
    }
    let end = (0..=most_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}
