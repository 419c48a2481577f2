//! Steps one after the other.

mod old_keys;
#[cfg(test)]
mod tests;
mod truncates;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use sha2::{Digest, Sha256};
use sluice_change::{Op, TableName, TableSchema};

use crate::{Input, Rejected, Shaped, Transform, TransformError};
use old_keys::OldKeys;
use truncates::Truncates;

/// Transforms one after the other, each fed with what the one before returned.
///
/// What no step has to know is done here: rows that empty the table pass by, and where Silver's key is not the source's, a
/// change of the source's key is shown to the steps as a delete of the old key.
#[derive(Debug)]
pub struct Chain {
    table: String,
    links: Vec<Link>,
    /// Silver's key, where the steps change the source's.
    key: Option<Vec<String>>,
    digest: String,
    /// What comes of the schema that was asked for last.
    plan: Mutex<Option<Arc<Plan>>>,
}

/// One step of a chain.
#[derive(Debug)]
pub(crate) struct Link {
    /// What it is called in the configuration.
    pub name: String,
    /// Its settings, the same text for the same settings.
    pub canonical: String,
    /// Whether it is a component, whose own digest is shown.
    pub is_component: bool,
    /// What it does.
    pub transform: Arc<dyn Transform>,
}

/// What a chain makes of one schema.
#[derive(Debug)]
struct Plan {
    /// The schema before each step, and after the last.
    schemas: Vec<TableSchema>,
    changes_key: bool,
}

impl Plan {
    fn input(&self) -> Option<&TableSchema> {
        self.schemas.first()
    }

    fn output(&self) -> TableSchema {
        self.schemas.last().cloned().unwrap_or_default()
    }
}

impl Chain {
    /// The steps of a table's transform, at least one; `key` is Silver's, where they change the source's.
    pub(crate) fn new(table: &TableName, links: Vec<Link>, key: Option<Vec<String>>) -> Self {
        let digest = digest(&links, key.as_deref());
        Self { table: table.to_string(), links, key, digest, plan: Mutex::new(None) }
    }

    fn plan(&self, input: &TableSchema) -> Result<Arc<Plan>, TransformError> {
        let held = || self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = held().as_ref().filter(|plan| plan.input() == Some(input)) {
            return Ok(Arc::clone(plan));
        }
        // Not made under the lock: a step may take its time, and work of others on this very thread.
        let plan = Arc::new(self.make_plan(input)?);
        *held() = Some(Arc::clone(&plan));
        Ok(plan)
    }

    fn make_plan(&self, input: &TableSchema) -> Result<Plan, TransformError> {
        let mut schemas = vec![input.clone()];
        let mut schema = input.clone();
        let mut changes_key = false;
        for link in &self.links {
            let changes = link.transform.changes_key(&schema)?;
            if changes && !link.is_component && self.key.is_none() {
                return Err(self.refused(
                    &link.name,
                    format!(
                        "it changes or drops a key column ({}): name Silver's key with `silver_key`",
                        schema.key.join(", ")
                    ),
                ));
            }
            changes_key |= changes;
            schema = link.transform.output(&schema)?;
            schemas.push(schema.clone());
        }
        if let Some(key) = &self.key {
            changes_key |= *key != schema.key;
            if let Some(missing) = key.iter().find(|name| schema.column(name).is_none()) {
                let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
                return Err(self.refused(
                    "silver_key",
                    format!("no column `{missing}` comes out of the transform, only {}", names.join(", ")),
                ));
            }
            if let Some(last) = schemas.last_mut() {
                last.key.clone_from(key);
            }
        }
        Ok(Plan { schemas, changes_key })
    }

    fn refused(&self, step: &str, reason: String) -> TransformError {
        TransformError::Refused { transform: step.to_owned(), table: self.table.clone(), reason }
    }

    fn broken(&self, error: ArrowError) -> TransformError {
        TransformError::Host { transform: format!("of {}", self.table), reason: error.to_string() }
    }

