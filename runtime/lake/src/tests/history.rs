use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;
use sluice_platform::{Entropy, SeededEntropy};

use super::fixture::*;
use super::manifests::check_manifests;
use crate::{FileId, FormatVersion, LakeSettings, LakeTable, Role, TableChange};

/// Random appends, deletes, truncations and position-only commits against a map, over many snapshots.
async fn random_history(seed: u64, version: FormatVersion, partition: &[&str], commits: u64) {
    let settings = LakeSettings {
        small_data_manifests: 5,
        small_delete_manifests: 2,
        delete_cache_bytes: 600,
        vectors_per_file: 1 + (seed % 2) as usize * 3,
        ..LakeSettings::default()
    };
    let fixture = Fixture::with(seed, settings);
    let mut table = fixture.lake.create(&ident(), &spec(version, partition), Role::Silver).await.unwrap();
    let dice = SeededEntropy::new(seed ^ 0xd1ce);
    let mut model: BTreeMap<i64, (FileId, u32)> = BTreeMap::new();
    let mut row_ids: HashMap<String, i64> = HashMap::new();
    let mut next_id = 0_i64;
    for sequence in 1..=commits {
        let added = match dice.next_u64() % 4 {
            0 => 0,
            _ => (dice.next_u64() % 40) as i64,
        };
        let replace_all = dice.next_u64().is_multiple_of(25);
        let mut deletes: HashMap<FileId, RoaringBitmap> = HashMap::new();
        if replace_all {
            model.clear();
        } else {
            let share = dice.next_u64() % 10;
            model.retain(|_, (file, position)| {
                let goes = dice.next_u64() % 10 < share;
                if goes {
                    deletes.entry(*file).or_default().insert(*position);
                }
                !goes
            });
        }
        let files = table.write(vec![rows(next_id..next_id + added)]).await.unwrap();
        for file in &files {
            for position in 0..file.records as u32 {
                let row = file.rows.as_ref().map_or(position, |rows| rows[position as usize]);
                model.insert(next_id + i64::from(row), (file.id, position));
            }
        }
        next_id += added;
        let change = TableChange { replace_all, deletes, ..change("w", sequence, files, &[]) };
        landed(table.commit(change).await.unwrap());
        assert_eq!(read(&table).await, model, "seed {seed}, commit {sequence}");
        assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", sequence)));
        if sequence % 7 == 0 {
            check_reopened(&fixture, &table, &model).await;
            check_manifests(&table, &mut row_ids).await;
        }
    }
    check_reopened(&fixture, &table, &model).await;
    check_manifests(&table, &mut row_ids).await;
}

/// A table opened anew holds the same rows, files and totals as the one that made the commits.
async fn check_reopened(fixture: &Fixture, table: &LakeTable, model: &BTreeMap<i64, (FileId, u32)>) {
    let reopened = fixture.reopened().await;
    assert_eq!(ids(&reopened).await, model.keys().copied().collect::<Vec<_>>());
    let facts = |table: &LakeTable| {
        let mut files: Vec<_> = table
            .live_files()
            .map(|f| (f.path.clone(), f.records, f.deleted, f.sequence, f.first_row_id, f.manifest.clone()))
            .collect();
        files.sort();
        files
    };
    assert_eq!(facts(&reopened), facts(table));
    assert_eq!(reopened.manifests, table.manifests);
    assert_eq!(reopened.facts(), table.facts());
    assert_eq!(table.facts().data_files, table.live_files().count() as u64);
    let deletes = table.live_files().filter(|file| file.deleted > 0).count() as u64;
    assert_eq!(table.facts().delete_files, deletes, "one delete file for each data file with deletes");
    let lazy = fixture.lake.open(&ident(), Role::Bronze).await.unwrap().unwrap();
    assert_eq!(lazy.rows(), model.len() as u64);
    assert_eq!(ids(&lazy).await.len(), model.len());
}

#[tokio::test]
async fn deletion_vectors_over_many_snapshots_read_back_as_the_model() {
    for seed in 0..6 {
        random_history(seed, FormatVersion::V3, &[], 40).await;
    }
}

#[tokio::test]
async fn position_deletes_over_many_snapshots_read_back_as_the_model() {
    for seed in 10..14 {
        random_history(seed, FormatVersion::V2, &[], 40).await;
    }
}

#[tokio::test]
async fn partitioned_tables_read_back_as_the_model() {
    random_history(20, FormatVersion::V3, &["region", "bucket(2, id)"], 40).await;
    random_history(21, FormatVersion::V2, &["truncate(10, id)"], 40).await;
}

#[tokio::test]
async fn a_table_replaced_whole_is_never_empty_between() {
    let fixture = Fixture::new(1);
    let mut table = fixture.table(FormatVersion::V3).await;
    append(&mut table, "w", 1, 0..10).await;
    let files = table.write(vec![rows(5..8)]).await.unwrap();
    let change = TableChange { replace_all: true, ..change("w", 2, files, &[]) };
    landed(table.commit(change).await.unwrap());
    assert_eq!(ids(&table).await, [5, 6, 7]);
    assert_eq!(table.facts().snapshots, 2);
    assert_eq!(table.facts().data_files, 1);
}

#[tokio::test]
async fn rows_of_a_file_can_be_deleted_in_the_snapshot_that_adds_it() {
    let fixture = Fixture::new(1);
    let mut table = fixture.table(FormatVersion::V3).await;
    let files = table.write(vec![rows(0..4)]).await.unwrap();
    let id = files[0].id;
    landed(table.commit(change("w", 1, files, &[(id, &[1, 3])])).await.unwrap());
    assert_eq!(ids(&table).await, [0, 2]);
    assert_eq!(ids(&fixture.reopened().await).await, [0, 2]);
}

#[tokio::test]
async fn a_file_whose_last_row_goes_is_removed_with_its_deletes() {
    let fixture = Fixture::new(1);
    let mut table = fixture.table(FormatVersion::V3).await;
    let file = append(&mut table, "w", 1, 0..3).await[0];
    append(&mut table, "w", 2, 3..6).await;
    landed(table.commit(change("w", 3, vec![], &[(file, &[0, 2])])).await.unwrap());
    landed(table.commit(change("w", 4, vec![], &[(file, &[1])])).await.unwrap());
    assert_eq!(ids(&table).await, [3, 4, 5]);
    let facts = fixture.reopened().await.facts();
    assert_eq!((facts.data_files, facts.delete_files), (1, 0));
    assert!(table.live_file(file).is_none());
}

#[tokio::test]
async fn a_position_beyond_the_file_is_an_error_and_changes_nothing() {
    let fixture = Fixture::new(1);
    let mut table = fixture.table(FormatVersion::V3).await;
    let file = append(&mut table, "w", 1, 0..3).await[0];
    assert!(table.commit(change("w", 2, vec![], &[(file, &[3])])).await.is_err());
    assert_eq!(ids(&fixture.reopened().await).await, [0, 1, 2]);
    landed(table.commit(change("w", 2, vec![], &[(file, &[2])])).await.unwrap());
    assert_eq!(ids(&table).await, [0, 1]);
}
