//! The fold and the comparison beside a naive model: a map, to which changes are applied one at a time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use sluice_change::{Op, UnsentBuilder};
use sluice_index::{KeyExtractor, Keys};

use super::compare::{Findings, Kind, compare};
use super::events::{Layout, Place};
use super::fold::{Expected, Surroundings, changes_of, fold_bucket};
use super::keys::{Choice, Key, KeyBuilder, KeyHash};
use super::reduce::reduce;
use crate::bronze::LoggedChanges;
use crate::merge::{MergePart, UnsentCells};
use crate::shaping::ShapedPart;

const VALUES: [&str; 2] = ["a", "b"];

/// A row's values; both are always known to the model.
type Row = [Option<i64>; 2];
/// Where a change lies in the order of the source.
type At = (usize, i64);

/// One change: of its values, `None` was not sent.
#[derive(Debug, Clone)]
struct Change {
    op: Op,
    key: i64,
    before: Option<i64>,
    values: [Option<Option<i64>>; 2],
}

/// Changes in files, which sort by their number, and the order in which the files arrive.
#[derive(Debug, Clone)]
struct History {
    files: Vec<Vec<Change>>,
    arrival: Vec<usize>,
    composite: bool,
}

impl History {
    /// All changes with their places, in order of arrival.
    fn arriving(&self) -> Vec<(At, &Change)> {
        let of_file = |file: &usize| {
            let file = *file;
            self.files[file].iter().enumerate().map(move |(row, change)| ((file, row as i64 + 1), change))
        };
        self.arrival.iter().flat_map(of_file).collect()
    }

    fn is_in_order(&self) -> bool {
        self.arrival.is_sorted()
    }

    fn layout(&self) -> Layout {
        let mut fields = vec![Field::new("id", DataType::Int64, true)];
        if self.composite {
            fields.insert(0, Field::new("text", DataType::Utf8, true));
        }
        let key: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let key_schema: SchemaRef = Arc::new(Schema::new(fields.clone()));
        fields.extend(VALUES.map(|name| Field::new(name, DataType::Int64, true)));
        let types: Vec<DataType> = key_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let extractor = Arc::new(KeyExtractor::new(&types).unwrap());
        Layout::new(Arc::new(Schema::new(fields)), key, key_schema, extractor, KeyHash::new(5))
    }

    fn key_columns(&self, keys: &[Option<i64>]) -> Vec<ArrayRef> {
        let ids: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let text = keys.iter().map(|key| key.map(|key| "k".repeat(key.unsigned_abs() as usize % 3)));
        if self.composite { vec![Arc::new(StringArray::from_iter(text)), ids] } else { vec![ids] }
    }

    fn rows(&self, keys: &[i64], rows: &[Row], schema: &SchemaRef) -> RecordBatch {
        let keys: Vec<Option<i64>> = keys.iter().map(|key| Some(*key)).collect();
        let mut columns = self.key_columns(&keys);
        for place in 0..2 {
            columns.push(Arc::new(Int64Array::from_iter(rows.iter().map(|row| row[place]))));
        }
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    }

    /// The events of every file, in order of arrival, and the last truncate.
    fn events(&self, layout: &Layout) -> (Vec<RecordBatch>, Option<Place>, HashSet<u64>) {
        let (mut batches, mut emptied, mut joined): (Vec<_>, Option<Place>, _) = (Vec::new(), None, HashSet::new());
        let mut sequence = 0;
        for file in &self.arrival {
            let mut kept = Vec::new();
            for (row, change) in self.files[*file].iter().enumerate() {
                let (order, number) = (format!("{file:03}"), row as i64 + 1);
                if change.op == Op::Truncate {
                    let known = emptied.as_ref().map(|known: &Place| (known.order.clone(), known.number));
                    if known.is_none_or(|known| known < (order.clone(), number)) {
                        emptied = Some(Place { order, number, sequence });
                    }
                } else {
                    kept.push((order, number, sequence, change));
                }
                sequence += 1;
            }
            let keys: Vec<i64> = kept.iter().map(|(.., change)| change.key).collect();
            let values: Vec<Row> = kept.iter().map(|(.., change)| change.values.map(Option::flatten)).collect();
            let rows = self.rows(&keys, &values, &layout.silver);
            let mut unsent = UnsentBuilder::default();
            for (.., change) in &kept {
                let missing: Vec<u32> = (0..2).filter(|place| change.values[*place as usize].is_none()).collect();
                unsent.push(if change.op == Op::Delete { &[] } else { &missing });
            }
            let unsent = unsent.finish(|place| VALUES[place as usize].to_owned());
            let before: Vec<Option<i64>> = kept.iter().map(|(.., change)| change.before).collect();
            let ops: Vec<Op> = kept.iter().map(|(.., change)| change.op).collect();
            let changes = LoggedChanges {
                sequences: kept.iter().map(|(_, _, sequence, _)| *sequence).collect(),
                ops: ops.clone(),
                files: StringArray::from_iter_values(kept.iter().map(|(order, ..)| order)),
                orders: StringArray::from_iter_values(kept.iter().map(|(order, ..)| order)),
                numbers: kept.iter().map(|(_, number, ..)| *number).collect(),
                times: TimestampMicrosecondArray::from_value(0, kept.len()),
                rows: rows.clone(),
                before: None,
                unsent: None,
            };
            let unsent = unsent.and_then(|unsent| UnsentCells::of(&unsent, &rows));
            let part = MergePart { rows, ops, before: Some(self.key_columns(&before)), unsent };
            let shaped = ShapedPart { part, sources: None, rejects: Vec::new() };
            let mut note = |hash| {
                joined.insert(hash);
            };
            batches.push(layout.part_changes(&Choice::All, &shaped, &changes, &mut note).unwrap().rows);
        }
        (batches, emptied, joined)
    }

