use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use async_trait::async_trait;
use sluice_change::{ChangeBatch, Column, ColumnType, FileProgress, FileVersion, Op, Origin, Position, TableSchema};
use sluice_decode::Decoded;

use crate::{Backlog, SourceError, TableReader};

use super::file_name::FileFormat;
use super::generation::{self, Cause, Verdict};
use super::listing::{Listing, TableFolder};
use super::mixed::{MixedReading, OpenMixed};
use super::open_file::{Advance, OpenFile, Reading};
use super::queue::{Pending, plan};
use super::sequence::SequenceCheck;
use super::settings::{OnReload, OnRewritten, OnVanished};
use super::watch::Watch;

/// Files without a record of the table that are passed by before a position says so.
const PASSED_BY: usize = 32;

/// What a reader does with what is out of the ordinary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub rewritten: OnRewritten,
    pub reload: OnReload,
    pub vanished: OnVanished,
}

/// Reads one table's files in their order, from a position on.
pub(super) struct DmsReader {
    folder: TableFolder,
    reading: Arc<Reading>,
    /// For each mixed folder, how its files are read.
    mixed: Vec<MixedReading>,
    policy: Policy,
    watch: Watch,
    /// What the table is known to hold, with what its files have shown since.
    schema: TableSchema,
    /// What has been handed out.
    position: Position,
    queue: VecDeque<Pending>,
    /// A generation that begins before the first file of the queue that belongs to it.
    verdict: Option<Verdict>,
    open: Option<Open>,
    /// Whether a file changed since the folder was listed.
    list_again: bool,
    sequence: SequenceCheck,
    /// Orders of files that have been reported as rewritten or gone, as long as the position remembers them.
    reported: HashSet<String>,
    /// Mixed files passed by since the last batch.
    passed_by: usize,
    /// What the last batch of the open file took in memory.
    last_bytes: usize,
}

/// The file that the reader is in.
enum Open {
    Own(Box<OpenFile>),
    Mixed(Box<OpenMixed>),
}

impl Open {
    fn origin(&self) -> &Arc<Origin> {
        match self {
            Open::Own(open) => &open.origin,
            Open::Mixed(open) => &open.origin,
        }
    }

    fn pending(&self) -> &Pending {
        match self {
            Open::Own(open) => &open.file,
            Open::Mixed(open) => &open.file,
        }
    }

    fn version(&self) -> FileVersion {
        match self {
            Open::Own(open) => open.version,
            Open::Mixed(open) => open.version,
        }
    }

    fn delivered(&self) -> u64 {
        match self {
            Open::Own(open) => open.delivered,
            Open::Mixed(open) => open.delivered,
        }
    }

    fn bytes_left(&self) -> u64 {
        match self {
            Open::Own(open) => open.bytes_left(),
            Open::Mixed(open) => open.bytes_left(),
        }
    }
}

