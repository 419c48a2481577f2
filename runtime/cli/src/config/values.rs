//! The plain values of the configuration: sizes, durations, columns, choices, lists.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sluice_change::{Column, ColumnType};
use sluice_decode::RowDelimiter;
use sluice_platform::Secret;
use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Reading, Value, join, nearest, wrong_type};

impl Value for String {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::String(text) = value.get_ref() else {
            wrong_type(reading, path, "a string", value.get_ref(), value.span());
            return None;
        };
        reading.expand(text).map_err(|message| reading.fault(value.span().start, format!("`{path}`: {message}"))).ok()
    }
}

impl Value for bool {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Boolean(yes) = value.get_ref() else {
            wrong_type(reading, path, "true or false", value.get_ref(), value.span());
            return None;
        };
        Some(*yes)
    }
}

impl Value for u32 {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Integer(number) = value.get_ref() else {
            wrong_type(reading, path, "an integer", value.get_ref(), value.span());
            return None;
        };
        let read = u32::from_str_radix(number.as_str(), number.radix());
        read.map_err(|_| reading.fault(value.span().start, format!("`{path}` must lie between 0 and {}", u32::MAX)))
            .ok()
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            wrong_type(reading, path, "an array", value.get_ref(), value.span());
            return None;
        };
        // Every item is read before giving up, so that every fault is reported.
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(reading, path, item)).collect();
        read.into_iter().collect()
    }
}

/// A value that is written as one string and read by a function.
macro_rules! text_value {
    ($type:ty, $schema:literal, $json:tt) => {
        impl Value for $type {
            fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
                let text = String::read(reading, path, value)?;
                let fault = |message| reading.fault(value.span().start, format!("`{path}`: {message}"));
                text.parse().map_err(fault).ok()
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $schema.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($json)
            }
        }
    };
}

/// A number of bytes: `256MiB`, `64 MB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub usize);

const SIZE_UNITS: [(&str, usize); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a size: write it as \"256MiB\", \"64MB\" or \"4096\"");
        let (number, unit) = split_unit(text).ok_or_else(invalid)?;
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(invalid)?;
        number.checked_mul(*factor).map(Self).ok_or_else(invalid)
    }
}

pub(super) use text_value;

text_value!(ByteSize, "ByteSize", {
    "type": "string", "pattern": "^\\s*[0-9]+\\s*([kKmMgGtT]?[iI]?[bB])?\\s*$", "examples": ["256MiB", "64MB"]
});

/// A stretch of time: `500ms`, `20s`, `5m`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeSpan(pub Duration);

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a duration: write it as \"500ms\", \"20s\", \"5m\" or \"1h30m\"");
        if text.trim() == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut total_ms = 0_u64;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let unit_end = rest.find(char::is_alphabetic).ok_or_else(invalid)?;
            let end = rest[unit_end..].find(|c: char| !c.is_alphabetic()).map_or(rest.len(), |end| unit_end + end);
            let (number, unit) = split_unit(&rest[..end]).ok_or_else(invalid)?;
            let factor_ms = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(invalid()),
            };
            let part = (number as u64).checked_mul(factor_ms).ok_or_else(invalid)?;
            total_ms = total_ms.checked_add(part).ok_or_else(invalid)?;
            rest = rest[end..].trim_start();
        }
        if text.trim().is_empty() { Err(invalid()) } else { Ok(Self(Duration::from_millis(total_ms))) }
    }
}

text_value!(TimeSpan, "TimeSpan", {
    "type": "string", "pattern": "^\\s*(0|([0-9]+\\s*(ms|s|m|min|h|d)\\s*)+)$", "examples": ["500ms", "20s", "1h30m"]
});

