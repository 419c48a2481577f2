/// What a file's name says of its place in the table's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Rows as they stood when the task began.
    FullLoad,
    /// Changes since then.
    Changes,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// CSV as it is.
    Csv,
    /// CSV within gzip.
    GzipCsv,
    /// Parquet.
    Parquet,
}

/// How the names of files begin in which a task with PreserveTransactions writes the changes of all its tables.
const TRANSACTIONS: &str = "CDC_TXN-";

/// Endings by which a format is known, in lower case. DMS gives gzip-compressed Parquet (a codec within) either ending.
const ENDINGS: [(&str, FileFormat); 4] = [
    (".csv", FileFormat::Csv),
    (".csv.gz", FileFormat::GzipCsv),
    (".parquet", FileFormat::Parquet),
    (".parquet.gz", FileFormat::Parquet),
];

/// What a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub kind: FileKind,
    pub format: FileFormat,
    /// Whether it is the first file of a full load, or of one of the series that load in parallel.
    pub first: bool,
}

/// Recognises a file that DMS writes for a table by its name without folders; `None` for any other file.
pub(super) fn recognise(name: &str) -> Option<Name> {
    let (stem, format) = split(name)?;
    if let Some(counter) = load_counter(stem) {
        let first = counter.trim_start_matches('0') == "1";
        return Some(Name { kind: FileKind::FullLoad, format, first });
    }
    is_changes(stem).then_some(Name { kind: FileKind::Changes, format, first: false })
}

/// Recognises a file of the changes of many tables: its format, and its name as that of a table's changes would be.
pub(super) fn recognise_mixed(name: &str) -> Option<(FileFormat, String)> {
    let (stem, format) = split(name)?;
    if format == FileFormat::Parquet {
        return None;
    }
    let Some(stamp) = stem.strip_prefix(TRANSACTIONS) else {
        return is_changes(stem).then(|| (format, name.to_owned()));
    };
    let (day, time) = stamp.split_at_checked(8)?;
    let time = time.strip_prefix('-').unwrap_or(time);
    let as_changes = format!("{day}-{time}");
    is_changes(&as_changes).then(|| (format, format!("{as_changes}{}", &name[stem.len()..])))
}

fn split(name: &str) -> Option<(&str, FileFormat)> {
    ENDINGS.iter().find_map(|&(ending, format)| {
        let at = name.len().checked_sub(ending.len())?;
        let found = name.get(at..)?.eq_ignore_ascii_case(ending);
        found.then(|| (&name[..at], format))
    })
}

