//! What the configuration says of S3 and of the queue of its notifications.

use sluice_aws::{AwsSettings, QueueSettings, StaticCredentials};

use super::document::{NotificationsSection, S3Section};
use super::reader::{Located, Reading};
use super::values::{Hidden, TimeSpan};

/// How S3 is reached; faults go to `reading`.
pub(super) fn settings(section: Option<&S3Section>, reading: &Reading<'_>) -> AwsSettings {
    let defaults = AwsSettings::default();
    let Some(section) = section else { return defaults };
    if let Some(most) = section.max_requests.as_ref().filter(|most| most.value == 0) {
        reading.fault(most.offset, "`s3.max_requests` must be at least 1");
    }
    let time = |key: &str, span: &Option<Located<TimeSpan>>, default| {
        if let Some(span) = span.as_ref().filter(|span| span.value.0.is_zero()) {
            reading.fault(span.offset, format!("`s3.{key}` must be longer than nothing, for example \"10s\""));
        }
        span.as_ref().map_or(default, |span| span.value.0)
    };
    let settings = AwsSettings {
        region: stated(&section.region),
        profile: stated(&section.profile),
        credentials: credentials(section, reading),
        endpoint: section.endpoint.as_ref().and_then(|endpoint| server("s3.endpoint", endpoint, reading)),
        path_style: section.path_style,
        max_requests: section.max_requests.as_ref().map_or(defaults.max_requests, |most| most.value as usize),
        connect_timeout: time("connect_timeout", &section.connect_timeout, defaults.connect_timeout),
        attempt_timeout: time("attempt_timeout", &section.attempt_timeout, defaults.attempt_timeout),
        operation_timeout: time("operation_timeout", &section.operation_timeout, defaults.operation_timeout),
    };
    if let Some(attempt) = section.attempt_timeout.as_ref().filter(|own| own.value.0 > settings.operation_timeout) {
        reading.fault(attempt.offset, "`s3.attempt_timeout` is longer than `s3.operation_timeout`");
    }
    settings
}

/// The queue that brings word of new files; faults go to `reading`.
pub(super) fn queue(section: &NotificationsSection, reading: &Reading<'_>) -> Option<QueueSettings> {
    let Some(url) = &section.queue_url else {
        reading.fault(0, "`source.notifications.queue_url` is missing: give the URL of the SQS queue");
        return None;
    };
    let server_and_path = url.value.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    if server_and_path.and_then(|(_, rest)| rest.split_once('/')).is_none_or(|(host, _)| host.is_empty()) {
        reading.fault(
            url.offset,
            format!(
                "`source.notifications.queue_url`: `{}` is not the URL of a queue: write it as \
                 \"https://sqs.eu-west-1.amazonaws.com/111122223333/name\"",
                url.value
            ),
        );
        return None;
    }
    let endpoint = section.endpoint.as_ref();
    Some(QueueSettings {
        url: url.value.clone(),
        endpoint: endpoint.and_then(|endpoint| server("source.notifications.endpoint", endpoint, reading)),
        region: stated(&section.region),
    })
}

