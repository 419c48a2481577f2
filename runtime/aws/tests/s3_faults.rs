//! A server that answers by a script: what S3 does on a bad day.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says what it skipped, and runs in real time"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sluice_aws::{AwsContext, AwsSettings, S3Storage, StaticCredentials};
use sluice_platform::Secret;
use sluice_platform::{Storage, StorageErrorKind, SystemClock, SystemEntropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

const PART: usize = 8 << 20;

/// A request: its first line, its headers in lower case, and how many came before it.
#[derive(Debug, Clone)]
struct Request {
    line: String,
    head: String,
    before: usize,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// An answer: its head without the length, its length, and the bytes that are really sent before the connection ends.
struct Answer {
    head: String,
    length: usize,
    body: Vec<u8>,
}

fn answer(head: &str, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    Answer { head: head.to_owned(), length: body.len(), body }
}

fn refusal(status: &str, code: &str) -> Answer {
    answer(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>"))
}

struct Server {
    storage: S3Storage,
    asked: Arc<Mutex<Vec<Request>>>,
    _listening: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (log, script) = (Arc::clone(&asked), Arc::new(script));
        let listening = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move { serve(connection, &log, script.as_ref()).await });
            }
        });
        let settings = AwsSettings {
            endpoint: Some(endpoint),
            credentials: Some(StaticCredentials {
                access_key_id: "AK".into(),
                secret_access_key: Secret::new("SK"),
                session_token: None,
            }),
            attempt_timeout: Duration::from_secs(5),
            ..AwsSettings::default()
        };
        let context = AwsContext::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy));
        Self { storage: S3Storage::new(context), asked, _listening: AbortOnDropHandle::new(listening) }
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request; every answer ends its connection.
async fn serve(
    mut connection: TcpStream,
    asked: &Mutex<Vec<Request>>,
    script: &(impl Fn(&Request) -> Answer + Send + Sync),
) -> Option<()> {
    let mut read = Vec::new();
    let head_end = loop {
        if connection.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&read[..head_end]).replace("\r\n", "\n");
    let (line, head) = text.split_once('\n')?;
    let mut request = Request { line: line.to_owned(), head: head.to_lowercase(), before: 0 };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while read.len() - head_end < length {
        if connection.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let answer = {
        let mut asked = asked.lock().unwrap();
        request.before = asked.len();
        asked.push(request.clone());
        script(&request)
    };
    let head = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.head, answer.length);
    connection.write_all(head.as_bytes()).await.ok()?;
    if !request.line.starts_with("HEAD") {
        connection.write_all(&answer.body).await.ok()?;
    }
    connection.shutdown().await.ok()
}

/// The bytes of the object at these places.
fn content(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(|at| (at % 251) as u8).collect()
}

/// The part that a request asks for.
fn range_of(request: &Request) -> std::ops::Range<usize> {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = range.unwrap();
    start.parse().unwrap()..end.parse::<usize>().unwrap() + 1
}

/// A part of an object of `length` bytes, as S3 hands it out; only `sent` bytes of it arrive.
fn part(request: &Request, length: usize, sent: usize) -> Answer {
    let asked = range_of(request);
    let range = asked.start..asked.end.min(length);
    let head = format!(
        "206 Partial Content\r\nContent-Range: bytes {}-{}/{length}\r\nETag: \"one\"",
        range.start,
        range.end - 1
    );
    let mut body = content(range.clone());
    body.truncate(sent);
    Answer { head, length: range.len(), body }
}

#[tokio::test]
async fn bytes_that_break_off_are_asked_for_from_there_on_and_of_the_same_content() {
    let length = PART + 1_000;
    let server = Server::start(move |request| part(request, length, 3 << 20)).await;
    let read = server.storage.read("s3://bucket/key").await.unwrap();
    assert!(read == content(0..length));
    let asked = server.asked();
    assert!(asked.len() >= 4, "{asked:?}");
    assert_eq!(range_of(&asked[0]), 0..PART);
    assert!(asked[1..].iter().all(|request| request.header("if-match") == Some("\"one\"")), "{asked:?}");
    // What had arrived is not asked for again.
    assert!(range_of(&asked[1]).start > 0 && range_of(&asked[1]).end == PART, "{asked:?}");
}

