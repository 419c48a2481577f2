use sluice_plugin::bench::BenchError;
use sluice_plugin::build::BuildError;
use sluice_plugin::{ProjectError, SampleError, WatchError};
use sluice_transform::TransformError;
use thiserror::Error;

use crate::exit::Exit;

/// Why a command for authors fails.
#[derive(Debug, Error)]
pub(crate) enum PluginError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Sample(#[from] SampleError),
    #[error(transparent)]
    Transform(#[from] TransformError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("the rows cannot be shown")]
    Rows(#[from] arrow_schema::ArrowError),
    #[error("cannot read {path}")]
    Component {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// What was asked for is not there, or cannot be meant.
    #[error("{0}")]
    Asked(String),
}

impl PluginError {
    /// How the program ends because of it: what a person wrote wrong is told from a plugin that does not do.
    pub fn exit(&self) -> Exit {
        match self {
            PluginError::Project(_)
            | PluginError::Sample(_)
            | PluginError::Asked(_)
            | PluginError::Component { .. } => Exit::Configuration,
            PluginError::Build(BuildError::Project(_)) => Exit::Configuration,
            _ => Exit::Failure,
        }
    }
}
