//! Which columns identify a row, by the evidence of a sample.

use std::collections::{BTreeMap, HashSet};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use sluice_change::{ChangeBatch, Column, ColumnType, Op};

/// Columns that a key of several is sought among, from the left.
const COMBINED: usize = 6;
/// Rows of a full load below which uniqueness says little.
const FEW_ROWS: u64 = 20;

/// What a sample says of certain columns as a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// Rows of the full load.
    pub load_rows: u64,
    /// Rows of the full load, or of inserts and updates, in which one of the columns is NULL.
    pub nulls: u64,
    /// A value that several rows of the full load have.
    pub duplicate: Option<String>,
    /// Updates and deletes.
    pub updates: u64,
    /// Those of them whose key no earlier row of the sample has.
    pub unknown_updates: u64,
    /// Whether the changes have columns of values before the change.
    pub has_before: bool,
}

/// A key that a sample speaks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyGuess {
    /// The columns; none where nothing identifies a row.
    pub key: Vec<String>,
    /// What speaks for it, in words.
    pub evidence: Vec<String>,
    /// What speaks against it, or leaves it open.
    pub doubts: Vec<String>,
}

impl KeyFacts {
    /// Looks at the columns named `key` in batches in the order of their changes.
    pub fn of(key: &[String], batches: &[ChangeBatch]) -> Self {
        let mut facts = Self::default();
        let mut seen: HashSet<String> = HashSet::new();
        for batch in batches {
            facts.has_before |= batch.before.is_some();
            let loads = is_full_load(batch);
            let keys = KeyTexts::of(key, &batch.rows);
            for (row, op) in batch.ops.iter().enumerate() {
                let Some(text) = keys.as_ref().and_then(|keys| keys.text(row)) else {
                    facts.load_rows += u64::from(loads);
                    facts.nulls += 1;
                    continue;
                };
                if loads {
                    facts.load_rows += 1;
                    if seen.contains(&text) {
                        facts.duplicate.get_or_insert_with(|| text.replace('\u{1f}', ", "));
                    }
                } else if matches!(op, Op::Update | Op::Delete) {
                    facts.updates += 1;
                    facts.unknown_updates += u64::from(!seen.contains(&text));
                }
                match op {
                    Op::Delete => drop(seen.remove(&text)),
                    _ => drop(seen.insert(text)),
                }
            }
        }
        facts
    }
}

/// Whether all of a batch comes from a full load.
fn is_full_load(batch: &ChangeBatch) -> bool {
    let name = batch.origin.name.rsplit('/').next().unwrap_or_default();
    name.starts_with("LOAD") || name.contains("_LOAD") || batch.ops.iter().all(|op| *op == Op::Load)
}

/// The values of several columns of a row as one text.
struct KeyTexts<'a> {
    columns: Vec<(&'a ArrayRef, ArrayFormatter<'a>)>,
}

impl<'a> KeyTexts<'a> {
    fn of(key: &[String], rows: &'a RecordBatch) -> Option<Self> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new();
        let column = |name: &String| {
            let array = rows.column_by_name(name)?;
            Some((array, ArrayFormatter::try_new(array.as_ref(), &OPTIONS).ok()?))
        };
        Some(Self { columns: key.iter().map(column).collect::<Option<_>>()? })
    }

    fn text(&self, row: usize) -> Option<String> {
        let mut text = String::new();
        for (place, (array, formatter)) in self.columns.iter().enumerate() {
            if array.is_null(row) {
                return None;
            }
            if place > 0 {
                text.push('\u{1f}');
            }
            text.push_str(&formatter.value(row).try_to_string().ok()?);
        }
        Some(text)
    }
}

/// Guesses the key of a table.
pub fn guess_key(table: &str, columns: &[Column], batches: &[ChangeBatch]) -> KeyGuess {
    if columns.is_empty() || batches.iter().all(ChangeBatch::is_empty) {
        return KeyGuess { doubts: vec!["no record could be looked at".into()], ..KeyGuess::default() };
    }
    if let Some(named) = named_by_before_images(columns, batches) {
        return named;
    }
    let filled = filled_in_deletes(batches);
    if let Some(names) = &filled
        && fits(&KeyFacts::of(names, batches))
    {
        return judged(names.clone(), batches, vec!["deletes fill these columns only".into()]);
    }
    let mut singles: Vec<(i32, &Column)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| fits(&KeyFacts::of(std::slice::from_ref(&column.name), batches)))
        .map(|(place, column)| (score(table, place, column), column))
        .filter(|(score, _)| *score > 0)
        .collect();
    singles.sort_by_key(|(score, _)| -score);
    if let Some((_, best)) = singles.first() {
        let mut guess = judged(vec![best.name.clone()], batches, hints(table, best));
        let others: Vec<&str> = singles.iter().skip(1).map(|(_, column)| column.name.as_str()).collect();
        if !others.is_empty() {
            guess.doubts.push(format!("also unique in the sample: {}", others.join(", ")));
        }
        return guess;
    }
    combined(columns, batches)
}

