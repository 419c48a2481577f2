use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use roaring::RoaringBitmap;

use crate::files::{FilesError, GroupFilter, ParquetScan, ScanColumn, Step};
use crate::lake::Context;
use crate::{FileId, LakeError, LakeTable, LiveFile, deletes, io, schema};

/// Which files to read, by the bounds of columns of integers, timestamps or text.
///
/// It leaves out files and row groups, not rows: one that is read may hold rows on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanFilter {
    /// All.
    All,
    /// Those that may hold a value at or above this.
    AtLeast {
        /// The column.
        column: String,
        /// The least value.
        value: i64,
    },
    /// Those that may hold a value within this range, both ends included.
    Between {
        /// The column.
        column: String,
        /// The least value.
        from: i64,
        /// The greatest value.
        to: i64,
    },
    /// Those that may hold a text from `from` on, up to and including `to`.
    Text {
        /// The column.
        column: String,
        /// The text that sorts lowest.
        from: String,
        /// The text that sorts highest; `None`: any.
        to: Option<String>,
    },
    /// Those of this number, in a merged table.
    File(FileId),
    /// Those that one of these finds.
    AnyOf(Vec<ScanFilter>),
}

/// A filter with its columns found.
#[derive(Debug)]
enum Found<'a> {
    All,
    Numbers(i32, i64, i64),
    Text(i32, &'a str, Option<&'a str>),
    File(FileId),
    AnyOf(Vec<Found<'a>>),
}

impl Found<'_> {
    /// The same for the row groups of a file.
    fn groups(&self) -> GroupFilter {
        match self {
            Found::All | Found::File(_) => GroupFilter::All,
            Found::Numbers(field, from, to) => GroupFilter::Numbers(*field, *from, *to),
            Found::Text(field, from, to) => GroupFilter::Text(*field, (*from).to_owned(), to.map(str::to_owned)),
            Found::AnyOf(any) => GroupFilter::AnyOf(any.iter().map(Found::groups).collect()),
        }
    }

    fn wants(&self, file: &LiveFile) -> bool {
        match self {
            Found::All => true,
            Found::Numbers(field, from, to) => file.may_hold(*field, *from, *to),
            Found::Text(field, from, to) => file.may_hold_text(*field, from, *to),
            Found::File(id) => file.id == *id,
            Found::AnyOf(any) => any.iter().any(|one| one.wants(file)),
        }
    }
}

/// Rows of one file, in their order.
#[derive(Debug, Clone)]
pub struct ScanBatch {
    /// The file. The numbers of a table that keeps no files in memory hold within one scan only.
    pub file: FileId,
    /// Position of the first row within the file.
    pub first_position: u64,
    /// The rows, deleted ones included, so that positions count on.
    pub batch: RecordBatch,
    /// Which of them are not deleted; `None`: all.
    pub live: Option<BooleanBuffer>,
}

/// A scan under way: files in the order of the filter's column, else of their commits.
#[derive(Debug)]
pub struct Scan {
    context: Context,
    columns: Vec<ScanColumn>,
    schema: ArrowSchemaRef,
    batch_rows: usize,
    groups: GroupFilter,
    files: VecDeque<LiveFile>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: LiveFile,
    scan: Box<ParquetScan>,
    deleted: Arc<RoaringBitmap>,
}

impl LakeTable {
    /// Reads columns of the current snapshot, at most `batch_rows` rows at a time. No columns: all that sluice can read.
    pub async fn scan(&self, columns: &[&str], filter: ScanFilter, batch_rows: usize) -> Result<Scan, LakeError> {
        let ident = &self.context.ident;
        let table_schema = schema::readable(self.stored.metadata.current_schema());
        let missing = |name: &str| LakeError::schema(ident, format!("there is no column `{name}` to read"));
        let fields: Vec<_> = if columns.is_empty() {
            table_schema
        } else {
            let find = |name: &&str| table_schema.iter().find(|field| field.name == *name).cloned();
            columns.iter().map(|name| find(name).ok_or_else(|| missing(name))).collect::<Result<_, _>>()?
        };
        let scanned: Result<Vec<_>, FilesError> = fields.iter().map(|field| ScanColumn::new(field)).collect();
        let scanned = scanned.map_err(LakeError::files(ident, "choose the columns to read"))?;
        let plain = scanned.iter().map(|column| column.field.as_ref().clone().with_metadata(Default::default()));
        let schema = Arc::new(ArrowSchema::new(plain.collect::<Vec<_>>()));
        let found = self.found(&filter)?;
        let (files, groups) = (self.planned(&found).await?, found.groups());
        Ok(Scan { context: self.context.clone(), columns: scanned, schema, batch_rows, groups, files, current: None })
    }

