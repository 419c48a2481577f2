use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::Struct;

use super::settings::CompactionSettings;
use super::sort::Sorting;
use crate::table::ancestors;
use crate::{FormatVersion, LakeError, LakeTable, LiveFile, schema};

/// Most rows that one job may read: they are counted in 32 bits.
const MOST_ROWS: u64 = 1 << 31;

/// Bytes in memory of a row for each of its bytes in a file, sorting included.
pub(super) const DECODED_FACTOR: u64 = 8;
/// Bytes that a row group of a file is taken to have at most.
pub(super) const LARGEST_ROW_GROUP: u64 = 64 << 20;
/// Bytes of the rows that are decoded and encoded at a time.
pub(super) const BATCHES_BYTES: u64 = 16 << 20;

/// Data files of one partition that are to become others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionJob {
    /// The files, in the order in which their rows are to be written.
    pub files: Vec<Arc<str>>,
    /// Bytes to read.
    pub bytes: u64,
    /// Rows to keep.
    pub rows: u64,
    /// Deleted rows to leave out.
    pub deleted: u64,
    /// Length of the files to write.
    pub file_bytes: u64,
    /// Length of the longest file to read.
    pub largest: u64,
    /// Whether the rows have to be sorted.
    pub sorted: bool,
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
}

/// What is to be rewritten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactionPlan {
    /// The jobs, each on its own; those that do most come first.
    pub jobs: Vec<CompactionJob>,
    /// Why nothing is rewritten although it may be due.
    pub refused: Option<String>,
}

/// What the plan needs to know of the table beside its files.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// Column whose lower bounds order the files.
    order: Option<i32>,
    /// Files up to this sequence number have rested.
    settled: Option<i64>,
    /// The sort order, if rows are sorted.
    sorted: Option<i32>,
    /// Whether files without row ids have to wait until they have some.
    row_ids: bool,
}

/// A file with what decides its fate.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    file: &'a LiveFile,
    /// Bytes of the rows that are not deleted.
    live: u64,
    lower: i64,
}

impl CompactionJob {
    /// Bytes of memory that the job needs while it runs, about: the file under way, the row group that is read, the
    /// deletes. Where rows are sorted it is all of them.
    pub fn memory_bytes(&self) -> u64 {
        let deletes = (self.rows + self.deleted) / 8;
        let rows = if self.sorted {
            self.bytes.saturating_mul(DECODED_FACTOR)
        } else {
            self.file_bytes.saturating_mul(3) / 2 + self.largest.min(LARGEST_ROW_GROUP)
        };
        rows + deletes + BATCHES_BYTES
    }
}

impl LakeTable {
    /// Which data files are worth rewriting now. It only looks.
    pub async fn plan_compaction(&self, settings: &CompactionSettings) -> Result<CompactionPlan, LakeError> {
        let metadata = &self.stored.metadata;
        let fields = metadata.current_schema().as_struct().fields();
        let readable = schema::readable(metadata.current_schema());
        if let Some(field) = fields.iter().find(|field| readable.iter().all(|known| known.id != field.id)) {
            let what = format!("column `{}` is of type {}, which would be lost", field.name, field.field_type);
            return Ok(CompactionPlan { jobs: Vec::new(), refused: Some(what) });
        }
        let column = settings.order_by.as_ref().and_then(|name| metadata.current_schema().field_by_name(name));
        let now_ms = self.context.seams.clock.now_us() / 1000;
        let rested = now_ms.saturating_sub(i64::try_from(settings.settled_after.as_millis()).unwrap_or(i64::MAX));
        let facts = Facts {
            order: column.map(|field| field.id),
            settled: ancestors(metadata, &self.context.branch)
                .find(|snapshot| snapshot.timestamp_ms() <= rested)
                .map(|snapshot| snapshot.sequence_number()),
            sorted: Sorting::of(metadata).map(|sorting| sorting.id),
            row_ids: self.format_version() == FormatVersion::V3,
        };
        Ok(match &self.live {
            Some(live) => plan(live.files.values(), settings, &facts),
            None => plan(self.files_to_scan().await?.files.values(), settings, &facts),
        })
    }
}

