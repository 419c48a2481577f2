//! Which runs are merged when: a pure function of their sizes.
//!
//! Changes are written out as runs of tier 0. Four neighbours of one tier are merged into one of the next tier. The oldest run,
//! the bottom, holds nearly everything; once what lies above it has grown to a quarter of it, all is merged into a new bottom.
//! So a lookup asks few filters and reads about one page, and a changed key is written a handful of times.

use std::ops::Range;

/// The tier of the bottom.
pub const BOTTOM: u8 = u8::MAX;

/// Neighbours of one tier that are merged.
const RUNS_A_TIER: usize = 4;

/// More runs than this are not left: a merge is then finished at once.
pub const MOST_RUNS: usize = 32;

/// Entries that the merge of a tier does for each changed key: it ends before the tier is full again.
const TIER_PACE: u64 = 4;

/// A run, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its tier.
    pub tier: u8,
    /// Its entries.
    pub entries: u64,
    /// Whether it is being merged already.
    pub busy: bool,
}

/// A merge to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The runs.
    pub runs: Range<usize>,
    /// The tier of the new run.
    pub tier: u8,
    /// Entries to do for each changed key.
    pub pace: u64,
}

/// How many entries may lie above a bottom of `bottom` entries: a quarter, less where filters of so many do not fit into
/// memory, but never so few that rewriting the bottom costs more than the reads that filters save.
fn most_above(bottom: u64, filtered: u64) -> u64 {
    (bottom / 4).min(filtered.max(bottom / 32)).max(1)
}

/// The next merge of `runs`, the newest first; `filtered` is the number of entries whose filters fit into memory.
pub fn next_merge(runs: &[Shape], filtered: u64) -> Option<Plan> {
    merge_all(runs, filtered).or_else(|| merge_tier(runs))
}

fn merge_all(runs: &[Shape], filtered: u64) -> Option<Plan> {
    let (bottom, above) = runs.split_last()?;
    let limit = most_above(bottom.entries, filtered);
    let idle = above.iter().rev().take_while(|run| !run.busy).count();
    let entries: u64 = above[above.len() - idle..].iter().map(|run| run.entries).sum();
    if bottom.busy || entries < limit {
        return None;
    }
    // Done when half of what may lie above has come in again.
    let pace = (2 * (bottom.entries + entries)).div_ceil(limit).max(TIER_PACE);
    Some(Plan { runs: above.len() - idle..runs.len(), tier: BOTTOM, pace })
}

fn merge_tier(runs: &[Shape]) -> Option<Plan> {
    let mut end = runs.len().saturating_sub(1);
    while end > 0 {
        let run = runs[end - 1];
        let alike = runs[..end].iter().rev().take_while(|other| other.tier == run.tier && !other.busy).count();
        if alike >= RUNS_A_TIER {
            return Some(Plan { runs: end - alike..end, tier: (run.tier + 1).min(BOTTOM - 1), pace: TIER_PACE });
        }
        end -= alike.max(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(tier: u8, entries: u64) -> Shape {
        Shape { tier, entries, busy: false }
    }

    #[test]
    fn four_of_a_tier_are_merged() {
        let mut runs = vec![shape(0, 10), shape(0, 10), shape(0, 10), shape(BOTTOM, 1000)];
        assert_eq!(next_merge(&runs, u64::MAX), None);
        runs.insert(0, shape(0, 10));
        assert_eq!(next_merge(&runs, u64::MAX), Some(Plan { runs: 0..4, tier: 1, pace: TIER_PACE }));
        runs[3].busy = true;
        assert_eq!(next_merge(&runs, u64::MAX), None);
    }

    #[test]
    fn the_bottom_is_merged_once_a_quarter_lies_above() {
        let mut runs = vec![shape(0, 10), shape(1, 240), shape(BOTTOM, 1000)];
        assert_eq!(next_merge(&runs, u64::MAX), Some(Plan { runs: 0..3, tier: BOTTOM, pace: 10 }));
        assert_eq!(next_merge(&runs[1..], u64::MAX), None);
        runs[2].busy = true;
        assert_eq!(next_merge(&runs, u64::MAX), None);
    }

    #[test]
    fn little_memory_for_filters_lets_less_lie_above() {
        let runs = [shape(0, 40), shape(BOTTOM, 1000)];
        assert_eq!(next_merge(&runs, u64::MAX), None);
        assert_eq!(next_merge(&runs, 0).map(|plan| plan.tier), Some(BOTTOM));
        assert_eq!(next_merge(&[shape(0, 20), shape(BOTTOM, 1000)], 0), None);
    }
}
