use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model::*;
use crate::{KeyIndex, Location, Opened, SpillingIndex};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_build_is_a_map_and_tells_of_every_row_too_many(
        kind in kinds(),
        budget in prop_oneof![Just(0_usize), 500..6_000_usize, Just(1 << 20)],
        batches in prop::collection::vec(prop::collection::vec(0..KEYS, 0..80), 0..12),
        sorted in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut subject = Subject::new(kind, settings(folder.path(), budget), None);
        subject.run(&Step::Apply([(1, true), (2, true)].into()));
        subject.run(&Step::Flush);
        let builder = subject.index.take().unwrap().rebuild(2).unwrap();
        let mut rows: BTreeMap<u16, Vec<Location>> = BTreeMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let mut batch = batch.clone();
            if sorted {
                batch.sort_unstable();
            }
            let place = |row: usize| Location::new(number as u32, row as u32);
            let locations: Vec<Location> = (0..batch.len()).map(place).collect();
            batch.iter().zip(&locations).for_each(|(key, location)| rows.entry(*key).or_default().push(*location));
            builder.add(&kind.keys(&batch), &locations).unwrap();
        }
        let total: usize = rows.values().map(Vec::len).sum();
        prop_assert_eq!(builder.progress().added(), total as u64);
        let built = builder.finish(Some(77), &files(Some(77))).unwrap();
        prop_assert_eq!(built.keys, rows.len() as u64);
        prop_assert_eq!(built.duplicates.rows, (total - rows.len()) as u64);
        prop_assert_eq!(built.duplicates.keys.len(), built.duplicates.locations.len());
        prop_assert_eq!(built.duplicates.keys.len() as u64, built.duplicates.rows.min(16));
        for (first, second) in &built.duplicates.locations {
            prop_assert!(first != second && rows.values().any(|rows| rows.contains(first) && rows.contains(second)));
        }
        let found = built.index.lookup(&kind.keys(&(0..KEYS).collect::<Vec<_>>())).unwrap();
        let mut model = Model::new();
        for key in 0..KEYS {
            match rows.get(&key) {
                Some(rows) => prop_assert!(rows.contains(&found[usize::from(key)])),
                None => prop_assert_eq!(found[usize::from(key)], Location::ABSENT),
            }
            model.extend(found[usize::from(key)].is_present().then_some((key, found[usize::from(key)])));
        }
        subject.index = Some(built.index);
        subject.now = (Some(77), model);
        subject.stored = Some(subject.now.clone());
        subject.snapshots = 77;
        subject.run(&Step::Apply([(3, true), (4, false)].into()));
        subject.run(&Step::Flush);
        subject.run(&Step::Reopen);
        prop_assert!(std::fs::read_dir(folder.path()).unwrap().count() <= 4);
    }
}

#[test]
fn a_build_that_was_given_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut subject = Subject::new(KeyKind::Text, settings(folder.path(), 900), None);
    subject.run(&Step::Apply((0..KEYS).map(|n| (n, true)).collect()));
    subject.run(&Step::Flush);
    let builder = subject.index.take().unwrap().rebuild(1).unwrap();
    let keys = KeyKind::Text.keys(&(0..KEYS).collect::<Vec<_>>());
    builder.add(&keys, &vec![Location::new(0, 0); usize::from(KEYS)]).unwrap();
    assert!(std::fs::read_dir(folder.path()).unwrap().count() > 3);
    drop(builder);
    assert_eq!(subject.open(), Opened::Fresh);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn threads_fill_a_build_together() {
    let folder = tempfile::tempdir().unwrap();
    let like = crate::Keys::Int(Vec::new());
    let (index, _) = SpillingIndex::open(&settings(folder.path(), 100_000), &like).unwrap();
    let builder = index.rebuild(4).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let builder = &builder;
            scope.spawn(move || {
                for start in (0..20_000_i64).step_by(1_000) {
                    let keys = (start..start + 1_000).map(|n| (n * 7_919 % 20_000) * 4 + thread).collect();
                    let locations: Vec<Location> =
                        (start..start + 1_000).map(|n| Location::new(thread as u32, n as u32)).collect();
                    builder.add(&crate::Keys::Int(keys), &locations).unwrap();
                }
            });
        }
    });
    let built = builder.finish(Some(1), &files(None)).unwrap();
    assert_eq!((built.keys, built.duplicates.rows), (80_000, 0));
    let keys = (0..80_000_i64).collect();
    let found = built.index.lookup(&crate::Keys::Int(keys)).unwrap();
    for (key, found) in found.into_iter().enumerate() {
        let (thread, row) = (key % 4, found.position() as usize);
        assert_eq!((found.file() as usize, row * 7_919 % 20_000), (thread, key / 4));
    }
}