fn split_unit(text: &str) -> Option<(usize, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// A column as `name type`: `amount decimal(12,2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnSpec(pub Column);

impl FromStr for ColumnSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The type comes last and a name may hold spaces; `decimal(12, 2)` may too.
        let split = text.trim_end().find("decimal(").filter(|at| text[..*at].ends_with(' '));
        let (name, type_name) = match split {
            Some(at) => (&text[..at], &text[at..]),
            None => text.trim_end().rsplit_once(char::is_whitespace).ok_or_else(|| {
                format!("`{text}` is not a column: write its name and type, as in \"amount decimal(12,2)\"")
            })?,
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("`{text}` names a type and no column: write both, as in \"amount decimal(12,2)\""));
        }
        let column_type: ColumnType = type_name.parse().map_err(|error| {
            let advice = suggest_type(type_name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("column `{name}`: {error}{advice}")
        })?;
        Ok(Self(Column::new(name, column_type)))
    }
}

text_value!(ColumnSpec, "Column", {
    "type": "string", "examples": ["id long", "amount decimal(12,2)", "created timestamptz"]
});

/// The column type that a type name of some database most likely stands for.
pub(super) fn suggest_type(name: &str) -> Option<&'static str> {
    let known = [
        ("integer", "int"),
        ("int4", "int"),
        ("smallint", "int"),
        ("bigint", "long"),
        ("int8", "long"),
        ("text", "string"),
        ("varchar", "string"),
        ("char", "string"),
        ("uuid", "string"),
        ("json", "string"),
        ("numeric", "decimal(p,s)"),
        ("number", "decimal(p,s)"),
        ("decimal", "decimal(p,s)"),
        ("bool", "boolean"),
        ("real", "float"),
        ("datetime", "timestamp"),
        ("bytea", "binary"),
        ("blob", "binary"),
        ("timestamp with time zone", "timestamptz"),
    ];
    let lower = name.trim().to_lowercase();
    let base = lower.split('(').next().unwrap_or_default().trim();
    let alias = known.iter().find(|(alias, _)| *alias == base).map(|(_, ours)| *ours);
    alias.or_else(|| {
        nearest(
            base,
            &[
                "boolean",
                "int",
                "long",
                "float",
                "double",
                "date",
                "time",
                "timestamp",
                "timestamptz",
                "string",
                "binary",
            ],
        )
    })
}

/// One character of seven bits, as CSV's delimiter and quote are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ascii(pub u8);

impl FromStr for Ascii {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(Self(*byte)),
            _ => Err(format!(
                "`{}` cannot be used: give one ASCII character, as in \",\" or \"\\t\"",
                text.escape_debug()
            )),
        }
    }
}

text_value!(Ascii, "Ascii", { "type": "string", "minLength": 1, "maxLength": 1 });

/// Whether something is there: `true`, `false`, or `"auto"` to find out from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Auto,
    Present,
    Absent,
}

impl Value for Presence {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Boolean(true) => Some(Self::Present),
            DeValue::Boolean(false) => Some(Self::Absent),
            DeValue::String(text) if text == "auto" => Some(Self::Auto),
            other => {
                wrong_type(reading, path, "true, false or \"auto\"", other, value.span());
                None
            }
        }
    }
}

impl JsonSchema for Presence {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Presence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [true, false, "auto"] })
    }
}

/// Which tables of the source are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableChoice {
    Configured,
    All,
}

impl FromStr for TableChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "configured" => Ok(Self::Configured),
            "all" => Ok(Self::All),
            _ => Err(format!("`{text}` is no choice: use \"configured\" or \"all\"")),
        }
    }
}

text_value!(TableChoice, "TableChoice", { "enum": ["configured", "all"] });

/// What ends a record of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowEnd(pub RowDelimiter);

impl FromStr for RowEnd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            b"\n" => Ok(Self(RowDelimiter::Line)),
            b"\r\n" => Ok(Self(RowDelimiter::CrLf)),
            [byte] if byte.is_ascii() => Ok(Self(RowDelimiter::Byte(*byte))),
            _ => Err(format!(
                "`{}` cannot be used: give \"\\n\", \"\\r\\n\" or another ASCII character",
                text.escape_debug()
            )),
        }
    }
}

text_value!(RowEnd, "RowEnd", { "type": "string", "minLength": 1, "maxLength": 2 });

/// What happens with a consumed file that has other content now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RewrittenChoice(pub sluice_source::OnRewritten);

impl FromStr for RewrittenChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "report" => Ok(Self(sluice_source::OnRewritten::Report)),
            "read_again" => Ok(Self(sluice_source::OnRewritten::ReadAgain)),
            _ => Err(format!("`{text}` is no choice: use \"report\" or \"read_again\"")),
        }
    }
}