/// The counter of `LOAD00000001` or `SEGMENT1_LOAD0000000A`.
fn load_counter(stem: &str) -> Option<&str> {
    let counted = match stem.strip_prefix("SEGMENT").and_then(|rest| rest.split_once('_')) {
        Some((segment, rest)) if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => stem,
    };
    let counter = counted.strip_prefix("LOAD")?;
    (counter.len() >= 4 && counter.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(counter)
}

/// `20141029-113401000` as real files are named, `20141029-1134010000` as the manual shows them.
fn is_changes(stem: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    stem.split_once('-')
        .is_some_and(|(day, time)| day.len() == 8 && digits(day) && (6..=18).contains(&time.len()) && digits(time))
}

/// Sorts a table's files of one phase as their changes happened, by name; `folder` tells namesakes apart.
///
/// Names that are recognised hold nothing that sorts below a space, so a name is never torn apart from its namesakes.
/// Folders say nothing: those of dates sort by time in some of their patterns only.
pub(super) fn rank(name: &str, folder: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{name} {folder}") }
}

/// A stretch of a table's history: the full load of a generation, then its changes, then the next generation's.
///
/// As text, phases sort by number: every nine of them lead with one more 9.
pub(super) fn phase(generation: u32, kind: FileKind) -> String {
    let number = 2 * u64::from(generation) + u64::from(kind == FileKind::Changes);
    format!("{}{}", "9".repeat((number / 9) as usize), number % 9)
}

/// The place of a file among all files of its table.
pub(super) fn order(generation: u32, kind: FileKind, rank: &str) -> String {
    format!("{}/{rank}", phase(generation, kind))
}

/// An order without its phase.
pub(super) fn rank_of(order: &str) -> &str {
    order.split_once('/').map_or(order, |(_, rank)| rank)
}

/// The place at which a generation begins: before all of its files.
pub(super) fn beginning(generation: u32) -> String {
    order(generation, FileKind::FullLoad, "")
}

/// The place of a file's new content, after it was consumed with another: right behind its old content's.
pub(super) fn rewritten(order: &str, content: u64) -> String {
    format!("{order} ~{content:016x}")
}

/// The rank of the file whose old or new content an order is of; empty for the beginning of a generation.
pub(super) fn content_rank(order: &str) -> &str {
    let rank = rank_of(order);
    rank.rsplit_once(" ~").map_or(rank, |(file, _)| file)
}

/// Whether folders with this path sort by time, as far as the name of a file in one tells.
///
/// DMS writes the date as YYYYMMDD, YYYYMMDDHH, YYYYMM, MMYYYYDD or DDMMYYYY, with or without delimiters. The first
/// three sort by time, and begin with the year of the file's name, give or take a time zone.
pub(super) fn sorts_by_time(folder: &str, name: &str) -> bool {
    let digits: String = folder.chars().filter(|letter| !matches!(letter, '/' | '-' | '_')).collect();
    if digits.is_empty() {
        return folder.is_empty();
    }
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i32>().ok());
    let year = number(digits.get(..4));
    let near = year.zip(number(name.get(..4))).is_some_and(|(folder, name)| (folder - name).abs() <= 1);
    matches!(digits.len(), 6 | 8 | 10)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && near
        && number(digits.get(4..6)).is_some_and(|month| (1..=12).contains(&month))
}

