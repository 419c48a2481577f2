//! What the configuration says of schemas that change.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sluice_change::{SchemaPolicy, TableSchema, WhenAdded, WhenWidened};
use toml::Spanned;
use toml::de::DeValue;

use super::document::SchemaSection;
use super::reader::{Reading, Value, join, wrong_type};
use super::values::text_value;

/// What happens to new columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddedChoice(pub WhenAdded);

impl FromStr for AddedChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "add" => Ok(Self(WhenAdded::Add)),
            "ignore" => Ok(Self(WhenAdded::Ignore)),
            "refuse" => Ok(Self(WhenAdded::Refuse)),
            _ => Err(format!("`{text}` is no choice: use \"add\", \"ignore\" or \"refuse\"")),
        }
    }
}

text_value!(AddedChoice, "AddedChoice", { "enum": ["add", "ignore", "refuse"] });

/// What happens to wider types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WidenedChoice(pub WhenWidened);

impl FromStr for WidenedChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "promote" => Ok(Self(WhenWidened::Promote)),
            "refuse" => Ok(Self(WhenWidened::Refuse)),
            _ => Err(format!("`{text}` is no choice: use \"promote\" or \"refuse\"")),
        }
    }
}

text_value!(WidenedChoice, "WidenedChoice", { "enum": ["promote", "refuse"] });

/// Columns by their old names, with their new names and where these stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct RenameTable(BTreeMap<String, (String, usize)>);

impl RenameTable {
    /// The new names by the old ones.
    pub fn names(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(from, (to, _))| (from.clone(), to.clone())).collect()
    }

    /// Faults of these names, with their places, in a table of which `declared` is declared.
    pub fn faults(&self, declared: &TableSchema) -> Vec<(usize, String)> {
        let mut faults = Vec::new();
        let mut taken = BTreeSet::new();
        for (from, (to, offset)) in &self.0 {
            if from == to || to.is_empty() {
                faults.push((*offset, format!("`rename`: column `{from}` needs a new name, not `{to}`")));
            } else if self.0.contains_key(to) {
                let message = format!("`rename`: `{from}` becomes `{to}`, which is renamed itself: give its last name");
                faults.push((*offset, message));
            } else if !taken.insert(to) {
                faults.push((*offset, format!("`rename`: two columns become `{to}`")));
            }
            if declared.is_key(from) {
                faults.push((*offset, format!("`rename`: `key` names `{from}`; name it `{to}` there")));
            }
            if declared.column(from).is_some() {
                faults.push((*offset, format!("`rename`: `columns` declares `{from}`; declare it as `{to}`")));
            }
        }
        faults
    }
}

impl Value for RenameTable {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            wrong_type(reading, path, "a table such as { old_name = \"new_name\" }", value.get_ref(), value.span());
            return None;
        };
        let mut names = BTreeMap::new();
        for (key, item) in table.iter() {
            let from = key.get_ref().as_ref();
            let to = String::read(reading, &join(path, from), item)?;
            names.insert(from.to_owned(), (to, item.span().start));
        }
        Some(Self(names))
    }

    fn over(&self, fallback: &Self) -> Self {
        let mut names = fallback.0.clone();
        names.extend(self.0.clone());
        Self(names)
    }
}

impl JsonSchema for RenameTable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rename".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } })
    }
}

/// The policy that a section states.
pub(super) fn policy(section: Option<&SchemaSection>) -> SchemaPolicy {
    let defaults = SchemaPolicy::default();
    let Some(section) = section else { return defaults };
    SchemaPolicy {
        added: section.added.map_or(defaults.added, |choice| choice.0),
        widened: section.widened.map_or(defaults.widened, |choice| choice.0),
    }
}
