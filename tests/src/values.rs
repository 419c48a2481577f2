//! Random values of every column type, with the awkward ones among them.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sluice_change::ColumnType;

use crate::datum::{Cell, Datum};

/// Texts that have broken CSV readers.
const AWKWARD: [&str; 22] = [
    "",
    " ",
    "NULL",
    "null",
    "\\N",
    "a,b",
    "say \"hi\"",
    "\"",
    "\"\"",
    "two\nlines",
    "two\r\nlines",
    "\n",
    "trailing space ",
    " leading",
    "back\\slash",
    "tab\there",
    "a|b;c",
    "東京都",
    "中文，逗号",
    "emoji 🦀",
    "é",
    "I,2026-01-01 00:00:00.000000,1",
];

const DAY_US: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31 in days since the epoch.
const DAYS: (i32, i32) = (-719_162, 2_932_896);
/// 2026-01-01.
const NEW_YEAR: i32 = 20_454;

/// The `n`th key value of a type; the same `n` is the same key.
pub fn key(column_type: ColumnType, n: u64) -> Datum {
    let small = i32::try_from(n).expect("a small key space");
    match column_type {
        ColumnType::Int => Datum::Int(small - 3),
        ColumnType::Long => Datum::Long(i64::from(small) - 3),
        ColumnType::Decimal { scale, .. } => Datum::Decimal(i128::from(n) * 7 - 20, scale),
        ColumnType::Date => Datum::Date(NEW_YEAR + small),
        ColumnType::Timestamp => Datum::Timestamp(i64::from(NEW_YEAR) * DAY_US + i64::from(small) * 1_000_003),
        ColumnType::String => Datum::String(match n % 5 {
            0 => format!("k{n}"),
            1 => format!("東{n}"),
            2 => format!("k,{n}"),
            3 => format!("k\"{n}"),
            _ => format!("{n:036x}"),
        }),
        other => panic!("{other} makes no key here"),
    }
}

/// A value of a type; null one time in eight.
pub fn cell(rng: &mut StdRng, column_type: ColumnType) -> Cell {
    (!rng.random_bool(0.125)).then(|| datum(rng, column_type))
}

/// A value of a type.
pub fn datum(rng: &mut StdRng, column_type: ColumnType) -> Datum {
    match column_type {
        ColumnType::Boolean => Datum::Boolean(rng.random()),
        ColumnType::Int => Datum::Int(edge(rng, &[i32::MIN, i32::MAX, 0], |rng| rng.random())),
        ColumnType::Long => Datum::Long(edge(rng, &[i64::MIN, i64::MAX, 0], |rng| rng.random_range(-1000..1000))),
        ColumnType::Float => Datum::Float(edge(rng, &[f32::MAX, f32::MIN_POSITIVE, 0.0], |rng| rng.random())),
        ColumnType::Double => {
            Datum::Double(edge(rng, &[f64::MAX, f64::MIN_POSITIVE, -1.5, 0.0], |rng| rng.random::<f64>() * 1e6))
        }
        ColumnType::Decimal { precision, scale } => Datum::Decimal(decimal(rng, precision), scale),
        ColumnType::Date => Datum::Date(edge(rng, &[DAYS.0, DAYS.1, 0], |rng| NEW_YEAR + rng.random_range(0..5))),
        ColumnType::Time => Datum::Time(edge(rng, &[0, DAY_US - 1], |rng| rng.random_range(0..DAY_US))),
        ColumnType::Timestamp => Datum::Timestamp(instant(rng)),
        ColumnType::TimestampTz => Datum::TimestampTz(instant(rng)),
        ColumnType::String => Datum::String(text(rng)),
        ColumnType::Binary => Datum::Binary((0..rng.random_range(1..9)).map(|_| rng.random()).collect()),
    }
}

/// A text that no sampling takes for anything but text.
pub fn plain_text(rng: &mut StdRng) -> Datum {
    Datum::String(format!("text {}", rng.random_range(0..1000)))
}

fn edge<T: Copy>(rng: &mut StdRng, edges: &[T], usual: impl FnOnce(&mut StdRng) -> T) -> T {
    if rng.random_bool(0.1) { *edges.choose(rng).expect("not empty") } else { usual(rng) }
}

fn decimal(rng: &mut StdRng, precision: u8) -> i128 {
    let limit = 10_i128.pow(u32::from(precision)) - 1;
    edge(rng, &[limit, -limit, 0, 1, -1], |rng| rng.random_range(-limit..=limit))
}

fn instant(rng: &mut StdRng) -> i64 {
    let (first, last) = (i64::from(DAYS.0) * DAY_US, i64::from(DAYS.1 + 1) * DAY_US - 1);
    edge(rng, &[first, last, 0, -1], |rng| i64::from(NEW_YEAR) * DAY_US + rng.random_range(0..5 * DAY_US))
}

fn text(rng: &mut StdRng) -> String {
    if rng.random_bool(0.4) {
        return (*AWKWARD.choose(rng).expect("not empty")).to_owned();
    }
    (0..rng.random_range(1..20)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}
