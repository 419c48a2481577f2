use std::collections::HashMap;

use super::model::{files, settings};
use crate::{ByteKeys, IndexSettings, KeyIndex, Keys, Location, SpillingIndex};

const KEYS: u64 = 30_000;
const CHANGES: u64 = 10_000;

fn as_int(numbers: &[u64]) -> Keys {
    Keys::Int(numbers.iter().map(|number| *number as i64 * 5 - 60_000).collect())
}

fn as_text(numbers: &[u64]) -> Keys {
    let mut keys = ByteKeys::default();
    numbers.iter().for_each(|number| keys.push(format!("customer-{:x}", number.wrapping_mul(0x9e37_79b9)).as_bytes()));
    Keys::Bytes(keys)
}

/// Batches so large that lookups are divided among threads, through many runs with filters and trees of several levels.
fn check(keys: fn(&[u64]) -> Keys, settings: &IndexSettings) {
    let (mut index, _) = SpillingIndex::open(settings, &keys(&[])).unwrap();
    let mut model: HashMap<u64, Location> = HashMap::new();
    let all: Vec<u64> = (0..KEYS).collect();
    let mut state = 7_u64;
    for round in 0..24_u32 {
        let mut changed: Vec<u64> = (0..CHANGES)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % KEYS
            })
            .collect();
        changed.sort_unstable();
        changed.dedup();
        changed.reverse();
        let place = |key: &u64| {
            if key % 9 == u64::from(round % 9) { Location::ABSENT } else { Location::new(round, *key as u32) }
        };
        let locations: Vec<Location> = changed.iter().map(place).collect();
        index.apply(&keys(&changed), &locations, Some(i64::from(round))).unwrap();
        model.extend(changed.iter().copied().zip(locations));
        if round % 5 == 4 {
            index.flush(&files(None)).unwrap();
        }
        assert!(index.memory_bytes() <= settings.budget_bytes, "{} bytes", index.memory_bytes());
        let found = index.lookup(&keys(&all)).unwrap();
        for (key, found) in all.iter().zip(found) {
            assert_eq!(found, model.get(key).copied().unwrap_or(Location::ABSENT), "key {key} in round {round}");
        }
    }
    while index.maintain(10_000).unwrap() {}
    index.flush(&files(None)).unwrap();
    drop(index);
    let (index, _) = SpillingIndex::open(settings, &keys(&[])).unwrap();
    let found = index.lookup(&keys(&all)).unwrap();
    let held = |key: &u64| model.get(key).copied().unwrap_or(Location::ABSENT);
    assert!(all.iter().map(held).eq(found));
}

#[test]
fn large_batches_of_integers() {
    let folder = tempfile::tempdir().unwrap();
    check(as_int, &settings(folder.path(), 200_000));
}

#[test]
fn large_batches_of_texts() {
    let folder = tempfile::tempdir().unwrap();
    check(as_text, &settings(folder.path(), 300_000).with_page_bytes(512));
}
