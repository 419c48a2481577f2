use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use roaring::RoaringBitmap;
use sluice_change::{Checkpoint, SchemaChange};
use sluice_platform::{Entropy, SeededEntropy};

use super::commit_matrix::foreign_commit;
use super::fixture::*;
use super::lineage::{check_lineage, lineage};
use super::manifests::check_manifests;
use super::upkeep::{ANY_AGE, strict};
use crate::{
    FileId, FormatVersion, LakeError, LakeSettings, LakeTable, MemoryFault, Outcome, Publication, Published, Role,
    TableChange,
};

const SIDE: &str = "side";

async fn side(fixture: &Fixture) -> LakeTable {
    fixture.lake.open_branch(&ident(), Role::Silver, SIDE).await.unwrap().unwrap()
}

/// The publication of a branch in place of main as it stands.
fn publication(table: &LakeTable, id: &str) -> Publication {
    let main = table.main().unwrap();
    Publication { id: id.to_owned(), main: main.snapshot_id, checkpoint: main.checkpoint.unwrap() }
}

/// A table with rows 0 to 9 on main, by writer `w`, and rows 5 to 7 on a branch, by writer `b`.
async fn scene(seed: u64, version: FormatVersion) -> (Fixture, LakeTable, LakeTable) {
    let fixture = Fixture::new(seed);
    let mut main = fixture.table(version).await;
    append(&mut main, "w", 1, 0..10).await;
    let mut branch = side(&fixture).await;
    let first = append(&mut branch, "b", 1, 4..7).await[0];
    let files = branch.write(vec![rows(7..8)]).await.unwrap();
    landed(branch.commit(change("b", 2, files, &[(first, &[0])])).await.unwrap());
    (fixture, main, branch)
}

async fn assert_no_orphans(fixture: &Fixture) {
    let left = fixture.reopened().await.preview_orphans(&ANY_AGE).await.unwrap();
    assert_eq!(left.files, []);
}

#[tokio::test]
async fn a_branch_begins_empty_and_readers_of_main_see_nothing_of_it() {
    let (fixture, mut main, branch) = scene(1, FormatVersion::V3).await;
    assert_eq!((branch.branch(), ids(&branch).await), (SIDE, vec![5, 6, 7]));
    assert_eq!(ids(&side(&fixture).await).await, [5, 6, 7]);
    assert_eq!(branch.checkpoint().unwrap(), Some(checkpoint("b", 2)));
    assert_eq!(branch.main().unwrap().checkpoint, Some(checkpoint("w", 1)));
    let reopened = fixture.reopened().await;
    assert_eq!(ids(&reopened).await, (0..10).collect::<Vec<_>>());
    assert_eq!(reopened.checkpoint().unwrap(), Some(checkpoint("w", 1)));
    assert_eq!(reopened.property("sluice.commit-id"), Some("work-1"));
    assert!(reopened.has_branch(SIDE));
    // The stream is neither fenced nor told of anything.
    append(&mut main, "w", 2, 10..12).await;
    assert_eq!(*main.foreign(), crate::Refreshed::default());
    assert_no_orphans(&fixture).await;
}

