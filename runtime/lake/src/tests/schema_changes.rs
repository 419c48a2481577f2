use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use sluice_change::{Column, ColumnType, SchemaChange};

use super::fixture::*;
use crate::{FormatVersion, Outcome, Role, ScanFilter, TableChange};

fn widened() -> SchemaChange {
    SchemaChange {
        added: vec![Column::new("note", ColumnType::String)],
        widened: vec![Column::new("amount", ColumnType::Long)],
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
    let taken = SchemaChange { added: vec![Column::new("other", ColumnType::String)], widened: vec![] };
    super::commit_matrix::foreign_commit(&mut other, vec![], &[], taken).await;
    let change = TableChange { schema: widened(), ..change("w", 2, files, &[]) };
    assert_eq!(table.commit(change).await.unwrap(), Outcome::Moved);
    assert_eq!(ids(&table).await, [0, 1, 2]);
}

#[tokio::test]
async fn an_impossible_change_is_refused_in_words() {
    let fixture = Fixture::new(7);
    let table = fixture.table(FormatVersion::V3).await;
    let change = SchemaChange { added: vec![], widened: vec![Column::new("region", ColumnType::Long)] };
    let error = table.encoder_after(&change).unwrap_err().to_string();
    assert!(error.contains("`region` is string and cannot become long"), "{error}");
}
