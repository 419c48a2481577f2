use std::fmt;

use sluice_benches::Failure;
use sluice_index::Location;

/// Changes of a batch.
pub const CHANGES: usize = 100_000;

/// Rows of a data file when the table is loaded.
pub const FILE_ROWS: u64 = 1_000_000;

/// Which keys change.
#[derive(Debug, Clone, Copy)]
pub enum Skew {
    /// Any, with the same chance.
    Uniform,
    /// Mostly the newest.
    Recent,
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Skew::Uniform => "uniform",
            Skew::Recent => "recent",
        })
    }
}

/// Changes of distinct keys: of ten, seven updates, two inserts and a delete.
pub struct Changes {
    pub keys: Vec<i64>,
    pub locations: Vec<Location>,
    pub snapshot: i64,
    inserts: Vec<bool>,
}

/// Makes up changes.
pub struct Workload {
    loaded: u64,
    next: u64,
    batches: u32,
    state: u64,
}

/// Where the row of a key lies that was loaded; keys are every third integer.
pub fn loaded(row: u64) -> (i64, Location) {
    (row as i64 * 3, Location::new((row / FILE_ROWS) as u32, (row % FILE_ROWS) as u32))
}

impl Workload {
    pub fn new(loaded: u64) -> Self {
        Self { loaded, next: loaded, batches: 0, state: 0x0139_408d_cbbf_7a44 }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn old_row(&mut self, skew: Skew) -> u64 {
        let share = (self.random() >> 11) as f64 / (1_u64 << 53) as f64;
        match skew {
            Skew::Uniform => (share * self.next as f64) as u64,
            // Half of them are among the newest thousandth.
            Skew::Recent => self.next - 1 - (share.powi(10) * (self.next - 1) as f64) as u64,
        }
    }

    /// The next batch.
    pub fn next(&mut self, skew: Skew) -> Changes {
        self.batches += 1;
        let file = (self.loaded / FILE_ROWS) as u32 + self.batches;
        let mut rows: Vec<(u64, u8)> = Vec::with_capacity(CHANGES);
        for change in 0..CHANGES {
            let kind = (change % 10) as u8;
            if kind < 2 {
                rows.push((self.next, kind));
                self.next += 1;
            } else {
                rows.push((self.old_row(skew), kind));
            }
        }
        rows.sort_unstable();
        rows.dedup_by_key(|row| row.0);
        // Keys of a batch come in the order in which they changed.
        for place in (1..rows.len()).rev() {
            let other = (self.random() % (place as u64 + 1)) as usize;
            rows.swap(place, other);
        }
        let place = |(place, (_, kind)): (usize, &(u64, u8))| {
            if *kind == 2 { Location::ABSENT } else { Location::new(file, place as u32) }
        };
        Changes {
            keys: rows.iter().map(|(row, _)| *row as i64 * 3).collect(),
            locations: rows.iter().enumerate().map(place).collect(),
            inserts: rows.iter().map(|(_, kind)| *kind < 2).collect(),
            snapshot: i64::from(self.batches),
        }
    }

    /// Whether what was found can be right: nothing of keys that are new.
    pub fn check(&self, changes: &Changes, found: &[Location]) -> Result<(), Failure> {
        let wrong = changes.inserts.iter().zip(found).filter(|(new, found)| **new && found.is_present()).count();
        let held = found.iter().filter(|found| found.is_present()).count();
        if wrong > 0 || 2 * held < found.len() || found.len() != changes.keys.len() {
            return Err(format!("{wrong} new keys were found, {held} of {} in all", found.len()).into());
        }
        Ok(())
    }
}
