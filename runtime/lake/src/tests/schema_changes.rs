use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use sluice_change::{Column, ColumnType, Renamed, SchemaChange};

use super::fixture::*;
use crate::{FormatVersion, Outcome, Role, ScanFilter, SchemaUse, TableChange};

fn widened() -> SchemaChange {
    SchemaChange {
        added: vec![Column::new("note", ColumnType::String)],
        widened: vec![Column::new("amount", ColumnType::Long)],
        ..SchemaChange::default()
    }
}

fn wide_rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let narrow = rows(ids.clone());
    let amounts: Int64Array = ids.clone().map(|id| Some(id + (1 << 40))).collect();
    let notes: StringArray = ids.map(|id| Some(format!("note {id}"))).collect();
    RecordBatch::try_from_iter([
        ("id", narrow.column(0).clone()),
        ("region", narrow.column(1).clone()),
        ("amount", Arc::new(amounts) as _),
        ("note", Arc::new(notes) as _),
    ])
    .unwrap()
}

#[tokio::test]
async fn columns_are_added_and_widened_in_the_commit_that_needs_them() {
    for (version, partition) in [(FormatVersion::V3, vec!["amount"]), (FormatVersion::V2, vec![])] {
        let fixture = Fixture::new(5);
        let spec = spec(version, &partition);
        let mut table = fixture.lake.create(&ident(), &spec, Role::Silver).await.unwrap();
        let old = append(&mut table, "w", 1, 1..4).await[0];
        let encoder = table.encoder_after(&widened()).unwrap();
        assert_eq!(encoder.arrow_schema(), &table.arrow_schema_after(&widened()).unwrap());
        let files = table.store(encoder.encode(&[wide_rows(10..12)]).unwrap()).await.unwrap();
        let change = TableChange { schema: widened(), ..change("w", 2, files, &[(old, &[0])]) };
        landed(table.commit(change).await.unwrap());
        assert_eq!(table.columns().last().unwrap().name, "note");
        for table in [&table, &fixture.reopened().await] {
            let mut scan = table.scan(&["id", "amount", "note"], ScanFilter::All, 100).await.unwrap();
            let mut found = Vec::new();
            while let Some(batch) = scan.next().await.unwrap() {
                let (ids, amounts) = (batch.batch.column(0).as_primitive::<Int64Type>(), batch.batch.column(1));
                let amounts = amounts.as_primitive::<Int64Type>();
                let notes = batch.batch.column(2).as_string::<i32>();
                for row in (0..ids.len()).filter(|row| batch.live.as_ref().is_none_or(|live| live.value(*row))) {
                    found.push((ids.value(row), amounts.value(row), notes.is_valid(row)));
                }
            }
            found.sort_unstable();
            assert!(found.contains(&(10, (1 << 40) + 10, true)), "{found:?}");
            assert!(found.contains(&(3, 30, false)), "{found:?}");
        }
        // A second time nothing is left to do.
        let later = TableChange { schema: widened(), ..super::fixture::change("w", 3, vec![], &[]) };
        landed(table.commit(later).await.unwrap());
        assert_eq!(table.stored.metadata.schemas_iter().len(), 2);
    }
}

#[tokio::test]
async fn files_of_a_schema_that_another_program_overtook_are_not_committed() {
    let fixture = Fixture::new(6);
    let mut table = fixture.table(FormatVersion::V3).await;
    append(&mut table, "w", 1, 0..3).await;
    let encoder = table.encoder_after(&widened()).unwrap();
    let files = table.store(encoder.encode(&[wide_rows(10..12)]).unwrap()).await.unwrap();
    let mut other = fixture.reopened().await;
    let taken = SchemaChange { added: vec![Column::new("other", ColumnType::String)], ..SchemaChange::default() };
    super::commit_matrix::foreign_commit(&mut other, vec![], &[], taken).await;
    let change = TableChange { schema: widened(), ..change("w", 2, files, &[]) };
    assert_eq!(table.commit(change).await.unwrap(), Outcome::Moved);
    assert_eq!(ids(&table).await, [0, 1, 2]);
}

