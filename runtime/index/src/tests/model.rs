use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;

use crate::disk::Watch;
use crate::{FileNames, IndexSettings, KeyExtractor, KeyIndex, Keys, Location, Opened, Relocation, SpillingIndex};

/// Keys of the tests by their numbers.
pub const KEYS: u16 = 600;

/// What an index ought to hold.
pub type Model = BTreeMap<u16, Location>;

/// Which columns the key has.
#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    Int,
    SparseInt,
    Timestamp,
    Text,
    LongText,
    Composite,
    Decimal,
}

impl KeyKind {
    fn types(self) -> Vec<DataType> {
        match self {
            KeyKind::Int | KeyKind::SparseInt => vec![DataType::Int64],
            KeyKind::Timestamp => vec![DataType::Timestamp(TimeUnit::Microsecond, None)],
            KeyKind::Text | KeyKind::LongText => vec![DataType::Utf8],
            KeyKind::Composite => vec![DataType::Utf8, DataType::Int64],
            KeyKind::Decimal => vec![DataType::Decimal128(30, 2)],
        }
    }

    /// The keys of these numbers.
    pub fn keys(self, numbers: &[u16]) -> Keys {
        let numbers = numbers.iter().copied();
        let text = |length: fn(u16) -> usize| -> ArrayRef {
            let one = |n: u16| format!("{}{}", "p".repeat(length(n)), n.wrapping_mul(40_503));
            Arc::new(StringArray::from_iter_values(numbers.clone().map(one)))
        };
        let columns: Vec<ArrayRef> = match self {
            KeyKind::Int => vec![Arc::new(Int64Array::from_iter_values(numbers.clone().map(i64::from)))],
            KeyKind::SparseInt => {
                let step = (u64::MAX / u64::from(KEYS - 1)) as i64;
                let one = |n: u16| i64::MIN.wrapping_add(step.wrapping_mul(i64::from(n)));
                vec![Arc::new(Int64Array::from_iter_values(numbers.clone().map(one)))]
            }
            KeyKind::Timestamp => {
                let one = |n: u16| 1_700_000_000_000_000 + i64::from(n.wrapping_mul(40_503)) * 1_000_000;
                vec![Arc::new(TimestampMicrosecondArray::from_iter_values(numbers.clone().map(one)))]
            }
            KeyKind::Text => vec![text(|n| usize::from(n % 5))],
            KeyKind::LongText => vec![text(|n| if n % 7 == 0 { 300 + usize::from(n) } else { usize::from(n % 90) })],
            KeyKind::Composite => vec![
                text(|n| usize::from(n % 3)),
                Arc::new(Int64Array::from_iter_values(numbers.clone().map(|n| i64::from(n % 4)))),
            ],
            KeyKind::Decimal => {
                let one = |n: u16| (i128::from(n) - 100) * 1_000_000_007_000_000_009;
                let column = Decimal128Array::from_iter_values(numbers.clone().map(one));
                vec![Arc::new(column.with_precision_and_scale(30, 2).unwrap())]
            }
        };
        KeyExtractor::new(&self.types()).unwrap().extract(&columns).unwrap()
    }
}

/// One thing that is done to an index.
#[derive(Debug, Clone)]
pub enum Step {
    Apply(BTreeMap<u16, bool>),
    Flush,
    Maintain(u64),
    Reopen,
    Budget(usize),
    Relocate,
    Clear,
}

pub fn kinds() -> impl Strategy<Value = KeyKind> {
    prop_oneof![
        Just(KeyKind::Int),
        Just(KeyKind::SparseInt),
        Just(KeyKind::Timestamp),
        Just(KeyKind::Text),
        Just(KeyKind::LongText),
        Just(KeyKind::Composite),
        Just(KeyKind::Decimal),
    ]
}

pub fn changes() -> impl Strategy<Value = BTreeMap<u16, bool>> {
    let some = prop::collection::btree_map(0..KEYS, prop::bool::weighted(0.8), 0..60);
    let stretch = (0..KEYS, 0..60_u16, any::<bool>())
        .prop_map(|(start, length, keep)| (start..(start + length).min(KEYS)).map(|key| (key, keep)).collect());
    prop_oneof![2 => some, 1 => stretch]
}

pub fn budgets() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0_usize), 500..4_000_usize, 4_000..30_000_usize]
}

