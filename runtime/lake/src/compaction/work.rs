use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use roaring::RoaringBitmap;

use super::mapping::RowMapping;
use super::plan::CompactionJob;
use super::rows::{Encoding, Progress, Reading, advance, sort};
use super::settings::CompactionSettings;
use super::sort::Sorting;
use crate::files::{self, EncodedDataFile, Inherited, ParquetScan, RewriteLayout};
use crate::lake::{Context, data_folder};
use crate::live::DeleteSource;
use crate::scan::fetch;
use crate::{FileId, FormatVersion, LakeError, LakeTable, LiveFile, WrittenFile, deletes, io, schema};

/// Rows of a row group, however long they are.
const SMALLEST_ROW_GROUP: usize = 1024;
/// Waits shorter than this are put together.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between two steps.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A job with all that it needs of the table: it runs beside the table's commits and knows nothing of them.
#[derive(Debug)]
pub struct CompactionWork {
    context: Context,
    files: Vec<LiveFile>,
    layout: Arc<RewriteLayout>,
    sorting: Option<Sorting>,
    folder: String,
    file_bytes: u64,
    batch_rows: usize,
    processor_share: f64,
    sequence: i64,
    snapshot_id: i64,
    version: FormatVersion,
    spec_id: i32,
    next_file: Arc<AtomicU32>,
}

/// Data files that hold the rows of others and wait for their commit.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// Names this rewrite in the summary of its snapshot.
    pub(crate) id: String,
    pub(crate) sources: Vec<RewrittenSource>,
    pub(crate) files: Vec<WrittenFile>,
    pub(crate) mapping: Arc<RowMapping>,
    pub(crate) spec_id: i32,
    /// Sequence number of the snapshot whose rows these are.
    pub(crate) sequence: i64,
    pub(crate) version: FormatVersion,
    /// Tells the opened table apart that gave the files their numbers.
    pub(crate) next_file: Arc<AtomicU32>,
    /// Whether the files were removed because they did not fit.
    pub(crate) swept: Arc<AtomicBool>,
}

/// A file as it was when it was read.
#[derive(Debug, Clone)]
pub(crate) struct RewrittenSource {
    pub id: FileId,
    pub path: Arc<str>,
    pub deletes: Vec<DeleteSource>,
}

impl Rewritten {
    /// The files that were written.
    pub fn files(&self) -> &[WrittenFile] {
        &self.files
    }

    /// The paths of the files that were read.
    pub fn replaced(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| &*source.path)
    }

    /// Where each row is once the rewrite is committed.
    pub fn mapping(&self) -> &Arc<RowMapping> {
        &self.mapping
    }
}

impl LakeTable {
    /// Takes what a job needs out of the current snapshot; `None` if a file of it is no longer there.
    ///
    /// Of a merged table nothing is read. The work runs while the table goes on committing.
    pub async fn pin(
        &self,
        job: &CompactionJob,
        settings: &CompactionSettings,
    ) -> Result<Option<CompactionWork>, LakeError> {
        let (context, metadata) = (&self.context, &self.stored.metadata);
        let ident = &context.ident;
        let Some(snapshot) = self.head() else { return Ok(None) };
        let scanned;
        let live = match &self.live {
            Some(live) => live,
            None => {
                scanned = self.files_to_scan().await?;
                &scanned
            }
        };
        let find = |path: &Arc<str>| live.files.get(live.by_path.get(path)?).cloned();
        let Some(files) = job.files.iter().map(find).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let refused = || LakeError::files(ident, "lay out the files of a rewrite");
        let current = metadata.current_schema();
        let Some(spec) = metadata.partition_spec_by_id(job.spec_id) else { return Ok(None) };
        let of_spec = schema::schema_for_spec(metadata, current, spec)
            .ok_or_else(|| LakeError::inconsistent(ident, "rewrite files", "no schema fits their partition spec"))?;
        let folder = files::partition_path(spec, &of_spec, &job.partition).map_err(refused())?;
        let separator = if folder.is_empty() { "" } else { "/" };
        let order = Sorting::of(metadata);
        // Rows of a file that is in order stay in it when some are left out.
        let keeps_order = |order: &&Sorting| job.sorted || files.iter().all(|file| file.sort_order == Some(order.id));
        let sort_order = order.as_ref().filter(keeps_order).map(|order| order.id);
        let sorting = order.filter(|_| job.sorted);
        let row_bytes = (job.bytes / (job.rows + job.deleted).max(1)).max(1);
        let rows = usize::try_from(settings.row_group_bytes / row_bytes).unwrap_or(usize::MAX);
        let mut file_settings = context.settings.files.clone();
        file_settings.row_group_rows = file_settings.row_group_rows.min(rows.max(SMALLEST_ROW_GROUP));
        let layout = RewriteLayout::new(
            Arc::clone(current),
            file_settings,
            (job.spec_id, job.partition.clone()),
            sort_order,
            self.format_version() == FormatVersion::V3,
        );
        Ok(Some(CompactionWork {
            context: context.clone(),
            files,
            layout: Arc::new(layout.map_err(refused())?),
            sorting,
            folder: format!("{}/{folder}{separator}", data_folder(metadata)),
            file_bytes: job.file_bytes,
            batch_rows: settings.batch_rows,
            processor_share: settings.processor_share,
            sequence: snapshot.sequence_number(),
            snapshot_id: snapshot.snapshot_id(),
            version: self.format_version(),
            spec_id: job.spec_id,
            next_file: Arc::clone(&self.next_file),
        }))
    }
}

