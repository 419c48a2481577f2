//! The manifest: the one file that says what the index is.
//!
//! Magic (8 bytes), format version (4), length of the body (8), body (postcard), XXH3 of all before (8). It is replaced as a
//! whole, so it is either the old or the new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::IndexError;
use crate::disk::Folder;
use crate::run::RunMeta;

/// Name of the file.
pub const MANIFEST: &str = "manifest";

/// The data files that locations point into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNames {
    /// Their paths, by their numbers in [`crate::Location`]. Files that are gone need not be among them.
    pub paths: BTreeMap<u32, String>,
    /// No number from here on was ever used: locations may name files that are gone.
    pub next: u32,
}

const MAGIC: [u8; 8] = *b"sluicekx";

/// Goes up whenever files of older versions cannot be read any more.
const VERSION: u32 = 2;

/// What the index was when it was last made last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the caller says that the index is of.
    pub identity: Vec<u8>,
    /// The form of the keys.
    pub form: u8,
    /// Size of a page.
    pub page_bytes: u32,
    /// The snapshot that the runs reflect.
    pub snapshot: Option<i64>,
    /// The caller's data files.
    pub files: FileNames,
    /// The number of the next run.
    pub next_run: u64,
    /// The runs, the newest first.
    pub runs: Vec<RunMeta>,
}

impl Manifest {
    /// Makes this the manifest of the folder.
    pub fn store(&self, folder: &Arc<Folder>) -> Result<(), IndexError> {
        folder.replace(MANIFEST, &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        // Plain numbers, byte strings and lists of them cannot fail to be encoded; an empty body would not be read back.
        let body = postcard::to_stdvec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(body.len() + 28);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&XxHash3_64::oneshot(&bytes).to_le_bytes());
        bytes
    }

    /// The manifest of the folder: none, or what it is, or why it cannot be trusted.
    pub fn load(folder: &Folder) -> Result<Option<Result<Self, String>>, IndexError> {
        let Some(file) = folder.open(MANIFEST)? else { return Ok(None) };
        let mut bytes = vec![0; file.length()? as usize];
        file.read(&mut bytes, 0)?;
        Ok(Some(Self::decode(&bytes)))
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let torn = || "its manifest is damaged".to_owned();
        let (content, checksum) = bytes.split_last_chunk::<8>().ok_or_else(torn)?;
        if XxHash3_64::oneshot(content) != u64::from_le_bytes(*checksum) {
            return Err(torn());
        }
        let rest = content.strip_prefix(&MAGIC).ok_or_else(torn)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(torn)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(format!("it has format version {version}, and this is version {VERSION}"));
        }
        let (length, body) = rest.split_first_chunk::<8>().ok_or_else(torn)?;
        if u64::from_le_bytes(*length) != body.len() as u64 {
            return Err(torn());
        }
        postcard::from_bytes(body).map_err(|_| torn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_any_damage_is_seen() {
        let manifest = Manifest {
            identity: b"table".to_vec(),
            form: 1,
            page_bytes: 2048,
            snapshot: Some(-5),
            files: FileNames { paths: [(3, "a.parquet".to_owned())].into(), next: 5 },
            next_run: 9,
            runs: Vec::new(),
        };
        let mut bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            bytes[at] ^= 0x10;
            assert!(Manifest::decode(&bytes).is_err());
            bytes[at] ^= 0x10;
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&77_u32.to_le_bytes());
        bytes.extend_from_slice(&XxHash3_64::oneshot(&bytes).to_le_bytes());
        assert!(Manifest::decode(&bytes).is_err_and(|why| why.contains("77")));
    }
}
