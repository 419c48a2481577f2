use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// One thing that is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1, where the fault has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

/// Everything that was found wrong with a configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: give its path with --config, or run `sluice demo` for an example", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It can be read, and is not right.
    #[error("{}", Listing { path, problems })]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All faults, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// Faults as a compiler lists them: `file:line:column: message`, one a line.
struct Listing<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.place {
                Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.path.display(), problem.message)?,
                None => write!(f, "{}: {}", self.path.display(), problem.message)?,
            }
        }
        Ok(())
    }
}

/// Line and column, from 1, of a byte offset; columns count characters.
pub(super) fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        assert_eq!(place_of("a\nüb = 1", 0), (1, 1));
        assert_eq!(place_of("a\nüb = 1", "a\nü".len()), (2, 2));
        assert_eq!(place_of("a", 99), (1, 2));
    }
}
