use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef as ArrowSchemaRef;
use futures::{FutureExt, StreamExt, stream};
use iceberg::spec::{DataFile, SchemaRef, Struct};
use sluice_change::SchemaChange;

use crate::files::{self, EncodedDataFile, FileLayout};
use crate::lake::{Point, data_folder};
use crate::{FileId, LakeError, LakeTable, TableIdent, io, schema};

/// Turns rows into data files in memory, for one table with one schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Encoder {
    ident: Arc<TableIdent>,
    layout: Arc<FileLayout>,
    arrow: ArrowSchemaRef,
}

/// A data file in memory.
#[derive(Debug, Clone)]
pub struct Encoded {
    file: EncodedDataFile,
    layout: Arc<FileLayout>,
}

/// A data file that is stored and not yet part of the table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    /// Its number, which it keeps once it is part of the table.
    pub id: FileId,
    /// Rows in it.
    pub records: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// For each row of the file, the number of the input row; `None` where they are the same.
    pub rows: Option<Arc<Vec<u32>>>,
    pub(crate) entry: Arc<DataFile>,
    pub(crate) schema: SchemaRef,
    pub(crate) spec_id: i32,
}

impl Encoder {
    /// The columns of the table, as rows to encode should have them.
    pub fn arrow_schema(&self) -> &ArrowSchemaRef {
        &self.arrow
    }

    /// Encodes rows as one file for each partition value. Columns are found by name; no rows make no file.
    pub fn encode(&self, batches: &[RecordBatch]) -> Result<Vec<Encoded>, LakeError> {
        let files = files::encode_data_files(&self.layout, batches)
            .map_err(LakeError::files(&self.ident, "encode rows as data files"))?;
        Ok(files.into_iter().map(|file| Encoded { file, layout: Arc::clone(&self.layout) }).collect())
    }
}

impl Encoded {
    /// Rows in the file.
    pub fn records(&self) -> u64 {
        self.file.record_count
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.file.bytes.len() + self.file.rows.as_ref().map_or(0, |rows| rows.len() * size_of::<u32>())
    }
}

impl WrittenFile {
    /// Where the file is.
    pub fn path(&self) -> &str {
        self.entry.file_path()
    }

    pub(crate) fn partition(&self) -> &Struct {
        self.entry.partition()
    }
}

impl LakeTable {
    /// An encoder of data files with the table's schema.
    pub fn encoder(&self) -> Result<Encoder, LakeError> {
        self.encoder_after(&SchemaChange::default())
    }

    /// An encoder of data files with the schema that the table will have after `change`.
    ///
    /// Its files can only be committed together with that change.
    pub fn encoder_after(&self, change: &SchemaChange) -> Result<Encoder, LakeError> {
        let ident = &self.context.ident;
        let metadata = &self.stored.metadata;
        let schema = match schema::changed(ident, metadata, change)? {
            Some(schema) => Arc::new(schema),
            None => Arc::clone(metadata.current_schema()),
        };
        let schema = schema::writable(ident, &schema)?;
        let arrow = schema::arrow(&schema);
        let spec = Arc::clone(metadata.default_partition_spec());
        let layout = FileLayout::new(schema, spec, self.context.settings.files.clone())
            .map_err(LakeError::files(ident, "lay out its data files"))?;
        Ok(Encoder { ident: Arc::new(ident.clone()), layout: Arc::new(layout), arrow })
    }

    /// Encodes rows on the processor pool and stores the files. Nothing is visible before the commit.
    pub async fn write(&self, batches: Vec<RecordBatch>) -> Result<Vec<WrittenFile>, LakeError> {
        let encoder = self.encoder()?;
        let encoded = self.context.cpu.run(move || encoder.encode(&batches)).await?;
        self.store(encoded).await
    }

    /// Stores encoded files. Nothing is visible before the commit. When one fails, none is left behind.
    pub async fn store(&self, encoded: Vec<Encoded>) -> Result<Vec<WrittenFile>, LakeError> {
        // Boxed: the compiler cannot see that a stream of unnamed futures may move between threads.
        let writes: Vec<_> = encoded.into_iter().map(|file| self.store_one(file).boxed()).collect();
        let stored: Vec<Result<WrittenFile, LakeError>> =
            stream::iter(writes).buffered(self.context.settings.parallel_files).collect().await;
        let (kept, failed): (Vec<_>, Vec<_>) = stored.into_iter().partition(Result::is_ok);
        let kept: Vec<WrittenFile> = kept.into_iter().flatten().collect();
        match failed.into_iter().find_map(Result::err) {
            None => Ok(kept),
            Some(error) => {
                self.discard(kept).await;
                Err(error)
            }
        }
    }

    /// Removes files that were written and will not be committed. Best effort.
    pub async fn discard(&self, files: Vec<WrittenFile>) {
        let paths = files.iter().map(|file| file.path().to_owned());
        io::sweep(&self.context.seams.storage, paths.collect::<Vec<_>>()).await;
    }

    async fn store_one(&self, encoded: Encoded) -> Result<WrittenFile, LakeError> {
        let Encoded { mut file, layout } = encoded;
        let ident = &self.context.ident;
        let refused = || LakeError::files(ident, "name a data file");
        let folder = files::partition_path(layout.spec(), layout.schema(), &file.partition).map_err(refused())?;
        let separator = if folder.is_empty() { "" } else { "/" };
        let path = format!(
            "{}/{folder}{separator}{}.parquet",
            data_folder(&self.stored.metadata),
            self.context.seams.entropy.uuid()
        );
        let written = io::write(&self.context.seams.storage, &path, file.bytes.clone()).await;
        written.map_err(LakeError::storage(ident))?;
        self.context.seams.role.hit(Point::AfterDataFile);
        let (rows, records, bytes) = (file.rows.take(), file.record_count, file.bytes.len() as u64);
        let entry = file.into_data_file(path).map_err(refused())?;
        Ok(WrittenFile {
            id: FileId(self.next_file.fetch_add(1, Ordering::Relaxed)),
            records,
            bytes,
            rows: rows.map(Arc::new),
            entry: Arc::new(entry),
            schema: Arc::clone(layout.schema()),
            spec_id: layout.spec().spec_id(),
        })
    }
}
