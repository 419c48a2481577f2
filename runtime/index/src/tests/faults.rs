use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::model::*;
use crate::{IndexError, KeyIndex, Opened};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_full_disk_loses_nothing(
        kind in kinds(),
        budget in budgets(),
        steps in steps(30),
        failing in prop::collection::vec((0..12_u32, 1..4_u32), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (wait, fail) = (Arc::new(AtomicU32::new(u32::MAX)), Arc::new(AtomicU32::new(0)));
        let watch = {
            let (wait, fail) = (Arc::clone(&wait), Arc::clone(&fail));
            Arc::new(move |_: &'static str, _: &std::path::Path| {
                if wait.load(Ordering::Relaxed) > 0 {
                    wait.fetch_sub(1, Ordering::Relaxed);
                } else if fail.load(Ordering::Relaxed) > 0 {
                    fail.fetch_sub(1, Ordering::Relaxed);
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(())
            })
        };
        let mut subject = Subject::new(kind, settings(folder.path(), budget), Some(watch));
        let mut failing = failing.into_iter().cycle();
        for step in &steps {
            let (waits, fails) = failing.next().unwrap();
            wait.store(waits, Ordering::Relaxed);
            fail.store(fails, Ordering::Relaxed);
            let failed = run(&mut subject, step);
            fail.store(0, Ordering::Relaxed);
            if failed {
                check(subject.index.as_ref().unwrap(), kind, &subject.now);
            }
        }
        subject.run(&Step::Apply([(1, true)].into()));
        subject.run(&Step::Flush);
        subject.run(&Step::Reopen);
    }
}

/// Does a step that may fail. Returns whether it did.
fn run(subject: &mut Subject, step: &Step) -> bool {
    let full = |result: Result<(), IndexError>| match result {
        Ok(()) => false,
        Err(IndexError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => true,
        Err(error) => panic!("{error}"),
    };
    match step {
        Step::Apply(changes) => {
            let (keys, locations, snapshot) = subject.change(changes);
            full(subject.index().apply(&keys, &locations, snapshot))
        }
        Step::Flush => {
            let names = files(subject.now.0);
            let failed = full(subject.index().flush(&names));
            if !failed {
                subject.stored = Some(subject.now.clone());
            }
            failed
        }
        Step::Maintain(entries) => {
            let result = subject.index().maintain(*entries);
            full(result.map(|_| ()))
        }
        Step::Budget(bytes) => full(subject.index().set_budget(*bytes)),
        // What an open or a clear that failed leaves is looked at below.
        Step::Reopen | Step::Clear | Step::Relocate => false,
    }
}

#[test]
fn a_flush_that_fails_at_any_point_leaves_the_last_one_or_itself() {
    for failing in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let wait = Arc::new(AtomicU32::new(u32::MAX));
        let watch = {
            let wait = Arc::clone(&wait);
            Arc::new(move |_: &'static str, _: &std::path::Path| match wait.load(Ordering::Relaxed) {
                u32::MAX => Ok(()),
                0 => Err(io::ErrorKind::StorageFull.into()),
                left => {
                    wait.store(left - 1, Ordering::Relaxed);
                    Ok(())
                }
            })
        };
        let mut subject = Subject::new(KeyKind::Int, settings(folder.path(), 1_500), Some(watch));
        subject.run(&Step::Apply((0..KEYS).map(|n| (n, true)).collect()));
        subject.run(&Step::Flush);
        let before = subject.now.clone();
        subject.run(&Step::Apply((0..KEYS).map(|n| (n, n % 3 > 0)).collect()));
        wait.store(failing, Ordering::Relaxed);
        let names = files(subject.now.0);
        let done = subject.index().flush(&names).is_ok();
        wait.store(u32::MAX, Ordering::Relaxed);
        subject.index = None;
        let Opened::Kept { snapshot, .. } = subject.open() else { panic!("the index is gone") };
        let found = if snapshot == before.0 { &before } else { &subject.now };
        assert!(!done || snapshot == subject.now.0);
        check(subject.index.as_ref().unwrap(), KeyKind::Int, found);
    }
}
