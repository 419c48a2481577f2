//! Requests with an identity: tokens, signatures, the configured headers, and the server's routes.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use sluice_platform::{Clock, Entropy};
use tokio::sync::OnceCell;

use super::session::{Session, encoded};
use super::settings::{RequestSigner, RestAuth, RestSettings};
use super::token::{Bearer, Tokens};
use super::transport::{Call, Sent, Transport};
use crate::CatalogError;

#[derive(Debug)]
pub(super) struct Client {
    pub transport: Transport,
    settings: RestSettings,
    uri: String,
    tokens: Tokens,
    signer: Option<Arc<dyn RequestSigner>>,
    headers: HeaderMap,
    session: OnceCell<Session>,
}

impl Client {
    pub fn new(settings: RestSettings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, CatalogError> {
        let uri = settings.uri.trim_end_matches('/').to_owned();
        check_address(&settings.uri)?;
        let transport = Transport::new(&settings, clock, entropy)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let bad = |_| transport.refused("be asked", format!("`{name}` cannot be a header: correct `headers`"));
            let key = HeaderName::try_from(name).map_err(|_| bad(()))?;
            let mut value = HeaderValue::try_from(value.reveal()).map_err(|_| bad(()))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let tokens = Tokens::new(settings.auth.clone(), &uri);
        let signer = settings.signer.clone();
        Ok(Self { transport, settings, uri, tokens, signer, headers, session: OnceCell::new() })
    }

    /// The server's routes, asked for once.
    pub async fn session(&self) -> Result<&Session, CatalogError> {
        self.session.get_or_try_init(|| self.configure()).await
    }

    async fn configure(&self) -> Result<Session, CatalogError> {
        let mut url = format!("{}/v1/config", self.uri);
        if let Some(warehouse) = &self.settings.warehouse {
            url.push_str(&format!("?warehouse={}", encoded(warehouse)));
        }
        let call = Call::new(Method::GET, &url, "say how it is configured");
        let answer = match self.exchange(&call, &[]).await? {
            Sent::Answered(answer) => answer,
            Sent::Silent(error) => return Err(error),
        };
        if !answer.status.is_success() {
            return Err(self.transport.refusal(call.operation, &answer));
        }
        let read = answer.body().map_err(|error| self.transport.unavailable(call.operation, error))?;
        let read = serde_json::from_slice(&read).map_err(|error| {
            let message = format!("what it answers is not the configuration of an Iceberg REST catalog ({error})");
            self.transport.refused(call.operation, format!("{message}: check `uri`, which is written without `/v1`"))
        })?;
        Ok(Session::new(&self.uri, &self.settings.properties, read))
    }

    /// Sends a request to one of the server's routes. An `Err` means that the server has not acted on it.
    pub async fn send(&self, session: &Session, call: &Call<'_>) -> Result<Sent, CatalogError> {
        self.exchange(call, &session.headers).await
    }

    /// A request with a JSON body.
    pub fn posting<'a>(
        &self,
        url: &'a str,
        operation: &'static str,
        body: &impl Serialize,
    ) -> Result<Call<'a>, CatalogError> {
        let body = serde_json::to_vec(body).map_err(|error| self.transport.refused(operation, error.to_string()))?;
        Ok(Call { body: Some(body.into()), ..Call::new(Method::POST, url, operation) })
    }

    async fn exchange(&self, call: &Call<'_>, more: &[(HeaderName, HeaderValue)]) -> Result<Sent, CatalogError> {
        let mut bearer = self.tokens.bearer(&self.transport, None).await?;
        let (mut attempt, mut renewed) = (1, false);
        loop {
            let headers = self.identified(call, more, bearer.as_ref()).await?;
            let sent = self.transport.once(call, &headers, &self.hidden(bearer.as_ref())).await?;
            if let Sent::Answered(answer) = &sent
                && matches!(answer.status.as_u16(), 401 | 419)
                && self.tokens.renewable()
                && !renewed
            {
                renewed = true;
                bearer = self.tokens.bearer(&self.transport, bearer.as_ref()).await?;
                continue;
            }
            let Some(wait) = self.transport.wait(call, &sent, attempt) else { return Ok(sent) };
            tracing::debug!(attempt, operation = call.operation, "the catalog is asked again");
            self.transport.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    /// The headers that say who asks.
    async fn identified(
        &self,
        call: &Call<'_>,
        more: &[(HeaderName, HeaderValue)],
        bearer: Option<&Bearer>,
    ) -> Result<HeaderMap, CatalogError> {
        let mut headers: HeaderMap = more.iter().cloned().collect();
        headers.extend(self.headers.clone());
        if let Some(bearer) = bearer {
            let value = HeaderValue::try_from(format!("Bearer {}", bearer.token.reveal()));
            let mut value = value.map_err(|_| {
                self.transport.refused("be asked", "the token holds characters that no header may: correct `token`")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(signer) = &self.signer {
            let mut all = self.transport.content(call);
            all.extend(headers.clone());
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let shown: Vec<_> = all.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let body = call.body.as_deref().unwrap_or_default();
            for (name, value) in signer.sign(call.method.as_str(), call.url, &shown, body).await? {
                let bad = |_| self.transport.refused("be asked", format!("the signature's `{name}` is no header"));
                let key = HeaderName::try_from(&name).map_err(|_| bad(()))?;
                let mut value = HeaderValue::try_from(value).map_err(|_| bad(()))?;
                value.set_sensitive(true);
                headers.insert(key, value);
            }
        }
        Ok(headers)
    }

    /// What no error may show.
    fn hidden<'a>(&'a self, bearer: Option<&'a Bearer>) -> Vec<&'a str> {
        let mut hidden: Vec<&str> = self.settings.headers.values().map(|value| value.reveal()).collect();
        hidden.extend(bearer.map(|bearer| bearer.token.reveal()));
        if let RestAuth::Credentials(credentials) = &self.settings.auth {
            hidden.push(credentials.secret.reveal());
        }
        hidden
    }
}

fn check_address(uri: &str) -> Result<(), CatalogError> {
    let refused = |message: &str| CatalogError::Refused {
        catalog: "rest".to_owned(),
        operation: "be opened",
        message: format!("{message}: correct `uri`"),
    };
    let url = Url::parse(uri).map_err(|error| refused(&format!("its address cannot be read ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("its address does not begin with http:// or https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("its address holds a name or password, which belong in `credential`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("its address goes on after its path"));
    }
    Ok(())
}