pub fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => changes().prop_map(Step::Apply),
        3 => Just(Step::Flush),
        3 => (0..400_u64).prop_map(Step::Maintain),
        2 => Just(Step::Reopen),
        1 => budgets().prop_map(Step::Budget),
        2 => Just(Step::Relocate),
        1 => Just(Step::Clear),
    ];
    // Most begin full, so that changes are a small part, and runs of changes are merged with each other first.
    (prop::bool::weighted(0.8), prop::collection::vec(step, 0..count)).prop_map(|(full, mut steps)| {
        if full {
            steps.insert(0, Step::Apply((0..KEYS).map(|key| (key, true)).collect()));
        }
        steps
    })
}

pub fn settings(folder: &Path, budget_bytes: usize) -> IndexSettings {
    IndexSettings::new(folder, *b"table", budget_bytes).with_page_bytes(128)
}

/// The names that are handed to a flush at this snapshot.
pub fn files(snapshot: Option<i64>) -> FileNames {
    let next = snapshot.unwrap_or(-1).max(0) as u32;
    FileNames { paths: [(next, format!("{snapshot:?}"))].into(), next: next + 1 }
}

/// Where the row of `key` is that came with `snapshot`.
pub fn location(snapshot: i64, key: u16) -> Location {
    Location::new(snapshot as u32, u32::from(key) << 16 | snapshot as u32)
}

/// An index and what it ought to hold, now and if the process died.
pub struct Subject {
    pub kind: KeyKind,
    pub settings: IndexSettings,
    pub watch: Option<Watch>,
    pub index: Option<SpillingIndex>,
    pub snapshots: i64,
    pub now: (Option<i64>, Model),
    pub stored: Option<(Option<i64>, Model)>,
    /// Files whose rows the last flush left elsewhere.
    pub unsettled: Vec<u32>,
}

/// Rows that keep their positions and come into one file.
#[derive(Debug, Clone)]
struct Moved {
    sources: BTreeSet<u32>,
    target: u32,
}

impl Relocation for Moved {
    fn sources(&self) -> Vec<u32> {
        self.sources.iter().copied().collect()
    }

    fn targets(&self) -> Vec<u32> {
        vec![self.target]
    }

    fn place(&self, from: Location) -> Location {
        if self.sources.contains(&from.file()) { Location::new(self.target, from.position()) } else { from }
    }

    fn held_bytes(&self) -> usize {
        self.sources.len()
    }
}

impl Subject {
    pub fn new(kind: KeyKind, settings: IndexSettings, watch: Option<Watch>) -> Self {
        let mut subject = Self {
            kind,
            settings,
            watch,
            index: None,
            snapshots: 0,
            now: (None, Model::new()),
            stored: None,
            unsettled: Vec::new(),
        };
        assert_eq!(subject.open(), Opened::Fresh);
        subject
    }

    pub fn open(&mut self) -> Opened {
        let like = self.kind.keys(&[]);
        let (index, opened) = SpillingIndex::open_watched(&self.settings, &like, self.watch.clone()).unwrap();
        self.index = Some(index);
        opened
    }

    pub fn index(&mut self) -> &mut SpillingIndex {
        self.index.as_mut().unwrap()
    }

    /// The changes of a step as they are handed to the index, which the model has after this.
    pub fn change(&mut self, changes: &BTreeMap<u16, bool>) -> (Keys, Vec<Location>, Option<i64>) {
        self.snapshots += 1;
        let snapshot = self.snapshots;
        for (key, keep) in changes {
            if *keep {
                self.now.1.insert(*key, location(snapshot, *key));
            } else {
                self.now.1.remove(key);
            }
        }
        self.now.0 = Some(snapshot);
        let numbers: Vec<u16> = changes.keys().copied().collect();
        let place = |(key, keep): (&u16, &bool)| if *keep { location(snapshot, *key) } else { Location::ABSENT };
        (self.kind.keys(&numbers), changes.iter().map(place).collect(), Some(snapshot))
    }

    /// Sets the rows of unsettled files anew, as who opens an index does.
    fn set_anew(&mut self) {
        let unsettled = self.now.1.iter().filter(|(_, location)| self.unsettled.contains(&location.file()));
        let (numbers, locations): (Vec<u16>, Vec<Location>) =
            unsettled.map(|(key, location)| (*key, *location)).unzip();
        if numbers.is_empty() {
            return;
        }
        let (keys, snapshot) = (self.kind.keys(&numbers), self.now.0);
        self.index().apply(&keys, &locations, snapshot).unwrap();
    }

