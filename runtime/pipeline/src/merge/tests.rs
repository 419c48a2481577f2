use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use sluice_change::{Op, UnsentBuilder};
use sluice_index::{KeyExtractor, KeyIndex, Location, MemoryIndex};

use super::*;

/// One change: what it does, its key, the key before it, and its values, of which some are not sent.
#[derive(Debug, Clone)]
struct Change {
    op: Op,
    key: i64,
    before: Option<i64>,
    values: [Cell; 2],
}

/// A value, or none was sent.
type Cell = Option<i64>;
type Values = [Option<i64>; 2];

fn change(op: Op, key: i64, before: Option<i64>, value: i64) -> Change {
    Change { op, key, before, values: [Some(value), Some(-value)] }
}

/// How the key is stored: one long column, or a string and a long.
#[derive(Debug, Clone, Copy)]
struct Shape {
    composite: bool,
}

const VALUES: [&str; 2] = ["value", "other"];

impl Shape {
    fn key(self) -> Vec<String> {
        if self.composite { vec!["text".into(), "id".into()] } else { vec!["id".into()] }
    }

    fn key_columns(self, keys: &[Option<i64>]) -> Vec<ArrayRef> {
        let id: ArrayRef = Arc::new(Int64Array::from_iter(keys.iter().copied()));
        if !self.composite {
            return vec![id];
        }
        let text = keys.iter().map(|key| key.map(|key| "k".repeat((key % 3) as usize)));
        vec![Arc::new(StringArray::from_iter(text)), id]
    }

    fn part(self, changes: &[Change]) -> MergePart {
        let keys: Vec<Option<i64>> =
            changes.iter().map(|change| (change.op != Op::Truncate).then_some(change.key)).collect();
        let before: Vec<Option<i64>> = changes.iter().map(|change| change.before).collect();
        let mut columns = self.key_columns(&keys);
        for place in 0..VALUES.len() {
            columns.push(Arc::new(Int64Array::from_iter(changes.iter().map(|change| change.values[place]))));
        }
        let names = self.key().into_iter().chain(VALUES.map(str::to_owned));
        let fields: Vec<Field> =
            names.zip(&columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let mut unsent = UnsentBuilder::default();
        for change in changes {
            let missing: Vec<u32> = (0..2_u32).filter(|place| change.values[*place as usize].is_none()).collect();
            unsent.push(&missing);
        }
        let unsent = unsent.finish(|place| VALUES[place as usize].to_owned());
        MergePart {
            unsent: unsent.and_then(|unsent| UnsentCells::of(&unsent, &rows)),
            rows,
            ops: changes.iter().map(|change| change.op).collect(),
            before: Some(self.key_columns(&before)),
        }
    }

    fn extractor(self) -> KeyExtractor {
        let types: Vec<DataType> = self.key_columns(&[]).iter().map(|column| column.data_type().clone()).collect();
        KeyExtractor::new(&types).unwrap()
    }
}

/// Looks the keys up and plans.
fn planned(mut fold: Fold, index: &MemoryIndex) -> MergePlan {
    let keys = fold.take_keys();
    let found = if fold.truncates() { vec![Location::ABSENT; keys.len()] } else { index.lookup(&keys).unwrap() };
    fold.plan(keys, &found).unwrap()
}

/// Silver as files of values with deleted positions, kept by applying plans.
struct Silver {
    index: MemoryIndex,
    files: BTreeMap<u32, Vec<Option<(i64, Values)>>>,
    next_file: u32,
}

impl Silver {
    fn new(extractor: &KeyExtractor) -> Self {
        Self { index: MemoryIndex::new(&extractor.none()), files: BTreeMap::new(), next_file: 0 }
    }

    /// What a plan wants read back, each row of which must be live.
    fn read_back(&self, missing: &Missing, like: &RecordBatch) -> RecordBatch {
        let rows: Vec<Values> = missing
            .wanted
            .iter()
            .map(|at| self.files[&at.file()][at.position() as usize].expect("only live rows are read back").1)
            .collect();
        let columns = missing.columns.iter().map(|column| {
            let name = like.schema().field(*column).name().clone();
            let place = VALUES.iter().position(|value| *value == name).expect("keys are always sent");
            let values: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row[place])));
            (name, values)
        });
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap()
    }

    fn apply(&mut self, mut plan: MergePlan) {
        if let Some(missing) = plan.missing.take() {
            let stored = (!missing.columns.is_empty()).then(|| self.read_back(&missing, &plan.rows[0]));
            plan.rows = missing.fill(&plan.rows, stored.as_ref()).unwrap();
        }
        if plan.truncated {
            self.files.clear();
            self.index.clear().unwrap();
        }
        for (file, positions) in &plan.deletes {
            for position in positions {
                let row = &mut self.files.get_mut(file).unwrap()[position as usize];
                assert!(row.take().is_some(), "a position is deleted twice");
            }
        }
        let mut placed = Vec::new();
        let mut rows = Vec::new();
        for batch in &plan.rows {
            let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
            let (id, values) = (column("id"), VALUES.map(column));
            for row in 0..batch.num_rows() {
                placed.push(Location::new(self.next_file, rows.len() as u32));
                let values = [0, 1].map(|place: usize| values[place].iter().nth(row).unwrap());
                rows.push(Some((id.value(row), values)));
            }
        }
        self.index.apply(plan.keys(), &plan.locations(&placed), None).unwrap();
        self.files.insert(self.next_file, rows);
        self.next_file += 1;
    }

    fn rows(&self) -> BTreeMap<i64, Values> {
        let mut rows = BTreeMap::new();
        for (key, values) in self.files.values().flatten().flatten() {
            assert!(rows.insert(*key, *values).is_none(), "key {key} twice");
        }
        rows
    }
}

