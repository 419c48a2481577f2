//! Objects on S3, or on a server that speaks its protocol.

mod fault;
mod get;
mod location;
mod parts;
mod put;

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use sluice_platform::{ObjectMeta, Storage, StorageError};

use crate::AwsContext;
pub use fault::S3Fault;
use location::Place;
pub use location::SCHEMES;
use parts::MULTIPART_FROM;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Objects at `s3://bucket/key`; `s3a://` and `s3n://` mean the same.
///
/// One read returns one content, even when it takes several requests; two reads of an object may see two contents, which
/// their `etag` tells apart. Listings and heads agree on `arrived_us`, which therefore has whole seconds.
#[derive(Debug, Clone)]
pub struct S3Storage {
    context: Arc<AwsContext>,
    /// Whether uploads are signed with their bytes. Encryption already keeps them as they are, and hashing costs.
    signs_payload: bool,
}

impl S3Storage {
    /// The objects that this context has access to. Nothing is asked yet.
    pub fn new(context: Arc<AwsContext>) -> Self {
        let signs_payload = !context.settings().is_encrypted();
        Self { context, signs_payload }
    }

    async fn client(&self) -> &aws_sdk_s3::Client {
        self.context.s3().await
    }

    fn failed<E>(&self, operation: &'static str, place: &Place<'_>, error: SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        fault::failed(operation, place, self.context.settings().endpoint.as_deref(), error)
    }

    /// Waits before another try, longer each time, and not as long as others.
    async fn back_off(&self, failures: u32) {
        let longest = FIRST_BACKOFF * 2_u32.saturating_pow(failures);
        self.context.clock().sleep(longest.mul_f64(self.context.entropy().fraction())).await;
    }

    async fn head_object(&self, operation: &'static str, place: &Place<'_>) -> Result<ObjectMeta, StorageError> {
        let answer = self.client().await.head_object().bucket(place.bucket).key(place.key).send().await;
        let answer = answer.map_err(|error| self.failed(operation, place, error))?;
        Ok(object(place.location.to_owned(), answer.content_length, answer.last_modified, answer.e_tag))
    }

    /// Walks over all pages of a listing.
    async fn list_pages(
        &self,
        place: &Place<'_>,
        delimiter: Option<&str>,
        after: Option<&str>,
        mut take: impl FnMut(ListObjectsV2Output) + Send,
    ) -> Result<(), StorageError> {
        let prefix = place.folder_key();
        let mut token = None;
        loop {
            let permit = self.context.gate().enter().await;
            let request = self.client().await.list_objects_v2().bucket(place.bucket).prefix(&prefix);
            let request = request.set_delimiter(delimiter.map(str::to_owned)).set_start_after(after.map(str::to_owned));
            let page = request.set_continuation_token(token.take()).send().await;
            drop(permit);
            let mut page = page.map_err(|error| self.failed("list", place, error))?;
            token = page.next_continuation_token.take().filter(|_| page.is_truncated == Some(true));
            take(page);
            if token.is_none() {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Storage for S3Storage {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        let place = Place::of("list", prefix)?;
        let start_after = after.and_then(Place::parse).filter(|after| after.bucket == place.bucket);
        let mut found = Vec::new();
        let take = |page: ListObjectsV2Output| {
            for item in page.contents.into_iter().flatten() {
                // Consoles show folders by empty objects with a slash at the end.
                let Some(key) = item.key.filter(|key| !key.ends_with('/')) else { continue };
                found.push(object(place.sibling(&key), item.size, item.last_modified, item.e_tag));
            }
        };
        self.list_pages(&place, None, start_after.map(|after| after.key), take).await?;
        if let Some(after) = after {
            found.retain(|object| object.location.as_str() > after);
        }
        // S3 lists in this order; other servers need not.
        if !found.is_sorted_by(|a, b| a.location <= b.location) {
            found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        }
        Ok(found)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let place = Place::of("list", prefix)?;
        let folder = place.folder_key();
        let mut names = Vec::new();
        let take = |page: ListObjectsV2Output| {
            let prefixes = page.common_prefixes.into_iter().flatten().filter_map(|common| common.prefix);
            names.extend(prefixes.filter_map(|path| {
                let name = path.strip_prefix(&folder)?.trim_end_matches('/');
                (!name.is_empty()).then(|| name.to_owned())
            }));
        };
        self.list_pages(&place, Some("/"), None, take).await?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        let place = Place::of("read", location)?;
        let _permit = self.context.gate().enter().await;
        self.head_object("read", &place).await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        self.get(&Place::of("read", location)?).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.get_range(&Place::of("read", location)?, range).await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        let place = Place::of("write", location)?;
        if (bytes.len() as u64) < MULTIPART_FROM {
            self.put(&place, bytes).await
        } else {
            self.put_parts(&place, &bytes).await
        }
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        let place = Place::of("delete", location)?;
        let _permit = self.context.gate().enter().await;
        match self.client().await.delete_object().bucket(place.bucket).key(place.key).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.failed("delete", &place, error)),
        }
    }
}

fn object(location: String, size: Option<i64>, modified: Option<DateTime>, etag: Option<String>) -> ObjectMeta {
    ObjectMeta {
        location,
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        arrived_us: modified.map_or(0, |time| time.secs().saturating_mul(1_000_000)),
        // Weak: it depends on how an object was uploaded and encrypted too, so a copy of the same bytes may have another.
        etag: etag.map(|etag| format!("W/{}", etag.trim_matches('"'))).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_listings_agree_on_when_an_object_arrived() {
        let listed = object("s3://b/k".into(), Some(3), Some(DateTime::from_millis(1_500)), Some("\"e\"".into()));
        let headed = object("s3://b/k".into(), Some(3), Some(DateTime::from_secs(1)), Some("e".into()));
        assert_eq!(listed, headed);
        assert_eq!((listed.arrived_us, listed.etag.as_str()), (1_000_000, "W/e"));
    }
}
