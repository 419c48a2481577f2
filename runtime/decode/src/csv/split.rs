use super::scan::{self, BLOCK};
use super::settings::RowDelimiter;

const QUOTED: u32 = 1 << 31;
const ESCAPED: u32 = 1 << 30;
const VOID: u32 = 1 << 29;

/// One value's place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    start: u32,
    /// Its length, with a bit for each peculiarity: no value is longer than a record may be.
    form: u32,
}

impl Field {
    /// A value of a record that was rejected: nobody looks at it any more.
    pub(super) const VOID: Field = Field { start: 0, form: VOID };

    fn new(start: usize, end: usize, form: u32) -> Self {
        Self { start: start as u32, form: (end - start) as u32 | form }
    }

    /// The value's bytes, without the quotes around it.
    #[inline]
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..(self.form & (VOID - 1)) as usize]
    }

    /// The value's bytes, with the quotes around it.
    pub(super) fn raw(self, text: &[u8]) -> &[u8] {
        let quotes = usize::from(self.is_quoted());
        let (start, end) = (self.start as usize, self.start as usize + (self.form & (VOID - 1)) as usize);
        &text[start - quotes..end + quotes]
    }

    /// Whether there were quotes around it.
    pub(super) fn is_quoted(self) -> bool {
        self.form & QUOTED != 0
    }

    /// Whether it holds doubled quotes.
    #[inline]
    pub(super) fn is_escaped(self) -> bool {
        self.form & ESCAPED != 0
    }

    /// Whether its record was rejected.
    #[inline]
    pub(super) fn is_void(self) -> bool {
        self.form == VOID
    }

    /// The length of a value without quotes; more than any such for all others.
    #[inline]
    pub(super) fn bare_length(self) -> u32 {
        self.form
    }
}

/// A record's place in the text, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

/// Records of one width, split into values.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Values of a record.
    pub(super) width: usize,
    /// The values of all records, one record after the other.
    pub(super) fields: Vec<Field>,
    /// The records.
    pub(super) spans: Vec<Span>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.spans.clear();
    }

    /// The values of the column at this place.
    #[inline]
    pub(super) fn column(&self, place: usize) -> impl Iterator<Item = Field> {
        let records = self.fields[..self.spans.len() * self.width].chunks_exact(self.width.max(1));
        records.map(move |record| record[place])
    }

    /// One value.
    pub(super) fn field(&self, row: usize, place: usize) -> Field {
        self.fields[row * self.width + place]
    }

    /// Puts another value in the place of one.
    pub(super) fn set(&mut self, row: usize, place: usize, field: Field) {
        self.fields[row * self.width + place] = field;
    }

    /// Values split after the last whole record: those of an odd record.
    pub(super) fn rest(&self) -> &[Field] {
        &self.fields[self.spans.len() * self.width..]
    }

    /// Makes a record one that nobody looks at any more.
    pub(super) fn void(&mut self, row: usize) {
        self.fields[row * self.width..][..self.width].fill(Field::VOID);
    }

    /// Drops the first records.
    pub(super) fn pass_over(&mut self, records: usize) {
        self.fields.drain(..records * self.width);
        self.spans.drain(..records);
    }
}

/// Why the splitter stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// There are as many rows as were wanted.
    Full,
    /// The next record is not complete; more text has to follow.
    Starved,
    /// The text is at its end, and so is the last record.
    Finished,
    /// The text is at its end, and a quote is still open.
    OpenQuote,
    /// The next record is not like the others. Its values are [`Rows::rest`], unless a quote is at fault.
    Odd {
        /// Where it is.
        span: Span,
        /// Where the one after it begins.
        next: usize,
        /// Whether it has text after a closing quote, so that its values cannot be told.
        torn: bool,
    },
}

/// How text is split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) row_end: RowDelimiter,
    /// Whether lines without anything in them are no records.
    pub(super) skip_blank: bool,
    /// Most rows to be split at once.
    pub(super) most_rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Bare,
    Quoted,
    Escaped,
    Torn,
}

/// What follows a quote inside quotes.
enum AfterQuote {
    Quote,
    Delimiter,
    /// A line end, which the record after it begins behind.
    LineEnd(usize),
    TextEnd,
    Starved,
    Other,
}

/// The place of the splitter within a record.
struct Cursor {
    record: usize,
    field: usize,
    state: State,
    /// Bytes before this one have had their meaning.
    done: usize,
}

