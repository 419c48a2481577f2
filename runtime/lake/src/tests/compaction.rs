use std::collections::{BTreeMap, BTreeSet, HashMap};

use iceberg::TableUpdate;
use iceberg::spec::{NullOrder, SortDirection, SortField, SortOrder, Transform};
use sluice_change::SchemaChange;
use sluice_platform::{Entropy, SeededEntropy};

use super::commit_matrix::{foreign_commit, send};
use super::fixture::*;
use super::lineage::{check_lineage, lineage};
use super::manifests::check_manifests;
use super::upkeep::{ANY_AGE, assert_no_orphans, at_snapshot, strict};
use crate::{
    CompactionSettings, CompactionWork, FormatVersion, LakeSettings, LakeTable, MemoryFault, Outcome, Proposal,
    RewriteOutcome, Rewritten, Role, TableChange,
};

/// Everything is small or has deleted rows, and files end after a few rows.
pub fn eager() -> CompactionSettings {
    CompactionSettings {
        target_bytes: 3_000,
        deleted_share: 0.1,
        growth: 1.5,
        min_files: 2,
        min_deleted_bytes: 1,
        job_bytes: 20_000,
        batch_rows: 7,
        processor_share: 1.0,
        ..CompactionSettings::default()
    }
}

/// Length of files that end after a few rows.
pub const SHORT: u64 = 300;

pub async fn pinned(table: &LakeTable, dice: &SeededEntropy) -> Option<CompactionWork> {
    let mut plan = table.plan_compaction(&eager()).await.unwrap();
    if plan.jobs.is_empty() {
        return None;
    }
    let mut job = plan.jobs.swap_remove((dice.next_u64() % plan.jobs.len() as u64) as usize);
    if dice.next_u64().is_multiple_of(2) {
        // Several files come out.
        job.file_bytes = SHORT;
    }
    table.pin(&job, &eager()).await.unwrap()
}

pub async fn compact(table: &mut LakeTable) -> usize {
    let jobs = table.plan_compaction(&eager()).await.unwrap().jobs;
    for job in &jobs {
        let work = table.pin(job, &eager()).await.unwrap().unwrap();
        let rewritten = work.run().await.unwrap();
        moved(table.commit_rewrite(&rewritten).await.unwrap());
    }
    jobs.len()
}

pub fn moved(outcome: RewriteOutcome) -> i64 {
    match outcome {
        RewriteOutcome::Landed { snapshot_id, .. } => snapshot_id,
        RewriteOutcome::Dropped { reason } => panic!("dropped: {reason}"),
    }
}

/// By `amount` downwards, nulls last, then by `id`.
pub async fn set_sort_order(table: &mut LakeTable) {
    let schema = table.stored.metadata.current_schema().clone();
    let field = |name: &str, direction| SortField {
        source_id: schema.field_by_name(name).unwrap().id,
        transform: Transform::Identity,
        direction,
        null_order: NullOrder::Last,
    };
    let fields = vec![field("amount", SortDirection::Descending), field("id", SortDirection::Ascending)];
    let sort_order = SortOrder { order_id: 1, fields };
    let updates =
        vec![TableUpdate::AddSortOrder { sort_order }, TableUpdate::SetDefaultSortOrder { sort_order_id: -1 }];
    send(table, Proposal { requirements: Vec::new(), updates }).await;
}

/// One table, its model, and what may be under way beside it.
struct History {
    fixture: Fixture,
    table: LakeTable,
    dice: SeededEntropy,
    model: BTreeSet<i64>,
    next_id: i64,
    sequence: u64,
    work: Option<CompactionWork>,
    done: Option<Rewritten>,
    lineage: BTreeMap<i64, (i64, i64)>,
    row_ids: HashMap<String, i64>,
    landed: usize,
    dropped: usize,
    /// Rows of each snapshot that was looked at.
    snapshots: BTreeMap<i64, Vec<i64>>,
}

