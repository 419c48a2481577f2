//! What a sample of a table's records tells: rejects to expect, whether the key is one, and whether it changes.

use std::collections::BTreeMap;

use sluice_change::{Column, Position, TableSchema};
use sluice_pipeline::{LaneSettings, explain};
use sluice_source::discover::KeyFacts;
use sluice_source::{FileFate, Source};

use super::report::TableCheck;
use crate::sampling::{SAMPLE_ROWS, Sample};
use crate::words;

/// Files that are looked at from either end.
const EACH: usize = 1;

/// Looks at the files that are there and at a sample of them.
pub(super) async fn examine(
    lane: &LaneSettings,
    source: &dyn Source,
    columns: Vec<Column>,
    position: Option<Position>,
    sees_key_changes: bool,
    check: &mut TableCheck,
) {
    let files = match source.files(&lane.table, &position.unwrap_or_else(Position::start)).await {
        Ok(files) => files,
        // Why the folder cannot be listed has been said.
        Err(_) => return,
    };
    let pending =
        files.iter().filter(|file| matches!(file.fate, FileFate::Pending | FileFate::Late | FileFate::Partial { .. }));
    let (count, bytes) = pending.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.bytes.unwrap_or(0)));
    (check.pending_files, check.pending_bytes) = (Some(count), Some(bytes));
    note_odd(&files, check);
    if columns.is_empty() || !check.errors.is_empty() {
        return;
    }
    let schema = TableSchema { columns, key: check.key.clone() };
    match Sample::take(source, &lane.table, &schema, &files, EACH).await {
        Ok(sample) => {
            let loads = files.iter().filter(|file| file.name.contains("LOAD")).count();
            judge(&sample, sees_key_changes, loads <= 2 * EACH, check);
        }
        Err(error) => check.warn(explain(&error)),
    }
}

fn note_odd(files: &[sluice_source::SourceFile], check: &mut TableCheck) {
    let ignored: Vec<&str> = files
        .iter()
        .filter(|file| matches!(file.fate, FileFate::Ignored { .. }))
        .map(|file| file.name.as_str())
        .collect();
    if let Some(first) = ignored.first() {
        let (files, table) = (words::things(ignored.len(), "file"), &check.table);
        check.warn(format!("{files} not read, for example {first}: `sluice files {table} --fate ignored` says why"));
    }
    let late = files.iter().filter(|file| file.fate == FileFate::Late).count();
    if late > 0 {
        check.warn(format!("{} sort before what was taken in already, and come next", words::things(late, "file")));
    }
}

fn judge(sample: &Sample, sees_key_changes: bool, all_loads: bool, check: &mut TableCheck) {
    check.sampled_records = sample.records();
    let mut reasons: BTreeMap<Option<&str>, (u64, &str)> = BTreeMap::new();
    for reject in sample.batches.iter().flat_map(|batch| &batch.rejects) {
        check.sampled_rejects += 1;
        reasons.entry(reject.column.as_deref()).or_insert((0, &reject.reason)).0 += 1;
    }
    for (column, (count, example)) in reasons {
        let column = column.map(|column| format!("column `{column}`: ")).unwrap_or_default();
        check.warn(format!(
            "{} of {} sampled records would become dead letters: {column}{example}",
            words::count(count),
            words::count(check.sampled_records)
        ));
    }
    if check.key.is_empty() {
        return;
    }
    let facts = KeyFacts::of(&check.key, &sample.batches);
    if let Some(example) = &facts.duplicate {
        check.warn(format!(
            "its `key` is not unique in {} sampled rows of the full load (for example {example}): rows of one key become \
             one row of Silver; correct `key`",
            words::count(facts.load_rows)
        ));
    }
    let whole_load = all_loads && facts.load_rows > 0 && facts.load_rows < SAMPLE_ROWS as u64;
    if facts.unknown_updates > 0 && !sees_key_changes && whole_load {
        check.warn(format!(
            "{} of {} sampled updates are of keys that an earlier sampled record does not have, though the sample holds \
             the whole full load: keys may have been changed",
            words::count(facts.unknown_updates),
            words::count(facts.updates)
        ));
    }
    if sees_key_changes && facts.updates > 0 && !facts.has_before {
        check.warn(
            "a before image is configured and no sampled change has one: check the rule `add-before-image-columns` and \
             `before_image_prefix`",
        );
    }
}
