//! What a table's transform makes of its columns; its components are loaded, and told of the columns, for that.

use std::sync::Arc;

use serde::Serialize;
use sluice_change::{Column, TableSchema};
use sluice_pipeline::{LaneSettings, explain};
use sluice_transform::{StepSettings, TransformError};

use super::report::TableCheck;
use crate::services::Machine;

/// A table's transform.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TransformCheck {
    /// The steps, in order.
    pub steps: Vec<String>,
    /// What Silver's snapshots will say of it.
    pub digest: String,
    /// Silver's columns, each with its type.
    pub output: Vec<String>,
    /// Silver's key.
    pub key: Vec<String>,
}

/// Builds the transform and asks it for Silver's columns.
pub(super) async fn examine(machine: &Machine, lane: &LaneSettings, columns: Vec<Column>, check: &mut TableCheck) {
    if lane.transform.is_empty() || lane.declared.key.is_empty() || columns.is_empty() {
        return;
    }
    let schema = TableSchema { columns, key: lane.declared.key.clone() };
    let (settings, table, components) = (lane.transform.clone(), lane.table.clone(), Arc::clone(&machine.components));
    let asked = move || -> Result<_, TransformError> {
        let transform = settings.build(&table, components.as_ref())?;
        let output = transform.output(&schema)?;
        Ok((transform.digest().unwrap_or_default().to_owned(), output))
    };
    let (digest, output) = match machine.cpu.run(asked).await {
        Ok(answer) => answer,
        Err(error) => return check.fail(explain(&error)),
    };
    compare_key(&output, check);
    check.transform = Some(TransformCheck {
        steps: lane.transform.steps.iter().map(shown).collect(),
        digest,
        output: output.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect(),
        key: output.key,
    });
}

/// A Silver that is there is merged by one key.
fn compare_key(output: &TableSchema, check: &mut TableCheck) {
    let Some(stored) = &check.silver_key else { return };
    let mut stored = stored.clone();
    let mut wanted = output.key.clone();
    stored.sort_unstable();
    wanted.sort_unstable();
    if stored != wanted {
        check.fail(format!(
            "its Silver is merged by ({}) and the transform gives it the key ({}): correct the transform or \
             `silver_key`, or remove Silver, which is then made anew from Bronze",
            stored.join(", "),
            wanted.join(", ")
        ));
    }
}

fn shown(step: &StepSettings) -> String {
    match step {
        StepSettings::Component(component) => component.path.display().to_string(),
        StepSettings::Builtin(builtin) => builtin.name().to_owned(),
    }
}
