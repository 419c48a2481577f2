//! The steps of a table's transform as the configuration has them.

use std::sync::Arc;

use sluice_change::TableName;

use crate::builtin::{Builtin, BuiltinStep};
use crate::chain::{Chain, Link};
use crate::{ComponentSettings, Components, PassThrough, Transform, TransformError};

/// What shapes the rows of a table, not built yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransformSettings {
    /// The steps, in order; none leave every row as it is.
    pub steps: Vec<StepSettings>,
    /// Silver's key, where the steps change the source's.
    pub key: Option<Vec<String>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum StepSettings {
    /// A component.
    Component(ComponentSettings),
    /// A step that sluice brings along.
    Builtin(Builtin),
}

impl StepSettings {
    /// What it is called in messages.
    pub fn name(&self) -> &str {
        match self {
            StepSettings::Component(component) => &component.name,
            StepSettings::Builtin(builtin) => builtin.name(),
        }
    }

    /// Its settings as text, the same for the same settings. It may hold secrets.
    fn canonical(&self) -> String {
        match self {
            StepSettings::Component(component) => format!("component {}", component.settings.reveal()),
            StepSettings::Builtin(builtin) => builtin.canonical(),
        }
    }
}

impl TransformSettings {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Makes the transform of a table. May compile, so it runs on a thread of the processor pool.
    pub fn build(&self, table: &TableName, components: &dyn Components) -> Result<Arc<dyn Transform>, TransformError> {
        if self.is_empty() {
            return Ok(Arc::new(PassThrough));
        }
        let link = |step: &StepSettings| {
            let transform: Arc<dyn Transform> = match step {
                StepSettings::Component(settings) => components.load(settings)?,
                StepSettings::Builtin(builtin) => Arc::new(BuiltinStep::new(builtin.clone(), table)),
            };
            Ok(Link {
                name: step.name().to_owned(),
                canonical: step.canonical(),
                is_component: matches!(step, StepSettings::Component(_)),
                transform,
            })
        };
        let links = self.steps.iter().map(link).collect::<Result<Vec<_>, TransformError>>()?;
        Ok(Arc::new(Chain::new(table, links, self.key.clone())))
    }
}
