//! Where records come from: one [`Source`] trait, batches out, positions with them.
//!
//! Nothing here knows of Iceberg or of transforms. Decoding itself lives in `sluice-decode`; this room finds bytes, reads
//! them and hands them over.

mod arrivals;
pub mod discover;
mod dms;
mod error;
mod source;

pub use arrivals::Arrivals;
pub use dms::{DmsSettings, DmsSource, DmsTableSettings, MixedFolder, OnReload, OnRewritten, OnVanished, Survey};
pub use error::SourceError;
pub use sluice_decode::SetAside;
pub use source::{Backlog, FileFate, Source, SourceFile, TableReader};
