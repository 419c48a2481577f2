use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use sluice_change::{Column, ColumnType, Unsent};

use super::*;
use crate::builtin::{Builtin, Cast, Drop, Encoding, Filter, Hash, Rename};
use crate::{NoComponents, StepSettings, TransformSettings};

/// One row: op, id, amount and note; the id before, if there is one.
type Row<'a> = (Op, Option<i64>, Option<&'a str>, Option<&'a str>, Option<i64>);

fn schema() -> TableSchema {
    let columns = vec![
        Column::new("id", ColumnType::Long),
        Column::new("amount", ColumnType::String),
        Column::new("note", ColumnType::String),
    ];
    TableSchema { columns, key: vec!["id".into()] }
}

fn input(rows: &[Row<'_>]) -> Input {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)))),
        ("amount", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)))),
        ("note", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.3)))),
    ];
    let before: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.4)));
    let batch = |columns: Vec<(&str, ArrayRef)>| {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    };
    Input {
        rows: batch(columns.to_vec()),
        ops: rows.iter().map(|row| row.0).collect(),
        ordinals: Int64Array::from_iter_values(100..100 + rows.len() as i64),
        times: None,
        before: (before.null_count() < rows.len()).then(|| batch(vec![("id", before)])),
        unsent: None,
    }
}

fn chain(steps: Vec<Builtin>, key: Option<&[&str]>) -> Arc<dyn Transform> {
    let settings = TransformSettings {
        steps: steps.into_iter().map(StepSettings::Builtin).collect(),
        key: key.map(|key| key.iter().map(|name| (*name).to_owned()).collect()),
    };
    settings.build(&"s.t".parse().unwrap(), &NoComponents).unwrap()
}

fn filter(text: &str) -> Builtin {
    Builtin::Filter(Filter { condition: text.parse().unwrap() })
}

fn cast(column: &str, to: ColumnType) -> Builtin {
    Builtin::Cast(Cast { columns: BTreeMap::from([(column.to_owned(), to)]) })
}

fn rename(from: &str, to: &str) -> Builtin {
    Builtin::Rename(Rename { names: BTreeMap::from([(from.to_owned(), to.to_owned())]) })
}

fn hash(columns: &[&str]) -> Builtin {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    Builtin::Hash(Hash { columns, key: sluice_platform::Secret::new("k"), encoding: Encoding::Hex })
}

fn longs(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
    batch.column_by_name(name).unwrap().as_string::<i32>().iter().collect()
}

fn sources(shaped: &Shaped) -> Vec<u32> {
    (0..shaped.ops.len()).map(|row| shaped.source(row)).collect()
}

#[test]
fn steps_follow_each_other_and_rejects_name_the_rows_of_the_input() {
    let steps = vec![
        cast("amount", ColumnType::Long),
        rename("amount", "cents"),
        filter("cents > 10"),
        Builtin::Drop(Drop { columns: vec!["note".into()] }),
    ];
    let chain = chain(steps, None);
    let shaped = chain
        .shape(
            &schema(),
            input(&[
                (Op::Insert, Some(1), Some("x"), None, None),
                (Op::Insert, Some(2), Some("20"), None, None),
                (Op::Update, Some(3), Some("5"), None, None),
                (Op::Delete, Some(4), Some("y"), None, None),
                (Op::Update, Some(5), Some("z"), None, None),
                (Op::Load, Some(6), None, None, None),
            ]),
        )
        .unwrap();
    assert_eq!(longs(&shaped.rows, "id"), [Some(2), Some(3), Some(4), Some(6)]);
    assert_eq!(longs(&shaped.rows, "cents"), [Some(20), Some(5), None, None]);
    assert_eq!(shaped.ops, [Op::Insert, Op::Delete, Op::Delete, Op::Delete]);
    assert_eq!(sources(&shaped), [1, 2, 3, 5]);
    let rejects: Vec<(u32, Option<&str>)> = shaped.rejects.iter().map(|r| (r.row, r.column.as_deref())).collect();
    assert_eq!(rejects, [(0, Some("amount")), (4, Some("amount"))]);
    assert_eq!(chain.output(&schema()).unwrap().columns.len(), shaped.rows.num_columns());
}

