//! moto: SQS, and S3 that tells SQS of new objects. It checks no signatures and keeps everything in memory.

use std::process::Command;
use std::sync::OnceLock;

use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;

use super::Service;
use super::bucket::{Account, Bucket, wait};
use crate::tools::{self, Lock};

const PACKAGES: [&str; 4] = ["moto[s3,sqs]==5.2.5", "flask", "flask-cors", "pyparsing"];
/// The account that moto plays.
const ACCOUNT: &str = "123456789012";

/// A running moto.
#[derive(Debug)]
pub struct Moto {
    service: Service,
    queues: aws_sdk_sqs::Client,
}

/// A server of its own; `None` where this machine cannot have it.
pub fn start() -> Option<Moto> {
    let python = tools::had("moto", || {
        let _lock = Lock::take();
        tools::python_with("moto", &PACKAGES)
    })?;
    let service = Service::start("moto", "/moto-api/data.json", |port, _| {
        let mut command = Command::new(python.with_file_name("moto_server"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    let account = Account::default();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(account.access_key, account.secret_key, None, None, "tests"))
        .region(Region::new(account.region))
        .endpoint_url(service.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Some(Moto { service, queues: aws_sdk_sqs::Client::from_conf(config) })
}

/// The server that all tests of this process share, each with buckets and queues of its own.
pub fn shared() -> Option<&'static Moto> {
    static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref()
}

impl Moto {
    /// Where it is reached, S3 and SQS alike.
    pub fn endpoint(&self) -> String {
        self.service.endpoint()
    }

    /// A new bucket.
    pub fn bucket(&self, name: &str) -> Bucket {
        let bucket = Bucket::new(&self.endpoint(), name);
        bucket.create();
        bucket
    }

    /// A new queue; its URL.
    pub fn queue(&self, name: &str) -> String {
        let request = self.queues.create_queue().queue_name(name);
        let answer = wait(async move { request.send().await }).expect("a queue can be made");
        answer.queue_url().expect("a queue has a URL").to_owned()
    }

    /// Has a bucket tell a queue of every new object; a test event comes first, as from Amazon.
    pub fn tell(&self, bucket: &Bucket, queue: &str) {
        let arn = format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", Account::default().region);
        let queue = QueueConfiguration::builder().queue_arn(arn).events(Event::S3ObjectCreated).build();
        let all = NotificationConfiguration::builder().queue_configurations(queue.expect("all is given")).build();
        let request = bucket.client().put_bucket_notification_configuration().bucket(bucket.name());
        let request = request.notification_configuration(all);
        wait(async move { request.send().await }).expect("a bucket can be told to tell");
    }

    /// Puts a message of one's own into a queue.
    pub fn send(&self, queue_url: &str, body: &str) {
        let request = self.queues.send_message().queue_url(queue_url).message_body(body);
        wait(async move { request.send().await }).expect("a message can be sent");
    }

    /// Whether a queue holds no messages, not even such that are invisible.
    pub fn is_empty(&self, queue_url: &str) -> bool {
        let request = self.queues.get_queue_attributes().queue_url(queue_url);
        let request = request.attribute_names(QueueAttributeName::All);
        let answer = wait(async move { request.send().await }).expect("a queue tells about itself");
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let attributes = answer.attributes().expect("attributes were asked for");
        counts.iter().all(|name| attributes.get(name).is_some_and(|count| count == "0"))
    }

    /// The bodies of up to ten messages, which stay invisible for a while.
    pub fn receive(&self, queue_url: &str) -> Vec<String> {
        let request = self.queues.receive_message().queue_url(queue_url).max_number_of_messages(10);
        let answer = wait(async move { request.send().await }).expect("messages can be received");
        answer.messages().iter().filter_map(|message| message.body().map(str::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_tells_a_queue_of_a_new_object_after_a_test_event() {
        let Some(moto) = shared() else { return };
        let bucket = moto.bucket("told");
        let queue = moto.queue("arrivals");
        moto.tell(&bucket, "arrivals");
        bucket.put("dms/s/t/LOAD 1.csv", b"1\n");
        let told: Vec<String> = std::iter::repeat_with(|| moto.receive(&queue)).take(4).flatten().collect();
        assert!(told.iter().any(|message| message.contains("s3:TestEvent")), "{told:?}");
        assert!(told.iter().any(|message| message.contains("dms%2Fs%2Ft%2FLOAD+1.csv")), "{told:?}");
    }
}
