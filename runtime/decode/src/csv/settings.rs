use super::split::Splitter;
use crate::DecodeError;
use crate::renames::Renames;

/// Whether the first line of a file names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderMode {
    /// It does if it holds the names that are known.
    #[default]
    Auto,
    /// It does.
    Present,
    /// It does not: columns are known by their place.
    Absent,
}

/// Whether records begin with the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpColumn {
    /// Records of changes do; whether those of the full load do is told from the file's first record.
    #[default]
    Auto,
    /// All do.
    Present,
    /// None does: changes are inserts only.
    Absent,
}

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowDelimiter {
    /// A line feed; a carriage return before it belongs to it.
    #[default]
    Line,
    /// A carriage return and a line feed; either alone is text.
    CrLf,
    /// Another character.
    Byte(u8),
}

impl RowDelimiter {
    /// The delimiter as it is written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            RowDelimiter::Line => b"\n",
            RowDelimiter::CrLf => b"\r\n",
            RowDelimiter::Byte(byte) => std::slice::from_ref(byte),
        }
    }

    /// Its last byte.
    pub(super) fn last(self) -> u8 {
        match self {
            RowDelimiter::Line | RowDelimiter::CrLf => b'\n',
            RowDelimiter::Byte(byte) => byte,
        }
    }
}

/// How the CSV files of a table are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSettings {
    /// Between the values of a record.
    pub delimiter: u8,
    /// Around a value that holds a delimiter, a quote or a line end; doubled within.
    pub quote: u8,
    /// What ends a record.
    pub row_delimiter: RowDelimiter,
    /// Whether quotes have a meaning; else they are text, and no value holds a delimiter (DMS: Rfc4180=false).
    pub quoting: bool,
    /// A value that is written so, without quotes, is NULL. A quoted empty value is always an empty string.
    pub null_strings: Vec<String>,
    /// Whether there is a line of column names.
    pub header: HeaderMode,
    /// Whether records begin with the operation.
    pub op_column: OpColumn,
    /// Name of the column of commit times, which comes right after the operation; `None` where there is none.
    pub timestamp_column: Option<String>,
    /// What stands before a column's name in the name of the column of its values before the change.
    ///
    /// Without a header line, records of changes then end with one such column for each key column, in key order.
    pub before_prefix: Option<String>,
    /// What stands, quoted or not, for a value that the source did not send: the column keeps the value that it had.
    pub not_sent: Option<String>,
    /// Columns that have another name now; a header line may still use the old one.
    pub renames: Renames,
}

impl Default for CsvSettings {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            row_delimiter: RowDelimiter::Line,
            quoting: true,
            null_strings: vec!["NULL".into(), String::new()],
            header: HeaderMode::Auto,
            op_column: OpColumn::Auto,
            timestamp_column: None,
            before_prefix: None,
            not_sent: None,
            renames: Renames::new(),
        }
    }
}

impl CsvSettings {
    /// A splitter of files that are written so.
    pub(super) fn splitter(&self, skip_blank: bool, most_rows: usize) -> Splitter {
        Splitter {
            delimiter: self.delimiter,
            // A quote that is the delimiter is never met.
            quote: if self.quoting { self.quote } else { self.delimiter },
            row_end: self.row_delimiter,
            skip_blank,
            most_rows,
        }
    }

    /// Refuses what cannot be told apart in a file.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let refuse = |why: &str| Err(DecodeError::Settings(why.to_owned()));
        let line_end = |byte: u8| byte == b'\n' || byte == b'\r';
        if self.delimiter == self.quote {
            return refuse("`delimiter` and `quote` are the same character; give one of them another");
        }
        if !self.delimiter.is_ascii() || !self.quote.is_ascii() {
            return refuse("`delimiter` and `quote` have to be ASCII characters");
        }
        if line_end(self.delimiter) || line_end(self.quote) {
            return refuse("`delimiter` and `quote` cannot be a line end");
        }
        if self.not_sent.as_ref().is_some_and(|text| text.is_empty() || self.null_strings.contains(text)) {
            return refuse("`not_sent` is empty or one of the texts that stand for NULL; give it a text of its own");
        }
        if let RowDelimiter::Byte(byte) = self.row_delimiter
            && (!byte.is_ascii() || byte == self.delimiter || (self.quoting && byte == self.quote))
        {
            return refuse("`row_delimiter` has to be an ASCII character other than `delimiter` and `quote`");
        }
        if self.before_prefix.as_deref() == Some("") {
            return refuse(
                "`before_prefix` is empty, so before-image columns cannot be told from the others; remove it",
            );
        }
        Ok(())
    }
}
