//! Downloads: in parts of a bounded size, at the same time, all of one content.

use std::ops::Range;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use sluice_platform::{StorageError, StorageErrorKind};

use super::S3Storage;
use super::fault;
use super::location::Place;
use super::parts::{PART, split};

/// Parts of one object that are downloaded at the same time.
const PARALLEL_PARTS: usize = 4;
/// How often in a row an answer for one part may bring nothing.
const BODY_ATTEMPTS: u32 = 5;
const OPERATION: &str = "read";

/// A part being filled: where it begins and ends in the object, and the room for it.
struct Part {
    range: Range<u64>,
    bytes: BytesMut,
}

impl Part {
    fn missing(&self) -> Range<u64> {
        self.range.start + self.bytes.len() as u64..self.range.end
    }
}

impl S3Storage {
    /// The whole object. Its first part tells how long it is and names the content that the others must belong to.
    pub(super) async fn get(&self, place: &Place<'_>) -> Result<Bytes, StorageError> {
        let permit = self.context.gate().enter().await;
        let answer = match self.ask(place, 0..PART, None).await? {
            Some(answer) => answer,
            // An empty object has no first byte to ask for.
            None if self.head_object(OPERATION, place).await?.size == 0 => return Ok(Bytes::new()),
            None => return Err(changed(place)),
        };
        let length = answer.content_range().map_or(answer.content_length(), total_length);
        let length = length.and_then(|length| u64::try_from(length).ok()).ok_or_else(|| {
            fault::own(OPERATION, place, StorageErrorKind::Other, "the answer does not say how long it is".into(), None)
        })?;
        // A server that knows no ranges sends everything at once.
        let first = if answer.content_range().is_some() { 0..length.min(PART) } else { 0..length };
        let etag = answer.e_tag().map(str::to_owned);
        let (first, rest) = (first.clone(), first.end..length);
        let mut parts = room(length, std::iter::once(first).chain(split(rest, PART)));
        let first = parts.remove(0);
        let first = self.fill(place, first, Some(answer.body), etag.as_deref()).await?;
        drop(permit);
        self.fill_all(place, first, parts, etag.as_deref()).await
    }

    /// A part of the object.
    pub(super) async fn get_range(&self, place: &Place<'_>, range: Range<u64>) -> Result<Bytes, StorageError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let permit = self.context.gate().enter().await;
        let mut parts = room(range.end - range.start, split(range, PART));
        let first = parts.remove(0);
        let answer = self.ask(place, first.range.clone(), None).await?.ok_or_else(|| shorter(place))?;
        fits(place, &answer, &first.range)?;
        let etag = answer.e_tag().map(str::to_owned);
        let first = self.fill(place, first, Some(answer.body), etag.as_deref()).await?;
        drop(permit);
        self.fill_all(place, first, parts, etag.as_deref()).await
    }

    /// Fills the other parts; all lie behind one another in one piece of memory.
    async fn fill_all(
        &self,
        place: &Place<'_>,
        first: BytesMut,
        parts: Vec<Part>,
        etag: Option<&str>,
    ) -> Result<Bytes, StorageError> {
        let filled: Vec<BytesMut> = stream::iter(parts)
            .map(|part| async move {
                let _permit = self.context.gate().enter().await;
                self.fill(place, part, None, etag).await
            })
            .buffered(PARALLEL_PARTS)
            .try_collect()
            .await?;
        let mut whole = first;
        filled.into_iter().for_each(|part| whole.unsplit(part));
        Ok(whole.freeze())
    }

    /// Fills one part; where the bytes break off, the rest is asked for, of the same content.
    async fn fill(
        &self,
        place: &Place<'_>,
        mut part: Part,
        mut body: Option<ByteStream>,
        etag: Option<&str>,
    ) -> Result<BytesMut, StorageError> {
        let mut failures = 0;
        let began_us = self.context.clock().now_us();
        let most_us = i64::try_from(self.context.settings().operation_timeout.as_micros()).unwrap_or(i64::MAX);
        loop {
            let body = match body.take() {
                Some(body) => body,
                None => {
                    let answer = self.ask(place, part.missing(), etag).await?.ok_or_else(|| shorter(place))?;
                    fits(place, &answer, &part.missing())?;
                    answer.body
                }
            };
            let had = part.bytes.len();
            let Err(error) = self.receive(place, body, &mut part).await else { return Ok(part.bytes) };
            failures = if part.bytes.len() > had { 1 } else { failures + 1 };
            let late = self.context.clock().now_us().saturating_sub(began_us) > most_us;
            if error.kind != StorageErrorKind::Transient || failures >= BODY_ATTEMPTS || late {
                return Err(error);
            }
            tracing::debug!(%error, location = place.location, missing = ?part.missing(), "the rest is asked for again");
            self.back_off(failures).await;
        }
    }

