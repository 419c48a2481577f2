//! Word of new objects from a queue of S3 event notifications. Listings stay the truth; word makes them prompt.

mod message;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message as Received};
use tokio_util::sync::CancellationToken;

use crate::AwsContext;
pub use message::{Foreign, Message, parse_message};

/// How long the queue holds an answer back while it is empty; the most that SQS allows.
const WAIT_SECONDS: i32 = 20;
/// Messages of one answer; the most that SQS allows.
const MOST_MESSAGES: i32 = 10;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// How much of a foreign message the log shows.
const SHOWN_CHARACTERS: usize = 200;

/// Which queue, and where it is if its URL does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// The queue's URL, such as `https://sqs.eu-west-1.amazonaws.com/111122223333/landing`.
    pub url: String,
    /// The server to ask; by default the one in the queue's URL.
    pub endpoint: Option<String>,
    /// The region; by default the one in the queue's URL, else the context's.
    pub region: Option<String>,
}

impl QueueSettings {
    fn host(&self) -> &str {
        let behind = self.url.split_once("://").map_or(self.url.as_str(), |(_, behind)| behind);
        behind.split('/').next().unwrap_or_default()
    }

    fn is_amazons(&self) -> bool {
        let host = self.host();
        host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
    }

    /// The server to ask, where it is not Amazon's own.
    fn server(&self) -> Option<&str> {
        let own = || self.url.get(..self.url.find("://")? + 3 + self.host().len());
        self.endpoint.as_deref().or_else(|| if self.is_amazons() { None } else { own() })
    }

    fn region(&self) -> Option<&str> {
        let from_url = || {
            let mut labels = self.host().split('.');
            match (labels.next()?, labels.next()?) {
                ("sqs", region) => Some(region),
                (region, "queue") => Some(region),
                _ => None,
            }
        };
        self.region.as_deref().or_else(|| if self.is_amazons() { from_url() } else { None })
    }
}

/// Listens to a queue of S3 event notifications.
#[derive(Debug)]
pub struct Notifications {
    context: Arc<AwsContext>,
    queue: QueueSettings,
}

impl Notifications {
    /// Listens to this queue, once told to.
    pub fn new(context: Arc<AwsContext>, queue: QueueSettings) -> Self {
        Self { context, queue }
    }

