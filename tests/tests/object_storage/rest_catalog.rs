//! The lake over Iceberg's own REST server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int32Array, Int64Array, RecordBatch, StringArray};
use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, Column, ColumnType, Position, SchemaChange};
use sluice_lake::{
    FileId, FormatVersion, Lake, LakeColumn, LakeSettings, LakeTable, Outcome, RestCatalog, RestSettings, Role,
    ScanFilter, TableChange, TableIdent, TableSpec,
};
use sluice_platform::{Clock, CpuPool, Entropy, LocalStorage, SystemClock, SystemEntropy};
use sluice_tests::readers::{self, Catalog, Job};
use sluice_tests::services::iceberg_rest;

/// The server's address.
fn server() -> Option<String> {
    Some(iceberg_rest::shared_on_disk()?.uri())
}

fn lake(uri: &str, folder: &tempfile::TempDir) -> Lake {
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let catalog = RestCatalog::new(RestSettings::new(uri), clock.clone(), entropy.clone()).unwrap();
    let (cpu, warehouse) = (CpuPool::new(1).unwrap(), LocalStorage::location(folder.path()));
    Lake::new(Arc::new(LocalStorage), Arc::new(catalog), clock, entropy, cpu, &warehouse, LakeSettings::default())
}

/// A table in a namespace of two levels that no other run has.
fn ident(name: &str) -> TableIdent {
    format!("sluice_{}.silver.{name}", SystemEntropy.uuid().simple()).parse().unwrap()
}

fn spec(version: FormatVersion, partition: &[&str]) -> TableSpec {
    let column = |name: &str, column_type, required| LakeColumn {
        name: name.to_owned(),
        column_type,
        required,
        doc: Some(format!("the {name}")),
    };
    TableSpec {
        columns: vec![
            column("region", ColumnType::String, false),
            column("id", ColumnType::Long, true),
            column("amount", ColumnType::Int, false),
        ],
        identifier: vec!["id".to_owned()],
        partition: partition.iter().map(|field| field.parse().unwrap()).collect(),
        format_version: version,
        properties: BTreeMap::from([("owner".to_owned(), "finance".to_owned())]),
    }
}

fn rows(ids: Range<i64>) -> RecordBatch {
    let regions: StringArray = ids.clone().map(|id| Some(format!("r{}", id % 3))).collect();
    let amounts: Int32Array = ids.clone().map(|id| (id % 5 != 0).then_some(id as i32 * 10)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("region", Arc::new(regions) as _, true),
        ("id", Arc::new(Int64Array::from(ids.collect::<Vec<_>>())) as _, false),
        ("amount", Arc::new(amounts) as _, true),
    ])
    .unwrap()
}

fn checkpoint(writer: &str, sequence: u64) -> Checkpoint {
    let mut position = Position::start();
    position.advance_offset("t/0", sequence);
    Checkpoint {
        position,
        next_sequence: sequence,
        commit_id: format!("{writer}-{sequence}"),
        writer: writer.to_owned(),
        epoch: 1,
        ..Checkpoint::default()
    }
}

fn landed(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Landed { snapshot_id } => snapshot_id,
        other => panic!("{other:?}"),
    }
}

/// Commits as `sequence` of writer "w".
async fn commit(table: &mut LakeTable, sequence: u64, change: TableChange) -> i64 {
    let expected = (sequence > 1).then(|| checkpoint("w", sequence - 1));
    landed(table.commit(TableChange { checkpoint: checkpoint("w", sequence), expected, ..change }).await.unwrap())
}

async fn ids(table: &LakeTable) -> BTreeSet<i64> {
    let mut scan = table.scan(&["id"], ScanFilter::All, 64).await.unwrap();
    let mut found = BTreeSet::new();
    while let Some(batch) = scan.next().await.unwrap() {
        let ids = batch.batch.column(0).as_primitive::<Int64Type>();
        let live = |row: &usize| batch.live.as_ref().is_none_or(|live| live.value(*row));
        found.extend((0..ids.len()).filter(live).map(|row| ids.value(row)));
    }
    found
}

/// Fails unless PyIceberg finds these rows in each of the tables.
fn assert_read_by_pyiceberg(uri: &str, tables: &[TableIdent], wanted: &BTreeSet<i64>) {
    let Some(reader) = readers::pyiceberg() else { return };
    let parts = |ident: &TableIdent| {
        let ident = ident.to_string();
        ident.rsplit_once('.').map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).unwrap()
    };
    let catalog = Catalog::Rest { uri: uri.to_owned(), s3: None };
    for found in reader.read(&[Job { catalog, tables: tables.iter().map(parts).collect() }]) {
        let ids = found.select(&["id"]).into_iter().flatten().map(|id| id.unwrap().parse().unwrap());
        assert_eq!(&ids.collect::<BTreeSet<i64>>(), wanted);
    }
}

