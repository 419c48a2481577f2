//! Components and the host that runs them, as in production.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sluice_change::TableName;
use sluice_platform::Secret;
use sluice_plugin::build::tools_folder;
use sluice_plugin::{Project, build};
use sluice_transform::host::{ComponentTransform, Host, Inspection, digest, inspect};
use sluice_transform::{ComponentLimits, ComponentSettings};

use super::error::PluginError;
use crate::components::host;

/// The table where none is named.
const SAMPLE_TABLE: &str = "sample.rows";

/// A component's file.
pub(super) struct Component {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Component {
    pub fn read(path: &Path) -> Result<Self, PluginError> {
        let failed = |source| PluginError::Component { path: path.display().to_string(), source };
        Ok(Self { path: path.to_owned(), bytes: fs::read(path).map_err(failed)? })
    }

    /// What it says of itself, or why it says nothing.
    pub fn inspect(&self) -> Result<Inspection, String> {
        inspect(&self.bytes)
    }

    /// Its SHA-256 as hexadecimal digits.
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }
}

/// What a command is about: a project, or a component without one.
#[derive(Debug, Clone)]
pub(super) enum Plugin {
    Project(Project),
    Component(PathBuf),
}

impl Plugin {
    /// The project in this folder, or the component in this file.
    pub fn at(path: &Path) -> Result<Self, PluginError> {
        match path.is_file() {
            true => Ok(Plugin::Component(path.to_owned())),
            false => Ok(Plugin::Project(Project::open(path)?)),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Plugin::Project(project) => project.name.clone(),
            Plugin::Component(path) => name_of(path),
        }
    }

    /// The project, where there is one.
    pub fn project(&self) -> Option<&Project> {
        match self {
            Plugin::Project(project) => Some(project),
            Plugin::Component(_) => None,
        }
    }

    /// The component, built anew if the sources have changed, and whether it was.
    pub fn component(&self) -> Result<(PathBuf, bool), PluginError> {
        match self {
            Plugin::Component(path) => Ok((path.clone(), false)),
            Plugin::Project(project) if project.is_stale()? => {
                Ok((build::build(project, &tools_folder())?.component, true))
            }
            Plugin::Project(project) => Ok((project.component(), false)),
        }
    }
}

/// What a component is called in messages.
fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Runs components.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    host: Arc<Host>,
}

impl Runner {
    /// A host with the settings of production; compiled code is kept between commands.
    pub fn new() -> Result<Self, PluginError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { host: Arc::new(host(threads)?) })
    }

    /// A component as the transform of a table.
    pub fn open(
        &self,
        path: &Path,
        table: Option<&str>,
        settings: &Value,
        limits: &ComponentLimits,
    ) -> Result<Arc<ComponentTransform>, PluginError> {
        let table = table.unwrap_or(SAMPLE_TABLE);
        let table: TableName =
            table.parse().map_err(|error| PluginError::Asked(format!("`{table}` is no table: {error}")))?;
        Ok(self.host.open(&ComponentSettings {
            name: name_of(path),
            table,
            path: path.to_owned(),
            settings: Secret::new(settings.to_string()),
            sha256: None,
            limits: limits.clone(),
        })?)
    }
}
