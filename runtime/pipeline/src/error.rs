use std::time::Duration;

use arrow_schema::ArrowError;
use sluice_change::{CheckpointError, ConformError, SchemaConflict, TableName};
use sluice_index::KeyError;
use sluice_lake::LakeError;
use sluice_source::SourceError;
use sluice_transform::TransformError;
use thiserror::Error;

use crate::RetrySettings;
use crate::merge::MergeError;

/// Why a lane stopped working.
#[derive(Debug, Error)]
pub enum LaneError {
    /// The source failed.
    #[error(transparent)]
    Source(Box<SourceError>),
    /// The lake failed.
    #[error(transparent)]
    Lake(Box<LakeError>),
    /// The new data has columns that the table cannot take.
    #[error(transparent)]
    Schema(#[from] SchemaConflict),
    /// A batch does not fit the table.
    #[error(transparent)]
    Conform(Box<ConformError>),
    /// A batch cannot be merged.
    #[error(transparent)]
    Merge(Box<MergeError>),
    /// The transform failed as a whole.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// A stored checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Columns do not make a batch.
    #[error("the rows cannot be put together")]
    Arrow(#[from] ArrowError),
    /// The table's settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// Another process has taken the table over.
    #[error("fenced: {0}")]
    Fenced(String),
    /// Another writer changed the table in a way that this state does not know.
    #[error("table {0} was changed by another writer; opening it anew")]
    Moved(String),
    /// Bronze holds less than Silver says that it includes.
    #[error(
        "Bronze of {table} lacks the changes from number {from} on, which its own checkpoint counts: restore Bronze"
    )]
    LogGap {
        /// The source table.
        table: TableName,
        /// The first number that is missing.
        from: u64,
    },
}

impl From<SourceError> for LaneError {
    fn from(error: SourceError) -> Self {
        LaneError::Source(Box::new(error))
    }
}

impl From<LakeError> for LaneError {
    fn from(error: LakeError) -> Self {
        LaneError::Lake(Box::new(error))
    }
}

impl From<ConformError> for LaneError {
    fn from(error: ConformError) -> Self {
        LaneError::Conform(Box::new(error))
    }
}

impl From<MergeError> for LaneError {
    fn from(error: MergeError) -> Self {
        LaneError::Merge(Box::new(error))
    }
}

impl From<KeyError> for LaneError {
    fn from(error: KeyError) -> Self {
        MergeError::from(error).into()
    }
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Directive {
    /// Try again after this long.
    Retry(Duration),
    /// Give the lane up until someone looks; nothing is lost, its position stays.
    Quarantine,
    /// Leave the table to the process that took it over.
    StepBack,
}

/// Decides what to do after the `attempt`th failure in a row (from 1). `fraction` in `[0, 1)` is the jitter.
pub fn directive(error: &LaneError, attempt: u32, retry: &RetrySettings, fraction: f64) -> Directive {
    match error {
        LaneError::Fenced(_) => Directive::StepBack,
        // Waiting cannot mend these: someone has to change the configuration or the data.
        LaneError::Schema(_) | LaneError::Settings(_) => Directive::Quarantine,
        LaneError::Source(error) if error.is_permanent() => Directive::Quarantine,
        _ if attempt >= retry.max_attempts => Directive::Quarantine,
        _ => Directive::Retry(backoff(attempt, retry, fraction)),
    }
}

/// Doubles with every attempt up to the limit, less up to half of it.
fn backoff(attempt: u32, retry: &RetrySettings, fraction: f64) -> Duration {
    let doubled = retry.first_wait.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    doubled.min(retry.max_wait).mul_f64(1.0 - fraction / 2.0)
}

/// The error with all its causes, in one line.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_then_the_lane_is_quarantined() {
        let retry =
            RetrySettings { max_attempts: 5, first_wait: Duration::from_secs(1), max_wait: Duration::from_secs(4) };
        let error = LaneError::Moved("t".into());
        let waits: Vec<Directive> = (1..=5).map(|attempt| directive(&error, attempt, &retry, 0.0)).collect();
        let retry_after = |seconds| Directive::Retry(Duration::from_secs(seconds));
        assert_eq!(waits, [retry_after(1), retry_after(2), retry_after(4), retry_after(4), Directive::Quarantine]);
    }

    #[test]
    fn a_fenced_lane_steps_back_at_once_and_a_wrong_setting_is_not_retried() {
        let retry = RetrySettings::default();
        assert_eq!(directive(&LaneError::Fenced("x".into()), 1, &retry, 0.5), Directive::StepBack);
        assert_eq!(directive(&LaneError::Settings("x".into()), 1, &retry, 0.5), Directive::Quarantine);
    }
}
