use std::sync::Arc;
use std::time::Duration;

use super::MAIN;
use crate::{LakeError, LakeTable, WrittenFile};

/// Property that asks those who commit to main to wait until then, in microseconds since the epoch.
pub(super) const HOLD_KEY: &str = "sluice.hold-until";
/// Longest that anybody waits for it.
const LONGEST_HOLD_US: i64 = 60_000_000;
/// How often it is looked whether the wait is over.
const HOLD_LOOK: Duration = Duration::from_millis(250);

impl LakeTable {
    /// Asks those who commit to main to wait, at most until this time, in microseconds since the epoch. A publication
    /// ends it.
    pub async fn hold_main(&mut self, until_us: i64) -> Result<(), LakeError> {
        self.set_properties(&[(HOLD_KEY.to_owned(), Some(until_us.to_string()))].into()).await
    }

    /// Waits while the table asks for it, a bounded time.
    pub(crate) async fn wait_while_held(&mut self, ours: &[WrittenFile]) {
        let clock = Arc::clone(&self.context.seams.clock);
        let limit_us = clock.now_us().saturating_add(LONGEST_HOLD_US);
        loop {
            let now_us = clock.now_us();
            let until_us = self.property(HOLD_KEY).and_then(|until| until.parse::<i64>().ok());
            let Some(until_us) = until_us.map(|until| until.min(limit_us)).filter(|until| *until > now_us) else {
                return;
            };
            if *self.context.branch != *MAIN || !self.context.seams.role.keeps_files() {
                return;
            }
            tracing::debug!(table = %self.context.ident, "its rows are made anew and about to be put in place: waiting");
            let left = Duration::from_micros(until_us.abs_diff(now_us));
            clock.sleep(HOLD_LOOK.min(left)).await;
            if let Err(error) = self.reload(ours).await {
                // The commit finds out itself.
                tracing::debug!(table = %self.context.ident, %error, "cannot look whether the wait is over");
            }
        }
    }
}
