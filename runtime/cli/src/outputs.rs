use indicatif::MultiProgress;

use crate::terminal::Terminal;

/// What commands write to.
pub(crate) struct Outputs {
    pub terminal: Terminal,
    pub progress: MultiProgress,
    /// Whether people are watching standard error.
    pub watched: bool,
}