    async fn planned(&self, found: &Found<'_>) -> Result<VecDeque<LiveFile>, LakeError> {
        let wanted = |file: &LiveFile| found.wants(file);
        let mut files: Vec<LiveFile> = match &self.live {
            Some(live) => live.files.values().filter(|file| wanted(file)).cloned().collect(),
            None => {
                let live = self.files_to_scan().await?;
                live.files.values().filter(|file| wanted(file)).cloned().collect()
            }
        };
        let ordering = if let Found::Numbers(field, ..) = found { Some(*field) } else { None };
        let lower = |file: &LiveFile| {
            let bounds = file.bounds.iter().find(|bounds| Some(bounds.field) == ordering);
            bounds.map_or(i64::MIN, |bounds| bounds.lower)
        };
        files.sort_by_key(|file| (lower(file), file.sequence, file.id));
        Ok(files.into())
    }

    fn found<'f>(&self, filter: &'f ScanFilter) -> Result<Found<'f>, LakeError> {
        let field = |column: &str| {
            let field = self.stored.metadata.current_schema().field_by_name(column);
            let missing = || LakeError::schema(&self.context.ident, format!("there is no column `{column}`"));
            Ok::<i32, LakeError>(field.ok_or_else(missing)?.id)
        };
        Ok(match filter {
            ScanFilter::All => Found::All,
            ScanFilter::AtLeast { column, value } => Found::Numbers(field(column)?, *value, i64::MAX),
            ScanFilter::Between { column, from, to } => Found::Numbers(field(column)?, *from, *to),
            ScanFilter::Text { column, from, to } => Found::Text(field(column)?, from, to.as_deref()),
            ScanFilter::File(id) => Found::File(*id),
            ScanFilter::AnyOf(any) => Found::AnyOf(any.iter().map(|one| self.found(one)).collect::<Result<_, _>>()?),
        })
    }
}

impl Scan {
    /// The columns of the batches.
    pub fn schema(&self) -> &ArrowSchemaRef {
        &self.schema
    }

    /// The next batch; `None` when all files have been read.
    pub async fn next(&mut self) -> Result<Option<ScanBatch>, LakeError> {
        loop {
            let Some(mut current) = self.current.take() else {
                let Some(file) = self.files.pop_front() else { return Ok(None) };
                self.current = Some(begin(&self.context, &self.columns, self.batch_rows, &self.groups, file).await?);
                continue;
            };
            let what = format!("read the data file {}", current.file.path);
            // Decoding a batch computes; the scan travels to the processors and back.
            let (mut scan, step) = self
                .context
                .cpu
                .run(move || {
                    let step = current.scan.step();
                    (current, step)
                })
                .await;
            match step.map_err(LakeError::files(&self.context.ident, what.clone()))? {
                Step::Need(ranges) => {
                    let parts = fetch(&self.context, &scan.file.path, ranges).await?;
                    scan.scan.supply(parts).map_err(LakeError::files(&self.context.ident, what))?;
                    self.current = Some(scan);
                }
                Step::Batch { first_position, batch } => {
                    let found = self.found(&scan, first_position, batch)?;
                    self.current = Some(scan);
                    return Ok(Some(found));
                }
                Step::End => {}
            }
        }
    }

    fn found(&self, current: &Current, first_position: u64, batch: RecordBatch) -> Result<ScanBatch, LakeError> {
        let live = live_rows(&current.deleted, first_position, batch.num_rows());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let plain = RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options);
        let batch = plain.map_err(|source| LakeError::Files {
            table: self.context.ident.to_string(),
            what: format!("arrange the columns of {}", current.file.path),
            source: source.into(),
        })?;
        Ok(ScanBatch { file: current.file.id, first_position, batch, live })
    }
}

// Not methods: a scan's decoder may move between threads, but a reference to it may not.
async fn begin(
    context: &Context,
    columns: &[ScanColumn],
    batch_rows: usize,
    groups: &GroupFilter,
    file: LiveFile,
) -> Result<Current, LakeError> {
    let deleted = Arc::new(deletes::read_all(context, &file).await?);
    let scan = ParquetScan::new(file.bytes, columns.to_vec(), batch_rows)
        .map_err(LakeError::files(&context.ident, format!("read the data file {}", file.path)))?;
    Ok(Current { file, scan: Box::new(scan.with_groups(groups.clone())), deleted })
}

pub(crate) async fn fetch(
    context: &Context,
    path: &str,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<(Range<u64>, Bytes)>, LakeError> {
    let location = io::normalised(path);
    let reads = ranges.into_iter().map(|range| {
        let read = context.seams.storage.read_range(&location, range.clone());
        async move { read.await.map(|bytes| (range, bytes)) }.boxed()
    });
    let reads: Vec<_> = reads.collect();
    let parts = stream::iter(reads).buffered(context.settings.parallel_files).try_collect();
    parts.await.map_err(LakeError::storage(&context.ident))
}

/// Which of `rows` rows from a position on are not deleted; `None`: all.
pub(crate) fn live_rows(deleted: &RoaringBitmap, first: u64, rows: usize) -> Option<BooleanBuffer> {
    let from = u32::try_from(first).ok()?;
    let to = u32::try_from(first.saturating_add(rows as u64)).unwrap_or(u32::MAX);
    let mut gone = deleted.range(from..to).peekable();
    gone.peek()?;
    let mut live = BooleanBufferBuilder::new(rows);
    live.append_n(rows, true);
    for position in gone {
        live.set_bit((position - from) as usize, false);
    }
    Some(live.finish())
}
