//! What was found, as a configuration file with the evidence in comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sluice_decode::OpColumn;

use super::{Found, FoundTable};
use crate::words;

/// How CSV files say whether records begin with the operation.
pub(super) fn op_column(found: &FoundTable) -> OpColumn {
    if found.op_in_changes == Some(false) { OpColumn::Absent } else { OpColumn::Auto }
}

/// The settings of a table's files that may stand in `[source]` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Files {
    timestamp_column: Option<String>,
    before_image_prefix: Option<String>,
    /// Lines of the `csv` section, by key.
    csv: BTreeMap<&'static str, String>,
}

impl Files {
    fn of(found: &FoundTable) -> Self {
        let mut csv = BTreeMap::new();
        if let Some(delimiter) = found.delimiter.filter(|delimiter| *delimiter != ',') {
            csv.insert("delimiter", quoted(&delimiter.to_string()));
        }
        if let Some(null) = &found.null {
            let texts: Vec<String> = null.iter().map(|text| quoted(text)).collect();
            csv.insert("null", format!("[{}]", texts.join(", ")));
        }
        if let Some(header) = found.header {
            csv.insert("header", header.to_string());
        }
        if op_column(found) == OpColumn::Absent {
            csv.insert("op", "false".to_owned());
        }
        Self {
            timestamp_column: found.timestamp_column.clone(),
            before_image_prefix: found.before_image_prefix.clone(),
            csv,
        }
    }
}

/// The text of the configuration.
pub(super) fn write(found: &Found, location: &str) -> String {
    let common = most_common(&found.tables);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = document(&mut text, found, location, &common);
    text
}

fn document(text: &mut String, found: &Found, location: &str, common: &Files) -> std::fmt::Result {
    writeln!(text, "# Made by `sluice discover` from {}.", comment(&found.location))?;
    writeln!(text, "# Read every line that says `review`, then run `sluice check`.\n")?;
    writeln!(text, "[source]\nlocation = {}", quoted(location))?;
    if let Some(name) = &common.timestamp_column {
        writeln!(text, "timestamp_column = {}", quoted(name))?;
    }
    if let Some(prefix) = &common.before_image_prefix {
        writeln!(text, "before_image_prefix = {}", quoted(prefix))?;
    }
    for (key, value) in &common.csv {
        writeln!(text, "csv.{key} = {value}")?;
    }
    if let Some(first) = found.mixed_files.first() {
        writeln!(
            text,
            "\n# review: {} with the changes of many tables, such as {}:\n\
             # each of these tables needs its `key` and its `columns` below",
            words::things(found.mixed_files.len(), "file"),
            comment(first)
        )?;
        for folder in mixed_folders(&found.mixed_files) {
            writeln!(text, "[[source.mixed]]\npath = {}", quoted(folder))?;
        }
    }
    if let Some(endpoint) = &found.s3_endpoint {
        writeln!(text, "\n[s3]\nendpoint = {}", quoted(endpoint))?;
    }
    writeln!(text, "\n[lake]\nwarehouse = \"lake\"                # review: where the Iceberg tables are to live")?;
    for table in &found.tables {
        write_table(text, table, common)?;
    }
    if found.tables.is_empty() {
        writeln!(text, "\n[tables]")?;
    }
    Ok(())
}

/// The folders of files that hold many tables, without the folders of dates below them.
fn mixed_folders(files: &[String]) -> BTreeSet<&str> {
    let is_date = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    let folder = |file: &'_ String| -> Option<usize> {
        let mut end = file.rfind('/')?;
        while let Some(slash) = file[..end].rfind('/').filter(|slash| is_date(&file[slash + 1..end])) {
            end = slash;
        }
        Some(end)
    };
    files.iter().filter_map(|file| folder(file).map(|end| &file[..end])).collect()
}

fn write_table(text: &mut String, found: &FoundTable, common: &Files) -> std::fmt::Result {
    writeln!(
        text,
        "\n# {}: {} of the full load, {} of changes, {} ({})",
        comment(&found.table),
        words::things(found.load_files, "file"),
        words::things(found.change_files, "file"),
        words::bytes(found.bytes),
        if found.formats.is_empty() { "nothing yet".to_owned() } else { found.formats.join(", ") }
    )?;
    for line in &found.evidence {
        writeln!(text, "#   {}", comment(line))?;
    }
    if let Some(error) = &found.error {
        writeln!(text, "# review: it could not be looked at: {}", comment(error))?;
    }
    for line in &found.review {
        writeln!(text, "# review: {}", comment(line))?;
    }
    writeln!(text, "[tables.{}]", quoted(&found.table))?;
    if found.key.is_empty() {
        writeln!(
            text,
            "# key = []                       # review: no key was found; without one it goes to Bronze only"
        )?;
    } else {
        let names: Vec<String> = found.key.iter().map(|name| quoted(name)).collect();
        let evidence = match found.key_evidence.is_empty() {
            true => "a guess, see above".to_owned(),
            false => found.key_evidence.join("; "),
        };
        writeln!(text, "key = [{}]  # review: {}", names.join(", "), comment(&evidence))?;
    }
    if !found.types_stated && !found.columns.is_empty() {
        writeln!(text, "columns = [")?;
        for column in &found.columns {
            writeln!(text, "    {},", quoted(column))?;
        }
        writeln!(text, "]")?;
    } else if !found.columns.is_empty() {
        writeln!(text, "# columns, as the files state them: {}", comment(&found.columns.join(", ")))?;
    }
    write_differences(text, &Files::of(found), common, found)
}

