use std::path::PathBuf;

use crate::filter::Filter;
use crate::run::Residency;

/// Size of a page unless another is asked for: half a page of the kernel's costs less to copy and check than a whole one.
const PAGE_BYTES: usize = 2 << 10;

/// A larger table in memory would save little, once there are runs, and take long to be written out by one batch.
const MOST_TABLE_BYTES: usize = 32 << 20;

/// Where an index is and how much memory it may take.
#[derive(Debug, Clone)]
pub struct IndexSettings {
    /// Its folder, of its own; it is made where it is missing.
    pub folder: PathBuf,
    /// What it is an index of: table, key columns and their types. One of another identity is not used.
    pub identity: Vec<u8>,
    /// Bytes of memory. A few MiB at least; with less an index works, but takes more than it was given.
    pub budget_bytes: usize,
    pub(crate) page_bytes: usize,
}

impl IndexSettings {
    /// In `folder`, with `budget_bytes` of memory.
    pub fn new(folder: impl Into<PathBuf>, identity: impl Into<Vec<u8>>, budget_bytes: usize) -> Self {
        Self { folder: folder.into(), identity: identity.into(), budget_bytes, page_bytes: PAGE_BYTES }
    }

    /// With pages of another size, from 128 bytes to 32 KiB.
    pub fn with_page_bytes(self, page_bytes: usize) -> Self {
        Self { page_bytes: page_bytes.clamp(128, 32 << 10), ..self }
    }
}

/// How the budget is divided.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The whole budget.
    pub budget_bytes: usize,
    /// For the table in memory while it holds everything.
    pub resident_bytes: usize,
    /// For the table in memory once there are runs.
    pub table_bytes: usize,
    /// For all filters.
    pub filter_bytes: usize,
    /// For the directory of the oldest run; the others have an eighth of it each.
    pub directory_bytes: usize,
    /// For each run that is read or written from end to end.
    pub buffer_bytes: usize,
    /// Size of a page.
    pub page_bytes: usize,
}

impl Limits {
    /// Divides a budget.
    pub fn new(budget_bytes: usize, page_bytes: usize) -> Self {
        Self {
            budget_bytes,
            resident_bytes: budget_bytes / 10 * 9,
            table_bytes: (budget_bytes / 2).min(MOST_TABLE_BYTES),
            filter_bytes: budget_bytes / 4,
            directory_bytes: budget_bytes / 16,
            buffer_bytes: (budget_bytes / 512).clamp(4 * page_bytes, 256 << 10),
            page_bytes,
        }
    }

    /// For remembering rows that have moved; above half of it the runs that lag behind are merged sooner.
    pub fn most_moves_bytes(&self) -> usize {
        self.budget_bytes / 8
    }

    /// Keys that are put into the table between two looks at the budget: about a hundredth of what it takes.
    pub fn keys_a_look(&self) -> usize {
        (self.table_bytes / (100 * 32)).clamp(16, 1024)
    }

    /// How many entries may lie above the oldest run so that their filters fit, while they are merged too.
    pub fn filtered_entries(&self) -> u64 {
        let keys = 1 << 20;
        self.filter_bytes as u64 / 2 * keys / Filter::bytes_for(keys) as u64
    }

    /// What of a run may be held in memory while other filters take `filter_bytes`.
    pub fn residency(&self, oldest: bool, filter_bytes: usize) -> Residency {
        Residency {
            directory_bytes: if oldest { self.directory_bytes } else { self.directory_bytes / 8 },
            filter_bytes: self.filter_bytes.saturating_sub(filter_bytes),
        }
    }
}
