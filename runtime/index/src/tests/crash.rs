use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::model::*;
use crate::disk::{LOCK, Watch};
use crate::{KeyIndex, Opened, SpillingIndex};

/// What may be found if the process dies now: nothing, or one of these.
#[derive(Default)]
struct Expected {
    nothing: bool,
    stored: Vec<(Option<i64>, Model)>,
    looked: usize,
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name() != LOCK {
            std::fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
        }
    }
    to
}

/// A watch that looks before every change of the folder what another process would find in it.
fn watch(kind: KeyKind, folder: PathBuf, budget: usize, expected: Arc<Mutex<Expected>>) -> Watch {
    Arc::new(move |_, _| {
        let mut expected = expected.lock().unwrap();
        expected.looked += 1;
        let copy = copy(&folder);
        let (index, opened) = SpillingIndex::open(&settings(copy.path(), budget), &kind.keys(&[])).unwrap();
        match opened {
            Opened::Fresh => assert!(expected.nothing, "the index is gone"),
            Opened::Distrusted { why } => panic!("{why}"),
            Opened::Kept { snapshot, files: names } => {
                let stored =
                    expected.stored.iter().find(|stored| stored.0 == snapshot).expect("a snapshot that was flushed");
                assert_eq!(names, files(snapshot));
                check(&index, kind, stored);
            }
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whenever_the_process_dies_the_last_flush_is_found(kind in kinds(), budget in budgets(), steps in steps(24)) {
        let folder = tempfile::tempdir().unwrap();
        let expected = Arc::new(Mutex::new(Expected { nothing: true, ..Expected::default() }));
        let watch = watch(kind, folder.path().to_owned(), budget, Arc::clone(&expected));
        let mut subject = Subject::new(kind, settings(folder.path(), budget), Some(watch));
        for step in steps.iter().filter(|step| !matches!(step, Step::Budget(_) | Step::Relocate)) {
            {
                let mut expected = expected.lock().unwrap();
                expected.stored = subject.stored.iter().cloned().collect();
                expected.nothing = subject.stored.is_none() || matches!(step, Step::Clear);
                if matches!(step, Step::Flush) {
                    expected.stored.push(subject.now.clone());
                }
            }
            subject.run(step);
        }
        prop_assert!(expected.lock().unwrap().looked > 0);
    }

    #[test]
    fn damage_is_never_believed(
        kind in kinds(),
        budget in budgets(),
        steps in steps(24),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8, 1..=255_u8), 12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut subject = Subject::new(kind, settings(folder.path(), budget), None);
        steps.iter().filter(|step| !matches!(step, Step::Relocate)).for_each(|step| subject.run(step));
        subject.run(&Step::Flush);
        subject.index = None;
        for (file, at, what, mask) in damages {
            let copy = copy(folder.path());
            let mut paths: Vec<PathBuf> = std::fs::read_dir(copy.path()).unwrap().map(|file| file.unwrap().path()).collect();
            paths.sort();
            damage(&paths, file.index(paths.len()), at, what, mask);
            believe_nothing_wrong(&subject, copy.path(), budget);
        }
    }
}

/// Cuts, flips, removes or swaps.
fn damage(paths: &[PathBuf], chosen: usize, at: prop::sample::Index, what: u8, mask: u8) {
    let path = &paths[chosen];
    let mut bytes = std::fs::read(path).unwrap();
    match what {
        0 => bytes.truncate(at.index(bytes.len().max(1))),
        1 if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        2 => return std::fs::remove_file(path).unwrap(),
        _ => bytes = std::fs::read(&paths[at.index(paths.len())]).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

fn believe_nothing_wrong(subject: &Subject, folder: &Path, budget: usize) {
    let (mut index, opened) = SpillingIndex::open(&settings(folder, budget), &subject.kind.keys(&[])).unwrap();
    match opened {
        Opened::Kept { snapshot, .. } => assert_eq!(snapshot, subject.now.0),
        Opened::Fresh | Opened::Distrusted { .. } => return check(&index, subject.kind, &(None, Model::new())),
    }
    for key in 0..KEYS {
        match index.lookup(&subject.kind.keys(&[key])) {
            Ok(found) => assert_eq!(found[0].is_present().then_some(found[0]), subject.now.1.get(&key).copied()),
            Err(error) => assert!(error.is_corrupt(), "{error}"),
        }
    }
    if let Err(error) = index.maintain(u64::MAX) {
        assert!(error.is_corrupt(), "{error}");
    }
    index.clear().unwrap();
    check(&index, subject.kind, &(None, Model::new()));
}
