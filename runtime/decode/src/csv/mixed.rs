//! Files that hold the changes of many tables, told apart by columns that name them.
//!
//! A chunk of such a file is split once into the text of each table, without the columns that name it; each table's text
//! then goes through the ordinary decoder. Where chunks end depends on the file alone.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::settings::CsvSettings;
use super::split::{Field, Halt, Rows, Splitter};
use crate::DecodeError;
use crate::input::{Fill, Input};

/// What a chunk takes beside its tables: one without any row is kept too.
const CHUNK_BYTES: usize = 512;
/// What a table of a chunk takes beside its rows.
const TABLE_BYTES: usize = 128;

/// Text of one chunk, give or take a record.
const CHUNK: usize = 4 << 20;
const LONGEST_RECORD: usize = 64 << 20;

/// How mixed files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedSettings {
    /// How their records are written.
    pub csv: CsvSettings,
    /// Name of the column with the operation; the first where no header line names it.
    pub op_column: String,
    /// Name of the column with the table's name; the second where no header line names it.
    pub table_column: String,
    /// Name of the column with the schema's name; the third where no header line names it.
    pub schema_column: String,
}

impl Default for MixedSettings {
    fn default() -> Self {
        Self {
            csv: CsvSettings::default(),
            op_column: "operation".into(),
            table_column: "table_name".into(),
            schema_column: "schema_name".into(),
        }
    }
}

/// A place between two records of a mixed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MixedPlace {
    /// Bytes of (decompressed) text before it.
    pub offset: u64,
    /// Records before it.
    pub records: u64,
    /// Places of the operation, the table and the schema in a record.
    columns: [usize; 3],
}

impl MixedPlace {
    /// The beginning of a file.
    pub fn start() -> Self {
        Self { offset: 0, records: 0, columns: [0, 1, 2] }
    }
}

/// The records of one table in a chunk.
#[derive(Debug, Clone, Default)]
pub struct MixedRows {
    /// Their text: the operation, then the values of the table.
    pub text: Bytes,
    /// Their record numbers in the file.
    pub numbers: Vec<u64>,
}

/// A stretch of a mixed file, split into its tables.
#[derive(Debug, Clone)]
pub struct MixedChunk {
    /// The records of each table, by schema and table.
    pub tables: BTreeMap<(String, String), MixedRows>,
    /// Records of which no table can be told.
    pub strays: u64,
    /// Where the next chunk begins.
    pub next: MixedPlace,
    /// Whether the file ends here.
    pub last: bool,
    /// Bytes that it holds.
    pub bytes: usize,
}

/// What the splitter wants or has.
#[derive(Debug)]
pub enum MixedStep {
    /// It goes on once these bytes of the file have been supplied.
    Need(Range<u64>),
    /// The next chunk.
    Chunk(MixedChunk),
}

/// Splits a mixed file chunk by chunk; driven like a [`crate::Decode`].
pub struct MixedSplitter {
    settings: MixedSettings,
    file: String,
    input: Input,
    splitter: Splitter,
    text: Vec<u8>,
    at: usize,
    whole: bool,
    /// Text before the place at which it begins, which is passed over.
    discard: u64,
    place: MixedPlace,
    tables: BTreeMap<(String, String), (Vec<u8>, Vec<u64>)>,
    strays: u64,
    taken: usize,
    least: usize,
    rows: Rows,
}

impl MixedSplitter {
    /// A splitter of the file `file` of `length` bytes, from a place on. `plain` says that it is not compressed.
    pub fn new(
        settings: &MixedSettings,
        file: &str,
        length: u64,
        plain: bool,
        place: MixedPlace,
    ) -> Result<Self, DecodeError> {
        settings.csv.check()?;
        let input = match plain {
            true => Input::resumed(file.to_owned(), length, place.offset),
            false => Input::new(file.to_owned(), length),
        };
        Ok(Self {
            // A record of any width is an odd one for a splitter that expects none.
            splitter: settings.csv.splitter(true, usize::MAX),
            settings: settings.clone(),
            file: file.to_owned(),
            input,
            text: Vec::new(),
            at: 0,
            whole: false,
            discard: if plain { 0 } else { place.offset },
            place,
            tables: BTreeMap::new(),
            strays: 0,
            taken: 0,
            least: 0,
            rows: Rows::default(),
        })
    }