impl Splitter {
    /// Splits the records that begin at `at` into `rows`, whose width they have to have, and moves `at` behind them.
    ///
    /// `whole` says that no text follows. An odd record is left for the caller to step over.
    pub(super) fn split(&self, text: &[u8], at: &mut usize, whole: bool, rows: &mut Rows) -> Halt {
        let mut cursor = Cursor { record: *at, field: *at, state: State::Bare, done: *at };
        rows.fields.truncate(rows.spans.len() * rows.width);
        let mut base = *at;
        while base < text.len() {
            let mut left = scan::marks(&text[base..], [self.delimiter, self.row_end.last(), self.quote])
                & bits_from(cursor.done, base);
            while left != 0 {
                let place = base + left.trailing_zeros() as usize;
                left &= left - 1;
                let byte = text[place];
                let halt = if cursor.state != State::Bare {
                    let halt = self.within_quotes(text, place, whole, &mut cursor, rows);
                    left &= bits_from(cursor.done, base);
                    halt
                } else if byte == self.delimiter {
                    rows.fields.push(Field::new(cursor.field, place, 0));
                    cursor.field = place + 1;
                    None
                } else if byte == self.row_end.last() {
                    self.bare_line_end(text, place, &mut cursor, rows)
                } else {
                    // A quote elsewhere than at the beginning is text.
                    if place == cursor.field {
                        cursor.state = State::Quoted;
                    }
                    None
                };
                if let Some(halt) = halt {
                    *at = cursor.record;
                    return halt;
                }
            }
            base += BLOCK;
        }
        let halt = if whole { self.last_record(text, &mut cursor, rows) } else { Halt::Starved };
        *at = cursor.record;
        halt
    }

    /// A marked byte while a quote is open, or after text that followed a closing quote.
    fn within_quotes(
        &self,
        text: &[u8],
        place: usize,
        whole: bool,
        cursor: &mut Cursor,
        rows: &mut Rows,
    ) -> Option<Halt> {
        let byte = text[place];
        match cursor.state {
            State::Torn if byte == self.row_end.last() && self.ends_record(text, cursor.record, place) => {
                Some(Halt::Odd { span: self.span(text, cursor.record, place), next: place + 1, torn: true })
            }
            State::Quoted | State::Escaped if byte == self.quote => {
                self.quote_in_quotes(text, place, whole, cursor, rows)
            }
            _ => None,
        }
    }

    /// Whether the last byte of a record's end is one: before a line feed there may have to be a carriage return.
    fn ends_record(&self, text: &[u8], start: usize, place: usize) -> bool {
        self.row_end != RowDelimiter::CrLf || (place > start && text[place - 1] == b'\r')
    }

    /// A record up to its end, without the carriage return before that.
    fn span(&self, text: &[u8], start: usize, end: usize) -> Span {
        let ends_in_line = !matches!(self.row_end, RowDelimiter::Byte(_));
        let carriage_return = ends_in_line && end > start && text[end - 1] == b'\r';
        Span { start: start as u32, end: (end - usize::from(carriage_return)) as u32 }
    }

    fn after_quote(&self, text: &[u8], place: usize, whole: bool) -> AfterQuote {
        match (text.get(place + 1), text.get(place + 2)) {
            (None, _) if whole => AfterQuote::TextEnd,
            (None, _) => AfterQuote::Starved,
            (Some(&byte), _) if byte == self.quote => AfterQuote::Quote,
            (Some(&byte), _) if byte == self.delimiter => AfterQuote::Delimiter,
            (Some(&byte), _) if byte == self.row_end.last() && self.row_end != RowDelimiter::CrLf => {
                AfterQuote::LineEnd(place + 2)
            }
            (Some(b'\r'), next) if !matches!(self.row_end, RowDelimiter::Byte(_)) => match next {
                Some(b'\n') => AfterQuote::LineEnd(place + 3),
                None if whole => AfterQuote::TextEnd,
                None => AfterQuote::Starved,
                Some(_) => AfterQuote::Other,
            },
            _ => AfterQuote::Other,
        }
    }