#[tokio::test]
async fn a_branch_takes_mains_place_whatever_the_catalog_answers() {
    let faults = [
        vec![],
        vec![Some(MemoryFault::Conflict)],
        vec![Some(MemoryFault::UnknownNotLanded), Some(MemoryFault::Conflict)],
        vec![Some(MemoryFault::UnknownLanded)],
        vec![Some(MemoryFault::Conflict), Some(MemoryFault::UnknownLanded)],
    ];
    for version in [FormatVersion::V2, FormatVersion::V3] {
        for faults in faults.clone() {
            let (fixture, mut main, mut branch) = scene(2, version).await;
            let (old, numbers) = (main.snapshot_id(), read(&branch).await);
            branch.hold_main(i64::MAX).await.unwrap();
            // What was lost without an answer may still land: its files stay for the search for orphans.
            let leaves = faults.contains(&Some(MemoryFault::UnknownNotLanded));
            fixture.catalog.inject(faults);
            let published = branch.publish(&publication(&branch, "p")).await.unwrap();
            fixture.catalog.calm();
            let Published::Landed { snapshot_id } = published else { panic!("{published:?}") };
            assert_eq!((branch.branch(), branch.snapshot_id()), ("main", Some(snapshot_id)));
            assert_eq!(read(&branch).await, numbers, "its files keep their numbers");
            assert_eq!(*branch.foreign(), crate::Refreshed::default());
            let reopened = fixture.reopened().await;
            assert_eq!(ids(&reopened).await, [5, 6, 7]);
            assert_eq!(reopened.checkpoint().unwrap(), Some(checkpoint("w", 1)));
            assert_eq!((reopened.was_made_anew().unwrap().as_deref(), reopened.has_branch(SIDE)), (Some("p"), false));
            assert_eq!(reopened.property("sluice.hold-until"), None);
            assert_eq!(reopened.head().unwrap().parent_snapshot_id(), old, "main's history goes on");
            assert_eq!(reopened.facts().snapshots, 2, "those of the branch are gone");
            let lazy = fixture.lake.open(&ident(), Role::Bronze).await.unwrap().unwrap();
            assert_eq!((lazy.rows(), lazy.facts()), (3, reopened.facts()));
            check_manifests(&reopened, &mut HashMap::new()).await;
            if !leaves {
                assert_no_orphans(&fixture).await;
            }
            // The stream's next commit does not know which keys are there now.
            let files = main.write(vec![rows(20..22)]).await.unwrap();
            assert_eq!(main.commit(change("w", 2, files, &[])).await.unwrap(), Outcome::Moved);
            assert!(main.foreign().replaced);
            let mut main = fixture.reopened().await;
            append(&mut main, "w", 2, 20..22).await;
            assert_eq!(main.was_made_anew().unwrap(), None);
            assert_eq!(ids(&fixture.reopened().await).await, [5, 6, 7, 20, 21]);
        }
    }
}

#[tokio::test]
async fn a_branch_is_not_published_over_what_it_does_not_know() {
    let (fixture, mut main, mut branch) = scene(3, FormatVersion::V3).await;
    let wanted = publication(&branch, "p");
    append(&mut main, "w", 2, 10..12).await;
    assert_eq!(branch.publish(&wanted).await.unwrap(), Published::Behind);
    let wanted = publication(&branch, "p");
    assert_eq!(wanted.checkpoint, checkpoint("w", 2));
    // Someone else goes on with the branch, or removes it.
    let mut other = side(&fixture).await;
    append(&mut other, "b", 3, 30..31).await;
    assert_eq!(branch.publish(&wanted).await.unwrap(), Published::Fenced);
    let outcome = branch.commit(change("b2", 3, vec![], &[])).await.unwrap();
    assert!(matches!(outcome, Outcome::Fenced { .. }), "{outcome:?}");
    assert!(main.drop_branch(SIDE).await.unwrap());
    assert_eq!(other.publish(&wanted).await.unwrap(), Published::Fenced);
    let outcome = other.commit(change("b", 4, vec![], &[])).await.unwrap();
    assert!(matches!(&outcome, Outcome::Fenced { detail, .. } if detail.contains("gone")), "{outcome:?}");
    assert_eq!(ids(&fixture.reopened().await).await, (0..12).collect::<Vec<_>>());
    assert_no_orphans(&fixture).await;
}

#[tokio::test]
async fn a_branch_goes_with_all_that_only_it_needs_whatever_the_catalog_answers() {
    let faults =
        [None, Some(MemoryFault::Conflict), Some(MemoryFault::UnknownLanded), Some(MemoryFault::UnknownNotLanded)];
    for fault in faults {
        let (fixture, mut main, _) = scene(4, FormatVersion::V3).await;
        main.refresh().await.unwrap();
        fixture.catalog.inject([fault]);
        assert!(main.drop_branch(SIDE).await.unwrap(), "{fault:?}");
        assert!(!main.drop_branch(SIDE).await.unwrap());
        assert_eq!((main.facts().snapshots, main.has_branch(SIDE)), (1, false));
        if fault != Some(MemoryFault::UnknownNotLanded) {
            assert_no_orphans(&fixture).await;
        }
        assert_eq!(side(&fixture).await.snapshot_id(), None);
        append(&mut main, "w", 2, 10..11).await;
    }
}

