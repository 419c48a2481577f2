use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use iceberg::TableUpdate;
use iceberg::spec::{SnapshotReference, SnapshotRetention, TableMetadata};
use sluice_change::SchemaChange;
use sluice_platform::{ObjectMeta, Storage, StorageError};

use super::commit_matrix::{foreign_commit, send};
use super::fixture::*;
use crate::{
    ExpirySettings, FormatVersion, LakeTable, MemoryFault, OrphanSettings, Proposal, Removal, Role, StoredTable,
};

/// Everything but the newest snapshots goes, however young.
pub fn strict(snapshots: usize) -> ExpirySettings {
    ExpirySettings { min_snapshots: 1, max_snapshots: snapshots, safe_age: Duration::ZERO, ..ExpirySettings::default() }
}

pub const ANY_AGE: OrphanSettings = OrphanSettings { min_age: Duration::ZERO };

/// The table as it was at a snapshot, read from its files.
pub async fn at_snapshot(table: &LakeTable, snapshot_id: i64) -> LakeTable {
    let reference = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
    let update = TableUpdate::SetSnapshotRef { ref_name: "main".to_owned(), reference };
    let builder = TableMetadata::clone(&table.stored.metadata).into_builder(None);
    let metadata = update.apply(builder).unwrap().build().unwrap().metadata;
    let stored = StoredTable { location: table.stored.location.clone(), metadata: Arc::new(metadata) };
    LakeTable::open(table.context.clone(), stored).await.unwrap()
}

/// All objects of the table's folders are needed.
pub async fn assert_no_orphans(fixture: &Fixture, table: &mut LakeTable) {
    let left = table.preview_orphans(&ANY_AGE).await.unwrap();
    assert_eq!(left.files, [], "{} objects", fixture.objects("").await.len());
}

async fn objects(fixture: &Fixture) -> BTreeSet<String> {
    fixture.objects("").await.into_iter().collect()
}

/// A table of ten commits, in each of which rows of the one before are deleted.
async fn scene(seed: u64, version: FormatVersion) -> (Fixture, LakeTable) {
    let fixture = Fixture::new(seed);
    let mut table = fixture.table(version).await;
    let mut before = append(&mut table, "w", 1, 0..10).await[0];
    for sequence in 2..=10 {
        let first = sequence as i64 * 10 - 10;
        let files = table.write(vec![rows(first..first + 10)]).await.unwrap();
        let next = files[0].id;
        let gone: Vec<u32> = (0..if sequence == 5 { 10 } else { 3 }).collect();
        landed(table.commit(change("w", sequence, files, &[(before, &gone)])).await.unwrap());
        before = next;
    }
    (fixture, table)
}

#[tokio::test]
async fn young_snapshots_expire_once_there_are_too_many_and_leave_their_files() {
    let (fixture, mut table) = scene(91, FormatVersion::V3).await;
    let wanted = ids(&table).await;
    let before = objects(&fixture).await;
    let settings =
        |most| ExpirySettings { safe_age: Duration::from_secs(3600), max_age: Duration::ZERO, ..strict(most) };
    assert!(table.expire(&settings(3), &[]).await.unwrap().snapshots.is_empty(), "ten are within four times three");
    let removal = table.expire(&settings(2), &[]).await.unwrap();
    assert_eq!((removal.snapshots.len(), table.snapshot_count()), (2, 8));
    assert_eq!(removal.file_count, 0, "{:?}", removal.files);
    assert!(before.is_subset(&objects(&fixture).await));
    assert_eq!(ids(&fixture.reopened().await).await, wanted);
    // Nobody reads them any more: what only they needed is found.
    assert!(table.preview_orphans(&ANY_AGE).await.unwrap().file_count > 0);
}

#[tokio::test]
async fn expired_snapshots_take_only_their_own_files_with_them() {
    for version in [FormatVersion::V2, FormatVersion::V3] {
        let (fixture, mut table) = scene(1, version).await;
        let wanted = ids(&table).await;
        let kept: Vec<i64> =
            crate::table::ancestors(&table.stored.metadata, "main").take(4).map(|s| s.snapshot_id()).collect();
        let mut then = Vec::new();
        for id in &kept {
            then.push(ids(&at_snapshot(&table, *id).await).await);
        }
        let before = objects(&fixture).await;
        let preview = table.preview_expiry(&strict(4), &[]).await.unwrap();
        assert_eq!(objects(&fixture).await, before);
        let removal = table.expire(&strict(4), &[]).await.unwrap();
        assert_eq!(removal, preview);
        assert_eq!((removal.snapshots.len(), removal.failed), (6, 0));
        let after = objects(&fixture).await;
        let gone: BTreeSet<String> = removal.files.iter().map(|file| file.location.clone()).collect();
        assert_eq!(gone.len() as u64, removal.file_count);
        let metadata = |location: &&String| !location.ends_with(".metadata.json");
        assert!(before.difference(&after).filter(metadata).eq(gone.iter()));
        assert!(gone.iter().any(|location| location.contains("/data/")));
        assert_eq!(table.facts().snapshots, 4);
        for (id, then) in kept.iter().zip(then) {
            assert_eq!(ids(&at_snapshot(&table, *id).await).await, then);
        }
        assert_eq!(ids(&fixture.reopened().await).await, wanted);
        assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 10)));
        assert_no_orphans(&fixture, &mut table).await;
        assert_eq!(table.expire(&strict(4), &[]).await.unwrap(), Removal::default());
    }
}

