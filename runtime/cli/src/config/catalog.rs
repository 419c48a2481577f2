//! `[lake.catalog]`: which keys go with which kind of catalog, and what they come to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sluice_lake::{ClientCredentials, RestAuth, RestSettings};
use sluice_platform::Secret;

use super::document::CatalogSection;
use super::paths;
use super::reader::{Located, Reading};
use super::values::CatalogKind;

/// The catalog to be used.
#[derive(Debug, Clone)]
pub enum CatalogChoice {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The catalog's name within it.
        name: String,
    },
    /// An Iceberg REST catalog.
    Rest {
        /// Where it is and how it is spoken to.
        settings: Box<RestSettings>,
        /// How requests are signed, if they are.
        sigv4: Option<SigV4>,
    },
}

/// Amazon's signatures, version 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigV4 {
    /// The region that requests are signed for.
    pub region: String,
    /// The service that they are signed for.
    pub service: String,
}

impl CatalogChoice {
    /// The file or the address.
    pub fn address(&self) -> String {
        match self {
            CatalogChoice::Sqlite { path, .. } => path.display().to_string(),
            CatalogChoice::Rest { settings, .. } => settings.uri.clone(),
        }
    }

    /// The catalog in a line, for people.
    pub fn shown(&self) -> String {
        match self {
            CatalogChoice::Sqlite { path, name } => format!("{} ({name})", path.display()),
            CatalogChoice::Rest { settings, .. } => match &settings.warehouse {
                Some(warehouse) => format!("{} ({warehouse})", settings.uri),
                None => settings.uri.clone(),
            },
        }
    }
}

/// Reads the choice; `warehouse` is the location of the tables.
pub(super) fn choose(
    reading: &Reading<'_>,
    base: &Path,
    warehouse: &str,
    warehouse_at: usize,
    section: CatalogSection,
) -> Option<CatalogChoice> {
    let named = section.r#type.as_ref().map(|kind| kind.value);
    let kind = named.unwrap_or(if section.uri.is_some() { CatalogKind::Rest } else { CatalogKind::Sqlite });
    match kind {
        CatalogKind::Sqlite => {
            refuse_rest_keys(reading, &section);
            let path = match &section.path {
                Some(path) => base.join(&path.value),
                None if paths::is_on_s3(warehouse) => {
                    reading.fault(
                        warehouse_at,
                        "`lake.catalog.path` is missing: the SQLite catalog is a file on local disk and the warehouse \
                         is on S3, so say where it is to be, for example lake.catalog.path = \"catalog.db\"",
                    );
                    return None;
                }
                None => paths::path(warehouse).join("catalog.db"),
            };
            let path = std::path::absolute(&path).unwrap_or(path);
            Some(CatalogChoice::Sqlite {
                path,
                name: section.name.map_or_else(|| "sluice".to_owned(), |name| name.value),
            })
        }
        CatalogKind::Rest => rest(reading, section),
    }
}

fn rest(reading: &Reading<'_>, section: CatalogSection) -> Option<CatalogChoice> {
    let sqlite_only = [("path", &section.path), ("name", &section.name)];
    for (key, value) in sqlite_only.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
        let advice = match key {
            "name" => "the name that readers give a REST catalog is their own; `warehouse` selects one of the server's",
            _ => "`uri` says where a REST catalog is",
        };
        reading.fault(value.offset, format!("`lake.catalog.{key}` is for `type = \"sqlite\"`: remove it, {advice}"));
    }
    let auth = auth(reading, &section);
    let sigv4 = sigv4(reading, &section);
    let Some(uri) = section.uri else {
        let offset = section.r#type.map_or(0, |kind| kind.offset);
        reading.fault(offset, "`lake.catalog.uri` is missing: give the address of the REST catalog, without `/v1`");
        return None;
    };
    check_uri(reading, "uri", &uri);
    if uri.value.trim_end_matches('/').ends_with("/v1") {
        reading.fault(uri.offset, "`lake.catalog.uri` ends with `/v1`, which is added by itself: leave it out");
    }
    let mut settings = RestSettings::new(uri.value.trim_end_matches('/'));
    settings.warehouse = section.warehouse.map(|warehouse| warehouse.value);
    settings.auth = auth;
    settings.headers = headers(reading, section.headers);
    let spans = [
        ("connect_timeout", section.connect_timeout, &mut settings.connect_timeout),
        ("request_timeout", section.request_timeout, &mut settings.request_timeout),
    ];
    for (key, span, setting) in spans {
        let Some(span) = span else { continue };
        if span.value.0.is_zero() {
            let message = format!("`lake.catalog.{key}` must be longer than nothing, for example \"10s\"");
            reading.fault(span.offset, message);
        }
        *setting = span.value.0;
    }
    Some(CatalogChoice::Rest { settings: Box::new(settings), sigv4 })
}

