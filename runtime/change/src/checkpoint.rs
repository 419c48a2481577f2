use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::position::v1;
use crate::{Op, Position};

/// Key of the encoded checkpoint in a snapshot's summary and in the table's properties.
const CHECKPOINT_KEY: &str = "sluice.checkpoint";
/// First byte of an encoded checkpoint; raised when its layout changes.
const ENCODING_VERSION: u8 = 2;
/// Its value before positions remembered contents and generations; such checkpoints are still read.
const FIRST_VERSION: u8 = 1;

/// What a commit says of itself, in its snapshot's summary and in the table's properties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What has been consumed of the source.
    pub position: Position,
    /// Bronze: the sequence number of the next record. Silver: every Bronze record below it is included.
    pub next_sequence: u64,
    /// Names the work of this commit: the same work has the same name.
    pub commit_id: String,
    /// The process that committed, unique per start.
    pub writer: String,
    /// How many processes have taken this table over, this one included.
    pub epoch: u64,
    /// Digest of the transform that shaped the rows.
    pub transform: Option<String>,
    /// The Bronze snapshot that Silver includes.
    pub bronze_snapshot: Option<i64>,
    /// Changes in this commit.
    pub counts: ChangeCounts,
    /// Oldest and newest commit time at the source in this commit.
    pub source_times: Option<SourceTimes>,
}

/// A checkpoint as the first version of the encoding wrote it.
#[derive(Debug, Serialize, Deserialize)]
struct CheckpointV1 {
    position: v1::Position,
    next_sequence: u64,
    commit_id: String,
    writer: String,
    epoch: u64,
    transform: Option<String>,
    bronze_snapshot: Option<i64>,
    counts: ChangeCounts,
    source_times: Option<SourceTimes>,
}

impl From<CheckpointV1> for Checkpoint {
    fn from(old: CheckpointV1) -> Self {
        Checkpoint {
            position: old.position.into(),
            next_sequence: old.next_sequence,
            commit_id: old.commit_id,
            writer: old.writer,
            epoch: old.epoch,
            transform: old.transform,
            bronze_snapshot: old.bronze_snapshot,
            counts: old.counts,
            source_times: old.source_times,
        }
    }
}

/// Oldest and newest commit time of a stretch of changes, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTimes {
    /// The oldest.
    pub oldest_us: i64,
    /// The newest.
    pub newest_us: i64,
}

impl SourceTimes {
    /// Widens this stretch to hold another.
    pub fn union(self, other: SourceTimes) -> SourceTimes {
        SourceTimes { oldest_us: self.oldest_us.min(other.oldest_us), newest_us: self.newest_us.max(other.newest_us) }
    }
}

/// Number of changes by operation, and of records rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Full-load rows.
    pub loads: u64,
    /// Inserts.
    pub inserts: u64,
    /// Updates.
    pub updates: u64,
    /// Deletes.
    pub deletes: u64,
    /// Truncates.
    pub truncates: u64,
    /// Dead letters.
    pub rejected: u64,
}

impl ChangeCounts {
    /// Counts the operations of a batch.
    pub fn add_ops(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Load => self.loads += 1,
                Op::Insert => self.inserts += 1,
                Op::Update => self.updates += 1,
                Op::Delete => self.deletes += 1,
                Op::Truncate => self.truncates += 1,
            }
        }
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &ChangeCounts) {
        self.loads += other.loads;
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.truncates += other.truncates;
        self.rejected += other.rejected;
    }

    /// Changes in all, dead letters not counted.
    pub fn changes(&self) -> u64 {
        self.loads + self.inserts + self.updates + self.deletes + self.truncates
    }
}