    /// What is right: all changes in the order of the source.
    fn truth(&self) -> BTreeMap<i64, Row> {
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        for change in self.files.iter().flatten() {
            if change.op == Op::Truncate {
                rows.clear();
                continue;
            }
            let old = change.before.filter(|old| *old != change.key);
            let was = rows.get(&old.unwrap_or(change.key)).copied().unwrap_or_default();
            if let Some(old) = old {
                rows.remove(&old);
            }
            if change.op == Op::Delete {
                rows.remove(&change.key);
            } else {
                let value = |place: usize| change.values[place].unwrap_or(was[place]);
                rows.insert(change.key, [value(0), value(1)]);
            }
        }
        rows
    }

    /// What Silver holds: changes as they arrive, each of which leaves newer ones alone.
    fn silver(&self) -> BTreeMap<i64, Row> {
        let mut known: BTreeMap<i64, (At, Option<Row>)> = BTreeMap::new();
        let mut emptied: Option<At> = None;
        for (at, change) in self.arriving() {
            if change.op == Op::Truncate {
                known.retain(|_, (other, _)| *other > at);
                emptied = emptied.max(Some(at));
                continue;
            }
            if emptied.is_some_and(|emptied| at < emptied) {
                continue;
            }
            let old = change.before.filter(|old| *old != change.key);
            let was = known.get(&old.unwrap_or(change.key)).and_then(|(_, row)| *row).unwrap_or_default();
            let mut note = |key: i64, row: Option<Row>| {
                if known.get(&key).is_none_or(|(other, _)| *other <= at) {
                    known.insert(key, (at, row));
                }
            };
            if let Some(old) = old {
                note(old, None);
            }
            let value = |place: usize| change.values[place].unwrap_or(was[place]);
            note(change.key, (change.op != Op::Delete).then(|| [value(0), value(1)]));
        }
        known.into_iter().filter_map(|(key, (_, row))| Some((key, row?))).collect()
    }

    fn fold(&self, with_joined: bool) -> (Layout, Vec<RecordBatch>, Expected) {
        let layout = self.layout();
        let (batches, emptied, joined) = self.events(&layout);
        let none = HashSet::new();
        let around = Surroundings {
            emptied: emptied.as_ref(),
            hash: &layout.hash,
            apart: &none,
            joined: if with_joined { &joined } else { &none },
        };
        let expected = fold_bucket(&batches, &layout.silver, &layout.extractor.none(), &around).unwrap();
        (layout, batches, expected)
    }

    /// Rows as Silver is read: all of one file.
    fn held(&self, layout: &Layout, rows: &[(i64, Row)]) -> RecordBatch {
        let (keys, values): (Vec<i64>, Vec<Row>) = rows.iter().copied().unzip();
        let own = self.rows(&keys, &values, &layout.silver);
        let encoded = layout.extractor.extract(&own.columns()[..layout.key.len()]).unwrap();
        let mut key = KeyBuilder::new(&encoded, keys.len());
        (0..keys.len()).for_each(|row| key.push(&encoded, row));
        let mut columns: Vec<ArrayRef> = vec![
            key.finish(),
            Arc::new(UInt32Array::from_value(7, keys.len())),
            Arc::new(UInt32Array::from_iter_values(0..keys.len() as u32)),
        ];
        columns.extend(own.columns().iter().cloned());
        RecordBatch::try_new(layout.rows.clone(), columns).unwrap()
    }
}