fn plan<'a>(files: impl Iterator<Item = &'a LiveFile>, settings: &CompactionSettings, facts: &Facts) -> CompactionPlan {
    let mut settings = settings.clone();
    if facts.sorted.is_some() {
        settings.job_bytes = settings.sort_bytes;
        settings.target_bytes = settings.target_bytes.min(settings.sort_bytes);
    }
    let mut partitions: HashMap<(i32, &Struct), Vec<Candidate<'_>>> = HashMap::new();
    for file in files.filter(|file| file.first_row_id.is_some() || !facts.row_ids) {
        let bounds = file.bounds.iter().find(|bounds| Some(bounds.field) == facts.order);
        let candidate = Candidate { file, live: live_bytes(file), lower: bounds.map_or(i64::MIN, |at| at.lower) };
        partitions.entry((file.spec_id, &file.partition)).or_default().push(candidate);
    }
    let mut jobs: Vec<CompactionJob> = Vec::new();
    for ((spec_id, partition), files) in partitions {
        let newest = files.iter().map(|candidate| candidate.file.sequence).max();
        let mut chosen = choose(files, &settings, newest <= facts.settled);
        chosen.sort_by_key(|candidate| (candidate.lower, candidate.file.sequence, candidate.file.id));
        jobs.extend(cut(&chosen, settings.job_bytes).into_iter().map(|job| CompactionJob {
            files: job.iter().map(|candidate| Arc::clone(&candidate.file.path)).collect(),
            bytes: job.iter().map(|candidate| candidate.file.bytes).sum(),
            rows: job.iter().map(|candidate| candidate.file.records.saturating_sub(candidate.file.deleted)).sum(),
            deleted: job.iter().map(|candidate| candidate.file.deleted).sum(),
            file_bytes: file_bytes(job.iter().map(|candidate| candidate.live).sum(), settings.target_bytes),
            largest: job.iter().map(|candidate| candidate.file.bytes).max().unwrap_or(0),
            sorted: sorts(job, settings.job_bytes, facts.sorted),
            spec_id,
            partition: partition.clone(),
        }));
    }
    // Most files and deleted rows gone for the bytes read come first; the rest makes the order the same every time.
    jobs.sort_by_cached_key(|job| {
        let gone = job.files.len() as u64 * 1000 + job.deleted.saturating_mul(1000) / (job.rows + job.deleted).max(1);
        (std::cmp::Reverse(gone), job.files.first().cloned())
    });
    CompactionPlan { jobs, refused: None }
}

/// Whether the rows of a job are sorted: not those of a file that is in order already, nor of one too long for memory.
fn sorts(job: &[Candidate<'_>], most: u64, order: Option<i32>) -> bool {
    match job {
        [one] => order.is_some() && one.file.sort_order != order && one.file.bytes <= most,
        _ => order.is_some(),
    }
}

fn live_bytes(file: &LiveFile) -> u64 {
    let live = file.records.saturating_sub(file.deleted);
    (u128::from(file.bytes) * u128::from(live) / u128::from(file.records.max(1))) as u64
}

/// The files of a partition that are worth rewriting.
fn choose<'a>(files: Vec<Candidate<'a>>, settings: &CompactionSettings, settled: bool) -> Vec<Candidate<'a>> {
    let small_bytes = (settings.target_bytes as f64 * settings.small_share.clamp(0.0, 0.5)) as u64;
    let (mut small, large): (Vec<_>, Vec<_>) = files.into_iter().partition(|candidate| candidate.live < small_bytes);
    small.sort_by_key(|candidate| (candidate.live, candidate.file.id));
    let merged = merged(&small, settings, settled);
    let rest = small.split_off(merged);
    let dirty = |candidate: &Candidate<'_>| {
        candidate.file.deleted as f64 >= settings.deleted_share * candidate.file.records as f64
            && candidate.file.deleted > 0
    };
    let dirty: Vec<Candidate<'_>> = rest.into_iter().chain(large).filter(dirty).collect();
    let dead: u64 = dirty.iter().map(|candidate| candidate.file.bytes - candidate.live).sum();
    if small.len() + dirty.len() >= settings.min_files || dead >= settings.min_deleted_bytes {
        small.extend(dirty);
    }
    small
}

/// How many of the small files, smallest first, to merge: as many as pay.
fn merged(small: &[Candidate<'_>], settings: &CompactionSettings, settled: bool) -> usize {
    if settled && small.len() >= 2 {
        return small.len();
    }
    let enough = settings.target_bytes - settings.target_bytes / 4;
    let mut sum = 0_u64;
    let mut most = 0;
    for (count, candidate) in (1..).zip(small) {
        sum += candidate.live;
        let grows = count >= settings.min_files && sum as f64 >= settings.growth * candidate.live as f64;
        if grows || (count >= 2 && sum >= enough) {
            most = count;
        }
    }
    most
}

/// Cuts the files of a partition into jobs of like size; a file that would be alone and has no deleted rows is left.
fn cut<'a, 'c>(files: &'c [Candidate<'a>], most: u64) -> Vec<&'c [Candidate<'a>]> {
    let total: u64 = files.iter().map(|candidate| candidate.file.bytes).sum();
    let wanted = total.div_ceil(most.max(1)).max(1);
    let even = total / wanted;
    let mut jobs = Vec::new();
    let (mut start, mut bytes, mut rows) = (0, 0_u64, 0_u64);
    for (at, candidate) in files.iter().enumerate() {
        let file = candidate.file;
        let full = bytes + file.bytes > most || rows + file.records > MOST_ROWS;
        if at > start && (full || (bytes + file.bytes / 2 > even && jobs.len() as u64 + 1 < wanted)) {
            jobs.push(&files[start..at]);
            (start, bytes, rows) = (at, 0, 0);
        }
        bytes += file.bytes;
        rows += file.records;
    }
    jobs.push(&files[start..]);
    jobs.retain(|job| job.len() > 1 || job.iter().any(|candidate| candidate.file.deleted > 0));
    jobs
}

/// The length of each file, so that they come out alike and near the target.
fn file_bytes(live: u64, target: u64) -> u64 {
    let target = target.max(1);
    let files = (live.saturating_add(target / 2) / target).max(1);
    live.div_ceil(files).max(1)
}

#[cfg(test)]
mod tests;
