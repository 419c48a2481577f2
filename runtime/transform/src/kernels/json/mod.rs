//! JSON.

mod path;
mod scan;
mod text;

use arrow_array::Array;

use super::column::{Column, KernelError, Limits};
use super::writer::map_text_or_null;
use path::Path;
use scan::{Found, find};

/// What a JSON text holds at `path`; the path's form is `address.city`, `items[0].sku`, `["a name with a dot."]`, or empty
/// for the whole.
///
/// Texts come without their quotes; null for JSON's null, a missing place or a text that is no JSON; everything else is
/// JSON text, as it is written there. Where an object has a name twice, the last one counts.
pub fn json_field(text: &Column, path: &str, limits: Limits) -> Result<Column, KernelError> {
    let path = Path::new(path)?;
    let rows = text.texts()?.len();
    // Most fields are short; what is found is a part of the text, so this only spares some growing.
    map_text_or_null(text, rows.saturating_mul(16), limits, |value, out| match find(value, path.steps()) {
        None => Ok(false),
        Some(Found::Json(json)) => out.push(json.as_bytes()).map(|()| true),
        Some(Found::Text(escaped)) => {
            let mut fits = true;
            // What an escape stands for is never longer than the escape.
            out.push_with(escaped.len(), |bytes| fits = text::unescape(escaped, bytes))?;
            Ok(fits)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, one, read_texts, texts, words};

    /// Follows a path by taking the whole text apart.
    fn naive(text: &str, steps: &[&str]) -> Option<String> {
        let mut value: &Value = &serde_json::from_str(text).ok()?;
        for step in steps {
            value = match step.parse::<usize>() {
                Ok(index) if value.is_array() => value.get(index)?,
                _ => value.as_object()?.get(*step)?,
            };
        }
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Floating-point numbers that every parser reads exactly.
            (-1000_i32..1000).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
            "[a-z\"\\\\/\\n\\tä€😀]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab\"ä]", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn places_hold_what_a_whole_parser_finds(
            values in prop::collection::vec(prop::option::weighted(0.9, any_json()), 0..12), pretty: bool,
        ) {
            let values: Vec<Option<String>> = values.iter().map(|value| {
                value.as_ref().map(|value| if pretty { format!(" {value:#}\n") } else { value.to_string() })
            }).collect();
            for (path, steps) in [
                ("", &[][..]), ("a", &["a"]), ("a.b", &["a", "b"]), ("[0]", &["0"]), ("a[1].ä", &["a", "1", "ä"]),
                (r#"["\""].a"#, &["\"", "a"]), ("b[0][0]", &["b", "0", "0"]),
            ] {
                // Objects and arrays come as they are written, which the model does not know: their white space goes.
                let read = |column: &Column| -> Vec<Option<String>> {
                    read_texts(column).into_iter().map(|text| text.map(|text| compact(&text))).collect()
                };
                against_model(&values, |text| json_field(text, path, ROOMY), read, |text| naive(text, steps).map(|text| compact(&text)));
            }
        }

        #[test]
        fn the_same_texts_are_json_as_for_a_whole_parser(text in "[\\[\\]{}\",:0-9.eE+\\-a \\\\untrlfs]{0,12}") {
            let whole: Result<Value, _> = serde_json::from_str(&text);
            let found = read_texts(&json_field(&words([&text]), "", ROOMY).unwrap());
            match whole {
                Ok(Value::Null) => prop_assert_eq!(found, [None]),
                Ok(_) => prop_assert!(found[0].is_some(), "{}", text),
                // Numbers out of a parser's range and halves of characters are well formed all the same.
                Err(error) if error.to_string().contains("out of range") || error.to_string().contains("surrogate") => {}
                Err(error) => prop_assert_eq!(found, [None], "{} {}", text, error),
            }
        }
    }

    fn compact(text: &str) -> String {
        match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
            _ => text.to_owned(),
        }
    }

    fn field(text: &str, path: &str) -> Option<String> {
        read_texts(&json_field(&words([text]), path, ROOMY).unwrap()).remove(0)
    }

    #[test]
    fn what_is_no_text_stays_as_it_is_written() {
        let text = r#" {"n": 1.50e+3, "big": 123456789012345678901234567890, "o": { "x" : [1,  2] }, "t": true} "#;
        assert_eq!(field(text, "n").as_deref(), Some("1.50e+3"));
        assert_eq!(field(text, "big").as_deref(), Some("123456789012345678901234567890"));
        assert_eq!(field(text, "o").as_deref(), Some(r#"{ "x" : [1,  2] }"#));
        assert_eq!(field(text, "o.x[1]").as_deref(), Some("2"));
        assert_eq!(field(text, "t").as_deref(), Some("true"));
        assert_eq!(field(text, "t.x"), None);
        assert_eq!(field(text, "o.x[2]"), None);
    }

    #[test]
    fn escapes_become_characters_and_half_ones_null() {
        assert_eq!(field(r#""\u00e4\ud83d\ude00\n\"\\\/\b\f\r\t""#, "").as_deref(), Some("ä😀\n\"\\/\u{8}\u{c}\r\t"));
        assert_eq!(field(r#"{"\u0061": 1}"#, "a").as_deref(), Some("1"));
        assert_eq!(field(r#""\ud83d""#, ""), None);
        assert_eq!(field(r#""\ud83dx""#, ""), None);
        assert_eq!(field(r#""\ud83d\u0061""#, ""), None);
        assert_eq!(field(r#"["\ude00", "a"]"#, "[1]").as_deref(), Some("a"));
    }

    #[test]
    fn the_last_of_a_name_counts() {
        assert_eq!(field(r#"{"a": 1, "a": 2}"#, "a").as_deref(), Some("2"));
        assert_eq!(field(r#"{"a": {"b": 1}, "a": {"c": 2}}"#, "a.b"), None);
    }

    #[test]
    fn what_is_damaged_behind_the_place_is_no_json() {
        for text in
            [r#"{"a": 1"#, r#"{"a": 1}}"#, r#"{"a": 1, }"#, r#"{"a": 1, "b": 01}"#, "{\"a\": 1, \"b\": \"\n\"}", ""]
        {
            assert_eq!(field(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(field(&nested(128), "").is_some());
        assert!(field(&nested(129), "").is_none());
        assert!(field(&nested(1_000_000), "").is_none());
    }

    #[test]
    fn nulls_and_limits_hold() {
        assert_eq!(
            read_texts(&json_field(&texts(&[None::<&str>, Some("1")]), "", ROOMY).unwrap()),
            [None, Some("1".into())]
        );
        assert!(json_field(&words(["\"aaaaaaaa\""]), "", Limits { bytes: 15 }).is_err());
        assert!(json_field(&one("long", None), "", ROOMY).is_err());
    }
}