/// The rows of a fold, with `None` in place of what cannot be known.
fn folded(expected: &Expected) -> BTreeMap<i64, [Option<Option<i64>>; 2]> {
    let number = |row: usize, name: &str| {
        let column = expected.rows.column_by_name(name).unwrap().as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let cell = |row: usize, name: &str| {
        let place = expected.rows.schema_ref().index_of(name).unwrap();
        let is_unknown = expected.unknown.get(&place).is_some_and(|rows| rows.contains(&(row as u32)));
        (!is_unknown).then(|| number(row, name))
    };
    (0..expected.keys.len()).map(|row| (number(row, "id").unwrap(), VALUES.map(|name| cell(row, name)))).collect()
}

fn found(expected: &Expected, held: &[RecordBatch]) -> Findings {
    let mut findings = Findings::new(10);
    compare(expected, held, &|_, _| false, &|_, _| false, &mut findings).unwrap();
    findings
}

fn any_change() -> impl Strategy<Value = Change> {
    let op = prop_oneof![
        2 => Just(Op::Insert), 1 => Just(Op::Load), 5 => Just(Op::Update), 3 => Just(Op::Delete), 1 => Just(Op::Truncate)
    ];
    let value =
        prop_oneof![2 => Just(None), 4 => (0..50_i64).prop_map(|value| Some(Some(value))), 1 => Just(Some(None))];
    let before = prop_oneof![4 => Just(None), 1 => (0..8_i64).prop_map(Some)];
    (op, 0..8_i64, before, [value.clone(), value]).prop_map(|(op, key, before, values)| {
        let before = before.filter(|_| op == Op::Update);
        Change { op, key, before, values }
    })
}

fn any_history() -> impl Strategy<Value = History> {
    let files = prop::collection::vec(prop::collection::vec(any_change(), 1..6), 1..8);
    (files, prop::collection::vec((0..8_usize, 1..4_usize), 0..4), any::<bool>()).prop_map(
        |(files, late, composite)| {
            let mut arrival: Vec<usize> = (0..files.len()).collect();
            for (place, by) in late {
                // A generation of a table begins in order, so truncates do.
                let is_late = arrival.get(place).is_some_and(|file| !files[*file].iter().any(|c| c.op == Op::Truncate));
                if is_late {
                    let file = arrival.remove(place);
                    arrival.insert((place + by).min(arrival.len()), file);
                }
            }
            History { files, arrival, composite }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_fold_is_the_changes_in_the_order_of_the_source(history in any_history(), joined in any::<bool>()) {
        let (_, _, expected) = history.fold(joined);
        let truth = history.truth();
        let folded = folded(&expected);
        prop_assert_eq!(folded.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
        for (key, cells) in &folded {
            for (cell, right) in cells.iter().zip(truth[key]) {
                prop_assert!(cell.is_none_or(|cell| cell == right), "{key}: {cell:?} is not {right:?}");
            }
        }
        if joined && history.is_in_order() {
            prop_assert!(expected.unknown.is_empty());
        }
    }

    #[test]
    fn a_fold_of_what_still_matters_is_the_same(history in any_history(), cut in any::<prop::sample::Index>()) {
        let layout = history.layout();
        let (batches, emptied, _) = history.events(&layout);
        let none = HashSet::new();
        let around =
            Surroundings { emptied: emptied.as_ref(), hash: &layout.hash, apart: &none, joined: &none };
        let like = layout.extractor.none();
        let whole = fold_bucket(&batches, &layout.silver, &like, &around).unwrap();
        let (early, late) = batches.split_at(cut.index(batches.len() + 1));
        let mut reduced: Vec<RecordBatch> = reduce(early, &like).unwrap().into_iter().chain(late.iter().cloned()).collect();
        reduced = reduce(&reduced, &like).unwrap().into_iter().collect();
        let parts = fold_bucket(&reduced, &layout.silver, &like, &around).unwrap();
        prop_assert_eq!(folded(&parts), folded(&whole));
    }

    #[test]
    fn what_silver_holds_is_never_called_different(history in any_history(), joined in any::<bool>()) {
        let (layout, _, expected) = history.fold(joined);
        let silver: Vec<(i64, Row)> = history.silver().into_iter().collect();
        let findings = found(&expected, &[history.held(&layout, &silver)]);
        prop_assert_eq!(findings.counts.total(), 0, "{:?}", findings.first);
    }

    #[test]
    fn damage_is_found_and_named(history in any_history(), which in any::<prop::sample::Index>(), how in 0..4_u8) {
        let (layout, batches, expected) = history.fold(true);
        let mut silver: Vec<(i64, Row)> = history.silver().into_iter().collect();
        let known = folded(&expected);
        let (kind, key) = match (how, silver.is_empty()) {
            (0, _) | (_, true) => {
                silver.push((99, [None, Some(1)]));
                (Kind::Unexpected, 99)
            }
            (1, _) => (Kind::Missing, silver.remove(which.index(silver.len())).0),
            (2, _) => {
                let row = silver[which.index(silver.len())];
                silver.push(row);
                (Kind::Duplicate, row.0)
            }
            _ => {
                let (key, row) = &mut silver[which.index(known.len())];
                prop_assume!(known[key][1].is_some());
                row[1] = Some(1_000);
                (Kind::Different, *key)
            }
        };
        let findings = found(&expected, &[history.held(&layout, &silver)]);
        prop_assert_eq!(findings.counts.total(), 1);
        let (encoded, difference) = findings.first.first_key_value().unwrap();
        prop_assert_eq!(difference.kind, kind);
        let row = difference.expected.as_ref().unwrap_or_else(|| &difference.actual[0].row);
        prop_assert_eq!(row.column_by_name("id").unwrap().as_primitive::<Int64Type>().value(0), key);
        prop_assert_eq!(&difference.columns, &(if kind == Kind::Different { vec!["b".to_owned()] } else { vec![] }));
        prop_assert_eq!(difference.actual.len(), match kind { Kind::Missing => 0, Kind::Duplicate => 2, _ => 1 });
        let of_key = |change: &&(At, &Change)| {
            change.1.op != Op::Truncate && (change.1.key == key || change.1.before == Some(key))
        };
        let told = changes_of(&batches, encoded);
        prop_assert_eq!(told.len(), history.arriving().iter().filter(of_key).count());
    }
}

fn change(op: Op, key: i64, values: [Option<Option<i64>>; 2]) -> Change {
    Change { op, key, before: None, values }
}

const fn sent(value: i64) -> Option<Option<i64>> {
    Some(Some(value))
}

#[test]
fn a_late_file_that_sends_what_a_newer_change_did_not_is_no_difference() {
    let files = vec![
        vec![change(Op::Insert, 1, [sent(1), sent(1)])],
        vec![change(Op::Update, 1, [sent(2), sent(2)])],
        vec![change(Op::Update, 1, [sent(3), None])],
    ];
    let history = History { files, arrival: vec![0, 2, 1], composite: false };
    let (layout, _, expected) = history.fold(true);
    assert_eq!(history.truth()[&1], [Some(3), Some(2)]);
    assert_eq!(history.silver()[&1], [Some(3), Some(1)]);
    assert_eq!(expected.unknown, BTreeMap::from([(2, vec![0])]));
    let held = history.held(&layout, &[(1, [Some(3), Some(1)])]);
    assert_eq!(found(&expected, &[held]).counts.total(), 0);
}

#[test]
fn of_two_changes_at_one_place_the_later_one_counts() {
    let files = vec![vec![change(Op::Insert, 1, [sent(1), sent(1)])]];
    let history = History { files, arrival: vec![0, 0], composite: true };
    let (_, batches, expected) = history.fold(true);
    assert_eq!((expected.keys.len(), expected.changes_seen), (1, 2));
    let key = match &expected.keys {
        keys @ Keys::Bytes(_) => Key::of(keys, 0),
        Keys::Int(_) => unreachable!("the key has two columns"),
    };
    assert_eq!(changes_of(&batches, &key), [0, 1]);
}

#[test]
fn of_many_differences_the_first_ones_are_kept_in_the_order_of_their_keys() {
    let files = vec![(0..30).rev().map(|key| change(Op::Insert, key, [sent(1), sent(1)])).collect()];
    let history = History { files, arrival: vec![0], composite: false };
    let (_, _, expected) = history.fold(true);
    let findings = found(&expected, &[]);
    assert_eq!((findings.counts.missing, findings.first.len()), (30, 10));
    assert!(findings.first.keys().eq((0..10).map(Key::Int).collect::<Vec<_>>().iter()));
}