#[tokio::test]
async fn branches_tags_and_snapshots_in_use_stay_readable() {
    let (fixture, mut table) = scene(2, FormatVersion::V3).await;
    let all: Vec<i64> = crate::table::ancestors(&table.stored.metadata, "main").map(|s| s.snapshot_id()).collect();
    let reference = |id, retention| SnapshotReference::new(id, retention);
    let tag = reference(all[8], SnapshotRetention::Tag { max_ref_age_ms: None });
    let branch = reference(all[6], SnapshotRetention::branch(Some(2), None, None));
    let updates = vec![
        TableUpdate::SetSnapshotRef { ref_name: "audit".to_owned(), reference: tag },
        TableUpdate::SetSnapshotRef { ref_name: "side".to_owned(), reference: branch },
    ];
    send(&mut table, Proposal { requirements: Vec::new(), updates }).await;
    let removal = table.expire(&strict(2), &[all[3]]).await.unwrap();
    assert_eq!(removal.snapshots, [all[9], all[5], all[4]]);
    for id in [0, 1, 2, 3, 6, 7, 8].map(|place: usize| all[place]) {
        assert!(!ids(&at_snapshot(&table, id).await).await.is_empty());
    }
    assert_no_orphans(&fixture, &mut table).await;
}

#[tokio::test]
async fn the_position_stays_when_only_an_old_snapshot_carries_it() {
    let (_fixture, mut table) = scene(3, FormatVersion::V3).await;
    for _ in 0..3 {
        foreign_commit(&mut table, vec![], &[], SchemaChange::default()).await;
    }
    let removals = vec!["sluice.checkpoint".to_owned()];
    let updates = vec![TableUpdate::RemoveProperties { removals }];
    send(&mut table, Proposal { requirements: Vec::new(), updates }).await;
    table.expire(&strict(1), &[]).await.unwrap();
    assert_eq!(table.facts().snapshots, 4);
    assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 10)));
}

#[tokio::test]
async fn the_position_is_the_property_where_no_snapshot_carries_it_any_more() {
    let (_fixture, mut table) = scene(4, FormatVersion::V3).await;
    foreign_commit(&mut table, vec![], &[], SchemaChange::default()).await;
    table.expire(&strict(1), &[]).await.unwrap();
    assert_eq!(table.facts().snapshots, 1);
    assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 10)));
    append(&mut table, "w", 11, 200..210).await;
}

#[tokio::test]
async fn young_snapshots_stay_unless_they_are_far_too_many() {
    let (_fixture, mut table) = scene(5, FormatVersion::V3).await;
    let settings = ExpirySettings { safe_age: Duration::from_secs(60), ..strict(3) };
    assert_eq!(table.expire(&settings, &[]).await.unwrap(), Removal::default());
    let by_age = ExpirySettings { max_age: Duration::ZERO, safe_age: Duration::ZERO, ..ExpirySettings::default() };
    assert_eq!(table.preview_expiry(&by_age, &[]).await.unwrap().snapshots.len(), 0, "ten stay in any case");
    let by_age = ExpirySettings { min_snapshots: 3, ..by_age };
    assert_eq!(table.preview_expiry(&by_age, &[]).await.unwrap().snapshots.len(), 7);
}

#[tokio::test]
async fn the_tables_own_properties_have_the_last_word() {
    let (_fixture, mut table) = scene(6, FormatVersion::V3).await;
    let set = |key: &str, value: &str| {
        let updates = vec![TableUpdate::SetProperties { updates: [(key.to_owned(), value.to_owned())].into() }];
        Proposal { requirements: Vec::new(), updates }
    };
    send(&mut table, set("history.expire.min-snapshots-to-keep", "7")).await;
    assert_eq!(table.preview_expiry(&strict(1), &[]).await.unwrap().snapshots.len(), 3);
    send(&mut table, set("history.expire.max-snapshot-age-ms", "1000000000000")).await;
    assert_eq!(table.preview_expiry(&strict(1), &[]).await.unwrap().snapshots.len(), 0);
    send(&mut table, set("history.expire.max-snapshot-age-ms", "0")).await;
    send(&mut table, set("gc.enabled", "false")).await;
    assert_eq!(table.expire(&strict(1), &[]).await.unwrap(), Removal::default());
    assert_eq!(table.remove_orphans(&ANY_AGE).await.unwrap(), Removal::default());
}

