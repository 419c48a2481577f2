use std::fmt::Debug;
use std::io;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// An object (a file) that a listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Where it is, in the form in which the listing was asked.
    pub location: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it came to be at this place with this content, in microseconds since the epoch.
    pub arrived_us: i64,
    /// Names its content: while this stays the same, so does the content. Empty where the storage cannot tell. If it
    /// begins with `W/`, it may change although the content does not.
    pub etag: String,
}

/// What went wrong, as far as it decides what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Nothing is there.
    NotFound,
    /// Something is there, and we may not.
    PermissionDenied,
    /// No room to write.
    Full,
    /// It may go better another time.
    Transient,
    /// It will not go better by itself.
    Other,
}

/// A storage operation that failed.
#[derive(Debug, Error)]
#[error("cannot {operation} {location}: {}", kind.advice())]
pub struct StorageError {
    /// What was tried: `read`, `list`, `write`, `delete`.
    pub operation: &'static str,
    /// On what.
    pub location: String,
    /// What kind of failure it was.
    pub kind: StorageErrorKind,
    /// What the system said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StorageErrorKind {
    /// The failure in words, with what to do.
    fn advice(self) -> &'static str {
        match self {
            StorageErrorKind::NotFound => "nothing is there",
            StorageErrorKind::PermissionDenied => "permission denied; grant this user access to it",
            StorageErrorKind::Full => "no space is left; free some, the work goes on by itself",
            StorageErrorKind::Transient => "a passing fault",
            StorageErrorKind::Other => "the storage refused",
        }
    }
}

impl StorageError {
    /// Wraps an error of the operating system.
    pub fn from_io(operation: &'static str, location: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StorageErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => StorageErrorKind::PermissionDenied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageErrorKind::Full,
            io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                StorageErrorKind::Transient
            }
            _ => StorageErrorKind::Other,
        };
        Self { operation, location: location.to_owned(), kind, source: source.into() }
    }
}

/// Objects at locations, local now, object stores later. Locations are URIs (`file:///lake/t/data/a.parquet`).
///
/// `write` is whole or nothing once it has returned, and durable; a half-written object after a crash is possible only
/// where nothing refers to it yet.
#[async_trait]
pub trait Storage: Debug + Send + Sync {
    /// All objects below the folder `prefix`, at any depth, in byte order of their location.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, StorageError> {
        self.list_after(prefix, None).await
    }

    /// As [`Storage::list`], but only objects whose location sorts after `after`: what is far ahead is found cheaply.
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError>;

    /// The names of the folders directly below the folder `prefix`, in byte order.
    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError>;

    /// The length and arrival of one object.
    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError>;

    /// The whole object.
    async fn read(&self, location: &str) -> Result<Bytes, StorageError>;

    /// A part of the object; the range must lie within it.
    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError>;

    /// Stores an object, making the folders it needs and replacing what was there.
    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError>;

    /// Removes an object; that it is not there is no error.
    async fn delete(&self, location: &str) -> Result<(), StorageError>;
}
