//! What each kind of answer of a REST server means for a change.

use std::sync::Arc;
use std::time::Duration;

use iceberg::TableUpdate;
use serde_json::{Value, json};
use sluice_platform::{Clock, MemoryStorage, SeededEntropy};

use super::fixture::{Fixture, SteppingClock, ident};
use super::http_server::{Reply, Server, failure};
use crate::{
    Catalog, CatalogError, CatalogOutcome, FormatVersion, LakeError, Proposal, RestCatalog, RestSettings, Role, Seams,
    StoredTable,
};

pub fn seams(clock: &Arc<SteppingClock>) -> Seams {
    Seams {
        storage: Arc::new(MemoryStorage::default()),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(1)),
        role: Role::Silver,
    }
}

pub fn catalog(settings: RestSettings, clock: &Arc<SteppingClock>) -> RestCatalog {
    RestCatalog::new(settings, clock.clone(), Arc::new(SeededEntropy::new(1))).unwrap()
}

pub fn cause(error: LakeError) -> CatalogError {
    match error {
        LakeError::Catalog { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

/// A table as a server shows it.
pub async fn stored() -> StoredTable {
    Fixture::new(1).table(FormatVersion::V3).await.stored
}

pub fn shown(stored: &StoredTable, location: &str) -> Value {
    json!({"metadata-location": location, "metadata": *stored.metadata})
}

fn rename() -> Proposal {
    let updates = vec![TableUpdate::SetProperties { updates: [("a".to_owned(), "b".to_owned())].into() }];
    Proposal { requirements: Vec::new(), updates }
}

/// Sends a change to a server that answers so.
async fn commit(replies: Vec<Reply>) -> (Result<CatalogOutcome, LakeError>, Server, Arc<SteppingClock>) {
    // Only where no answer comes is the deadline waited for.
    let silent = replies.iter().any(|reply| matches!(reply, Reply::Never));
    let request_timeout = if silent { Duration::from_millis(300) } else { Duration::from_secs(60) };
    let (server, clock) = (Server::scripted(replies), Arc::new(SteppingClock::new()));
    let settings = RestSettings { request_timeout, ..RestSettings::new(&server.uri) };
    let outcome = catalog(settings, &clock).commit(&seams(&clock), &ident(), &stored().await, rename()).await;
    (outcome, server, clock)
}

#[tokio::test]
async fn a_change_that_the_server_made_is_committed_as_the_server_shows_it() {
    let there = stored().await;
    let (outcome, server, _) = commit(vec![Reply::Json(200, shown(&there, "file:///lake/2.json"))]).await;
    let outcome = outcome.unwrap();
    assert!(matches!(&outcome, CatalogOutcome::Committed(now) if now.location() == "file:///lake/2.json"));
    let request = &server.seen()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/namespaces/silver/tables/orders"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["identifier"], json!({"namespace": ["silver"], "name": "orders"}));
    assert_eq!(body["updates"], json!([{"action": "set-properties", "updates": {"a": "b"}}]));
}

#[tokio::test]
async fn a_change_that_was_overtaken_is_a_conflict() {
    for reply in [failure(409, "CommitFailedException", "requirement failed"), Reply::Cut(409)] {
        let (outcome, _, _) = commit(vec![reply]).await;
        assert!(matches!(outcome, Ok(CatalogOutcome::Conflict)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_change_without_a_clear_answer_is_unknown_and_not_sent_again() {
    let failures = [500, 502, 503, 504].map(|status| failure(status, "CommitStateUnknownException", "?"));
    let broken = [Reply::Lost, Reply::Never, Reply::Cut(200), Reply::Text(200, "<html>"), Reply::Text(504, "gateway")];
    for reply in failures.into_iter().chain(broken) {
        let (outcome, server, _) = commit(vec![reply.clone()]).await;
        assert!(matches!(outcome, Ok(CatalogOutcome::Unknown(_))), "{reply:?}: {outcome:?}");
        assert_eq!(server.seen().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_has_changed_nothing() {
    let clock = Arc::new(SteppingClock::new());
    let uri = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let catalog = catalog(RestSettings::new(uri), &clock);
    let error = catalog.commit(&seams(&clock), &ident(), &stored().await, rename()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(matches!(cause(error), CatalogError::Unavailable { operation: "be reached", .. }));
}

#[tokio::test]
async fn a_change_that_the_server_was_too_busy_for_is_sent_again_when_it_says() {
    let there = stored().await;
    let busy = Reply::With(429, json!({}), "retry-after", "7".to_owned());
    let done = Reply::Json(200, shown(&there, "file:///lake/2.json"));
    let (outcome, server, clock) = commit(vec![busy.clone(), done]).await;
    assert!(matches!(outcome, Ok(CatalogOutcome::Committed(_))), "{outcome:?}");
    assert_eq!(server.seen().len(), 2);
    assert!(clock.now_us() >= 1_700_000_000_000_000 + 7_000_000);
    let (outcome, server, _) = commit(vec![busy; 9]).await;
    assert!(outcome.unwrap_err().is_transient());
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_change_that_the_server_refuses_says_why() {
    for status in [400, 422] {
        let refusal = failure(status, "ValidationException", "the schema is wrong");
        let now = Reply::Json(200, shown(&stored().await, stored().await.location()));
        let (outcome, _, _) = commit(vec![refusal, now]).await;
        let error = outcome.unwrap_err();
        assert!(!error.is_transient());
        let text = cause(error).to_string();
        assert!(text.contains("refused to change the table") && text.contains("the schema is wrong"), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_change_to_an_outdated_table_is_a_conflict() {
    let newer = Reply::Json(200, shown(&stored().await, "file:///lake/newer.json"));
    let refusal = failure(400, "ValidationException", "the sequence number is too old");
    let (outcome, _, _) = commit(vec![refusal, newer]).await;
    assert!(matches!(outcome, Ok(CatalogOutcome::Conflict)), "{outcome:?}");
}

#[tokio::test]
async fn a_table_that_went_is_missing_and_a_route_that_went_is_not() {
    let (outcome, _, _) = commit(vec![failure(404, "NoSuchTableException", "gone")]).await;
    assert!(matches!(outcome, Err(LakeError::Missing(_))), "{outcome:?}");
    let (outcome, _, _) = commit(vec![Reply::Text(404, "no such page")]).await;
    assert!(matches!(cause(outcome.unwrap_err()), CatalogError::Refused { .. }));
}

#[tokio::test]
async fn looks_at_a_table_are_repeated_a_bounded_number_of_times() {
    let clock = Arc::new(SteppingClock::new());
    let there = stored().await;
    let answer = Reply::Json(200, shown(&there, there.location()));
    let server = Server::scripted([Reply::Text(503, ""), Reply::Lost, Reply::Cut(502), answer]);
    let found = catalog(RestSettings::new(&server.uri), &clock).load(&seams(&clock), &ident(), None).await;
    assert_eq!(found.unwrap().unwrap().location(), there.location());
    let server = Server::scripted(vec![Reply::Text(503, ""); 9]);
    let error = catalog(RestSettings::new(&server.uri), &clock).load(&seams(&clock), &ident(), None).await;
    assert!(error.unwrap_err().is_transient());
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_known_table_is_not_read_again() {
    let clock = Arc::new(SteppingClock::new());
    let there = stored().await;
    let tagged = |tag: &str| Reply::With(200, shown(&there, there.location()), "etag", tag.to_owned());
    let same_without_tag = Reply::Json(200, json!({"metadata-location": there.location(), "metadata": {}}));
    let server = Server::scripted([tagged("\"1\""), Reply::Json(304, json!({})), same_without_tag]);
    let catalog = catalog(RestSettings::new(&server.uri), &clock);
    let seams = seams(&clock);
    let mut known = catalog.load(&seams, &ident(), None).await.unwrap().unwrap();
    for _ in 0..2 {
        let again = catalog.load(&seams, &ident(), Some(&known)).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&again.metadata, &known.metadata));
        known = again;
    }
    let tags: Vec<_> = server.seen().iter().map(|seen| seen.headers.get("if-none-match").cloned()).collect();
    assert_eq!(tags, [None, Some("\"1\"".to_owned()), Some("\"1\"".to_owned())]);
}

#[tokio::test]
async fn listings_are_read_page_by_page_and_down_the_namespaces() {
    let clock = Arc::new(SteppingClock::new());
    let table = |namespace: &[&str], name: &str| json!({"namespace": namespace, "name": name});
    let server = Server::scripted([
        Reply::Json(200, json!({"namespaces": [["a"]], "next-page-token": "p 2"})),
        Reply::Json(200, json!({"namespaces": [["b"]], "next-page-token": null})),
        Reply::Json(200, json!({"namespaces": [["a", "x"]]})),
        Reply::Json(200, json!({"identifiers": [table(&["a"], "t2")], "next-page-token": "n"})),
        Reply::Json(200, json!({"identifiers": [table(&["a"], "t1")]})),
        Reply::Json(200, json!({"namespaces": []})),
        failure(404, "NoSuchNamespaceException", "it went meanwhile"),
        Reply::Json(200, json!({"namespaces": []})),
        Reply::Json(200, json!({"identifiers": [table(&["a", "x"], "deep")]})),
    ]);
    let listed = catalog(RestSettings::new(&server.uri), &clock).list().await.unwrap();
    let names: Vec<_> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a.t1", "a.t2", "a.x.deep"]);
    let targets: Vec<_> = server.seen().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(targets[1], "/v1/namespaces?pageToken=p%202");
    assert_eq!(targets[2], "/v1/namespaces?parent=a");
    assert_eq!(targets[4], "/v1/namespaces/a/tables?pageToken=n");
    assert_eq!(targets[8], "/v1/namespaces/a%1Fx/tables");
}
