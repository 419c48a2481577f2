use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How the memory of a process is divided, bytes each. A part of it, for code, queues and what libraries take, is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryShares {
    /// For batches on their way.
    pub stream: usize,
    /// For rewrites of data files.
    pub rewrites: usize,
    /// For key indexes.
    pub indexes: usize,
}

impl MemoryShares {
    /// A quarter each. The stream has two where nothing is rewritten.
    pub fn of(memory_bytes: usize, rewriting: bool) -> Self {
        let quarter = memory_bytes / 4;
        let rewrites = if rewriting { quarter } else { 0 };
        Self { stream: 2 * quarter - rewrites, rewrites, indexes: quarter }
    }
}

/// Identifies a lane to the budget.
pub type LaneId = usize;

/// The bytes that all lanes together may hold, handed out by the byte.
///
/// A lane reserves before it reads and settles on the true size after. Lanes are served in the order in which they asked, so
/// that a small request cannot be overtaken for ever by a stream of others. While some lane waits, the lane that holds
/// most is asked to commit early, so that what it holds comes back.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<LaneId, usize>,
    sum: usize,
    /// Those who wait, by number, in the order in which they came.
    queue: VecDeque<u64>,
    next_number: u64,
}

/// Bytes that a lane holds; they come back when this is dropped.
#[derive(Debug)]
pub struct Reserved {
    shared: Arc<Shared>,
    lane: LaneId,
    bytes: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, lane: LaneId, from: usize, to: usize) {
        self.sum = self.sum - from + to;
        let held = self.held.entry(lane).or_default();
        *held = *held - from + to;
    }

    fn enter(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.queue.push_back(number);
        number
    }

    /// A reservation is granted if it fits, or if nothing at all is held: one batch must always be able to go on.
    fn fits(&self, bytes: usize, total: usize) -> bool {
        self.sum == 0 || self.sum.saturating_add(bytes) <= total
    }

    fn largest(&self) -> Option<LaneId> {
        self.held.iter().filter(|(_, bytes)| **bytes > 0).max_by_key(|(lane, bytes)| (**bytes, **lane)).map(|(l, _)| *l)
    }
}

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        Self { shared: Arc::new(Shared { total, state: Mutex::default(), changed: Notify::new() }) }
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.shared.state().sum
    }

    /// Waits until `bytes` are free and takes them.
    pub async fn reserve(&self, lane: LaneId, bytes: usize) -> Reserved {
        let mut place = Place { shared: &self.shared, number: None };
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.shared.state();
                let is_next = state.queue.front().copied() == place.number;
                if is_next && state.fits(bytes, self.shared.total) {
                    state.change(lane, 0, bytes);
                    return Reserved { shared: Arc::clone(&self.shared), lane, bytes };
                }
                if place.number.is_none() {
                    place.number = Some(state.enter());
                    // Once only: this wakes the caller too.
                    self.shared.changed.notify_waiters();
                }
            }
            changed.await;
        }
    }

    /// Returns once some lane waits for memory and `lane` holds more than any other.
    pub async fn pressed(&self, lane: LaneId) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.shared.state();
                if !state.queue.is_empty() && state.largest() == Some(lane) {
                    return;
                }
            }
            changed.await;
        }
    }
}

/// A place in the queue, which is given up however the wait ends.
struct Place<'a> {
    shared: &'a Shared,
    number: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.state().queue.retain(|waiting| *waiting != number);
            // Whoever comes next may fit.
            self.shared.changed.notify_waiters();
        }
    }
}

impl Reserved {
    /// Settles on the bytes really held, which may pass the budget for a moment.
    pub fn settle(&mut self, bytes: usize) {
        self.shared.state().change(self.lane, self.bytes, bytes);
        self.bytes = bytes;
        self.shared.changed.notify_waiters();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shared.state().change(self.lane, self.bytes, 0);
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_waits_until_another_gives_back_and_the_largest_is_pressed() {
        let budget = MemoryBudget::new(100);
        let small = budget.reserve(1, 30).await;
        let large = budget.reserve(2, 60).await;
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.reserve(3, 50).await.bytes() }
        });
        budget.pressed(2).await;
        assert!(!waiting.is_finished());
        drop(large);
        assert_eq!(waiting.await.unwrap(), 50);
        drop(small);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn what_is_larger_than_the_budget_goes_alone() {
        let budget = MemoryBudget::new(10);
        let mut whole = budget.reserve(1, 1000).await;
        whole.settle(2000);
        assert_eq!(budget.held(), 2000);
        drop(whole);
        assert_eq!(budget.reserve(2, 10).await.bytes(), 10);
    }

    #[tokio::test]
    async fn nobody_is_overtaken_while_it_waits() {
        let budget = MemoryBudget::new(100);
        let held = budget.reserve(1, 60).await;
        let large = budget.reserve(2, 80);
        tokio::pin!(large);
        assert!(futures::poll!(large.as_mut()).is_pending());
        let small = budget.reserve(3, 10);
        tokio::pin!(small);
        assert!(futures::poll!(small.as_mut()).is_pending(), "it would fit, and another came first");
        drop(held);
        let large = large.await;
        assert_eq!(small.await.bytes() + large.bytes(), 90);
    }

    #[tokio::test]
    async fn who_waits_behind_one_that_gives_up_goes_on() {
        let budget = MemoryBudget::new(100);
        let held = budget.reserve(1, 60).await;
        let small = {
            let large = budget.reserve(2, 80);
            tokio::pin!(large);
            assert!(futures::poll!(large.as_mut()).is_pending());
            let small = tokio::spawn({
                let budget = budget.clone();
                async move { budget.reserve(3, 10).await.bytes() }
            });
            tokio::task::yield_now().await;
            assert!(!small.is_finished());
            small
        };
        assert_eq!(small.await.unwrap(), 10);
        drop(held);
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_presses_nobody() {
        let budget = MemoryBudget::new(10);
        let held = budget.reserve(1, 10).await;
        {
            let wait = budget.reserve(2, 5);
            tokio::pin!(wait);
            assert!(futures::poll!(wait.as_mut()).is_pending());
        }
        let pressed = budget.pressed(1);
        tokio::pin!(pressed);
        assert!(futures::poll!(pressed.as_mut()).is_pending());
        drop(held);
    }
}
