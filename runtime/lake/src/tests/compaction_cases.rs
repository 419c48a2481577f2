use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use iceberg::TableUpdate;
use iceberg::spec::{SnapshotReference, SnapshotRetention};
use sluice_change::{Checkpoint, Column, ColumnType, SchemaChange};
use sluice_platform::Storage;

use super::commit_matrix::{foreign_commit, send};
use super::compaction::{SHORT, compact, eager, moved, set_sort_order};
use super::fixture::*;
use super::lineage::{check_lineage, lineage};
use crate::{
    CompactionJob, CompactionSettings, FormatVersion, LakeSettings, LakeTable, MemoryFault, Outcome, Proposal,
    RewriteOutcome, Rewritten, Role, ScanFilter, TableChange,
};

/// Rows 0 to 49 in five files, in which row 3 of each is deleted, and the files rewritten but not committed.
async fn scene(seed: u64, version: FormatVersion) -> (Fixture, LakeTable, Rewritten) {
    let fixture = Fixture::new(seed);
    let mut table = fixture.table(version).await;
    let mut files = Vec::new();
    for sequence in 1..=5 {
        let first = sequence as i64 * 10 - 10;
        files.extend(append(&mut table, "w", sequence, first..first + 10).await);
    }
    let gone: Vec<_> = files.iter().map(|file| (*file, [3].as_slice())).collect();
    landed(table.commit(change("w", 6, vec![], &gone)).await.unwrap());
    let rewritten = rewritten(&table).await;
    (fixture, table, rewritten)
}

async fn rewritten(table: &LakeTable) -> Rewritten {
    let mut jobs = table.plan_compaction(&eager()).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1);
    let job = CompactionJob { file_bytes: SHORT, ..jobs.remove(0) };
    let settings = CompactionSettings { batch_rows: 3, ..eager() };
    table.pin(&job, &settings).await.unwrap().unwrap().run().await.unwrap()
}

fn left() -> Vec<i64> {
    (0..50).filter(|id| id % 10 != 3).collect()
}

fn dropped(outcome: RewriteOutcome) -> String {
    match outcome {
        RewriteOutcome::Dropped { reason } => reason,
        RewriteOutcome::Landed { .. } => panic!("it landed"),
    }
}

async fn assert_swept(fixture: &Fixture, rewritten: &Rewritten) {
    for file in rewritten.files() {
        assert!(fixture.storage.head(file.path()).await.is_err(), "{} is still there", file.path());
    }
}

#[tokio::test]
async fn rows_keep_their_ids_and_deleted_ones_stay_deleted() {
    let (fixture, mut table, rewritten) = scene(1, FormatVersion::V3).await;
    let mut before = lineage(&table).await;
    let file = table.live_files().nth(2).unwrap().id;
    landed(table.commit(change("w", 7, vec![], &[(file, &[0, 9])])).await.unwrap());
    moved(table.commit_rewrite(&rewritten).await.unwrap());
    let wanted: Vec<i64> = left().into_iter().filter(|id| ![20, 29].contains(id)).collect();
    assert_eq!(ids(&table).await, wanted);
    assert!(table.live_files().all(|file| file.sequence == 6), "rows are as old as what they were read from");
    let reopened = fixture.reopened().await;
    assert_eq!(ids(&reopened).await, wanted);
    check_lineage(&mut before, lineage(&reopened).await);
    assert_eq!(before.len(), 45);
    let summary = table.stored.metadata.current_snapshot().unwrap().summary().clone();
    assert_eq!(summary.operation.as_str(), "replace");
    let carried = crate::table::of_snapshot(&ident(), table.stored.metadata.current_snapshot().unwrap()).unwrap();
    assert_eq!(carried, Some(checkpoint("w", 7)), "whoever rolls back to it finds the position that its rows have");
    assert!(!summary.additional_properties.contains_key("sluice.inserts"), "nothing is counted twice");
    assert_eq!(summary.additional_properties.get("total-records").map(String::as_str), Some("45"));
    assert_eq!(summary.additional_properties.get("total-position-deletes").map(String::as_str), Some("2"));
    // Another rewrite reads the ids from the files' own columns.
    assert_eq!(compact(&mut table).await, 1);
    check_lineage(&mut before, lineage(&table).await);
    assert_eq!(ids(&table).await, wanted);
    assert_eq!(table.rows(), table.live_files().map(|file| file.records).sum::<u64>());
}

