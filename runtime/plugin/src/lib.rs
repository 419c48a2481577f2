//! What an author of transforms works with: projects made from templates, builds in five languages, trial runs.
//!
//! A [`Project`] is a folder with `plugin.toml`. [`template::create`] makes one, [`build::build`] makes a component of
//! it. A [`Subject`] is whatever shapes rows and says what that cost; a [`Trial`] runs a [`Sample`] through one and
//! checks what every transform promises, [`expected`] compares the answer with the one that was accepted, [`bench`]
//! measures. What is shown of all that to a person is decided elsewhere.

pub mod bench;
pub mod build;
mod cells;
mod changes;
mod component;
pub mod expected;
mod language;
mod project;
pub mod sample;
pub mod template;
mod trial;
mod watch;

pub use changes::{CellChange, Fate, Mark, RowChange, row_changes};
pub use language::Language;
pub use project::{Case, Project, ProjectError, TestSettings, parse_columns, parse_settings};
pub use sample::{Sample, SampleError};
pub use trial::{Cost, Counts, Line, Run, Subject, Trial};
pub use watch::{Watch, WatchError};
