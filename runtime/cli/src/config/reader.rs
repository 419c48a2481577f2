//! Reads TOML into sections, gathering every fault instead of stopping at the first.

use std::cell::RefCell;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, place_of};

/// How alike (Jaro-Winkler) a known key must be to be suggested.
const LIKENESS: f64 = 0.78;

/// One configuration being read: its text, the environment, and the faults found so far.
pub(crate) struct Reading<'a> {
    text: &'a str,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'a> Reading<'a> {
    pub fn new(text: &'a str, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { text, environment, problems: RefCell::default() }
    }

    /// The text being read.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Records a fault at a byte offset.
    pub fn fault(&self, offset: usize, message: impl Into<String>) {
        let problem = Problem { place: Some(place_of(self.text, offset)), message: message.into() };
        self.problems.borrow_mut().push((offset, problem));
    }

    /// All faults, in the order of the text.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(offset, _)| *offset);
        problems.dedup();
        problems.into_iter().map(|(_, problem)| problem).collect()
    }

    /// The text with every `${NAME}` and `${NAME:-otherwise}` replaced; `$${` stands for `${`.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                expanded.push_str(&rest[..start]);
                expanded.push('{');
                rest = &rest[start + 2..];
                continue;
            }
            expanded.push_str(&rest[..start]);
            let inner = &rest[start + 2..];
            let end = inner.find('}').ok_or_else(|| format!("`{text}` opens `${{` and does not close it"))?;
            let (name, otherwise) = match inner[..end].split_once(":-") {
                Some((name, otherwise)) => (name, Some(otherwise.to_owned())),
                None => (&inner[..end], None),
            };
            let value = (self.environment)(name).or(otherwise);
            expanded.push_str(&value.ok_or_else(|| {
                format!("the environment variable `{name}` is not set; set it, or write `${{{name}:-otherwise}}`")
            })?);
            rest = &inner[end + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Something that can stand to the right of a key.
pub(crate) trait Value: Clone + JsonSchema {
    /// Reads it; faults go to `reading`, and then nothing is returned. `path` names the place, `[lake.catalog]`.
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self>;

    /// This value with what it leaves open taken from `fallback`. A plain value leaves nothing open.
    fn over(&self, fallback: &Self) -> Self {
        let _ = fallback;
        self.clone()
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located<T> {
    pub value: T,
    pub offset: usize,
}

impl<T: Value> Value for Located<T> {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        Some(Self { value: T::read(reading, path, value)?, offset: value.span().start })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A TOML table whose keys are being taken; [`Section::finish`] refuses those that were not.
pub(crate) struct Section<'a> {
    reading: &'a Reading<'a>,
    path: &'a str,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Takes a value for a table, or says that it should have been one.
    pub fn open(reading: &'a Reading<'_>, path: &'a str, value: &'a Spanned<DeValue<'_>>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::of(reading, path, table)),
            other => {
                wrong_type(reading, path, "a table", other, value.span());
                None
            }
        }
    }

    pub fn of(reading: &'a Reading<'_>, path: &'a str, table: &'a DeTable<'_>) -> Self {
        Self { reading, path, table, known: Vec::new() }
    }

    /// The value of a key, if it is there and right.
    pub fn take<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let key = key.trim_start_matches("r#");
        self.known.push(key);
        let value = self.table.get(key)?;
        T::read(self.reading, &join(self.path, key), value)
    }

    /// Refuses the keys that nobody took.
    pub fn finish(self) {
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let advice = match nearest(name, &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.reading.fault(key.span().start, format!("unknown key `{name}`{}; {advice}", within(self.path)));
        }
    }
}

/// The known name that is most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        let alike = strsim::jaro_winkler(&name, &known);
        // In a short name one slip already makes much of a difference.
        let slip = strsim::damerau_levenshtein(&name, &known) <= 1 && name.len() > 1;
        (alike >= LIKENESS || slip).then_some(alike)
    };
    let scored = known.iter().filter_map(|known| likeness(known).map(|likeness| (likeness, *known)));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Says that a value has another type than its key wants.
pub(crate) fn wrong_type(reading: &Reading<'_>, path: &str, wanted: &str, found: &DeValue<'_>, span: Range<usize>) {
    reading.fault(span.start, format!("`{path}` must be {wanted}, not {}", a_type(found)));
}

fn a_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A key below a path, quoted where TOML wants it.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let key = if bare { key.to_owned() } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in [{path}]") }
}

/// Declares a section of the configuration: the struct, how it is read, how it overlays another, and its JSON schema,
/// from one list of keys, so that they cannot differ.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident { $( $(#[doc = $doc:literal])* $field:ident: $type:ty, )* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name { $( $(#[doc = $doc])* pub $field: Option<$type>, )* }

        impl $crate::config::reader::Value for $name {
            fn read(
                reading: &$crate::config::reader::Reading<'_>,
                path: &str,
                value: &toml::Spanned<toml::de::DeValue<'_>>,
            ) -> Option<Self> {
                let mut section = $crate::config::reader::Section::open(reading, path, value)?;
                let read = Self { $( $field: section.take(stringify!($field)), )* };
                section.finish();
                Some(read)
            }

            fn over(&self, fallback: &Self) -> Self {
                Self { $( $field: $crate::config::reader::overlay(&self.$field, &fallback.$field), )* }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_end_matches("Section").into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let about = [$($about),*].join("");
                let keys = vec![
                    $( (
                        stringify!($field).trim_start_matches("r#"),
                        [$($doc),*].join(""),
                        generator.subschema_for::<$type>(),
                    ), )*
                ];
                $crate::config::reader::object_schema(&about, keys)
            }
        }
    };
}
pub(crate) use section;

/// What the upper section says, completed by the lower one.
pub(crate) fn overlay<T: Value>(upper: &Option<T>, lower: &Option<T>) -> Option<T> {
    match (upper, lower) {
        (Some(upper), Some(lower)) => Some(upper.over(lower)),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    }
}

/// The JSON schema of a section: these keys and no others.
pub(crate) fn object_schema(about: &str, keys: Vec<(&str, String, Schema)>) -> Schema {
    let mut properties = serde_json::Map::new();
    for (key, doc, mut schema) in keys {
        schema.insert("description".to_owned(), doc.trim().into());
        properties.insert(key.to_owned(), schema.into());
    }
    schemars::json_schema!({
        "type": "object",
        "description": about.trim(),
        "properties": properties,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_and_a_stranger_is_like_none() {
        let known = ["key", "columns", "batch", "max_rows"];
        for (typed, meant) in
            [("ky", "key"), ("keys", "key"), ("colums", "columns"), ("Batch", "batch"), ("maxRows", "max_rows")]
        {
            assert_eq!(nearest(typed, &known), Some(meant), "{typed}");
        }
        for typed in ["zzz", "x", "warehouse"] {
            assert_eq!(nearest(typed, &known), None, "{typed}");
        }
    }
}
