use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::KeyError;

/// An index that cannot do what it was asked for.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The keys cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The folder of the index cannot be used. What was stored before stays as it was.
    #[error("cannot {action} `{}`: make room there or mend the disk; the index is a cache, its folder may be removed \
             while nothing runs", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file is not what was written. The index has to be cleared and built anew from the table.
    #[error("`{}` is damaged ({what}): the key index has to be built anew from the table", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no index: it is opened with its table.
    #[error("the key index is not open")]
    Closed,
    /// Another process uses the folder.
    #[error("`{}` is in use by another process: give every process a folder of its own, or stop the other one", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
}

impl IndexError {
    /// Whether what is stored is wrong, so that the index has to be cleared and built anew.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, IndexError::Corrupt { .. })
    }
}
