use sluice_change::{Column, TableSchema};
use sluice_pipeline::{LaneSettings, explain};
use sluice_source::Source;

use super::report::TableCheck;

/// What the source shows of a table, beside what is declared and what the lake holds (`stored`).
pub(super) async fn examine(
    lane: &LaneSettings,
    in_source: bool,
    source: &dyn Source,
    stored: &[Column],
    check: &mut TableCheck,
) -> Vec<Column> {
    if !in_source {
        check.warn("has no folder in the source yet; it is taken in once files arrive");
    }
    let described = match source.describe(&lane.table, lane.guess_types).await {
        Ok(described) => described.unwrap_or_default(),
        Err(error) => {
            check.fail(explain(&error));
            return Vec::new();
        }
    };
    let declared = &lane.declared.columns;
    let columns = [described.as_slice(), declared, stored].into_iter().find(|columns| !columns.is_empty());
    let Some(columns) = columns else {
        if in_source {
            check.fail(
                "its columns cannot be told: its files are CSV and neither `columns` nor the lake states their types; \
                 declare `columns`, or set `infer_types = true`",
            );
        }
        return Vec::new();
    };
    let known = columns.to_vec();
    check.columns = columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
    let missing: Vec<&str> = lane
        .declared
        .key
        .iter()
        .filter(|key| !columns.iter().any(|column| column.name == **key))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        check.fail(format!(
            "key column `{}` is not among its columns ({}); correct `key`",
            missing.join("`, `"),
            names.join(", ")
        ));
    }
    if !described.is_empty() {
        let unknown = declared.iter().filter(|own| !described.iter().any(|column| column.name == own.name));
        let unknown: Vec<&str> = unknown.map(|column| column.name.as_str()).collect();
        if !unknown.is_empty() {
            check.warn(format!("the newest data does not show the declared column `{}`", unknown.join("`, `")));
        }
        compare_types(&described, stored, check);
    }
    known
}

/// What the data states against what the lake holds.
fn compare_types(described: &[Column], stored: &[Column], check: &mut TableCheck) {
    let schema = TableSchema { columns: stored.to_vec(), key: Vec::new() };
    if stored.is_empty() {
        return;
    }
    match schema.change_for(described) {
        Err(conflict) => check.fail(format!("{conflict}")),
        Ok(change) => {
            let added: Vec<&str> = change.added.iter().map(|column| column.name.as_str()).collect();
            if !added.is_empty() {
                check.warn(format!("new columns will be added to its tables: {}", added.join(", ")));
            }
            for wider in &change.widened {
                check.warn(format!("its column `{}` will be widened to {}", wider.name, wider.column_type));
            }
        }
    }
}
