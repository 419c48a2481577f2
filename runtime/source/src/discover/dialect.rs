//! How the CSV files of a table are written, by the evidence of their beginnings.

use sluice_change::{Column, ColumnType, TableSchema};
use sluice_decode::{CsvSettings, HeaderMode, OpColumn, describe_csv};

use super::records::{Value, split};

/// Delimiters that are tried.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
/// Records that are looked at of each file.
const RECORDS: usize = 2_000;
/// Texts that stand for NULL where numbers or times stand else; the first two are the defaults.
const NULLS: [&str; 7] = ["NULL", "", "\\N", "null", "None", "(null)", "NaN"];
const DEFAULT_NULLS: usize = 2;
/// Names that columns of commit times have.
const TIME_NAMES: [&str; 6] = ["commit_ts", "commit_timestamp", "dms_timestamp", "transact_ts", "timestamp", "ts"];
/// The name of a column of commit times that no header line names.
const UNNAMED_TIME: &str = "commit_ts";

/// The beginning of a CSV file, gzip taken away.
#[derive(Debug, Clone)]
pub struct FileSample {
    /// Its name, for the evidence.
    pub name: String,
    /// Whether it is part of the full load.
    pub full_load: bool,
    /// Its text, or the beginning of it.
    pub text: String,
    /// Whether that is all of it.
    pub whole: bool,
}

/// How a table's CSV files are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dialect {
    /// Between values.
    pub delimiter: char,
    /// Whether files begin with a line of names; `None` if some do.
    pub header: Option<bool>,
    /// Whether records of the full load begin with the operation; `None` where there is none.
    pub op_in_load: Option<bool>,
    /// Whether records of changes do; `None` where there are none.
    pub op_in_changes: Option<bool>,
    /// The column of commit times.
    pub timestamp_column: Option<String>,
    /// Texts for NULL, if others than the defaults were seen.
    pub null: Option<Vec<String>>,
    /// Prefix of before-image columns.
    pub before_prefix: Option<String>,
    /// The columns with types guessed from all samples.
    pub columns: Vec<Column>,
    /// How many of the last columns look like values before the change, of a key of so many columns, where no header line
    /// says so: records of the full load lack them, and only updates fill them, few of them.
    pub unnamed_before: usize,
    /// Records that were looked at.
    pub records: usize,
    /// What was seen, and what is left open, in words.
    pub evidence: Vec<String>,
}

/// A sample split into records.
struct Split<'a> {
    sample: &'a FileSample,
    header: Option<Vec<String>>,
    records: Vec<Vec<Value>>,
}

/// Finds out how files are written. No samples, or none with a record: `None`.
pub fn find_dialect(samples: &[FileSample]) -> Option<Dialect> {
    let delimiter = delimiter(samples);
    let mut files: Vec<Split<'_>> = samples
        .iter()
        .map(|sample| {
            let records = split(&sample.text, delimiter, sample.whole, RECORDS);
            Split { sample, header: None, records }
        })
        .filter(|file| !file.records.is_empty())
        .collect();
    if files.is_empty() {
        return None;
    }
    files.iter_mut().for_each(take_header);
    let headers = files.iter().filter(|file| file.header.is_some()).count();
    let mut dialect = Dialect {
        delimiter,
        header: if headers == 0 { Some(false) } else { (headers == files.len()).then_some(true) },
        records: files.iter().map(|file| file.records.len()).sum(),
        ..Dialect::default()
    };
    dialect.op_in_load = op(&files, true);
    dialect.op_in_changes = op(&files, false);
    dialect.timestamp_column = timestamp_column(&files);
    dialect.before_prefix = before_prefix(&files);
    dialect.null = nulls(&files);
    dialect.columns = columns(&dialect, &files);
    dialect.unnamed_before = unnamed_before(&dialect, &files);
    note(&mut dialect, &files, headers);
    Some(dialect)
}

/// The delimiter that gives most records of a file the same number of values, and the most values.
fn delimiter(samples: &[FileSample]) -> char {
    let rate = |delimiter: char| {
        let mut score = 0_usize;
        for sample in samples {
            let records = split(&sample.text, delimiter, sample.whole, 200);
            let Some(width) = records.first().map(Vec::len).filter(|width| *width > 1) else { continue };
            let alike = records.iter().filter(|record| record.len() == width).count();
            if alike * 10 >= records.len() * 8 {
                score += width * alike / records.len().max(1);
            }
        }
        score
    };
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| rate(*delimiter)).unwrap_or(',')
}

