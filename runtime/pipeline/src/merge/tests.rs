use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use sluice_change::Op;
use sluice_index::{KeyExtractor, KeyIndex, Location, MemoryIndex};

use super::*;

/// One change: what it does, its key, the key before it, and a value.
type Change = (Op, i64, Option<i64>, i64);

/// How the key is stored: one long column, or a string and a long.
#[derive(Debug, Clone, Copy)]
struct Shape {
    composite: bool,
}

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
            changes.iter().map(|(op, key, ..)| (*op != Op::Truncate).then_some(*key)).collect();
        let before: Vec<Option<i64>> = changes.iter().map(|(_, _, before, _)| *before).collect();
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.3)));
        let mut columns = self.key_columns(&keys);
        columns.push(values);
        let mut fields: Vec<Field> = self
            .key()
            .iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
            .collect();
        fields.push(Field::new("value", DataType::Int64, true));
        MergePart {
            rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap(),
            ops: changes.iter().map(|change| change.0).collect(),
            before: Some(self.key_columns(&before)),
        }
    }

    fn extractor(self) -> KeyExtractor {
        let types: Vec<DataType> = self.key_columns(&[]).iter().map(|column| column.data_type().clone()).collect();
        KeyExtractor::new(&types).unwrap()
    }
}

/// Silver as files of values with deleted positions, kept by applying plans.
struct Silver {
    index: MemoryIndex,
    files: BTreeMap<u32, Vec<Option<(i64, i64)>>>,
    next_file: u32,
}

impl Silver {
    fn apply(&mut self, plan: MergePlan) {
        if plan.truncated {
            self.files.clear();
            self.index.clear();
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
            let id = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
            let value = batch.column_by_name("value").unwrap().as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                placed.push(Location::new(self.next_file, rows.len() as u32));
                rows.push(Some((id.value(row), value.value(row))));
            }
        }
        self.index.apply(plan.keys(), &plan.locations(&placed), None).unwrap();
        self.files.insert(self.next_file, rows);
        self.next_file += 1;
    }

    fn rows(&self) -> BTreeMap<i64, i64> {
        let mut rows = BTreeMap::new();
        for (key, value) in self.files.values().flatten().flatten() {
            assert!(rows.insert(*key, *value).is_none(), "key {key} twice");
        }
        rows
    }
}

fn naive(model: &mut BTreeMap<i64, i64>, change: &Change) {
    let (op, key, before, value) = *change;
    match op {
        Op::Truncate => model.clear(),
        Op::Delete => {
            model.remove(&key);
            before.map(|before| model.remove(&before));
        }
        _ => {
            before.map(|before| model.remove(&before));
            model.insert(key, value);
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let op = prop_oneof![
        3 => Just(Op::Insert), 6 => Just(Op::Update), 3 => Just(Op::Delete), 1 => Just(Op::Load), 1 => Just(Op::Truncate)
    ];
    let change = (op, 0..12_i64, prop::option::weighted(0.2, 0..12_i64), any::<i64>());
    let change = change.prop_map(|(op, key, before, value)| match op {
        Op::Truncate => (op, 0, None, 0),
        _ => (op, key, before, value),
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
        let index = MemoryIndex::new(&extractor.none());
        let mut silver = Silver { index, files: BTreeMap::new(), next_file: 0 };
        let mut model = BTreeMap::new();
        for batch in batches {
            batch.iter().flatten().for_each(|change| naive(&mut model, change));
            let parts = batch.iter().map(|changes| shape.part(changes)).collect();
            let plan = Fold::new(&extractor, &shape.key(), parts).unwrap().plan(&silver.index).unwrap();
            silver.apply(plan);
            prop_assert_eq!(silver.rows(), model.clone());
            prop_assert_eq!(silver.index.len(), model.len() as u64);
        }
    }
}

#[test]
fn superseded_keys_keep_their_row_and_the_others_are_merged() {
    let shape = Shape { composite: false };
    let extractor = shape.extractor();
    let index = MemoryIndex::new(&extractor.none());
    let mut silver = Silver { index, files: BTreeMap::new(), next_file: 0 };
    let merge = |silver: &Silver, changes: &[Change], newer: &[i64]| {
        let mut fold = Fold::new(&extractor, &shape.key(), vec![shape.part(changes)]).unwrap();
        let newer: Vec<Option<i64>> = newer.iter().map(|key| Some(*key)).collect();
        fold.supersede(&extractor.extract(&shape.key_columns(&newer)).unwrap(), |_, _| true);
        fold.plan(&silver.index).unwrap()
    };
    let plan = merge(&silver, &[(Op::Insert, 1, None, 10), (Op::Insert, 2, None, 20)], &[]);
    silver.apply(plan);
    let late = [(Op::Update, 1, None, 11), (Op::Delete, 2, None, 0), (Op::Insert, 3, None, 30)];
    let plan = merge(&silver, &late, &[1, 2]);
    silver.apply(plan);
    assert_eq!(silver.rows(), BTreeMap::from([(1, 10), (2, 20), (3, 30)]));
}

#[test]
fn deletes_and_updates_of_keys_that_are_not_there_are_counted() {
    let shape = Shape { composite: true };
    let extractor = shape.extractor();
    let index = MemoryIndex::new(&extractor.none());
    let part = shape.part(&[
        (Op::Delete, 1, None, 0),
        (Op::Update, 2, None, 5),
        (Op::Insert, 3, None, 5),
        // A key change with a before image names a new key; that it is not there is no surprise.
        (Op::Update, 4, Some(3), 5),
    ]);
    let plan = Fold::new(&extractor, &shape.key(), vec![part]).unwrap().plan(&index).unwrap();
    assert_eq!((plan.deletes_without_row, plan.updates_without_row), (1, 1));
}
