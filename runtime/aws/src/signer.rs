use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;
use thiserror::Error;

use crate::AwsContext;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request could not be signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// Nobody has credentials.
    #[error(
        "no credentials to sign a request to {service}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a \
         `profile`, or give the machine a role"
    )]
    Credentials {
        /// The service.
        service: String,
        /// What the chain of credentials says.
        #[source]
        source: Cause,
    },
    /// Nobody says which region it is.
    #[error("no region to sign a request to {service} for: set `region`, or AWS_REGION")]
    Region {
        /// The service.
        service: String,
    },
    /// The request cannot be signed as it is.
    #[error("the request to {service} cannot be signed")]
    Request {
        /// The service.
        service: String,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
}

/// Signs HTTP requests with Amazon's Signature Version 4.
#[derive(Debug, Clone)]
pub struct SigV4Signer {
    context: Arc<AwsContext>,
    service: String,
    region: Option<String>,
}

impl SigV4Signer {
    /// Signs for a service by its signing name (`glue`, `s3tables`, `execute-api`), in `region` or else the context's.
    pub fn new(context: Arc<AwsContext>, service: impl Into<String>, region: Option<String>) -> Self {
        Self { context, service: service.into(), region }
    }

    /// The headers to add to a request with these ones and this body. `host` is taken from the URL.
    pub async fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, SignError> {
        let service = || self.service.clone();
        let shared = self.context.shared().await;
        let region = self.region.as_deref().or(shared.region().map(|region| region.as_ref()));
        let region = region.ok_or_else(|| SignError::Region { service: service() })?;
        let missing = |source: Cause| SignError::Credentials { service: service(), source };
        let credentials = self.context.credentials().await.map_err(|error| missing(error.into()))?;
        let wrong = |source: Cause| SignError::Request { service: service(), source };
        let identity = credentials.into();
        let now = Duration::from_micros(u64::try_from(self.context.clock().now_us()).unwrap_or(0));
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(&self.service)
            .time(UNIX_EPOCH + now)
            .settings(signing_settings(&self.service))
            .build()
            .map_err(|error| wrong(error.into()))?
            .into();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(method, url, headers, SignableBody::Bytes(body))
            .map_err(|error| wrong(error.into()))?;
        let (instructions, _) = sign(request, &params).map_err(|error| wrong(error.into()))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// S3 signs paths as they are; every other service signs them normalised and encoded once more.
fn signing_settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

#[cfg(test)]
mod tests {
    use sluice_platform::{Clock, SystemEntropy};

    use super::*;
    use crate::{AwsSettings, StaticCredentials};
    use sluice_platform::Secret;

    #[derive(Debug)]
    struct Stopped;

    #[async_trait::async_trait]
    impl Clock for Stopped {
        fn now_us(&self) -> i64 {
            1_440_938_160_000_000
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn signer(service: &str, token: Option<Secret>) -> SigV4Signer {
        let credentials = StaticCredentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token,
        };
        let settings =
            AwsSettings { credentials: Some(credentials), region: Some("us-east-1".into()), ..AwsSettings::default() };
        SigV4Signer::new(AwsContext::new(settings, Arc::new(Stopped), Arc::new(SystemEntropy)), service, None)
    }

    fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    #[tokio::test]
    async fn a_request_is_signed_for_its_service_region_and_time() {
        let signer = signer("glue", None);
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        let url = "https://glue.us-east-1.amazonaws.com/iceberg/v1/config?warehouse=1%3A2";
        let headers = signer.sign("GET", url, &json, b"").await.unwrap();
        let authorization = header(&headers, "authorization").unwrap();
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/glue/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature="
            ),
            "{authorization}"
        );
        assert_eq!(header(&headers, "x-amz-date"), Some("20150830T123600Z"));
        assert!(header(&headers, "x-amz-content-sha256").unwrap().starts_with("e3b0c442"));
        assert_eq!(header(&headers, "x-amz-security-token"), None);
        let again = signer.sign("GET", url, &json, b"").await.unwrap();
        assert_eq!(headers, again);
        assert_ne!(headers, signer.sign("POST", url, &json, b"{}").await.unwrap());
    }

    #[tokio::test]
    async fn a_session_token_goes_along_and_a_broken_url_is_told() {
        let signer = signer("s3tables", Some(Secret::new("token")));
        let headers = signer.sign("GET", "https://h/v1/a%20b", &[], b"").await.unwrap();
        assert_eq!(header(&headers, "x-amz-security-token"), Some("token"));
        assert!(matches!(signer.sign("GET", "https://h/ b", &[], b"").await, Err(SignError::Request { .. })));
    }
}
