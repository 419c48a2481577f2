use iceberg::TableUpdate;
use sluice_change::{Checkpoint, SchemaChange};

use super::fixture::*;
use crate::{
    CatalogOutcome, FileId, FormatVersion, LakeError, LakeTable, MemoryFault, Outcome, Proposal, TableChange,
    WrittenFile,
};

/// What another program commits: no checkpoint, no regard for positions.
pub async fn foreign_commit(
    table: &mut LakeTable,
    files: Vec<WrittenFile>,
    deletes: &[(FileId, &[u32])],
    schema: SchemaChange,
) {
    let change = TableChange { schema, ..change("foreign", 1, files, deletes) };
    let planned = table.with_schema(&change.schema).unwrap();
    let planned = planned.as_ref().unwrap_or(&table.stored.metadata);
    let draft = table.draft(&change.file_change(), planned, &[], &mut Vec::new()).await.unwrap();
    let mut proposal = table.proposal(&change, draft.snapshot, Vec::new()).unwrap();
    proposal.updates.retain(|update| !matches!(update, TableUpdate::RemoveProperties { .. }));
    send(table, proposal).await;
}

pub async fn send(table: &mut LakeTable, proposal: Proposal) {
    let context = table.context.clone();
    let outcome = context.catalog.commit(&context.seams, &context.ident, &table.stored, proposal).await.unwrap();
    assert!(matches!(outcome, CatalogOutcome::Committed(_)), "{outcome:?}");
    table.refresh().await.unwrap();
}

async fn set_property(table: &mut LakeTable, key: &str, value: &str) {
    let updates = vec![TableUpdate::SetProperties { updates: [(key.to_owned(), value.to_owned())].into() }];
    send(table, Proposal { requirements: Vec::new(), updates }).await;
}

/// A table with rows 0 to 9 in one file, and a change that adds 10 to 14 and removes row 0.
async fn scene(seed: u64) -> (Fixture, LakeTable, FileId, TableChange) {
    let fixture = Fixture::new(seed);
    let mut table = fixture.table(FormatVersion::V3).await;
    let file = append(&mut table, "w", 1, 0..10).await[0];
    let files = table.write(vec![rows(10..15)]).await.unwrap();
    let change = change("w", 2, files, &[(file, &[0])]);
    (fixture, table, file, change)
}

async fn assert_done_once(fixture: &Fixture, table: &LakeTable, extra: &[i64]) {
    let mut wanted: Vec<i64> = (1..15).collect();
    wanted.extend(extra);
    assert_eq!(ids(table).await, wanted);
    assert_eq!(ids(&fixture.reopened().await).await, wanted);
    assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 2)));
}

