//! What the configuration says of a table's transform becomes its settings, checked as far as the columns are known.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sluice_change::{TableName, TableSchema};
use sluice_platform::Secret;
use sluice_transform::builtin::{Builtin, Cast, Condition, Constant, Drop, Filter, Hash, Mask, Rename};
use sluice_transform::host::digest as component_digest;
use sluice_transform::{ComponentLimits, ComponentSettings, StepSettings, TransformSettings};

use super::document::TableSection;
use super::reader::{Located, Reading, nearest};
use super::steps::{HashSection, MaskSection, StepSection};
use super::values::ByteSize;

/// Memory below which no component starts.
const LEAST_MEMORY: usize = 1 << 20;
/// Keys that go with a component, and those that are a step by themselves.
const STEPS: &str = "component, rename, drop, cast, constant, hash, mask, filter";

/// One table's transform on its way.
pub(super) struct Steps<'a> {
    pub table: &'a TableName,
    /// The folder that relative paths are relative to.
    pub base: &'a Path,
    pub reading: &'a Reading<'a>,
    pub fault: &'a dyn Fn(usize, String),
}

/// What came of it.
pub(super) struct Resolved {
    pub settings: TransformSettings,
    /// What comes out of it, where that is known without running a component.
    pub output: Option<TableSchema>,
}