    /// Runs the steps. Sources and rejects count the rows of `input`.
    fn run(&self, plan: &Plan, input: Input) -> Result<Shaped, TransformError> {
        let mut rejects = BTreeMap::new();
        let mut sources: Option<UInt32Array> = None;
        let mut whole_sources_rejected = false;
        let mut next = input;
        let mut last = None;
        for (link, schema) in self.links.iter().zip(&plan.schemas) {
            let (ordinals, times) = (next.ordinals.clone(), next.times.clone());
            let mut shaped = link.transform.shape(schema, next)?;
            for reject in std::mem::take(&mut shaped.rejects) {
                let row = sources.as_ref().map_or(reject.row, |sources| sources.value(reject.row as usize));
                // Other rows of the same source go with it, if a step before has made several of it.
                whole_sources_rejected |= sources.is_some();
                rejects.entry(row).or_insert(Rejected { row, ..reject });
            }
            sources = match (sources, &shaped.sources) {
                (all, None) => all,
                (None, Some(own)) => Some(own.clone()),
                (Some(all), Some(own)) => {
                    Some(take(&all, own, None).map_err(|error| self.broken(error))?.as_primitive().clone())
                }
            };
            last = Some(Shaped { sources: None, ..shaped.clone() });
            next = shaped.into_input(ordinals, times).map_err(|error| self.broken(error))?;
        }
        let Some(mut shaped) = last else { return Ok(Shaped::untouched(next)) };
        shaped.sources = sources;
        if plan.changes_key {
            whole_sources_rejected |= reject_without_key(&shaped, &plan.output().key, &mut rejects);
        }
        if whole_sources_rejected {
            let keep = |row: usize| Some(!rejects.contains_key(&shaped.source(row)));
            let keep = BooleanArray::from_iter((0..shaped.ops.len()).map(keep));
            shaped = shaped.filter(&keep).map_err(|error| self.broken(error))?;
        }
        shaped.rejects = rejects.into_values().collect();
        Ok(shaped)
    }
}

impl Transform for Chain {
    fn digest(&self) -> Option<&str> {
        Some(&self.digest)
    }

    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        Ok(self.plan(input)?.output())
    }

    fn changes_key(&self, input: &TableSchema) -> Result<bool, TransformError> {
        Ok(self.plan(input)?.changes_key)
    }

    fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, TransformError> {
        let plan = self.plan(schema)?;
        let broken = |error| self.broken(error);
        let (input, truncates) = Truncates::take_out(input).map_err(broken)?;
        let (input, old_keys) = match plan.changes_key {
            true => OldKeys::show(schema, input).map_err(broken)?,
            false => (input, None),
        };
        let mut shaped = self.run(&plan, input)?;
        if let Some(old_keys) = old_keys {
            shaped = old_keys.settle(shaped, &plan.output().key).map_err(broken)?;
        }
        match truncates {
            Some(truncates) => truncates.put_back(shaped).map_err(broken),
            None => Ok(shaped),
        }
    }
}

/// Rejects the sources of rows whose new key is null or was not sent. Says whether there are any.
fn reject_without_key(shaped: &Shaped, key: &[String], rejects: &mut BTreeMap<u32, Rejected>) -> bool {
    let before = rejects.len();
    for name in key {
        let Some(column) = shaped.rows.column_by_name(name) else { continue };
        let without = |row: usize| {
            let pattern = shaped.unsent.as_ref().map(|unsent| &unsent.patterns()[unsent.rows()[row] as usize]);
            if pattern.is_some_and(|names| names.contains(name)) {
                Some("is computed from what the source did not send")
            } else if column.is_null(row) {
                Some("is null after the transform")
            } else {
                None
            }
        };
        if column.null_count() == 0 && shaped.unsent.is_none() {
            continue;
        }
        for row in (0..shaped.ops.len()).filter(|row| shaped.ops[*row] != Op::Truncate) {
            if let Some(why) = without(row) {
                let source = shaped.source(row);
                let reason = format!("the key column `{name}` of Silver {why}");
                rejects.entry(source).or_insert(Rejected { row: source, column: Some(name.clone()), reason });
            }
        }
    }
    rejects.len() > before
}

fn digest(links: &[Link], key: Option<&[String]>) -> String {
    let mut hash = Sha256::new();
    let mut shown = String::new();
    let mut part = |text: &str| {
        // Lengths first, so that no two lists of texts are one text.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for link in links {
        part(&link.canonical);
        if link.is_component {
            let own = link.transform.digest().unwrap_or_default();
            part(own);
            // Writing to a string does not fail.
            let _ = write!(shown, " {}={own}", link.name);
        }
    }
    key.into_iter().flatten().for_each(|name| part(name));
    let mut text = String::from("sha256:");
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text + &shown
}