#[tokio::test]
async fn files_go_only_after_the_commit_has_landed_for_sure() {
    use MemoryFault::{Conflict, Fail, UnknownLanded, UnknownNotLanded};
    for (seed, fault) in [(7, Conflict), (8, UnknownLanded), (9, UnknownNotLanded)] {
        let (fixture, mut table) = scene(seed, FormatVersion::V3).await;
        fixture.catalog.inject([Some(fault)]);
        assert_eq!(table.expire(&strict(2), &[]).await.unwrap().snapshots.len(), 8, "{fault:?}");
        assert_eq!(fixture.reopened().await.facts().snapshots, 2);
        assert!(!table.foreign().changed);
        // A metadata file whose commit was lost without an answer.
        table.remove_orphans(&ANY_AGE).await.unwrap();
        assert_no_orphans(&fixture, &mut table).await;
    }
    let (fixture, mut table) = scene(10, FormatVersion::V3).await;
    let before = fixture.objects(".avro").await;
    fixture.catalog.inject([Some(Fail)]);
    assert!(table.expire(&strict(2), &[]).await.is_err());
    assert_eq!(fixture.objects(".avro").await, before);
}

#[tokio::test]
async fn a_stale_handle_expires_nothing_that_a_newer_commit_needs() {
    let (fixture, table) = scene(11, FormatVersion::V3).await;
    let mut stale = fixture.reopened().await;
    let mut table = table;
    let first = table.live_files().next().unwrap().id;
    landed(table.commit(change("w", 11, vec![], &[(first, &[9])])).await.unwrap());
    let removal = stale.expire(&strict(3), &[]).await.unwrap();
    assert_eq!(removal.snapshots.len(), 8);
    assert_eq!(stale.snapshot_id(), table.snapshot_id());
    assert_no_orphans(&fixture, &mut stale).await;
    assert_eq!(ids(&fixture.reopened().await).await, ids(&table).await);
}

#[tokio::test]
async fn orphans_go_and_what_is_needed_or_another_tables_stays() {
    let (fixture, mut table) = scene(12, FormatVersion::V3).await;
    let location = table.facts().location;
    let before = objects(&fixture).await;
    let orphans = ["data/a/b.parquet", "data/0.puffin", "metadata/x-m0.avro", "metadata/00099-x.metadata.json"];
    let kept = ["metadata/version-hint.text", "elsewhere/file", "database/x.parquet"];
    for name in orphans.iter().chain(&kept) {
        fixture.storage.write(&format!("{location}/{name}"), bytes::Bytes::from_static(b"12345")).await.unwrap();
    }
    let young = OrphanSettings { min_age: Duration::from_secs(1) };
    assert_eq!(table.remove_orphans(&young).await.unwrap(), Removal::default(), "memory tells the age of nothing");
    let preview = table.preview_orphans(&ANY_AGE).await.unwrap();
    let removal = table.remove_orphans(&ANY_AGE).await.unwrap();
    assert_eq!(removal, preview);
    assert_eq!((removal.file_count, removal.bytes), (4, 20));
    let mut wanted = before;
    wanted.extend(kept.iter().map(|name| format!("{location}/{name}")));
    assert_eq!(objects(&fixture).await, wanted);
    // A table whose namespace is this table's name may lie within its folders.
    fixture.storage.write(&format!("{location}/data/x"), bytes::Bytes::new()).await.unwrap();
    fixture
        .lake
        .create(&"silver.orders.data".parse().unwrap(), &spec(FormatVersion::V3, &[]), Role::Bronze)
        .await
        .unwrap();
    assert_eq!(table.remove_orphans(&ANY_AGE).await.unwrap(), Removal::default());
}

#[tokio::test]
async fn files_named_in_any_of_the_usual_ways_are_found_again() {
    use crate::upkeep::fingerprint;
    assert_eq!(fingerprint("file:/a/b"), fingerprint("file:///a/b"));
    assert_eq!(fingerprint("s3://b/k"), fingerprint("s3a://b/k"));
    assert_eq!(fingerprint("/a/b"), fingerprint("file:///a/b"));
    assert_ne!(fingerprint("s3://b/k"), fingerprint("s3://b/k2"));
}

/// Storage in which another program commits while a listing is under way.
#[derive(Debug)]
struct Interrupted {
    inner: Arc<sluice_platform::MemoryStorage>,
    listed: std::sync::Mutex<Option<tokio::sync::oneshot::Sender<()>>>,
    go_on: tokio::sync::Mutex<tokio::sync::oneshot::Receiver<()>>,
}