#[tokio::test]
async fn a_publication_that_fails_changes_nothing_and_leaves_nothing() {
    let (fixture, _, mut branch) = scene(5, FormatVersion::V3).await;
    fixture.catalog.inject([Some(MemoryFault::Fail)]);
    let error = branch.publish(&publication(&branch, "p")).await.unwrap_err();
    assert!(matches!(error, LakeError::Catalog { .. }), "{error}");
    assert_no_orphans(&fixture).await;
    assert_eq!(ids(&fixture.reopened().await).await, (0..10).collect::<Vec<_>>());
    let published = branch.publish(&publication(&branch, "p")).await.unwrap();
    assert!(matches!(published, Published::Landed { .. }));
}

#[tokio::test]
async fn a_publication_whose_fate_cannot_be_seen_is_unresolved_and_found_later() {
    let (fixture, _, mut branch) = scene(10, FormatVersion::V3).await;
    let wanted = publication(&branch, "p");
    fixture.catalog.inject([Some(MemoryFault::UnknownLanded)]);
    fixture.catalog.fail_reads(true);
    let error = branch.publish(&wanted).await.unwrap_err();
    assert!(matches!(error, LakeError::Unresolved { .. }), "{error}");
    fixture.catalog.fail_reads(false);
    branch.refresh().await.unwrap();
    let published = branch.publish(&wanted).await.unwrap();
    assert_eq!(published, Published::Landed { snapshot_id: fixture.reopened().await.snapshot_id().unwrap() });
    assert_eq!((branch.branch(), ids(&branch).await), ("main", vec![5, 6, 7]));
}

#[tokio::test]
async fn a_branch_without_rows_can_take_mains_place() {
    let fixture = Fixture::new(6);
    let mut main = fixture.table(FormatVersion::V3).await;
    append(&mut main, "w", 1, 0..10).await;
    let mut branch = side(&fixture).await;
    assert_eq!(branch.publish(&publication(&branch, "p")).await.unwrap(), Published::Fenced, "there is no branch yet");
    landed(branch.commit(change("b", 1, vec![], &[])).await.unwrap());
    let published = branch.publish(&publication(&branch, "p")).await.unwrap();
    assert!(matches!(published, Published::Landed { .. }));
    assert!(ids(&fixture.reopened().await).await.is_empty());
}

#[tokio::test]
async fn the_stream_waits_while_it_is_asked_to_and_never_for_long() {
    let (fixture, mut main, mut branch) = scene(7, FormatVersion::V3).await;
    let clock = main.context.seams.clock.clone();
    let soon = clock.now_us() + 10_000_000;
    branch.hold_main(soon).await.unwrap();
    main.refresh().await.unwrap();
    append(&mut main, "w", 2, 10..11).await;
    assert!(clock.now_us() >= soon);
    // However far ahead that is.
    branch.hold_main(i64::MAX).await.unwrap();
    main.refresh().await.unwrap();
    let before = clock.now_us();
    append(&mut main, "w", 3, 11..12).await;
    assert!((60_000_000..120_000_000).contains(&(clock.now_us() - before)));
    // A branch is not held.
    let before = clock.now_us();
    append(&mut branch, "b", 3, 40..41).await;
    assert!(clock.now_us() - before < 1_000_000);
    drop(fixture);
}