impl CompactionWork {
    /// The snapshot whose files are read: it must not expire meanwhile, or the work fails.
    pub fn snapshot_id(&self) -> i64 {
        self.snapshot_id
    }

    /// Rewrites the files. When it fails nothing is left behind; nothing is visible before the commit.
    pub async fn run(self) -> Result<Rewritten, LakeError> {
        let mut written = Vec::new();
        match self.rewrite(&mut written).await {
            Ok(mapping) => Ok(Rewritten {
                id: self.context.seams.entropy.uuid().to_string(),
                spec_id: self.spec_id,
                swept: Arc::default(),
                next_file: Arc::clone(&self.next_file),
                sequence: self.sequence,
                version: self.version,
                mapping: Arc::new(mapping),
                sources: self
                    .files
                    .into_iter()
                    .map(|file| RewrittenSource { id: file.id, path: file.path, deletes: file.deletes })
                    .collect(),
                files: written,
            }),
            Err(error) => {
                let paths = written.iter().map(|file| file.path().to_owned());
                io::sweep(&self.context.seams.storage, paths.collect::<Vec<_>>()).await;
                Err(error)
            }
        }
    }

    async fn rewrite(&self, written: &mut Vec<WrittenFile>) -> Result<RowMapping, LakeError> {
        let ident = &self.context.ident;
        let mut mapping = RowMapping::default();
        let rows = self.files.iter().map(|file| file.records.saturating_sub(file.deleted)).sum();
        let mut encoding = Encoding {
            layout: Arc::clone(&self.layout),
            writer: None,
            goal: self.file_bytes,
            remaining: rows,
            held: self.sorting.as_ref().map(|_| Vec::new()),
        };
        let mut pace = Pace { share: self.processor_share, due: Duration::ZERO };
        for file in &self.files {
            let what = || format!("rewrite the data file {}", file.path);
            let mut deleted = deletes::read_all(&self.context, file).await?;
            if let Ok(records) = u32::try_from(file.records) {
                deleted.remove_range(records..);
            }
            let deleted = Arc::new(deleted);
            mapping.push_source(file.id, file.records, Arc::clone(&deleted));
            let mut reading = self.begin(file, deleted)?;
            loop {
                let start_us = self.context.seams.clock.now_us();
                let (back, ahead, progress) = self
                    .context
                    .cpu
                    .run(move || {
                        let progress = advance(&mut reading, &mut encoding);
                        (reading, encoding, progress)
                    })
                    .await;
                (reading, encoding) = (back, ahead);
                match progress.map_err(LakeError::files(ident, what()))? {
                    Progress::Need(ranges) => {
                        let parts = fetch(&self.context, &file.path, ranges).await?;
                        reading.scan.supply(parts).map_err(LakeError::files(ident, what()))?;
                    }
                    Progress::Went(finished) => {
                        self.store(finished.map(|file| *file), &mut mapping, written).await?;
                        pace.rest(&self.context, start_us).await;
                    }
                    Progress::End => break,
                }
            }
            if reading.rows != file.records {
                let why = format!("it holds {} rows, and its manifest says {}", reading.rows, file.records);
                return Err(LakeError::inconsistent(ident, what(), why));
            }
        }
        self.finish(encoding, &mut mapping, written).await?;
        Ok(mapping)
    }

