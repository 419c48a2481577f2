use sluice_change::Column;
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
) {
    if !in_source {
        check.warn("has no folder in the source yet; it is taken in once files arrive");
    }
    let described = match source.describe(&lane.table, lane.guess_types).await {
        Ok(described) => described.unwrap_or_default(),
        Err(error) => {
            check.fail(explain(&error));
            return;
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
        return;
    };
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
    }
}
