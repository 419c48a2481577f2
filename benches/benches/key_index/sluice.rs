use std::path::Path;
use std::time::{Duration, Instant};

use sluice_benches::Failure;
use sluice_index::{ByteKeys, FileNames, IndexSettings, KeyIndex, Keys, Location, MemoryIndex, Opened, SpillingIndex};

use crate::subject::Subject;
use crate::workload::{Changes, FILE_ROWS, loaded};

/// Rows that are added at once.
const BATCH_ROWS: u64 = 1 << 16;

/// Threads that load.
const THREADS: u64 = 2;

fn keys(keys: &[i64], text: bool) -> Keys {
    if !text {
        return Keys::Int(keys.to_vec());
    }
    let mut bytes = ByteKeys::default();
    for key in keys {
        bytes.push(format!("customer-{key:012}-{:08x}", (*key as u32).wrapping_mul(2_654_435_761)).as_bytes());
    }
    Keys::Bytes(bytes)
}

fn rows(rows: std::ops::Range<u64>, text: bool) -> (Keys, Vec<Location>) {
    let (numbers, locations): (Vec<i64>, Vec<Location>) = rows.map(loaded).unzip();
    (keys(&numbers, text), locations)
}

/// The hash table in memory.
pub struct Map(MemoryIndex);

impl Map {
    pub fn load(count: u64) -> Result<Self, Failure> {
        let mut index = MemoryIndex::new(&Keys::Int(Vec::new()));
        for start in (0..count).step_by(BATCH_ROWS as usize) {
            let (keys, locations) = rows(start..(start + BATCH_ROWS).min(count), false);
            index.apply(&keys, &locations, Some(0))?;
        }
        Ok(Self(index))
    }
}

impl Subject for Map {
    fn lookup(&self, numbers: &[i64]) -> Result<Vec<Location>, Failure> {
        Ok(self.0.lookup(&keys(numbers, false))?)
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), Failure> {
        Ok(self.0.apply(&keys(&changes.keys, false), &changes.locations, Some(changes.snapshot))?)
    }

    fn disk_bytes(&self) -> Result<u64, Failure> {
        Ok(0)
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    fn reopen(&mut self) -> Result<Duration, Failure> {
        Ok(Duration::ZERO)
    }
}

/// The index that tables use.
pub struct Spilling {
    settings: IndexSettings,
    text: bool,
    index: Option<SpillingIndex>,
}

impl Spilling {
    pub fn load(folder: &Path, count: u64, budget_bytes: usize, text: bool) -> Result<Self, Failure> {
        let settings = IndexSettings::new(folder, *b"bench", budget_bytes);
        let (index, _) = SpillingIndex::open(&settings, &keys(&[], text))?;
        let builder = index.rebuild(THREADS as usize)?;
        let load = |thread: u64| -> Result<(), sluice_index::IndexError> {
            // Files are read in parallel, each from its beginning to its end.
            for file in (thread * FILE_ROWS..count).step_by((THREADS * FILE_ROWS) as usize) {
                let end = (file + FILE_ROWS).min(count);
                for start in (file..end).step_by(BATCH_ROWS as usize) {
                    let (keys, locations) = rows(start..(start + BATCH_ROWS).min(end), text);
                    builder.add(&keys, &locations)?;
                }
            }
            Ok(())
        };
        let (first, second) = rayon::join(|| load(0), || load(1));
        first.and(second)?;
        let built = builder.finish(Some(0), &FileNames::default())?;
        if built.keys != count || built.duplicates.rows > 0 {
            return Err(format!("{} keys were loaded instead of {count}", built.keys).into());
        }
        Ok(Self { settings, text, index: Some(built.index) })
    }

    fn index(&self) -> Result<&SpillingIndex, Failure> {
        self.index.as_ref().ok_or_else(|| "the index is closed".into())
    }
}

impl Subject for Spilling {
    fn lookup(&self, numbers: &[i64]) -> Result<Vec<Location>, Failure> {
        Ok(self.index()?.lookup(&keys(numbers, self.text))?)
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), Failure> {
        let index = self.index.as_mut().ok_or("the index is closed")?;
        index.apply(&keys(&changes.keys, self.text), &changes.locations, Some(changes.snapshot))?;
        if index.flush_due() {
            index.flush(&FileNames::default())?;
        }
        Ok(())
    }

    fn disk_bytes(&self) -> Result<u64, Failure> {
        Ok(self.index()?.disk_bytes())
    }

    fn memory_bytes(&self) -> usize {
        self.index.as_ref().map_or(0, KeyIndex::memory_bytes)
    }

    fn reopen(&mut self) -> Result<Duration, Failure> {
        if let Some(mut index) = self.index.take() {
            index.flush(&FileNames::default())?;
        }
        let start = Instant::now();
        let (index, opened) = SpillingIndex::open(&self.settings, &keys(&[], self.text))?;
        if !matches!(opened, Opened::Kept { .. }) {
            return Err(format!("the index was not kept: {opened:?}").into());
        }
        self.index = Some(index);
        Ok(start.elapsed())
    }
}
