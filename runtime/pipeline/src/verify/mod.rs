//! Proves that Silver is what its Bronze comes to: the log is folded anew, key by key, and compared with what Silver holds.
//!
//! Both tables are read once, as of one snapshot each. Rows are parted by a hash of their key into buckets, in memory or in
//! files without a name, and each bucket is folded and compared alone. What is folded and compared are pure functions.

mod compare;
mod comparison;
mod events;
mod fold;
mod keys;
mod open;
mod pass;
mod reduce;
mod report;
mod spill;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use sluice_change::TableName;
use sluice_index::KeyError;
use sluice_lake::{Lake, LakeError};
use sluice_platform::{Clock, CpuPool};
use sluice_transform::Components;
use thiserror::Error;

use compare::Findings;
pub use compare::{Actual, Counts, Difference, Kind};
use keys::{Choice, KeyHash};
pub use open::refuse_open_renames;
use open::{Opened, Pinned};
use pass::Pass;
pub use report::{Verdict, VerifyReport};

use crate::LaneSettings;
use crate::error::LaneError;

/// What a verification works through.
#[derive(Debug, Clone)]
pub struct VerifySeams {
    /// Where tables are.
    pub lake: Lake,
    /// The processors.
    pub cpu: CpuPool,
    /// Where components of transforms come from.
    pub components: Arc<dyn Components>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Which keys are verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    /// All of them.
    Full,
    /// A share of them, chosen by the seed.
    Sample {
        /// Above 0 and up to 1.
        share: f64,
        /// Turn after turn takes other keys, until all had theirs.
        turn: u64,
    },
}

/// How a table is verified.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifySettings {
    /// Which keys.
    pub scope: Scope,
    /// Chooses them.
    pub seed: u64,
    /// Bytes of rows that are held in memory; what is read of one data file at a time comes to that.
    pub memory_bytes: usize,
    /// Where rows go that do not fit in.
    pub folder: PathBuf,
    /// Differences that are told one by one; all are counted.
    pub shown: usize,
    /// Whether a table is compared though another transform wrote Silver last.
    pub anyway: bool,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows of both tables that have been read.
    pub rows: u64,
    /// Rows to read in all, as far as it is known.
    pub total: u64,
}

/// Why a table cannot be verified.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// Rows cannot be read, shaped or folded.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The transform is another one now.
    #[error(
        "the transform of {table} has changed since Silver was written last (it was {was}, it is {now}): rows that the older \
         one shaped may differ and be right. Make Silver anew with `sluice rebuild {table}`, or compare all the same with --anyway"
    )]
    OtherTransform {
        /// The source table.
        table: TableName,
        /// Digest of the transform that wrote Silver last.
        was: String,
        /// Digest of the configured one.
        now: String,
    },
    /// A configured rename has not been made.
    #[error(
        "the column `{from}` of {table} is to be renamed to `{to}`, which the next `sluice run` does: verify after it"
    )]
    OpenRename {
        /// The source table.
        table: TableName,
        /// The column's name in the lake.
        from: String,
        /// Its name in the configuration.
        to: String,
    },
}

impl From<LakeError> for VerifyError {
    fn from(error: LakeError) -> Self {
        LaneError::from(error).into()
    }
}

impl From<KeyError> for VerifyError {
    fn from(error: KeyError) -> Self {
        LaneError::from(error).into()
    }
}

impl From<arrow_schema::ArrowError> for VerifyError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        LaneError::from(error).into()
    }
}

/// Verifies one table. `progress` is told now and then how far it is.
pub async fn verify(
    lane: &LaneSettings,
    seams: &VerifySeams,
    settings: &VerifySettings,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<VerifyReport, VerifyError> {
    let started_us = seams.clock.now_us();
    let mut report = VerifyReport::new(lane, settings);
    let pinned = match open::open(lane, seams).await? {
        Opened::Both(pinned) => pinned,
        Opened::Nothing(reason) => {
            report.verdict = Verdict::NothingToVerify { reason };
            return Ok(report);
        }
    };
    refuse_other_transform(lane, &pinned, settings)?;
    report.pinned(&pinned);
    let choice = match settings.scope {
        Scope::Full => Choice::All,
        Scope::Sample { share, turn } => Choice::share(share, turn),
    };
    let mut pass = Pass::new(&pinned, seams, settings, KeyHash::new(settings.seed), progress);
    let none = Arc::new(HashSet::new());
    let mut findings = Findings::new(settings.shown);
    let passed = pass.read(choice, true).await?;
    let (closer, joined) = passed.closer();
    let first = pass.compare(passed, &closer, &none, findings).await?;
    findings = first.findings;
    report.add(&first.totals, &pinned, true);
    if !closer.is_empty() {
        let together = Choice::Of { hashes: closer, together: !joined.is_empty() };
        let passed = pass.read(together, false).await?;
        let second = pass.compare(passed, &none, &joined, findings).await?;
        findings = second.findings;
        report.add(&second.totals, &pinned, false);
    }
    report.conclude(findings, &pinned, seams.clock.now_us() - started_us);
    Ok(report)
}

fn refuse_other_transform(lane: &LaneSettings, pinned: &Pinned, settings: &VerifySettings) -> Result<(), VerifyError> {
    if !pinned.other_transform || settings.anyway {
        return Ok(());
    }
    let named = |digest: Option<&str>| digest.unwrap_or("none").to_owned();
    Err(VerifyError::OtherTransform {
        table: lane.table.clone(),
        was: named(pinned.silver.stored.transform.as_deref()),
        now: named(pinned.silver.transform.digest()),
    })
}