#[tokio::test]
async fn an_answer_that_never_brings_anything_is_a_fault_in_the_end() {
    let server = Server::start(|request| part(request, 1_000, 0)).await;
    let error = server.storage.read("s3://bucket/key").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Transient);
    assert!(error.source.to_string().contains("its bytes"), "{error:?}");
    assert!(server.asked().len() <= 10);
}

#[tokio::test]
async fn two_contents_are_never_mixed() {
    let server = Server::start(|request| match request.header("if-match") {
        None => part(request, 3 * PART, PART),
        Some(_) => refusal("412 Precondition Failed", "PreconditionFailed"),
    })
    .await;
    for read in
        [server.storage.read("s3://bucket/key").await, server.storage.read_range("s3://bucket/key", 0..9 << 20).await]
    {
        let error = read.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Transient);
        assert!(error.source.to_string().contains("changed while it was being read"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_whole_and_not_trusted_with_a_part() {
    let server = Server::start(|_| answer("200 OK", content(0..5_000))).await;
    assert!(server.storage.read("s3://bucket/key").await.unwrap() == content(0..5_000));
    let error = server.storage.read_range("s3://bucket/key", 10..20).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Other);
}

#[tokio::test]
async fn a_storage_that_asks_to_slow_down_is_tried_again_and_then_told_of() {
    let server = Server::start(|request| match request.before {
        0 | 1 => refusal("503 Slow Down", "SlowDown"),
        _ => part(request, 10, 10),
    })
    .await;
    assert_eq!(server.storage.read("s3://bucket/key").await.unwrap(), content(0..10));
    assert_eq!(server.asked().len(), 3);
    let server = Server::start(|_| refusal("503 Slow Down", "SlowDown")).await;
    let error = server.storage.write("s3://bucket/key", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Transient);
    assert!(error.source.to_string().contains("slow down"), "{error:?}");
    assert_eq!(server.asked().len(), 5);
}

const BEGUN: &str = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><UploadId>u1</UploadId>\
                     </InitiateMultipartUploadResult>";

#[tokio::test]
async fn an_upload_that_fails_is_removed() {
    let server = Server::start(|request| match request.line.split(' ').next() {
        Some("POST") => answer("200 OK", BEGUN),
        Some("DELETE") => answer("204 No Content", ""),
        _ if request.line.contains("partNumber=2") => refusal("403 Forbidden", "AccessDenied"),
        _ => answer("200 OK\r\nETag: \"p\"", ""),
    })
    .await;
    let error = server.storage.write("s3://bucket/key", vec![7; 3 * PART].into()).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::PermissionDenied);
    let asked = server.asked();
    assert!(asked.iter().any(|request| request.line.starts_with("DELETE") && request.line.contains("uploadId=u1")));
    assert!(!asked.iter().any(|request| request.line.starts_with("POST") && request.line.contains("uploadId")));
}

#[tokio::test]
async fn an_upload_whose_last_answer_got_lost_is_found_to_be_there() {
    let server = Server::start(|request| match request.line.split(' ').next() {
        Some("POST") if request.line.contains("uploadId") => refusal("404 Not Found", "NoSuchUpload"),
        Some("POST") => answer("200 OK", BEGUN),
        Some("HEAD") => Answer { head: "200 OK\r\nETag: \"x-3\"".into(), length: 3 * PART, body: Vec::new() },
        _ => answer("200 OK\r\nETag: \"p\"", ""),
    })
    .await;
    server.storage.write("s3://bucket/key", vec![7; 3 * PART].into()).await.unwrap();
    assert!(!server.asked().iter().any(|request| request.line.starts_with("DELETE")));
}

#[tokio::test]
async fn the_region_of_a_bucket_elsewhere_is_told() {
    let server =
        Server::start(|_| refusal("301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1", "PermanentRedirect"))
            .await;
    let error = server.storage.list("s3://bucket/folder").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Other);
    assert!(error.source.to_string().contains("which is `eu-west-1`"), "{error:?}");
}
