//! Bearer tokens: fetched by OAuth2 client credentials, kept, and fetched anew before they expire.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::session::encoded;
use super::settings::{ClientCredentials, RestAuth};
use super::transport::{Call, Sent, Transport};
use super::wire::TokenAnswer;
use crate::CatalogError;
use sluice_platform::Secret;

/// A token is fetched anew once this part of its life is left, and not later than a minute before its end.
const SPARE_PART: u64 = 4;
const LONGEST_SPARE_S: u64 = 60;

/// A bearer token, and which one of those fetched.
#[derive(Debug, Clone)]
pub(super) struct Bearer {
    pub token: Arc<Secret>,
    number: u64,
}

#[derive(Debug)]
pub(super) struct Tokens {
    auth: RestAuth,
    endpoint: String,
    /// Held while a token is fetched, so that one is fetched at a time.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    bearer: Bearer,
    refresh_us: Option<i64>,
    expiry_us: Option<i64>,
}

impl Tokens {
    pub fn new(auth: RestAuth, uri: &str) -> Self {
        let own = match &auth {
            RestAuth::Credentials(credentials) => credentials.server_uri.clone(),
            RestAuth::None | RestAuth::Token(_) => None,
        };
        Self { auth, endpoint: own.unwrap_or_else(|| format!("{uri}/v1/oauth/tokens")), held: Mutex::new(None) }
    }

    /// The token to use; another one than `rejected`, if that is still the one held.
    pub async fn bearer(
        &self,
        transport: &Transport,
        rejected: Option<&Bearer>,
    ) -> Result<Option<Bearer>, CatalogError> {
        let credentials = match &self.auth {
            RestAuth::None => return Ok(None),
            RestAuth::Token(token) => return Ok(Some(Bearer { token: Arc::new(token.clone()), number: 0 })),
            RestAuth::Credentials(credentials) => credentials,
        };
        let mut held = self.held.lock().await;
        let now = transport.clock.now_us();
        let mut usable = None;
        if let Some(held) = &*held
            && rejected.is_none_or(|rejected| rejected.number != held.bearer.number)
        {
            if held.refresh_us.is_none_or(|at| now < at) {
                return Ok(Some(held.bearer.clone()));
            }
            usable = held.expiry_us.filter(|at| now < *at).map(|_| held.bearer.clone());
        }
        let number = held.as_ref().map_or(1, |held| held.bearer.number + 1);
        match (self.fetch(transport, credentials).await, usable) {
            (Ok(answer), _) => {
                let lasts = answer.expires_in.filter(|seconds| *seconds > 0);
                let after = |seconds: u64| {
                    now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
                };
                let bearer = Bearer { token: Arc::new(Secret::new(answer.access_token)), number };
                *held = Some(Held {
                    bearer: bearer.clone(),
                    refresh_us: lasts.map(|lasts| after(lasts - (lasts / SPARE_PART).min(LONGEST_SPARE_S))),
                    expiry_us: lasts.map(after),
                });
                Ok(Some(bearer))
            }
            (Err(error), Some(bearer)) => {
                tracing::warn!(%error, "no new token could be fetched; the old one is still used");
                Ok(Some(bearer))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Whether another token can be had.
    pub fn renewable(&self) -> bool {
        matches!(self.auth, RestAuth::Credentials(_))
    }

    async fn fetch(&self, transport: &Transport, credentials: &ClientCredentials) -> Result<TokenAnswer, CatalogError> {
        let mut form = String::from("grant_type=client_credentials");
        let id = credentials.id.as_deref().map(|id| ("client_id", id));
        let fixed = [("client_secret", credentials.secret.reveal()), ("scope", &credentials.scope)];
        let more = credentials.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in id.into_iter().chain(fixed).chain(more) {
            form.push_str(&format!("&{name}={}", encoded(value)));
        }
        let asked = Call::new(reqwest::Method::POST, &self.endpoint, "give a token");
        let call = Call { form: true, repeatable: true, body: Some(form.into()), ..asked };
        let hide = [credentials.secret.reveal()];
        let answer = match transport.repeat(&call, &hide).await? {
            Sent::Answered(answer) => answer,
            Sent::Silent(error) => return Err(error),
        };
        if !answer.status.is_success() {
            // Token endpoints say 400 of credentials that they do not know.
            return Err(match answer.status.as_u16() {
                400 => transport.denied(call.operation, &answer),
                _ => transport.refusal(call.operation, &answer),
            });
        }
        let read = answer.body().and_then(|body| Ok(serde_json::from_slice::<TokenAnswer>(&body)?));
        let read = read.map_err(|error| transport.unavailable("give a token that can be read", error))?;
        match read.token_type.as_deref() {
            None => Ok(read),
            Some(kind) if kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("n_a") => Ok(read),
            Some(kind) => {
                Err(transport.refused(call.operation, format!("it gives `{kind}` tokens, not bearer tokens")))
            }
        }
    }
}
