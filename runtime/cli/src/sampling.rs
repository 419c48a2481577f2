//! Looks at a bounded sample of a table: the beginnings of its oldest and its newest files.

use sluice_change::{ChangeBatch, Position, TableName, TableSchema};
use sluice_source::{FileFate, Source, SourceError, SourceFile};

/// Records that are looked at of each file.
pub(crate) const SAMPLE_ROWS: usize = 2_000;

/// What a sample holds, in the order of the files.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub batches: Vec<ChangeBatch>,
}

impl Sample {
    /// The beginnings of the `each` oldest and the `each` newest files. The source gives batches of a sample's size.
    pub async fn take(
        source: &dyn Source,
        table: &TableName,
        schema: &TableSchema,
        files: &[SourceFile],
        each: usize,
    ) -> Result<Self, SourceError> {
        let mut sample = Sample::default();
        let Some(first) = source.open(table, schema, Position::start()).await?.next().await? else {
            return Ok(sample);
        };
        let partition = first.origin.partition.clone();
        let first_order = first.origin.order.clone();
        sample.batches.push(first);
        let mut readable: Vec<(&str, i64)> = files.iter().filter_map(readable).collect();
        readable.sort_unstable();
        for place in chosen(readable.len(), each) {
            if readable[place].0 == first_order {
                continue;
            }
            // What sorts before the file counts as read, so that the file comes next.
            let mut position = Position::start();
            for (order, arrived_us) in &readable[..place] {
                position.advance_file(&partition, order, *arrived_us, 0, true);
            }
            if let Some(batch) = source.open(table, schema, position).await?.next().await? {
                sample.batches.push(batch);
            }
        }
        Ok(sample)
    }

    /// Records in it, rejected ones counted.
    pub fn records(&self) -> u64 {
        self.batches.iter().map(|batch| (batch.len() + batch.rejects.len()) as u64).sum()
    }
}

fn readable(file: &SourceFile) -> Option<(&str, i64)> {
    let is_there = !matches!(file.fate, FileFate::Gone | FileFate::GoneInPart { .. } | FileFate::Ignored { .. });
    Some((file.order.as_deref().filter(|_| is_there)?, file.arrived_us.unwrap_or(0)))
}

/// The first and the last `each` of so many places.
fn chosen(count: usize, each: usize) -> impl Iterator<Item = usize> {
    let first = each.min(count);
    (0..first).chain(count.saturating_sub(each).max(first)..count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_newest_are_chosen_each_once() {
        assert_eq!(chosen(10, 2).collect::<Vec<_>>(), [0, 1, 8, 9]);
        assert_eq!(chosen(3, 2).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(chosen(0, 2).count(), 0);
    }
}
