//! The folder of an index, and the only place that touches the file system.
//!
//! The index is a cache on local disk that is rebuilt from the table, so it uses `std::fs` itself instead of the storage seam,
//! which knows neither positioned reads of open files nor locks nor syncs.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::IndexError;

/// Name of the lock file.
pub const LOCK: &str = "lock";

/// Called before anything in the folder is changed; an error is taken for the failure of what was about to be done.
pub type Watch = Arc<dyn Fn(&'static str, &Path) -> io::Result<()> + Send + Sync>;

/// A folder that belongs to this process alone.
pub struct Folder {
    path: PathBuf,
    watch: Option<Watch>,
    /// Held for as long as the folder is.
    _lock: File,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.path).finish()
    }
}

impl Folder {
    /// Takes the folder, which is made where it is missing.
    pub fn take(path: &Path, watch: Option<Watch>) -> Result<Self, IndexError> {
        std::fs::create_dir_all(path).map_err(io_error("make the folder", path))?;
        let name = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let lock = lock.map_err(io_error("open", &name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), watch, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(IndexError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &name)(source)),
        }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn watched<T>(
        &self,
        action: &'static str,
        path: &Path,
        work: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, IndexError> {
        let allowed = self.watch.as_ref().map_or(Ok(()), |watch| watch(action, path));
        allowed.and_then(|()| work()).map_err(io_error(action, path))
    }

    /// Names of all files but the lock.
    pub fn names(&self) -> Result<Vec<String>, IndexError> {
        let error = || io_error("list", &self.path);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(error())? {
            let name = entry.map_err(error())?.file_name();
            names.extend(name.to_str().filter(|name| *name != LOCK).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a file, or empties it.
    pub fn create(self: &Arc<Self>, name: &str) -> Result<NewFile, IndexError> {
        let path = self.path(name);
        let file = self.watched("create", &path, || {
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)
        })?;
        Ok(NewFile { folder: Arc::clone(self), file, path })
    }

    /// Opens a file; `None` if there is none.
    pub fn open(&self, name: &str) -> Result<Option<OpenFile>, IndexError> {
        let path = self.path(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(OpenFile { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("open", &path)(error)),
        }
    }

    /// Puts a file with these bytes in the place of the one of this name, whole or not at all.
    pub fn replace(self: &Arc<Self>, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
        let temporary = format!("{name}.new");
        let mut file = self.create(&temporary)?;
        file.write(bytes)?;
        file.sync()?;
        let (from, to) = (self.path(&temporary), self.path(name));
        self.watched("rename", &from, || std::fs::rename(&from, &to))?;
        self.sync()
    }

    /// Removes a file if it is there.
    pub fn remove(&self, name: &str) -> Result<(), IndexError> {
        let path = self.path(name);
        self.watched("remove", &path, || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    /// Makes names that were added, replaced and removed last.
    pub fn sync(&self) -> Result<(), IndexError> {
        self.watched("sync", &self.path, || File::open(&self.path)?.sync_all())
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct NewFile {
    folder: Arc<Folder>,
    file: File,
    path: PathBuf,
}

impl NewFile {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        let file = &mut self.file;
        self.folder.watched("write", &self.path, || file.write_all(bytes))
    }

    /// Makes what was written last.
    pub fn sync(&self) -> Result<(), IndexError> {
        self.folder.watched("sync", &self.path, || self.file.sync_data())
    }
}

/// A file that is read.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
}

impl OpenFile {
    /// Its length in bytes.
    pub fn length(&self) -> Result<u64, IndexError> {
        Ok(self.file.metadata().map_err(io_error("look at", &self.path))?.len())
    }

    /// Fills `bytes` from `offset` on. A file that ends before is damaged.
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), IndexError> {
        self.file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.damaged(format!("it ends before byte {}", offset + bytes.len() as u64))
            }
            _ => io_error("read", &self.path)(error),
        })
    }

    /// That this file is not what was written.
    pub fn damaged(&self, what: String) -> IndexError {
        IndexError::Corrupt { path: self.path.clone(), what }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IndexError + use<> {
    let path = path.to_owned();
    move |source| IndexError::Io { action, path, source }
}
