use std::path::{Path, PathBuf};

use sluice_platform::LocalStorage;

/// The `file://` location that a person's path or URI stands for; a relative path is relative to `base`.
pub(crate) fn location(base: &Path, text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("file://") {
        if path.starts_with('/') {
            return Ok(format!("file://{}", trimmed(path)));
        }
        return Err(format!("`{text}` is not a location: a file URI has three slashes, as in file:///data/dms"));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!("`{text}`: storage of the kind `{scheme}://` is not supported; give a path on local disk"));
    }
    if text.trim().is_empty() {
        return Err("the path is empty: give a folder".to_owned());
    }
    let joined = base.join(text);
    let absolute = std::path::absolute(&joined).unwrap_or(joined);
    Ok(trimmed(&LocalStorage::location(&absolute)).to_owned())
}

/// The path of a location that [`location`] made.
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
        for text in ["s3://bucket/x", "file://host/x", " "] {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
