//! How a REST server is told who asks, and that nobody else is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sluice_platform::Clock;

use super::fixture::{SteppingClock, ident};
use super::http_server::{Handler, Reply, Seen, Server, failure};
use super::rest_answers::{catalog, cause, seams};
use crate::{Catalog, CatalogError, ClientCredentials, RequestSigner, RestAuth, RestSettings};
use sluice_platform::Secret;

/// A server that gives out tokens and lets in the one it gave last.
#[derive(Default)]
struct Guarded {
    given: Mutex<u32>,
    /// Whether every token is refused.
    shut: bool,
}

#[async_trait]
impl Handler for Guarded {
    async fn answer(&self, seen: &Seen) -> Reply {
        if seen.target == "/v1/oauth/tokens" {
            let mut given = self.given.lock().unwrap();
            *given += 1;
            let token = format!("token-{given}");
            return Reply::Json(200, json!({"access_token": token, "token_type": "bearer", "expires_in": 3600}));
        }
        let wanted = format!("Bearer token-{}", self.given.lock().unwrap());
        let came = seen.headers.get("authorization").cloned().unwrap_or_default();
        if self.shut || came != wanted {
            return failure(401, "NotAuthorizedException", &format!("`{came}` is not valid"));
        }
        match seen.target.as_str() {
            "/v1/config?warehouse=w%201" => Reply::Json(200, json!({"overrides": {"prefix": "p"}})),
            _ => failure(404, "NoSuchTableException", "none"),
        }
    }
}

fn settings(server: &Server) -> RestSettings {
    let credentials = ClientCredentials {
        scope: "PRINCIPAL_ROLE:ALL".to_owned(),
        parameters: [("audience".to_owned(), "lake".to_owned())].into(),
        ..ClientCredentials::parse("client:s3cr3t/")
    };
    RestSettings {
        warehouse: Some("w 1".to_owned()),
        auth: RestAuth::Credentials(credentials),
        headers: [("x-iceberg-access-delegation".to_owned(), Secret::new("vended-credentials"))].into(),
        ..RestSettings::new(&server.uri)
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_anew_before_it_expires() {
    let (server, clock) = (Server::start(Arc::new(Guarded::default())), Arc::new(SteppingClock::new()));
    let (catalog, seams) = (catalog(settings(&server), &clock), seams(&clock));
    let tokens = || server.seen().iter().filter(|seen| seen.target == "/v1/oauth/tokens").count();
    let ident = ident();
    let looks = (0..5).map(|_| catalog.load(&seams, &ident, None));
    for found in futures::future::join_all(looks).await {
        assert!(found.unwrap().is_none());
    }
    assert_eq!(tokens(), 1);
    clock.sleep(Duration::from_secs(3545)).await;
    assert!(catalog.load(&seams, &ident, None).await.unwrap().is_none());
    assert_eq!(tokens(), 2);
    let asked = &server.seen()[0];
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "grant_type=client_credentials&client_id=client&client_secret=s3cr3t%2F&scope=PRINCIPAL_ROLE%3AALL&audience=lake"
    );
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let look = server.seen().into_iter().find(|seen| seen.method == "GET").unwrap();
    assert_eq!(look.target, "/v1/p/namespaces/silver/tables/orders");
    assert_eq!(look.headers["x-iceberg-access-delegation"], "vended-credentials");
}

#[tokio::test]
async fn a_token_that_is_no_longer_valid_is_replaced_once() {
    let guarded = Arc::new(Guarded::default());
    let (server, clock) = (Server::start(guarded.clone()), Arc::new(SteppingClock::new()));
    let (catalog, seams) = (catalog(settings(&server), &clock), seams(&clock));
    assert!(catalog.load(&seams, &ident(), None).await.unwrap().is_none());
    *guarded.given.lock().unwrap() += 1;
    assert!(catalog.load(&seams, &ident(), None).await.unwrap().is_none());
    assert_eq!(*guarded.given.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_a_clear_error_without_secrets() {
    let shut = Guarded { shut: true, ..Guarded::default() };
    let (server, clock) = (Server::start(Arc::new(shut)), Arc::new(SteppingClock::new()));
    let catalog = catalog(settings(&server), &clock);
    let error = catalog.load(&seams(&clock), &ident(), None).await.unwrap_err();
    assert!(!error.is_transient());
    let error = cause(error);
    assert!(matches!(error, CatalogError::Denied { .. }), "{error:?}");
    let shown = format!("{error} {error:?} {catalog:?}");
    assert!(shown.contains("is not valid"), "{shown}");
    for secret in ["token-", "s3cr3t", "vended"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert_eq!(server.all_seen().len(), 4, "two tokens, two questions");
}

#[tokio::test]
async fn credentials_that_the_token_server_does_not_know_are_denied() {
    let unknown = Reply::Json(400, json!({"error": "invalid_client", "error_description": "no s3cr3t/"}));
    let (server, clock) = (Server::scripted([unknown]), Arc::new(SteppingClock::new()));
    let error = catalog(settings(&server), &clock).load(&seams(&clock), &ident(), None).await.unwrap_err();
    let text = cause(error).to_string();
    assert!(text.contains("invalid_client: no ***") && text.contains("check the credentials"), "{text}");
}

#[tokio::test]
async fn a_static_token_and_what_it_may_not_do() {
    let forbidden = failure(403, "ForbiddenException", "tok-1 may not read");
    let (server, clock) = (Server::scripted([forbidden]), Arc::new(SteppingClock::new()));
    let settings = RestSettings { auth: RestAuth::Token(Secret::new("tok-1")), ..RestSettings::new(&server.uri) };
    let error = catalog(settings, &clock).load(&seams(&clock), &ident(), None).await.unwrap_err();
    assert!(cause(error).to_string().contains("it answered 403 (ForbiddenException: *** may not read)"));
    assert_eq!(server.seen()[0].headers["authorization"], "Bearer tok-1");
}

#[derive(Debug)]
struct Stamp;

#[async_trait]
impl RequestSigner for Stamp {
    async fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CatalogError> {
        assert!(headers.iter().any(|(name, _)| name == "accept"));
        let path = url.splitn(4, '/').last().unwrap();
        Ok(vec![("authorization".to_owned(), format!("signed {method} {path} {}", body.len()))])
    }
}

#[tokio::test]
async fn every_request_is_signed_where_there_is_a_signer() {
    let missing = failure(404, "NoSuchTableException", "none");
    let (server, clock) = (Server::scripted([missing]), Arc::new(SteppingClock::new()));
    let settings = RestSettings { signer: Some(Arc::new(Stamp)), ..RestSettings::new(&server.uri) };
    assert!(catalog(settings, &clock).load(&seams(&clock), &ident(), None).await.unwrap().is_none());
    let signatures: Vec<_> = server.all_seen().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(signatures, ["signed GET v1/config 0", "signed GET v1/namespaces/silver/tables/orders 0"]);
}
