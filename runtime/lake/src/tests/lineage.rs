use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use iceberg::spec::Struct;

use super::fixture::*;
use crate::files::{FileSettings, Inherited, ParquetScan, RewriteLayout, inherit};
use crate::{FormatVersion, LakeTable, deletes, io};

/// The `_row_id` and `_last_updated_sequence_number` of every live row, by its `id`.
pub async fn lineage(table: &LakeTable) -> BTreeMap<i64, (i64, i64)> {
    let schema = Arc::clone(table.stored.metadata.current_schema());
    let layout = RewriteLayout::new(schema, FileSettings::default(), (0, Struct::empty()), None, true).unwrap();
    let mut found = BTreeMap::new();
    for file in table.live_files() {
        let bytes = io::read(&table.context.seams.storage, &file.path).await.unwrap();
        let deleted = deletes::read_all(&table.context, file).await.unwrap();
        let inherited = Inherited { first_row_id: file.first_row_id.unwrap(), sequence: file.sequence };
        let scan = ParquetScan::new(file.bytes, layout.columns().to_vec(), 64).unwrap();
        scan.read_all(&bytes, |first, batch| {
            let batch = inherit(&batch, first, inherited)?;
            let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
            let (ids, rows, updates) = (column("id"), column("_row_id"), column("_last_updated_sequence_number"));
            for row in (0..batch.num_rows()).filter(|row| !deleted.contains(first as u32 + *row as u32)) {
                found.insert(ids.value(row), (rows.value(row), updates.value(row)));
            }
            Ok(())
        })
        .unwrap();
    }
    found
}

/// Rows keep what they had, and no two share an id.
pub fn check_lineage(before: &mut BTreeMap<i64, (i64, i64)>, now: BTreeMap<i64, (i64, i64)>) {
    for (id, lineage) in &now {
        if let Some(was) = before.get(id) {
            assert_eq!(was, lineage, "the row with id {id} was {was:?} and is {lineage:?}");
        }
    }
    let mut ids: Vec<i64> = now.values().map(|(row, _)| *row).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "two rows share an id");
    before.extend(now);
}

#[tokio::test]
async fn rows_inherit_their_ids_until_they_are_rewritten() {
    let fixture = Fixture::new(1);
    let mut table = fixture.table(FormatVersion::V3).await;
    append(&mut table, "w", 1, 0..3).await;
    append(&mut table, "w", 2, 3..5).await;
    let lineage = lineage(&table).await;
    assert_eq!(lineage.into_values().collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]);
}