#[tokio::test]
async fn an_impossible_change_is_refused_in_words() {
    let fixture = Fixture::new(7);
    let table = fixture.table(FormatVersion::V3).await;
    let change = SchemaChange { widened: vec![Column::new("region", ColumnType::Long)], ..SchemaChange::default() };
    let error = table.encoder_after(&change).unwrap_err().to_string();
    assert!(error.contains("`region` is string and cannot become long"), "{error}");
}

fn renamed(from: &str, to: &str) -> SchemaChange {
    let renamed = vec![Renamed { from: from.to_owned(), to: to.to_owned() }];
    SchemaChange { renamed, ..SchemaChange::default() }
}

#[tokio::test]
async fn a_renamed_column_keeps_its_values_its_partitions_and_its_place_in_the_key() {
    for version in [FormatVersion::V3, FormatVersion::V2] {
        let fixture = Fixture::new(8);
        let spec = spec(version, &["region"]);
        let mut table = fixture.lake.create(&ident(), &spec, Role::Silver).await.unwrap();
        append(&mut table, "w", 1, 1..4).await;
        let rename = SchemaChange {
            renamed: [renamed("id", "order_id").renamed, renamed("region", "land").renamed].concat(),
            ..SchemaChange::default()
        };
        landed(table.commit(TableChange { schema: rename.clone(), ..change("w", 2, vec![], &[]) }).await.unwrap());
        // What has been done is not done again.
        landed(table.commit(TableChange { schema: rename, ..change("w", 3, vec![], &[]) }).await.unwrap());
        for table in [&table, &fixture.reopened().await] {
            let names: Vec<String> = table.columns().into_iter().map(|column| column.name).collect();
            assert_eq!(names, ["order_id", "land", "amount"]);
            assert!(table.columns()[0].required);
            let mut scan = table.scan(&["order_id", "land"], ScanFilter::All, 100).await.unwrap();
            let mut found = Vec::new();
            while let Some(batch) = scan.next().await.unwrap() {
                let lands = batch.batch.column(1).as_string::<i32>().clone();
                let ids = batch.batch.column(0).as_primitive::<Int64Type>();
                found.extend((0..ids.len()).map(|row| (ids.value(row), lands.value(row).to_owned())));
            }
            found.sort_unstable();
            assert_eq!(found, [(1, "r1".to_owned()), (2, "r2".to_owned()), (3, "r0".to_owned())]);
            assert_eq!(table.current_name("region"), Some("land"));
            assert_eq!(table.current_name("stranger"), None);
        }
        let encoder = table.encoder_after(&renamed("land", "order_id"));
        assert!(encoder.unwrap_err().to_string().contains("there is a column of that name"));
    }
}

#[tokio::test]
async fn the_history_of_a_schema_tells_every_version_and_since_when() {
    let fixture = Fixture::new(9);
    let mut table = fixture.table(FormatVersion::V3).await;
    append(&mut table, "w", 1, 0..3).await;
    landed(table.commit(TableChange { schema: widened(), ..change("w", 2, vec![], &[]) }).await.unwrap());
    let second = table.snapshot_id().unwrap();
    landed(table.commit(change("w", 3, vec![], &[])).await.unwrap());
    let schemas = table.schemas();
    assert_eq!(schemas.len(), 2);
    assert!(!schemas[0].current && schemas[1].current);
    let amounts: Vec<(i32, &str)> =
        schemas.iter().map(|schema| (schema.columns[2].id, schema.columns[2].column_type.as_str())).collect();
    assert_eq!(amounts, [(3, "int"), (3, "long")]);
    let since: Vec<i64> = schemas[1].since.iter().map(|SchemaUse { snapshot_id, .. }| *snapshot_id).collect();
    assert_eq!(since, [second]);
    assert_eq!(schemas[0].since.len(), 1);
    assert!(schemas[0].since[0].committed_us <= schemas[1].since[0].committed_us);
}

#[tokio::test]
async fn a_table_can_be_looked_at_without_its_files() {
    let fixture = Fixture::new(10);
    let mut table = fixture.table(FormatVersion::V3).await;
    append(&mut table, "w", 1, 0..3).await;
    let look = fixture.lake.open_metadata(&ident()).await.unwrap().unwrap();
    assert_eq!((look.rows(), look.live_files().count()), (3, 0));
    assert_eq!(ids(&look).await, [0, 1, 2]);
}
