use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use sluice_platform::{StorageError, StorageErrorKind};

use super::location::Place;

type Cause = Box<dyn Error + Send + Sync>;

/// What S3 said, or why it could not be asked.
#[derive(Debug)]
pub struct S3Fault {
    /// What happened and what to do, in words.
    pub words: String,
    /// S3's name of the error, such as `NoSuchBucket`.
    pub code: Option<String>,
    /// What S3 said about it, unless that is only its code in other words.
    pub message: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Names the request to those who run the storage.
    pub request_id: Option<String>,
    cause: Option<Cause>,
}

impl fmt::Display for S3Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)?;
        let Some(status) = self.status else { return Ok(()) };
        write!(f, " (")?;
        if let Some(code) = &self.code {
            write!(f, "{code}, ")?;
        }
        write!(f, "HTTP {status}")?;
        if let Some(message) = self.message.as_ref().filter(|message| !message.is_empty()) {
            write!(f, ", \"{}\"", message.trim())?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        write!(f, ")")
    }
}

impl Error for S3Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The SDK wraps the cause several times in words that say nothing; only the innermost does.
        self.cause.as_deref().map(|cause| innermost(cause))
    }
}

fn innermost<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> &'a (dyn Error + 'static) {
    let mut inner: &(dyn Error + 'static) = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner
}

/// A failure that S3 did not report itself.
pub(crate) fn own(
    operation: &'static str,
    place: &Place<'_>,
    kind: StorageErrorKind,
    words: String,
    cause: Option<Cause>,
) -> StorageError {
    let fault = S3Fault { words, code: None, message: None, status: None, request_id: None, cause };
    StorageError { operation, location: place.location.to_owned(), kind, source: fault.into() }
}

/// A request that failed, after all its tries.
pub(crate) fn failed<E>(
    operation: &'static str,
    place: &Place<'_>,
    endpoint: Option<&str>,
    error: SdkError<E, HttpResponse>,
) -> StorageError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let server = endpoint.map_or_else(|| "S3".to_owned(), |endpoint| format!("the S3 server {endpoint}"));
    let (kind, words) = match &error {
        SdkError::ServiceError(context) => return refused(operation, place, context.err(), context.raw()),
        _ if lacks_credentials(&error) => (
            StorageErrorKind::PermissionDenied,
            "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, `s3.profile`, or give the \
             machine a role"
                .to_owned(),
        ),
        SdkError::TimeoutError(_) => (StorageErrorKind::Transient, format!("{server} did not answer in time")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (StorageErrorKind::Transient, format!("no connection to {server} in time"))
        }
        SdkError::DispatchFailure(_) => (StorageErrorKind::Transient, format!("no connection to {server}")),
        SdkError::ResponseError(_) => (StorageErrorKind::Transient, format!("the answer of {server} broke off")),
        _ => (
            StorageErrorKind::Other,
            "the request cannot be made: check the bucket's name, `s3.region` and `s3.endpoint`".to_owned(),
        ),
    };
    own(operation, place, kind, words, Some(error.into()))
}

fn lacks_credentials<E: Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn refused<E>(operation: &'static str, place: &Place<'_>, error: &E, answer: &HttpResponse) -> StorageError
where
    E: ProvideErrorMetadata,
{
    let status = answer.status().as_u16();
    let code = error.code();
    let region = answer.headers().get("x-amz-bucket-region");
    let (kind, words) = meaning(code, status, place.bucket, region);
    let fault = S3Fault {
        words,
        code: code.map(str::to_owned),
        message: error.message().filter(|_| !is_plain(code)).map(str::to_owned),
        status: Some(status),
        request_id: error.meta().request_id().map(str::to_owned),
        cause: None,
    };
    StorageError { operation, location: place.location.to_owned(), kind, source: fault.into() }
}

/// Whether an error's code alone says all of it.
fn is_plain(code: Option<&str>) -> bool {
    let plain = [
        "NoSuchBucket",
        "NoSuchKey",
        "NotFound",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "SlowDown",
        "PreconditionFailed",
        "InvalidRange",
    ];
    code.is_none_or(|code| plain.contains(&code))
}