#[tokio::test]
async fn columns_that_a_branch_adds_are_there_for_all() {
    let (fixture, mut main, mut branch) = scene(8, FormatVersion::V3).await;
    let column = sluice_change::Column::new("note", sluice_change::ColumnType::String);
    let schema = SchemaChange { added: vec![column], ..SchemaChange::default() };
    landed(branch.commit(TableChange { schema, ..change("b", 3, vec![], &[]) }).await.unwrap());
    append(&mut main, "w", 2, 10..12).await;
    assert!(main.columns().iter().any(|column| column.name == "note"));
    let published = branch.publish(&publication(&branch, "p")).await.unwrap();
    assert_eq!(published, Published::Behind);
    let published = branch.publish(&publication(&branch, "p")).await.unwrap();
    assert!(matches!(published, Published::Landed { .. }));
    assert_eq!(ids(&fixture.reopened().await).await, [5, 6, 7]);
}

/// One side of a history: what it holds and how far it is.
struct Side {
    writer: &'static str,
    sequence: u64,
    model: BTreeMap<i64, (FileId, u32)>,
    stored: Option<Checkpoint>,
}

impl Side {
    fn new(writer: &'static str) -> Self {
        Self { writer, sequence: 0, model: BTreeMap::new(), stored: None }
    }

    fn ids(&self) -> Vec<i64> {
        self.model.keys().copied().collect()
    }

    /// Commits something by chance. Returns whether it landed.
    async fn commit(&mut self, table: &mut LakeTable, dice: &SeededEntropy, next_id: &mut i64) -> bool {
        let mut model = self.model.clone();
        let replace_all = dice.next_u64().is_multiple_of(12);
        let mut deletes: HashMap<FileId, RoaringBitmap> = HashMap::new();
        if replace_all {
            model.clear();
        } else {
            let share = dice.next_u64() % 6;
            model.retain(|_, (file, position)| {
                let goes = dice.next_u64() % 10 < share;
                if goes {
                    deletes.entry(*file).or_default().insert(*position);
                }
                !goes
            });
        }
        let count = (dice.next_u64() % 20) as i64;
        let files = table.write(vec![rows(*next_id..*next_id + count)]).await.unwrap();
        for file in &files {
            for position in 0..file.records as u32 {
                let row = file.rows.as_ref().map_or(position, |rows| rows[position as usize]);
                model.insert(*next_id + i64::from(row), (file.id, position));
            }
        }
        *next_id += count;
        let next = checkpoint(self.writer, self.sequence + 1);
        let change = TableChange {
            replace_all,
            deletes,
            files,
            checkpoint: next.clone(),
            expected: self.stored.clone(),
            ..TableChange::default()
        };
        match table.commit(change.clone()).await {
            Ok(Outcome::Landed { .. }) => {}
            Ok(Outcome::Moved) => {
                table.discard(change.files).await;
                return false;
            }
            other => panic!("{}: {other:?}", self.writer),
        }
        (self.model, self.stored, self.sequence) = (model, Some(next), self.sequence + 1);
        true
    }
}

