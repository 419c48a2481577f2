//! Uploads: small objects in one request, large ones in parts at the same time.

use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use sluice_platform::{StorageError, StorageErrorKind};

use super::S3Storage;
use super::fault;
use super::location::Place;
use super::parts::{split, upload_part_size};
use crate::AwsContext;

/// Parts of one object that are uploaded at the same time.
const PARALLEL_PARTS: usize = 4;
const OPERATION: &str = "write";

impl S3Storage {
    /// Stores a small object. S3 refuses it if the bytes do not have the checksum that goes along.
    pub(super) async fn put(&self, place: &Place<'_>, bytes: Bytes) -> Result<(), StorageError> {
        let _permit = self.context.gate().enter().await;
        let request = self.client().await.put_object().bucket(place.bucket).key(place.key);
        let request = request.checksum_crc32(checksum(&bytes)).body(ByteStream::from(bytes)).customize();
        let request = if self.signs_payload { request } else { request.disable_payload_signing() };
        request.send().await.map_err(|error| self.failed(OPERATION, place, error))?;
        Ok(())
    }

    /// Stores a large object. It is there only once all of it is; what was uploaded of a failed one is removed.
    pub(super) async fn put_parts(&self, place: &Place<'_>, bytes: &Bytes) -> Result<(), StorageError> {
        let upload = self.begin(place).await?;
        let length = bytes.len() as u64;
        let parts: Result<Vec<CompletedPart>, StorageError> =
            stream::iter(split(0..length, upload_part_size(length)).zip(1..))
                .map(|(range, number)| {
                    let part = bytes.slice(range.start as usize..range.end as usize);
                    self.put_part(place, &upload.id, number, part)
                })
                .buffered(PARALLEL_PARTS)
                .try_collect()
                .await;
        let done = match parts {
            Ok(parts) => self.complete(place, &upload.id, parts, length).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => upload.keep(),
            Err(_) => upload.abort().await,
        }
        done
    }

    async fn begin(&self, place: &Place<'_>) -> Result<Upload, StorageError> {
        let _permit = self.context.gate().enter().await;
        let request = self.client().await.create_multipart_upload().bucket(place.bucket).key(place.key);
        let answer = request.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
        let answer = answer.map_err(|error| self.failed(OPERATION, place, error))?;
        let id = answer.upload_id.ok_or_else(|| {
            let words = "the server does not name the upload that it began".to_owned();
            fault::own(OPERATION, place, StorageErrorKind::Other, words, None)
        })?;
        Ok(Upload {
            context: Arc::clone(&self.context),
            bucket: place.bucket.to_owned(),
            key: place.key.to_owned(),
            id,
            settled: false,
        })
    }

    async fn put_part(
        &self,
        place: &Place<'_>,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart, StorageError> {
        let _permit = self.context.gate().enter().await;
        let checksum = checksum(&bytes);
        let request = self.client().await.upload_part().bucket(place.bucket).key(place.key).upload_id(upload);
        let request = request.part_number(number).checksum_crc32(&checksum).body(ByteStream::from(bytes)).customize();
        let request = if self.signs_payload { request } else { request.disable_payload_signing() };
        let answer = request.send().await.map_err(|error| self.failed(OPERATION, place, error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).checksum_crc32(checksum).build())
    }

    async fn complete(
        &self,
        place: &Place<'_>,
        upload: &str,
        parts: Vec<CompletedPart>,
        length: u64,
    ) -> Result<(), StorageError> {
        let _permit = self.context.gate().enter().await;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client().await.complete_multipart_upload().bucket(place.bucket).key(place.key);
        match request.upload_id(upload).multipart_upload(parts).send().await {
            Ok(_) => Ok(()),
            // An answer got lost and the request was made again: the upload is gone because the object is there.
            Err(error)
                if error.code() == Some("NoSuchUpload")
                    && self.head_object(OPERATION, place).await.is_ok_and(|object| object.size == length) =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed(OPERATION, place, error)),
        }
    }
}

fn checksum(bytes: &[u8]) -> String {
    STANDARD.encode(crc32fast::hash(bytes).to_be_bytes())
}

/// An upload that was begun. If it is neither kept nor aborted, its parts are removed in the background.
struct Upload {
    context: Arc<AwsContext>,
    bucket: String,
    key: String,
    id: String,
    settled: bool,
}

impl Upload {
    fn keep(mut self) {
        self.settled = true;
    }

    async fn abort(mut self) {
        self.settled = true;
        abort(&self.context, &self.bucket, &self.key, &self.id).await;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (context, id) = (Arc::clone(&self.context), std::mem::take(&mut self.id));
        let (bucket, key) = (std::mem::take(&mut self.bucket), std::mem::take(&mut self.key));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { abort(&context, &bucket, &key, &id).await });
        }
    }
}

/// Best effort: a lifecycle rule of the bucket removes what stays.
async fn abort(context: &AwsContext, bucket: &str, key: &str, id: &str) {
    let request = context.s3().await.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
    if let Err(error) = request.send().await {
        tracing::debug!(error = &error as &dyn std::error::Error, bucket, key, "parts of a failed upload stay");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_as_s3_writes_it() {
        // The check value of CRC-32, 0xcbf43926, in base64.
        assert_eq!(checksum(b"123456789"), "y/Q5Jg==");
    }
}
