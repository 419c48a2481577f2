use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::error::FilesError;

/// Begins and ends a Puffin file and begins its footer (Puffin specification, "File structure").
const MAGIC: [u8; 4] = *b"PFA1";
/// No footer flags: the footer is not compressed.
const NO_FLAGS: [u8; 4] = [0; 4];
/// Field id of the reserved column `_pos`, the field that a deletion vector is about.
const POSITION_FIELD_ID: i32 = 2_147_483_645;
/// In place of a snapshot id and a sequence number, which a deletion vector inherits from its commit.
const INHERITED: i64 = -1;

/// A Puffin file of deletion vectors in memory, ready to be stored.
#[derive(Debug, Clone)]
pub struct EncodedPuffin {
    /// The file.
    pub bytes: Bytes,
    /// Where each vector lies in it, in the order in which they were given.
    pub vectors: Vec<EncodedVector>,
}

/// Where a deletion vector lies in its Puffin file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedVector {
    /// Path of the data file whose rows it deletes.
    pub data_file: String,
    /// First byte of the vector.
    pub offset: u64,
    /// Bytes of the vector.
    pub length: u64,
    /// Number of rows that it deletes.
    pub cardinality: u64,
}

#[derive(Serialize)]
struct Footer<'a> {
    blobs: Vec<FooterBlob<'a>>,
    properties: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FooterBlob<'a> {
    r#type: &'static str,
    fields: [i32; 1],
    snapshot_id: i64,
    sequence_number: i64,
    offset: u64,
    length: u64,
    properties: BTreeMap<&'static str, FooterText<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FooterText<'a> {
    Borrowed(&'a str),
    Owned(String),
}

/// Assembles a Puffin file.
#[derive(Debug)]
pub(super) struct PuffinBuffer {
    bytes: Vec<u8>,
    vectors: Vec<EncodedVector>,
    /// Whether zeros follow each vector.
    padded: bool,
}

impl PuffinBuffer {
    /// A file that will hold `count` vectors.
    ///
    /// In a shared file each vector is followed by its length plus one zero bytes: DuckDB 1.5.5 widens reads up to the
    /// next range that it has cached when the gap is no longer than the read, and then takes the wrong vector.
    pub(super) fn new(count: usize) -> Self {
        Self { bytes: MAGIC.to_vec(), vectors: Vec::with_capacity(count), padded: count > 1 }
    }

    /// Appends the vector that `write` produces.
    pub(super) fn push(
        &mut self,
        data_file: &str,
        cardinality: u64,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        let length = self.bytes.len() - start;
        if self.padded {
            self.bytes.resize(self.bytes.len() + length + 1, 0);
        }
        self.vectors.push(EncodedVector {
            data_file: data_file.to_owned(),
            offset: start as u64,
            length: length as u64,
            cardinality,
        });
        Ok(())
    }

    /// Writes the footer.
    pub(super) fn finish(mut self) -> Result<EncodedPuffin, FilesError> {
        let blobs = self.vectors.iter().map(|vector| FooterBlob {
            r#type: iceberg::puffin::DELETION_VECTOR_V1,
            fields: [POSITION_FIELD_ID],
            snapshot_id: INHERITED,
            sequence_number: INHERITED,
            offset: vector.offset,
            length: vector.length,
            properties: BTreeMap::from([
                ("cardinality", FooterText::Owned(vector.cardinality.to_string())),
                ("referenced-data-file", FooterText::Borrowed(&vector.data_file)),
            ]),
        });
        let created_by = concat!("sluice ", env!("CARGO_PKG_VERSION"));
        let footer = Footer { blobs: blobs.collect(), properties: BTreeMap::from([("created-by", created_by)]) };
        let payload = serde_json::to_vec(&footer)
            .map_err(|error| FilesError::Vector(format!("the footer of its Puffin file cannot be written: {error}")))?;
        let length = u32::try_from(payload.len())
            .map_err(|_| FilesError::Vector("the footer of its Puffin file is longer than 4 GiB".to_owned()))?;
        self.bytes.extend_from_slice(&MAGIC);
        self.bytes.extend_from_slice(&payload);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&NO_FLAGS);
        self.bytes.extend_from_slice(&MAGIC);
        Ok(EncodedPuffin { bytes: Bytes::from(self.bytes), vectors: self.vectors })
    }
}