#[test]
fn rows_that_empty_the_table_pass_by_at_their_places() {
    let chain = chain(vec![cast("amount", ColumnType::Long), filter("amount > 1")], None);
    let truncate = (Op::Truncate, None, None, None, None);
    let rows = [
        truncate,
        (Op::Insert, Some(1), Some("x"), None, None),
        truncate,
        (Op::Insert, Some(2), Some("2"), None, None),
        truncate,
    ];
    let shaped = chain.shape(&schema(), input(&rows)).unwrap();
    assert_eq!(shaped.ops, [Op::Truncate, Op::Truncate, Op::Insert, Op::Truncate]);
    assert_eq!(sources(&shaped), [0, 2, 3, 4]);
    assert_eq!(shaped.rejects[0].row, 1);
    let only = chain.shape(&schema(), input(&[truncate])).unwrap();
    assert_eq!((only.ops, only.rows.num_rows()), (vec![Op::Truncate], 1));
}

#[test]
fn a_renamed_key_goes_along_with_its_before_image() {
    let chain = chain(vec![rename("id", "order_id")], None);
    assert_eq!(chain.output(&schema()).unwrap().key, ["order_id"]);
    assert!(!chain.changes_key(&schema()).unwrap());
    let shaped = chain.shape(&schema(), input(&[(Op::Update, Some(2), None, None, Some(1))])).unwrap();
    assert_eq!(longs(&shaped.before.unwrap(), "order_id"), [Some(1)]);
    assert_eq!(shaped.ops, [Op::Update]);
}

#[test]
fn a_changed_key_is_told_with_what_the_old_one_became() {
    let chain = chain(vec![hash(&["id"])], Some(&["id"]));
    assert!(chain.changes_key(&schema()).unwrap());
    let rows = [
        (Op::Insert, Some(1), None, None, None),
        (Op::Update, Some(2), Some("a"), None, Some(1)),
        (Op::Update, Some(2), Some("b"), None, Some(2)),
        (Op::Delete, Some(2), None, None, None),
    ];
    let shaped = chain.shape(&schema(), input(&rows)).unwrap();
    assert_eq!(shaped.ops, [Op::Insert, Op::Update, Op::Update, Op::Delete]);
    assert_eq!(sources(&shaped), [0, 1, 2, 3]);
    let (ids, before) = (texts(&shaped.rows, "id"), shaped.before.as_ref().unwrap());
    // The before image of the third row is its own key: nothing moved.
    assert_eq!(texts(before, "id"), [None, ids[0], None, None]);
    assert_eq!(ids[1], ids[2]);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_rejected_key_change_leaves_the_old_row_too_and_a_dropped_one_takes_both() {
    let chain = chain(vec![hash(&["id"]), cast("amount", ColumnType::Long), filter("amount > 1")], Some(&["id"]));
    let rows = [(Op::Update, Some(2), Some("x"), None, Some(1)), (Op::Update, Some(4), Some("0"), None, Some(3))];
    let shaped = chain.shape(&schema(), input(&rows)).unwrap();
    assert_eq!((shaped.ops.as_slice(), sources(&shaped)), (&[Op::Delete][..], vec![1]));
    assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [0]);
    assert_eq!(shaped.before.unwrap().column(0).null_count(), 0);
}

#[test]
fn rows_whose_new_key_is_null_or_was_not_sent_are_rejected() {
    let chain = chain(vec![rename("note", "label")], Some(&["id", "label"]));
    let mut rows = input(&[
        (Op::Insert, Some(1), None, Some("a"), None),
        (Op::Insert, Some(2), None, None, None),
        (Op::Update, Some(3), None, None, None),
        (Op::Delete, Some(4), None, None, None),
    ]);
    rows.unsent = Unsent::new(vec![0, 0, 1, 0], vec![vec![], vec!["note".into()]]);
    let shaped = chain.shape(&schema(), rows).unwrap();
    assert_eq!(longs(&shaped.rows, "id"), [Some(1)]);
    let reasons: Vec<(u32, bool)> =
        shaped.rejects.iter().map(|reject| (reject.row, reject.reason.contains("did not send"))).collect();
    assert_eq!(reasons, [(1, false), (2, true), (3, false)]);
}

#[test]
fn unsent_cells_stay_unsent_under_their_new_names() {
    let rename_note = rename("note", "label");
    let chain = chain(vec![rename_note, hash(&["label"]), filter("amount = 'a' or amount is null")], None);
    let mut rows = input(&[
        (Op::Update, Some(1), Some("a"), None, None),
        (Op::Update, Some(2), None, Some("n"), None),
        (Op::Update, Some(3), Some("a"), Some("n"), None),
    ]);
    rows.unsent = Unsent::new(vec![1, 2, 0], vec![vec![], vec!["note".into()], vec!["amount".into()]]);
    let shaped = chain.shape(&schema(), rows).unwrap();
    let unsent = shaped.unsent.unwrap();
    assert_eq!(unsent.patterns()[unsent.rows()[0] as usize], ["label"]);
    assert_eq!(unsent.rows()[1], 0);
    // The filter cannot tell of a row whose column was not sent.
    assert_eq!(shaped.rejects[0].row, 1);
    assert!(shaped.rejects[0].reason.contains("`amount`"));
}

