use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use sluice_platform::{Clock, Entropy};
use tokio::sync::{Mutex, OnceCell};

use crate::AwsSettings;
use crate::gate::{RequestGate, Watch};

/// Region of servers that have none.
const ANY_REGION: &str = "us-east-1";
/// Tries of one request; the deadline of the operation bounds them too.
const ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How long before they expire credentials are asked for anew.
const AHEAD_OF_EXPIRY_US: i64 = 5 * 60 * 1_000_000;
/// How long credentials are kept that do not say when they expire.
const KEPT_US: i64 = 15 * 60 * 1_000_000;

/// One chain of credentials, one HTTP client and one bound on requests, for everything that speaks to Amazon.
///
/// Making it asks nobody anything. The first request reads the environment and the profile files; only where neither
/// states credentials or a region is the machine asked.
pub struct AwsContext {
    settings: AwsSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    gate: Arc<RequestGate>,
    shared: OnceCell<SdkConfig>,
    s3: OnceCell<aws_sdk_s3::Client>,
    /// What signatures are made with, and until when. The clients keep their own.
    credentials: Mutex<Option<(Credentials, i64)>>,
}

impl AwsContext {
    /// A context with these settings.
    pub fn new(settings: AwsSettings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Arc<Self> {
        let gate = Arc::new(RequestGate::new(settings.max_requests, Arc::clone(&clock)));
        let (shared, s3, credentials) = (OnceCell::new(), OnceCell::new(), Mutex::default());
        Arc::new(Self { settings, clock, entropy, gate, shared, s3, credentials })
    }

    /// The settings.
    pub fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    pub(crate) fn gate(&self) -> &RequestGate {
        &self.gate
    }

    /// What all clients have in common.
    pub(crate) async fn shared(&self) -> &SdkConfig {
        self.shared.get_or_init(|| load(&self.settings)).await
    }

    /// Credentials for a signature, from the chain where those at hand are about to expire.
    pub(crate) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.credentials.lock().await;
        let now_us = self.clock.now_us();
        if let Some((credentials, until_us)) = kept.as_ref()
            && now_us < *until_us
        {
            return Ok(credentials.clone());
        }
        let provider = self.shared().await.credentials_provider();
        let provider = provider.ok_or_else(|| CredentialsError::not_loaded("there is no chain of credentials"))?;
        let credentials = provider.provide_credentials().await?;
        let expiry = credentials.expiry().and_then(|expiry| expiry.duration_since(UNIX_EPOCH).ok());
        let until_us = match expiry.and_then(|expiry| i64::try_from(expiry.as_micros()).ok()) {
            Some(expiry_us) => expiry_us - AHEAD_OF_EXPIRY_US,
            None => now_us + KEPT_US,
        };
        *kept = Some((credentials.clone(), until_us));
        Ok(credentials)
    }

    /// The client of S3.
    pub(crate) async fn s3(&self) -> &aws_sdk_s3::Client {
        let make = || async {
            let settings = &self.settings;
            let mut config = aws_sdk_s3::config::Builder::from(self.shared().await)
                .force_path_style(settings.uses_path_style())
                .interceptor(Watch(Arc::clone(&self.gate)))
                .timeout_config(timeouts(settings, Duration::ZERO))
                // Uploads carry a checksum that is computed here, once, and downloads are checked by their length.
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                // Bodies have a deadline of their own.
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
            if let Some(endpoint) = &settings.endpoint {
                config = config.endpoint_url(endpoint);
            }
            aws_sdk_s3::Client::from_conf(config.build())
        };
        self.s3.get_or_init(make).await
    }

    /// A client of SQS at this place; answers may take `wait` longer than others.
    pub(crate) async fn sqs(
        &self,
        endpoint: Option<&str>,
        region: Option<&str>,
        wait: Duration,
    ) -> aws_sdk_sqs::Client {
        let mut config =
            aws_sdk_sqs::config::Builder::from(self.shared().await).timeout_config(timeouts(&self.settings, wait));
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        if let Some(region) = region {
            config = config.region(Region::new(region.to_owned()));
        }
        aws_sdk_sqs::Client::from_conf(config.build())
    }
}

impl fmt::Debug for AwsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn timeouts(settings: &AwsSettings, wait: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.attempt_timeout + wait)
        .operation_timeout(settings.operation_timeout + wait)
        .build()
}

async fn load(settings: &AwsSettings) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF);
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()).retry_config(retries);
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(stated) = &settings.credentials {
        let token = stated.session_token.as_ref().map(|token| token.reveal().to_owned());
        let secret = stated.secret_access_key.reveal();
        loader = loader.credentials_provider(Credentials::new(
            &stated.access_key_id,
            secret,
            token,
            None,
            "the configuration file",
        ));
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    } else if settings.endpoint.is_some() {
        // Asking the machine for a region that does not matter takes seconds outside of Amazon.
        let profile = ProfileFileRegionProvider::builder();
        let profile = match &settings.profile {
            Some(name) => profile.profile_name(name),
            None => profile,
        };
        let environment = aws_config::environment::EnvironmentVariableRegionProvider::new();
        loader =
            loader.region(RegionProviderChain::first_try(environment).or_else(profile.build()).or_else(ANY_REGION));
    }
    loader.load().await
}

fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
