use std::path::{Path, PathBuf};

use sluice_platform::LocalStorage;

/// The `file://` or `s3://` location that a person's path or URI stands for; a relative path is relative to `base`.
pub(crate) fn location(base: &Path, text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("file://") {
        if path.starts_with('/') {
            return Ok(format!("file://{}", trimmed(path)));
        }
        return Err(format!("`{text}` is not a location: a file URI has three slashes, as in file:///data/dms"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return if sluice_aws::SCHEMES.contains(&scheme) {
            on_s3(text, rest)
        } else {
            Err(format!(
                "`{text}`: storage of the kind `{scheme}://` is not supported; give s3://bucket/folder or a path on \
                 local disk"
            ))
        };
    }
    if text.trim().is_empty() {
        return Err("the path is empty: give a folder".to_owned());
    }
    let joined = base.join(text);
    let absolute = std::path::absolute(&joined).unwrap_or(joined);
    Ok(trimmed(&LocalStorage::location(&absolute)).to_owned())
}

fn on_s3(text: &str, rest: &str) -> Result<String, String> {
    let bucket = rest.split('/').next().unwrap_or_default();
    if bucket.is_empty() || bucket.contains(char::is_whitespace) {
        return Err(format!("`{text}` names no bucket: write s3://bucket/folder"));
    }
    Ok(format!("s3://{}", trimmed(rest)))
}

/// Whether a location that [`location`] made is on S3.
pub(super) fn is_on_s3(location: &str) -> bool {
    location.starts_with("s3://")
}

/// The path of a local location that [`location`] made.
pub(super) fn path(location: &str) -> PathBuf {
    LocalStorage::path(location).to_owned()
}

fn trimmed(location: &str) -> &str {
    location.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_configuration() {
        let at = |text| location(Path::new("/etc/sluice"), text);
        assert_eq!(at("./dms/").unwrap(), "file:///etc/sluice/dms");
        assert_eq!(at("/data/dms").unwrap(), "file:///data/dms");
        assert_eq!(at("file:///data/dms/").unwrap(), "file:///data/dms");
    }

    #[test]
    fn other_storage_is_refused_in_words() {
        let at = |text| location(Path::new("/"), text);
        for text in ["gs://bucket/x", "file://host/x", " ", "s3://", "s3:///x", "s3://my bucket/x"] {
            assert!(at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_schemes_of_s3_mean_the_same() {
        let at = |text| location(Path::new("/"), text);
        assert_eq!(at("s3://bucket/dms/").unwrap(), "s3://bucket/dms");
        assert_eq!(at("s3a://bucket/a=b/c d").unwrap(), "s3://bucket/a=b/c d");
        assert_eq!(at("s3n://bucket").unwrap(), "s3://bucket");
        assert!(is_on_s3(&at("s3a://bucket").unwrap()) && !is_on_s3(&at("/bucket").unwrap()));
    }
}
