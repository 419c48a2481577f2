use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluice_platform::Secret;

use crate::CatalogError;

/// How a REST catalog is told who is asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RestAuth {
    /// Not at all, or by a [`RequestSigner`].
    #[default]
    None,
    /// By a bearer token that does not change.
    Token(Secret),
    /// By tokens that are fetched with OAuth2 client credentials.
    Credentials(ClientCredentials),
}

/// OAuth2 client credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The client's name, where the server wants one.
    pub id: Option<String>,
    /// The client's secret.
    pub secret: Secret,
    /// What is asked for.
    pub scope: String,
    /// The token endpoint; by default the catalog's own, `{uri}/v1/oauth/tokens`.
    pub server_uri: Option<String>,
    /// Further parameters of the token request, such as `audience` and `resource`.
    pub parameters: BTreeMap<String, String>,
}

/// Signs whole requests, as Amazon's catalogs want it.
#[async_trait]
pub trait RequestSigner: fmt::Debug + Send + Sync {
    /// The headers that make the request a signed one, to be added to those that it has.
    async fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CatalogError>;
}

/// Where a REST catalog is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// Its address, without the `/v1`.
    pub uri: String,
    /// What the catalog calls the warehouse, where it has several.
    pub warehouse: Option<String>,
    /// How it is told who is asking.
    pub auth: RestAuth,
    /// Signs every request to the catalog.
    pub signer: Option<Arc<dyn RequestSigner>>,
    /// Headers of every request; their values count as secrets.
    pub headers: BTreeMap<String, Secret>,
    /// Properties such as `prefix`; the server's overrides go before them, its defaults after.
    pub properties: BTreeMap<String, String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer read.
    pub request_timeout: Duration,
}

impl RestSettings {
    /// A catalog at this address that asks for no identity.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            warehouse: None,
            auth: RestAuth::None,
            signer: None,
            headers: BTreeMap::new(),
            properties: BTreeMap::new(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl ClientCredentials {
    /// Reads `id:secret`, or a secret alone.
    pub fn parse(credential: &str) -> Self {
        let (id, secret) = match credential.split_once(':') {
            Some((id, secret)) => (Some(id.to_owned()), secret),
            None => (None, credential),
        };
        Self {
            id,
            secret: Secret::new(secret),
            scope: "catalog".to_owned(),
            server_uri: None,
            parameters: BTreeMap::new(),
        }
    }
}
