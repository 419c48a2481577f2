use sluice_change::Position;
use sluice_platform::Storage;

use super::fixture::{Fixture, all, at, lines, orders};
use crate::{FileFate, Source, SourceFile};

fn fates(files: &[SourceFile]) -> Vec<(&str, FileFate)> {
    files.iter().map(|file| (file.name.trim_start_matches("public/orders/"), file.fate.clone())).collect()
}

#[tokio::test]
async fn each_file_has_the_fate_that_the_position_gives_it() {
    let source = Fixture::new(2);
    source.put("LOAD00000001.csv", lines(0..2)).await;
    source.put("20201117-100000001.csv", lines(2..4)).await;
    source.put("20201117-100000002.csv", lines(4..9)).await;
    source.put("a_note_of_mine.txt", "no changes").await;
    let batches = all(&mut source.open(Position::start()).await).await;
    let position = &batches.iter().find(|batch| batch.origin.order.ends_with("2.csv")).unwrap().position;
    source.put("20201117-100000000.csv", lines(20..21)).await;
    source.put("20201117-100000003.csv", lines(9..10)).await;
    source.storage.delete(&at("20201117-100000001.csv")).await.unwrap();
    let files = source.source.files(&orders(), position).await.unwrap();
    let foreign = files.last().unwrap();
    assert!(matches!(&foreign.fate, FileFate::Ignored { reason } if reason.contains("LOAD00000001.csv")));
    assert_eq!(foreign.name, "public/orders/a_note_of_mine.txt");
    assert_eq!(
        fates(&files[..files.len() - 1]),
        [
            ("LOAD00000001.csv", FileFate::Consumed { rows: Some(2) }),
            ("20201117-100000000.csv", FileFate::Late),
            ("20201117-100000001.csv", FileFate::Gone),
            ("20201117-100000002.csv", FileFate::Partial { rows: 2 }),
            ("20201117-100000003.csv", FileFate::Pending),
        ]
    );
    source.storage.delete(&at("20201117-100000002.csv")).await.unwrap();
    let files = source.source.files(&orders(), position).await.unwrap();
    assert_eq!(files[3].fate, FileFate::GoneInPart { rows: 2 });
    assert_eq!(files[3].name, "public/orders/20201117-100000002.csv");
}