/// What a refusal means, in words that say what to do.
fn meaning(code: Option<&str>, status: u16, bucket: &str, region: Option<&str>) -> (StorageErrorKind, String) {
    use StorageErrorKind::{Full, NotFound, Other, PermissionDenied, Transient};
    let words = |kind, words: &str| (kind, words.to_owned());
    match (code.unwrap_or_default(), status) {
        ("NoSuchBucket", _) => {
            (NotFound, format!("there is no bucket `{bucket}`: correct the name, or create the bucket"))
        }
        ("SignatureDoesNotMatch", _) => words(PermissionDenied, "the secret access key is wrong"),
        ("InvalidAccessKeyId", _) => words(PermissionDenied, "the access key id is not known there"),
        ("ExpiredToken" | "TokenRefreshRequired", _) => {
            words(PermissionDenied, "the credentials have expired: refresh them")
        }
        ("InvalidToken", _) => words(PermissionDenied, "the session token is not valid"),
        ("RequestTimeTooSkewed", _) => words(PermissionDenied, "the clock of this machine is wrong: set it"),
        (
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
            _,
        )
        | (_, 301 | 307) => {
            let where_to = region.map_or_else(String::new, |region| format!(", which is `{region}`"));
            (Other, format!("the bucket `{bucket}` is elsewhere: set `s3.region` to its region{where_to}"))
        }
        ("ObjectParentIsFile", _) => words(
            Other,
            "an object is there whose name is a folder on this location's path; this server cannot hold both",
        ),
        ("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage", _) | (_, 507) => words(Full, "no room is left"),
        ("SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests" | "RequestLimitExceeded", _)
        | (_, 429) => words(Transient, "S3 asks to slow down, and did so to the end"),
        ("RequestTimeout" | "OperationAborted" | "ConditionalRequestConflict", _) | (_, 408) => {
            words(Transient, "S3 could not finish the request")
        }
        ("PreconditionFailed", _) | (_, 412) => words(Transient, "the object changed while it was being read"),
        ("InvalidRange", _) | (_, 416) => words(Other, "the object is shorter than the part that was asked for"),
        ("NoSuchKey" | "NotFound", _) | (_, 404) => words(NotFound, "there is no such object"),
        (_, 401 | 403) => words(
            PermissionDenied,
            "access is denied: allow s3:ListBucket on the bucket and s3:GetObject, and for the lake s3:PutObject, \
             s3:DeleteObject and s3:AbortMultipartUpload, on its objects (without s3:ListBucket S3 also says this of \
             objects that do not exist)",
        ),
        (_, 500..=599) => words(Transient, "S3 failed"),
        _ => words(Other, "S3 refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, status: u16) -> StorageErrorKind {
        meaning(Some(code), status, "b", None).0
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_else_by_status() {
        use StorageErrorKind::{Full, NotFound, Other, PermissionDenied, Transient};
        for (code, status, expected) in [
            ("NoSuchKey", 404, NotFound),
            ("NoSuchBucket", 404, NotFound),
            ("", 404, NotFound),
            ("AccessDenied", 403, PermissionDenied),
            ("SignatureDoesNotMatch", 403, PermissionDenied),
            ("ExpiredToken", 400, PermissionDenied),
            ("", 403, PermissionDenied),
            ("SlowDown", 503, Transient),
            ("", 429, Transient),
            ("InternalError", 500, Transient),
            ("RequestTimeout", 400, Transient),
            ("PreconditionFailed", 412, Transient),
            ("InvalidRange", 416, Other),
            ("PermanentRedirect", 301, Other),
            ("ObjectParentIsFile", 409, Other),
            ("XMinioStorageFull", 507, Full),
            ("InvalidRequest", 400, Other),
        ] {
            assert_eq!(kind(code, status), expected, "{code} {status}");
        }
    }

    #[test]
    fn a_missing_bucket_and_a_foreign_region_are_said_plainly() {
        assert!(meaning(Some("NoSuchBucket"), 404, "lake", None).1.contains("no bucket `lake`"));
        assert!(meaning(None, 301, "lake", Some("eu-west-1")).1.ends_with("its region, which is `eu-west-1`"));
    }

    #[test]
    fn the_error_shows_code_status_and_request() {
        let fault = S3Fault {
            words: "there is no such object".into(),
            code: Some("NoSuchKey".into()),
            message: Some("The key does not exist.".into()),
            status: Some(404),
            request_id: Some("42".into()),
            cause: None,
        };
        let shown = "there is no such object (NoSuchKey, HTTP 404, \"The key does not exist.\", request 42)";
        assert_eq!(fault.to_string(), shown);
    }
}
