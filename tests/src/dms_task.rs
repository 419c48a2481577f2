//! One history as DMS tasks of different settings write it: other files, the same tables.

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterVersion;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::Op;

use crate::datum::{self, Cell, Datum};
use crate::generator::{History, Record, START_US, Slot, SourceFile, file_stamp};
use crate::spec::{Format, Layout, NullText, ParquetLayout, Quoting, TableSpec};
use crate::{write_csv, write_parquet};

/// One setting of a task away from its default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// `DataFormat=parquet` with a version, a codec, and with or without dictionaries.
    Parquet(WriterVersion, Compression, bool),
    /// `CsvDelimiter`.
    Delimiter(u8),
    /// `CsvRowDelimiter`.
    RowEnd(&'static str),
    /// `CsvNullValue`.
    Null(NullText),
    /// `Rfc4180`, or all values quoted.
    Quoting(Quoting),
    /// `AddColumnName`.
    Header,
    /// `AddColumnName` that was changed while the task ran.
    SomeHeaders,
    /// `CompressionType=gzip`.
    Gzip,
    /// `IncludeOpForFullLoad`.
    OpInLoad,
    /// `CdcInsertsOnly`.
    InsertsOnly,
    /// No `TimestampColumnName`.
    NoTime,
    /// No rule that adds before images.
    NoBeforeImages,
    /// A rule that adds `$AR_H_CHANGE_SEQ`.
    ChangeSequence,
    /// `DatePartitionEnabled` with a sequence and a delimiter.
    DatePartition(Sequence, &'static str),
    /// Parallel load into a folder for each partition of the source table.
    LoadFolders,
    /// Parallel load of segments.
    LoadSegments,
    /// A task of changes only.
    NoLoad,
    /// `MaxFileSize`, in rows here.
    MaxRows(usize),
    /// A table without a primary key.
    NoKey,
}

/// `DatePartitionSequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    /// Year, month, day.
    YearMonthDay,
    /// Year, month, day, hour.
    YearMonthDayHour,
    /// Year, month.
    YearMonth,
    /// Month, year, day.
    MonthYearDay,
    /// Day, month, year.
    DayMonthYear,
}

impl Setting {
    /// All settings that the product takes.
    pub fn supported() -> Vec<Setting> {
        let mut all = vec![
            Setting::Delimiter(b';'),
            Setting::Delimiter(b'\t'),
            Setting::Delimiter(b'|'),
            Setting::RowEnd("\r\n"),
            Setting::RowEnd("\u{1e}"),
            Setting::Null(NullText::Word),
            Setting::Null(NullText::Backslash),
            Setting::Quoting(Quoting::All),
            Setting::Quoting(Quoting::Never),
            Setting::Header,
            Setting::SomeHeaders,
            Setting::Gzip,
            Setting::OpInLoad,
            Setting::InsertsOnly,
            Setting::NoTime,
            Setting::NoBeforeImages,
            Setting::ChangeSequence,
            Setting::LoadFolders,
            Setting::LoadSegments,
            Setting::NoLoad,
            Setting::MaxRows(1),
            Setting::MaxRows(7),
            Setting::NoKey,
        ];
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let codecs = [
                Compression::UNCOMPRESSED,
                Compression::SNAPPY,
                Compression::GZIP(GzipLevel::default()),
                Compression::ZSTD(ZstdLevel::default()),
            ];
            for codec in codecs {
                all.extend([true, false].map(|dictionary| Setting::Parquet(version, codec, dictionary)));
            }
        }
        for sequence in Sequence::ALL {
            all.extend(["/", "-", "_", ""].map(|delimiter| Setting::DatePartition(sequence, delimiter)));
        }
        all
    }

    fn apply(self, task: &mut DmsTask) {
        let layout = &mut task.layout;
        match self {
            Setting::Parquet(version, codec, dictionary) => {
                layout.format = Format::Parquet;
                layout.parquet = ParquetLayout { version, codec, dictionary };
            }
            Setting::Delimiter(delimiter) => layout.delimiter = delimiter,
            Setting::RowEnd(end) => layout.row_end = end,
            Setting::Null(null) => layout.null = null,
            Setting::Quoting(quoting) => layout.quoting = quoting,
            Setting::Header => layout.header = true,
            Setting::SomeHeaders => task.some_headers = true,
            Setting::Gzip => layout.gzip = true,
            Setting::OpInLoad => layout.op_in_load = true,
            Setting::InsertsOnly => layout.inserts_only = true,
            Setting::NoTime => layout.time_column = None,
            Setting::NoBeforeImages => layout.before_prefix = None,
            Setting::ChangeSequence => layout.change_sequence = Some("AR_H_CHANGE_SEQ".into()),
            Setting::DatePartition(sequence, delimiter) => task.date_partition = Some((sequence, delimiter)),
            Setting::LoadFolders => task.load = Load::Folders,
            Setting::LoadSegments => task.load = Load::Segments,
            Setting::NoLoad => task.load = Load::None,
            Setting::MaxRows(rows) => task.max_rows = rows,
            Setting::NoKey => task.keyless = true,
        }
    }
}