/// Takes the line of names off, if the first record is one: all names, each once, and either `Op` leads or a column below
/// a name holds nothing but numbers or times.
fn take_header(file: &mut Split<'_>) {
    let Some(first) = file.records.first() else { return };
    let names: Vec<String> = first.iter().map(|value| value.text.clone()).collect();
    let once = |(place, name): (usize, &String)| is_name(name) && !names[..place].contains(name);
    if !names.iter().enumerate().all(once) {
        return;
    }
    let below = |place: usize| {
        let mut values = file.records[1..].iter().filter_map(|record| record.get(place)).peekable();
        values.peek().is_some()
            && values.clone().any(|value| is_plain(&value.text))
            && values.all(|value| is_plain(&value.text) || NULLS.contains(&value.text.as_str()))
    };
    let leads = names.len() > 1 && names[0] == "Op";
    if leads || (0..names.len()).any(below) {
        file.records.remove(0);
        file.header = Some(names);
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|letter| letter.is_alphabetic() || letter == '_')
        && letters.all(|letter| letter.is_alphanumeric() || "_ $#-.".contains(letter))
        && !matches!(text, "I" | "U" | "D")
}

/// Whether a text is a number or begins like a date.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|letter: char| letter.is_ascii_digit())
        && digits.chars().all(|letter| letter.is_ascii_digit() || ".-: TZ+e".contains(letter))
}

/// Whether records of the full load, or of changes, begin with the operation.
fn op(files: &[Split<'_>], full_load: bool) -> Option<bool> {
    let mut first = files
        .iter()
        .filter(|file| file.sample.full_load == full_load)
        .flat_map(|file| file.records.iter().filter_map(|record| record.first()))
        .peekable();
    first.peek()?;
    Some(first.all(|value| matches!(value.text.as_str(), "I" | "U" | "D")))
}

fn has_op(file: &Split<'_>, files: &[Split<'_>]) -> bool {
    op(files, file.sample.full_load) == Some(true)
}

/// The column after the operation, if all of its values are times and its name or its order says commit time.
fn timestamp_column(files: &[Split<'_>]) -> Option<String> {
    let mut name = None;
    let mut ordered = false;
    for file in files {
        let place = usize::from(has_op(file, files));
        let values: Vec<&str> =
            file.records.iter().filter_map(|record| record.get(place)).map(|value| value.text.as_str()).collect();
        if values.is_empty() || !values.iter().all(|value| is_time(value)) {
            return None;
        }
        if !file.sample.full_load {
            ordered |= values.windows(2).all(|pair| pair[0] <= pair[1]);
        }
        if let Some(header) = &file.header {
            name = name.or_else(|| header.get(place).cloned());
        }
    }
    let known = name.as_ref().is_some_and(|name| TIME_NAMES.contains(&name.to_lowercase().as_str()));
    (known || ordered).then(|| name.unwrap_or_else(|| UNNAMED_TIME.to_owned()))
}

/// `2020-11-17 15:30:46`, with or without a fraction.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 19
        && (bytes[10] == b' ' || bytes[10] == b'T')
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            10 => true,
            13 | 16 => *byte == b':',
            19 => matches!(byte, b'.' | b'Z' | b'+'),
            _ => byte.is_ascii_digit() || place > 19,
        })
}