    fn quote_in_quotes(
        &self,
        text: &[u8],
        place: usize,
        whole: bool,
        cursor: &mut Cursor,
        rows: &mut Rows,
    ) -> Option<Halt> {
        let escaped = if cursor.state == State::Escaped { ESCAPED } else { 0 };
        let field = Field::new(cursor.field + 1, place, QUOTED | escaped);
        match self.after_quote(text, place, whole) {
            AfterQuote::Quote => {
                cursor.state = State::Escaped;
                cursor.done = place + 2;
                None
            }
            AfterQuote::Delimiter => {
                rows.fields.push(field);
                *cursor = Cursor { record: cursor.record, field: place + 2, state: State::Bare, done: place + 2 };
                None
            }
            AfterQuote::LineEnd(next) => {
                rows.fields.push(field);
                cursor.state = State::Bare;
                cursor.done = next;
                self.record_end(Span { start: cursor.record as u32, end: (place + 1) as u32 }, next, cursor, rows)
            }
            AfterQuote::TextEnd => {
                rows.fields.push(field);
                let span = Span { start: cursor.record as u32, end: (place + 1) as u32 };
                Some(self.record_end(span, text.len(), cursor, rows).unwrap_or(Halt::Finished))
            }
            AfterQuote::Starved => Some(Halt::Starved),
            AfterQuote::Other => {
                cursor.state = State::Torn;
                None
            }
        }
    }

    /// A newline outside quotes: ends the last value and the record.
    #[inline]
    fn bare_line_end(&self, text: &[u8], place: usize, cursor: &mut Cursor, rows: &mut Rows) -> Option<Halt> {
        let mut end = place;
        if !matches!(self.row_end, RowDelimiter::Byte(_)) && end > cursor.field && text[end - 1] == b'\r' {
            end -= 1;
        } else if self.row_end == RowDelimiter::CrLf && place < text.len() {
            // A line feed alone is text.
            return None;
        }
        // The last record may lack its line end.
        let next = (place + 1).min(text.len());
        if self.skip_blank && end == cursor.record {
            cursor.record = next;
            cursor.field = next;
            return None;
        }
        rows.fields.push(Field::new(cursor.field, end, 0));
        self.record_end(Span { start: cursor.record as u32, end: end as u32 }, next, cursor, rows)
    }

    /// Takes a record whose values have all been pushed, if it has the width of the others.
    #[inline]
    fn record_end(&self, span: Span, next: usize, cursor: &mut Cursor, rows: &mut Rows) -> Option<Halt> {
        if rows.fields.len() != (rows.spans.len() + 1) * rows.width {
            return Some(Halt::Odd { span, next, torn: false });
        }
        rows.spans.push(span);
        cursor.record = next;
        cursor.field = next;
        if rows.spans.len() >= self.most_rows { Some(Halt::Full) } else { None }
    }

    /// The text ends here, perhaps without a line end.
    fn last_record(&self, text: &[u8], cursor: &mut Cursor, rows: &mut Rows) -> Halt {
        match cursor.state {
            State::Quoted | State::Escaped => Halt::OpenQuote,
            State::Torn => Halt::Odd { span: self.span(text, cursor.record, text.len()), next: text.len(), torn: true },
            State::Bare if cursor.record == text.len() => Halt::Finished,
            State::Bare => self.bare_line_end(text, text.len(), cursor, rows).unwrap_or(Halt::Finished),
        }
    }
}