    /// Takes the bytes of an answer in, within the deadline of a try.
    async fn receive(&self, place: &Place<'_>, mut body: ByteStream, part: &mut Part) -> Result<(), StorageError> {
        let broken =
            |words: &str, cause| fault::own(OPERATION, place, StorageErrorKind::Transient, words.into(), cause);
        let deadline = self.context.clock().sleep(self.context.settings().attempt_timeout);
        tokio::pin!(deadline);
        while !part.missing().is_empty() {
            let chunk = tokio::select! {
                chunk = body.next() => chunk,
                () = &mut deadline => return Err(broken("its bytes did not come in time", None)),
            };
            match chunk {
                Some(Ok(chunk)) if chunk.len() as u64 <= part.missing().end - part.missing().start => {
                    part.bytes.extend_from_slice(&chunk);
                }
                Some(Ok(_)) => return Err(changed(place)),
                Some(Err(error)) => return Err(broken("its bytes broke off", Some(error.into()))),
                None => return Err(broken("its bytes ended too early", None)),
            }
        }
        Ok(())
    }

    /// Asks for a part, of the content `etag` if given; `None` if the object ends before it.
    async fn ask(
        &self,
        place: &Place<'_>,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Option<GetObjectOutput>, StorageError> {
        let request = self.client().await.get_object().bucket(place.bucket).key(place.key);
        let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
        match request.set_if_match(etag.map(str::to_owned)).send().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.code() == Some("InvalidRange") || is_status(&error, 416) => Ok(None),
            Err(error) => Err(self.failed(OPERATION, place, error)),
        }
    }
}

fn is_status<E>(error: &aws_sdk_s3::error::SdkError<E>, status: u16) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == status)
}

/// Room for parts that follow one another, all in one piece.
fn room(length: u64, ranges: impl Iterator<Item = Range<u64>>) -> Vec<Part> {
    let mut rest = BytesMut::with_capacity(length as usize);
    ranges
        .map(|range| {
            let behind = rest.split_off((range.end - range.start) as usize);
            Part { range, bytes: std::mem::replace(&mut rest, behind) }
        })
        .collect()
}

/// The length of the object, from `bytes 0-99/1234`.
fn total_length(content_range: &str) -> Option<i64> {
    content_range.rsplit_once('/')?.1.parse().ok()
}

/// Refuses an answer that is not the part that was asked for.
fn fits(place: &Place<'_>, answer: &GetObjectOutput, range: &Range<u64>) -> Result<(), StorageError> {
    let wanted = range.end - range.start;
    match answer.content_length().and_then(|length| u64::try_from(length).ok()) {
        Some(length) if length < wanted => Err(shorter(place)),
        Some(length) if length > wanted => {
            let words = "the server sends more than the part that was asked for".to_owned();
            Err(fault::own(OPERATION, place, StorageErrorKind::Other, words, None))
        }
        _ => Ok(()),
    }
}

fn shorter(place: &Place<'_>) -> StorageError {
    let words = "the object is shorter than the part that was asked for".to_owned();
    fault::own(OPERATION, place, StorageErrorKind::Other, words, None)
}

fn changed(place: &Place<'_>) -> StorageError {
    let words = "the object changed while it was being read".to_owned();
    fault::own(OPERATION, place, StorageErrorKind::Transient, words, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_parts_join_without_a_copy() {
        let mut parts = room(10, split(0..10, 4));
        for part in &mut parts {
            let bytes: Vec<u8> = (part.range.start as u8..part.range.end as u8).collect();
            part.bytes.extend_from_slice(&bytes);
            assert!(part.missing().is_empty());
        }
        let at = parts[0].bytes.as_ptr();
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap().bytes;
        parts.for_each(|part| whole.unsplit(part.bytes));
        assert_eq!(whole.as_ref(), (0..10).collect::<Vec<u8>>());
        assert_eq!(whole.as_ptr(), at);
    }

    #[test]
    fn the_answer_says_how_long_the_object_is() {
        assert_eq!(total_length("bytes 0-99/1234"), Some(1234));
        assert_eq!(total_length("bytes 0-99/*"), None);
    }
}
