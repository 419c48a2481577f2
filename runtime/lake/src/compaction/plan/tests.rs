use std::collections::BTreeMap;

use iceberg::spec::Literal;
use proptest::prelude::*;

use super::*;
use crate::FileId;

fn file(id: u32, bytes: u64, records: u64, deleted: u64, sequence: i64) -> LiveFile {
    LiveFile {
        id: FileId(id),
        path: format!("f{id}").into(),
        records,
        deleted,
        bytes,
        spec_id: 0,
        partition: Struct::empty(),
        sequence,
        first_row_id: Some(0),
        sort_order: None,
        manifest: "m".into(),
        bounds: Vec::new(),
        texts: Vec::new(),
        deletes: Vec::new(),
    }
}

fn planned(files: &[LiveFile], settings: &CompactionSettings) -> Vec<CompactionJob> {
    plan(files.iter(), settings, &Facts::default()).jobs
}

const MB: u64 = 1 << 20;

#[test]
fn a_long_stream_of_small_commits_is_written_a_few_times_and_leaves_few_files() {
    let settings = CompactionSettings::default();
    for commit_bytes in [10_000, 500_000, 5 * MB] {
        let mut files: BTreeMap<u32, LiveFile> = BTreeMap::new();
        let (mut next, mut rewritten, mut most_small) = (0, 0_u64, 0);
        let commits = 4000;
        for sequence in 0..commits {
            files.insert(next, file(next, commit_bytes, 10_000, 0, sequence));
            next += 1;
            let all: Vec<LiveFile> = files.values().cloned().collect();
            for job in planned(&all, &settings) {
                rewritten += job.bytes;
                files.retain(|_, file| !job.files.contains(&file.path));
                for _ in 0..job.bytes.div_ceil(job.file_bytes) {
                    files.insert(next, file(next, job.file_bytes, 10_000, 0, sequence));
                    next += 1;
                }
            }
            most_small = most_small.max(files.values().filter(|file| file.bytes < settings.target_bytes / 2).count());
        }
        let taken_in = commit_bytes * commits as u64;
        let times = rewritten as f64 / taken_in as f64;
        let wanted = (settings.target_bytes as f64 / commit_bytes as f64).log(settings.growth);
        println!("{commit_bytes} B a commit: each byte rewritten {times:.2} times, at most {most_small} small files");
        assert!(times <= wanted + 0.5, "{commit_bytes} B a commit: each byte is rewritten {times} times");
        assert!(most_small <= 25, "{commit_bytes} B a commit: {most_small} small files");
    }
}

#[test]
fn random_updates_cost_a_bounded_number_of_bytes_for_each_deleted_one() {
    let settings = CompactionSettings::default();
    // 10 M rows in four files, and 8,000 of them updated with each commit.
    let mut files: BTreeMap<u32, LiveFile> = (0..4).map(|id| (id, file(id, 125 * MB, 2_500_000, 0, 0))).collect();
    let (mut next, mut rewritten) = (4, 0_u64);
    for sequence in 1..=1000 {
        let rows: u64 = files.values().map(|file| file.records - file.deleted).sum();
        for file in files.values_mut() {
            file.deleted += (file.records - file.deleted) * 8_000 / rows;
        }
        files.insert(next, file(next, MB / 2, 10_000, 0, sequence));
        next += 1;
        let all: Vec<LiveFile> = files.values().cloned().collect();
        for job in planned(&all, &settings) {
            rewritten += job.bytes;
            files.retain(|_, file| !job.files.contains(&file.path));
            let live = job.bytes * job.rows / (job.rows + job.deleted);
            let count = live.div_ceil(job.file_bytes);
            for _ in 0..count {
                files.insert(next, file(next, live / count, job.rows / count, 0, sequence));
                next += 1;
            }
        }
    }
    let (records, deleted) = files.values().fold((0, 0), |(r, d), file| (r + file.records, d + file.deleted));
    println!("{} files, {deleted} of {records} rows deleted, {} MB rewritten", files.len(), rewritten / MB);
    assert!(files.len() < 35, "{} files", files.len());
    assert!((deleted as f64) < 0.16 * records as f64, "{deleted} of {records}");
    // Eight million rows of 52 bytes went, and half a megabyte came with each commit.
    let most = 8_000_000.0 * 52.0 / settings.deleted_share + 1000.0 * (MB / 2) as f64 * 4.0;
    assert!((rewritten as f64) < most, "{rewritten} bytes rewritten, more than {most}");
}

