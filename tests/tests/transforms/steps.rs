//! Random chains of built-in steps that go with a table.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sluice_change::{ColumnType, TableSchema};
use sluice_platform::Secret;
use sluice_tests::spec::TableSpec;
use sluice_transform::builtin::{Builtin, Cast, Constant, ConstantValue, Drop, Encoding, Filter, Hash, Mask, Rename};
use sluice_transform::{StepSettings, TransformSettings};

/// A chain for a table. With `changes_key`, Silver's key is another than the source's.
pub fn random(rng: &mut StdRng, spec: &TableSpec, changes_key: bool) -> TransformSettings {
    let mut schema = spec.declared();
    let mut steps = Vec::new();
    let mut key_changed = false;
    let key = schema.key.clone();
    if changes_key {
        let column = key.choose(rng).expect("a key column").clone();
        let step =
            if schema.column(&column).is_some_and(|column| column.column_type == ColumnType::Long) && rng.random() {
                cast(&column, ColumnType::String)
            } else {
                hash(&column, rng)
            };
        push(&mut steps, &mut schema, step);
        key_changed = true;
    }
    for number in 0..rng.random_range(1..5) {
        let column = schema.columns.choose(rng).expect("a column").clone();
        let (name, is_key) = (column.name.as_str(), schema.is_key(&column.name));
        let step = match rng.random_range(0..8) {
            0 | 1 => condition(rng, name, column.column_type),
            2 => Builtin::Rename(Rename { names: BTreeMap::from([(name.to_owned(), format!("r{number}"))]) }),
            3 if !is_key && schema.columns.len() > schema.key.len() + 1 => {
                Builtin::Drop(Drop { columns: vec![name.to_owned()] })
            }
            4 if !is_key => match column.column_type {
                ColumnType::Int => cast(name, ColumnType::Decimal { precision: 9, scale: 0 }),
                ColumnType::Long => cast(name, ColumnType::Int),
                ColumnType::Decimal { .. } => cast(name, ColumnType::Decimal { precision: 8, scale: 1 }),
                ColumnType::String if rng.random_bool(0.2) => cast(name, ColumnType::Date),
                ColumnType::Timestamp | ColumnType::Date | ColumnType::Boolean => cast(name, ColumnType::String),
                _ => continue,
            },
            5 => Builtin::Constant(Constant {
                columns: BTreeMap::from([(
                    format!("constant{number}"),
                    ConstantValue { column_type: ColumnType::Int, value: Some("-7".into()) },
                )]),
            }),
            6 if !is_key && column.column_type == ColumnType::String => {
                Builtin::Mask(Mask { columns: vec![name.to_owned()], keep_start: 0, keep_end: 2, fill: "*".into() })
            }
            7 if !is_key && !matches!(column.column_type, ColumnType::Float | ColumnType::Double) => hash(name, rng),
            _ => continue,
        };
        push(&mut steps, &mut schema, step);
    }
    if steps.is_empty() {
        steps.push(StepSettings::Builtin(Builtin::Rename(Rename { names: BTreeMap::new() })));
    }
    let mut key = schema.key.clone();
    if changes_key && rng.random_bool(0.3) {
        // What is no key at the source: it may be null, and its changes come without a before image.
        let others: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        let other = (*others.choose(rng).expect("a column")).to_owned();
        let is_float = |name: &str| {
            let column_type = schema.column(name).map(|column| column.column_type);
            matches!(column_type, Some(ColumnType::Float | ColumnType::Double))
        };
        if !key.contains(&other) && !is_float(&other) {
            key.push(other);
        }
    }
    TransformSettings { steps, key: key_changed.then_some(key) }
}

fn push(steps: &mut Vec<StepSettings>, schema: &mut TableSchema, step: Builtin) {
    *schema = step.output(schema).expect("a step that goes with the table");
    steps.push(StepSettings::Builtin(step));
}

fn cast(name: &str, to: ColumnType) -> Builtin {
    Builtin::Cast(Cast { columns: BTreeMap::from([(name.to_owned(), to)]) })
}

fn hash(name: &str, rng: &mut StdRng) -> Builtin {
    let encoding = *[Encoding::Hex, Encoding::Base64, Encoding::Binary].choose(rng).expect("not empty");
    Builtin::Hash(Hash { columns: vec![name.to_owned()], key: Secret::new("a key"), encoding })
}

fn condition(rng: &mut StdRng, name: &str, column_type: ColumnType) -> Builtin {
    let texts = match column_type {
        ColumnType::Boolean => vec![format!("\"{name}\""), format!("not \"{name}\" or \"{name}\" is null")],
        ColumnType::Int | ColumnType::Long | ColumnType::Decimal { .. } => {
            vec![format!("\"{name}\" >= 0"), format!("\"{name}\" < 3.5 or \"{name}\" in (7, 8, 9)")]
        }
        ColumnType::String => vec![format!("\"{name}\" > 'k2'"), format!("not (\"{name}\" in ('é', 'k0'))")],
        _ => vec![format!("\"{name}\" is not null"), format!("\"{name}\" is null")],
    };
    let text = texts.choose(rng).expect("not empty");
    Builtin::Filter(Filter { condition: text.parse().expect("a condition") })
}