impl Steps<'_> {
    /// The steps of a table; `declared` has no columns where they are not known.
    pub fn resolve(&self, section: &TableSection, declared: &TableSchema) -> Resolved {
        let key = section.silver_key.as_ref();
        let mut schema = Some(declared.clone()).filter(|schema| !schema.columns.is_empty());
        let mut steps = Vec::new();
        for located in section.transform.iter().flat_map(|steps| &steps.value) {
            let Some((at, step)) = self.step(located) else {
                schema = None;
                continue;
            };
            if let (StepSettings::Builtin(builtin), Some(known)) = (&step, &schema) {
                schema = self.output(at, builtin, known, key.is_some());
            } else {
                schema = None;
            }
            steps.push(step);
        }
        if let Some(key) = key {
            self.check_key(key, steps.is_empty(), schema.as_mut());
        }
        Resolved { settings: TransformSettings { steps, key: key.map(|key| key.value.clone()) }, output: schema }
    }

    fn fault(&self, offset: usize, message: impl Into<String>) {
        (self.fault)(offset, message.into());
    }

    fn check_key(&self, key: &Located<Vec<String>>, no_steps: bool, output: Option<&mut TableSchema>) {
        if no_steps {
            self.fault(key.offset, "`silver_key` is Silver's key after a `transform`, and there is none: use `key`");
        }
        if key.value.is_empty() {
            self.fault(key.offset, "`silver_key` names no column");
        }
        let Some(output) = output else { return };
        let known: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
        for name in key.value.iter().filter(|name| !known.contains(&name.as_str())) {
            let advice = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("only {}", known.join(", ")),
            };
            self.fault(key.offset, format!("`silver_key`: no column `{name}` comes out of the transform; {advice}"));
        }
        output.key.clone_from(&key.value);
    }

    /// What a built-in step makes of these columns.
    fn output(&self, at: usize, step: &Builtin, schema: &TableSchema, has_key: bool) -> Option<TableSchema> {
        if let Some(column) = schema.key.iter().find(|column| step.changes(column))
            && !has_key
        {
            let message = format!(
                "`transform`: `{}` changes the key column `{column}`: name Silver's key with `silver_key`, or leave that \
                 column alone",
                step.name()
            );
            self.fault(at, message);
        }
        if let Builtin::Filter(filter) = step
            && let Err(error) = filter.condition.check(schema)
        {
            let place = self.place_in(at, filter.condition.text(), error.at);
            self.fault(place, format!("`transform`: `filter`: {error}"));
            return Some(schema.clone());
        }
        let output = step.output(schema);
        output.map_err(|fault| self.fault(at, format!("`transform`: `{}`: {fault}", step.name()))).ok()
    }

    /// The place of a byte of a text in the file, where the text stands there as it is.
    fn place_in(&self, at: usize, text: &str, byte: usize) -> usize {
        let stands = |quotes: &usize| self.reading.text().get(at + quotes..).is_some_and(|rest| rest.starts_with(text));
        [1, 3].iter().find(|quotes| stands(quotes)).map_or(at, |quotes| at + quotes + byte)
    }

    /// A step, and where it stands.
    fn step(&self, located: &Located<StepSection>) -> Option<(usize, StepSettings)> {
        let StepSection { component, rename, drop, cast, constant, hash, mask, filter, .. } = &located.value;
        let builtin = |at: usize, step: Builtin| Some((at, StepSettings::Builtin(step)));
        let mut found = Vec::new();
        if let Some(component) = component {
            found.push(self.component(component, &located.value).map(|step| (component.offset, step)));
        }
        if let Some(rename) = rename {
            found.push(builtin(rename.offset, Builtin::Rename(Rename { names: rename.value.names() })));
        }
        if let Some(drop) = drop {
            found.push(builtin(drop.offset, Builtin::Drop(Drop { columns: drop.value.clone() })));
        }
        if let Some(cast) = cast {
            found.push(builtin(cast.offset, Builtin::Cast(Cast { columns: cast.value.0.clone() })));
        }
        if let Some(constant) = constant {
            found.push(builtin(constant.offset, Builtin::Constant(Constant { columns: constant.value.0.clone() })));
        }
        if let Some(hash) = hash {
            found.push(self.hash(hash).map(|step| (hash.offset, StepSettings::Builtin(step))));
        }
        if let Some(mask) = mask {
            found.push(self.mask(mask).map(|step| (mask.offset, StepSettings::Builtin(step))));
        }
        if let Some(filter) = filter {
            found.push(self.filter(filter).map(|step| (filter.offset, StepSettings::Builtin(step))));
        }
        if component.is_none() {
            self.refuse_limits(&located.value);
        }
        if found.len() != 1 {
            let message = format!("a step of `transform` has exactly one of {STEPS}; this one has {}", found.len());
            self.fault(located.offset, message);
            return None;
        }
        found.pop().flatten()
    }

    /// Keys of a component beside a built-in step.
    fn refuse_limits(&self, step: &StepSection) {
        let of_component = [
            ("settings", step.settings.as_ref().map(|key| key.offset)),
            ("sha256", step.sha256.as_ref().map(|key| key.offset)),
            ("memory", step.memory.as_ref().map(|key| key.offset)),
            ("fuel_per_row", step.fuel_per_row.as_ref().map(|key| key.offset)),
            ("deadline", step.deadline.as_ref().map(|key| key.offset)),
            ("max_output", step.max_output.as_ref().map(|key| key.offset)),
            ("max_failed_share", step.max_failed_share.as_ref().map(|key| key.offset)),
            ("check_determinism", step.check_determinism.as_ref().map(|key| key.offset)),
        ];
        for (name, offset) in of_component {
            if let Some(offset) = offset {
                self.fault(offset, format!("`transform`: `{name}` goes with `component`: remove it"));
            }
        }
    }

    fn component(&self, file: &Located<String>, step: &StepSection) -> Option<StepSettings> {
        let path = self.base.join(&file.value);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !path.is_file() {
            let message = format!(
                "`transform`: there is no component {}: build it with `sluice plugin build`, or correct the path",
                path.display()
            );
            self.fault(file.offset, message);
        }
        let settings = step.settings.as_ref().map_or_else(|| Secret::new("{}"), |settings| settings.value.0.clone());
        let limits = self.limits(step);
        let sha256 = step.sha256.as_ref().and_then(|digest| self.digest(digest, &path));
        let table = self.table.clone();
        Some(StepSettings::Component(ComponentSettings { name, table, path, settings, sha256, limits }))
    }

    fn digest(&self, digest: &Located<String>, component: &Path) -> Option<String> {
        let text = digest.value.trim().trim_start_matches("sha256:").to_ascii_lowercase();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.fault(
                digest.offset,
                "`transform`: `sha256` must be 64 hexadecimal digits, as `sha256sum` prints them",
            );
            return None;
        }
        // The host looks again when it loads the file; here it is told before anything runs.
        if let Some(found) = fs::read(component).ok().map(|bytes| component_digest(&bytes)).filter(|it| *it != text) {
            let message = format!(
                "`transform`: the SHA-256 of {} is {found}: deploy the component that was meant, or correct `sha256`",
                component.display()
            );
            self.fault(digest.offset, message);
        }
        Some(text)
    }

    fn limits(&self, step: &StepSection) -> ComponentLimits {
        let defaults = ComponentLimits::default();
        let size = |key: &Option<Located<ByteSize>>, name: &str, least: usize, default: usize| {
            if let Some(size) = key.as_ref().filter(|size| size.value.0 < least) {
                self.fault(size.offset, format!("`transform`: `{name}` is too little: give at least {least} bytes"));
            }
            key.as_ref().map_or(default, |size| size.value.0)
        };
        if let Some(fuel) = step.fuel_per_row.as_ref().filter(|fuel| fuel.value == 0) {
            self.fault(fuel.offset, "`transform`: without fuel (`fuel_per_row = 0`) no component gets anywhere");
        }
        if let Some(deadline) = step.deadline.as_ref().filter(|deadline| deadline.value.0 == Duration::ZERO) {
            self.fault(deadline.offset, "`transform`: `deadline` must be longer than nothing, for example \"10s\"");
        }
        ComponentLimits {
            memory_bytes: size(&step.memory, "memory", LEAST_MEMORY, defaults.memory_bytes),
            fuel_per_row: step.fuel_per_row.as_ref().map(|fuel| fuel.value),
            deadline: step.deadline.as_ref().map_or(defaults.deadline, |deadline| deadline.value.0),
            max_output_bytes: size(&step.max_output, "max_output", 1, defaults.max_output_bytes),
            max_failed_share: step.max_failed_share.as_ref().map_or(defaults.max_failed_share, |share| share.value.0),
            check_determinism: step.check_determinism.as_ref().map_or(0.0, |share| share.value.0),
        }
    }

    fn hash(&self, step: &Located<HashSection>) -> Option<Builtin> {
        let HashSection { columns, key, r#as } = &step.value;
        if columns.is_none() {
            self.fault(step.offset, "`transform`: `hash.columns` is missing: name the columns to hash");
        }
        match key {
            None => self.fault(step.offset, "`transform`: `hash.key` is missing: give it as \"${NAME}\""),
            Some(key) if key.value.0.reveal().is_empty() => {
                self.fault(
                    key.offset,
                    "`transform`: `hash.key` is empty: whoever guesses a value could check the guess",
                );
            }
            Some(_) => {}
        }
        let (columns, key) = (columns.as_ref()?.value.clone(), key.as_ref()?.value.0.clone());
        Some(Builtin::Hash(Hash { columns, key, encoding: r#as.map_or_else(Default::default, |choice| choice.0) }))
    }

    fn mask(&self, step: &Located<MaskSection>) -> Option<Builtin> {
        let MaskSection { columns, keep_start, keep_end, fill } = &step.value;
        if columns.is_none() {
            self.fault(step.offset, "`transform`: `mask.columns` is missing: name the columns to mask");
        }
        if let Some(fill) = fill.as_ref().filter(|fill| fill.value.chars().count() != 1) {
            self.fault(fill.offset, "`transform`: `mask.fill` must be one character");
        }
        Some(Builtin::Mask(Mask {
            columns: columns.as_ref()?.value.clone(),
            keep_start: keep_start.unwrap_or(0),
            keep_end: keep_end.unwrap_or(0),
            fill: fill.as_ref().map_or_else(|| "*".to_owned(), |fill| fill.value.clone()),
        }))
    }

    fn filter(&self, text: &Located<String>) -> Option<Builtin> {
        match text.value.parse::<Condition>() {
            Ok(condition) => Some(Builtin::Filter(Filter { condition })),
            Err(error) => {
                let place = self.place_in(text.offset, &text.value, error.at);
                self.fault(place, format!("`transform`: `filter`: {error}"));
                None
            }
        }
    }
}