fn naive(model: &mut BTreeMap<i64, Values>, change: &Change) {
    let Change { op, key, before, values } = change.clone();
    match op {
        Op::Truncate => model.clear(),
        Op::Delete => {
            model.remove(&key);
            before.map(|before| model.remove(&before));
        }
        _ => {
            // A key that changed brings along what it was under the old one.
            let kept = match before.filter(|before| *before != key) {
                Some(before) => {
                    let kept = model.remove(&before);
                    model.remove(&key);
                    kept
                }
                None => model.remove(&key),
            };
            let kept = kept.unwrap_or_default();
            model.insert(key, [values[0].or(kept[0]), values[1].or(kept[1])]);
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let op = prop_oneof![
        3 => Just(Op::Insert), 8 => Just(Op::Update), 3 => Just(Op::Delete), 1 => Just(Op::Load), 1 => Just(Op::Truncate)
    ];
    let cell = || prop::option::weighted(0.7, any::<i64>());
    let change = (op, 0..8_i64, prop::option::weighted(0.2, 0..8_i64), [cell(), cell()]);
    let change = change.prop_map(|(op, key, before, values)| match op {
        Op::Truncate => Change { op, key: 0, before: None, values: [Some(0); 2] },
        _ => Change { op, key, before, values },
    });
    prop::collection::vec(change, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn merging_in_batches_equals_applying_changes_one_by_one(
        batches in prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..6),
        composite in any::<bool>(),
    ) {
        let shape = Shape { composite };
        let extractor = shape.extractor();
        let mut silver = Silver::new(&extractor);
        let mut model = BTreeMap::new();
        for batch in batches {
            batch.iter().flatten().for_each(|change| naive(&mut model, change));
            let parts = batch.iter().map(|changes| shape.part(changes)).collect();
            let plan = planned(Fold::new(&extractor, &shape.key(), parts).unwrap(), &silver.index);
            silver.apply(plan);
            prop_assert_eq!(silver.rows(), model.clone());
            prop_assert_eq!(silver.index.key_count(), Some(model.len() as u64));
        }
    }
}

#[test]
fn changes_that_were_sent_whole_leave_nothing_to_fill_in() {
    let shape = Shape { composite: false };
    let extractor = shape.extractor();
    let part = shape.part(&[change(Op::Insert, 1, None, 10), change(Op::Update, 1, Some(2), 11)]);
    let fold = Fold::new(&extractor, &shape.key(), vec![part]).unwrap();
    assert!(planned(fold, &Silver::new(&extractor).index).missing.is_none());
}

#[test]
fn unsent_cells_of_keys_that_are_not_there_are_null_and_counted() {
    let shape = Shape { composite: false };
    let extractor = shape.extractor();
    let mut silver = Silver::new(&extractor);
    let part = shape.part(&[
        Change { values: [Some(1), None], ..change(Op::Update, 1, None, 0) },
        change(Op::Insert, 2, None, 5),
        change(Op::Delete, 2, None, 0),
        Change { values: [None, Some(2)], ..change(Op::Update, 2, None, 0) },
    ]);
    let plan = planned(Fold::new(&extractor, &shape.key(), vec![part]).unwrap(), &silver.index);
    assert_eq!(plan.unsent_without_row, 2);
    silver.apply(plan);
    assert_eq!(silver.rows(), BTreeMap::from([(1, [Some(1), None]), (2, [None, Some(2)])]));
}

#[test]
fn superseded_keys_keep_their_row_and_the_others_are_merged() {
    let shape = Shape { composite: false };
    let extractor = shape.extractor();
    let mut silver = Silver::new(&extractor);
    let merge = |silver: &Silver, changes: &[Change], newer: &[i64]| {
        let mut fold = Fold::new(&extractor, &shape.key(), vec![shape.part(changes)]).unwrap();
        let newer: Vec<Option<i64>> = newer.iter().map(|key| Some(*key)).collect();
        fold.supersede(&extractor.extract(&shape.key_columns(&newer)).unwrap(), |_, _| true);
        planned(fold, &silver.index)
    };
    let plan = merge(&silver, &[change(Op::Insert, 1, None, 10), change(Op::Insert, 2, None, 20)], &[]);
    silver.apply(plan);
    let late = [change(Op::Update, 1, None, 11), change(Op::Delete, 2, None, 0), change(Op::Insert, 3, None, 30)];
    let plan = merge(&silver, &late, &[1, 2]);
    silver.apply(plan);
    assert_eq!(
        silver.rows(),
        BTreeMap::from([(1, 10), (2, 20), (3, 30)].map(|(key, value)| (key, [Some(value), Some(-value)])))
    );
}

#[test]
fn deletes_and_updates_of_keys_that_are_not_there_are_counted() {
    let shape = Shape { composite: true };
    let extractor = shape.extractor();
    let index = MemoryIndex::new(&extractor.none());
    let part = shape.part(&[
        change(Op::Delete, 1, None, 0),
        change(Op::Update, 2, None, 5),
        change(Op::Insert, 3, None, 5),
        // A key change with a before image names a new key; that it is not there is no surprise.
        change(Op::Update, 4, Some(3), 5),
    ]);
    let plan = planned(Fold::new(&extractor, &shape.key(), vec![part]).unwrap(), &index);
    assert_eq!((plan.deletes_without_row, plan.updates_without_row), (1, 1));
}