    /// Hands the location of each new object to `notice` until `stop`. A queue that cannot be reached is asked again
    /// for ever; nothing depends on it.
    ///
    /// Messages are removed after word of them was given. One that comes again, late or out of order only makes
    /// somebody look once more.
    pub async fn listen(self, stop: CancellationToken, notice: impl Fn(&str) + Send + Sync) {
        // Within its wait the queue says nothing; that is no delay.
        let wait = Duration::from_secs(WAIT_SECONDS.unsigned_abs().into());
        let client = self.context.sqs(self.queue.server(), self.queue.region(), wait).await;
        tracing::info!(queue = self.queue.url, "listening to S3 event notifications");
        let mut failures = 0_u32;
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.receive(&client) => received,
            };
            match received {
                Ok(messages) => {
                    if failures > 0 {
                        tracing::info!(queue = self.queue.url, failures, "the queue answers again");
                        failures = 0;
                    }
                    messages.iter().for_each(|message| self.tell(message, &notice));
                    self.remove(&client, messages).await;
                }
                Err(error) => {
                    self.complain(&error, failures);
                    let wait = backoff(failures, self.context.entropy().fraction());
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.context.clock().sleep(wait) => {}
                    }
                }
            }
        }
    }

    async fn receive(&self, client: &aws_sdk_sqs::Client) -> Result<Vec<Received>, Failure> {
        let request = client.receive_message().queue_url(&self.queue.url);
        let answer = request.wait_time_seconds(WAIT_SECONDS).max_number_of_messages(MOST_MESSAGES).send().await;
        Ok(answer.map_err(Box::new)?.messages.unwrap_or_default())
    }

    fn tell(&self, message: &Received, notice: &(impl Fn(&str) + Send + Sync)) {
        let body = message.body.as_deref().unwrap_or_default();
        match parse_message(body) {
            Message::Objects(locations) => locations.iter().for_each(|location| notice(location)),
            Message::Nothing => {}
            Message::Foreign(why) => {
                let shown: String = body.chars().take(SHOWN_CHARACTERS).collect();
                tracing::warn!(queue = self.queue.url, %why, message = shown, "a message of the queue is thrown away");
            }
        }
    }

    /// Removes messages. Those that stay come again, which does no harm.
    async fn remove(&self, client: &aws_sdk_sqs::Client, messages: Vec<Received>) {
        let entries = messages.into_iter().filter_map(|message| message.receipt_handle).enumerate();
        let entries: Vec<DeleteMessageBatchRequestEntry> = entries
            .filter_map(|(id, receipt)| {
                DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(receipt).build().ok()
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        match client.delete_message_batch().queue_url(&self.queue.url).set_entries(Some(entries)).send().await {
            Ok(answer) if answer.failed.is_empty() => {}
            Ok(answer) => {
                let reason = answer.failed.first().and_then(|failed| failed.message.clone()).unwrap_or_default();
                let count = answer.failed.len();
                tracing::warn!(queue = self.queue.url, count, reason, "messages could not be removed and come again");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(queue = self.queue.url, error, "messages could not be removed and come again");
            }
        }
    }

    /// Says at the first failure what is wrong; the others are only counted.
    fn complain(&self, failure: &Failure, failures: u32) {
        let reason = reason(failure);
        if failures == 0 {
            tracing::warn!(
                queue = self.queue.url,
                reason,
                "the queue of S3 event notifications cannot be read; until it can, new files are found by listing"
            );
        } else {
            tracing::debug!(queue = self.queue.url, reason, failures, "the queue still cannot be read");
        }
    }
}

type Failure = Box<aws_sdk_sqs::error::SdkError<aws_sdk_sqs::operation::receive_message::ReceiveMessageError>>;

/// What the service said, or else the innermost cause.
fn reason(failure: &Failure) -> String {
    use aws_sdk_sqs::error::ProvideErrorMetadata;
    if let (Some(code), message) = (failure.code(), failure.message()) {
        return format!("{} ({code})", message.unwrap_or("no reason was given"));
    }
    let mut innermost: &dyn std::error::Error = failure.as_ref();
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The wait after a failure: doubled each time to a limit, then shortened at random by up to a half.
fn backoff(failures: u32, fraction: f64) -> Duration {
    let longest = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_BACKOFF);
    longest.mul_f64(1.0 - fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(url: &str) -> QueueSettings {
        QueueSettings { url: url.to_owned(), ..QueueSettings::default() }
    }

    #[test]
    fn the_queues_url_says_where_it_is() {
        let amazon = queue("https://sqs.eu-west-1.amazonaws.com/111122223333/landing");
        assert_eq!((amazon.server(), amazon.region()), (None, Some("eu-west-1")));
        let old = queue("https://us-west-2.queue.amazonaws.com/111122223333/landing");
        assert_eq!((old.server(), old.region()), (None, Some("us-west-2")));
        let own = queue("http://127.0.0.1:15000/123456789012/q");
        assert_eq!((own.server(), own.region()), (Some("http://127.0.0.1:15000"), None));
        let stated = QueueSettings { endpoint: Some("http://h:1".into()), region: Some("r".into()), ..amazon };
        assert_eq!((stated.server(), stated.region()), (Some("http://h:1"), Some("r")));
        assert_eq!(queue("nonsense").server(), None);
    }

    #[test]
    fn waits_double_to_a_minute_with_jitter() {
        assert_eq!(backoff(0, 0.0), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.0), Duration::from_secs(8));
        assert_eq!(backoff(99, 0.0), Duration::from_secs(60));
        assert_eq!(backoff(99, 1.0), Duration::from_secs(30));
    }
}
