use std::mem;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sluice_change::{Op, Reject};

use super::batch::{Batch, Shared};
use super::layout::{First, Layout, Plan};
use super::nulls::NullStrings;
use super::settings::CsvSettings;
use super::split::{Halt, Rows, Span, Splitter};
use crate::input::{Fill, Input};
use crate::reject::reject;
use crate::step::{Decode, FileContext, Step};
use crate::{DecodeError, Decoded, again};

/// Most bytes of one record.
const LONGEST_RECORD: usize = 64 << 20;
/// Rows split and then parsed column by column: few enough that their text stays in the processor's cache.
const CHUNK_ROWS: usize = 1024;
/// Rows for which room is made before any is there.
const ROOM_ROWS: usize = 128 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A decoder of a CSV file.
pub fn csv_decoder(settings: &CsvSettings, file: FileContext) -> Result<Box<dyn Decode>, DecodeError> {
    settings.check()?;
    Ok(Box::new(CsvDecoder::new(settings.clone(), file)))
}

struct CsvDecoder {
    settings: CsvSettings,
    file: FileContext,
    shared: Shared,
    input: Input,
    splitter: Splitter,
    text: Vec<u8>,
    /// Text before this place has been consumed.
    at: usize,
    /// With less text than this after that place, splitting would only find that a record is not complete.
    least_text: usize,
    /// Whether the beginning of the text has been looked at.
    begun: bool,
    /// Whether all text is in the buffer.
    whole: bool,
    layout: Option<Arc<Layout>>,
    /// The layout in words, for records that are set aside.
    kept_layout: Option<Arc<str>>,
    rows: Rows,
    /// Records seen, skipped and rejected ones counted.
    records: u64,
    batch: Option<Batch>,
    /// Rejects from before the layout was known.
    early: Vec<Reject>,
    /// Bytes that columns without fixed length took in the batch before.
    last_stretches: Vec<usize>,
    ending: Option<Ending>,
}

/// The decoder gives nothing more after what it has.
enum Ending {
    Good,
    Bad(DecodeError),
}

/// How far the decoder came.
enum Progress {
    Need(Range<u64>),
    /// The batch is to be given out.
    Ready,
    /// There is more to do at once.
    On,
    Over(Ending),
}

impl CsvDecoder {
    fn new(settings: CsvSettings, file: FileContext) -> Self {
        let plan = Plan { settings: &settings, full_load: file.full_load, schema: &file.schema };
        let splitter = settings.splitter(plan.has_several_values(), CHUNK_ROWS);
        let shared = Shared {
            origin: Arc::clone(&file.origin),
            nulls: NullStrings::new(&settings.null_strings),
            quote: settings.quote,
            default_op: if file.full_load { Op::Load } else { Op::Insert },
            time_name: settings.timestamp_column.clone().unwrap_or_default(),
            not_sent: settings.not_sent.clone(),
        };
        Self {
            input: Input::new(file.origin.name.clone(), file.length),
            settings,
            file,
            shared,
            splitter,
            text: Vec::new(),
            at: 0,
            least_text: BYTE_ORDER_MARK.len(),
            begun: false,
            whole: false,
            layout: None,
            kept_layout: None,
            rows: Rows::default(),
            records: 0,
            batch: None,
            early: Vec::new(),
            last_stretches: Vec::new(),
            ending: None,
        }
    }

    fn name(&self) -> String {
        self.file.origin.name.clone()
    }

    /// Gets more text into the buffer.
    fn fill(&mut self) -> Progress {
        self.text.drain(..self.at);
        self.at = 0;
        let want = self.text.len();
        match self.input.fill(&mut self.text, want) {
            Ok(Fill::More) => Progress::On,
            Ok(Fill::Need(range)) => Progress::Need(range),
            Ok(Fill::Whole) => {
                self.whole = true;
                Progress::On
            }
            Ok(Fill::Cut) => Progress::Over(self.cut("inside the compressed data")),
            Err(source) => {
                let (file, records) = (self.name(), self.records);
                Progress::Over(Ending::Bad(DecodeError::Gzip { file, records, source }))
            }
        }
    }

