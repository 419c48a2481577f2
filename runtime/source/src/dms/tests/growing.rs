use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sluice_change::{FileProgress, Position};
use sluice_platform::{CpuPool, LocalStorage, Storage};

use super::fixture::{Event, Fixture, all, at, drain, gzip, ids, lines, orders, schema, settings};
use crate::dms::{DmsSettings, DmsSource};
use crate::{Source, SourceError};

#[tokio::test]
async fn new_files_are_found_when_asked_again() {
    let source = Fixture::new(10);
    let mut reader = source.open(Position::start()).await;
    assert!(reader.next().await.unwrap().is_none());
    source.put("20201117-100000001.csv", lines(0..2)).await;
    assert_eq!(ids(&all(&mut reader).await), [0, 1]);
    assert!(reader.next().await.unwrap().is_none());
    source.put("20201117-100000002.csv", lines(2..3)).await;
    assert_eq!(ids(&all(&mut reader).await), [2]);
}

#[tokio::test]
async fn late_files_are_taken_in_before_newer_ones_and_counted() {
    let source = Fixture::new(10);
    source.put("20201117-100000005.csv", lines(0..1)).await;
    let mut reader = source.open(Position::start()).await;
    let mut batches = all(&mut reader).await;
    source.put("20201117-100000009.csv", lines(3..4)).await;
    source.put("20201117-100000003.csv", lines(1..2)).await;
    source.put("20201117-100000002.csv", lines(2..3)).await;
    batches.extend(all(&mut reader).await);
    assert_eq!(ids(&batches), [0, 1, 2, 3]);
    let last = batches.pop().unwrap().position;
    assert!(source.open(last).await.next().await.unwrap().is_none(), "nothing is read twice");
}

#[tokio::test]
async fn the_folder_is_looked_at_again_once_a_file_has_changed_since_it_was_listed() {
    let source = Fixture::new(10);
    source.put("20201117-100000002.csv", lines(0..1)).await;
    source.put("20201117-100000003.csv", lines(2..3)).await;
    source.storage.expect("head", &at("20201117-100000002.csv"), vec![Event::Become(lines(0..1).into())]);
    let mut reader = source.open(Position::start()).await;
    let mut batches = vec![reader.next().await.unwrap().unwrap()];
    source.put("20201117-100000001.csv", lines(1..2)).await;
    batches.extend(all(&mut reader).await);
    assert_eq!(ids(&batches), [0, 1, 2], "the late file comes before the newer one that was listed with the first");
}

#[tokio::test]
async fn a_file_that_is_removed_before_it_is_opened_is_passed_over() {
    let source = Fixture::new(10);
    source.put("20201117-100000001.csv", lines(0..1)).await;
    source.put("20201117-100000002.csv", lines(1..2)).await;
    source.put("20201117-100000003.csv", lines(2..3)).await;
    source.storage.expect("head", &at("20201117-100000002.csv"), vec![Event::Vanish]);
    assert_eq!(ids(&all(&mut source.open(Position::start()).await).await), [0, 2]);
}

#[tokio::test]
async fn a_file_that_is_removed_when_it_was_read_is_whole() {
    let source = Fixture::new(10);
    let name = "20201117-100000001.csv";
    source.put(name, lines(0..3)).await;
    source.storage.expect("head", &at(name), vec![Event::Become(lines(0..3).into()), Event::Vanish]);
    let batches = all(&mut source.open(Position::start()).await).await;
    assert_eq!(ids(&batches), [0, 1, 2]);
    assert_eq!(batches[0].position.file("public.orders", &batches[0].origin.order, 0), FileProgress::Whole);
}

#[tokio::test]
async fn a_file_that_grew_since_it_was_listed_is_read_to_its_end() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    source.storage.expect("head", &at("LOAD00000001.csv"), vec![Event::Become(lines(0..5).into())]);
    assert_eq!(ids(&all(&mut source.open(Position::start()).await).await), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn half_a_last_record_is_not_taken_for_a_record_while_the_file_grows() {
    let source = Fixture::new(2);
    let whole = lines(0..6);
    let cut = |bytes: usize| Event::Become(Bytes::copy_from_slice(&whole.as_bytes()[..bytes]));
    source.put("LOAD00000001.csv", whole.clone()).await;
    // The first look opens the file and the following ones find it longer at its supposed end.
    source.storage.expect("head", &at("LOAD00000001.csv"), vec![cut(32), cut(40), cut(45), cut(50), cut(whole.len())]);
    let batches = all(&mut source.open(Position::start()).await).await;
    assert_eq!(ids(&batches), [0, 1, 2, 3, 4, 5]);
    assert!(batches.iter().all(|batch| batch.rejects.is_empty()));
    let notes: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            let notes = batch.rows.column_by_name("note").unwrap();
            let notes: &arrow_array::StringArray = arrow_array::cast::AsArray::as_string(notes);
            notes.iter().map(|note| note.unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(notes[5], "note 5");
}

#[tokio::test]
async fn a_gzip_file_cut_short_gives_what_it_holds_and_goes_on_once_it_is_whole() {
    let source = Fixture::new(7);
    let name = "20201117-100000001.csv.gz";
    let whole = gzip(&lines(0..2_000));
    source.put(name, whole[..whole.len() / 2].to_vec()).await;
    source.put("20201117-100000002.csv", lines(2_000..2_001)).await;
    let mut reader = source.open(Position::start()).await;
    let (mut batches, error) = drain(&mut reader).await;
    let error = error.unwrap();
    assert!(matches!(error, SourceError::Decode { .. }) && !error.is_permanent(), "{error:?}");
    assert_eq!(error.file(), Some("public/orders/20201117-100000001.csv.gz"));
    assert!(!batches.is_empty());
    let (none, again) = drain(&mut reader).await;
    assert!(none.is_empty() && again.is_some(), "it stands where it stood");

    source.put(name, whole).await;
    batches.extend(all(&mut reader).await);
    assert_eq!(ids(&batches), (0..2_001).collect::<Vec<i64>>());
    let numbers: Vec<i64> =
        batches[..batches.len() - 1].iter().flat_map(|it| it.row_numbers.values().to_vec()).collect();
    assert_eq!(numbers, (1..=2_000).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_file_on_disk_counts_as_whole_only_once_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let location = LocalStorage::location(folder.path());
    let settings = DmsSettings { settle: Duration::from_millis(300), ..settings(&location, 100) };
    let source = DmsSource::new(Arc::new(LocalStorage), CpuPool::new(1).unwrap(), settings);
    let file = format!("{location}/public/orders/LOAD00000001.csv");
    let whole = lines(0..9);
    LocalStorage.write(&file, Bytes::copy_from_slice(&whole.as_bytes()[..33])).await.unwrap();
    let mut reader = source.open(&orders(), &schema(), Position::start()).await.unwrap();
    let reading = tokio::spawn(async move { all(&mut reader).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    LocalStorage.write(&file, whole.into()).await.unwrap();
    let batches = reading.await.unwrap();
    assert_eq!(ids(&batches), (0..9).collect::<Vec<i64>>());
    assert!(batches.iter().all(|batch| batch.rejects.is_empty()));
}
