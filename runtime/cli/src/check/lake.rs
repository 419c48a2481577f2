use std::path::Path;

use bytes::Bytes;
use sluice_change::{Column, Position};
use sluice_lake::{Lake, LakeTable};
use sluice_pipeline::{LaneSettings, explain, source_columns};
use sluice_platform::{LocalStorage, Storage};

use super::report::{LakeTableCheck, TableCheck};
use crate::status::version_number;

/// The file that shows whether the warehouse can be written to; it is removed at once.
const PROBE: &str = ".sluice-check";

/// Why nothing can be written to the warehouse, if so. A folder that is not there yet is not made for it.
pub(super) async fn unwritable(storage: &dyn Storage, warehouse: &str) -> Option<String> {
    let folder = match warehouse.strip_prefix("file://") {
        Some(path) => {
            LocalStorage::location(Path::new(path).ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")))
        }
        None => warehouse.to_owned(),
    };
    let probe = format!("{}/{PROBE}", folder.trim_end_matches('/'));
    let written = storage.write(&probe, Bytes::new()).await;
    let removed = storage.delete(&probe).await;
    let error = written.err().or(removed.err())?;
    Some(format!("the warehouse cannot be written to (`lake.warehouse`): {}", explain(&error)))
}

/// What the lake holds of a table: notes go to `check`, the columns and Bronze's position come back. The columns are those
/// of Silver, unless a transform makes others of them.
pub(super) async fn examine(
    lake: &Lake,
    lane: &LaneSettings,
    check: &mut TableCheck,
) -> (Vec<Column>, Option<Position>) {
    let (mut stored, mut position) = (Vec::new(), None);
    for (layer, ident) in [("Bronze", &lane.bronze), ("Silver", &lane.silver), ("dead letters", &lane.rejects)] {
        match lake.open_metadata(ident).await {
            Ok(None) if layer == "Silver" && lane.declared.key.is_empty() => {}
            Ok(None) if layer == "dead letters" => {}
            Ok(None) => check.to_make.push(ident.to_string()),
            Ok(Some(table)) => {
                if layer == "Bronze" && !lane.transform.is_empty() {
                    let named = |c: Column| Column::new(name_now(lane, &c.name), c.column_type);
                    stored = source_columns(&table.columns()).into_iter().map(named).collect();
                }
                if layer == "Bronze" {
                    position = table.checkpoint().ok().flatten().map(|stored| stored.position);
                }
                if layer == "Silver" && !lane.transform.is_empty() {
                    let key = table.columns().into_iter().filter(|column| column.required);
                    check.silver_key = Some(key.map(|column| column.name).collect());
                } else if layer == "Silver" {
                    stored =
                        table.columns().iter().map(|c| Column::new(name_now(lane, &c.name), c.column_type)).collect();
                    compare_key(&table, lane, check);
                }
                compare(layer, &table, lane, check);
            }
            Err(error) => check.fail(explain(&error)),
        }
    }
    (stored, position)
}

/// A merged table knows its key; the configuration may be silent about it and may not differ.
fn compare_key(silver: &LakeTable, lane: &LaneSettings, check: &mut TableCheck) {
    let key = silver.columns().into_iter().filter(|column| column.required);
    let mut stored: Vec<String> = key.map(|column| name_now(lane, &column.name).to_owned()).collect();
    if check.key.is_empty() {
        check.key = stored;
        return;
    }
    let mut wanted = check.key.clone();
    stored.sort_unstable();
    wanted.sort_unstable();
    if stored != wanted {
        check.fail(format!(
            "its Silver is merged by ({}) and the configuration says `key = [{}]`: correct `key`, or remove \
             Silver, which is then made anew from Bronze",
            stored.join(", "),
            wanted.join(", ")
        ));
    }
}

/// The name that a column will have once the lane has renamed it.
fn name_now<'a>(lane: &'a LaneSettings, name: &'a str) -> &'a str {
    lane.renames.get(name).map_or(name, String::as_str)
}

fn compare(layer: &'static str, table: &LakeTable, lane: &LaneSettings, check: &mut TableCheck) {
    let position = match table.checkpoint() {
        Ok(checkpoint) => checkpoint.map(|checkpoint| checkpoint.position.to_string()),
        Err(error) => {
            check.fail(explain(&error));
            None
        }
    };
    let (there, wanted) = (table.format_version(), lane.format_version);
    if there != wanted {
        check.warn(format!(
            "its {layer} has Iceberg format v{} and the configuration says v{}: it stays as it is",
            version_number(there),
            version_number(wanted)
        ));
    }
    let partition = match layer {
        "Bronze" => Some(&lane.bronze_partition),
        "Silver" => Some(&lane.silver_partition),
        _ => None,
    };
    if partition.is_some_and(|wanted| *wanted != table.partition()) {
        check.warn(format!("its {layer} is partitioned otherwise than configured: it stays as it is"));
    }
    check.lake.push(LakeTableCheck { layer, name: table.ident().to_string(), rows: table.rows(), position });
}
