use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array, Int64Array, StringArray};
use sluice_change::{Column, Op};
use sluice_platform::Secret;

use super::*;

fn schema() -> TableSchema {
    let columns = vec![Column::new("id", ColumnType::Long), Column::new("card", ColumnType::String)];
    TableSchema { columns, key: vec!["id".into()] }
}

fn input(ids: &[i64], cards: &[Option<&str>], op: Op) -> Input {
    let columns: [(&str, ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from(ids.to_vec()))), ("card", Arc::new(StringArray::from(cards.to_vec())))];
    Input {
        rows: RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap(),
        ops: vec![op; ids.len()],
        ordinals: Int64Array::from_iter_values(0..ids.len() as i64),
        times: None,
        before: None,
        unsent: None,
    }
}

fn shape(step: &Builtin, cards: &[Option<&str>]) -> Shaped {
    let ids: Vec<i64> = (0..cards.len() as i64).collect();
    let output = step.output(&schema()).unwrap();
    let shaped = step.shape(&schema(), input(&ids, cards, Op::Insert)).unwrap();
    let types: Vec<ColumnType> =
        shaped.rows.columns().iter().map(|column| ColumnType::from_arrow(column.data_type()).unwrap()).collect();
    assert_eq!(types, output.columns.iter().map(|column| column.column_type).collect::<Vec<_>>());
    shaped
}

fn texts(shaped: &Shaped, name: &str) -> Vec<Option<String>> {
    shaped.rows.column_by_name(name).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_hash_is_the_hmac_of_the_text_in_the_encoding_asked_for() {
    let hash = |columns: &[&str], encoding| {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Builtin::Hash(Hash { columns, key: Secret::new("key"), encoding })
    };
    let text = "The quick brown fox jumps over the lazy dog";
    let hex = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    let shaped = shape(&hash(&["card"], Encoding::Hex), &[Some(text), None]);
    assert_eq!(texts(&shaped, "card"), [some(hex), None]);
    let shaped = shape(&hash(&["card"], Encoding::Base64), &[Some(text)]);
    assert_eq!(texts(&shaped, "card"), [some("97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=")]);
    let shaped = shape(&hash(&["card", "id"], Encoding::Binary), &[Some(text)]);
    assert_eq!(shaped.rows.column(1).as_binary::<i32>().value(0)[..4], [0xf7, 0xbc, 0x83, 0xf4]);
    // What is no text is hashed as its text.
    let of_text = shape(&hash(&["card"], Encoding::Hex), &[Some("0")]);
    let of_number = shape(&hash(&["id"], Encoding::Hex), &[None]);
    assert_eq!(texts(&of_text, "card"), texts(&of_number, "id"));
    let mut floats = schema();
    floats.columns[1].column_type = ColumnType::Double;
    assert!(hash(&["card"], Encoding::Hex).output(&floats).is_err());
}

#[test]
fn a_mask_covers_all_but_the_ends() {
    let mask = |keep_start, keep_end| {
        Builtin::Mask(Mask { columns: vec!["card".into()], keep_start, keep_end, fill: "•".into() })
    };
    let shaped = shape(&mask(1, 2), &[Some("1234567"), Some("äöü€"), Some("abc"), None]);
    assert_eq!(texts(&shaped, "card"), [some("1••••67"), some("ä•ü€"), some("•••"), None]);
    assert!(mask(0, 0).output(&schema()).is_ok());
    let wrong = Builtin::Mask(Mask { columns: vec!["id".into()], keep_start: 0, keep_end: 0, fill: "*".into() });
    assert!(wrong.output(&schema()).unwrap_err().reason.contains("cast it first"));
}

#[test]
fn a_cast_rejects_what_does_not_fit_unless_the_row_is_deleted() {
    let to = ColumnType::Decimal { precision: 4, scale: 1 };
    let cast = Builtin::Cast(Cast { columns: BTreeMap::from([("card".to_owned(), to)]) });
    let shaped = shape(&cast, &[Some("12.5"), Some("12.55"), Some("12345"), None, Some("x")]);
    assert_eq!(shaped.rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(shaped.rejects[0].column.as_deref(), Some("card"));
    assert_eq!(shaped.rows.num_rows(), 2);
    let deleted = cast.shape(&schema(), input(&[1], &[Some("x")], Op::Delete)).unwrap();
    assert!(deleted.rejects.is_empty() && deleted.rows.column(1).is_null(0));
}

#[test]
fn a_constant_replaces_a_column_in_place_or_is_added_at_the_end() {
    let value = |column_type, value: Option<&str>| ConstantValue { column_type, value: value.map(str::to_owned) };
    let constant = |columns: &[(&str, ConstantValue)]| {
        Builtin::Constant(Constant {
            columns: columns.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        })
    };
    let step = constant(&[
        ("card", value(ColumnType::Long, Some("-5"))),
        ("day", value(ColumnType::Date, Some("1970-01-03"))),
        ("nothing", value(ColumnType::String, None)),
    ]);
    let shaped = shape(&step, &[Some("a"), None]);
    let names: Vec<String> = shaped.rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "card", "day", "nothing"]);
    assert_eq!(shaped.rows.column(1).as_primitive::<Int64Type>().values(), &[-5, -5]);
    assert_eq!(shaped.rows.column(2).as_primitive::<Date32Type>().values(), &[2, 2]);
    assert_eq!(shaped.rows.column(3).null_count(), 2);
    let wrong = constant(&[("day", value(ColumnType::Date, Some("soon")))]);
    assert!(wrong.output(&schema()).unwrap_err().reason.contains("`soon` is no"));
}

#[test]
fn renames_happen_at_once_and_may_not_collide() {
    let rename = |names: &[(&str, &str)]| {
        Builtin::Rename(Rename {
            names: names.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        })
    };
    let swapped = rename(&[("id", "card"), ("card", "id")]).output(&schema()).unwrap();
    assert_eq!((swapped.columns[0].name.as_str(), swapped.key[0].as_str()), ("card", "card"));
    assert!(rename(&[("id", "card")]).output(&schema()).unwrap_err().reason.contains("two columns"));
    assert!(rename(&[("x", "y")]).output(&schema()).unwrap_err().reason.contains("no column `x`"));
    assert!(Builtin::Drop(Drop { columns: vec!["id".into(), "card".into()] }).output(&schema()).is_err());
}

#[test]
fn the_same_rows_come_out_however_they_are_cut() {
    let hash = Hash { columns: vec!["card".into()], key: Secret::new("key"), encoding: Encoding::Hex };
    let steps = [
        Builtin::Hash(hash),
        Builtin::Filter(Filter { condition: "card > 'b' or card is null".parse().unwrap() }),
        Builtin::Mask(Mask { columns: vec!["card".into()], keep_start: 1, keep_end: 1, fill: "*".into() }),
    ];
    let cards = [Some("abc"), None, Some("b"), Some("cde"), Some("")];
    for step in steps {
        let whole = shape(&step, &cards);
        let parts: Vec<Shaped> = cards.iter().map(|card| shape(&step, &[*card])).collect();
        assert_eq!(texts(&whole, "card"), parts.iter().flat_map(|part| texts(part, "card")).collect::<Vec<_>>());
        assert_eq!(whole.ops, parts.iter().flat_map(|part| part.ops.clone()).collect::<Vec<_>>());
    }
}

#[test]
fn secrets_are_not_shown() {
    let hash = Hash { columns: vec!["card".into()], key: Secret::new("hush"), encoding: Encoding::Hex };
    let step = BuiltinStep::new(Builtin::Hash(hash), &"s.t".parse().unwrap());
    assert!(!format!("{step:?}").contains("hush"));
}
