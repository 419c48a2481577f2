use std::error::Error;
use std::sync::Arc;

use sluice_change::Position;
use sluice_platform::{CpuPool, LocalStorage, Storage, StorageErrorKind};

use super::fixture::{Event, Fixture, ROOT, all, at, drain, ids, lines, orders, schema, settings};
use crate::dms::DmsSource;
use crate::{Source, SourceError};

#[tokio::test]
async fn an_unreadable_folder_fails_its_table_alone() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    let other = "public.items".parse().unwrap();
    source.storage.write(&format!("{ROOT}/public/items/LOAD00000001.csv"), lines(5..6).into()).await.unwrap();
    source.storage.expect(
        "list",
        &format!("{ROOT}/public/orders"),
        vec![Event::Fail(StorageErrorKind::PermissionDenied)],
    );
    assert_eq!(source.source.tables().await.unwrap().len(), 2);
    let mut reader = source.open(Position::start()).await;
    let error = reader.next().await.unwrap_err();
    assert!(error.to_string().contains("public.orders"), "{error}");
    assert!(error.source().unwrap().to_string().contains("grant"));
    let mut items = source.source.open(&other, &schema(), Position::start()).await.unwrap();
    assert_eq!(ids(&all(&mut items).await), [5]);
    assert_eq!(ids(&all(&mut reader).await), [0, 1], "once it can be read it is");
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_fails_its_table_alone() {
    let folder = tempfile::tempdir().unwrap();
    let location = LocalStorage::location(folder.path());
    LocalStorage.write(&format!("{location}/public/orders"), lines(0..1).into()).await.unwrap();
    let source = DmsSource::new(Arc::new(LocalStorage), CpuPool::new(1).unwrap(), settings(&location, 3));
    let mut reader = source.open(&orders(), &schema(), Position::start()).await.unwrap();
    assert!(matches!(reader.next().await.unwrap_err(), SourceError::Folder { .. }));
}

#[tokio::test]
async fn a_missing_source_is_an_error_and_a_missing_table_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let location = LocalStorage::location(folder.path());
    let source = DmsSource::new(Arc::new(LocalStorage), CpuPool::new(1).unwrap(), settings(&location, 3));
    let mut reader = source.open(&orders(), &schema(), Position::start()).await.unwrap();
    assert!(reader.next().await.unwrap().is_none());
    assert_eq!(source.describe(&orders(), true).await.unwrap(), None);
    drop(folder);
    assert!(matches!(reader.next().await.unwrap_err(), SourceError::Root { .. }));
    assert!(matches!(source.tables().await.unwrap_err(), SourceError::Root { .. }));
}

#[tokio::test]
async fn a_schema_that_cannot_be_listed_does_not_hide_the_others() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    source.storage.write(&format!("{ROOT}/secret/t/x"), "1".into()).await.unwrap();
    source.storage.expect("folders", &format!("{ROOT}/secret"), vec![Event::Fail(StorageErrorKind::PermissionDenied)]);
    assert_eq!(source.source.tables().await.unwrap(), [orders()]);
}

#[tokio::test]
async fn a_read_that_fails_is_tried_again_from_the_same_record() {
    let source = Fixture::new(2);
    let name = at("LOAD00000001.csv");
    source.put("LOAD00000001.csv", lines(0..5)).await;
    source.storage.expect("read", &name, vec![Event::Fail(StorageErrorKind::Transient)]);
    let mut reader = source.open(Position::start()).await;
    let error = reader.next().await.unwrap_err();
    assert!(matches!(error, SourceError::Read { record: 0, .. }) && error.is_outage(), "{error:?}");
    let mut batches = vec![reader.next().await.unwrap().unwrap()];
    source.storage.expect("head", &name, vec![Event::Fail(StorageErrorKind::Transient)]);
    let (more, error) = drain(&mut reader).await;
    assert!(error.is_some());
    batches.extend(more);
    batches.extend(all(&mut reader).await);
    assert_eq!(ids(&batches), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_is_named_with_its_lengths() {
    let source = Fixture::new(2);
    source.put("LOAD00000001.csv", lines(0..5)).await;
    let shorter = lines(0..3);
    source.storage.expect("read", &at("LOAD00000001.csv"), vec![Event::Become(shorter.clone().into())]);
    let mut reader = source.open(Position::start()).await;
    match reader.next().await.unwrap_err() {
        SourceError::Shrunk { expected, found, record: 0, .. } => {
            assert_eq!((expected, found), (lines(0..5).len() as u64, shorter.len() as u64));
        }
        other => panic!("{other:?}"),
    }
    source.put("LOAD00000001.csv", lines(0..5)).await;
    assert_eq!(ids(&all(&mut reader).await), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let source = Fixture::new(2);
    source.put("LOAD00000001.csv", lines(0..50)).await;
    let mut reader = source.open(Position::start()).await;
    let mut batches = Vec::new();
    for patience in 0.. {
        // Polls the future a growing number of times, then drops it.
        let mut polls = patience % 7;
        let mut next = Box::pin(reader.next());
        let outcome = std::future::poll_fn(|context| match next.as_mut().poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
            std::task::Poll::Pending if polls == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => {
                polls -= 1;
                std::task::Poll::Pending
            }
        })
        .await;
        match outcome {
            Some(Ok(Some(batch))) => batches.push(batch),
            Some(Ok(None)) => break,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    assert_eq!(ids(&batches), (0..50).collect::<Vec<i64>>());
}
