//! Colours, for terminals that show them.

use std::env;
use std::io::{IsTerminal, stdout};

/// What a text is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tint {
    Added,
    Removed,
    Changed,
    Faint,
    Strong,
}

/// Marks texts, or leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours where a person looks at standard output and has not said otherwise (https://no-color.org).
    pub fn standard() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: stdout().is_terminal() && !unwanted && env::var_os("TERM").is_none_or(|term| term != "dumb") }
    }

    #[cfg(test)]
    pub fn new(on: bool) -> Self {
        Self { on }
    }

    /// The text, marked.
    pub fn text(self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Added => "32",
            Tint::Removed => "31",
            Tint::Changed => "33",
            Tint::Faint => "2",
            Tint::Strong => "1",
        };
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
