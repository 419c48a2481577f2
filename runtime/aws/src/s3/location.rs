use sluice_platform::{StorageError, StorageErrorKind};

/// The schemes that mean S3; Hadoop writes the longer ones into table metadata.
pub const SCHEMES: [&str; 3] = ["s3", "s3a", "s3n"];

/// A bucket and a key within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// What stands before the key, `s3://bucket/`, as it was written.
    pub root: &'a str,
    pub bucket: &'a str,
    /// Without a slash in front; empty for the bucket itself.
    pub key: &'a str,
    /// The location as a whole.
    pub location: &'a str,
}

impl<'a> Place<'a> {
    /// Splits a location; `None` if it is none of S3's.
    pub fn parse(location: &'a str) -> Option<Self> {
        let (scheme, rest) = location.split_once("://")?;
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        let bucket_end = rest.find('/').unwrap_or(rest.len());
        let bucket = &rest[..bucket_end];
        let key = rest.get(bucket_end + 1..).unwrap_or_default();
        let root = &location[..location.len() - key.len()];
        (!bucket.is_empty()).then_some(Self { root, bucket, key, location })
    }

    /// As [`Place::parse`], with an error in the words of `operation`.
    pub fn of(operation: &'static str, location: &'a str) -> Result<Self, StorageError> {
        Self::parse(location).ok_or_else(|| StorageError {
            operation,
            location: location.to_owned(),
            kind: StorageErrorKind::Other,
            source: "this is no location on S3: write s3://bucket/folder".into(),
        })
    }

    /// The key of the folder here: with a slash at its end, or nothing for the whole bucket.
    pub fn folder_key(&self) -> String {
        match self.key.trim_end_matches('/') {
            "" => String::new(),
            key => format!("{key}/"),
        }
    }

    /// The location of a key of this bucket, in the form in which this one is written.
    pub fn sibling(&self, key: &str) -> String {
        let slash = if self.root.ends_with('/') { "" } else { "/" };
        format!("{}{slash}{key}", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_split_into_bucket_and_key() {
        for (location, bucket, key, folder) in [
            ("s3://b/a/c d+%é=1.csv", "b", "a/c d+%é=1.csv", "a/c d+%é=1.csv/"),
            ("s3a://b/dms/", "b", "dms/", "dms/"),
            ("s3n://b/", "b", "", ""),
            ("s3://b", "b", "", ""),
        ] {
            let place = Place::parse(location).unwrap();
            assert_eq!((place.bucket, place.key, place.folder_key().as_str()), (bucket, key, folder), "{location}");
        }
        for location in ["file:///b/a", "/b/a", "s3:///a", "gs://b/a"] {
            assert_eq!(Place::parse(location), None, "{location}");
        }
    }

    #[test]
    fn what_is_listed_has_the_form_in_which_it_was_asked_for() {
        assert_eq!(Place::parse("s3a://b/x").unwrap().sibling("x/1.csv"), "s3a://b/x/1.csv");
        assert_eq!(Place::parse("s3://b").unwrap().sibling("x/1.csv"), "s3://b/x/1.csv");
    }
}