async fn whole_life(version: FormatVersion) {
    let Some(uri) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (first, ident) = (lake(&uri, &folder), ident("orders"));
    assert!(first.open(&ident, Role::Silver).await.unwrap().is_none());
    let mut table = first.create(&ident, &spec(version, &[]), Role::Silver).await.unwrap();
    assert_eq!(table.format_version(), version);
    assert_eq!(table.columns(), spec(version, &[]).columns);
    assert_eq!(table.property("owner"), Some("finance"));
    assert_eq!(table.property("write.metadata.delete-after-commit.enabled"), Some("true"));
    assert!(table.facts().location.starts_with("file:"));
    let files = table.write(vec![rows(0..10)]).await.unwrap();
    let file = files[0].id;
    commit(&mut table, 1, TableChange { files, ..TableChange::default() }).await;
    // Deletes of old rows, new rows, a new column and a wider one, at once.
    let schema = SchemaChange {
        added: vec![Column::new("note", ColumnType::String)],
        widened: vec![Column::new("amount", ColumnType::Long)],
        ..SchemaChange::default()
    };
    let deletes: HashMap<FileId, RoaringBitmap> = [(file, [3_u32, 4].into_iter().collect())].into();
    let files = table.write(vec![rows(10..20)]).await.unwrap();
    commit(&mut table, 2, TableChange { files, deletes, schema, ..TableChange::default() }).await;
    let deletes: HashMap<FileId, RoaringBitmap> = [(file, [5_u32].into_iter().collect())].into();
    let last = commit(&mut table, 3, TableChange { deletes, ..TableChange::default() }).await;
    // The same change, sent again after it landed, lands once.
    let again =
        TableChange { checkpoint: checkpoint("w", 3), expected: Some(checkpoint("w", 2)), ..TableChange::default() };
    let mut other = lake(&uri, &folder).open(&ident, Role::Silver).await.unwrap().unwrap();
    assert_eq!(landed(other.commit(again).await.unwrap()), last);
    let wanted: BTreeSet<i64> = (0..20).filter(|id| ![3, 4, 5].contains(id)).collect();
    assert_eq!(ids(&table).await, wanted);
    assert_eq!(ids(&other).await, wanted);
    assert_eq!(other.checkpoint().unwrap(), Some(checkpoint("w", 3)));
    assert_eq!(other.columns()[2].column_type, ColumnType::Long);
    assert_eq!(other.columns()[3].name, "note");
    assert_eq!(other.facts().snapshots, 3);
    assert_eq!(table.refresh().await.unwrap(), sluice_lake::Refreshed::default());
    assert!(lake(&uri, &folder).list().await.unwrap().contains(&ident));
    assert_read_by_pyiceberg(&uri, &[ident], &wanted);
}

#[tokio::test]
async fn a_table_of_version_2_lives_in_a_rest_catalog() {
    whole_life(FormatVersion::V2).await;
}

#[tokio::test]
async fn a_table_of_version_3_lives_in_a_rest_catalog() {
    whole_life(FormatVersion::V3).await;
}

#[tokio::test]
async fn a_partitioned_table_is_made_as_it_was_asked_for() {
    let Some(uri) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut tables = Vec::new();
    for version in [FormatVersion::V2, FormatVersion::V3] {
        let (lake, ident) = (lake(&uri, &folder), ident("parts"));
        let wanted = spec(version, &["region", "bucket(4, id)"]);
        let mut table = lake.create(&ident, &wanted, Role::Silver).await.unwrap();
        assert_eq!(table.partition(), wanted.partition);
        let files = table.write(vec![rows(0..30)]).await.unwrap();
        commit(&mut table, 1, TableChange { files, ..TableChange::default() }).await;
        assert_eq!(ids(&table).await, (0..30).collect());
        // Made again, the table that is there is opened.
        let again = lake.create(&ident, &wanted, Role::Silver).await.unwrap();
        assert_eq!(again.snapshot_id(), table.snapshot_id());
        tables.push(ident);
    }
    assert_read_by_pyiceberg(&uri, &tables, &(0..30).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_writers_one_wins_each_round() {
    let Some(uri) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ident = ident("race");
    let mut tables = Vec::new();
    for _ in 0..4 {
        let lake = lake(&uri, &folder);
        tables.push(lake.create(&ident, &spec(FormatVersion::V3, &[]), Role::Silver).await.unwrap());
    }
    let mut before: Option<Checkpoint> = None;
    for round in 1..=8_u64 {
        let first = round as i64 * 10;
        let runs = tables.into_iter().enumerate().map(|(writer, mut table)| {
            let mut next = TableChange {
                checkpoint: checkpoint(&format!("w{writer}"), round),
                expected: before.clone(),
                ..TableChange::default()
            };
            tokio::spawn(async move {
                next.files = table.write(vec![rows(first..first + 10)]).await.unwrap();
                let checkpoint = next.checkpoint.clone();
                let won = match table.commit(next).await.unwrap() {
                    Outcome::Landed { .. } => Some(checkpoint),
                    Outcome::Fenced { .. } => None,
                    Outcome::Moved => panic!("nothing was removed"),
                };
                table.refresh().await.unwrap();
                (table, won)
            })
        });
        let (mut back, mut winners) = (Vec::new(), Vec::new());
        for run in runs.collect::<Vec<_>>() {
            let (table, won) = run.await.unwrap();
            back.push(table);
            winners.extend(won);
        }
        assert_eq!(winners.len(), 1, "round {round}");
        before = winners.pop();
        for table in &mut back {
            table.refresh().await.unwrap();
            assert_eq!(ids(table).await, (10..first + 10).collect());
        }
        tables = back;
    }
    assert_read_by_pyiceberg(&uri, &[ident], &(10..90).collect());
}