#[test]
fn files_with_many_deleted_rows_are_rewritten_and_others_are_left() {
    let settings = CompactionSettings::default();
    let files = [
        file(0, 128 * MB, 1000, 300, 1),
        file(1, 128 * MB, 1000, 100, 2),
        file(2, MB, 1000, 900, 3),
        file(3, MB, 1000, 0, 4),
    ];
    let jobs = planned(&files, &settings);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].files, ["f0".into(), "f2".into()]);
    assert_eq!((jobs[0].rows, jobs[0].deleted), (800, 1200));
    // A few deleted rows in a few small files cost a reader nothing.
    assert_eq!(planned(&files[1..], &settings), []);
}

#[test]
fn a_partition_that_rests_is_put_together_once() {
    let settings = CompactionSettings::default();
    let files = [file(0, MB, 10, 0, 1), file(1, 2 * MB, 10, 0, 2)];
    let facts = Facts { settled: Some(2), ..Facts::default() };
    let jobs = plan(files.iter(), &settings, &facts).jobs;
    assert_eq!((jobs.len(), jobs[0].files.len()), (1, 2));
    assert_eq!(plan(files[..1].iter(), &settings, &facts).jobs, []);
    assert_eq!(plan(files.iter(), &settings, &Facts { settled: Some(1), ..Facts::default() }).jobs, []);
}

#[test]
fn files_without_row_ids_wait_for_them() {
    let files: Vec<LiveFile> = (0..8).map(|id| LiveFile { first_row_id: None, ..file(id, MB, 10, 5, 1) }).collect();
    let facts = Facts { row_ids: true, ..Facts::default() };
    assert_eq!(plan(files.iter(), &CompactionSettings::default(), &facts).jobs, []);
    assert_eq!(planned(&files, &CompactionSettings::default()).len(), 1);
}

prop_compose! {
    fn some_file()(
        bytes in 1_u64..200, records in 1_u64..1000, share in 0_u64..=10, sequence in 0_i64..50, partition in 0..3_i32,
        spec_id in 0..2_i32,
    ) -> LiveFile {
        let partition = Struct::from_iter([Some(Literal::int(partition))]);
        LiveFile { partition, spec_id, ..file(0, bytes * MB, records, records * share / 10, sequence) }
    }
}

proptest! {
    #[test]
    fn jobs_are_bounded_share_no_file_and_keep_to_one_partition(
        files in prop::collection::vec(some_file(), 0..60),
        sorted in any::<bool>(),
        settled in prop::option::of(0_i64..50),
        memory_mb in 128_u64..1024,
    ) {
        let files: Vec<LiveFile> = (0..).zip(files).map(|(id, file)| LiveFile {
            id: FileId(id), path: format!("f{id}").into(), ..file
        }).collect();
        let settings = CompactionSettings::default().within(memory_mb * MB);
        let facts = Facts { settled, sorted: sorted.then_some(1), ..Facts::default() };
        let jobs = plan(files.iter(), &settings, &facts).jobs;
        let mut seen = std::collections::HashSet::new();
        for job in &jobs {
            let of: Vec<&LiveFile> = job.files.iter().map(|path| files.iter().find(|f| f.path == *path).unwrap()).collect();
            prop_assert!(of.iter().all(|file| seen.insert(file.id)));
            prop_assert!(of.iter().all(|file| file.partition == job.partition && file.spec_id == job.spec_id));
            prop_assert_eq!(job.bytes, of.iter().map(|file| file.bytes).sum::<u64>());
            let most = if sorted { settings.sort_bytes } else { settings.job_bytes };
            prop_assert!(of.len() == 1 || job.bytes <= most);
            prop_assert!(of.len() > 1 || job.deleted > 0);
            prop_assert!(job.memory_bytes() <= memory_mb * MB);
            prop_assert!(job.file_bytes <= settings.target_bytes * 3 / 2 + 1);
            prop_assert!(of.windows(2).all(|pair| pair[0].sequence <= pair[1].sequence));
        }
    }
}