/// A stored checkpoint that cannot be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The text is not base64.
    #[error("the property `sluice.checkpoint` is not base64; it was changed by hand or by another program")]
    Text(#[from] base64::DecodeError),
    /// The bytes are no checkpoint.
    #[error("the property `sluice.checkpoint` does not hold a checkpoint; it was changed by hand or is torn")]
    Bytes(#[from] postcard::Error),
    /// A newer sluice wrote it.
    #[error("the property `sluice.checkpoint` has version {0}, which a newer sluice wrote: run that one")]
    Version(u8),
}

impl Checkpoint {
    /// The properties to store, the encoded checkpoint first, then the same facts for people.
    pub fn to_properties(&self) -> Result<Vec<(String, String)>, CheckpointError> {
        let bytes = postcard::to_extend(self, vec![ENCODING_VERSION])?;
        let mut properties = vec![
            (CHECKPOINT_KEY.to_owned(), URL_SAFE_NO_PAD.encode(bytes)),
            ("sluice.position".to_owned(), self.position.to_string()),
            ("sluice.next-sequence".to_owned(), self.next_sequence.to_string()),
            ("sluice.commit-id".to_owned(), self.commit_id.clone()),
            ("sluice.writer".to_owned(), format!("{}#{}", self.writer, self.epoch)),
            ("sluice.loads".to_owned(), self.counts.loads.to_string()),
            ("sluice.inserts".to_owned(), self.counts.inserts.to_string()),
            ("sluice.updates".to_owned(), self.counts.updates.to_string()),
            ("sluice.deletes".to_owned(), self.counts.deletes.to_string()),
            ("sluice.truncates".to_owned(), self.counts.truncates.to_string()),
            ("sluice.rejected".to_owned(), self.counts.rejected.to_string()),
        ];
        if let Some(digest) = &self.transform {
            properties.push(("sluice.transform".to_owned(), digest.clone()));
        }
        if let Some(times) = self.source_times {
            properties.push(("sluice.oldest-source-time-us".to_owned(), times.oldest_us.to_string()));
            properties.push(("sluice.newest-source-time-us".to_owned(), times.newest_us.to_string()));
        }
        if let Some(snapshot) = self.bronze_snapshot {
            properties.push(("sluice.bronze-snapshot".to_owned(), snapshot.to_string()));
        }
        Ok(properties)
    }

    /// Reads a checkpoint back from properties; `None` where they hold none.
    pub fn from_properties<'a>(
        get: impl Fn(&str) -> Option<&'a String>,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some(text) = get(CHECKPOINT_KEY) else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text)?;
        match bytes.split_first() {
            Some((&ENCODING_VERSION, body)) => Ok(Some(postcard::from_bytes(body)?)),
            Some((&FIRST_VERSION, body)) => Ok(Some(postcard::from_bytes::<CheckpointV1>(body)?.into())),
            Some((&version, _)) => Err(CheckpointError::Version(version)),
            None => Err(CheckpointError::Version(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_checkpoint_reads_back_from_its_properties() {
        let mut position = Position::start();
        position.advance_file("public.t", "1/20260101-000000001.csv", 7, 12, true);
        let checkpoint = Checkpoint {
            position,
            next_sequence: 12,
            commit_id: "c".into(),
            writer: "w".into(),
            epoch: 3,
            source_times: Some(SourceTimes { oldest_us: -1, newest_us: 5 }),
            ..Checkpoint::default()
        };
        let properties: HashMap<String, String> = checkpoint.to_properties().unwrap().into_iter().collect();
        let read = Checkpoint::from_properties(|key| properties.get(key)).unwrap();
        assert_eq!(read, Some(checkpoint));
        assert!(Checkpoint::from_properties(|_| None).unwrap().is_none());
    }

    #[test]
    fn a_checkpoint_of_the_first_version_is_read() {
        let mut position = Position::start();
        position.advance_file("public.t", "1/20260101-000000001.csv", 7, 12, true);
        position.advance_offset("topic/0", 5);
        let old = CheckpointV1 {
            position: (&position).into(),
            next_sequence: 12,
            commit_id: "c".into(),
            writer: "w".into(),
            epoch: 3,
            transform: None,
            bronze_snapshot: Some(4),
            counts: ChangeCounts { loads: 2, ..ChangeCounts::default() },
            source_times: None,
        };
        let text = URL_SAFE_NO_PAD.encode(postcard::to_extend(&old, vec![FIRST_VERSION]).unwrap());
        let read = Checkpoint::from_properties(|_| Some(&text)).unwrap().unwrap();
        assert_eq!(read, Checkpoint { position, ..Checkpoint::from(old) });
        let newer = URL_SAFE_NO_PAD.encode([9_u8]);
        assert!(matches!(Checkpoint::from_properties(|_| Some(&newer)), Err(CheckpointError::Version(9))));
    }
}