#[test]
fn a_step_that_touches_the_key_needs_a_name_for_it() {
    for step in [hash(&["id"]), cast("id", ColumnType::String), Builtin::Drop(Drop { columns: vec!["id".into()] })] {
        let error = chain(vec![step], None).output(&schema()).unwrap_err().to_string();
        assert!(error.contains("`silver_key`"), "{error}");
    }
    let error = chain(vec![hash(&["id"])], Some(&["ids"])).output(&schema()).unwrap_err().to_string();
    assert!(error.contains("no column `ids`"), "{error}");
}

#[test]
fn the_digest_changes_with_every_setting_and_is_the_same_for_the_same() {
    let all = [
        chain(vec![hash(&["note"])], None),
        chain(vec![hash(&["amount"])], None),
        chain(vec![hash(&["note"]), hash(&["amount"])], None),
        chain(vec![hash(&["id"])], Some(&["id"])),
        chain(vec![hash(&["id"])], Some(&["id", "note"])),
        chain(vec![filter("note = 'a'")], None),
    ];
    let digests: std::collections::HashSet<&str> = all.iter().filter_map(|chain| chain.digest()).collect();
    assert_eq!(digests.len(), all.len());
    assert_eq!(all[0].digest(), chain(vec![hash(&["note"])], None).digest());
    assert!(chain(Vec::new(), None).digest().is_none());
}

/// A step that returns every row twice and rejects ids below 0, as a component may.
#[derive(Debug)]
struct Twice;

impl Transform for Twice {
    fn digest(&self) -> Option<&str> {
        Some("sha256:feed")
    }

    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        Ok(input.clone())
    }

    fn changes_key(&self, _: &TableSchema) -> Result<bool, TransformError> {
        Ok(false)
    }

    fn shape(&self, _: &TableSchema, input: Input) -> Result<Shaped, TransformError> {
        let ids = longs(&input.rows, "id");
        let kept = (0..ids.len() as u32).filter(|row| ids[*row as usize] >= Some(0));
        let sources = UInt32Array::from_iter_values(kept.flat_map(|row| [row, row]));
        let reason = "negative".to_owned();
        Ok(Shaped {
            rows: crate::rows::rows_at(&input.rows, &sources).unwrap(),
            ops: sources.values().iter().map(|row| input.ops[*row as usize]).collect(),
            rejects: (0..ids.len() as u32)
                .filter(|row| ids[*row as usize] < Some(0))
                .map(|row| Rejected { row, column: None, reason: reason.clone() })
                .collect(),
            sources: Some(sources),
            before: None,
            unsent: None,
        })
    }
}

#[derive(Debug)]
struct OnlyTwice;

impl crate::Components for OnlyTwice {
    fn load(&self, _: &crate::ComponentSettings) -> Result<Arc<dyn Transform>, TransformError> {
        Ok(Arc::new(Twice))
    }
}

#[test]
fn a_reject_after_a_fan_out_takes_all_rows_of_its_source() {
    let component = StepSettings::Component(crate::ComponentSettings {
        name: "twice.wasm".into(),
        table: "s.t".parse().unwrap(),
        path: "twice.wasm".into(),
        settings: sluice_platform::Secret::new("{}"),
        sha256: None,
        limits: Default::default(),
    });
    let steps = vec![component, StepSettings::Builtin(cast("amount", ColumnType::Long))];
    let chain = TransformSettings { steps, key: None }.build(&"s.t".parse().unwrap(), &OnlyTwice).unwrap();
    let rows = [
        (Op::Insert, Some(1), Some("1"), None, None),
        (Op::Insert, Some(-2), Some("2"), None, None),
        (Op::Insert, Some(3), Some("x"), None, None),
        (Op::Truncate, None, None, None, None),
        (Op::Insert, Some(4), Some("4"), None, None),
    ];
    let shaped = chain.shape(&schema(), input(&rows)).unwrap();
    assert_eq!(longs(&shaped.rows, "id"), [Some(1), Some(1), None, Some(4), Some(4)]);
    assert_eq!(sources(&shaped), [0, 0, 3, 4, 4]);
    assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [1, 2]);
    assert!(chain.digest().unwrap().ends_with(" twice.wasm=sha256:feed"));
}
