use bytes::Bytes;
use sluice_change::{Op, Position};
use sluice_platform::Storage;

use super::fixture::{Fixture, ROOT, all, at, drain, ids, lines};
use crate::dms::{OnReload, OnRewritten, OnVanished};
use crate::{FileFate, Source, SourceError};

fn ops(batches: &[sluice_change::ChangeBatch]) -> Vec<Op> {
    batches.iter().flat_map(|batch| batch.ops.clone()).collect()
}

#[tokio::test]
async fn a_full_load_written_anew_empties_the_table_once_and_is_read_again() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    source.put("20201117-100000001.csv", lines(2..3)).await;
    let mut reader = source.open(Position::start()).await;
    let first = all(&mut reader).await;
    source.put("20201117-100000002.csv", lines(3..4)).await;
    source.put("LOAD00000001.csv", lines(10..13)).await;
    source.put("20201117-100000003.csv", lines(13..14)).await;
    let second = all(&mut reader).await;
    assert_eq!(ops(&second)[..2], [Op::Insert, Op::Truncate], "a change from before the load comes before it");
    let orders: Vec<&str> = first.iter().chain(&second).map(|batch| batch.origin.order.as_str()).collect();
    assert_eq!(
        orders,
        [
            "0/LOAD00000001.csv",
            "1/20201117-100000001.csv",
            "1/20201117-100000002.csv",
            "2/",
            "2/LOAD00000001.csv",
            "3/20201117-100000003.csv",
        ]
    );
    // From any place on, the rest is the same.
    for (at, batch) in second.iter().enumerate() {
        let rest = all(&mut source.open(batch.position.clone()).await).await;
        assert_eq!(ops(&rest), ops(&second[at + 1..]), "{at}");
    }
    let again = all(&mut source.open(first[1].position.clone()).await).await;
    assert_eq!(ops(&again), ops(&second));
}

#[tokio::test]
async fn new_names_beside_an_unchanged_load_are_late_files_of_the_same_load() {
    let source = Fixture::new(10);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    source.put("20201117-100000001.csv", lines(2..3)).await;
    let mut reader = source.open(Position::start()).await;
    all(&mut reader).await;
    source.put("LOAD00000002.csv", lines(5..6)).await;
    source.put("SEGMENT2_LOAD00000001.csv", lines(6..7)).await;
    let batches = all(&mut reader).await;
    assert_eq!((ids(&batches), batches[0].position.generation()), (vec![5, 6], 0));
}

#[tokio::test]
async fn a_reload_can_be_refused_or_ignored() {
    for policy in [OnReload::Refuse, OnReload::Ignore] {
        let mut source = Fixture::new(10);
        source.source.settings.on_reload = policy;
        source.put("LOAD00000001.csv", lines(0..2)).await;
        let mut reader = source.open(Position::start()).await;
        all(&mut reader).await;
        source.put("LOAD00000001.csv", lines(5..9)).await;
        let (batches, error) = drain(&mut reader).await;
        assert!(batches.is_empty());
        match policy {
            OnReload::Refuse => {
                let error = error.unwrap();
                assert!(matches!(error, SourceError::Reloaded { .. }) && error.is_permanent());
            }
            _ => assert!(error.is_none()),
        }
    }
}

#[tokio::test]
async fn a_rewritten_file_is_read_again_only_if_that_is_wanted() {
    for policy in [OnRewritten::Report, OnRewritten::ReadAgain] {
        let mut source = Fixture::new(10);
        source.source.settings.on_rewritten = policy;
        source.put("20201117-100000001.csv", lines(0..1)).await;
        source.put("20201117-100000002.csv", lines(1..2)).await;
        let mut reader = source.open(Position::start()).await;
        let position = all(&mut reader).await[1].position.clone();
        source.put("20201117-100000001.csv", lines(7..9)).await;
        let files = source.source.files(&super::fixture::orders(), &position).await.unwrap();
        let batches = all(&mut reader).await;
        if policy == OnRewritten::Report {
            assert!(batches.is_empty());
            assert_eq!(files[0].fate, FileFate::Rewritten);
            continue;
        }
        assert_eq!(files[1].fate, FileFate::Consumed { rows: Some(1) });
        assert_eq!(ids(&batches), [7, 8]);
        let rest = all(&mut source.open(batches[0].position.clone()).await).await;
        assert!(rest.is_empty(), "once");
    }
}

#[tokio::test]
async fn a_file_replaced_when_it_was_read_in_part_is_not_read_on() {
    let source = Fixture::new(2);
    source.put("20201117-100000001.csv", lines(0..6)).await;
    let position = source.open(Position::start()).await.next().await.unwrap().unwrap().position;
    source.put("20201117-100000001.csv", lines(1..7)).await;
    let (batches, error) = drain(&mut source.open(position).await).await;
    assert!(batches.is_empty());
    assert!(matches!(error, Some(SourceError::Replaced { record: 2, .. })), "{error:?}");
}

#[tokio::test]
async fn files_that_vanish_all_at_once_empty_the_table_where_that_is_wanted() {
    for (policy, emptied) in [(OnVanished::Truncate, true), (OnVanished::Ignore, false)] {
        let mut source = Fixture::new(10);
        source.source.settings.on_vanished = policy;
        source.storage.write(&format!("{ROOT}/public/other/x"), Bytes::from_static(b"1")).await.unwrap();
        source.put("LOAD00000001.csv", lines(0..2)).await;
        source.put("20201117-100000001.csv", lines(2..3)).await;
        let mut reader = source.open(Position::start()).await;
        all(&mut reader).await;
        source.storage.delete(&at("LOAD00000001.csv")).await.unwrap();
        assert!(all(&mut reader).await.is_empty(), "one of them still stands");
        source.storage.delete(&at("20201117-100000001.csv")).await.unwrap();
        let batches = all(&mut reader).await;
        assert_eq!(batches.len(), usize::from(emptied));
        source.put("20201117-100000005.csv", lines(5..6)).await;
        let more = all(&mut reader).await;
        assert_eq!(ids(&more), [5]);
        assert!(all(&mut source.open(more[0].position.clone()).await).await.is_empty(), "once");
    }
}
