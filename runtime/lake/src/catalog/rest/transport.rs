//! One request and its answer, told apart by whether the server can have acted on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use sluice_platform::{Clock, Entropy};

use super::settings::RestSettings;
use super::wire::Complaint;
use crate::CatalogError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How often a request is sent that may be sent again.
const ATTEMPTS: u32 = 4;
/// Wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait that a server may ask for; above it the caller tries again later.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Bytes of the largest answer that is read.
const LARGEST_ANSWER: usize = 256 << 20;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub method: Method,
    pub url: &'a str,
    /// What is asked for, as the end of "the catalog cannot …".
    pub operation: &'static str,
    pub body: Option<Bytes>,
    /// Whether the body is a form; it is JSON otherwise.
    pub form: bool,
    /// Whether sending it twice does no more than sending it once.
    pub repeatable: bool,
    pub headers: HeaderMap,
}

/// What became of a request that the server may have seen.
#[derive(Debug)]
pub(super) enum Sent {
    Answered(Answer),
    /// No answer came; whether the server acted is not known.
    Silent(CatalogError),
}

#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What was said of a request that did not succeed.
    pub complaint: Complaint,
    body: Result<Bytes, Cause>,
}

/// The way to the server.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    pub clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The catalog's address, as errors name it.
    pub shown: String,
}

impl<'a> Call<'a> {
    pub fn new(method: Method, url: &'a str, operation: &'static str) -> Self {
        let repeatable = method == Method::GET;
        Self { method, url, operation, body: None, form: false, repeatable, headers: HeaderMap::new() }
    }
}

impl Transport {
    pub fn new(
        settings: &RestSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, CatalogError> {
        // A followed redirect could turn a commit into a look at the table, which answers alike.
        let http = Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .redirect(Policy::none())
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build();
        let shown = settings.uri.clone();
        match http {
            Ok(http) => Ok(Self { http, clock, entropy, shown }),
            Err(error) => {
                Err(CatalogError::Unavailable { catalog: shown, operation: "be opened", source: error.into() })
            }
        }
    }

    /// Sends a request once. An `Err` means that the server has not seen it. `hide` is cut out of what it says.
    pub async fn once(&self, call: &Call<'_>, headers: &HeaderMap, hide: &[&str]) -> Result<Sent, CatalogError> {
        let mut request = self.http.request(call.method.clone(), call.url).headers(self.content(call));
        request = request.headers(headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        match request.send().await {
            Ok(response) => Ok(Sent::Answered(read(response, hide).await)),
            Err(error) if error.is_connect() || error.is_builder() => {
                Err(self.unavailable("be reached", error.without_url().into()))
            }
            Err(error) => Ok(Sent::Silent(self.unavailable("be heard", error.without_url().into()))),
        }
    }

    /// The headers that say what is sent and what is understood.
    pub fn content(&self, call: &Call<'_>) -> HeaderMap {
        let mut headers = call.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if call.body.is_some() {
            let kind = if call.form { "application/x-www-form-urlencoded" } else { "application/json" };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers
    }

    /// Sends a request that asks for no identity, again where that helps.
    pub async fn repeat(&self, call: &Call<'_>, hide: &[&str]) -> Result<Sent, CatalogError> {
        let mut attempt = 1;
        loop {
            let sent = self.once(call, &HeaderMap::new(), hide).await?;
            let Some(wait) = self.wait(call, &sent, attempt) else { return Ok(sent) };
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    /// How long to wait before the request is sent again; `None` where it should not be.
    pub fn wait(&self, call: &Call<'_>, sent: &Sent, attempt: u32) -> Option<Duration> {
        let again = match sent {
            Sent::Silent(_) => call.repeatable,
            Sent::Answered(answer) => match answer.status {
                // The server says that it did not look at the request.
                StatusCode::TOO_MANY_REQUESTS => true,
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    call.repeatable
                }
                _ => false,
            },
        };
        if !again || attempt >= ATTEMPTS {
            return None;
        }
        let asked = match sent {
            Sent::Answered(answer) => answer.retry_after(),
            Sent::Silent(_) => None,
        };
        let backoff = FIRST_WAIT.mul_f64(2_f64.powi(attempt as i32 - 1) * (0.5 + self.entropy.fraction()));
        let wait = asked.map_or(backoff, |asked| asked.saturating_add(backoff));
        (wait <= LONGEST_WAIT).then_some(wait)
    }

    pub fn unavailable(&self, operation: &'static str, source: Cause) -> CatalogError {
        CatalogError::Unavailable { catalog: self.shown.clone(), operation, source }
    }

    pub fn refused(&self, operation: &'static str, message: impl Into<String>) -> CatalogError {
        CatalogError::Refused { catalog: self.shown.clone(), operation, message: message.into() }
    }

    pub fn denied(&self, operation: &'static str, answer: &Answer) -> CatalogError {
        CatalogError::Denied { catalog: self.shown.clone(), operation, message: answer.says() }
    }

    /// The error that an answer other than the hoped for stands for.
    pub fn refusal(&self, operation: &'static str, answer: &Answer) -> CatalogError {
        match answer.status.as_u16() {
            401 | 403 | 419 => self.denied(operation, answer),
            408 | 429 | 500 | 502..=599 => self.unavailable(operation, answer.says().into()),
            301 | 302 | 303 | 307 | 308 => {
                self.refused(operation, format!("{}: the address is another one, correct `uri`", answer.says()))
            }
            _ => self.refused(operation, answer.says()),
        }
    }
}

impl Answer {
    pub fn body(&self) -> Result<Bytes, Cause> {
        match &self.body {
            Ok(body) => Ok(body.clone()),
            Err(error) => Err(error.to_string().into()),
        }
    }

    /// Whether the catalog itself says that what was asked for is not there.
    pub fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.complaint.by_catalog
    }

    /// Status and message, in one line.
    pub fn says(&self) -> String {
        let status = self.status.as_u16();
        match self.complaint.text.as_str() {
            "" => format!("it answered {status}"),
            text => format!("it answered {status} ({text})"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

async fn read(mut response: Response, hide: &[&str]) -> Answer {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let body = read_body(response).await;
    let mut complaint = Complaint::default();
    if !status.is_success()
        && let Ok(body) = &body
    {
        complaint = Complaint::read(body);
        for secret in hide.iter().filter(|secret| !secret.is_empty()) {
            complaint.text = complaint.text.replace(secret, "***");
        }
    }
    Answer { status, headers, complaint, body }
}

async fn read_body(mut response: Response) -> Result<Bytes, Cause> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(format!("the answer is larger than {LARGEST_ANSWER} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
