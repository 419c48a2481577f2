use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ObjectMeta, Storage, StorageError};

/// Files on a local disk. Locations are `file:///absolute/path` or plain paths.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalStorage;

impl LocalStorage {
    /// The path that a location names.
    pub fn path(location: &str) -> &Path {
        Path::new(location.strip_prefix("file://").unwrap_or(location))
    }

    /// The `file:///` location of an existing or future absolute path.
    pub fn location(path: &Path) -> String {
        format!("file://{}", path.display())
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let after = after.map(str::to_owned);
        blocking("list", &prefix, move |prefix| {
            let root = Self::path(prefix);
            let mut found = Vec::new();
            let mut folders = vec![PathBuf::new()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(root.join(&folder))? {
                    let entry = entry?;
                    let relative = folder.join(entry.file_name());
                    let metadata = match fs::metadata(entry.path()) {
                        Ok(metadata) => metadata,
                        // It went away between the listing and the look.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    };
                    if metadata.is_dir() {
                        folders.push(relative);
                    } else {
                        found.push(object(format!("{prefix}/{}", relative.display()), &metadata));
                    }
                }
            }
            found.retain(|object| after.as_ref().is_none_or(|after| object.location > *after));
            found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
            Ok(found)
        })
        .await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        blocking("list", prefix, |prefix| {
            let mut names = Vec::new();
            for entry in fs::read_dir(Self::path(prefix))? {
                let entry = entry?;
                if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()) {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        blocking("read", location, |location| Ok(object(location.to_owned(), &fs::metadata(Self::path(location))?)))
            .await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        blocking("read", location, |location| Ok(Bytes::from(fs::read(Self::path(location))?))).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        blocking("read", location, move |location| {
            let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
            let mut buffer = vec![0; length];
            File::open(Self::path(location))?.read_exact_at(&mut buffer, range.start)?;
            Ok(Bytes::from(buffer))
        })
        .await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        blocking("write", location, move |location| {
            let path = Self::path(location);
            let folder = path.parent().unwrap_or(Path::new("/"));
            let made = !folder.exists();
            fs::create_dir_all(folder)?;
            let written = File::create(path).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            if let Err(error) = written {
                // Best effort: nothing refers to it, and a full disk wants its room back.
                let _ = fs::remove_file(path);
                return Err(error);
            }
            // The name is durable only with its folder, and a new folder only with its own.
            File::open(folder)?.sync_all()?;
            if made && let Some(above) = folder.parent() {
                File::open(above)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        blocking("delete", location, |location| match fs::remove_file(Self::path(location)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

/// Change time, not modification time: copying a file with its old times kept does not make it arrive in the past.
fn object(location: String, metadata: &fs::Metadata) -> ObjectMeta {
    let arrived_us = metadata.ctime().saturating_mul(1_000_000).saturating_add(metadata.ctime_nsec() / 1_000);
    // Writing changes the modification time; `chmod`, `chown` and links change only the time of arrival.
    // It is weak all the same: a touch changes it too.
    let etag = format!("W/{:x}.{:x}", metadata.mtime(), metadata.mtime_nsec());
    ObjectMeta { location, size: metadata.len(), arrived_us, etag }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    location: &str,
    work: impl FnOnce(&str) -> io::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    let owned = location.to_owned();
    let joined = tokio::task::spawn_blocking(move || work(&owned)).await;
    joined.map_err(io::Error::other).flatten().map_err(|error| StorageError::from_io(operation, location, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StorageErrorKind;

    #[tokio::test]
    async fn objects_are_listed_in_order_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let root = LocalStorage::location(folder.path());
        for name in ["b.csv", "a/c.csv", "a.csv"] {
            LocalStorage.write(&format!("{root}/{name}"), Bytes::from_static(b"x")).await.unwrap();
        }
        let listed = LocalStorage.list(&root).await.unwrap();
        let names: Vec<&str> = listed.iter().map(|object| &object.location[root.len() + 1..]).collect();
        assert_eq!(names, ["a.csv", "a/c.csv", "b.csv"]);
        assert_eq!(LocalStorage.list_folders(&root).await.unwrap(), ["a"]);
        assert_eq!(LocalStorage.head(&listed[0].location).await.unwrap(), listed[0]);
    }

    #[tokio::test]
    async fn ranges_read_exactly_and_a_missing_object_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let location = format!("{}/x", LocalStorage::location(folder.path()));
        LocalStorage.write(&location, Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(LocalStorage.read_range(&location, 3..6).await.unwrap(), "345");
        assert!(LocalStorage.read_range(&location, 8..12).await.is_err());
        LocalStorage.delete(&location).await.unwrap();
        LocalStorage.delete(&location).await.unwrap();
        assert_eq!(LocalStorage.read(&location).await.unwrap_err().kind, StorageErrorKind::NotFound);
    }
}