impl Sequence {
    /// All sequences.
    pub const ALL: [Sequence; 5] = [
        Sequence::YearMonthDay,
        Sequence::YearMonthDayHour,
        Sequence::YearMonth,
        Sequence::MonthYearDay,
        Sequence::DayMonthYear,
    ];

    /// The folder of a time.
    fn folder(self, us: i64, delimiter: &str) -> String {
        let digits: String = datum::timestamp(us).chars().filter(char::is_ascii_digit).collect();
        let (year, month, day, hour) = (&digits[..4], &digits[4..6], &digits[6..8], &digits[8..10]);
        let parts: &[&str] = match self {
            Sequence::YearMonthDay => &[year, month, day],
            Sequence::YearMonthDayHour => &[year, month, day, hour],
            Sequence::YearMonth => &[year, month],
            Sequence::MonthYearDay => &[month, year, day],
            Sequence::DayMonthYear => &[day, month, year],
        };
        parts.join(delimiter)
    }
}

/// How a full load is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Plain,
    Folders,
    Segments,
    None,
}

/// A task with its settings.
#[derive(Debug, Clone)]
pub struct DmsTask {
    layout: Layout,
    some_headers: bool,
    load: Load,
    date_partition: Option<(Sequence, &'static str)>,
    max_rows: usize,
    keyless: bool,
}

impl DmsTask {
    /// The layout with which a history has to be generated so that every task can write it: it holds key changes and wider
    /// rows, and no bad ones.
    pub fn logical_layout() -> Layout {
        Layout { header: true, before_prefix: Some("BI_".into()), ..Layout::default() }
    }

    /// A task with these settings; of two for one thing the later one holds.
    pub fn new(settings: &[Setting]) -> Self {
        let layout = Layout { header: false, ..Self::logical_layout() };
        let mut task = Self {
            layout,
            some_headers: false,
            load: Load::Plain,
            date_partition: None,
            max_rows: usize::MAX,
            keyless: false,
        };
        settings.iter().for_each(|setting| setting.apply(&mut task));
        task
    }

    /// Whether Silver is made at all.
    pub fn has_key(&self) -> bool {
        !self.keyless
    }

    /// The history as this task writes it, with what its tables then have to hold.
    pub fn write(&self, logical: &History, seed: u64) -> History {
        let mut spec = logical.spec.clone();
        spec.layout = self.layout.clone();
        if self.keyless {
            spec.schema.key.clear();
        }
        // Where no name says what a wider row holds, all rows are wide from the first.
        let widens = self.layout.header || self.layout.format == Format::Parquet;
        if !widens {
            spec.first_width = spec.schema.columns.len();
        }
        let mut writing = Writing {
            task: self,
            spec,
            rng: StdRng::seed_from_u64(seed),
            files: vec![],
            records: vec![],
            stamp_us: START_US,
        };
        for (number, file) in logical.files.iter().enumerate() {
            let load = file.path.contains("LOAD");
            let records = logical.records.iter().filter(|record| record.file == number);
            let records: Vec<Record> = records.filter_map(|record| self.visible(record, load)).collect();
            match self.load {
                Load::None if load => {}
                _ => writing.stretch(records, load),
            }
        }
        History { spec: writing.spec, files: writing.files, records: writing.records, bad: Vec::new() }
    }

