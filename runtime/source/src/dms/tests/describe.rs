use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use sluice_change::{Column, ColumnType, Position};
use sluice_decode::{CsvSettings, HeaderMode};
use sluice_platform::CpuPool;

use super::fixture::{Fixture, ROOT, all, lines, orders, schema, settings};
use crate::dms::{DmsSettings, DmsSource, DmsTableSettings};
use crate::{Source, SourceError};

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[tokio::test]
async fn parquet_files_tell_the_columns_and_newer_ones_add_theirs() {
    let source = Fixture::new(10);
    let load = parquet(vec![("id", Arc::new(Int32Array::from(vec![1, 2]))), ("note", text(&["a", "b"]))]);
    let changes = parquet(vec![
        ("Op", text(&["I"])),
        ("id", Arc::new(Int64Array::from(vec![3]))),
        ("note", text(&["c"])),
        ("email", text(&["d"])),
    ]);
    source.put("LOAD00000001.parquet", load).await;
    source.put("20201117-100000001.parquet", changes).await;
    source.put("20201117-100000002.parquet", "damaged").await;
    let columns = source.source.describe(&orders(), false).await.unwrap().unwrap();
    let expected = [("id", ColumnType::Long), ("note", ColumnType::String), ("email", ColumnType::String)];
    assert_eq!(columns, expected.map(|(name, column_type)| Column::new(name, column_type)));
}

#[tokio::test]
async fn a_header_tells_the_columns_and_declared_types_win() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", "Op,id,note\nI,1,2\n").await;
    source.put("20201117-100000001.csv", "Op,id,note,email\nI,1,2,x@y\n").await;
    let csv = CsvSettings { header: HeaderMode::Present, ..settings(ROOT, 10).csv };
    let mut with_header = DmsSettings { csv: csv.clone(), ..settings(ROOT, 10) };
    let guessed = DmsSource::new(Arc::clone(&source.storage) as _, CpuPool::new(1).unwrap(), with_header.clone());
    let columns = guessed.describe(&orders(), true).await.unwrap().unwrap();
    assert_eq!(columns.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["id", "note", "email"]);
    assert_eq!(columns[0].column_type, ColumnType::Long);

    with_header.tables.insert(orders(), DmsTableSettings { csv, declared: schema(), ..DmsTableSettings::default() });
    let declared = DmsSource::new(Arc::clone(&source.storage) as _, CpuPool::new(1).unwrap(), with_header);
    let columns = declared.describe(&orders(), true).await.unwrap().unwrap();
    assert_eq!(columns[1], Column::new("note", ColumnType::String));
    assert_eq!(columns.len(), 3);
}

#[tokio::test]
async fn files_without_header_tell_nothing_unless_columns_are_declared() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..3)).await;
    let error = source.source.describe(&orders(), false).await.unwrap_err();
    assert!(matches!(error, SourceError::NoColumnNames { .. }));
    let error = source.source.describe(&orders(), true).await.unwrap_err();
    assert!(matches!(error, SourceError::NoColumnNames { .. }), "{error:?}");
    assert!(error.to_string().contains("AddColumnName"), "{error}");

    let mut declared = settings(ROOT, 10);
    let table = DmsTableSettings { csv: declared.csv.clone(), declared: schema(), ..DmsTableSettings::default() };
    declared.tables.insert(orders(), table);
    let source = DmsSource::new(Arc::clone(&source.storage) as _, CpuPool::new(1).unwrap(), declared);
    assert_eq!(source.describe(&orders(), false).await.unwrap(), Some(schema().columns));
}

#[tokio::test]
async fn columns_that_one_file_brings_keep_their_type_in_the_next() {
    let source = Fixture::new(10);
    let one = parquet(vec![("Op", text(&["I"])), ("id", Arc::new(Int64Array::from(vec![1]))), ("score", text(&["7"]))]);
    let two = parquet(vec![("Op", text(&["U"])), ("id", Arc::new(Int64Array::from(vec![1]))), ("score", text(&["8"]))]);
    source.put("20201117-100000001.parquet", one).await;
    source.put("20201117-100000002.parquet", two).await;
    let batches = all(&mut source.open(Position::start()).await).await;
    assert_eq!(batches.len(), 2);
    let types: Vec<_> = batches.iter().map(|it| it.rows.column_by_name("score").unwrap().data_type().clone()).collect();
    assert_eq!(types[0], types[1]);
}