    pub fn run(&mut self, step: &Step) {
        match step {
            Step::Apply(changes) => {
                let (keys, locations, snapshot) = self.change(changes);
                self.index().apply(&keys, &locations, snapshot).unwrap();
            }
            Step::Flush => {
                let names = files(self.now.0);
                self.index().flush(&names).unwrap();
                self.stored = Some(self.now.clone());
                self.unsettled = self.index().unsettled();
            }
            Step::Maintain(entries) => {
                self.index().maintain(*entries).unwrap();
            }
            Step::Budget(bytes) => self.index().set_budget(*bytes).unwrap(),
            Step::Relocate => {
                let snapshot = self.snapshots + 1;
                let sources =
                    self.now.1.values().map(|location| location.file()).filter(|file| file % 3 != 0).collect();
                let moved = Moved { sources, target: snapshot as u32 };
                if self.index().relocate(Arc::new(moved.clone()), Some(snapshot)) {
                    self.snapshots = snapshot;
                    self.now.0 = Some(snapshot);
                    self.now.1.values_mut().for_each(|location| *location = moved.place(*location));
                }
            }
            Step::Clear => {
                self.index().clear().unwrap();
                self.now = (None, Model::new());
                self.stored = None;
            }
            Step::Reopen => {
                self.index = None;
                let opened = self.open();
                match self.stored.clone() {
                    None => {
                        assert_eq!(opened, Opened::Fresh);
                        self.now = (None, Model::new());
                    }
                    Some(stored) => {
                        assert_eq!(opened, Opened::Kept { snapshot: stored.0, files: files(stored.0) });
                        self.now = stored;
                        self.set_anew();
                    }
                }
            }
        }
        check(self.index.as_ref().unwrap(), self.kind, &self.now);
    }
}

pub fn all_keys() -> Vec<u16> {
    // Not in order, and with repetitions.
    (0..KEYS).rev().chain(0..KEYS / 2).collect()
}

pub fn check(index: &SpillingIndex, kind: KeyKind, expected: &(Option<i64>, Model)) {
    let numbers = all_keys();
    let found = index.lookup(&kind.keys(&numbers)).unwrap();
    for (key, found) in numbers.iter().zip(found) {
        assert_eq!(found, expected.1.get(key).copied().unwrap_or(Location::ABSENT), "key {key}");
    }
    assert_eq!(index.snapshot(), expected.0);
    if let Some(count) = index.key_count() {
        assert_eq!(count, expected.1.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn an_index_is_a_map(kind in kinds(), budget in budgets(), steps in steps(40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut subject = Subject::new(kind, settings(folder.path(), budget), None);
        for step in &steps {
            subject.run(step);
        }
        subject.run(&Step::Flush);
        subject.run(&Step::Reopen);
    }
}

#[test]
fn only_files_that_are_needed_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut subject = Subject::new(KeyKind::Int, settings(folder.path(), 1_000), None);
    for round in 0..60_u16 {
        subject.run(&Step::Apply((0..40).map(|n| ((n * 7 + round * 13) % KEYS, true)).collect()));
    }
    while subject.index().maintain(1_000).unwrap() {}
    subject.run(&Step::Flush);
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(names() < 12, "{} files", names());
    let bytes: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes >= subject.index().disk_bytes());
    subject.run(&Step::Clear);
    assert_eq!(names(), 1);
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1_000);
    let like = KeyKind::Int.keys(&[]);
    let first = SpillingIndex::open(&settings, &like).unwrap();
    assert!(matches!(SpillingIndex::open(&settings, &like), Err(crate::IndexError::Locked { .. })));
    drop(first);
    assert!(SpillingIndex::open(&settings, &like).is_ok());
}

#[test]
fn an_index_of_something_else_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut subject = Subject::new(KeyKind::Int, settings(folder.path(), 1_000), None);
    subject.run(&Step::Apply((0..KEYS).map(|n| (n, true)).collect()));
    subject.run(&Step::Flush);
    drop(subject);
    let other = IndexSettings { identity: b"other".to_vec(), ..settings(folder.path(), 1_000) };
    let (index, opened) = SpillingIndex::open(&other, &KeyKind::Int.keys(&[])).unwrap();
    assert!(matches!(opened, Opened::Distrusted { .. }));
    check(&index, KeyKind::Int, &(None, Model::new()));
    drop(index);
    let (_, opened) = SpillingIndex::open(&other, &KeyKind::Text.keys(&[])).unwrap();
    assert_eq!(opened, Opened::Fresh);
}
