//! The steps of a transform as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sluice_change::ColumnType;
use sluice_platform::Secret;
use sluice_transform::builtin::{ConstantValue, Encoding};
use toml::Spanned;
use toml::de::DeValue;

use super::evolution::RenameTable;
use super::reader::{Located, Reading, Section, Value, join, section, wrong_type};
use super::values::{ByteSize, Hidden, TimeSpan, suggest_type, text_value};

section! {
    /// A step of a table's transform: `component` or one of the built-in ones.
    StepSection {
        /// A WebAssembly component: its file, relative to this file.
        component: Located<String>,
        /// component: its settings, any TOML table; it gets them as JSON.
        settings: Located<JsonSettings>,
        /// component: the SHA-256 that its file must have; another file is refused.
        sha256: Located<String>,
        /// component: memory that it may take for a batch; default "256MiB".
        memory: Located<ByteSize>,
        /// component: fuel that it may burn for each row; default by the language that it was made from.
        fuel_per_row: Located<u64>,
        /// component: how long it may take for a batch; default "10s".
        deadline: Located<TimeSpan>,
        /// component: bytes of the columns that it may make of a batch; default "256MiB".
        max_output: Located<ByteSize>,
        /// component: share of rows that may fail, 0 to 1, before the table is quarantined; default 0.01. A handful may
        /// always fail.
        max_failed_share: Located<Share>,
        /// component: share of batches, 0 to 1, that are run again, whole and cut in two, and compared; default 0.
        check_determinism: Located<Share>,
        /// Gives columns other names, as { old_name = "new_name" }; the key goes along.
        rename: Located<RenameTable>,
        /// Leaves columns out.
        drop: Located<Vec<String>>,
        /// Gives columns other types, as { column = "type" }. A row with a value that does not fit becomes a dead letter.
        cast: Located<CastTable>,
        /// Sets columns to a value, as { column = "text" } or { column = { type = "date", value = "2026-01-31" } }.
        constant: Located<ConstantTable>,
        /// Replaces values by their HMAC-SHA-256.
        hash: Located<HashSection>,
        /// Covers the characters of texts.
        mask: Located<MaskSection>,
        /// Keeps the rows of which a condition holds, such as "status != 'deleted' and amount >= 10"; the others take
        /// their key's row out of Silver.
        filter: Located<String>,
    }
}

section! {
    /// Replaces values by their HMAC-SHA-256: the same value has the same hash, and only who has the key can make it.
    HashSection {
        /// The columns; what is neither string nor binary is hashed as its text. Required.
        columns: Located<Vec<String>>,
        /// The key; better "${NAME}" than the key itself. Required.
        key: Located<Hidden>,
        /// How a hash is written: "hex" (the default), "base64" or "binary".
        r#as: EncodingChoice,
    }
}

section! {
    /// Covers the characters of texts but for some at either end.
    MaskSection {
        /// The columns. Required.
        columns: Located<Vec<String>>,
        /// Characters at the beginning that stay; default 0.
        keep_start: u32,
        /// Characters at the end that stay; default 0.
        keep_end: u32,
        /// The character that stands for each of the others; default "*".
        fill: Located<String>,
    }
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncodingChoice(pub Encoding);

impl FromStr for EncodingChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

text_value!(EncodingChoice, "EncodingChoice", { "enum": ["hex", "base64", "binary"] });

/// The name of a column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeName(pub ColumnType);

impl FromStr for TypeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| {
            let advice = suggest_type(text).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("{error}{advice}")
        })
    }
}

text_value!(TypeName, "TypeName", { "type": "string", "examples": ["long", "decimal(12,2)", "timestamptz"] });

/// A share, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(pub f64);

impl Value for Share {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            other => {
                wrong_type(reading, path, "a number from 0 to 1", other, value.span());
                return None;
            }
        };
        let share = number.filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            reading.fault(value.span().start, format!("`{path}` must lie between 0 and 1"));
        }
        share.map(Self)
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

impl Value for u64 {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Integer(number) = value.get_ref() else {
            wrong_type(reading, path, "an integer", value.get_ref(), value.span());
            return None;
        };
        let read = u64::from_str_radix(number.as_str(), number.radix());
        read.map_err(|_| reading.fault(value.span().start, format!("`{path}` must be a whole number from 0 on"))).ok()
    }
}

/// New types by the columns' names.
#[derive(Debug, Clone, Default)]
pub(crate) struct CastTable(pub BTreeMap<String, ColumnType>);