impl History {
    async fn new(seed: u64, version: FormatVersion, partition: &[&str], sort: bool) -> Self {
        let settings = LakeSettings {
            small_data_manifests: 5,
            small_delete_manifests: 2,
            delete_cache_bytes: 600,
            vectors_per_file: if seed.is_multiple_of(2) { 1 } else { usize::MAX },
            ..LakeSettings::default()
        };
        let fixture = Fixture::with(seed, settings);
        let mut table = fixture.lake.create(&ident(), &spec(version, partition), Role::Silver).await.unwrap();
        if sort {
            set_sort_order(&mut table).await;
        }
        Self {
            fixture,
            table,
            dice: SeededEntropy::new(seed ^ 0xd1ce),
            model: BTreeSet::new(),
            next_id: 0,
            sequence: 0,
            work: None,
            done: None,
            lineage: BTreeMap::new(),
            row_ids: HashMap::new(),
            landed: 0,
            dropped: 0,
            snapshots: BTreeMap::new(),
        }
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice.next_u64() % sides
    }

    fn faults(&self) {
        use MemoryFault::{Conflict, UnknownLanded, UnknownNotLanded};
        let fault = [None, None, None, Some(Conflict), Some(UnknownLanded), Some(UnknownNotLanded)];
        if self.roll(3) == 0 {
            self.fixture.catalog.inject((0..=self.roll(2)).map(|_| fault[self.roll(6) as usize]));
        }
    }

    fn pick(&self, from: &BTreeSet<i64>) -> Vec<i64> {
        let share = self.roll(6);
        from.iter().copied().filter(|_| self.roll(10) < share).collect()
    }

    /// A commit of the lane's own.
    async fn commit(&mut self) {
        self.sequence += 1;
        let added = self.roll(30) as i64;
        let replace_all = self.roll(30) == 0;
        let files = self.table.write(vec![rows(self.next_id..self.next_id + added)]).await.unwrap();
        let here: BTreeSet<i64> = ids(&self.table).await.into_iter().collect();
        let gone = self.pick(&here.intersection(&self.model).copied().collect());
        self.faults();
        loop {
            let deletes = if replace_all { HashMap::new() } else { deletes_of(&self.table, &gone).await };
            let change = TableChange { replace_all, deletes, ..change("w", self.sequence, files.clone(), &[]) };
            match self.table.commit(change).await.unwrap() {
                Outcome::Landed { .. } => break,
                Outcome::Moved => self.table.refresh().await.map(drop).unwrap(),
                Outcome::Fenced { by, detail } => panic!("fenced by {by}: {detail}"),
            }
        }
        self.fixture.catalog.calm();
        if replace_all {
            self.model.clear();
        }
        for id in gone {
            self.model.remove(&id);
        }
        self.model.extend(self.next_id..self.next_id + added);
        self.next_id += added;
    }

    /// What another program does that knows nothing of positions.
    async fn foreign(&mut self) {
        let mut other = self.fixture.reopened().await;
        match self.roll(4) {
            0 => {
                let files = other.write(vec![rows(self.next_id..self.next_id + 5)]).await.unwrap();
                foreign_commit(&mut other, files, &[], SchemaChange::default()).await;
                self.model.extend(self.next_id..self.next_id + 5);
                self.next_id += 5;
            }
            1 | 2 => {
                let gone = self.pick(&self.model);
                let deletes = deletes_of(&other, &gone).await;
                let listed: Vec<(_, Vec<u32>)> =
                    deletes.iter().map(|(file, at)| (*file, at.iter().collect())).collect();
                let listed: Vec<_> = listed.iter().map(|(file, at)| (*file, at.as_slice())).collect();
                foreign_commit(&mut other, vec![], &listed, SchemaChange::default()).await;
                for id in gone {
                    self.model.remove(&id);
                }
            }
            _ => {
                let Some(work) = pinned(&other, &self.dice).await else { return };
                moved(other.commit_rewrite(&work.run().await.unwrap()).await.unwrap());
            }
        }
    }

    async fn compaction(&mut self) {
        match (self.work.take(), self.done.take()) {
            (None, None) => self.work = pinned(&self.table, &self.dice).await,
            (Some(work), _) => self.done = Some(work.run().await.unwrap()),
            (None, Some(done)) => {
                self.faults();
                let before = self.table.checkpoint().unwrap();
                match self.table.commit_rewrite(&done).await.unwrap() {
                    RewriteOutcome::Landed { .. } => self.landed += 1,
                    RewriteOutcome::Dropped { .. } => self.dropped += 1,
                }
                self.fixture.catalog.calm();
                assert_eq!(self.table.checkpoint().unwrap(), before);
            }
        }
    }

