use std::time::Duration;

use arrow_schema::ArrowError;
use sluice_change::{CheckpointError, ConformError, SchemaConflict, TableName};
use sluice_index::{IndexError, KeyError};
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
    /// A file has columns that the table cannot take.
    #[error("{file} cannot be taken in")]
    SchemaOf {
        /// The file, relative to the source.
        file: String,
        /// What is wrong, and what to do.
        #[source]
        source: SchemaConflict,
    },
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
    /// A table is not what it has to be, and must not be put in place.
    #[error("{0}")]
    Spoilt(String),
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

impl From<IndexError> for LaneError {
    fn from(error: IndexError) -> Self {
        MergeError::from(error).into()
    }
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Directive {
    /// Open the tables anew, at once: others work on them too, and nothing is wrong.
    Reopen,
    /// Try again after this long.
    Retry(Duration),
    /// Give the lane up until someone looks; nothing is lost, its position stays.
    Quarantine,
    /// Leave the table to the process that took it over.
    StepBack,
}

impl LaneError {
    /// Whether the storage or the catalog does not answer now, or others were faster: that passes by itself.
    fn is_outage(&self) -> bool {
        match self {
            LaneError::Source(error) => error.is_outage(),
            LaneError::Lake(error) => error.is_transient(),
            LaneError::Moved(_) => true,
            _ => false,
        }
    }
}

/// The failure that is to be decided about.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// How many failures in a row this is, from 1.
    pub number: u32,
    /// Jitter, in `[0, 1)`.
    pub fraction: f64,
    /// Whether the lane may wait for as long as an outage lasts. A run that has to end may not.
    pub patient: bool,
}

/// Decides what to do after a failure.
pub fn directive(error: &LaneError, attempt: Attempt, retry: &RetrySettings) -> Directive {
    match error {
        LaneError::Fenced(_) => Directive::StepBack,
        LaneError::Moved(_) if attempt.number == 1 => Directive::Reopen,
        // Waiting cannot mend these: someone has to change the configuration or the data.
        LaneError::Schema(_) | LaneError::SchemaOf { .. } | LaneError::Settings(_) | LaneError::Spoilt(_) => {
            Directive::Quarantine
        }
        LaneError::Source(source) if source.is_permanent() => Directive::Quarantine,
        LaneError::Transform(transform) if transform.is_permanent() => Directive::Quarantine,
        LaneError::Lake(lake) if matches!(**lake, LakeError::Schema { .. } | LakeError::PositionLost(_)) => {
            Directive::Quarantine
        }
        _ if attempt.number >= retry.max_attempts && !(attempt.patient && error.is_outage()) => Directive::Quarantine,
        _ => Directive::Retry(backoff(attempt.number, retry, attempt.fraction)),
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
    use sluice_platform::StorageError;

    use super::*;

    fn attempt(number: u32, patient: bool) -> Attempt {
        Attempt { number, fraction: 0.0, patient }
    }

    #[test]
    fn waits_grow_to_the_limit_and_then_the_lane_is_quarantined() {
        let retry =
            RetrySettings { max_attempts: 5, first_wait: Duration::from_secs(1), max_wait: Duration::from_secs(4) };
        let error = LaneError::Moved("t".into());
        let waits: Vec<Directive> = (1..=5).map(|number| directive(&error, attempt(number, false), &retry)).collect();
        let retry_after = |seconds| Directive::Retry(Duration::from_secs(seconds));
        let fifth = Directive::Quarantine;
        assert_eq!(waits, [Directive::Reopen, retry_after(2), retry_after(4), retry_after(4), fifth]);
    }

    #[test]
    fn a_fenced_lane_steps_back_at_once_and_a_wrong_setting_is_not_retried() {
        let retry = RetrySettings::default();
        assert_eq!(directive(&LaneError::Fenced("x".into()), attempt(1, true), &retry), Directive::StepBack);
        assert_eq!(directive(&LaneError::Settings("x".into()), attempt(1, true), &retry), Directive::Quarantine);
    }

    #[test]
    fn an_outage_is_waited_out_unless_the_run_has_to_end() {
        let retry = RetrySettings::default();
        let moved = directive(&LaneError::Moved("t".into()), attempt(1000, true), &retry);
        assert_eq!(moved, Directive::Retry(retry.max_wait), "others may change a table as often as they like");
        let outage = LaneError::from(LakeError::Contention { table: "t".into(), attempts: 8 });
        assert_eq!(directive(&outage, attempt(1000, true), &retry), Directive::Retry(retry.max_wait));
        assert_eq!(directive(&outage, attempt(retry.max_attempts, false), &retry), Directive::Quarantine);
    }

    #[test]
    fn a_file_that_stays_damaged_is_no_outage() {
        let retry = RetrySettings::default();
        let source = StorageError::from_io("read", "f", std::io::ErrorKind::UnexpectedEof.into());
        let damaged = SourceError::Shrunk { file: "f".into(), record: 1, expected: 9, found: 5, source };
        let damaged = LaneError::from(damaged);
        assert!(matches!(directive(&damaged, attempt(1, true), &retry), Directive::Retry(_)));
        assert_eq!(directive(&damaged, attempt(retry.max_attempts, true), &retry), Directive::Quarantine);
    }

    #[test]
    fn a_transform_that_is_wrong_is_not_retried_and_one_that_was_slow_is() {
        let retry = RetrySettings::default();
        let reason = || "x".to_owned();
        let wrong = LaneError::from(TransformError::Unusable { component: "a.wasm".into(), reason: reason() });
        assert_eq!(directive(&wrong, attempt(1, true), &retry), Directive::Quarantine);
        let slow = LaneError::from(TransformError::Deadline { transform: "a.wasm".into(), milliseconds: 1, rows: 1 });
        assert!(matches!(directive(&slow, attempt(1, true), &retry), Directive::Retry(_)));
        assert_eq!(directive(&slow, attempt(retry.max_attempts, true), &retry), Directive::Quarantine);
    }
}
