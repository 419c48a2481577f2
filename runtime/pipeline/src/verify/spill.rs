//! Rows parted into buckets, in memory up to a limit and beyond that in files that have no name.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;

use super::events::Parted;
use super::keys::BUCKETS;

/// Buckets that are being filled.
pub struct Buckets {
    schema: SchemaRef,
    folder: Arc<Path>,
    /// Bytes that may be held in memory.
    limit: usize,
    held_bytes: usize,
    spilled_bytes: u64,
    buckets: Vec<Filling>,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("held", &self.held_bytes).field("spilled", &self.spilled_bytes).finish()
    }
}

#[derive(Default)]
struct Filling {
    held: Vec<RecordBatch>,
    /// What is in the file comes before what is held.
    file: Option<StreamWriter<BufWriter<File>>>,
    rows: u64,
    bytes: u64,
}

/// One bucket, filled.
#[derive(Debug)]
pub struct Bucket {
    held: Vec<RecordBatch>,
    file: Option<File>,
    /// Rows in it.
    pub rows: u64,
    /// Bytes that they take in memory.
    pub bytes: u64,
}

impl Buckets {
    /// None filled yet. Files are made in `folder` once more than `limit` bytes are held.
    pub fn new(schema: &SchemaRef, folder: &Arc<Path>, limit: usize) -> Self {
        let buckets = (0..BUCKETS).map(|_| Filling::default()).collect();
        let (schema, folder) = (Arc::clone(schema), Arc::clone(folder));
        Self { schema, folder, limit, held_bytes: 0, spilled_bytes: 0, buckets }
    }

    /// Adds rows. Within a bucket they stay in the order in which they were added.
    pub fn push(&mut self, parted: &Parted) -> Result<(), ArrowError> {
        let all = parted.rows.num_rows();
        if all == 0 {
            return Ok(());
        }
        let bytes = parted.rows.get_array_memory_size();
        for (bucket, ends) in self.buckets.iter_mut().zip(parted.bounds.windows(2)) {
            let length = ends[1] - ends[0];
            if length > 0 {
                bucket.held.push(parted.rows.slice(ends[0], length));
                bucket.rows += length as u64;
                bucket.bytes += (bytes as u64 * length as u64).div_ceil(all as u64);
            }
        }
        self.held_bytes += bytes;
        if self.held_bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes everything that is held to the files. All at once: the buckets share the memory of what was added.
    fn spill(&mut self) -> Result<(), ArrowError> {
        for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.held.is_empty()) {
            let rows = concat_batches(&self.schema, &bucket.held)?;
            bucket.held.clear();
            let file = match &mut bucket.file {
                Some(file) => file,
                none => {
                    let file = tempfile::tempfile_in(&self.folder).map_err(|error| failed(&self.folder, error))?;
                    none.insert(StreamWriter::try_new(BufWriter::new(file), &self.schema)?)
                }
            };
            file.write(&rows)?;
            self.spilled_bytes += rows.get_array_memory_size() as u64;
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Bytes that went to files.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }

    /// The buckets, as they are filled.
    pub fn finish(self) -> Result<Vec<Bucket>, ArrowError> {
        let folder = self.folder;
        let finished = self.buckets.into_iter().map(|bucket| {
            let file = match bucket.file {
                Some(writer) => Some(rewound(writer).map_err(|error| failed(&folder, error))?),
                None => None,
            };
            Ok(Bucket { held: bucket.held, file, rows: bucket.rows, bytes: bucket.bytes })
        });
        finished.collect()
    }
}

fn rewound(mut writer: StreamWriter<BufWriter<File>>) -> Result<File, io::Error> {
    writer.finish().map_err(io::Error::other)?;
    let buffered = writer.into_inner().map_err(io::Error::other)?;
    let mut file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn failed(folder: &Path, error: io::Error) -> ArrowError {
    let what = format!("cannot keep rows in a temporary file in {}: give a folder with more room", folder.display());
    ArrowError::IoError(what, error)
}

impl Bucket {
    /// Its rows, a batch at a time, in the order in which they were added.
    pub fn read(self) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, ArrowError> {
        let file = match self.file {
            Some(file) => Some(StreamReader::try_new(BufReader::new(file), None)?),
            None => None,
        };
        Ok(file.into_iter().flatten().chain(self.held.into_iter().map(Ok)))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn parted(first: i64, rows: usize) -> Parted {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows as i64));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| "x".repeat(row % 7))));
        let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true)]).unwrap();
        // The first half goes to bucket 3, the rest to bucket 5.
        let (half, all) = (rows.num_rows() / 2, rows.num_rows());
        let bounds = (0..=BUCKETS).map(|bucket| {
            if bucket <= 3 {
                0
            } else if bucket <= 5 {
                half
            } else {
                all
            }
        });
        Parted { bounds: bounds.collect(), rows }
    }

    #[test]
    fn rows_come_back_in_their_order_whether_they_were_spilled_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [0, 4_000, usize::MAX] {
            let first = parted(0, 10);
            let mut buckets = Buckets::new(&first.rows.schema(), &Arc::from(folder.path()), limit);
            for start in 0..50 {
                buckets.push(&parted(start * 10, 10)).unwrap();
            }
            assert_eq!(buckets.spilled_bytes() > 0, limit < usize::MAX);
            let mut finished = buckets.finish().unwrap();
            let (five, three) = (finished.remove(5), finished.remove(3));
            for (bucket, offset) in [(three, 0), (five, 5)] {
                assert_eq!(bucket.rows, 250);
                let batches: Vec<RecordBatch> = bucket.read().unwrap().map(Result::unwrap).collect();
                let numbers: Vec<i64> = batches
                    .iter()
                    .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                    .collect();
                let expected: Vec<i64> =
                    (0..50).flat_map(|start| (0..5).map(move |n| start * 10 + offset + n)).collect();
                assert_eq!(numbers, expected);
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files without a name");
        }
    }
}