impl DmsReader {
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part of its own, and this is the one place that joins them"
    )]
    pub fn new(
        reading: Reading,
        mixed: Vec<MixedReading>,
        policy: Policy,
        watch: Watch,
        sequence: SequenceCheck,
        schema: TableSchema,
        from: Position,
        folder: TableFolder,
    ) -> Self {
        Self {
            folder,
            reading: Arc::new(reading),
            mixed,
            policy,
            watch,
            schema,
            position: from,
            queue: VecDeque::new(),
            verdict: None,
            open: None,
            list_again: false,
            sequence,
            reported: HashSet::new(),
            passed_by: 0,
            last_bytes: 0,
        }
    }

    /// Looks at the folders, if it may, when nothing is known to be left or something has changed.
    async fn look(&mut self) -> Result<(), SourceError> {
        let now = self.reading.clock.now_us();
        let after = self.watch.after(now, self.list_again);
        let listing = self.folder.look(&after).await?;
        let whole = after.iter().all(Option::is_none);
        self.verdict = match whole {
            true => judge(&self.folder, &self.position, self.policy, &listing).await?,
            false => None,
        };
        if whole {
            self.report_gone(&listing);
            let (folders, position) = (&self.folder.folders, &self.position);
            let remembered =
                |order: &String| folders.iter().any(|of| position.file_mark(&of.partition, order).is_some());
            self.reported.retain(remembered);
        }
        let generations = generation::with(&self.position, self.verdict.as_ref());
        let plan = plan(listing.files, &self.position, &generations, &self.folder.folders, self.policy.rewritten);
        self.report_rewritten(&plan.rewritten);
        self.watch.looked(now, &listing.shapes, plan.consumed_to);
        self.queue = plan.pending;
        self.list_again = false;
        Ok(())
    }

    fn has_nothing(&self) -> bool {
        self.open.is_none() && self.queue.is_empty() && self.verdict.is_none()
    }

    /// About how much the next batch takes in memory: as the last one of the same file, or as the file's size lets expect.
    fn expected_bytes(&self) -> usize {
        if self.open.is_some() && self.last_bytes > 0 {
            return self.last_bytes;
        }
        let open = self.open.as_ref().map(Open::pending);
        let Some(next) = open.or_else(|| self.queue.front()) else { return 0 };
        // Text takes about as much room as columns; what is compressed may become of any size.
        let most = self.reading.batch_bytes;
        match next.file.format {
            FileFormat::Csv => most.min(usize::try_from(next.file.size).unwrap_or(most)),
            FileFormat::GzipCsv | FileFormat::Parquet => most,
        }
    }

    /// Takes up the next file that holds something.
    fn take_up(&mut self) -> bool {
        let Some(file) = self.queue.pop_front() else { return false };
        if file.late && file.consumed == 0 {
            tracing::warn!(
                table = %self.folder.table,
                file = file.file.name,
                "this file arrived late: newer files of the table have been consumed before it; it is taken in now"
            );
        }
        self.sequence.begin_file(!file.late);
        let folder = &self.folder.folders[file.file.folder];
        self.open = Some(match file.file.folder.checked_sub(1).and_then(|number| self.mixed.get(number)) {
            Some(mixed) => Open::Mixed(Box::new(OpenMixed::new(file, &folder.partition, mixed.clone()))),
            None => Open::Own(Box::new(OpenFile::new(file, &folder.partition))),
        });
        true
    }

    /// Whether the generation that is to begin comes before the next file.
    fn begins_now(&self) -> bool {
        let Some(verdict) = &self.verdict else { return false };
        let place = generation::place_of(verdict);
        self.queue.front().is_none_or(|next| !next.late && next.order >= place)
    }

    /// The batch with which a generation begins: the table is emptied here.
    fn begin(&mut self) -> Option<ChangeBatch> {
        let verdict = self.verdict.take()?;
        let partition = self.folder.folders[0].partition.clone();
        let order = generation::place_of(&verdict);
        let name = match &verdict.cause {
            Cause::Reload(file) => {
                tracing::warn!(
                    table = %self.folder.table,
                    file,
                    generation = verdict.generation.number,
                    "the full load was written anew: the table is emptied here and loaded again"
                );
                format!("{file} (loaded anew)")
            }
            Cause::Vanished => {
                tracing::warn!(
                    table = %self.folder.table,
                    generation = verdict.generation.number,
                    "all consumed files of the table are gone: it was truncated at its source, and is emptied here"
                );
                format!("{} (truncated)", self.folder.folders[0].path)
            }
        };
        let arrived_us = verdict.generation.loaded_from_us;
        self.position.begin_generation(verdict.generation);
        self.position.advance_file(&partition, &order, arrived_us, 1, true);
        self.sequence.begin_file(false);
        let schema = self.schema.arrow();
        let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options);
        Some(ChangeBatch {
            // The columns are made from the schema and fit it.
            rows: rows.unwrap_or_else(|_| RecordBatch::new_empty(self.schema.arrow())),
            origin: Arc::new(Origin { partition, name, order }),
            ops: vec![Op::Truncate],
            row_numbers: Int64Array::from(vec![1]),
            commit_times: None,
            before: None,
            unsent: None,
            rejects: Vec::new(),
            position: self.position.clone(),
        })
    }

    /// Says so if a file has other content now than when it was consumed.
    fn report_rewritten(&mut self, rewritten: &[(String, String)]) {
        for (order, file) in rewritten {
            if self.reported.insert(order.clone()) {
                tracing::error!(
                    table = %self.folder.table,
                    file,
                    "this file has other content now than when it was consumed; the new content is not read: put it \
                     into a file of its own, or set `source.on_rewritten` to \"read_again\""
                );
            }
        }
    }

    /// Says so if files that are remembered are gone.
    fn report_gone(&mut self, listing: &Listing) {
        let mut moved = Vec::new();
        for (number, folder) in self.folder.folders.iter().enumerate() {
            let there: HashSet<&str> =
                listing.files.iter().filter(|file| file.folder == number).map(|file| file.rank.as_str()).collect();
            let gone = |order: &str| {
                let rank = super::file_name::content_rank(order);
                !rank.is_empty() && !there.contains(rank)
            };
            let marks = self.position.remembered(&folder.partition).filter(|(order, _)| gone(order));
            moved.extend(marks.map(|(order, mark)| (order.to_owned(), *mark)));
        }
        moved.retain(|(order, _)| self.reported.insert(order.clone()));
        for (order, mark) in moved.iter().filter(|(_, mark)| !mark.whole) {
            tracing::error!(
                table = %self.folder.table,
                file = order,
                records = mark.rows,
                "this file was removed when it had been read in part; put it back for the rest to be read"
            );
        }
        let whole = moved.iter().filter(|(_, mark)| mark.whole).count();
        if whole > 0 {
            tracing::info!(table = %self.folder.table, files = whole, "consumed files are no longer at the source");
        }
    }

    /// The batch for a stretch of the open file, with the position after it.
    fn batch(&mut self, decoded: Option<Decoded>, whole: bool) -> Option<ChangeBatch> {
        let open = self.open.as_ref()?;
        let origin = Arc::clone(open.origin());
        let rows = decoded.as_ref().map_or(open.delivered(), |decoded| decoded.consumed);
        let first = matches!(self.position.file(&origin.partition, &origin.order, i64::MAX), FileProgress::Unseen);
        self.position.advance_version(&origin.partition, &origin.order, open.version(), rows, whole);
        let position = self.position.clone();
        self.passed_by = 0;
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
        self.last_bytes = decoded.rows.get_array_memory_size();
        self.check_sequence(&origin, &decoded, first);
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

    fn check_sequence(&mut self, origin: &Origin, decoded: &Decoded, first: bool) {
        let Some(step) = self.sequence.check(&decoded.rows, first) else { return };
        let record = decoded.row_numbers.value(step.row);
        let words = if step.across_files {
            "the change sequence steps back from the file before to this one: a task was resumed further back, or the \
             files do not sort as the changes happened; the order of files and rows decides"
        } else {
            "the change sequence steps back within this file; the order of rows decides"
        };
        tracing::warn!(table = %self.folder.table, file = origin.name, record, "{words}");
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
        self.last_bytes = 0;
        let pending = open.pending();
        // Its arrival now counts for the position, so what arrived between the listing and then has to be seen first.
        self.list_again |= open.version().arrived_us != pending.file.arrived_us;
        self.sequence.end_file(pending.late);
        if pending.file.is_changes() {
            self.watch.consumed(pending.file.folder, &pending.file.location);
        }
    }

    /// Goes by a mixed file without a record of the table; now and then a batch without rows says so.
    fn pass_by(&mut self) -> Option<ChangeBatch> {
        let open = self.open.as_ref()?;
        let origin = Arc::clone(open.origin());
        if self.passed_by + 1 >= PASSED_BY || open.pending().consumed > 0 {
            return self.batch(None, true);
        }
        self.passed_by += 1;
        self.position.advance_version(&origin.partition, &origin.order, open.version(), open.delivered(), true);
        None
    }

    /// Leaves the open file, which is no longer there.
    fn give_up(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.delivered() > 0 {
            if self.reported.insert(open.origin().order.clone()) {
                tracing::error!(
                    table = %self.folder.table,
                    file = open.origin().name,
                    records = open.delivered(),
                    "this file was removed when it had been read in part; put it back for the rest to be read"
                );
            }
        } else {
            tracing::warn!(
                table = %self.folder.table,
                file = open.origin().name,
                "this file was removed before it was read; going on without it"
            );
        }
    }
}