text_value!(RewrittenChoice, "RewrittenChoice", { "enum": ["report", "read_again"] });

/// What happens when a full load is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReloadChoice(pub sluice_source::OnReload);

impl FromStr for ReloadChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "replace" => Ok(Self(sluice_source::OnReload::Replace)),
            "ignore" => Ok(Self(sluice_source::OnReload::Ignore)),
            "refuse" => Ok(Self(sluice_source::OnReload::Refuse)),
            _ => Err(format!("`{text}` is no choice: use \"replace\" or \"ignore\" or \"refuse\"")),
        }
    }
}

text_value!(ReloadChoice, "ReloadChoice", { "enum": ["replace", "ignore", "refuse"] });

/// What happens when all consumed files of a table are gone at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VanishedChoice(pub sluice_source::OnVanished);

impl FromStr for VanishedChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ignore" => Ok(Self(sluice_source::OnVanished::Ignore)),
            "truncate" => Ok(Self(sluice_source::OnVanished::Truncate)),
            _ => Err(format!("`{text}` is no choice: use \"ignore\" or \"truncate\"")),
        }
    }
}

text_value!(VanishedChoice, "VanishedChoice", { "enum": ["ignore", "truncate"] });

/// The kind of catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatalogKind {
    Sqlite,
    Rest,
}

impl FromStr for CatalogKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "rest" => Ok(Self::Rest),
            _ => Err(format!("there is no catalog of type `{text}`: use \"sqlite\" or \"rest\"")),
        }
    }
}

text_value!(CatalogKind, "CatalogKind", { "enum": ["sqlite", "rest"] });

/// Texts by name that are not shown, such as headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct HiddenTexts(pub BTreeMap<String, Hidden>);

impl Value for HiddenTexts {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            wrong_type(reading, path, "a table", value.get_ref(), value.span());
            return None;
        };
        let read = table.iter().filter_map(|(key, item)| {
            let name = key.get_ref().as_ref();
            Some((name.to_owned(), Hidden::read(reading, &join(path, name), item)?))
        });
        Some(Self(read.collect()))
    }
}

impl JsonSchema for HiddenTexts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HiddenTexts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

/// A text that is not shown, neither in errors nor in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden(pub Secret);

impl Value for Hidden {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::String(text) = value.get_ref() else {
            wrong_type(reading, path, "a string", value.get_ref(), value.span());
            return None;
        };
        let fault = |message: String| {
            let message = if message.contains(text.as_ref()) { "opens `${` and does not close it" } else { &message };
            reading.fault(value.span().start, format!("`{path}`: {message}"));
        };
        reading.expand(text).map(|text| Self(Secret::new(text))).map_err(fault).ok()
    }
}

impl JsonSchema for Hidden {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Hidden".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["${AWS_SECRET_ACCESS_KEY}"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_and_decimal_units() {
        for (text, bytes) in
            [("4096", 4096), ("256MiB", 256 << 20), ("64 MB", 64_000_000), ("1gib", 1 << 30), ("0B", 0)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "12 parsecs", "-1", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_may_be_composed() {
        for (text, ms) in
            [("500ms", 500), ("20s", 20_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("0", 0), ("2 min", 120_000)]
        {
            assert_eq!(text.parse(), Ok(TimeSpan(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "5", "s", "1.5s", "5 weeks", "1s2", "99999999999999999999s"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_is_its_name_and_type() {
        let read = |text: &str| text.parse::<ColumnSpec>().map(|column| (column.0.name, column.0.column_type));
        assert_eq!(read("id long"), Ok(("id".into(), ColumnType::Long)));
        assert_eq!(read("Unit Price decimal(12, 2)").unwrap().0, "Unit Price");
        assert_eq!(read("a  decimal(12,2)"), Ok(("a".into(), ColumnType::Decimal { precision: 12, scale: 2 })));
        assert!(read("id bigint").unwrap_err().ends_with("did you mean `long`?"));
        assert!(read("id").is_err());
        assert!(read(" long").is_err());
    }
}
