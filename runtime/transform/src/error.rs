use thiserror::Error;

/// A transform that failed as a whole.
#[derive(Debug, Error)]
pub enum TransformError {
    /// The component cannot be used: it is damaged, of another world, or imports what it may not.
    #[error("the component {component} cannot be used: {reason}")]
    Unusable {
        /// The file.
        component: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// It does not accept its settings or the table's columns, or promises what cannot be.
    #[error("the transform {transform} refuses table {table}: {reason}")]
    Refused {
        /// What it is called in the configuration.
        transform: String,
        /// The table.
        table: String,
        /// What it said, or what is wrong with its plan, and what to do.
        reason: String,
    },
    /// More rows failed than may.
    #[error(
        "the transform {transform} failed on {failed} of {rows} rows, more than the share of {share} that may fail \
         (`max_failed_share`); the first: {first}"
    )]
    TooManyFailures {
        /// What it is called in the configuration.
        transform: String,
        /// Rows that failed.
        failed: usize,
        /// Rows tried.
        rows: usize,
        /// The share that may fail, 0 to 1.
        share: f64,
        /// Why the first of them failed.
        first: String,
    },
    /// A batch took longer than the deadline, though its fuel had not run out: the machine may be busy.
    #[error("the transform {transform} took longer than {milliseconds} ms for a batch of {rows} rows")]
    Deadline {
        /// What it is called in the configuration.
        transform: String,
        /// The deadline.
        milliseconds: u64,
        /// Rows in the batch.
        rows: usize,
    },
    /// The same batch gave different bytes twice.
    #[error("the transform {transform} is not deterministic: {reason}")]
    NotDeterministic {
        /// What it is called in the configuration.
        transform: String,
        /// Where the answers differ.
        reason: String,
    },
    /// The host could not do its part.
    #[error("the transform {transform} could not be run: {reason}")]
    Host {
        /// What it is called in the configuration.
        transform: String,
        /// What went wrong.
        reason: String,
    },
}

impl TransformError {
    /// Whether trying again cannot help: someone has to change the component, its settings or the data.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, TransformError::Deadline { .. } | TransformError::Host { .. })
    }
}