impl Value for CastTable {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            wrong_type(reading, path, "a table such as { column = \"long\" }", value.get_ref(), value.span());
            return None;
        };
        let read = |(key, item): (&Spanned<_>, _)| {
            let name: &Cow<'_, str> = key.get_ref();
            Some((name.to_string(), TypeName::read(reading, &join(path, name), item)?.0))
        };
        table.iter().map(read).collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Self)
    }
}

impl JsonSchema for CastTable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cast".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<TypeName>() })
    }
}

/// Values by the columns' names.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConstantTable(pub BTreeMap<String, ConstantValue>);

/// A value without its quotes, and the type that it has by itself.
struct Plain(ConstantValue);

impl Plain {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let (column_type, text) = match value.get_ref() {
            DeValue::String(_) => (ColumnType::String, String::read(reading, path, value)?),
            DeValue::Boolean(yes) => (ColumnType::Boolean, yes.to_string()),
            DeValue::Float(number) => (ColumnType::Double, number.as_str().to_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => (ColumnType::Long, number.to_string()),
                Err(_) => (ColumnType::String, number.as_str().to_owned()),
            },
            other => {
                wrong_type(reading, path, "a string, a number, true or false", other, value.span());
                return None;
            }
        };
        Some(Self(ConstantValue { column_type, value: Some(text) }))
    }
}

impl Value for ConstantTable {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            wrong_type(reading, path, "a table such as { column = \"text\" }", value.get_ref(), value.span());
            return None;
        };
        let read = |(key, item): (&Spanned<_>, _)| {
            let name: &Cow<'_, str> = key.get_ref();
            Some((name.to_string(), read_constant(reading, &join(path, name), item)?))
        };
        table.iter().map(read).collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Self)
    }
}

fn read_constant(reading: &Reading<'_>, path: &str, item: &Spanned<DeValue<'_>>) -> Option<ConstantValue> {
    if !matches!(item.get_ref(), DeValue::Table(_)) {
        return Plain::read(reading, path, item).map(|plain| plain.0);
    }
    let mut section = Section::open(reading, path, item)?;
    let column_type = section.take::<TypeName>("type");
    let value = section.take::<ConstantText>("value");
    section.finish();
    let DeValue::Table(table) = item.get_ref() else { return None };
    if table.get("type").is_none() {
        reading.fault(item.span().start, format!("`{path}` has no `type`: give it, as in {{ type = \"date\" }}"));
    }
    // A value that is there and cannot be read has been told.
    let is_sound = table.get("value").is_none() || value.is_some();
    column_type.filter(|_| is_sound).map(|name| ConstantValue { column_type: name.0, value: value.map(|text| text.0) })
}

/// A value as text.
#[derive(Debug, Clone)]
struct ConstantText(String);

impl Value for ConstantText {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        Some(Self(Plain::read(reading, path, value)?.0.value?))
    }
}

impl JsonSchema for ConstantText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ConstantText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl JsonSchema for ConstantTable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Constant".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "anyOf": [
                generator.subschema_for::<ConstantText>(),
                {
                    "type": "object",
                    "properties": {
                        "type": generator.subschema_for::<TypeName>(),
                        "value": generator.subschema_for::<ConstantText>(),
                    },
                    "required": ["type"],
                    "additionalProperties": false,
                },
            ] },
        })
    }
}

/// Settings of a component as JSON, which are not shown.
#[derive(Debug, Clone)]
pub(crate) struct JsonSettings(pub Secret);

impl Value for JsonSettings {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            wrong_type(reading, path, "a table", value.get_ref(), value.span());
            return None;
        }
        json(reading, path, value).map(|json| Self(Secret::new(json.to_string())))
    }
}

/// Any TOML as JSON, `${NAME}` in its strings replaced.
fn json(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<serde_json::Value> {
    let fault = |message: &str| reading.fault(value.span().start, format!("`{path}` {message}"));
    Some(match value.get_ref() {
        DeValue::String(_) => Hidden::read(reading, path, value)?.0.reveal().into(),
        DeValue::Boolean(yes) => (*yes).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map_err(|_| fault("does not fit in 64 bits: write it as a string")).ok()?.into()
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            number
                .or_else(|| {
                    fault("is no number that JSON has");
                    None
                })?
                .into()
        }
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(reading, path, item)).collect::<Vec<_>>();
            items.into_iter().collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => {
            let read = |(key, item): (&Spanned<_>, _)| {
                let name: &Cow<'_, str> = key.get_ref();
                Some((name.to_string(), json(reading, &join(path, name), item)?))
            };
            let all = table.iter().map(read).collect::<Vec<_>>();
            serde_json::Value::Object(all.into_iter().collect::<Option<_>>()?)
        }
    })
}

impl JsonSchema for JsonSettings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