/// Before images that name a few columns name the key (DMS: column filter `pk-only`).
fn named_by_before_images(columns: &[Column], batches: &[ChangeBatch]) -> Option<KeyGuess> {
    let before = batches.iter().find_map(|batch| batch.before.as_ref())?;
    let names: Vec<String> = before.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    let few = names.len() * 2 <= columns.len() || names.len() == 1;
    (few && fits(&KeyFacts::of(&names, batches)))
        .then(|| judged(names, batches, vec!["these columns have before images (pk-only)".into()]))
}

/// The columns that deletes fill where they leave others NULL.
fn filled_in_deletes(batches: &[ChangeBatch]) -> Option<Vec<String>> {
    let mut filled: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut order = Vec::new();
    for batch in batches {
        let deletes: Vec<usize> = (0..batch.len()).filter(|row| batch.ops[*row] == Op::Delete).collect();
        if deletes.is_empty() {
            continue;
        }
        for (field, column) in batch.rows.schema_ref().fields().iter().zip(batch.rows.columns()) {
            let valid = deletes.iter().filter(|row| column.is_valid(**row)).count() as u64;
            if !order.contains(field.name()) {
                order.push(field.name().clone());
            }
            let counts = filled.entry(field.name().clone()).or_default();
            *counts = (counts.0 + valid, counts.1 + deletes.len() as u64);
        }
    }
    let always: Vec<String> =
        order.into_iter().filter(|name| filled.get(name).is_some_and(|(valid, all)| valid == all)).collect();
    let never = filled.values().filter(|(valid, _)| *valid == 0).count();
    (!always.is_empty() && always.len() + never == filled.len() && never > 0).then_some(always)
}

/// Whether nothing in the sample rules the columns out.
fn fits(facts: &KeyFacts) -> bool {
    facts.nulls == 0 && facts.duplicate.is_none() && facts.load_rows + facts.updates > 0
}

/// How likely a column is a key by its name, place and type.
fn score(table: &str, place: usize, column: &Column) -> i32 {
    let name = column.name.to_lowercase();
    let named = if names_itself(table, &name) {
        60
    } else if ["pk", "uuid", "guid", "key", "code"].contains(&name.as_str()) {
        40
    } else if name.ends_with("_id") || name.ends_with("_key") {
        15
    } else {
        0
    };
    let typed = match column.column_type {
        ColumnType::Int | ColumnType::Long => 15,
        ColumnType::String | ColumnType::Decimal { scale: 0, .. } => 8,
        ColumnType::Decimal { .. } => -40,
        _ => -60,
    };
    let placed = if place == 0 { 20 } else { -(place.min(20) as i32) };
    named + typed + placed
}

/// Whether a name says that it names a row of its table: `id`, `orders_id`, `order_id` of `orders`.
fn names_itself(table: &str, name: &str) -> bool {
    let table = table.rsplit('.').next().unwrap_or(table).to_lowercase();
    let singular = table.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.or_else(|| table.strip_suffix('s').map(str::to_owned)).unwrap_or_else(|| table.clone());
    let stem = name.strip_suffix("_id").or_else(|| name.strip_suffix("id")).or_else(|| name.strip_suffix("_key"));
    name == "id" || stem.is_some_and(|stem| stem == table || stem == singular)
}

fn hints(table: &str, column: &Column) -> Vec<String> {
    if names_itself(table, &column.name.to_lowercase()) { vec!["its name says so".into()] } else { Vec::new() }
}

/// The first few columns from the left that identify a row together.
fn combined(columns: &[Column], batches: &[ChangeBatch]) -> KeyGuess {
    let whole = |column: &&Column| {
        let facts = KeyFacts::of(std::slice::from_ref(&column.name), batches);
        facts.nulls == 0 && score("", 1, column) > 0
    };
    let names: Vec<String> = columns.iter().filter(whole).take(COMBINED).map(|column| column.name.clone()).collect();
    let mut sets: Vec<Vec<String>> = Vec::new();
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            sets.push(vec![names[a].clone(), names[b].clone()]);
        }
    }
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            for c in b + 1..names.len() {
                sets.push(vec![names[a].clone(), names[b].clone(), names[c].clone()]);
            }
        }
    }
    match sets.into_iter().find(|set| fits(&KeyFacts::of(set, batches))) {
        Some(set) => judged(set, batches, vec!["no single column is unique; these are together".into()]),
        None => KeyGuess {
            doubts: vec!["no column, and no few columns together, are unique and never NULL in the sample".into()],
            ..KeyGuess::default()
        },
    }
}

