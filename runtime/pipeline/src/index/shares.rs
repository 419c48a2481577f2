//! How the key indexes of a process share its memory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::budget::LaneId;

/// What an index gets even while others have not yet given back what is too much.
const LEAST_BYTES: usize = 1 << 20;

/// Bytes that all key indexes of a process may take together.
///
/// Each says what it would like; those that want little get that, and the others the same each. What one has too much it gives
/// back when it asks the next time, and only then another one gets it.
#[derive(Debug, Clone)]
pub struct IndexShares {
    total: usize,
    lanes: Arc<Mutex<Vec<Share>>>,
}

#[derive(Debug, Clone, Copy)]
struct Share {
    wanted: usize,
    granted: usize,
}

impl IndexShares {
    /// Shares of `total` bytes for `lanes` lanes.
    pub fn new(total: usize, lanes: usize) -> Self {
        // Who has not asked yet may want anything.
        let share = Share { wanted: usize::MAX, granted: 0 };
        Self { total, lanes: Arc::new(Mutex::new(vec![share; lanes])) }
    }

    /// The bytes that the index of `lane` may take now, if it would like to have `wanted`.
    pub fn ask(&self, lane: LaneId, wanted: usize) -> usize {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(share) = lanes.get_mut(lane) else { return LEAST_BYTES.min(self.total) };
        share.wanted = wanted;
        share.granted = 0;
        let all: Vec<usize> = lanes.iter().map(|share| share.wanted).collect();
        let fair = fair_share(&all, lane, self.total);
        let free = self.total.saturating_sub(lanes.iter().map(|share| share.granted).sum());
        lanes[lane].granted = fair.min(free).max(LEAST_BYTES.min(self.total));
        lanes[lane].granted
    }
}

/// What `lane` gets of `total` if nobody gets more than is wanted, and who is left wanting gets no less than any other.
fn fair_share(wanted: &[usize], lane: usize, total: usize) -> usize {
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    let mut left = total;
    for (place, least) in sorted.iter().enumerate() {
        let each = left / (sorted.len() - place);
        if *least > each {
            return wanted[lane].min(each);
        }
        left -= least;
    }
    wanted[lane]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn small_ones_get_what_they_want_and_large_ones_the_same_each() {
        let wanted = [10, 1, usize::MAX, 500];
        let shares: Vec<usize> = (0..4).map(|lane| fair_share(&wanted, lane, 211)).collect();
        assert_eq!(shares, [10, 1, 100, 100]);
        assert_eq!(fair_share(&[10, 20], 1, 100), 20);
    }

    #[test]
    fn what_is_too_much_comes_back_before_another_gets_it() {
        let shares = IndexShares::new(100 * MB, 2);
        assert_eq!(shares.ask(0, usize::MAX), 50 * MB);
        assert_eq!(shares.ask(1, 2 * MB), 2 * MB);
        assert_eq!(shares.ask(0, usize::MAX), 98 * MB);
        assert_eq!(shares.ask(1, usize::MAX), 2 * MB);
        assert_eq!(shares.ask(0, usize::MAX), 50 * MB);
        assert_eq!(shares.ask(1, usize::MAX), 50 * MB);
    }

    proptest! {
        #[test]
        fn no_more_than_there_is_is_given(
            total in 8 * MB..200 * MB,
            asks in prop::collection::vec((0..8_usize, prop_oneof![Just(usize::MAX), 0..300 * MB]), 1..40),
        ) {
            let shares = IndexShares::new(total, 8);
            let mut granted = [0; 8];
            for (lane, wanted) in asks {
                granted[lane] = shares.ask(lane, wanted);
                prop_assert!(granted[lane] <= wanted.max(LEAST_BYTES));
                prop_assert!(granted.iter().sum::<usize>() <= total + 8 * LEAST_BYTES);
            }
        }
    }
}