    fn cut(&self, place: &'static str) -> Ending {
        Ending::Bad(DecodeError::Truncated { file: self.name(), records: self.records, place })
    }

    /// Splits what is in the buffer and deals with it.
    fn advance(&mut self) -> Result<Progress, DecodeError> {
        if self.text.len() - self.at < self.least_text && !self.whole {
            return Ok(self.fill());
        }
        if !self.begun {
            self.at = if self.text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            self.begun = true;
        }
        let text = mem::take(&mut self.text);
        self.splitter.most_rows = CHUNK_ROWS.min(self.room());
        let halt = self.splitter.split(&text, &mut self.at, self.whole, &mut self.rows);
        self.take_rows(&text);
        let progress = match halt {
            Halt::Odd { span, next, torn } => self.take_odd(&text, span, next, torn),
            _ => Ok(Progress::On),
        };
        self.rows.clear();
        self.text = text;
        let full =
            self.batch.as_ref().is_some_and(|batch| batch.text_bytes >= self.file.batch_bytes) || self.room() == 0;
        match progress? {
            Progress::On if full => return Ok(Progress::Ready),
            Progress::On => {}
            other => return Ok(other),
        }
        Ok(match halt {
            Halt::Full | Halt::Odd { .. } => Progress::On,
            Halt::Starved => self.starve(),
            Halt::OpenQuote => Progress::Over(self.cut("inside a quoted value")),
            Halt::Finished if self.records < self.file.skip => Progress::Over(Ending::Bad(DecodeError::Shrunk {
                file: self.name(),
                records: self.records,
                skip: self.file.skip,
            })),
            Halt::Finished => Progress::Over(Ending::Good),
        })
    }

    /// Deals with a record that is not complete in the buffer.
    fn starve(&mut self) -> Progress {
        let begun = self.text.len() - self.at;
        if begun > LONGEST_RECORD {
            let (file, record) = (self.name(), self.records + 1);
            let error = DecodeError::RecordTooLong { file, record, limit: LONGEST_RECORD };
            return Progress::Over(Ending::Bad(error));
        }
        // A record is split from its beginning each time: twice the text bounds how often.
        self.least_text = (2 * begun).min(LONGEST_RECORD + 1);
        self.fill()
    }

    /// How many records the batch may still take.
    fn room(&self) -> usize {
        let records = self.batch.as_ref().map_or(0, Batch::records);
        self.file.batch_rows.max(1).saturating_sub(records + self.early.len())
    }

    /// Parses the rows that have been split, except those that were consumed before.
    fn take_rows(&mut self, text: &[u8]) {
        let count = self.rows.len() as u64;
        let skipped = self.file.skip.saturating_sub(self.records).min(count);
        let first = self.records + skipped + 1;
        self.records += count;
        if skipped == count {
            return;
        }
        if skipped > 0 {
            self.rows.pass_over(skipped as usize);
        }
        if let Some(layout) = &self.layout {
            let room = self.file.batch_rows.min(ROOM_ROWS);
            let batch = self.batch.get_or_insert_with(|| {
                Batch::new(Arc::clone(layout), room, &self.last_stretches, &self.shared.time_name)
            });
            batch.append(text, &mut self.rows, first, &self.shared);
        }
    }

    /// Deals with a record that is not like the ones before.
    fn take_odd(&mut self, text: &[u8], span: Span, next: usize, torn: bool) -> Result<Progress, DecodeError> {
        if torn {
            let reason = "there is text between the quote that closes a value and the next delimiter; double the quotes \
                          inside values";
            self.refuse(span.of(text), reason.to_owned());
            self.at = next;
            return Ok(Progress::On);
        }
        let plan = Plan { settings: &self.settings, full_load: self.file.full_load, schema: &self.file.schema };
        let width = self.rows.rest().len();
        let Some(layout) = &self.layout else {
            return self.take_first(text, span, next);
        };
        if let Some(wider) = plan.widened(layout, width) {
            if self.batch.as_ref().is_some_and(|batch| batch.records() > 0) {
                // The rows so far lack the column: they are a batch of their own, and this record comes again.
                return Ok(Progress::Ready);
            }
            self.use_layout(wider);
            return Ok(Progress::On);
        }
        let reason = layout.misfit(width);
        self.refuse(span.of(text), reason);
        self.at = next;
        Ok(Progress::On)
    }