#[tokio::test]
async fn deletes_found_before_the_rewrite_landed_are_moved_with_its_mapping() {
    let (fixture, mut table, rewritten) = scene(2, FormatVersion::V3).await;
    let mut deletes = deletes_of(&table, &[5, 17, 48]).await;
    moved(table.commit_rewrite(&rewritten).await.unwrap());
    rewritten.mapping().translate_deletes(&mut deletes);
    assert_eq!(deletes, deletes_of(&table, &[5, 17, 48]).await);
    let change = TableChange { deletes, ..change("w", 7, vec![], &[]) };
    landed(table.commit(change).await.unwrap());
    let wanted: Vec<i64> = left().into_iter().filter(|id| ![5, 17, 48].contains(id)).collect();
    assert_eq!(ids(&fixture.reopened().await).await, wanted);
}

#[tokio::test]
async fn every_row_is_where_the_mapping_says() {
    let (_fixture, mut table, rewritten) = scene(3, FormatVersion::V2).await;
    let before = read(&table).await;
    moved(table.commit_rewrite(&rewritten).await.unwrap());
    let after = read(&table).await;
    let mapping = rewritten.mapping();
    for (id, (file, position)) in &before {
        assert_eq!(mapping.find(*file, *position), Some(after[id]), "id {id}");
    }
    assert_eq!(mapping.moved().map(|run| u64::from(run.rows)).sum::<u64>(), mapping.rows());
    assert!(mapping.moved().count() <= 15, "neighbours stay together");
}

#[tokio::test]
async fn a_rewrite_whose_file_has_gone_is_dropped_and_swept() {
    let (fixture, mut table, rewritten) = scene(4, FormatVersion::V3).await;
    let file = table.live_files().next().unwrap().id;
    let all: Vec<u32> = (0..10).collect();
    landed(table.commit(change("w", 7, vec![], &[(file, &all)])).await.unwrap());
    let snapshot = table.snapshot_id();
    assert!(dropped(table.commit_rewrite(&rewritten).await.unwrap()).contains("no longer part of the table"));
    assert_eq!(table.snapshot_id(), snapshot);
    assert_swept(&fixture, &rewritten).await;
    assert_eq!(ids(&table).await, left()[9..]);
}

