use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language that a transform is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
    /// JavaScript with types.
    TypeScript,
    /// Go.
    Go,
    /// C.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 6] =
        [Language::Rust, Language::Python, Language::JavaScript, Language::TypeScript, Language::Go, Language::C];

    /// The word for it on the command line and in `plugin.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::TypeScript => "typescript",
            Language::Go => "go",
            Language::C => "c",
        }
    }

    /// The folder of its SDK.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Language::TypeScript => Language::JavaScript.word(),
            other => other.word(),
        }
    }

    /// The folder of its template.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Language::Rust => "rust/template",
            Language::Python => "python/template",
            Language::JavaScript => "javascript/template",
            Language::TypeScript => "javascript/template-typescript",
            Language::Go => "go/template",
            Language::C => "c/template",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::JavaScript => "JavaScript",
            Language::TypeScript => "TypeScript",
            Language::Go => "Go",
            Language::C => "C",
        })
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Language::ALL.into_iter().find(|language| language.word() == text);
        found.ok_or_else(|| {
            let words: Vec<&str> = Language::ALL.iter().map(|language| language.word()).collect();
            format!("`{text}` is no language that plugins can be written in: use {}", words.join(", "))
        })
    }
}
