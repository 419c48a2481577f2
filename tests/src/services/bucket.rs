//! A bucket as the world outside sees it: what DMS puts there and readers get, through Amazon's own client.

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Region.
    pub region: String,
}

impl Default for Account {
    fn default() -> Self {
        Self { access_key: "AKTEST".into(), secret_key: "SKTESTSECRET".into(), region: "us-east-1".into() }
    }
}

/// A bucket of some server.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    endpoint: String,
    name: String,
}

impl Bucket {
    /// The bucket of this name, which the server has.
    pub fn new(endpoint: &str, name: &str) -> Self {
        let account = Account::default();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(account.access_key, account.secret_key, None, None, "tests"))
            .region(Region::new(account.region))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config), endpoint: endpoint.to_owned(), name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The client, for what is not here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes the bucket, where a server cannot be given a folder.
    pub fn create(&self) {
        let request = self.client.create_bucket().bucket(&self.name);
        wait(async move { request.send().await }).expect("a bucket can be made");
    }

    /// Stores an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let body = ByteStream::from(bytes.to_vec());
        let request = self.client.put_object().bucket(&self.name).key(key).body(body);
        wait(async move { request.send().await }).unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }

    /// Reads an object; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        let request = self.client.get_object().bucket(&self.name).key(key);
        wait(async move {
            match request.send().await {
                Ok(object) => Some(object.body.collect().await.expect("an object's bytes").into_bytes()),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => None,
                Err(error) => panic!("{error:?}"),
            }
        })
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) {
        let request = self.client.delete_object().bucket(&self.name).key(key);
        wait(async move { request.send().await }).unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }

    /// The keys that begin with `prefix`, in order.
    pub fn list(&self, prefix: &str) -> Vec<String> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        wait(async move {
            let (mut keys, mut pages) = (Vec::new(), request.into_paginator().send());
            while let Some(page) = pages.next().await {
                let page = page.expect("a listing");
                keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
            }
            keys
        })
    }
}

/// Waits for work of Amazon's clients, from any thread, one of a runtime too.
pub fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime for requests")
    });
    let (done, result) = mpsc::channel();
    runtime.spawn(async move {
        let _ = done.send(work.await);
    });
    result.recv_timeout(PATIENCE).expect("an answer in time; what went wrong is above")
}
