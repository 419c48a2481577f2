//! Cutting an input into stretches, and putting together what became of them.

use std::ops::Range;

use arrow_array::UInt32Array;
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;
use sluice_change::Unsent;

use crate::{Input, Shaped};

impl Input {
    /// The rows of a range.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let (start, length) = (range.start, range.len());
        Self {
            rows: self.rows.slice(start, length),
            ops: self.ops[range].to_vec(),
            ordinals: self.ordinals.slice(start, length),
            times: self.times.as_ref().map(|times| times.slice(start, length)),
            before: self.before.as_ref().map(|before| before.slice(start, length)),
            unsent: self.unsent.as_ref().and_then(|unsent| unsent.slice(start, length)),
        }
    }
}

impl Shaped {
    /// Counts the input rows that these come from `rows` further; `whole` says that they are all of the input, one for
    /// one where `sources` does not say otherwise.
    pub(crate) fn move_to(&mut self, rows: u32, whole: bool) {
        for reject in &mut self.rejects {
            reject.row += rows;
        }
        match &self.sources {
            Some(sources) if rows > 0 => self.sources = Some(sources.unary(|row| row + rows)),
            None if !whole => self.sources = Some((rows..rows + self.ops.len() as u32).collect()),
            _ => {}
        }
    }

    /// Whether both say the same of the same rows, bit for bit.
    pub(crate) fn is_same_as(&self, other: &Shaped) -> bool {
        let source = |shaped: &Shaped, row: usize| shaped.sources.as_ref().map_or(row as u32, |rows| rows.value(row));
        fn unsent(shaped: &Shaped, row: usize) -> &[String] {
            shaped.unsent.as_ref().map_or(&[], |unsent| &unsent.patterns()[unsent.rows()[row] as usize])
        }
        self.ops == other.ops
            && self.rejects == other.rejects
            && self.rows == other.rows
            && self.before == other.before
            && (0..self.ops.len())
                .all(|row| source(self, row) == source(other, row) && unsent(self, row) == unsent(other, row))
    }

    /// Stretches of one input behind each other.
    pub(crate) fn concat(mut stretches: Vec<Shaped>) -> Result<Shaped, ArrowError> {
        if stretches.len() == 1
            && let Some(one) = stretches.pop()
        {
            return Ok(one);
        }
        let Some(first) = stretches.first() else {
            return Err(ArrowError::InvalidArgumentError("there is no stretch".to_owned()));
        };
        let rows = concat_batches(&first.rows.schema(), stretches.iter().map(|stretch| &stretch.rows))?;
        let sources = stretches.iter().flat_map(|stretch| stretch.sources.iter().flat_map(|rows| rows.values()));
        let sources: UInt32Array = sources.copied().collect::<Vec<u32>>().into();
        let before = match &first.before {
            Some(before) => {
                Some(concat_batches(&before.schema(), stretches.iter().filter_map(|stretch| stretch.before.as_ref()))?)
            }
            None => None,
        };
        let mut unsent = UnsentRows::default();
        for stretch in &stretches {
            unsent.push(stretch.unsent.as_ref(), stretch.ops.len());
        }
        Ok(Shaped {
            rows,
            ops: stretches.iter().flat_map(|stretch| stretch.ops.iter().copied()).collect(),
            sources: Some(sources),
            before,
            unsent: unsent.finish(),
            rejects: stretches.iter_mut().flat_map(|stretch| std::mem::take(&mut stretch.rejects)).collect(),
        })
    }
}

/// Unsent cells of stretches, whose patterns are counted on.
#[derive(Default)]
struct UnsentRows {
    rows: Vec<u32>,
    patterns: Vec<Vec<String>>,
}

impl UnsentRows {
    fn push(&mut self, unsent: Option<&Unsent>, rows: usize) {
        let Some(unsent) = unsent else {
            self.rows.resize(self.rows.len() + rows, 0);
            return;
        };
        if self.patterns.is_empty() {
            self.patterns.push(Vec::new());
        }
        // Pattern 0 is that of whole rows everywhere.
        let known = self.patterns.len() as u32 - 1;
        self.patterns.extend(unsent.patterns().iter().skip(1).cloned());
        self.rows.extend(unsent.rows().iter().map(|pattern| if *pattern == 0 { 0 } else { pattern + known }));
    }

    fn finish(self) -> Option<Unsent> {
        Unsent::new(self.rows, self.patterns)
    }
}