fn auth(reading: &Reading<'_>, section: &CatalogSection) -> RestAuth {
    if let (Some(token), Some(_)) = (&section.token, &section.credential) {
        reading.fault(token.offset, "`lake.catalog` has both `token` and `credential`: keep one of them");
    }
    for (key, value) in oauth2_keys(section) {
        if section.credential.is_none() {
            let message = format!("`lake.catalog.{key}` has no use without `credential`: give that too, or remove it");
            reading.fault(value.offset, message);
        }
    }
    if let Some(credential) = &section.credential {
        if credential.value.0.reveal().trim_matches(':').is_empty() {
            reading.fault(credential.offset, "`lake.catalog.credential` is empty: write it as \"id:secret\"");
        }
        if let Some(uri) = &section.oauth2_server_uri {
            check_uri(reading, "oauth2_server_uri", uri);
        }
        let text = |value: &Option<Located<String>>| value.as_ref().map(|value| value.value.clone());
        let mut credentials = ClientCredentials::parse(credential.value.0.reveal());
        credentials.scope = text(&section.scope).unwrap_or(credentials.scope);
        credentials.server_uri = text(&section.oauth2_server_uri);
        let more = [("audience", text(&section.audience)), ("resource", text(&section.resource))];
        credentials.parameters = more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        return RestAuth::Credentials(credentials);
    }
    match &section.token {
        Some(token) => {
            if token.value.0.reveal().trim().is_empty() {
                reading.fault(token.offset, "`lake.catalog.token` is empty: give the token, or remove the key");
            }
            RestAuth::Token(token.value.0.clone())
        }
        None => RestAuth::None,
    }
}

fn sigv4(reading: &Reading<'_>, section: &CatalogSection) -> Option<SigV4> {
    let found = section.sigv4.as_ref()?;
    if section.token.is_some() || section.credential.is_some() {
        let message = "`lake.catalog.sigv4` signs with Amazon's credentials: remove `token` and `credential`";
        reading.fault(found.offset, message);
    }
    let region = found.value.region.clone().filter(|region| !region.is_empty());
    if region.is_none() {
        let message = "`lake.catalog.sigv4.region` is missing: give the catalog's region, for example \"eu-central-1\"";
        reading.fault(found.offset, message);
    }
    let service = found.value.service.clone().unwrap_or_else(|| "glue".to_owned());
    if service.is_empty() {
        let message = "`lake.catalog.sigv4.service` is empty: use \"glue\", \"s3tables\" or \"execute-api\"";
        reading.fault(found.offset, message);
    }
    Some(SigV4 { region: region?, service })
}

fn headers(reading: &Reading<'_>, headers: Option<Located<super::values::HiddenTexts>>) -> BTreeMap<String, Secret> {
    let Some(Located { value, offset }) = headers else { return BTreeMap::new() };
    for (name, text) in &value.0 {
        let fits =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !fits || !text.0.reveal().bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            reading.fault(offset, format!("`lake.catalog.headers`: `{name}` is no header that can be sent"));
        }
        if name.eq_ignore_ascii_case("authorization") {
            reading.fault(offset, "`lake.catalog.headers`: give the authorization as `token` or `credential`");
        }
    }
    value.0.into_iter().map(|(name, text)| (name, text.0)).collect()
}

fn check_uri(reading: &Reading<'_>, key: &str, uri: &Located<String>) {
    let rest = uri.value.strip_prefix("https://").or_else(|| uri.value.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.trim_matches('/').is_empty() => {
            let host = rest.split('/').next().unwrap_or_default();
            if host.contains('@') {
                let message = format!("`lake.catalog.{key}` holds a name or password: give them as `credential`");
                reading.fault(uri.offset, message);
            }
            if uri.value.contains(['?', '#']) {
                reading
                    .fault(uri.offset, format!("`lake.catalog.{key}` must end with its path: leave out `?` and `#`"));
            }
        }
        _ => {
            let message = format!("`lake.catalog.{key}` is no address: write it as \"https://catalog.example.com\"");
            reading.fault(uri.offset, message);
        }
    }
}

fn oauth2_keys(section: &CatalogSection) -> impl Iterator<Item = (&'static str, &Located<String>)> {
    let keys = [
        ("scope", &section.scope),
        ("oauth2_server_uri", &section.oauth2_server_uri),
        ("audience", &section.audience),
        ("resource", &section.resource),
    ];
    keys.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
}

fn refuse_rest_keys(reading: &Reading<'_>, section: &CatalogSection) {
    let located = [
        ("uri", section.uri.as_ref().map(|value| value.offset)),
        ("token", section.token.as_ref().map(|value| value.offset)),
        ("credential", section.credential.as_ref().map(|value| value.offset)),
        ("sigv4", section.sigv4.as_ref().map(|value| value.offset)),
        ("headers", section.headers.as_ref().map(|value| value.offset)),
        ("connect_timeout", section.connect_timeout.as_ref().map(|value| value.offset)),
        ("request_timeout", section.request_timeout.as_ref().map(|value| value.offset)),
        ("warehouse", section.warehouse.as_ref().map(|value| value.offset)),
    ];
    let oauth2 = oauth2_keys(section).map(|(key, value)| (key, Some(value.offset)));
    for (key, offset) in located.into_iter().chain(oauth2) {
        if let Some(offset) = offset {
            let message = format!("`lake.catalog.{key}` is for `type = \"rest\"`: set that, or remove the key");
            reading.fault(offset, message);
        }
    }
}