    /// Looks at the first record (again, if it was no possible one).
    fn take_first(&mut self, text: &[u8], span: Span, next: usize) -> Result<Progress, DecodeError> {
        let plan = Plan { settings: &self.settings, full_load: self.file.full_load, schema: &self.file.schema };
        let first = plan.decide(self.rows.rest(), text, &self.shared.nulls);
        match first.map_err(|reason| DecodeError::Columns { file: self.name(), reason })? {
            First::Header(layout) => {
                self.kept_layout = Some(again::header_layout(span.of(text)));
                self.use_layout(layout);
                self.at = next;
            }
            First::Record(layout) => {
                self.kept_layout = Some(again::place_layout(layout.op.is_some(), layout.width));
                self.use_layout(layout);
            }
            First::Misfit(reason) => {
                self.refuse(span.of(text), reason);
                self.at = next;
            }
        }
        Ok(Progress::On)
    }

    fn use_layout(&mut self, layout: Layout) {
        self.splitter.skip_blank = layout.width != 1;
        self.rows.clear();
        self.rows.width = layout.width;
        self.layout = Some(Arc::new(layout));
        self.batch = None;
        self.last_stretches.clear();
    }

    /// Rejects a record that could not be split into values of the table.
    fn refuse(&mut self, raw: &[u8], reason: String) {
        self.records += 1;
        if self.records <= self.file.skip {
            return;
        }
        let reject = reject(&self.file.origin, self.records, None, reason, raw);
        match (&mut self.batch, &self.layout) {
            (Some(batch), _) => batch.refuse(reject),
            (None, Some(layout)) => {
                let mut batch = Batch::new(Arc::clone(layout), 0, &[], &self.shared.time_name);
                batch.refuse(reject);
                self.batch = Some(batch);
            }
            (None, None) => self.early.push(reject),
        }
    }

    /// The batch so far, if there is anything in it.
    fn take_batch(&mut self) -> Result<Option<Decoded>, DecodeError> {
        let early = mem::take(&mut self.early);
        let batch = match self.batch.take() {
            None if early.is_empty() => return Ok(None),
            None => Batch::new(Arc::new(Layout::empty()), 0, &[], ""),
            Some(batch) => batch,
        };
        if batch.records() + early.len() == 0 {
            return Ok(None);
        }
        self.last_stretches = batch.stretch_bytes();
        let mut decoded =
            batch.finish(self.records).map_err(|source| DecodeError::Batch { file: self.name(), source })?;
        for reject in &mut decoded.rejects {
            reject.layout.clone_from(&self.kept_layout);
        }
        decoded.rejects.splice(0..0, early);
        Ok(Some(decoded))
    }
}

impl Decode for CsvDecoder {
    fn step(&mut self) -> Result<Step, DecodeError> {
        if let Some(wrong) = self.input.take_wrong() {
            self.ending = Some(Ending::Good);
            self.batch = None;
            return Err(wrong);
        }
        loop {
            if self.ending.is_some() {
                if let Some(decoded) = self.take_batch()? {
                    return Ok(Step::Batch(decoded));
                }
                return match self.ending.replace(Ending::Good) {
                    Some(Ending::Bad(error)) => Err(error),
                    _ => Ok(Step::End),
                };
            }
            match self.advance() {
                Ok(Progress::Need(range)) => return Ok(Step::Need(vec![range])),
                Ok(Progress::On) => {}
                Ok(Progress::Over(ending)) => self.ending = Some(ending),
                Ok(Progress::Ready) => {
                    if let Some(decoded) = self.take_batch()? {
                        return Ok(Step::Batch(decoded));
                    }
                }
                Err(error) => self.ending = Some(Ending::Bad(error)),
            }
        }
    }

    fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        self.input.supply(range, bytes);
    }
}
