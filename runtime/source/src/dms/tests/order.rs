use std::sync::Arc;

use bytes::Bytes;
use sluice_change::{FileProgress, Position};
use sluice_platform::{CpuPool, LocalStorage, Storage};

use super::fixture::{Fixture, ROOT, all, gzip, ids, lines, orders, schema, settings};
use crate::dms::DmsSource;
use crate::{Backlog, Source};

#[tokio::test]
async fn the_full_load_comes_before_changes_and_changes_by_name_across_folders() {
    let source = Fixture::new(100);
    source.put("2020/11/18/20201117-100000002.csv", lines(6..7)).await;
    source.put("2020/11/17/20201117-100000003.csv", lines(7..8)).await;
    source.put("20201117-100000001.csv.gz", gzip(&lines(5..6))).await;
    source.put("LOAD0000000A.csv", lines(3..5)).await;
    source.put("LOAD00000009.csv", lines(1..3)).await;
    let mut reader = source.open(Position::start()).await;
    let batches = all(&mut reader).await;
    assert_eq!(ids(&batches), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(batches.len(), 5, "each file's only batch says that the file is whole");
    assert_eq!(batches[3].origin.name, "public/orders/2020/11/18/20201117-100000002.csv");
    assert_eq!(batches[3].origin.partition, "public.orders");
    for batch in &batches {
        assert_eq!(batch.position.file("public.orders", &batch.origin.order, 0), FileProgress::Whole);
    }
    assert_eq!(reader.backlog(), Backlog::default());
}

#[tokio::test]
async fn positions_grow_and_the_last_batch_of_a_file_marks_it_whole() {
    let source = Fixture::new(2);
    source.put("LOAD00000001.csv", lines(0..5)).await;
    source.put("20201117-100000001.csv", lines(5..9)).await;
    let batches = all(&mut source.open(Position::start()).await).await;
    assert_eq!(ids(&batches), (0..9).collect::<Vec<i64>>());
    let progress: Vec<FileProgress> =
        batches.iter().map(|batch| batch.position.file("public.orders", &batch.origin.order, 0)).collect();
    use FileProgress::{Rows, Whole};
    assert_eq!(progress[..3], [Rows(2), Rows(4), Whole]);
    assert_eq!(progress.last(), Some(&Whole));
    assert!(batches.windows(2).all(|pair| pair[1].position.covers(&pair[0].position)));
}

#[tokio::test]
async fn an_empty_file_gives_an_empty_batch_that_marks_it_whole() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", "").await;
    source.put("20201117-100000001.csv.gz", gzip("")).await;
    let mut reader = source.open(Position::start()).await;
    let batches = all(&mut reader).await;
    assert_eq!(batches.len(), 2);
    for batch in &batches {
        assert!(batch.is_empty());
        assert_eq!(batch.rows.num_columns(), 2);
        assert_eq!(batch.position.file("public.orders", &batch.origin.order, 0), FileProgress::Whole);
    }
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn the_backlog_is_what_has_not_been_read() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..3)).await;
    source.put("20201117-100000001.csv", lines(3..5)).await;
    let mut reader = source.open(Position::start()).await;
    reader.next().await.unwrap();
    assert_eq!(reader.backlog(), Backlog { files: 1, bytes: lines(3..5).len() as u64 });
    all(&mut reader).await;
    assert_eq!(reader.backlog(), Backlog::default());
}

#[tokio::test]
async fn tables_are_listed_without_those_of_dms_itself() {
    let source = Fixture::new(10);
    for name in ["b/t/LOAD00000001.csv", "a/u/LOAD00000001.csv", "a/t/x", "a/awsdms_status/x", "A/AWSDMS_x/x", ".x/t/x"]
    {
        source.storage.write(&format!("{ROOT}/{name}"), Bytes::from_static(b"1")).await.unwrap();
    }
    let tables: Vec<String> = source.source.tables().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["a.t", "a.u", "b.t"]);
}

#[tokio::test]
async fn tables_on_a_local_disk_are_read_independently() {
    let folder = tempfile::tempdir().unwrap();
    let location = LocalStorage::location(folder.path());
    let source = DmsSource::new(Arc::new(LocalStorage), CpuPool::new(1).unwrap(), settings(&format!("{location}/"), 3));
    for (name, ids) in [("orders", 0..7), ("items", 100..104)] {
        let file = format!("{location}/public/{name}/LOAD00000001.csv");
        LocalStorage.write(&file, lines(ids).into()).await.unwrap();
    }
    let tables = source.tables().await.unwrap();
    assert_eq!(tables.iter().map(ToString::to_string).collect::<Vec<_>>(), ["public.items", "public.orders"]);
    let mut orders_reader = source.open(&orders(), &schema(), Position::start()).await.unwrap();
    let mut items = source.open(&tables[0], &schema(), Position::start()).await.unwrap();
    let first = orders_reader.next().await.unwrap().unwrap();
    assert_eq!(ids(&all(&mut items).await), [100, 101, 102, 103]);
    assert_eq!(first.origin.name, "public/orders/LOAD00000001.csv");
    assert_eq!(ids(&[first]), [0, 1, 2]);
    assert_eq!(ids(&all(&mut orders_reader).await), [3, 4, 5, 6]);
}