/// The text before names of columns that stand for others' values before the change.
fn before_prefix(files: &[Split<'_>]) -> Option<String> {
    files.iter().filter_map(|file| file.header.as_ref()).find_map(|header| {
        header.iter().find_map(|name| {
            let of = header.iter().filter(|other| *other != name).find(|other| {
                name.strip_suffix(other.as_str()).is_some_and(|prefix| prefix.len() >= 2 && prefix.ends_with('_'))
            })?;
            let prefix = name.strip_suffix(of.as_str())?;
            // `customer_id` beside `id` is no before image: DMS's default and most people's prefix is in capitals.
            let shouts = prefix.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
            (shouts || prefix.to_lowercase().contains("before") || prefix.to_lowercase().starts_with("old"))
                .then(|| prefix.to_owned())
        })
    })
}

/// Texts for NULL that stand, unquoted, in columns of numbers and times, if others than the defaults are among them.
fn nulls(files: &[Split<'_>]) -> Option<Vec<String>> {
    let mut seen: Vec<&str> = Vec::new();
    for file in files {
        let width = file.records.iter().map(Vec::len).max().unwrap_or(0);
        for place in 0..width {
            let values = || file.records.iter().filter_map(|record| record.get(place)).filter(|value| !value.quoted);
            let plain = values().filter(|value| is_plain(&value.text)).count();
            let is_null = |value: &&Value| NULLS.contains(&value.text.as_str());
            let all = values().count();
            if plain == 0 || values().filter(is_null).count() + plain < all {
                continue;
            }
            for value in values().filter(is_null) {
                if let Some(text) = NULLS.iter().find(|text| **text == value.text && !seen.contains(text)) {
                    seen.push(text);
                }
            }
        }
    }
    let other = seen.iter().any(|text| !NULLS[..DEFAULT_NULLS].contains(text));
    let wanted = || NULLS.iter().filter(|text| seen.contains(text) || text.is_empty()).map(|text| (*text).to_owned());
    other.then(|| wanted().collect())
}

/// The columns, their types guessed from all samples together by the decoder's own rules.
fn columns(dialect: &Dialect, files: &[Split<'_>]) -> Vec<Column> {
    let mut found: Vec<Column> = Vec::new();
    let width = files.iter().map(|file| business_width(file, dialect, files)).max().unwrap_or(0);
    let mut all: Vec<(String, Vec<Option<Value>>)> = Vec::new();
    for file in files {
        let leading = usize::from(has_op(file, files)) + usize::from(dialect.timestamp_column.is_some());
        let names: Vec<String> = match &file.header {
            Some(header) => header.iter().skip(leading).cloned().collect(),
            None => (1..=width).map(|number| format!("column_{number}")).collect(),
        };
        for (place, name) in names.into_iter().enumerate() {
            if dialect.before_prefix.as_ref().is_some_and(|prefix| name.starts_with(prefix.as_str())) {
                continue;
            }
            let values = file.records.iter().map(|record| record.get(place + leading).cloned());
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some((_, known)) => known.extend(values),
                None => all.push((name, values.collect())),
            }
        }
    }
    for (name, values) in all {
        let column_type = guess(&name, &values, dialect);
        found.push(Column::new(name, column_type));
    }
    found
}

fn business_width(file: &Split<'_>, dialect: &Dialect, files: &[Split<'_>]) -> usize {
    let leading = usize::from(has_op(file, files)) + usize::from(dialect.timestamp_column.is_some());
    file.records.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(leading)
}

/// How many of the last values of changes are before images, where nothing names them.
fn unnamed_before(dialect: &Dialect, files: &[Split<'_>]) -> usize {
    let width = |full_load: bool| {
        let of_kind = files.iter().filter(|file| file.sample.full_load == full_load && file.header.is_none());
        of_kind.map(|file| business_width(file, dialect, files)).max()
    };
    let (Some(load), Some(changes)) = (width(true), width(false)) else { return 0 };
    let extra = changes.saturating_sub(load);
    let leading = 1 + usize::from(dialect.timestamp_column.is_some());
    let records = || files.iter().filter(|file| !file.sample.full_load).flat_map(|file| &file.records);
    let filled = |record: &&Vec<Value>| record.iter().skip(leading + load).any(|value| !value.text.is_empty());
    let by_updates = records().filter(filled).all(|record| record.first().is_some_and(|op| op.text == "U"));
    let few = records().filter(filled).count() * 2 <= records().count();
    if dialect.op_in_changes == Some(true) && extra > 0 && extra * 2 <= load && by_updates && few { extra } else { 0 }
}

/// The type of one column's values.
fn guess(name: &str, values: &[Option<Value>], dialect: &Dialect) -> ColumnType {
    let settings = CsvSettings {
        header: HeaderMode::Present,
        op_column: OpColumn::Absent,
        null_strings: dialect.null.clone().unwrap_or_else(|| CsvSettings::default().null_strings),
        ..CsvSettings::default()
    };
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // A second column keeps a record of one empty value from being a blank line.
    let mut text = format!("{},x\n", quoted(name));
    for value in values.iter().flatten() {
        match value {
            Value { text: value, quoted: false } if !value.contains([',', '"', '\n', '\r']) => text.push_str(value),
            Value { text: value, .. } => text.push_str(&quoted(value)),
        }
        text.push_str(",x\n");
    }
    let told = describe_csv(&settings, true, &TableSchema::default(), text.as_bytes(), true);
    let found = told.ok().flatten().and_then(|columns| columns.into_iter().find(|column| column.name == name));
    found.map_or(ColumnType::String, |column| column.column_type)
}

/// Says what was seen, in words.
fn note(dialect: &mut Dialect, files: &[Split<'_>], headers: usize) {
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    let (records, count) = (dialect.records, files.len() as u64);
    let (of_records, of_files) = (plural(records as u64), plural(count));
    let mut notes = vec![format!("{records} record{of_records} of {count} CSV file{of_files} looked at")];
    if dialect.header.is_none() {
        notes.push(format!("{headers} of {} files have a header line", files.len()));
    }
    if dialect.header == Some(false) {
        notes.push("no header line: the columns' names are not in the files, only their number and order".into());
    }
    if dialect.op_in_changes == Some(false) {
        notes.push("changes do not begin with an operation: inserts only".into());
    }
    if dialect.timestamp_column.is_some() && dialect.header == Some(false) {
        notes.push("the column after the operation holds commit times; its name is made up".into());
    }
    let mut widths: Vec<usize> = files.iter().map(|file| business_width(file, dialect, files)).collect();
    widths.sort_unstable();
    widths.dedup();
    if dialect.header == Some(false) && widths.len() > 1 && dialect.unnamed_before == 0 {
        notes.push(format!(
            "records have {} business values: columns were added, or the last are before images",
            widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        ));
    }
    dialect.evidence = notes;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(full_load: bool, text: &str) -> FileSample {
        FileSample { name: "f".into(), full_load, text: text.into(), whole: true }
    }

    #[test]
    fn a_header_names_columns_time_and_before_images() {
        let dialect = find_dialect(&[
            sample(true, "Op,commit_ts,id,customer_id,total,BI_id\nI,2026-01-01 00:00:00.000001,1,7,12.50,\n"),
            sample(false, "Op,commit_ts,id,customer_id,total,BI_id\nU,2026-01-01 00:00:01.000000,2,7,3,1\n"),
        ])
        .unwrap();
        assert_eq!((dialect.delimiter, dialect.header), (',', Some(true)));
        assert_eq!((dialect.op_in_load, dialect.op_in_changes), (Some(true), Some(true)));
        assert_eq!(dialect.timestamp_column.as_deref(), Some("commit_ts"));
        assert_eq!(dialect.before_prefix.as_deref(), Some("BI_"));
        let columns: Vec<String> =
            dialect.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        assert_eq!(columns, ["id long", "customer_id long", "total decimal(38,2)"]);
    }

    #[test]
    fn without_a_header_columns_are_numbered_and_a_load_may_lack_the_operation() {
        let dialect =
            find_dialect(&[sample(true, "1;Ann;\\N\n2;\"B;ob\";3\n"), sample(false, "U;1;Ann;4\nD;2;;\\N\n")]).unwrap();
        assert_eq!((dialect.delimiter, dialect.header), (';', Some(false)));
        assert_eq!((dialect.op_in_load, dialect.op_in_changes), (Some(false), Some(true)));
        assert_eq!(dialect.timestamp_column, None);
        assert_eq!(dialect.null.as_deref(), Some(&[String::new(), "\\N".to_owned()][..]));
        let columns: Vec<String> =
            dialect.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        assert_eq!(columns, ["column_1 long", "column_2 string", "column_3 long"]);
    }

    #[test]
    fn last_values_that_only_some_updates_have_are_taken_for_before_images() {
        let load = sample(true, "1,Ann,7\n2,Bob,8\n");
        let moved = find_dialect(&[load.clone(), sample(false, "U,3,Ann,7,1\nU,2,Bob,9,\nD,2,,,\n")]).unwrap();
        assert_eq!(moved.unnamed_before, 1);
        let added = find_dialect(&[load, sample(false, "I,3,Ann,7,x\nU,2,Bob,9,y\n")]).unwrap();
        assert_eq!(added.unnamed_before, 0);
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        assert!(find_dialect(&[]).is_none());
        assert!(find_dialect(&[sample(true, "")]).is_none());
    }
}
