//! Reads a lane's source ahead of its commits, within the memory budget.

use std::sync::Arc;

use sluice_change::{ChangeBatch, Position};
use sluice_source::{Backlog, SourceError, TableReader};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::budget::{LaneId, MemoryBudget, Reserved};

/// Reserved at least: a batch takes more than its values.
const LEAST_RESERVED: usize = 64 << 10;
/// Batches read ahead of the commit.
const READ_AHEAD: usize = 2;
/// A decoded batch is held beside what is encoded from it.
const HELD_PER_BYTE: usize = 2;
/// With a transform also beside what that makes of it.
const HELD_PER_SHAPED_BYTE: usize = 3;

/// What the source had.
#[derive(Debug)]
pub enum Arrival {
    /// A batch, with the memory that it takes and what still lies behind it.
    Batch(Box<ChangeBatch>, Reserved, Backlog),
    /// Nothing more now. The collector waits to be asked again.
    CaughtUp,
    /// A failure. The collector waits to be asked again.
    Failed(SourceError),
}

/// A task that reads; it ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    arrivals: mpsc::Receiver<Arrival>,
    again: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Collector {
    /// Starts reading; the batches are shaped by a transform or not.
    pub fn start(reader: Box<dyn TableReader>, budget: MemoryBudget, lane: LaneId, shaped: bool) -> Self {
        let per_byte = if shaped { HELD_PER_SHAPED_BYTE } else { HELD_PER_BYTE };
        let (send, arrivals) = mpsc::channel(READ_AHEAD);
        let again = Arc::new(Notify::new());
        let task = tokio::spawn(collect(reader, Held { budget, lane, per_byte }, send, Arc::clone(&again)));
        Self { arrivals, again, _task: AbortOnDropHandle::new(task) }
    }

    /// The next arrival; `None` only if the reading task died.
    pub async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Asks the source again after [`Arrival::CaughtUp`] or [`Arrival::Failed`].
    pub fn ask_again(&self) {
        self.again.notify_one();
    }
}

/// The memory that batches are read into.
#[derive(Debug)]
struct Held {
    budget: MemoryBudget,
    lane: LaneId,
    /// Bytes held for each byte of a batch.
    per_byte: usize,
}

async fn collect(mut reader: Box<dyn TableReader>, memory: Held, arrivals: mpsc::Sender<Arrival>, again: Arc<Notify>) {
    loop {
        let arrival = match next(reader.as_mut(), &memory).await {
            Ok(Some((batch, reserved))) => Arrival::Batch(Box::new(batch), reserved, reader.backlog()),
            Ok(None) => Arrival::CaughtUp,
            Err(error) => Arrival::Failed(error),
        };
        let pauses = !matches!(arrival, Arrival::Batch(..));
        if arrivals.send(arrival).await.is_err() {
            return;
        }
        if pauses {
            again.notified().await;
        }
    }
}

/// The next batch, with the memory that it takes. Memory is reserved before anything is decoded, and only if there is
/// something: a lane that waits for data holds nothing.
async fn next(reader: &mut dyn TableReader, memory: &Held) -> Result<Option<(ChangeBatch, Reserved)>, SourceError> {
    let Some(expected) = reader.peek().await? else { return Ok(None) };
    let held = |bytes: usize| bytes.saturating_mul(memory.per_byte).max(LEAST_RESERVED);
    let mut reserved = memory.budget.reserve(memory.lane, held(expected)).await;
    let Some(batch) = reader.next().await? else { return Ok(None) };
    reserved.settle(held(batch.memory_bytes()));
    Ok(Some((batch, reserved)))
}

/// Batches that go into one commit.
#[derive(Debug, Default)]
pub struct Pending {
    batches: Vec<ChangeBatch>,
    reserved: Vec<Reserved>,
    rows: usize,
    files: usize,
    late: bool,
}

impl Pending {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Rows and rejects so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.reserved.iter().map(Reserved::bytes).sum()
    }

    /// Files (or partitions) that they came from.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Whether these changes happened before some that are already stored.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Whether `batch` may join: a commit is either in order throughout, or one late file.
    pub fn accepts(&self, batch: &ChangeBatch, stored: &Position) -> bool {
        let Some(last) = self.batches.last() else { return true };
        if self.late { last.origin == batch.origin } else { !is_late(batch, self.position().unwrap_or(stored)) }
    }

    /// Adds a batch.
    pub fn push(&mut self, batch: ChangeBatch, reserved: Reserved, stored: &Position) {
        if self.batches.is_empty() {
            self.late = is_late(&batch, stored);
        }
        self.rows += batch.len() + batch.rejects.len();
        self.files += usize::from(self.batches.last().is_none_or(|last| last.origin != batch.origin));
        self.batches.push(batch);
        self.reserved.push(reserved);
    }

    /// What is consumed once all of this is stored.
    pub fn position(&self) -> Option<&Position> {
        self.batches.last().map(|batch| &batch.position)
    }

    /// The batches, with the memory that they hold.
    pub fn into_parts(self) -> (Vec<ChangeBatch>, Vec<Reserved>) {
        (self.batches, self.reserved)
    }
}

/// Whether a batch comes from a file that sorts before one already consumed.
pub fn is_late(batch: &ChangeBatch, stored: &Position) -> bool {
    stored.is_passed(&batch.origin.order)
}
