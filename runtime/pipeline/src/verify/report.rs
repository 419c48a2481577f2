//! What a verification found.

use serde::Serialize;
use sluice_lake::FileId;

use super::compare::{Counts, Difference, Findings};
use super::open::Pinned;
use super::pass::Totals;
use super::{Scope, VerifySettings};
use crate::LaneSettings;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Silver is what Bronze comes to, as far as it was looked at.
    Equal,
    /// It is not, or Bronze does not hold what Silver includes.
    Different,
    /// There is nothing to compare.
    NothingToVerify {
        /// Why.
        reason: String,
    },
}

/// What was verified of a table, and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The source table.
    #[serde(skip)]
    pub table: String,
    /// Names of Silver's key columns.
    pub key: Vec<String>,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The share of keys that was asked for; 1 for all.
    pub share: f64,
    /// What chose them.
    pub seed: u64,
    /// Which of the shares it was, from 0.
    pub turn: u64,
    /// Snapshot of Silver.
    pub silver_snapshot: Option<i64>,
    /// Snapshot of Bronze.
    pub bronze_snapshot: Option<i64>,
    /// Silver includes the changes of Bronze below this number.
    pub next_sequence: u64,
    /// Changes of Bronze below that number, of which there should be as many.
    pub bronze_rows: u64,
    /// Rows of Silver.
    pub silver_rows: u64,
    /// Keys that were compared, whether they have a row or not.
    pub keys_checked: u64,
    /// Changes of these keys.
    pub changes_checked: u64,
    /// Rows of these keys in Silver.
    pub rows_checked: u64,
    /// Records that the transform rejects: they leave their keys as they were.
    pub rejected: u64,
    /// Cells that cannot be known and were not compared: their column was not sent, and changes of their key came late.
    pub cells_unknown: u64,
    /// Keys that differ and have changes in Bronze which Silver does not include yet: they are not counted as different.
    pub keys_open: u64,
    /// Keys that should have been looked at closer, but were too many.
    pub closer_looks_left_out: bool,
    /// Keys with a difference.
    pub differences: Counts,
    /// The first of them in the order of their keys.
    #[serde(skip)]
    pub first: Vec<Difference>,
    /// Whether another transform than the configured one wrote Silver last.
    pub other_transform: bool,
    /// Whether a transform shapes the rows.
    pub has_transform: bool,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of rows that went to temporary files.
    pub spilled_bytes: u64,
    /// How long it took, in microseconds.
    pub took_us: i64,
}

impl VerifyReport {
    pub(super) fn new(lane: &LaneSettings, settings: &VerifySettings) -> Self {
        Self {
            table: lane.table.to_string(),
            key: Vec::new(),
            verdict: Verdict::Equal,
            share: match settings.scope {
                Scope::Full => 1.0,
                Scope::Sample { share, .. } => share,
            },
            seed: settings.seed,
            turn: match settings.scope {
                Scope::Full => 0,
                Scope::Sample { turn, .. } => turn,
            },
            silver_snapshot: None,
            bronze_snapshot: None,
            next_sequence: 0,
            bronze_rows: 0,
            silver_rows: 0,
            keys_checked: 0,
            changes_checked: 0,
            rows_checked: 0,
            rejected: 0,
            cells_unknown: 0,
            keys_open: 0,
            closer_looks_left_out: false,
            differences: Counts::default(),
            first: Vec::new(),
            other_transform: false,
            has_transform: false,
            bytes_read: 0,
            spilled_bytes: 0,
            took_us: 0,
        }
    }

    pub(super) fn pinned(&mut self, pinned: &Pinned) {
        self.silver_snapshot = pinned.silver.table.snapshot_id();
        self.bronze_snapshot = pinned.bronze.snapshot_id();
        self.next_sequence = pinned.silver.stored.next_sequence;
        self.other_transform = pinned.other_transform;
        self.has_transform = pinned.silver.transform.digest().is_some();
        self.key = pinned.silver.key.clone();
    }

    /// Adds what a pass over the tables came to; the first one counts the rows.
    pub(super) fn add(&mut self, totals: &Totals, pinned: &Pinned, is_first: bool) {
        self.bytes_read += pinned.bronze.facts().data_bytes + pinned.silver.table.facts().data_bytes;
        if is_first {
            self.bronze_rows = totals.bronze_rows;
            self.silver_rows = totals.silver_rows;
            self.rejected = totals.rejected;
        }
        self.keys_checked += totals.keys;
        self.changes_checked += totals.changes;
        self.rows_checked += totals.rows;
        self.cells_unknown += totals.cells_unknown;
        self.keys_open += totals.keys_open;
        self.closer_looks_left_out |= totals.overflowed;
        self.spilled_bytes += totals.spilled_bytes;
    }

    pub(super) fn conclude(&mut self, findings: Findings, pinned: &Pinned, took_us: i64) {
        self.took_us = took_us;
        self.differences = findings.counts;
        self.first = findings.first.into_values().collect();
        for found in &mut self.first {
            for (actual, file) in found.actual.iter_mut().zip(&found.files) {
                let file = pinned.silver.table.live_file(FileId(*file));
                actual.file = file.map(|file| file.path.to_string()).unwrap_or_default();
            }
        }
        if self.differences.total() > 0 || self.bronze_rows != self.next_sequence {
            self.verdict = Verdict::Different;
        }
    }

    /// Changes that Bronze should hold below Silver's number and does not hold, or holds too many times.
    pub fn bronze_is_whole(&self) -> bool {
        self.bronze_rows == self.next_sequence
    }
}