/// A folder's path with every digit the same: folders of one pattern have one shape.
pub(super) fn shape(folder: &str) -> String {
    folder.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_dms_are_recognised() {
        use FileFormat::{Csv, GzipCsv, Parquet};
        use FileKind::{Changes, FullLoad};
        for (name, kind, format, first) in [
            ("LOAD00000001.csv", FullLoad, Csv, true),
            ("LOAD00001.csv", FullLoad, Csv, true),
            ("LOAD0000001F.csv.gz", FullLoad, GzipCsv, false),
            ("LOAD00000011.parquet", FullLoad, Parquet, false),
            ("SEGMENT12_LOAD00000001.csv", FullLoad, Csv, true),
            ("20201117-153046033.csv", Changes, Csv, false),
            ("20141029-1134010000.csv.gz", Changes, GzipCsv, false),
            ("20201117-153046033.parquet", Changes, Parquet, false),
            ("20201117-153046033.CSV", Changes, Csv, false),
        ] {
            assert_eq!(recognise(name), Some(Name { kind, format, first }), "{name}");
        }
    }

    #[test]
    fn other_files_are_not_recognised() {
        for name in [
            "_SUCCESS",
            ".LOAD00000001.csv.swp",
            "LOAD00000001.csv.tmp",
            "LOAD.csv",
            "LOADED.csv",
            "SEGMENT_LOAD00000001.csv",
            "orders.csv",
            "CDC_TXN-20201117153046033.csv",
            "2020111-153046033.csv",
            "20201117-15304.csv",
            "20201117-15304603é.csv",
            ".csv",
            "é",
            "",
        ] {
            assert_eq!(recognise(name), None, "{name}");
        }
    }

    #[test]
    fn files_of_transactions_sort_among_a_tables_own() {
        use FileFormat::{Csv, GzipCsv};
        for (name, expected) in [
            ("CDC_TXN-20201117153046033.csv", Some((Csv, "20201117-153046033.csv"))),
            ("CDC_TXN-20201117-153046033.csv.gz", Some((GzipCsv, "20201117-153046033.csv.gz"))),
            ("20201117-153046033.csv", Some((Csv, "20201117-153046033.csv"))),
            ("CDC_TXN-2020111715.csv", None),
            ("CDC_TXN-20201117153046033.parquet", None),
            ("CDC_TXN-é20201117.csv", None),
            ("LOAD00000001.csv", None),
        ] {
            let found = recognise_mixed(name);
            assert_eq!(found.as_ref().map(|(format, name)| (*format, name.as_str())), expected, "{name}");
        }
    }

    #[test]
    fn orders_sort_as_the_changes_happened_and_no_two_files_share_one() {
        use FileKind::{Changes, FullLoad};
        let file = |generation, kind, name: &str, folder: &str| order(generation, kind, &rank(name, folder));
        let sorted = [
            file(0, FullLoad, "LOAD00000009.csv", "part"),
            file(0, FullLoad, "LOAD0000000A.csv", ""),
            file(0, Changes, "20201117-153046033.csv", ""),
            rewritten(&file(0, Changes, "20201117-153046033.csv", ""), 7),
            file(0, Changes, "20201117-153046033.csv", "2020/11/17"),
            file(0, Changes, "20201117-153046033.csv.gz", ""),
            file(0, Changes, "20201117-1530460331.csv", ""),
            file(0, Changes, "20201117-153046034.csv", "2020/11/16"),
            beginning(1),
            file(1, FullLoad, "LOAD00000001.csv", ""),
            file(1, Changes, "20201117-153046034.csv", ""),
            beginning(2),
        ];
        for pair in sorted.windows(2) {
            // The mark of new content sorts behind folders, which begin with a letter or a digit.
            assert!(pair[0] < pair[1] || pair[0].contains('~'), "{pair:?}");
        }
        assert_eq!(rank_of(&sorted[3]), "20201117-153046033.csv ~0000000000000007");
    }

    #[test]
    fn names_decide_before_folders_whatever_both_are() {
        let mut names: Vec<String> = Vec::new();
        for stem in ["20201117-153046033", "20201117-1530460330", "20201117-153046034", "20211117-000000000"] {
            names.extend([".csv", ".csv.gz", ".parquet", ".CSV"].map(|ending| format!("{stem}{ending}")));
        }
        names.sort_unstable();
        let folders = ["", "0", "2020/11/17", "2020-11-17", "17112020", "P_2026", "part one", "zz", "東"];
        let places = || names.iter().flat_map(|name| folders.iter().map(move |folder| (name, *folder)));
        for (name, folder) in places() {
            let place = order(0, FileKind::Changes, &rank(name, folder));
            for (other, elsewhere) in places() {
                let found = place.cmp(&order(0, FileKind::Changes, &rank(other, elsewhere)));
                assert_eq!(found, name.cmp(other).then(folder.cmp(elsewhere)), "{name} {folder}, {other} {elsewhere}");
            }
        }
    }

    #[test]
    fn phases_sort_by_number_however_often_a_table_is_loaded() {
        let phases: Vec<String> = (0..60)
            .flat_map(|generation| [phase(generation, FileKind::FullLoad), phase(generation, FileKind::Changes)])
            .collect();
        assert!(phases.windows(2).all(|pair| format!("{}/", pair[0]) < format!("{}/", pair[1])), "{phases:?}");
        assert_eq!((phases[0].as_str(), phases[1].as_str(), phases[9].as_str()), ("0", "1", "90"));
        let mut position = sluice_change::Position::start();
        position.begin_generation(sluice_change::Generation {
            number: 1,
            loaded_from_us: 0,
            changes_after: String::new(),
        });
        for (number, phase) in phases.iter().enumerate() {
            position.advance_file("t", &format!("{phase}/x"), 1, 1, true);
            assert_eq!(position.is_loading_anew(), number % 2 == 0, "{phase}");
        }
    }

    #[test]
    fn only_folders_that_begin_with_the_year_sort_by_time() {
        for (folder, sorts) in [
            ("", true),
            ("2020/11/17", true),
            ("2020-11-17", true),
            ("20201117", true),
            ("2020_11_17_15", true),
            ("2020/11", true),
            ("2021/01/01", true),
            ("17/11/2020", false),
            ("17112020", false),
            ("11/2020/17", false),
            ("20112020", false),
            ("part1", false),
            ("2020", false),
        ] {
            assert_eq!(sorts_by_time(folder, "20201117-153046033.csv"), sorts, "{folder}");
        }
    }
}
