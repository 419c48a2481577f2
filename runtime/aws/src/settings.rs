use std::time::Duration;

use sluice_platform::Secret;

/// Credentials that are stated, where the default chain is not to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// The access key's name.
    pub access_key_id: String,
    /// The access key itself.
    pub secret_access_key: Secret,
    /// The token that temporary credentials come with.
    pub session_token: Option<Secret>,
}

/// How Amazon, or a server that speaks its protocol, is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    /// The region; by default what the environment, the profile or the machine say.
    pub region: Option<String>,
    /// The profile of the shared configuration files.
    pub profile: Option<String>,
    /// Stated credentials; by default those of the chain (environment, profile, SSO, process, web identity, machine).
    pub credentials: Option<StaticCredentials>,
    /// URL of an S3 server that is not Amazon's.
    pub endpoint: Option<String>,
    /// Whether the bucket is named in the path instead of the host; by default where there is an endpoint of one's own.
    pub path_style: Option<bool>,
    /// Most requests to S3 at the same time.
    pub max_requests: usize,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long one try of a request may take, and how long the bytes of one answer may.
    pub attempt_timeout: Duration,
    /// How long a request may take with all its tries and the waits between them.
    pub operation_timeout: Duration,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            credentials: None,
            endpoint: None,
            path_style: None,
            max_requests: 64,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(60),
            operation_timeout: Duration::from_secs(180),
        }
    }
}

impl AwsSettings {
    /// Whether buckets are named in the path.
    pub(crate) fn uses_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Whether requests to S3 travel encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|endpoint| endpoint.starts_with("https:"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let settings = AwsSettings {
            credentials: Some(StaticCredentials {
                access_key_id: "AKID".into(),
                secret_access_key: Secret::new("hush"),
                session_token: Some(Secret::new("whisper")),
            }),
            ..AwsSettings::default()
        };
        let shown = format!("{settings:?} {settings:#?}");
        assert!(shown.contains("AKID") && !shown.contains("hush") && !shown.contains("whisper"), "{shown}");
    }

    #[test]
    fn a_server_of_ones_own_is_spoken_to_by_path() {
        let own = AwsSettings { endpoint: Some("http://127.0.0.1:9000".into()), ..AwsSettings::default() };
        assert!(own.uses_path_style() && !own.is_encrypted());
        assert!(!AwsSettings { path_style: Some(false), ..own }.uses_path_style());
        assert!(!AwsSettings::default().uses_path_style() && AwsSettings::default().is_encrypted());
    }
}