#[tokio::test]
async fn a_commit_that_landed_without_an_answer_is_found_and_not_repeated() {
    let (fixture, mut table, _, change) = scene(30).await;
    let id = change.files[0].id;
    fixture.catalog.inject([Some(MemoryFault::UnknownLanded)]);
    let snapshot = landed(table.commit(change).await.unwrap());
    assert_eq!(table.snapshot_id(), Some(snapshot));
    assert_eq!(table.facts().snapshots, 2);
    assert_eq!(table.live_file(id).unwrap().records, 5, "the file keeps its number");
    assert!(table.foreign().appeared.is_empty());
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn a_commit_that_was_lost_without_an_answer_is_made_again() {
    let (fixture, mut table, _, change) = scene(31).await;
    fixture.catalog.inject([Some(MemoryFault::UnknownNotLanded), Some(MemoryFault::UnknownNotLanded)]);
    landed(table.commit(change).await.unwrap());
    assert_eq!(table.facts().snapshots, 2);
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn conflicts_are_tried_again_and_leave_no_files_behind() {
    let (fixture, mut table, _, change) = scene(32).await;
    fixture.catalog.inject([Some(MemoryFault::Conflict); 3]);
    landed(table.commit(change).await.unwrap());
    assert_done_once(&fixture, &table, &[]).await;
    assert_eq!(fixture.objects(".metadata.json").await.len(), 3);
    assert_eq!(fixture.objects(".puffin").await.len(), 1);
    assert_eq!(fixture.objects(".avro").await.len(), 2 + 3);
}

#[tokio::test]
async fn conflicts_without_end_are_an_error_and_the_same_change_lands_later() {
    let (fixture, mut table, _, change) = scene(33).await;
    fixture.catalog.inject([Some(MemoryFault::Conflict); 8]);
    let error = table.commit(change.clone()).await.unwrap_err();
    assert!(matches!(error, LakeError::Contention { attempts: 8, .. }), "{error}");
    assert!(error.is_transient());
    landed(table.commit(change).await.unwrap());
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn a_failure_before_anything_was_sent_changes_nothing() {
    let (fixture, mut table, _, change) = scene(34).await;
    fixture.catalog.inject([Some(MemoryFault::Fail)]);
    let error = table.commit(change.clone()).await.unwrap_err();
    assert!(matches!(error, LakeError::Catalog { .. }), "{error}");
    assert_eq!(fixture.objects(".puffin").await.len(), 0);
    landed(table.commit(change).await.unwrap());
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn the_same_change_sent_again_lands_once() {
    let (fixture, mut table, _, change) = scene(35).await;
    let first = landed(table.commit(change.clone()).await.unwrap());
    assert_eq!(landed(table.commit(change).await.unwrap()), first);
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn a_foreign_append_in_between_is_kept_and_reported() {
    let (fixture, mut table, _, change) = scene(36).await;
    let mut other = fixture.reopened().await;
    let files = other.write(vec![rows(100..102)]).await.unwrap();
    foreign_commit(&mut other, files, &[], SchemaChange::default()).await;
    // Its rows may have keys of ours: they have to be looked up first.
    assert_eq!(table.commit(change.clone()).await.unwrap(), Outcome::Moved);
    let foreign = table.refresh().await.unwrap();
    assert!(foreign.changed && foreign.rows_came);
    assert_eq!(foreign.appeared.len(), 1);
    assert_eq!(table.refresh().await.unwrap(), crate::Refreshed::default());
    landed(table.commit(change).await.unwrap());
    assert_done_once(&fixture, &table, &[100, 101]).await;
}

#[tokio::test]
async fn a_foreign_property_in_between_is_kept() {
    let (fixture, mut table, _, change) = scene(37).await;
    set_property(&mut fixture.reopened().await, "owner", "finance").await;
    landed(table.commit(change).await.unwrap());
    assert_eq!(table.property("owner"), Some("finance"));
    assert!(!table.foreign().changed);
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn foreign_deletes_in_a_file_of_ours_are_merged_with_our_own() {
    let (fixture, mut table, file, change) = scene(38).await;
    let mut other = fixture.reopened().await;
    let there = other.live_files().next().unwrap().id;
    foreign_commit(&mut other, vec![], &[(there, &[5])], SchemaChange::default()).await;
    landed(table.commit(change).await.unwrap());
    assert_eq!(table.foreign().deletes_changed, [file]);
    assert_eq!(ids(&table).await, (1..15).filter(|id| *id != 5).collect::<Vec<_>>());
    assert_eq!(table.live_file(file).unwrap().deletes.len(), 1);
}

#[tokio::test]
async fn a_foreign_removal_of_a_file_that_our_deletes_touch_is_moved() {
    let (fixture, mut table, file, change) = scene(39).await;
    let mut other = fixture.reopened().await;
    let there = other.live_files().next().unwrap().id;
    // A compaction: the rows go to another file, the old one goes.
    let files = other.write(vec![rows(0..10)]).await.unwrap();
    let all: Vec<u32> = (0..10).collect();
    foreign_commit(&mut other, files, &[(there, &all)], SchemaChange::default()).await;
    assert_eq!(table.commit(change.clone()).await.unwrap(), Outcome::Moved);
    let foreign = table.refresh().await.unwrap();
    assert_eq!((foreign.appeared.len(), foreign.vanished.as_slice()), (1, [file].as_slice()));
    // Remapped, it lands with the same files.
    let remapped = TableChange { deletes: deletes_of(&table, &[0]).await, ..change };
    landed(table.commit(remapped).await.unwrap());
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn our_commit_is_found_below_a_foreign_one() {
    let (fixture, mut table, _, change) = scene(40).await;
    // Lands without an answer from another handle of the same writer, then a foreign commit goes on top.
    let mut twin = fixture.reopened().await;
    let there = twin.live_files().next().unwrap().id;
    let files = twin.write(vec![rows(10..15)]).await.unwrap();
    let twin_change = super::fixture::change("w", 2, files, &[(there, &[0])]);
    let ours = landed(twin.commit(twin_change).await.unwrap());
    foreign_commit(&mut twin, vec![], &[], SchemaChange::default()).await;
    assert_eq!(landed(table.commit(change).await.unwrap()), ours);
    assert_ne!(table.snapshot_id(), Some(ours));
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn another_writer_that_moved_the_position_fences() {
    let (fixture, mut table, _, change) = scene(41).await;
    let mut other = fixture.reopened().await;
    let files = other.write(vec![rows(10..15)]).await.unwrap();
    let theirs = TableChange {
        expected: Some(checkpoint("w", 1)),
        checkpoint: Checkpoint { epoch: 2, ..checkpoint("other", 2) },
        ..super::fixture::change("other", 2, files, &[])
    };
    landed(other.commit(theirs).await.unwrap());
    let outcome = table.commit(change).await.unwrap();
    assert!(matches!(&outcome, Outcome::Fenced { by, .. } if by == "other#2"), "{outcome:?}");
    assert_eq!(ids(&fixture.reopened().await).await, (0..15).collect::<Vec<_>>());
}

#[tokio::test]
async fn work_built_on_another_position_than_the_table_has_fences_at_once() {
    let (_, mut table, file, _) = scene(42).await;
    let outcome = table.commit(change("another", 5, vec![], &[(file, &[0])])).await.unwrap();
    assert!(matches!(outcome, Outcome::Fenced { .. }), "{outcome:?}");
}

/// Lets the table stand at an earlier snapshot, as a rollback by hand does.
async fn roll_back(table: &mut LakeTable, snapshot: i64) {
    let reference =
        iceberg::spec::SnapshotReference::new(snapshot, iceberg::spec::SnapshotRetention::branch(None, None, None));
    let updates = vec![TableUpdate::SetSnapshotRef { ref_name: "main".to_owned(), reference }];
    send(table, Proposal { requirements: Vec::new(), updates }).await;
}

#[tokio::test]
async fn a_rollback_by_hand_rolls_the_position_back_and_work_under_way_is_built_anew() {
    let (fixture, mut table, _, change) = scene(43).await;
    let first = table.snapshot_id().unwrap();
    landed(table.commit(change).await.unwrap());
    let mut other = fixture.reopened().await;
    roll_back(&mut other, first).await;
    assert_eq!(other.checkpoint().unwrap(), Some(checkpoint("w", 1)));
    let outcome = table.commit(super::fixture::change("w", 3, vec![], &[])).await.unwrap();
    assert_eq!(outcome, Outcome::Moved);
    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
    table.refresh().await.unwrap();
    landed(table.commit(super::fixture::change("w", 2, vec![], &[])).await.unwrap());
}

#[tokio::test]
async fn a_rollback_to_what_an_earlier_process_committed_is_no_takeover() {
    let (fixture, mut table, _, change) = scene(52).await;
    let first = table.snapshot_id().unwrap();
    let ours = |sequence| Checkpoint { epoch: 2, ..checkpoint("next", sequence) };
    landed(table.commit(TableChange { checkpoint: ours(2), ..change }).await.unwrap());
    roll_back(&mut fixture.reopened().await, first).await;
    let next =
        TableChange { checkpoint: ours(3), expected: Some(ours(2)), ..super::fixture::change("next", 3, vec![], &[]) };
    assert_eq!(table.commit(next).await.unwrap(), Outcome::Moved);
}

#[tokio::test]
async fn a_rollback_to_a_snapshot_of_another_program_is_told_from_an_expiry() {
    let (fixture, mut table, _, change) = scene(53).await;
    let first = table.snapshot_id().unwrap();
    foreign_commit(&mut table, vec![], &[], SchemaChange::default()).await;
    let foreign = table.snapshot_id().unwrap();
    let second = landed(table.commit(change).await.unwrap());
    let mut other = fixture.reopened().await;
    let updates = vec![TableUpdate::RemoveSnapshots { snapshot_ids: vec![first] }];
    send(&mut other, Proposal { requirements: Vec::new(), updates }).await;
    roll_back(&mut other, foreign).await;
    // The property says what the second commit covers; the rows are those of the first.
    assert!(matches!(other.checkpoint(), Err(LakeError::PositionLost(_))));
    let updates = vec![TableUpdate::RemoveSnapshots { snapshot_ids: vec![second] }];
    send(&mut other, Proposal { requirements: Vec::new(), updates }).await;
    foreign_commit(&mut other, vec![], &[], SchemaChange::default()).await;
    assert!(matches!(other.checkpoint(), Err(LakeError::PositionLost(_))), "nor on top of it");
    assert_eq!(table.commit(super::fixture::change("w", 3, vec![], &[])).await.unwrap(), Outcome::Moved);
    // Work that covers everything from the beginning goes on top.
    let all = TableChange { expected: None, ..super::fixture::change("w", 3, vec![], &[]) };
    landed(fixture.reopened().await.commit(all).await.unwrap());
    assert_eq!(fixture.reopened().await.checkpoint().unwrap(), Some(checkpoint("w", 3)));
}

#[tokio::test]
async fn rows_that_others_gave_back_are_found_again_before_anything_lands() {
    let (fixture, mut table, file, _) = scene(54).await;
    let whole = table.snapshot_id().unwrap();
    foreign_commit(&mut table, vec![], &[(file, &[3])], SchemaChange::default()).await;
    table.refresh().await.unwrap();
    // The row is not there: a new one is made, and no old one deleted.
    let files = table.write(vec![rows(3..4)]).await.unwrap();
    let change = super::fixture::change("w", 2, files, &[]);
    roll_back(&mut fixture.reopened().await, whole).await;
    assert_eq!(table.commit(change.clone()).await.unwrap(), Outcome::Moved);
    assert!(table.refresh().await.unwrap().rows_came);
    let deletes = deletes_of(&table, &[3]).await;
    landed(table.commit(TableChange { deletes, ..change }).await.unwrap());
    assert_eq!(ids(&fixture.reopened().await).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_position_is_read_from_the_property_when_its_snapshots_have_expired() {
    let (fixture, mut table, _, change) = scene(44).await;
    let first = table.snapshot_id().unwrap();
    let second = landed(table.commit(change).await.unwrap());
    foreign_commit(&mut table, vec![], &[], SchemaChange::default()).await;
    let updates = vec![TableUpdate::RemoveSnapshots { snapshot_ids: vec![first, second] }];
    send(&mut table, Proposal { requirements: Vec::new(), updates }).await;
    assert_eq!(table.facts().snapshots, 1);
    assert_done_once(&fixture, &table, &[]).await;
    landed(table.commit(super::fixture::change("w", 3, vec![], &[])).await.unwrap());
    assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 3)));
}

#[tokio::test]
async fn a_table_that_was_dropped_and_made_again_is_told_apart() {
    let (fixture, mut table, _, change) = scene(45).await;
    let again = Fixture::new(46);
    let made = again.table(FormatVersion::V3).await;
    fixture.catalog.point(&ident(), made.stored.location());
    for location in again.objects("").await {
        let bytes = sluice_platform::Storage::read(&*again.storage, &location).await.unwrap();
        sluice_platform::Storage::write(&*fixture.storage, &location, bytes).await.unwrap();
    }
    let error = table.commit(change).await.unwrap_err();
    assert!(matches!(error, LakeError::Replaced(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unresolved_when_the_table_cannot_be_read() {
    let (fixture, mut table, _, change) = scene(47).await;
    fixture.catalog.inject([Some(MemoryFault::UnknownLanded)]);
    fixture.catalog.fail_reads(true);
    let error = table.commit(change.clone()).await.unwrap_err();
    assert!(matches!(error, LakeError::Unresolved { .. }), "{error}");
    fixture.catalog.fail_reads(false);
    // Sent again, it is found.
    landed(table.commit(change).await.unwrap());
    assert_done_once(&fixture, &table, &[]).await;
}

#[tokio::test]
async fn facts_of_an_earlier_checkpoint_do_not_stay_among_the_properties() {
    let fixture = Fixture::new(48);
    let mut table = fixture.table(FormatVersion::V3).await;
    let with = Checkpoint { transform: Some("abc".to_owned()), ..checkpoint("w", 1) };
    landed(table.commit(TableChange { checkpoint: with.clone(), ..TableChange::default() }).await.unwrap());
    assert_eq!(table.property("sluice.transform"), Some("abc"));
    let next = TableChange { expected: Some(with), ..change("w", 2, vec![], &[]) };
    landed(table.commit(next).await.unwrap());
    assert_eq!(table.property("sluice.transform"), None);
    assert_eq!(table.property("sluice.next-sequence"), Some("2"));
}
