use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use sluice_platform::Clock;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A burst of refusals is one sign, so the limit is halved at most this often.
const SETTLE_US: i64 = 1_000_000;

/// Bounds the requests in flight. A storage that says "slow down" halves the bound; each full round of answers without
/// that gives one request back.
///
/// The SDK's adaptive mode is not used: it limits the rate of the whole client to what it last measured, starts from one
/// request in two seconds after the first refusal and waits without a bound of its own, while S3 refuses by prefix. Its
/// standard mode retries with backoff and jitter, during which the request keeps its place here.
#[derive(Debug)]
pub(crate) struct RequestGate {
    permits: Semaphore,
    most: usize,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Permits that are to be withdrawn once they come back.
    owed: usize,
    answers: usize,
    halved_us: i64,
}

/// The right to have one request in flight.
pub(crate) struct Permit<'a> {
    gate: &'a RequestGate,
    permit: Option<SemaphorePermit<'a>>,
}

impl RequestGate {
    pub fn new(most: usize, clock: Arc<dyn Clock>) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = Mutex::new(State { limit: most, owed: 0, answers: 0, halved_us: i64::MIN });
        Self { permits: Semaphore::new(most), most, clock, state }
    }

    /// Waits for a place; places are given out in the order of asking.
    pub async fn enter(&self) -> Permit<'_> {
        // The semaphore is never closed; without a permit the request goes ahead unbounded rather than not at all.
        Permit { gate: self, permit: self.permits.acquire().await.ok() }
    }

    /// Takes note of an answer.
    pub fn answered(&self, status: u16) {
        if matches!(status, 429 | 503) { self.slow_down() } else { self.recover() }
    }

    fn slow_down(&self) {
        let now_us = self.clock.now_us();
        let mut state = self.state();
        state.answers = 0;
        if now_us.saturating_sub(state.halved_us) < SETTLE_US {
            return;
        }
        state.halved_us = now_us;
        let limit = (state.limit / 2).max(1);
        let surplus = state.limit - limit;
        state.limit = limit;
        state.owed += surplus - self.permits.forget_permits(surplus);
        drop(state);
        tracing::debug!(limit, "the storage asks to slow down: fewer requests at a time");
    }

    fn recover(&self) {
        let mut state = self.state();
        if state.limit == self.most {
            return;
        }
        state.answers += 1;
        if state.answers >= state.limit {
            state.answers = 0;
            state.limit += 1;
            match state.owed {
                0 => self.permits.add_permits(1),
                owed => state.owed = owed - 1,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

/// Shows the gate every answer, those that the SDK tries again included.
#[derive(Debug)]
pub(crate) struct Watch(pub Arc<RequestGate>);

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "RequestGate"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(response) = context.response() {
            self.0.answered(response.status().as_u16());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Default)]
    struct Hand(AtomicI64);

    #[async_trait::async_trait]
    impl Clock for Hand {
        fn now_us(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep(&self, duration: Duration) {
            self.0.fetch_add(duration.as_micros() as i64, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn refusals_halve_the_bound_once_a_burst_and_answers_give_it_back() {
        let clock = Arc::new(Hand::default());
        let gate = RequestGate::new(8, clock.clone());
        let held: Vec<Permit<'_>> = futures::future::join_all((0..8).map(|_| gate.enter())).await;
        for _ in 0..5 {
            gate.answered(503);
        }
        assert_eq!(gate.state().limit, 4);
        drop(held);
        assert_eq!(gate.permits.available_permits(), 4);
        clock.sleep(Duration::from_secs(2)).await;
        gate.answered(429);
        assert_eq!((gate.state().limit, gate.permits.available_permits()), (2, 2));
        for _ in 0..100 {
            gate.answered(200);
        }
        assert_eq!((gate.state().limit, gate.permits.available_permits()), (8, 8));
    }

    #[tokio::test]
    async fn one_request_always_remains() {
        let clock = Arc::new(Hand::default());
        let gate = RequestGate::new(2, clock.clone());
        for _ in 0..4 {
            clock.sleep(Duration::from_secs(2)).await;
            gate.answered(503);
        }
        assert_eq!(gate.permits.available_permits(), 1);
        drop(gate.enter().await);
    }
}