    /// Hands in bytes of the file.
    pub fn supply(&mut self, range: Range<u64>, bytes: Bytes) {
        self.input.supply(range, bytes);
    }

    /// Goes on as far as it can.
    pub fn step(&mut self) -> Result<MixedStep, DecodeError> {
        if let Some(wrong) = self.input.take_wrong() {
            return Err(wrong);
        }
        loop {
            if self.text.len() - self.at <= self.least && !self.whole {
                if let Some(range) = self.fill()? {
                    return Ok(MixedStep::Need(range));
                }
                continue;
            }
            let text = std::mem::take(&mut self.text);
            let start = self.at;
            let halt = self.splitter.split(&text, &mut self.at, self.whole, &mut self.rows);
            let mut ended = false;
            match halt {
                Halt::Odd { next, torn, .. } => {
                    self.record(&text, next, torn);
                    self.place.offset += (next - start) as u64;
                    self.taken += next - start;
                    self.at = next;
                    self.least = 0;
                }
                Halt::Starved | Halt::Full => {
                    let begun = text.len() - self.at;
                    if begun > LONGEST_RECORD {
                        let (file, record) = (self.file.clone(), self.place.records + 1);
                        return Err(DecodeError::RecordTooLong { file, record, limit: LONGEST_RECORD });
                    }
                    self.place.offset += (self.at - start) as u64;
                    self.least = 2 * begun;
                }
                Halt::Finished => ended = true,
                Halt::OpenQuote => {
                    let (file, records) = (self.file.clone(), self.place.records);
                    return Err(DecodeError::Truncated { file, records, place: "inside a quoted value" });
                }
            }
            self.rows.clear();
            self.text = text;
            if ended || self.taken >= CHUNK {
                return Ok(MixedStep::Chunk(self.chunk(ended)));
            }
        }
    }

    fn fill(&mut self) -> Result<Option<Range<u64>>, DecodeError> {
        self.text.drain(..self.at);
        self.at = 0;
        let want = self.text.len();
        match self.input.fill(&mut self.text, want) {
            Ok(Fill::More) => {
                let passed = usize::try_from(self.discard).unwrap_or(usize::MAX).min(self.text.len());
                self.text.drain(..passed);
                self.discard -= passed as u64;
                Ok(None)
            }
            Ok(Fill::Need(range)) => Ok(Some(range)),
            Ok(Fill::Whole) => {
                self.whole = true;
                Ok(None)
            }
            Ok(Fill::Cut) => Err(DecodeError::Truncated {
                file: self.file.clone(),
                records: self.place.records,
                place: "inside the compressed data",
            }),
            Err(source) => Err(DecodeError::Gzip { file: self.file.clone(), records: self.place.records, source }),
        }
    }

    /// Takes the record in whose values the splitter left, and which ends at `next`.
    fn record(&mut self, text: &[u8], next: usize, torn: bool) {
        let fields = self.rows.rest();
        let value = |place: usize| fields.get(place).and_then(|field| std::str::from_utf8(field.of(text)).ok());
        if self.place.offset == 0 && self.place.records == 0 {
            let named = |name: &str| (0..fields.len()).find(|&place| value(place) == Some(name));
            let names = [&self.settings.op_column, &self.settings.table_column, &self.settings.schema_column];
            if let [Some(op), Some(table), Some(schema)] = names.map(|name| named(name)) {
                self.place.columns = [op, table, schema];
                return;
            }
        }
        self.place.records += 1;
        let [op, table, schema] = self.place.columns;
        let (Some(schema_name), Some(table_name)) = (value(schema), value(table)) else {
            self.strays += 1;
            return;
        };
        let key = (schema_name.to_owned(), table_name.to_owned());
        let (out, numbers) = self.tables.entry(key).or_default();
        numbers.push(self.place.records);
        if torn {
            // Its own decoder finds it torn again, and rejects it with all its text.
            out.extend_from_slice(&text[self.at..next]);
        } else {
            let delimiter = self.settings.csv.delimiter;
            let raw = |out: &mut Vec<u8>, place: usize| {
                fields.get(place).map(|field| out.extend_from_slice(raw(*field, text)))
            };
            raw(out, op);
            for place in (0..fields.len()).filter(|place| ![op, table, schema].contains(place)) {
                out.push(delimiter);
                raw(out, place);
            }
            out.extend_from_slice(self.settings.csv.row_delimiter.as_bytes());
        }
    }

