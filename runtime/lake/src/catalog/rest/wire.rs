//! What goes over the wire, as the REST catalog's specification writes it.

use std::collections::{BTreeMap, HashMap};

use iceberg::spec::{PartitionSpec, Schema, SortOrder, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::TableIdent;

/// Letters of a server's message that are kept.
const LONGEST_MESSAGE: usize = 600;

#[derive(Debug, Deserialize)]
pub(super) struct ConfigAnswer {
    #[serde(default)]
    pub defaults: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub overrides: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct NamespacesAnswer {
    #[serde(default)]
    pub namespaces: Vec<Vec<String>>,
    pub next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TablesAnswer {
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    pub next_page_token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identifier {
    pub namespace: Vec<String>,
    pub name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateNamespace<'a> {
    pub namespace: &'a [String],
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CreateTable<'a> {
    pub name: &'a str,
    pub location: &'a str,
    pub schema: &'a Schema,
    pub partition_spec: &'a PartitionSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_order: Option<&'a SortOrder>,
    pub stage_create: bool,
    pub properties: HashMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Commit<'a> {
    pub identifier: Identifier,
    pub requirements: &'a [TableRequirement],
    pub updates: &'a [TableUpdate],
}

/// Where the metadata is, without the metadata.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Located {
    pub metadata_location: Option<String>,
    #[serde(rename = "metadata")]
    pub _metadata: IgnoredAny,
}

#[derive(Debug, Deserialize)]
pub(super) struct WithMetadata {
    pub metadata: TableMetadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenAnswer {
    pub access_token: String,
    pub token_type: Option<String>,
    pub expires_in: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ErrorAnswer {
    error: ErrorModel,
}

#[derive(Debug, Deserialize)]
struct ErrorModel {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    r#type: Option<String>,
}

/// As OAuth2 has it.
#[derive(Debug, Deserialize)]
struct TokenErrorAnswer {
    error: String,
    error_description: Option<String>,
}

/// What a server says of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The error's type and message, in one line.
    pub text: String,
    /// Whether it is written as the specification says, so that a catalog said it and not something before it.
    pub by_catalog: bool,
}

impl Complaint {
    pub fn read(body: &[u8]) -> Self {
        if let Ok(ErrorAnswer { error }) = serde_json::from_slice(body) {
            let parts = [error.r#type, error.message].into_iter().flatten().filter(|part| !part.is_empty());
            return Self { text: shortened(&parts.collect::<Vec<_>>().join(": ")), by_catalog: true };
        }
        if let Ok(TokenErrorAnswer { error, error_description }) = serde_json::from_slice(body) {
            let text = error_description.map_or(error.clone(), |description| format!("{error}: {description}"));
            return Self { text: shortened(&text), by_catalog: false };
        }
        Self { text: shortened(&String::from_utf8_lossy(body)), by_catalog: false }
    }
}

impl From<&TableIdent> for Identifier {
    fn from(ident: &TableIdent) -> Self {
        Self { namespace: ident.namespace.clone(), name: ident.name.clone() }
    }
}

/// One line of bounded length.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_read_as_the_catalog_the_token_server_and_a_gateway_write_them() {
        let read = |body: &str| Complaint::read(body.as_bytes());
        let catalog = read(r#"{"error":{"message":"no\n such","type":"NoSuchTableException","code":404}}"#);
        assert_eq!((catalog.text.as_str(), catalog.by_catalog), ("NoSuchTableException: no such", true));
        let token = read(r#"{"error":"invalid_client","error_description":"unknown"}"#);
        assert_eq!((token.text.as_str(), token.by_catalog), ("invalid_client: unknown", false));
        let gateway = read(&"<html> ".repeat(1000));
        assert!(!gateway.by_catalog && gateway.text.chars().count() <= LONGEST_MESSAGE + 1);
    }
}
