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

/// Endings by which a format is known, in lower case. DMS gives gzip-compressed Parquet (a codec within) either ending.
const ENDINGS: [(&str, FileFormat); 4] = [
    (".csv", FileFormat::Csv),
    (".csv.gz", FileFormat::GzipCsv),
    (".parquet", FileFormat::Parquet),
    (".parquet.gz", FileFormat::Parquet),
];

/// Recognises a file that DMS writes for a table by its name without folders; `None` for any other file.
pub(super) fn recognise(name: &str) -> Option<(FileKind, FileFormat)> {
    let (stem, format) = ENDINGS.iter().find_map(|&(ending, format)| {
        let at = name.len().checked_sub(ending.len())?;
        let found = name.get(at..)?.eq_ignore_ascii_case(ending);
        found.then(|| (&name[..at], format))
    })?;
    let kind = if is_full_load(stem) {
        FileKind::FullLoad
    } else if is_changes(stem) {
        FileKind::Changes
    } else {
        return None;
    };
    Some((kind, format))
}

/// `LOAD00000001`, `SEGMENT1_LOAD0000000A`.
fn is_full_load(stem: &str) -> bool {
    let counted = match stem.strip_prefix("SEGMENT").and_then(|rest| rest.split_once('_')) {
        Some((segment, rest)) if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => stem,
    };
    counted
        .strip_prefix("LOAD")
        .is_some_and(|counter| counter.len() >= 4 && counter.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `20141029-113401000` as real files are named, `20141029-1134010000` as the manual shows them.
fn is_changes(stem: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    stem.split_once('-')
        .is_some_and(|(day, time)| day.len() == 8 && digits(day) && (6..=18).contains(&time.len()) && digits(time))
}

/// Sorts a table's files as their changes happened: the full load first, then by name; `folder` tells namesakes apart.
///
/// Names that are recognised hold nothing that sorts below a space, so a name is never torn apart from its namesakes.
pub(super) fn order(kind: FileKind, name: &str, folder: &str) -> String {
    let phase = match kind {
        FileKind::FullLoad => '0',
        FileKind::Changes => '1',
    };
    if folder.is_empty() { format!("{phase}/{name}") } else { format!("{phase}/{name} {folder}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_dms_are_recognised() {
        use FileFormat::{Csv, GzipCsv, Parquet};
        use FileKind::{Changes, FullLoad};
        for (name, expected) in [
            ("LOAD00000001.csv", (FullLoad, Csv)),
            ("LOAD0000001F.csv.gz", (FullLoad, GzipCsv)),
            ("LOAD00000001.parquet", (FullLoad, Parquet)),
            ("SEGMENT12_LOAD00000001.csv", (FullLoad, Csv)),
            ("20201117-153046033.csv", (Changes, Csv)),
            ("20141029-1134010000.csv.gz", (Changes, GzipCsv)),
            ("20201117-153046033.parquet", (Changes, Parquet)),
            ("20201117-153046033.CSV", (Changes, Csv)),
        ] {
            assert_eq!(recognise(name), Some(expected), "{name}");
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
    fn orders_sort_as_the_changes_happened_and_no_two_files_share_one() {
        let sorted = [
            order(FileKind::FullLoad, "LOAD00000009.csv", "part"),
            order(FileKind::FullLoad, "LOAD0000000A.csv", ""),
            order(FileKind::Changes, "20201117-153046033.csv", ""),
            order(FileKind::Changes, "20201117-153046033.csv", "2020/11/17"),
            order(FileKind::Changes, "20201117-153046033.csv.gz", ""),
            order(FileKind::Changes, "20201117-1530460331.csv", ""),
            order(FileKind::Changes, "20201117-153046034.csv", "2020/11/16"),
        ];
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "{sorted:?}");
    }
}