/// The bits of a block at `base` that stand for places from `done` on.
#[inline]
fn bits_from(done: usize, base: usize) -> u64 {
    match done.saturating_sub(base) {
        passed @ ..BLOCK => !0 << passed,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLITTER: Splitter =
        Splitter { delimiter: b',', quote: b'"', row_end: RowDelimiter::Line, skip_blank: true, most_rows: 1000 };

    /// All records as lists of values; an odd one as a list that begins with `odd` or `torn`.
    fn split_with(splitter: Splitter, text: &str, width: usize) -> (Vec<Vec<String>>, Halt) {
        let (mut rows, mut at, mut records) = (Rows { width, ..Rows::default() }, 0, Vec::new());
        let text = text.as_bytes();
        let value = |field: &Field| {
            let value = String::from_utf8_lossy(field.of(text)).into_owned();
            if field.is_quoted() { format!("<{value}>") } else { value }
        };
        loop {
            let halt = splitter.split(text, &mut at, true, &mut rows);
            let whole = &rows.fields[..rows.len() * width];
            records.extend(whole.chunks(width).map(|record| record.iter().map(value).collect::<Vec<_>>()));
            match halt {
                Halt::Odd { span, next, torn } => {
                    let name = if torn { "torn" } else { "odd" };
                    let raw = String::from_utf8_lossy(span.of(text)).into_owned();
                    records.push(vec![name.into(), raw]);
                    at = next;
                }
                Halt::Full => {}
                halt => return (records, halt),
            }
            rows.clear();
        }
    }

    fn split(text: &str) -> Vec<Vec<String>> {
        let (records, halt) = split_with(SPLITTER, text, 2);
        assert_eq!(halt, Halt::Finished);
        records
    }

    #[test]
    fn values_are_split_at_delimiters_and_records_at_both_line_ends() {
        assert_eq!(split("a,b\nc,d\r\n,\n e , f "), [["a", "b"], ["c", "d"], ["", ""], [" e ", " f "]]);
        assert_eq!(split("a,b\\\n\\,\"c\\\"\n"), [["a", "b\\"], ["\\", "<c\\>"]]);
        assert_eq!(split("a,\r\n\"\",\"\"\r\n"), [["a", ""], ["<>", "<>"]]);
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_doubled_quotes() {
        assert_eq!(split("\"a,b\",\"c\nd\"\n"), [["<a,b>", "<c\nd>"]]);
        assert_eq!(split("\"a\r\nb\",\"\"\"\"\r\n\"x\",\"y\""), [["<a\r\nb>", "<\"\">"], ["<x>", "<y>"]]);
        let long = "x,".repeat(100);
        assert_eq!(split(&format!("\"{long}\",\"{long}\"\n")), [[format!("<{long}>"), format!("<{long}>")]]);
    }

    #[test]
    fn a_stray_quote_is_text_and_text_after_a_closing_quote_tears_the_record() {
        assert_eq!(split("a\"b,\"\nc,d\"\n").len(), 1, "the second quote opens a value");
        assert_eq!(split("a\"b,c\"\nd,e\n"), [["a\"b", "c\""], ["d", "e"]]);
        assert_eq!(split("\"a\"b,c\nd,e\n"), [["torn", "\"a\"b,c"], ["d", "e"]]);
        assert_eq!(split("\"a\" ,c\r\nd,e\n"), [["torn", "\"a\" ,c"], ["d", "e"]]);
        assert_eq!(split("a,b\n\"a\"\"b\"\"c\"d"), [["a", "b"], ["torn", "\"a\"\"b\"\"c\"d"]]);
    }

    #[test]
    fn records_of_another_width_are_odd_and_blank_lines_are_nothing() {
        assert_eq!(split("a,b\nc\nd,e,f\n\n\r\ng,h\n"), [["a", "b"], ["odd", "c"], ["odd", "d,e,f"], ["g", "h"]]);
        let one = Splitter { skip_blank: false, ..SPLITTER };
        assert_eq!(split_with(one, "a\n\n\r\n", 1).0, [["a"], [""], [""]]);
    }

    #[test]
    fn an_open_quote_at_the_end_is_told() {
        assert_eq!(split_with(SPLITTER, "a,b\nc,\"d\n", 2), (vec![vec!["a".into(), "b".into()]], Halt::OpenQuote));
        assert_eq!(split_with(SPLITTER, "a,\"b\"", 2).1, Halt::Finished);
        assert_eq!(split_with(SPLITTER, "a,\"b\"\r", 2).0, [["a", "<b>"]]);
    }

    #[test]
    fn text_that_comes_in_pieces_is_split_like_the_whole() {
        let text = "a,\"b\"\"b\"\r\n\"c\nd\",e\r\nf\"f,\"g\"\n\"h\"x,i\nj,k\n".repeat(5);
        let expected = split_with(SPLITTER, &text, 2).0.len();
        for step in 1..40 {
            let (mut rows, mut at, mut count) = (Rows { width: 2, ..Rows::default() }, 0, 0);
            let mut end = 0;
            loop {
                let whole = end == text.len();
                match SPLITTER.split(&text.as_bytes()[..end], &mut at, whole, &mut rows) {
                    Halt::Odd { next, .. } => {
                        count += 1;
                        at = next;
                    }
                    Halt::Starved => end = (end + step).min(text.len()),
                    Halt::Full => {}
                    Halt::Finished => break,
                    Halt::OpenQuote => panic!("no quote is open"),
                }
                count += rows.len();
                rows.clear();
            }
            count += rows.len();
            assert_eq!(count, expected, "{step}");
        }
    }
}
