use std::sync::Arc;

use sluice_platform::LocalStorage;

use super::fixture::*;
use crate::{CatalogError, FormatVersion, Lake, LakeError, LakeSettings, Outcome, Role, SqliteCatalog};

fn open(folder: &std::path::Path, seed: u64) -> Lake {
    let catalog = SqliteCatalog::open(&folder.join("catalog.db"), "lake").unwrap();
    let warehouse = LocalStorage::location(&folder.join("warehouse"));
    lake(Arc::new(LocalStorage), Arc::new(catalog), &warehouse, seed, LakeSettings::default())
}

#[tokio::test]
async fn a_table_in_sqlite_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 1);
    assert!(first.open(&ident(), Role::Silver).await.unwrap().is_none());
    let mut table = first.create(&ident(), &spec(FormatVersion::V3, &["region"]), Role::Silver).await.unwrap();
    append(&mut table, "w", 1, 0..10).await;
    let deletes = deletes_of(&table, &[3, 4]).await;
    landed(table.commit(crate::TableChange { deletes, ..change("w", 2, vec![], &[]) }).await.unwrap());
    let second = open(folder.path(), 2);
    assert_eq!(second.list().await.unwrap(), [ident()]);
    let table = second.open(&ident(), Role::Silver).await.unwrap().unwrap();
    assert_eq!(ids(&table).await, [0, 1, 2, 5, 6, 7, 8, 9]);
    assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 2)));
    assert_eq!(table.partition(), ["region".parse().unwrap()]);
    assert!(table.live_files().all(|file| file.path.starts_with("file:///") && file.path.contains("/region=r")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_race_and_one_of_them_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = Vec::new();
    for seed in 1..=2 {
        let lake = open(folder.path(), seed);
        tables.push(lake.create(&ident(), &spec(FormatVersion::V3, &[]), Role::Silver).await.unwrap());
    }
    let runs = tables.into_iter().zip(["a", "b"]).map(|(mut table, writer)| {
        tokio::spawn(async move {
            let mut last = None;
            for sequence in 1..=20_u64 {
                let first = sequence as i64 * 10;
                let files = table.write(vec![rows(first..first + 10)]).await.unwrap();
                let mut next = change(writer, sequence, files, &[]);
                next.expected = last;
                last = Some(next.checkpoint.clone());
                match table.commit(next).await.unwrap() {
                    Outcome::Landed { .. } => {}
                    Outcome::Fenced { by, .. } => return (sequence - 1, Some(by)),
                    Outcome::Moved => panic!("nothing was removed"),
                }
            }
            (20, None)
        })
    });
    let mut ends = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        ends.push(run.await.unwrap());
    }
    ends.sort();
    assert_eq!(ends[0].0, 0, "the loser lands nothing: {ends:?}");
    assert!(ends[0].1.is_some());
    assert_eq!(ends[1], (20, None));
    let table = open(folder.path(), 3).open(&ident(), Role::Silver).await.unwrap().unwrap();
    assert_eq!(ids(&table).await, (10..210).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_locked_catalog_is_told_in_words_and_the_commit_lands_once_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path(), 1);
    let mut table = lake.create(&ident(), &spec(FormatVersion::V3, &[]), Role::Silver).await.unwrap();
    append(&mut table, "w", 1, 0..3).await;
    let blocker = rusqlite::Connection::open(folder.path().join("catalog.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let files = table.write(vec![rows(3..5)]).await.unwrap();
    let error = table.commit(change("w", 2, files.clone(), &[])).await.unwrap_err();
    let LakeError::Catalog { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(source, CatalogError::Busy { .. }), "{source}");
    assert!(error.is_transient());
    blocker.execute_batch("ROLLBACK").unwrap();
    landed(table.commit(change("w", 2, files, &[])).await.unwrap());
    assert_eq!(ids(&table).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, "this is no database, and long enough to be seen as such".repeat(40)).unwrap();
    let error = SqliteCatalog::open(&path, "lake").unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
}

#[test]
fn many_processes_can_open_a_new_catalog_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| SqliteCatalog::open(&path, "lake").unwrap());
        }
    });
}
