//! A queue as a server really answers.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_aws::{AwsContext, AwsSettings, Notifications, QueueSettings, StaticCredentials};
use sluice_platform::{Secret, SystemClock, SystemEntropy};
use sluice_tests::services::moto;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const DEADLINE: Duration = Duration::from_secs(30);

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
    let Some(moto) = moto::shared() else { return };
    let url = moto.queue("word-of-objects");
    let event = |key: &str| {
        serde_json::json!({ "Records": [{ "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] })
        .to_string()
    };
    let mut bodies: Vec<String> = (0..25).map(|n| event(&format!("dms%2Ft%2F{n:02}+x"))).collect();
    bodies.extend(["garbage".to_owned(), r#"{"Event":"s3:TestEvent"}"#.to_owned(), event("dms%2Ft%2F00+x")]);
    for body in &bodies {
        moto.send(&url, body);
    }
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (stop, sink) = (CancellationToken::new(), Arc::clone(&heard));
    // Behind a name that does not tell where it is, the stated server counts.
    let queue = QueueSettings { url: url.clone(), endpoint: Some(moto.endpoint()), region: None };
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
    eventually("an empty queue", async || moto.is_empty(&url)).await;
    stop.cancel();
    tokio::time::timeout(DEADLINE, listener).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_queue_that_is_down_is_asked_again_until_the_stop() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
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