/// A text that is given; an empty one (from `${NAME:-}`) counts as none.
fn stated(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn credentials(section: &S3Section, reading: &Reading<'_>) -> Option<StaticCredentials> {
    let hidden = |hidden: &Option<Located<Hidden>>| {
        hidden
            .clone()
            .filter(|hidden| !hidden.value.0.reveal().is_empty())
            .map(|located| (located.value.0, located.offset))
    };
    let id = section.access_key_id.as_ref().filter(|id| !id.value.is_empty());
    match (id, hidden(&section.secret_access_key), hidden(&section.session_token)) {
        (Some(id), Some((secret_access_key, _)), token) => Some(StaticCredentials {
            access_key_id: id.value.clone(),
            secret_access_key,
            session_token: token.map(|(token, _)| token),
        }),
        (Some(id), None, _) => {
            reading.fault(id.offset, "`s3.access_key_id` needs `s3.secret_access_key` beside it");
            None
        }
        (None, Some((_, offset)), _) => {
            reading.fault(offset, "`s3.secret_access_key` needs `s3.access_key_id` beside it");
            None
        }
        (None, None, Some((_, offset))) => {
            reading.fault(offset, "`s3.session_token` needs `s3.access_key_id` and `s3.secret_access_key` beside it");
            None
        }
        (None, None, None) => None,
    }
}

fn server(key: &str, url: &Located<String>, reading: &Reading<'_>) -> Option<String> {
    if url.value.is_empty() {
        return None;
    }
    let host = url.value.strip_prefix("http://").or_else(|| url.value.strip_prefix("https://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        reading.fault(url.offset, format!("`{key}`: `{}` is not a URL such as \"http://minio:9000\"", url.value));
        return None;
    }
    Some(url.value.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Config, ConfigError};

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let environment = |name: &str| (name == "KEY").then(|| "hush".to_owned());
        let text = format!("tables.'a.x' = {{}}\n{text}");
        Config::parse(Path::new("sluice.toml"), Path::new("/etc/sluice"), text, &environment)
    }

    fn faults(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    const ON_S3: &str = "source.location = 's3a://landing/dms/'\n\
                         lake = { warehouse = 's3://lake/w', catalog.path = 'c.db' }\n";

    #[test]
    fn s3_needs_no_section_of_its_own() {
        let config = parse(ON_S3).unwrap();
        assert_eq!((config.source_location.as_str(), config.warehouse.as_str()), ("s3://landing/dms", "s3://lake/w"));
        assert_eq!(config.catalog.address(), "/etc/sluice/c.db");
        assert_eq!(config.aws, sluice_aws::AwsSettings::default());
        assert_eq!(config.notifications, None);
    }

    #[test]
    fn a_server_of_ones_own_is_described_in_s3() {
        let config = parse(&format!(
            "{ON_S3}source.notifications.queue_url = 'http://moto:5000/123456789012/q'\n\
             [s3]\nendpoint = 'http://minio:9000/'\nregion = 'eu-west-1'\npath_style = false\n\
             access_key_id = 'AK'\nsecret_access_key = '${{KEY}}'\nsession_token = '${{NO:-}}'\n\
             max_requests = 8\nattempt_timeout = '5s'\n"
        ))
        .unwrap();
        assert_eq!(config.aws.endpoint.as_deref(), Some("http://minio:9000"));
        assert_eq!((config.aws.path_style, config.aws.max_requests), (Some(false), 8));
        assert_eq!(config.aws.attempt_timeout, Duration::from_secs(5));
        let credentials = config.aws.credentials.as_ref().unwrap();
        assert_eq!((credentials.secret_access_key.reveal(), &credentials.session_token), ("hush", &None));
        assert_eq!(config.notifications.as_ref().unwrap().url, "http://moto:5000/123456789012/q");
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn a_catalog_file_cannot_be_on_s3() {
        let found = faults("source.location = 'dms'\nlake.warehouse = 's3://lake/w'\n");
        assert!(found.starts_with("sluice.toml:3:18: `lake.catalog.path` is missing"), "{found}");
    }

    #[test]
    fn half_of_the_credentials_is_a_fault_that_does_not_show_them() {
        for (keys, wanted) in [
            ("access_key_id = 'AK'", "needs `s3.secret_access_key`"),
            ("secret_access_key = 'hush'", "needs `s3.access_key_id`"),
            ("session_token = 'hush'", "needs `s3.access_key_id` and"),
            ("access_key_id = 'AK'\nsecret_access_key = 'hush${'", "opens `${`"),
        ] {
            let found = faults(&format!("{ON_S3}[s3]\n{keys}\n"));
            assert!(found.contains(wanted) && !found.contains("hush"), "{found}");
        }
    }

    #[test]
    fn impossible_settings_point_at_their_key() {
        for (text, wanted) in [
            ("s3.endpoint = 'minio:9000'", "`s3.endpoint`: `minio:9000` is not a URL"),
            ("s3.max_requests = 0", "`s3.max_requests` must be at least 1"),
            ("s3.connect_timeout = '0'", "`s3.connect_timeout` must be longer"),
            ("s3.attempt_timeout = '5m'", "longer than `s3.operation_timeout`"),
            ("source.notifications.queue_url = 'landing'", "is not the URL of a queue"),
            ("source.notifications = {}", "`source.notifications.queue_url` is missing"),
        ] {
            let found = faults(&format!("{ON_S3}{text}\n"));
            assert!(found.contains(wanted), "{found}");
        }
        let local =
            "source.location = 'dms'\nsource.notifications.queue_url = 'https://sqs/1/q'\nlake.warehouse = 'w'\n";
        assert!(faults(local).contains("`source.location` is on local disk"));
    }
}