/// A guess with what the sample says of it.
fn judged(key: Vec<String>, batches: &[ChangeBatch], mut evidence: Vec<String>) -> KeyGuess {
    let facts = KeyFacts::of(&key, batches);
    let mut doubts = Vec::new();
    match facts.load_rows {
        0 => doubts.push("there was no full load to look at".to_owned()),
        rows if rows < FEW_ROWS => {
            doubts.push(format!("unique and not NULL, but in {rows} rows of the full load only"))
        }
        rows => evidence.push(format!("unique and not NULL in {rows} rows of the full load")),
    }
    let known = facts.updates - facts.unknown_updates;
    if facts.updates > 0 {
        evidence
            .push(format!("{known} of {} updates and deletes are of a key seen before in the sample", facts.updates));
    }
    KeyGuess { key, evidence, doubts }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use sluice_change::{Origin, Position};

    use super::*;

    fn batch(name: &str, ops: &[Op], columns: &[(&str, ArrayRef)]) -> ChangeBatch {
        let origin = Origin { partition: "s.t".into(), name: name.into(), order: name.into() };
        ChangeBatch {
            origin: Arc::new(origin),
            rows: RecordBatch::try_from_iter_with_nullable(
                columns.iter().map(|(name, array)| (*name, Arc::clone(array), true)),
            )
            .unwrap(),
            ops: ops.to_vec(),
            row_numbers: Int64Array::from_iter_values(1..=ops.len() as i64),
            commit_times: None,
            before: None,
            unsent: None,
            rejects: Vec::new(),
            position: Position::start(),
        }
    }

    fn longs(values: impl IntoIterator<Item = i64>) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values))
    }

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column::new(*name, ColumnType::Long)).collect()
    }

    #[test]
    fn the_column_named_for_the_table_wins_among_unique_ones() {
        let load = batch(
            "s/orders/LOAD00000001.csv",
            &[Op::Load; 30],
            &[("number", longs(100..130)), ("order_id", longs(0..30)), ("customer_id", longs((0..30).map(|n| n / 2)))],
        );
        let guess = guess_key("s.orders", &columns(&["number", "order_id", "customer_id"]), &[load]);
        assert_eq!(guess.key, ["order_id"]);
        assert!(guess.evidence.iter().any(|line| line.contains("30 rows")), "{guess:?}");
        assert!(guess.doubts.iter().any(|line| line.contains("number")), "{guess:?}");
    }

    #[test]
    fn columns_that_deletes_fill_alone_are_the_key() {
        let load = batch(
            "LOAD00000001.csv",
            &[Op::Load; 4],
            &[("a", longs([1, 1, 2, 2])), ("b", longs([1, 2, 1, 2])), ("note", longs(0..4))],
        );
        let empty: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
        let deletes = batch(
            "20200101-000000001.csv",
            &[Op::Delete; 2],
            &[("a", longs([1, 2])), ("b", longs([2, 1])), ("note", empty)],
        );
        let guess = guess_key("s.t", &columns(&["a", "b", "note"]), &[load, deletes]);
        assert_eq!(guess.key, ["a", "b"]);
    }

    #[test]
    fn without_a_single_unique_column_two_are_tried_and_nothing_is_said_honestly() {
        let load =
            |b: [i64; 4]| vec![batch("LOAD1.csv", &[Op::Load; 4], &[("a", longs([1, 1, 2, 2])), ("b", longs(b))])];
        assert_eq!(guess_key("s.t", &columns(&["a", "b"]), &load([1, 2, 1, 2])).key, ["a", "b"]);
        let none = guess_key("s.t", &columns(&["a", "b"]), &load([1, 1, 1, 2]));
        assert!(none.key.is_empty() && !none.doubts.is_empty());
    }

    #[test]
    fn a_nullable_column_and_one_with_duplicates_are_no_key() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
        let load = batch("LOAD1.csv", &[Op::Load; 3], &[("id", longs([1, 1, 2])), ("code", texts)]);
        let facts = KeyFacts::of(&["id".into()], std::slice::from_ref(&load));
        assert_eq!((facts.load_rows, facts.duplicate.as_deref()), (3, Some("1")));
        assert_eq!(KeyFacts::of(&["code".into()], &[load]).nulls, 1);
    }
}
