use proptest::prelude::*;
use sluice_change::Position;

use super::fixture::{Fixture, Record, all, gzip, ids, lines, records};

/// A file: whether it is compressed, and whether each of its records is sound.
type File = (bool, Vec<bool>);

fn files() -> impl Strategy<Value = Vec<File>> {
    let records = prop::collection::vec(prop::bool::weighted(0.85), 0..9);
    prop::collection::vec((any::<bool>(), records), 1..6)
}

/// Stores the files and says which records they hold.
async fn store(source: &Fixture, files: &[File]) -> Vec<Record> {
    let mut expected = Vec::new();
    let mut id = 0;
    for (index, (compressed, sound)) in files.iter().enumerate() {
        let ending = if *compressed { ".gz" } else { "" };
        let name = match index {
            0 => format!("LOAD00000001.csv{ending}"),
            _ => format!("2020/20201117-{index:09}.csv{ending}"),
        };
        let mut text = String::new();
        for (record, sound) in sound.iter().enumerate() {
            id += 1;
            text += &if *sound { format!("U,{id},\"line\n{id}\"\n") } else { format!("U,{id}x,odd\n") };
            expected.push((format!("public/orders/{name}"), record as i64 + 1, sound.then_some(id)));
        }
        let content = if *compressed { gzip(&text) } else { text.into_bytes() };
        source.put(&name, content).await;
    }
    expected
}

async fn resumes_anywhere(files: &[File], batch_rows: usize) {
    let source = Fixture::new(batch_rows);
    let expected = store(&source, files).await;
    let batches = all(&mut source.open(Position::start()).await).await;
    let found: Vec<Vec<Record>> = batches.iter().map(records).collect();
    assert_eq!(found.concat(), expected);
    for (at, batch) in batches.iter().enumerate() {
        let rest = all(&mut source.open(batch.position.clone()).await).await;
        assert_eq!(rest.iter().flat_map(records).collect::<Vec<_>>(), found[at + 1..].concat());
        assert!(batch.position.covers(&batches[at.saturating_sub(1)].position));
        for (index, (_, number, _)) in found.iter().enumerate().flat_map(|(i, all)| all.iter().map(move |it| (i, it))) {
            let order = &batches[index].origin.order;
            assert_eq!(batch.position.remembers_row("public.orders", order, *number as u64), index <= at);
        }
    }
}

#[tokio::test]
async fn a_file_of_many_ranges_is_read_through_and_from_its_middle() {
    let source = Fixture::new(50_000);
    let last = 230_000;
    source.put("LOAD00000001.csv", lines(0..last)).await;
    let batches = all(&mut source.open(Position::start()).await).await;
    assert_eq!(batches.len(), 5, "the last one says that the file is whole");
    assert_eq!(ids(&batches), (0..last).collect::<Vec<i64>>());
    let rest = all(&mut source.open(batches[1].position.clone()).await).await;
    assert_eq!(ids(&rest), (100_000..last).collect::<Vec<i64>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reopening_at_any_batch_gives_exactly_the_rest(files in files(), batch_rows in 1_usize..6) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(resumes_anywhere(&files, batch_rows));
    }
}
