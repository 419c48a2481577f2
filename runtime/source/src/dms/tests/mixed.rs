use std::sync::Arc;

use bytes::Bytes;
use sluice_change::{Op, Position, TableName};
use sluice_decode::{CsvSettings, HeaderMode, MixedSettings, OpColumn};
use sluice_platform::{CpuPool, Storage};

use super::fixture::{Eventful, Fixture, ROOT, all, gzip, ids, lines, orders, records, schema, settings};
use crate::Source;
use crate::dms::{DmsSource, MixedFolder};

fn fixture(cache_bytes: usize, batch_rows: usize) -> Fixture {
    let storage = Arc::new(Eventful::default());
    let mut settings = settings(ROOT, batch_rows);
    let csv = CsvSettings { header: HeaderMode::Absent, op_column: OpColumn::Present, ..CsvSettings::default() };
    settings.mixed = vec![MixedFolder { path: "cdc".into(), csv: MixedSettings { csv, ..MixedSettings::default() } }];
    settings.mixed_cache_bytes = cache_bytes;
    let source = DmsSource::new(Arc::clone(&storage) as _, CpuPool::new(1).unwrap(), settings);
    Fixture { storage, source }
}

fn items() -> TableName {
    TableName::new("public", "items").unwrap()
}

fn mixed(ids: std::ops::Range<i64>) -> String {
    ids.map(|id| format!("U,{},public,{id},\"n\n{id}\"\n", if id % 3 == 0 { "orders" } else { "items" })).collect()
}

async fn put(source: &Fixture, name: &str, bytes: impl Into<Bytes>) {
    source.storage.write(&format!("{ROOT}/cdc/{name}"), bytes.into()).await.unwrap();
}

#[tokio::test]
async fn each_table_gets_its_own_records_of_mixed_files_after_its_full_load() {
    for cache_bytes in [0, 1 << 20] {
        let source = fixture(cache_bytes, 3);
        source.put("LOAD00000001.csv", lines(1000..1002)).await;
        put(&source, "CDC_TXN-20201117153046033.csv", mixed(0..30)).await;
        put(&source, "CDC_TXN-20201117153046034.csv.gz", gzip(&mixed(30..60))).await;
        let batches = all(&mut source.open(Position::start()).await).await;
        let expected: Vec<i64> = (1000..1002).chain((0..60).filter(|id| id % 3 == 0)).collect();
        assert_eq!(ids(&batches), expected);
        assert_eq!(batches.last().unwrap().origin.partition, "cdc/");
        assert_eq!(batches.last().unwrap().ops[0], Op::Update);
        let numbers: Vec<i64> = batches.iter().skip(1).flat_map(records).map(|record| record.1).collect();
        assert_eq!(numbers[..3], [1, 4, 7], "numbers are those of the whole file");
        let mut other = source.source.open(&items(), &schema(), Position::start()).await.unwrap();
        assert_eq!(ids(&all(&mut other).await).len(), 40);
        for (at, batch) in batches.iter().enumerate() {
            let rest = all(&mut source.open(batch.position.clone()).await).await;
            assert_eq!(ids(&rest), ids(&batches[at + 1..]), "{at}");
        }
    }
}

#[tokio::test]
async fn a_load_that_arrives_after_mixed_changes_is_late() {
    let source = fixture(1 << 20, 100);
    put(&source, "CDC_TXN-20201117153046033.csv", mixed(0..3)).await;
    let mut reader = source.open(Position::start()).await;
    let position = all(&mut reader).await[0].position.clone();
    source.put("LOAD00000001.csv", lines(7..8)).await;
    let batches = all(&mut reader).await;
    assert_eq!(ids(&batches), [7]);
    assert!(position.is_passed(&batches[0].origin.order));
    assert_eq!(source.source.tables().await.unwrap(), [orders()], "the mixed folder is no table");
}
