use std::time::Duration;

use super::plan::{BATCHES_BYTES, DECODED_FACTOR, LARGEST_ROW_GROUP};

/// When data files are rewritten, and how much at a time.
///
/// What a stream of commits costs stays bounded: a file is merged only if it becomes at least `growth` times as large, or
/// large enough to be left alone, so each byte is written about `log(target / commit)` to the base `growth` times
/// (0.5 MB a commit, 128 MiB, 4: four times), and rows are rewritten because of deleted ones at most `1 / deleted_share`
/// times for each of those. What stays small is at most a dozen or two files a partition, of sizes that grow
/// geometrically.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactionSettings {
    /// Length of the files to write, in bytes; at most one and a half times this is in memory at once.
    pub target_bytes: u64,
    /// Files below this share of the target are small. At most a half: what is merged has to come out larger.
    pub small_share: f64,
    /// Share of a file's rows that are deleted from which it is rewritten: what a full scan reads in vain at worst.
    pub deleted_share: f64,
    /// How many times larger than the largest file that goes into a merge its result must be, unless it is no longer
    /// small.
    pub growth: f64,
    /// Small files of a partition below which none are merged.
    pub min_files: usize,
    /// Bytes of deleted rows in a partition that make a rewrite worth while even of fewer files than `min_files`.
    pub min_deleted_bytes: u64,
    /// Bytes of a row group of the files to write, about: who reads them next has so much in memory.
    pub row_group_bytes: u64,
    /// Most bytes that one job reads, unless a single file is larger.
    pub job_bytes: u64,
    /// The same for tables with a sort order, and the longest file there: rows are sorted in memory, which needs a
    /// multiple of this.
    pub sort_bytes: u64,
    /// A partition to which nothing came for so long is put together although its small files are few.
    pub settled_after: Duration,
    /// A column of numbers that goes up with time: its order is kept where files are merged. `None`: that of commits.
    pub order_by: Option<String>,
    /// Rows decoded and encoded at a time.
    pub batch_rows: usize,
    /// Share of the time that a rewrite uses a processor; in between it waits.
    pub processor_share: f64,
}

impl Default for CompactionSettings {
    fn default() -> Self {
        Self {
            target_bytes: 128 << 20,
            small_share: 0.5,
            deleted_share: 0.15,
            growth: 4.0,
            min_files: 5,
            min_deleted_bytes: 8 << 20,
            row_group_bytes: 32 << 20,
            job_bytes: 512 << 20,
            sort_bytes: 32 << 20,
            settled_after: Duration::from_secs(30 * 60),
            order_by: None,
            batch_rows: 32_768,
            processor_share: 0.5,
        }
    }
}

/// Bytes of memory that a job needs beside the file that it writes: a row group to read, and rows on their way.
const BESIDE_BYTES: u64 = LARGEST_ROW_GROUP + BATCHES_BYTES;
/// Files shorter than this are not worth the name; no memory is so short.
const SMALLEST_TARGET: u64 = 4 << 20;

impl CompactionSettings {
    /// The same with files so short that a job stays within this much memory, as [`CompactionJob::memory_bytes`] counts.
    ///
    /// [`CompactionJob::memory_bytes`]: crate::CompactionJob::memory_bytes
    pub fn within(self, memory_bytes: u64) -> Self {
        // A file may be half as long again as the target, and needs half as much again while it is made; a sixteenth is
        // for deletes.
        let target = memory_bytes.saturating_sub(BESIDE_BYTES + memory_bytes / 16) / 9 * 4;
        let sorted = memory_bytes.saturating_sub(BATCHES_BYTES + memory_bytes / 16) / DECODED_FACTOR;
        Self {
            target_bytes: self.target_bytes.min(target.max(SMALLEST_TARGET)),
            sort_bytes: self.sort_bytes.min(sorted.max(SMALLEST_TARGET)),
            ..self
        }
    }
}