#[tokio::test]
async fn a_new_file_all_of_whose_rows_went_meanwhile_is_left_out() {
    let fixture = Fixture::new(5);
    let mut table = fixture.table(FormatVersion::V3).await;
    let file = append(&mut table, "w", 1, 0..100).await[0];
    landed(table.commit(change("w", 2, vec![], &[(file, &(0..20).collect::<Vec<u32>>())])).await.unwrap());
    let rewritten = rewritten(&table).await;
    let first = rewritten.files().first().unwrap();
    let gone: Vec<u32> = (20..20 + first.records as u32).collect();
    assert!(gone.len() < 80);
    landed(table.commit(change("w", 3, vec![], &[(file, &gone)])).await.unwrap());
    moved(table.commit_rewrite(&rewritten).await.unwrap());
    assert_eq!(table.live_files().count(), rewritten.files().len() - 1);
    assert!(table.live_file(first.id).is_none());
    assert!(fixture.storage.head(first.path()).await.is_err());
    assert_eq!(table.facts().delete_files, 0);
    assert_eq!(ids(&fixture.reopened().await).await, (20 + gone.len() as i64..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_and_no_other_program_is_suspected() {
    let (fixture, mut table, rewritten) = scene(6, FormatVersion::V3).await;
    fixture.catalog.inject([Some(MemoryFault::UnknownLanded)]);
    let snapshot = moved(table.commit_rewrite(&rewritten).await.unwrap());
    assert_eq!(table.snapshot_id(), Some(snapshot));
    assert!(!table.foreign().changed);
    assert_eq!(moved(table.commit_rewrite(&rewritten).await.unwrap()), snapshot, "sent again it lands once");
    let file = table.live_files().next().unwrap().id;
    assert!(rewritten.files().iter().any(|written| written.id == file), "files keep their numbers");
    landed(table.commit(change("w", 7, vec![], &[(file, &[0])])).await.unwrap());
    assert_eq!(ids(&fixture.reopened().await).await, left()[1..]);
}

#[tokio::test]
async fn a_writer_that_took_the_table_over_gets_no_rewrite_of_ours() {
    let (fixture, mut table, rewritten) = scene(7, FormatVersion::V3).await;
    let mut other = fixture.reopened().await;
    let theirs = TableChange {
        expected: Some(checkpoint("w", 6)),
        checkpoint: Checkpoint { epoch: 2, ..checkpoint("other", 7) },
        ..change("other", 7, vec![], &[])
    };
    landed(other.commit(theirs).await.unwrap());
    assert!(dropped(table.commit_rewrite(&rewritten).await.unwrap()).contains("position"));
    assert_swept(&fixture, &rewritten).await;
    assert!(dropped(table.commit_rewrite(&rewritten).await.unwrap()).contains("removed before"));
    let outcome = table.commit(change("w", 7, vec![], &[])).await.unwrap();
    assert!(matches!(outcome, Outcome::Fenced { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_rewrite_for_a_table_that_was_opened_anew_is_dropped() {
    let (fixture, _, rewritten) = scene(8, FormatVersion::V3).await;
    let mut reopened = fixture.reopened().await;
    assert!(dropped(reopened.commit_rewrite(&rewritten).await.unwrap()).contains("opened anew"));
}

#[tokio::test]
async fn rows_that_were_given_back_are_not_lost() {
    let (fixture, mut table, first) = scene(9, FormatVersion::V3).await;
    table.discard_rewrite(first).await;
    let before = table.snapshot_id().unwrap();
    // Rows go without the position being touched, and come back with a rollback.
    let mut other = fixture.reopened().await;
    let gone: Vec<_> = other.live_files().map(|file| (file.id, [0, 1].as_slice())).collect();
    foreign_commit(&mut other, vec![], &gone, SchemaChange::default()).await;
    table.refresh().await.unwrap();
    let rewritten = rewritten(&table).await;
    let reference = SnapshotReference::new(before, SnapshotRetention::branch(None, None, None));
    let updates = vec![TableUpdate::SetSnapshotRef { ref_name: "main".to_owned(), reference }];
    send(&mut other, Proposal { requirements: Vec::new(), updates }).await;
    table.refresh().await.unwrap();
    assert!(dropped(table.commit_rewrite(&rewritten).await.unwrap()).contains("are back"));
    assert_eq!(ids(&fixture.reopened().await).await, left());
}

#[tokio::test]
async fn columns_that_are_added_and_widened_meanwhile_are_there_afterwards() {
    let (fixture, mut table, rewritten) = scene(10, FormatVersion::V3).await;
    let column = |name: &str, column_type| Column { name: name.to_owned(), column_type };
    let schema = SchemaChange {
        added: vec![column("note", ColumnType::String)],
        widened: vec![column("amount", ColumnType::Long)],
        ..SchemaChange::default()
    };
    landed(table.commit(TableChange { schema, ..change("w", 7, vec![], &[]) }).await.unwrap());
    moved(table.commit_rewrite(&rewritten).await.unwrap());
    let table = fixture.reopened().await;
    let mut scan = table.scan(&["id", "amount", "note"], ScanFilter::All, 100).await.unwrap();
    let mut rows = 0;
    while let Some(batch) = scan.next().await.unwrap() {
        let ids = batch.batch.column(0).as_primitive::<Int64Type>().clone();
        let amounts = batch.batch.column(1).as_primitive::<Int64Type>().clone();
        for row in 0..ids.len() {
            assert_eq!((ids.value(row) % 5 != 0).then(|| ids.value(row) * 10), amounts.iter().nth(row).unwrap());
        }
        assert_eq!(batch.batch.column(2).null_count(), ids.len());
        rows += ids.len();
    }
    assert_eq!(rows, 45);
}

#[tokio::test]
async fn a_rewrite_that_fails_leaves_nothing_behind() {
    let (fixture, table, rewritten) = scene(11, FormatVersion::V3).await;
    table.discard_rewrite(rewritten.clone()).await;
    assert_swept(&fixture, &rewritten).await;
    let before = fixture.objects("").await.len();
    let job = table.plan_compaction(&eager()).await.unwrap().jobs.remove(0);
    let work = table.pin(&job, &eager()).await.unwrap().unwrap();
    fixture.storage.delete(&job.files[4]).await.unwrap();
    assert!(work.run().await.is_err());
    assert_eq!(fixture.objects("").await.len(), before - 1);
}

#[tokio::test]
async fn a_log_is_compacted_in_the_order_of_its_numbers_and_keeps_no_files_in_memory() {
    let fixture = Fixture::new(12);
    let spec = spec(FormatVersion::V3, &["truncate(40, id)"]);
    let mut log = fixture.lake.create(&ident(), &spec, Role::Bronze).await.unwrap();
    // Commits come out of order within a partition.
    for (sequence, first) in (1..).zip([0, 20, 10, 40, 30, 50]) {
        append(&mut log, "w", sequence, first..first + 10).await;
    }
    let settings = CompactionSettings { order_by: Some("id".to_owned()), ..eager() };
    let jobs = log.plan_compaction(&settings).await.unwrap().jobs;
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        let rewritten = log.pin(&job, &settings).await.unwrap().unwrap().run().await.unwrap();
        moved(log.commit_rewrite(&rewritten).await.unwrap());
        assert!(log.live.is_none());
    }
    assert!(log.facts().data_files < 6);
    let mut scan = log.scan(&["id"], ScanFilter::AtLeast { column: "id".to_owned(), value: 0 }, 7).await.unwrap();
    let mut found = Vec::new();
    while let Some(batch) = scan.next().await.unwrap() {
        found.extend(batch.batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
    }
    assert_eq!(found, (0..60).collect::<Vec<_>>());
    append(&mut log, "w", 7, 60..70).await;
    assert_eq!(log.checkpoint().unwrap(), Some(checkpoint("w", 7)));
}

#[tokio::test]
async fn a_sorted_table_gets_sorted_files() {
    let fixture = Fixture::new(13);
    let mut table = fixture.table(FormatVersion::V3).await;
    set_sort_order(&mut table).await;
    for sequence in 1..=4 {
        let first = sequence as i64 * 25 - 25;
        append(&mut table, "w", sequence, first..first + 25).await;
    }
    assert_eq!(compact(&mut table).await, 1);
    assert!(table.live_files().all(|file| file.sort_order == Some(1)));
    // A file that is in order is not sorted again, and stays in order without its deleted rows.
    let deletes = deletes_of(&table, &(0..30).map(|n| n * 3).collect::<Vec<_>>()).await;
    landed(table.commit(TableChange { deletes, ..change("w", 5, vec![], &[]) }).await.unwrap());
    let settings = CompactionSettings { sort_bytes: 1, ..eager() };
    let jobs = table.plan_compaction(&settings).await.unwrap().jobs;
    assert!(!jobs.is_empty() && jobs.iter().all(|job| !job.sorted));
    for job in jobs {
        let rewritten = table.pin(&job, &settings).await.unwrap().unwrap().run().await.unwrap();
        moved(table.commit_rewrite(&rewritten).await.unwrap());
    }
    assert!(table.live_files().all(|file| file.sort_order == Some(1) && file.deleted == 0));
    assert!(fixture.reopened().await.live_files().all(|file| file.sort_order == Some(1)));
    let mut scan = table.scan(&["amount"], ScanFilter::All, 1000).await.unwrap();
    let mut rows = 0;
    while let Some(batch) = scan.next().await.unwrap() {
        let amounts: Vec<Option<i32>> = batch.batch.column(0).as_primitive::<Int32Type>().iter().collect();
        assert!(amounts.windows(2).all(|pair| pair[0] >= pair[1]), "{amounts:?}");
        rows += amounts.len();
    }
    assert_eq!(rows, 70);
}

#[tokio::test]
async fn a_table_with_columns_that_would_be_lost_is_not_compacted() {
    use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
    let (_fixture, mut table, rewritten) = scene(14, FormatVersion::V3).await;
    table.discard_rewrite(rewritten).await;
    let mut fields = table.stored.metadata.current_schema().as_struct().fields().to_vec();
    fields.push(NestedField::optional(9, "token", Type::Primitive(PrimitiveType::Uuid)).into());
    let schema = Schema::builder().with_schema_id(1).with_fields(fields).build().unwrap();
    let updates = vec![TableUpdate::AddSchema { schema }, TableUpdate::SetCurrentSchema { schema_id: -1 }];
    send(&mut table, Proposal { requirements: Vec::new(), updates }).await;
    let plan = table.plan_compaction(&eager()).await.unwrap();
    assert_eq!(plan.jobs, []);
    assert!(plan.refused.unwrap().contains("token"));
}

#[tokio::test]
async fn memory_for_vectors_is_bounded_and_what_is_not_kept_is_read_again() {
    let settings = LakeSettings { delete_cache_bytes: 100, parallel_files: 1, ..LakeSettings::default() };
    let fixture = Fixture::with(15, settings);
    let mut table = fixture.table(FormatVersion::V3).await;
    let mut files = Vec::new();
    for sequence in 1..=40 {
        let first = sequence as i64 * 10 - 10;
        files.extend(append(&mut table, "w", sequence, first..first + 10).await);
    }
    for (sequence, position) in (41..).zip(0..5_u32) {
        let gone: HashMap<_, _> = files.iter().map(|file| (*file, [position].into())).collect();
        let change = TableChange { deletes: gone, ..change("w", sequence, vec![], &[]) };
        landed(table.commit(change).await.unwrap());
    }
    let wanted: Vec<i64> = (0..400).filter(|id| id % 10 >= 5).collect();
    assert_eq!(ids(&table).await, wanted);
    assert_eq!(ids(&fixture.reopened().await).await, wanted);
    assert_eq!(table.facts().delete_files, 40);
}

#[test]
fn work_may_run_on_any_thread() {
    fn is_send<T: Send>(_: impl FnOnce(crate::CompactionWork) -> T) {}
    is_send(|work| work);
    is_send(crate::CompactionWork::run);
}