#[async_trait::async_trait]
impl Storage for Interrupted {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        let listed = self.inner.list_after(prefix, after).await;
        let first = self.listed.lock().unwrap().take();
        if let Some(first) = first {
            first.send(()).unwrap();
            (&mut *self.go_on.lock().await).await.unwrap();
        }
        listed
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.inner.list_folders(prefix).await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        self.inner.head(location).await
    }

    async fn read(&self, location: &str) -> Result<bytes::Bytes, StorageError> {
        self.inner.read(location).await
    }

    async fn read_range(&self, location: &str, range: std::ops::Range<u64>) -> Result<bytes::Bytes, StorageError> {
        self.inner.read_range(location, range).await
    }

    async fn write(&self, location: &str, bytes: bytes::Bytes) -> Result<(), StorageError> {
        self.inner.write(location, bytes).await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.inner.delete(location).await
    }
}

#[tokio::test]
async fn a_file_that_is_committed_while_orphans_are_looked_for_stays() {
    let (fixture, mut table) = scene(13, FormatVersion::V3).await;
    let files = table.write(vec![rows(200..210)]).await.unwrap();
    let (listed, reached) = tokio::sync::oneshot::channel();
    let (send, go_on) = tokio::sync::oneshot::channel();
    let storage = Interrupted {
        inner: fixture.storage.clone(),
        listed: std::sync::Mutex::new(Some(listed)),
        go_on: tokio::sync::Mutex::new(go_on),
    };
    let other = lake(Arc::new(storage), fixture.catalog.clone(), "file:///lake", 99, crate::LakeSettings::default());
    let mut searching = other.open(&ident(), Role::Reader).await.unwrap().unwrap();
    let search = tokio::spawn(async move { searching.remove_orphans(&ANY_AGE).await.unwrap() });
    reached.await.unwrap();
    landed(table.commit(change("w", 11, files, &[])).await.unwrap());
    send.send(()).unwrap();
    assert_eq!(search.await.unwrap().files, []);
    assert!(ids(&fixture.reopened().await).await.contains(&205));
}

#[tokio::test]
async fn files_in_folders_with_any_characters_are_known_to_be_needed() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = sluice_platform::LocalStorage::location(folder.path());
    let catalog = Arc::new(crate::MemoryCatalog::new());
    let storage = Arc::new(sluice_platform::LocalStorage);
    let lake = lake(storage.clone(), catalog, &warehouse, 1, crate::LakeSettings::default());
    let mut table = lake.create(&ident(), &spec(FormatVersion::V3, &["region"]), Role::Silver).await.unwrap();
    let regions = ["a b", "x/y", "50%", "é=ß", "", "a+b&c#d?e", "..", "%20"];
    let batch = arrow_array::RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(arrow_array::Int64Array::from_iter_values(0..8)) as _, false),
        ("region", Arc::new(arrow_array::StringArray::from(regions.to_vec())) as _, true),
        ("amount", Arc::new(arrow_array::Int32Array::from(vec![1; 8])) as _, true),
    ]);
    let files = table.write(vec![batch.unwrap()]).await.unwrap();
    assert_eq!(files.len(), 8);
    landed(table.commit(change("w", 1, files, &[])).await.unwrap());
    let location = table.facts().location;
    storage.write(&format!("{location}/data/region=50%25/orphan.parquet"), bytes::Bytes::new()).await.unwrap();
    let any = OrphanSettings { min_age: Duration::from_nanos(1) };
    // The clock of the test stands far before the files of the disk.
    assert_eq!(table.preview_orphans(&any).await.unwrap(), Removal::default());
    let lake = lake_of_now(storage, &table, &warehouse);
    let mut table = lake.open(&ident(), Role::Silver).await.unwrap().unwrap();
    assert_eq!(table.preview_orphans(&OrphanSettings::default()).await.unwrap(), Removal::default());
    let removed = table.remove_orphans(&any).await.unwrap();
    assert_eq!(
        removed.files.iter().map(|file| &file.location).collect::<Vec<_>>(),
        [&format!("{location}/data/region=50%25/orphan.parquet")]
    );
    assert_eq!(ids(&table).await, (0..8).collect::<Vec<_>>());
}

fn lake_of_now(storage: Arc<dyn Storage>, table: &LakeTable, warehouse: &str) -> crate::Lake {
    crate::Lake::new(
        storage,
        Arc::clone(&table.context.catalog),
        Arc::new(sluice_platform::SystemClock),
        Arc::new(sluice_platform::SeededEntropy::new(5)),
        sluice_platform::CpuPool::new(1).unwrap(),
        warehouse,
        crate::LakeSettings::default(),
    )
}
