//! S3 as a server really answers.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use sluice_aws::{AwsContext, AwsSettings, S3Storage, StaticCredentials};
use sluice_platform::{Secret, Storage, StorageErrorKind, SystemClock, SystemEntropy};
use sluice_tests::services::bucket::Account;
use sluice_tests::services::versitygw;

/// A server and a folder in its bucket that nobody else uses.
struct Server {
    settings: AwsSettings,
    folder: String,
}

impl Server {
    fn given(test: &str) -> Option<Self> {
        let server = versitygw::shared()?;
        let (bucket, account) = (server.bucket("s3-storage"), Account::default());
        let credentials = StaticCredentials {
            access_key_id: account.access_key,
            secret_access_key: Secret::new(account.secret_key),
            session_token: None,
        };
        let settings =
            AwsSettings { endpoint: Some(server.endpoint()), credentials: Some(credentials), ..AwsSettings::default() };
        Some(Self { settings, folder: format!("s3://{}/{test}", bucket.name()) })
    }

    fn storage(&self) -> S3Storage {
        storage(self.settings.clone())
    }
}

fn storage(settings: AwsSettings) -> S3Storage {
    S3Storage::new(AwsContext::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)))
}

/// Bytes that differ at every place, so that parts in the wrong order show.
fn content(length: usize) -> Bytes {
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

async fn write_all(storage: &S3Storage, locations: impl Iterator<Item = String>) {
    futures::stream::iter(locations)
        .map(|location| async move { storage.write(&location, Bytes::from_static(b"x")).await.unwrap() })
        .buffer_unordered(64)
        .collect::<Vec<()>>()
        .await;
}

#[tokio::test]
async fn more_than_a_page_is_listed_in_order_and_from_any_place_on() {
    let Some(server) = Server::given("listing") else { return };
    let (storage, folder) = (server.storage(), &server.folder);
    write_all(&storage, (0..1_100).map(|n| format!("{folder}/t/{n:05}.csv"))).await;
    write_all(&storage, ["u/a", "v w/b", "t-2/c"].iter().map(|name| format!("{folder}/{name}"))).await;
    let listed = storage.list(&format!("{folder}/t")).await.unwrap();
    assert_eq!(listed.len(), 1_100);
    assert!(listed.is_sorted_by(|a, b| a.location < b.location));
    assert!(listed.iter().all(|object| object.size == 1 && object.arrived_us > 0 && !object.etag.is_empty()));
    let after = storage.list_after(&format!("{folder}/t/"), Some(&format!("{folder}/t/01089.csv"))).await.unwrap();
    assert_eq!(after, listed[1_090..]);
    assert_eq!(storage.list_after(folder, Some(&format!("{folder}/u/a"))).await.unwrap().len(), 1);
    assert_eq!(storage.list(folder).await.unwrap().len(), 1_103);
    assert_eq!(storage.list_folders(folder).await.unwrap(), ["t", "t-2", "u", "v w"]);
    assert!(storage.list(&format!("{folder}/nothing")).await.unwrap().is_empty());
    assert_eq!(storage.head(&listed[7].location).await.unwrap(), listed[7]);
}

#[tokio::test]
async fn large_objects_go_up_and_come_down_in_parts() {
    let Some(server) = Server::given("parts") else { return };
    let (storage, bytes) = (server.storage(), content((40 << 20) + 17));
    let location = format!("{}/large", server.folder);
    storage.write(&location, bytes.clone()).await.unwrap();
    assert_eq!(storage.head(&location).await.unwrap().size, bytes.len() as u64);
    assert!(storage.read(&location).await.unwrap() == bytes);
    for range in [0..1, 0..bytes.len(), (8 << 20) - 1..(24 << 20) + 1, bytes.len() - 5..bytes.len(), 7..7] {
        let read = storage.read_range(&location, range.start as u64..range.end as u64).await.unwrap();
        assert!(read == bytes.slice(range.clone()), "{range:?}");
    }
    for beyond in [0..bytes.len() as u64 + 1, bytes.len() as u64..bytes.len() as u64 + 1] {
        assert_eq!(storage.read_range(&location, beyond).await.unwrap_err().kind, StorageErrorKind::Other);
    }
}

#[tokio::test]
async fn small_and_empty_objects_are_replaced_and_removed() {
    let Some(server) = Server::given("small") else { return };
    let (storage, location) = (server.storage(), format!("{}/a/small", server.folder));
    for length in [0, 1, 1 << 20, 8 << 20, (8 << 20) + 1, 0] {
        let bytes = content(length);
        storage.write(&location, bytes.clone()).await.unwrap();
        assert!(storage.read(&location).await.unwrap() == bytes, "{length}");
    }
    storage.delete(&location).await.unwrap();
    storage.delete(&location).await.unwrap();
    assert_eq!(storage.read(&location).await.unwrap_err().kind, StorageErrorKind::NotFound);
}

#[tokio::test]
async fn keys_may_hold_any_character_that_folders_of_partitions_do() {
    let Some(server) = Server::given("keys") else { return };
    let (storage, folder) = (server.storage(), &server.folder);
    for name in ["day=2026-11-24/a b.csv", "plus+plus", "100%", "%2F%20", "é日本.csv", "a&b?c#d", "(x)'y'~z!*,;@:$"]
    {
        let location = format!("{folder}/k/{name}");
        storage.write(&location, Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
        assert_eq!(storage.read(&location).await.unwrap(), name.as_bytes(), "{name}");
        assert_eq!(storage.head(&location).await.unwrap().location, location);
        let listed = storage.list(&format!("{folder}/k")).await.unwrap();
        assert!(listed.iter().any(|object| object.location == location), "{name}: {listed:?}");
        let from_there = storage.list_after(&format!("{folder}/k"), Some(&location)).await.unwrap();
        assert!(from_there.iter().all(|object| object.location > location), "{name}");
        storage.delete(&location).await.unwrap();
    }
    assert!(storage.list(folder).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_missing_or_forbidden_is_said_plainly() {
    let Some(server) = Server::given("faults") else { return };
    let (storage, nothing) = (server.storage(), format!("{}/nothing", server.folder));
    for error in [
        storage.read(&nothing).await.unwrap_err(),
        storage.head(&nothing).await.unwrap_err(),
        storage.read_range(&nothing, 0..1).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StorageErrorKind::NotFound, "{error:?}");
    }
    let no_bucket = "s3://no-such-bucket-of-sluice/x";
    for error in [
        storage.list(no_bucket).await.unwrap_err(),
        storage.read(no_bucket).await.unwrap_err(),
        storage.write(no_bucket, Bytes::new()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StorageErrorKind::NotFound, "{error:?}");
        let words = error.source.to_string();
        assert!(
            words.contains("there is no bucket `no-such-bucket-of-sluice`") && words.contains("HTTP 404"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_wrong_secret_is_no_permission_and_is_not_shown() {
    let Some(mut server) = Server::given("secret") else { return };
    if let Some(credentials) = &mut server.settings.credentials {
        credentials.secret_access_key = Secret::new("wrong-secret");
    }
    let error = server.storage().list(&server.folder).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::PermissionDenied);
    assert!(error.source.to_string().contains("the secret access key is wrong"), "{error:?}");
    assert!(!format!("{error:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn a_server_that_is_down_is_a_passing_fault_within_the_deadline() {
    let credentials =
        StaticCredentials { access_key_id: "AK".into(), secret_access_key: Secret::new("SK"), session_token: None };
    // A listener that never answers, and a port where nobody listens.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_at = closed.local_addr().unwrap();
    drop(closed);
    for address in [silent_at, closed_at] {
        let storage = storage(AwsSettings {
            endpoint: Some(format!("http://{address}")),
            credentials: Some(credentials.clone()),
            attempt_timeout: Duration::from_millis(300),
            operation_timeout: Duration::from_secs(2),
            ..AwsSettings::default()
        });
        let began = Instant::now();
        let error = storage.read("s3://bucket/key").await.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Transient, "{error:?}");
        assert!(error.source.to_string().contains(&format!("the S3 server http://{address}")), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
