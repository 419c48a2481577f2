//! Settings come as JSON; this reads them without another crate.

use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, in the order in which it is written.
    Object(Vec<(String, Json)>),
}

/// A text that is no JSON, or a setting that is not what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

type Result<T> = std::result::Result<T, JsonError>;

/// Lists and objects within each other.
const DEEPEST: usize = 64;

impl Json {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Json> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.skip_white();
        if parser.at < text.len() { parser.fail("the end") } else { Ok(value) }
    }

    /// What an object holds under this name; `None` for null, too.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().find(|(member, value)| member == name && *value != Json::Null).map(|(_, value)| value)
    }

    /// The text itself.
    pub fn as_text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// The boolean itself.
    pub fn as_boolean(&self) -> Option<bool> {
        if let Json::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is one of this type.
    pub fn as_number<T: std::str::FromStr>(&self) -> Option<T> {
        if let Json::Number(text) = self { text.parse().ok() } else { None }
    }

    /// The list's items.
    pub fn as_list(&self) -> Option<&[Json]> {
        if let Json::List(items) = self { Some(items) } else { None }
    }

    /// The object's members.
    pub fn as_object(&self) -> Option<&[(String, Json)]> {
        if let Json::Object(members) = self { Some(members) } else { None }
    }

    /// The setting `name`, a text; an error says if it is missing.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.setting(name, "a text", Json::as_text)
    }

    /// The setting `name`, `true` or `false`.
    pub fn boolean(&self, name: &str) -> Result<bool> {
        self.setting(name, "true or false", Json::as_boolean)
    }

    /// The setting `name`, a number of this type.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        self.setting(name, "a number in range", Json::as_number)
    }

    /// The setting `name`, a list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>> {
        self.setting(name, "a list of texts", |value| value.as_list()?.iter().map(Json::as_text).collect())
    }

    fn setting<'a, T>(&'a self, name: &str, what: &str, read: impl Fn(&'a Json) -> Option<T>) -> Result<T> {
        let value = self.get(name).ok_or_else(|| JsonError(format!("the setting `{name}` is missing: {what}")))?;
        read(value).ok_or_else(|| JsonError(format!("the setting `{name}` is not {what}")))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, expected: &str) -> Result<T> {
        Err(JsonError(format!("the settings are no JSON: {expected} is expected at byte {}", self.at)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past a token if it is the next one.
    fn accept(&mut self, token: &str) -> bool {
        self.skip_white();
        let next = self.text[self.at..].starts_with(token);
        self.at += if next { token.len() } else { 0 };
        next
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > DEEPEST {
            return self.fail("an end of lists and objects within each other");
        }
        for (word, value) in [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))] {
            if self.accept(word) {
                return Ok(value);
            }
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail("a value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        self.at += 1;
        let mut members = Vec::new();
        if self.accept("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_white();
            let name = self.string()?;
            if !self.accept(":") {
                return self.fail("`:`");
            }
            members.push((name, self.value(depth + 1)?));
            if self.accept("}") {
                return Ok(Json::Object(members));
            }
            if !self.accept(",") {
                return self.fail("`,` or `}`");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json> {
        self.at += 1;
        let mut items = Vec::new();
        if self.accept("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.accept("]") {
                return Ok(Json::List(items));
            }
            if !self.accept(",") {
                return self.fail("`,` or `]`");
            }
        }
    }

    fn number(&mut self) -> Result<Json> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let mut whole = self.digits();
        if whole && self.peek() == Some(b'.') {
            self.at += 1;
            whole = self.digits();
        }
        if whole && matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'-' | b'+')));
            whole = self.digits();
        }
        if whole { Ok(Json::Number(self.text[from..self.at].to_owned())) } else { self.fail("a digit") }
    }

    /// Goes past digits; whether there was one.
    fn digits(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > from
    }

    fn string(&mut self) -> Result<String> {
        if !self.accept("\"") {
            return self.fail("a text");
        }
        let mut result = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.find(['"', '\\']) else { return self.fail("`\"`") };
            result.push_str(&rest[..length]);
            self.at += length + 1;
            if rest.as_bytes()[length] == b'"' {
                return Ok(result);
            }
            result.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char> {
        let Some(letter) = self.peek() else { return self.fail("an escape") };
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = self.hexadecimal()?;
                if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let low = self.hexadecimal()?.wrapping_sub(0xdc00) & 0x3ff;
                    code = 0x10000 + ((code - 0xd800) << 10) + low;
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.fail("an escape before"),
        })
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("four hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_escapes() {
        let json = Json::parse(r#" {"a": "x\"\n\u00e9\ud83d\ude00", "b": [1, -2.5e3, true, null], "c": {}} "#).unwrap();
        assert_eq!(json.text("a"), Ok("x\"\né😀"));
        let items = json.get("b").unwrap().as_list().unwrap();
        assert_eq!(items[0].as_number::<u32>(), Some(1));
        assert_eq!(items[1].as_number::<f64>(), Some(-2500.0));
        assert_eq!(items[2..], [Json::Boolean(true), Json::Null]);
        assert_eq!(json.get("c"), Some(&Json::Object(Vec::new())));
    }

    #[test]
    fn a_setting_that_is_missing_or_wrong_is_named() {
        let json = Json::parse(r#"{"key": 1, "none": null}"#).unwrap();
        assert_eq!(json.text("key").unwrap_err().to_string(), "the setting `key` is not a text");
        assert_eq!(json.text("none").unwrap_err().to_string(), "the setting `none` is missing: a text");
        assert!(json.number::<u8>("key").is_ok() && json.texts("key").is_err() && json.boolean("key").is_err());
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stops_being_so() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("\"a", 1),
            ("1 2", 2),
            ("\"\\q\"", 3),
            ("-", 1),
            ("1.", 2),
            ("1e+", 3),
        ] {
            let error = Json::parse(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("at byte {at}")), "{text}: {error}");
        }
        assert!(Json::parse(&"[".repeat(1000)).is_err());
    }
}