    fn begin(&self, file: &LiveFile, deleted: Arc<RoaringBitmap>) -> Result<Reading, LakeError> {
        let columns = self.layout.columns().to_vec();
        let scan = ParquetScan::new(file.bytes, columns, self.batch_rows)
            .map_err(LakeError::files(&self.context.ident, format!("read the data file {}", file.path)))?;
        let inherited = self.layout.lineage().then_some(file.first_row_id).flatten();
        let inherited = inherited.map(|first_row_id| Inherited { first_row_id, sequence: file.sequence });
        Ok(Reading { scan, deleted, inherited, rows: 0 })
    }

    /// Writes what is left: the sorted rows, and the last file.
    async fn finish(
        &self,
        mut encoding: Encoding,
        mapping: &mut RowMapping,
        written: &mut Vec<WrittenFile>,
    ) -> Result<(), LakeError> {
        let refused = || LakeError::files(&self.context.ident, "write the rows of rewritten files");
        if let (Some(sorting), Some(held)) = (&self.sorting, encoding.held.take()) {
            let (sorting, layout) = (sorting.clone(), Arc::clone(&self.layout));
            let sorted = self.context.cpu.run(move || sort(&layout, &sorting, &held)).await.map_err(refused())?;
            mapping.set_order(sorted.order.values());
            for start in (0..sorted.rows.num_rows()).step_by(self.batch_rows.max(1)) {
                let batch = sorted.rows.slice(start, self.batch_rows.max(1).min(sorted.rows.num_rows() - start));
                let (ahead, finished) = self
                    .context
                    .cpu
                    .run(move || {
                        let finished = encoding.write(&batch);
                        (encoding, finished)
                    })
                    .await;
                encoding = ahead;
                self.store(finished.map_err(refused())?, mapping, written).await?;
            }
        }
        let Some(writer) = encoding.writer else { return Ok(()) };
        let last = self.context.cpu.run(move || writer.finish()).await.map_err(refused())?;
        self.store(Some(last), mapping, written).await
    }

    async fn store(
        &self,
        finished: Option<EncodedDataFile>,
        mapping: &mut RowMapping,
        written: &mut Vec<WrittenFile>,
    ) -> Result<(), LakeError> {
        let Some(file) = finished else { return Ok(()) };
        let ident = &self.context.ident;
        let path = format!("{}{}.parquet", self.folder, self.context.seams.entropy.uuid());
        let stored = io::write(&self.context.seams.storage, &path, file.bytes.clone()).await;
        let (records, bytes) = (file.record_count, file.bytes.len() as u64);
        let id = FileId(self.next_file.fetch_add(1, Ordering::Relaxed));
        let entry = file.into_data_file(path).map_err(LakeError::files(ident, "describe a rewritten file"))?;
        mapping.push_target(id, written.iter().map(|file| file.records).sum());
        // Noted even if it may not be stored whole, so that it is removed.
        written.push(WrittenFile {
            id,
            records,
            bytes,
            rows: None,
            entry: Arc::new(entry),
            schema: Arc::clone(self.layout.schema()),
            spec_id: self.spec_id,
        });
        stored.map_err(LakeError::storage(ident))
    }
}

/// Leaves the processors to others for a share of the time.
struct Pace {
    share: f64,
    due: Duration,
}

impl Pace {
    async fn rest(&mut self, context: &Context, start_us: i64) {
        let clock = &context.seams.clock;
        let worked = Duration::from_micros(u64::try_from(clock.now_us() - start_us).unwrap_or(0));
        let share = self.share.clamp(0.01, 1.0);
        self.due += worked.mul_f64(1.0 / share - 1.0);
        if self.due >= SHORTEST_WAIT {
            clock.sleep(self.due.min(LONGEST_WAIT)).await;
            self.due = Duration::ZERO;
        }
    }
}
