//! What the server's configuration says: where its routes are and how namespaces are written in them.

use std::collections::BTreeMap;
use std::fmt::Write;

use reqwest::header::{HeaderName, HeaderValue};

use super::wire::ConfigAnswer;
use crate::TableIdent;

/// What joins the levels of a namespace unless the server says otherwise: the unit separator.
const SEPARATOR: &str = "\u{1f}";
/// Properties of this prefix are headers of every request.
const HEADER_PREFIX: &str = "header.";

/// A server's routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// `{uri}/v1`, with the prefix if there is one.
    base: String,
    separator: String,
    /// Headers that the server asks for.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Session {
    /// The server's defaults, then our own properties, then the server's overrides.
    pub fn new(uri: &str, own: &BTreeMap<String, String>, answer: ConfigAnswer) -> Self {
        let mut properties = own.clone();
        for (key, value) in answer.defaults {
            if let Some(value) = value {
                properties.entry(key).or_insert(value);
            }
        }
        for (key, value) in answer.overrides {
            match value {
                Some(value) => properties.insert(key, value),
                None => properties.remove(&key),
            };
        }
        let uri = properties.get("uri").map_or(uri, String::as_str).trim_end_matches('/');
        let prefix =
            properties.get("prefix").map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
        let base = match prefix {
            Some(prefix) => format!("{uri}/v1/{prefix}"),
            None => format!("{uri}/v1"),
        };
        let separator = properties.get("namespace-separator").map_or(SEPARATOR.to_owned(), |text| decoded(text));
        let headers = properties.iter().filter_map(|(key, value)| {
            let name = HeaderName::try_from(key.strip_prefix(HEADER_PREFIX)?).ok()?;
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let headers = headers.collect();
        Self { base, separator, headers }
    }

    pub fn namespaces(&self) -> String {
        format!("{}/namespaces", self.base)
    }

    /// A page of the namespaces below `parent`.
    pub fn namespaces_page(&self, parent: &[String], token: Option<&str>) -> String {
        let parent = (!parent.is_empty()).then(|| ("parent", self.namespace(parent)));
        let token = token.map(|token| ("pageToken", encoded(token)));
        with_query(self.namespaces(), parent.into_iter().chain(token))
    }

    pub fn tables(&self, namespace: &[String]) -> String {
        format!("{}/{}/tables", self.namespaces(), self.namespace(namespace))
    }

    pub fn tables_page(&self, namespace: &[String], token: Option<&str>) -> String {
        with_query(self.tables(namespace), token.map(|token| ("pageToken", encoded(token))))
    }

    pub fn table(&self, ident: &TableIdent) -> String {
        format!("{}/{}", self.tables(&ident.namespace), encoded(&ident.name))
    }

    fn namespace(&self, levels: &[String]) -> String {
        let mut separator = String::new();
        self.separator.bytes().for_each(|byte| escape(&mut separator, byte));
        levels.iter().map(|level| encoded(level)).collect::<Vec<_>>().join(&separator)
    }
}

fn with_query(mut url: String, parameters: impl IntoIterator<Item = (&'static str, String)>) -> String {
    for (mark, (name, value)) in std::iter::once('?').chain(std::iter::repeat('&')).zip(parameters) {
        url.push(mark);
        url.push_str(name);
        url.push('=');
        url.push_str(&value);
    }
    url
}

/// A text as one segment of a path or one value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            escape(&mut out, byte);
        }
    }
    out
}

fn escape(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(out, "%{byte:02X}");
}

/// The text with its `%XX` replaced; servers give the separator in the form that it has in a URL.
fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(own: &[(&str, &str)], answer: &str) -> Session {
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Session::new("http://lake/", &own, serde_json::from_str(answer).unwrap())
    }

    fn levels() -> Vec<String> {
        vec!["a b".to_owned(), "c".to_owned()]
    }

    #[test]
    fn namespaces_are_joined_by_the_unit_separator_or_as_the_server_wants() {
        let plain = session(&[], "{}");
        assert_eq!(plain.tables(&levels()), "http://lake/v1/namespaces/a%20b%1Fc/tables");
        for separator in ["%2E", "."] {
            let dotted = session(&[], &format!(r#"{{"overrides":{{"namespace-separator":"{separator}"}}}}"#));
            assert_eq!(dotted.tables(&levels()), "http://lake/v1/namespaces/a%20b%2Ec/tables");
            assert_eq!(
                dotted.namespaces_page(&levels(), Some("x/y")),
                "http://lake/v1/namespaces?parent=a%20b%2Ec&pageToken=x%2Fy"
            );
        }
    }

    #[test]
    fn overrides_go_before_our_properties_and_those_before_the_defaults() {
        let answer = r#"{"defaults":{"prefix":"d","uri":"http://else/"},"overrides":{"header.x-team":"lake","empty":null},
            "endpoints":["GET /v1/config"]}"#;
        let session = session(&[("prefix", "own")], answer);
        assert_eq!(session.namespaces(), "http://else/v1/own/namespaces");
        assert_eq!(session.headers[0].0, "x-team");
        let overridden = super::tests::session(&[("prefix", "own")], r#"{"overrides":{"prefix":"w/1"}}"#);
        assert_eq!(overridden.namespaces(), "http://lake/v1/w/1/namespaces");
    }
}