    fn chunk(&mut self, last: bool) -> MixedChunk {
        let taken = std::mem::take(&mut self.tables);
        let tables = taken.values().map(|(text, numbers)| text.capacity() + 8 * numbers.capacity() + TABLE_BYTES);
        let bytes = CHUNK_BYTES + tables.sum::<usize>();
        self.taken = 0;
        MixedChunk {
            tables: taken
                .into_iter()
                .map(|(name, (text, numbers))| (name, MixedRows { text: text.into(), numbers }))
                .collect(),
            strays: std::mem::take(&mut self.strays),
            next: self.place,
            last,
            bytes,
        }
    }
}

/// A value as it is written, with the quotes around it.
fn raw(field: Field, text: &[u8]) -> &[u8] {
    field.raw(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(settings: &MixedSettings, text: &str, place: MixedPlace) -> Vec<MixedChunk> {
        let mut splitter = MixedSplitter::new(settings, "f", text.len() as u64, true, place).unwrap();
        let mut found = Vec::new();
        loop {
            match splitter.step().unwrap() {
                MixedStep::Need(range) => {
                    let bytes = text.as_bytes()[range.start as usize..range.end as usize].to_vec();
                    splitter.supply(range, bytes.into());
                }
                MixedStep::Chunk(chunk) => {
                    let last = chunk.last;
                    found.push(chunk);
                    if last {
                        return found;
                    }
                }
            }
        }
    }

    fn table<'c>(chunk: &'c MixedChunk, name: &str) -> (&'c str, &'c [u64]) {
        let rows = &chunk.tables[&("s".to_owned(), name.to_owned())];
        (std::str::from_utf8(&rows.text).unwrap(), &rows.numbers)
    }

    #[test]
    fn records_go_to_their_tables_without_the_columns_that_name_them() {
        let text = "I,a,s,1,\"x, \"\"y\"\"\"\nU,b,s,2\r\nI,a,s,3,\nodd\nD,\"b\",s,\"4\n4\"";
        let found = chunks(&MixedSettings::default(), text, MixedPlace::start());
        assert_eq!(found.len(), 1);
        assert_eq!(table(&found[0], "a"), ("I,1,\"x, \"\"y\"\"\"\nI,3,\n", &[1, 3][..]));
        assert_eq!(table(&found[0], "b"), ("U,2\nD,\"4\n4\"\n", &[2, 5][..]));
        assert_eq!((found[0].strays, found[0].next.records), (1, 5));
    }

    #[test]
    fn a_header_line_says_where_the_columns_are() {
        let text = "schema_name,id,operation,table_name\ns,7,I,a\n";
        let found = chunks(&MixedSettings::default(), text, MixedPlace::start());
        assert_eq!(table(&found[0], "a"), ("I,7\n", &[1][..]));
    }

    #[test]
    fn chunks_end_where_the_file_says_and_each_can_be_split_on_its_own() {
        let text: String =
            (0..400_000).map(|id| format!("I,{},s,{id},\"a longer value\"\n", ["a", "b"][id % 2])).collect();
        let settings = MixedSettings::default();
        let found = chunks(&settings, &text, MixedPlace::start());
        assert!(found.len() > 2);
        let rest = chunks(&settings, &text, found[0].next);
        assert_eq!(rest.len(), found.len() - 1);
        for (all, alone) in found[1..].iter().zip(&rest) {
            assert_eq!((table(all, "a"), all.next), (table(alone, "a"), alone.next));
        }
        assert_eq!(found.iter().map(|chunk| table(chunk, "b").1.len()).sum::<usize>(), 200_000);
    }
}
