//! A queue as a server really answers. Runs where `SLUICE_SQS_ENDPOINT` is set, and says that it does not otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says what it skipped, and runs in real time"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_aws::{AwsContext, AwsSettings, Notifications, QueueSettings, StaticCredentials};
use sluice_platform::Secret;
use sluice_platform::{Entropy, SystemClock, SystemEntropy};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const DEADLINE: Duration = Duration::from_secs(30);

/// The protocol of SQS, as a test needs it: one request, one JSON answer.
async fn call(endpoint: &str, action: &str, request: serde_json::Value) -> serde_json::Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = endpoint.trim_start_matches("http://");
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    let body = request.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AK/20261124/us-east-1/sqs/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).unwrap_or(serde_json::Value::Null)
}

fn context() -> Arc<AwsContext> {
    let credentials =
        StaticCredentials { access_key_id: "AK".into(), secret_access_key: Secret::new("SK"), session_token: None };
    let settings =
        AwsSettings { credentials: Some(credentials), region: Some("us-east-1".into()), ..AwsSettings::default() };
    AwsContext::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn word_of_objects_arrives_and_messages_are_removed() {
    let Ok(endpoint) = std::env::var("SLUICE_SQS_ENDPOINT") else {
        eprintln!("word_of_objects_arrives was skipped: set SLUICE_SQS_ENDPOINT to run it");
        return;
    };
    let name = format!("sluice-{:x}", SystemEntropy.next_u64());
    let made = call(&endpoint, "CreateQueue", serde_json::json!({ "QueueName": name })).await;
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let event = |key: &str| {
        serde_json::json!({ "Records": [{ "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] })
        .to_string()
    };
    let mut bodies: Vec<String> = (0..25).map(|n| event(&format!("dms%2Ft%2F{n:02}+x"))).collect();
    bodies.extend(["garbage".to_owned(), r#"{"Event":"s3:TestEvent"}"#.to_owned(), event("dms%2Ft%2F00+x")]);
    for body in &bodies {
        call(&endpoint, "SendMessage", serde_json::json!({ "QueueUrl": url, "MessageBody": body })).await;
    }
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (stop, sink) = (CancellationToken::new(), Arc::clone(&heard));
    // Behind a name that does not tell where it is, the stated server counts.
    let queue = QueueSettings { url: url.clone(), endpoint: Some(endpoint.clone()), region: None };
    let listening = Notifications::new(context(), queue);
    let stopped = stop.clone();
    let listener = AbortOnDropHandle::new(tokio::spawn(async move {
        listening.listen(stopped, move |location| sink.lock().unwrap().push(location.to_owned())).await;
    }));
    eventually("word of 25 objects", async || {
        let heard = heard.lock().unwrap();
        (0..25).all(|n| heard.contains(&format!("s3://b/dms/t/{n:02} x")))
    })
    .await;
    eventually("an empty queue", async || {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = serde_json::json!({ "QueueUrl": url, "AttributeNames": names });
        let answer = call(&endpoint, "GetQueueAttributes", asked).await;
        names.iter().all(|name| answer["Attributes"][name] == "0")
    })
    .await;
    stop.cancel();
    tokio::time::timeout(DEADLINE, listener).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_queue_that_is_down_is_asked_again_until_the_stop() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/1/q", closed.local_addr().unwrap());
    drop(closed);
    let stop = CancellationToken::new();
    let listening = Notifications::new(context(), QueueSettings { url, ..QueueSettings::default() });
    let stopped = stop.clone();
    let listener = tokio::spawn(async move { listening.listen(stopped, |_| ()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!listener.is_finished());
    stop.cancel();
    tokio::time::timeout(DEADLINE, listener).await.unwrap().unwrap();
}
