use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use async_trait::async_trait;
use sluice_change::{ChangeBatch, Column, ColumnType, Position, RECENT_FILES, TableSchema};
use sluice_decode::Decoded;

use crate::{Backlog, SourceError, TableReader};

use super::listing::{DmsFile, TableFolder};
use super::open_file::{Advance, OpenFile, Reading};
use super::queue::{Pending, plan};

/// Reads one table's files in their order, from a position on.
pub(super) struct DmsReader {
    folder: TableFolder,
    reading: Arc<Reading>,
    partition: String,
    /// What the table is known to hold, with what its files have shown since.
    schema: TableSchema,
    /// What has been handed out.
    position: Position,
    queue: VecDeque<Pending>,
    open: Option<OpenFile>,
    /// Whether a file changed since the folder was listed.
    list_again: bool,
    late: u64,
    /// Sizes of the furthest files that were read whole, by order.
    finished: BTreeMap<String, u64>,
}

impl DmsReader {
    pub fn new(folder: TableFolder, reading: Reading, schema: TableSchema, from: Position) -> Self {
        Self {
            partition: folder.table.to_string(),
            folder,
            reading: Arc::new(reading),
            schema,
            position: from,
            queue: VecDeque::new(),
            open: None,
            list_again: false,
            late: 0,
            finished: BTreeMap::new(),
        }
    }

    /// Takes up the next file that holds something; lists the folder if none is known and it still may.
    async fn take_up(&mut self, may_list: &mut bool) -> Result<bool, SourceError> {
        if *may_list && (self.queue.is_empty() || self.list_again) {
            let files = self.folder.files().await?;
            self.report_changed(&files);
            self.queue = plan(files, &self.position, &self.partition);
            self.list_again = false;
            *may_list = false;
        }
        let Some(file) = self.queue.pop_front() else { return Ok(false) };
        if file.late && file.consumed == 0 {
            self.late += 1;
            tracing::warn!(
                table = %self.folder.table,
                file = file.file.name,
                "this file arrived late: newer files of the table have been consumed before it; it is taken in now"
            );
        }
        self.open = Some(OpenFile::new(file, &self.partition));
        Ok(true)
    }

    /// Says so if a file has changed after it was read whole: its new content is not read.
    fn report_changed(&mut self, files: &[DmsFile]) {
        for file in files {
            let Some(size) = self.finished.get_mut(&file.order).filter(|size| **size != file.size) else { continue };
            tracing::warn!(
                table = %self.folder.table,
                file = file.name,
                read = *size,
                now = file.size,
                "this file changed after it was read whole; its new content is not read: put it into a file of its own"
            );
            *size = file.size;
        }
    }

    /// The batch for a stretch of the open file, with the position after it.
    fn batch(&mut self, decoded: Option<Decoded>, whole: bool) -> Option<ChangeBatch> {
        let open = self.open.as_ref()?;
        let origin = Arc::clone(&open.origin);
        let rows = decoded.as_ref().map_or(open.delivered, |decoded| decoded.consumed);
        self.position.advance_file(&self.partition, &origin.order, open.arrived_us, rows, whole);
        let position = self.position.clone();
        let Some(decoded) = decoded else {
            return Some(ChangeBatch {
                origin,
                rows: RecordBatch::new_empty(self.schema.arrow()),
                ops: Vec::new(),
                row_numbers: Int64Array::from(Vec::<i64>::new()),
                commit_times: None,
                before: None,
                unsent: None,
                rejects: Vec::new(),
                position,
            });
        };
        self.learn(&decoded.rows);
        Some(ChangeBatch {
            origin,
            rows: decoded.rows,
            ops: decoded.ops,
            row_numbers: decoded.row_numbers,
            commit_times: decoded.commit_times,
            before: decoded.before,
            unsent: decoded.unsent,
            rejects: decoded.rejects,
            position,
        })
    }

    /// Remembers columns that the data brought, so that later files give them the same types.
    fn learn(&mut self, rows: &RecordBatch) {
        for field in rows.schema_ref().fields() {
            let Some(found) = ColumnType::from_arrow(field.data_type()) else { continue };
            match self.schema.columns.iter_mut().find(|column| column.name == *field.name()) {
                None => self.schema.columns.push(Column::new(field.name(), found)),
                Some(known) => known.column_type = known.column_type.widest(found).unwrap_or(known.column_type),
            }
        }
    }

    /// Leaves the open file, which is read whole.
    fn finish(&mut self) {
        let Some(open) = self.open.take() else { return };
        // Its arrival now counts for the position, so what arrived between the listing and then has to be seen first.
        self.list_again |= open.arrived_us != open.file.file.arrived_us;
        self.finished.insert(open.origin.order.clone(), open.length());
        if self.finished.len() > RECENT_FILES {
            self.finished.pop_first();
        }
    }

    /// Leaves the open file, which is no longer there.
    fn give_up(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.delivered > 0 {
            tracing::error!(
                table = %self.folder.table,
                file = open.origin.name,
                records = open.delivered,
                "this file was removed when it had been read in part; put it back for the rest to be read"
            );
        } else {
            tracing::warn!(
                table = %self.folder.table,
                file = open.origin.name,
                "this file was removed before it was read; going on without it"
            );
        }
    }
}

#[async_trait]
impl TableReader for DmsReader {
    async fn next(&mut self) -> Result<Option<ChangeBatch>, SourceError> {
        // Listing once is enough to see what is there now, and no change of the folder can keep this call from ending.
        let mut may_list = true;
        loop {
            if self.open.is_none() && !self.take_up(&mut may_list).await? {
                return Ok(None);
            }
            let Some(open) = self.open.as_mut() else { return Ok(None) };
            match open.advance(&self.reading, &self.schema).await? {
                Advance::Batch(decoded) => return Ok(self.batch(Some(decoded), false)),
                Advance::Last(decoded) => {
                    let batch = self.batch(decoded, true);
                    self.finish();
                    return Ok(batch);
                }
                Advance::Vanished => self.give_up(),
            }
        }
    }

    fn backlog(&self) -> Backlog {
        let queued: u64 = self.queue.iter().map(|pending| pending.file.size).sum();
        let open = self.open.as_ref().map_or(0, OpenFile::bytes_left);
        Backlog { files: self.queue.len() as u64 + u64::from(self.open.is_some()), bytes: queued + open }
    }

    fn late_files(&self) -> u64 {
        self.late
    }
}