/// What a table has other than `[source]` says.
fn write_differences(text: &mut String, own: &Files, common: &Files, found: &FoundTable) -> std::fmt::Result {
    let is_csv = found.delimiter.is_some();
    if found.formats.is_empty() || found.error.is_some() {
        return Ok(());
    }
    if own.timestamp_column != common.timestamp_column {
        writeln!(text, "timestamp_column = {}", quoted(own.timestamp_column.as_deref().unwrap_or_default()))?;
    }
    if own.before_image_prefix != common.before_image_prefix {
        writeln!(text, "before_image_prefix = {}", quoted(own.before_image_prefix.as_deref().unwrap_or_default()))?;
    }
    let defaults = [("delimiter", "\",\""), ("header", "\"auto\""), ("null", "[\"NULL\", \"\"]"), ("op", "\"auto\"")];
    for (key, default) in defaults.into_iter().filter(|_| is_csv) {
        if own.csv.get(key) != common.csv.get(key) {
            writeln!(text, "csv.{key} = {}", own.csv.get(key).map_or(default, String::as_str))?;
        }
    }
    Ok(())
}

/// The settings that most tables share, setting by setting, the tables with CSV files deciding on those of CSV.
fn most_common(tables: &[FoundTable]) -> Files {
    let looked_at: Vec<(Files, bool)> = tables
        .iter()
        .filter(|table| table.error.is_none() && !table.formats.is_empty())
        .map(|table| (Files::of(table), table.delimiter.is_some()))
        .collect();
    let csv = || looked_at.iter().filter(|(_, csv)| *csv).map(|(files, _)| files);
    let all = || looked_at.iter().map(|(files, _)| files);
    let mut common = Files {
        timestamp_column: most(all().map(|files| files.timestamp_column.clone())),
        before_image_prefix: most(all().map(|files| files.before_image_prefix.clone())),
        csv: BTreeMap::new(),
    };
    for key in ["delimiter", "header", "null", "op"] {
        if let Some(value) = most(csv().map(|files| files.csv.get(key).cloned())) {
            common.csv.insert(key, value);
        }
    }
    common
}

fn most(values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).and_then(|(value, _)| value)
}

/// A text as a basic string of TOML, whose escapes JSON's are; `$` is doubled before a brace, so that it stands for itself.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string().replace('\u{7f}', "\\u007f")
}

/// A text that stays within its comment.
fn comment(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn table(name: &str, delimiter: char, key: &[&str]) -> FoundTable {
        FoundTable {
            table: name.into(),
            load_files: 1,
            formats: vec!["csv"],
            delimiter: Some(delimiter),
            header: Some(true),
            timestamp_column: Some("commit_ts".into()),
            null: (delimiter == ';').then(|| vec![String::new(), "\\N".into()]),
            columns: vec!["id long".into(), "a \"b\"${x} string".into()],
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            key_evidence: vec!["unique\nin 5 rows".into()],
            ..FoundTable::default()
        }
    }

    #[test]
    fn what_is_written_is_a_configuration_that_says_the_same() {
        let tables = vec![
            table("public.orders", ',', &["id"]),
            table("public.items", ';', &[]),
            table("public.\"odd\".name", ',', &["id"]),
            FoundTable { table: "public.broken".into(), error: Some("no".into()), ..FoundTable::default() },
        ];
        let found = Found {
            location: "file:///dms".into(),
            s3_endpoint: None,
            tables,
            mixed_files: vec!["x/2026/03/CDC_TXN-1.csv".into(), "x/CDC_TXN-2.csv".into()],
        };
        let text = write(&found, "/dms");
        let config = Config::parse(Path::new("s.toml"), Path::new("/"), text.clone(), &|_| None)
            .unwrap_or_else(|error| panic!("{}\n{text}", sluice_pipeline::explain(&error)));
        let lanes = config.lanes(&[]).unwrap();
        assert_eq!(lanes.len(), 4);
        assert_eq!(text.matches("[[source.mixed]]\npath = \"x\"").count(), 1, "{text}");
        let orders = lanes.iter().find(|lane| lane.table.to_string() == "public.orders").unwrap();
        assert_eq!(orders.declared.key, ["id"]);
        assert_eq!(orders.declared.columns[1].name, "a \"b\"${x}");
        let items = config.files_of(Some(&"public.items".parse().unwrap()));
        assert_eq!(items.csv.delimiter.unwrap().0, b';');
        assert_eq!(items.csv.null.unwrap(), ["", "\\N"]);
        assert_eq!(items.timestamp_column.as_deref(), Some("commit_ts"));
        assert!(text.contains("key = [\"id\"]  # review: unique in 5 rows"), "{text}");
    }
}