/// Whether a new generation of the table is to begin.
async fn judge(
    folder: &TableFolder,
    position: &Position,
    policy: Policy,
    listing: &Listing,
) -> Result<Option<Verdict>, SourceError> {
    if let Some(verdict) = generation::reloaded(position, &folder.folders, &listing.files, policy.reload) {
        return match &verdict.cause {
            Cause::Reload(file) if policy.reload == OnReload::Refuse => {
                Err(SourceError::Reloaded { table: folder.table.clone(), file: file.clone() })
            }
            _ => Ok(Some(verdict)),
        };
    }
    match generation::vanished(position, &folder.folders, &listing.files, policy.vanished) {
        Some(verdict) if folder.source_is_there().await? => Ok(Some(verdict)),
        _ => Ok(None),
    }
}

#[async_trait]
impl TableReader for DmsReader {
    async fn peek(&mut self) -> Result<Option<usize>, SourceError> {
        if self.has_nothing() || self.open.is_none() && self.list_again {
            self.look().await?;
        }
        Ok((!self.has_nothing()).then(|| self.expected_bytes()))
    }

    async fn next(&mut self) -> Result<Option<ChangeBatch>, SourceError> {
        // Looking once is enough to see what is there now, and no change of the folder can keep this call from ending.
        let mut may_look = true;
        loop {
            if self.open.is_none() {
                if may_look && (self.queue.is_empty() && self.verdict.is_none() || self.list_again) {
                    self.look().await?;
                    may_look = false;
                }
                if self.begins_now() {
                    return Ok(self.begin());
                }
                if !self.take_up() {
                    return Ok(None);
                }
            }
            let advance = match self.open.as_mut() {
                Some(Open::Own(open)) => open.advance(&self.reading, &self.schema).await?,
                Some(Open::Mixed(open)) => open.advance(&self.reading, &self.schema).await?,
                None => return Ok(None),
            };
            match advance {
                Advance::Batch(decoded) => return Ok(self.batch(Some(decoded), false)),
                Advance::Last(None) if matches!(self.open, Some(Open::Mixed(_))) => {
                    let batch = self.pass_by();
                    self.finish();
                    if batch.is_some() {
                        return Ok(batch);
                    }
                }
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
        let open = self.open.as_ref().map_or(0, Open::bytes_left);
        Backlog { files: self.queue.len() as u64 + u64::from(self.open.is_some()), bytes: queued + open }
    }
}