    /// What this task lets be seen of a record.
    fn visible(&self, record: &Record, load: bool) -> Option<Record> {
        let mut record = record.clone();
        if load {
            record.change.op = if self.layout.op_in_load { Op::Insert } else { Op::Load };
        } else if self.layout.inserts_only && record.change.op != Op::Insert {
            return None;
        }
        if self.layout.before_prefix.is_none() {
            record.change.before = None;
        }
        if self.layout.format == Format::Csv && self.layout.quoting == Quoting::Never {
            let change = &mut record.change;
            change.cells.iter_mut().chain(change.before.iter_mut().flatten()).for_each(|cell| self.tame(cell));
        }
        Some(record)
    }

    /// Takes out of a text what could not be told apart without quotes.
    fn tame(&self, cell: &mut Cell) {
        let Some(Datum::String(text)) = cell else { return };
        let layout = &self.layout;
        let line_end = layout.row_end == "\n";
        let torn = |letter: char| {
            u32::from(letter) == u32::from(layout.delimiter)
                || layout.row_end.starts_with(letter)
                || (line_end && letter == '\r')
        };
        *text = text.replace(torn, "_");
        if text == layout.null.text() {
            "nil".clone_into(text);
        }
    }
}

struct Writing<'a> {
    task: &'a DmsTask,
    spec: TableSpec,
    rng: StdRng,
    files: Vec<SourceFile>,
    records: Vec<Record>,
    /// Of the newest file of changes.
    stamp_us: i64,
}

impl Writing<'_> {
    /// Writes what the task wrote at one time, cut into files where they get too long.
    fn stretch(&mut self, mut records: Vec<Record>, load: bool) {
        // A parallel load deals its rows out; each part has files of its own.
        let parts = if load && self.task.load != Load::Plain { 2 } else { 1 };
        let per_part = records.len().div_ceil(parts).max(1);
        for part in 0..parts {
            let mut rest = records.split_off(records.len().min(per_part));
            loop {
                let next = records.split_off(records.len().min(self.task.max_rows));
                let path = if load { self.load_path(part) } else { self.changes_path(records.last()) };
                self.file(path, std::mem::replace(&mut records, next), load);
                if records.is_empty() {
                    break;
                }
            }
            records.append(&mut rest);
        }
    }

    fn load_path(&self, part: usize) -> String {
        let (folder, extension) = (self.spec.folder(), self.spec.extension());
        let start = match self.task.load {
            Load::Folders => format!("{folder}/{}/LOAD", ["P_2025", "P_2026"][part]),
            Load::Segments => format!("{folder}/SEGMENT{}_LOAD", part + 1),
            Load::Plain | Load::None => format!("{folder}/LOAD"),
        };
        let number = self.files.iter().filter(|file| file.path.starts_with(&start)).count() + 1;
        format!("{start}{number:08X}.{extension}")
    }

    fn changes_path(&mut self, last: Option<&Record>) -> String {
        self.stamp_us = last.map_or(0, |record| record.commit_us + 1_000_000).max(self.stamp_us + 1_000);
        let (stamp, extension) = (file_stamp(self.stamp_us), self.spec.extension());
        match self.task.date_partition {
            Some((sequence, delimiter)) => {
                let dates = sequence.folder(self.stamp_us, delimiter);
                format!("{}/{dates}/{stamp}.{extension}", self.spec.folder())
            }
            None => format!("{}/{stamp}.{extension}", self.spec.folder()),
        }
    }

    fn file(&mut self, path: String, mut records: Vec<Record>, load: bool) {
        let (file, all) = (self.files.len(), self.spec.schema.columns.len());
        for (index, record) in records.iter_mut().enumerate() {
            (record.file, record.row) = (file, index as u64 + 1);
        }
        let widest = records.iter().map(|record| record.change.cells.len()).max().unwrap_or(0);
        let width = widest.clamp(self.spec.first_width, all);
        let slots: Vec<Slot> = records.into_iter().map(Slot::Good).collect();
        let bytes = match self.spec.layout.format {
            Format::Parquet => write_parquet::file(&self.spec, width, &slots, load),
            Format::Csv => {
                let mut spec = self.spec.clone();
                if self.task.some_headers {
                    // Only its names tell what a wider row holds.
                    spec.layout.header = width > spec.first_width || self.rng.random_bool(0.5);
                }
                write_csv::file(&spec, width, &slots, load, &mut self.rng)
            }
        };
        self.files.push(SourceFile { path, bytes });
        self.records.extend(slots.into_iter().map(|slot| match slot {
            Slot::Good(record) => record,
            Slot::Bad(_) => unreachable!("a task of this kind writes no bad records"),
        }));
    }
}