    /// Expiry and the removal of orphans, which leave alone what is under way and what a kept snapshot needs.
    async fn upkeep(&mut self) {
        let in_use: Vec<i64> = self.work.iter().map(CompactionWork::snapshot_id).collect();
        self.faults();
        let keep = 1 + self.roll(6) as usize;
        let removal = self.table.expire(&strict(keep), &in_use).await.unwrap();
        self.fixture.catalog.calm();
        assert_eq!(removal.failed, 0);
        assert!(in_use.iter().all(|id| self.table.stored.metadata.snapshot_by_id(*id).is_some()));
        for (id, wanted) in &self.snapshots {
            if self.table.stored.metadata.snapshot_by_id(*id).is_some() {
                assert_eq!(&ids(&at_snapshot(&self.table, *id).await).await, wanted);
            }
        }
        // Files in memory have no age, so those of a rewrite under way would be taken for orphans.
        if self.done.is_none() {
            self.table.remove_orphans(&ANY_AGE).await.unwrap();
            assert_no_orphans(&self.fixture, &mut self.table).await;
        }
    }

    async fn check(&mut self) {
        self.table.refresh().await.unwrap();
        let wanted: Vec<i64> = self.model.iter().copied().collect();
        assert_eq!(ids(&self.table).await, wanted);
        self.snapshots.extend(self.table.snapshot_id().map(|id| (id, wanted.clone())));
        let reopened = self.fixture.reopened().await;
        assert_eq!(ids(&reopened).await, wanted);
        assert_eq!(reopened.manifests, self.table.manifests);
        assert_eq!(reopened.facts(), self.table.facts());
        assert_eq!(reopened.facts().data_files, reopened.live_files().count() as u64);
        let carried = (self.sequence > 0).then(|| checkpoint("w", self.sequence));
        assert_eq!(reopened.checkpoint().unwrap(), carried);
        if self.table.snapshot_id().is_some() {
            check_manifests(&self.table, &mut self.row_ids).await;
        }
        if self.table.format_version() == FormatVersion::V3 {
            check_lineage(&mut self.lineage, lineage(&reopened).await);
        }
    }

    async fn run(mut self, steps: usize) -> (usize, usize) {
        for step in 0..steps {
            match self.roll(10) {
                0..=3 => self.commit().await,
                4 => self.foreign().await,
                6 if self.roll(3) == 0 => self.upkeep().await,
                5 if self.roll(6) == 0 => {
                    // The process dies; what it was doing is lost.
                    (self.work, self.done) = (None, None);
                    self.table = self.fixture.reopened().await;
                }
                _ => self.compaction().await,
            }
            if step % 3 == 0 {
                self.check().await;
            }
        }
        self.check().await;
        (self.landed, self.dropped)
    }
}

async fn histories(seeds: std::ops::Range<u64>, version: FormatVersion, partition: &[&str], sort: bool) {
    let (mut landed, mut dropped) = (0, 0);
    for seed in seeds {
        let (l, d) = History::new(seed, version, partition, sort).await.run(60).await;
        (landed, dropped) = (landed + l, dropped + d);
    }
    assert!(landed >= 4, "{landed} rewrites landed and {dropped} were dropped: nothing was tested");
}

#[tokio::test]
async fn rewrites_between_random_commits_read_back_as_the_model_with_vectors() {
    histories(100..104, FormatVersion::V3, &[], false).await;
}

#[tokio::test]
async fn rewrites_between_random_commits_read_back_as_the_model_with_position_deletes() {
    histories(200..203, FormatVersion::V2, &[], false).await;
}

#[tokio::test]
async fn rewrites_of_partitioned_tables_read_back_as_the_model() {
    histories(300..302, FormatVersion::V3, &["region"], false).await;
    histories(310..312, FormatVersion::V2, &["truncate(20, id)"], false).await;
}

#[tokio::test]
async fn rewrites_of_sorted_tables_read_back_as_the_model() {
    histories(400..402, FormatVersion::V3, &[], true).await;
    histories(410..412, FormatVersion::V2, &["region"], true).await;
}