/// A stream on main, and beside it a branch that is begun, published, dropped or goes on, with faults of the catalog.
async fn random_history(seed: u64, version: FormatVersion) {
    let settings = LakeSettings { small_data_manifests: 4, small_delete_manifests: 2, ..LakeSettings::default() };
    let fixture = Fixture::with(seed, settings);
    let dice = SeededEntropy::new(seed ^ 0xb4a7c);
    let mut main_table = fixture.lake.create(&ident(), &spec(version, &[]), Role::Silver).await.unwrap();
    let (mut main, mut beside) = (Side::new("w"), Side::new("b"));
    let mut next_id = 0;
    let (mut row_ids, mut of_rows) = (HashMap::new(), BTreeMap::new());
    main.commit(&mut main_table, &dice, &mut next_id).await;
    let mut branch = side(&fixture).await;
    for step in 0..60 {
        let faults = [MemoryFault::Conflict, MemoryFault::UnknownLanded, MemoryFault::UnknownNotLanded];
        let fault = (dice.next_u64().is_multiple_of(3)).then(|| faults[(dice.next_u64() % 3) as usize]);
        fixture.catalog.inject([fault]);
        match dice.next_u64() % 10 {
            0..=3 => {
                if !main.commit(&mut main_table, &dice, &mut next_id).await {
                    main_table = fixture.reopened().await;
                    main.model = read(&main_table).await;
                }
            }
            4..=7 => assert!(beside.commit(&mut branch, &dice, &mut next_id).await, "nobody else is on the branch"),
            8 if branch.snapshot_id().is_some() => {
                let published = branch.publish(&publication(&branch, &format!("p{step}"))).await.unwrap();
                if matches!(published, Published::Landed { .. }) {
                    main.model = read(&branch).await;
                    // Main's own files have other numbers; only what is there counts until it is opened anew.
                    assert_eq!(main.ids(), beside.ids());
                    (branch, beside) = (side(&fixture).await, Side::new("b"));
                    main_table = if dice.next_u64().is_multiple_of(2) { main_table } else { fixture.reopened().await };
                    if main_table.snapshot_id() != fixture.reopened().await.snapshot_id() {
                        // The stream finds out by itself.
                        let write = main_table.write(vec![rows(0..1)]).await.unwrap();
                        let (next, expected) = (checkpoint("w", main.sequence + 1), main.stored.clone());
                        let change =
                            TableChange { files: write.clone(), checkpoint: next, expected, ..TableChange::default() };
                        assert_eq!(main_table.commit(change).await.unwrap(), Outcome::Moved);
                        main_table.discard(write).await;
                        main_table = fixture.reopened().await;
                    }
                    main.model = read(&main_table).await;
                }
            }
            8 => {}
            _ => {
                branch.refresh().await.unwrap();
                branch.drop_branch(SIDE).await.unwrap();
                (branch, beside) = (side(&fixture).await, Side::new("b"));
            }
        }
        fixture.catalog.calm();
        let reopened = fixture.reopened().await;
        assert_eq!(ids(&reopened).await, main.ids(), "seed {seed}, step {step}: main");
        assert_eq!(reopened.checkpoint().unwrap(), main.stored);
        let reopened_side = side(&fixture).await;
        assert_eq!(ids(&reopened_side).await, beside.ids(), "seed {seed}, step {step}: branch");
        assert_eq!(reopened_side.checkpoint().unwrap(), beside.stored);
        for table in [&reopened, &reopened_side] {
            if table.snapshot_id().is_some() && step % 5 == 0 {
                check_manifests(table, &mut row_ids).await;
                if version == FormatVersion::V3 {
                    check_lineage(&mut of_rows, lineage(table).await);
                }
            }
        }
        if step % 9 == 0 {
            let mut keeper = fixture.reopened().await;
            keeper.expire(&strict(2), &[]).await.unwrap();
            let orphans = keeper.preview_orphans(&ANY_AGE).await.unwrap();
            // What a commit without an answer wrote stays.
            let is_data = |location: &str| location.ends_with(".parquet") && !location.ends_with("-deletes.parquet");
            assert!(!orphans.files.iter().any(|file| is_data(&file.location)), "{orphans:?}");
        }
    }
}

#[tokio::test]
async fn streams_and_branches_side_by_side_keep_to_their_models_and_publications_are_whole() {
    for seed in 0..6 {
        random_history(seed, FormatVersion::V3).await;
    }
    for seed in 6..9 {
        random_history(seed, FormatVersion::V2).await;
    }
}

#[tokio::test]
async fn snapshots_of_a_branch_expire_as_those_of_main_do() {
    let (fixture, mut main, mut branch) = scene(9, FormatVersion::V3).await;
    for sequence in 3..10 {
        append(&mut branch, "b", sequence, sequence as i64 * 10..sequence as i64 * 10 + 2).await;
    }
    main.refresh().await.unwrap();
    let removal = main.expire(&strict(2), &[]).await.unwrap();
    assert_eq!(removal.snapshots.len(), 7);
    assert_eq!(ids(&side(&fixture).await).await.len(), 3 + 2 * 7);
    foreign_commit(&mut main, vec![], &[], SchemaChange::default()).await;
    append(&mut branch, "b", 10, 100..101).await;
    assert_no_orphans(&fixture).await;
    assert_eq!(Duration::ZERO, strict(2).safe_age);
}
