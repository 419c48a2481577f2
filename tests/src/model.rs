//! The naive model: changes applied one by one, in order, to a map from key to row.

use std::collections::BTreeMap;

use sluice_change::{Op, TableSchema};

use crate::datum::{Cell, Datum};

/// The key of a row in its canonical text, one per key column.
pub type Key = Vec<Option<String>>;

/// One change as the model takes it. `cells` follow the columns of the model's schema; missing ones at the end are null.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happens to the key.
    pub op: Op,
    /// The row after the change; a delete may hold its key only.
    pub cells: Vec<Cell>,
    /// The row before the change, where the source sent one; null outside what it sent.
    pub before: Option<Vec<Cell>>,
}

/// The state of one table after some changes.
#[derive(Debug, Clone)]
pub struct Model {
    schema: TableSchema,
    key: Vec<usize>,
    rows: BTreeMap<Key, Vec<Cell>>,
}

impl Model {
    /// An empty table.
    pub fn new(schema: TableSchema) -> Self {
        let key = schema
            .key
            .iter()
            .map(|key| schema.columns.iter().position(|column| column.name == *key).expect("a key column exists"))
            .collect();
        Self { schema, key, rows: BTreeMap::new() }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change) {
        if change.op == Op::Truncate {
            self.rows.clear();
            return;
        }
        let key = self.key_of(&change.cells);
        if let Some(before) = &change.before {
            let old = self.key_of(before);
            // Before images are filled only where the key changed; an empty one says nothing.
            if old.iter().all(Option::is_some) && old != key {
                self.rows.remove(&old);
            }
        }
        if change.op.is_upsert() {
            let mut row = change.cells.clone();
            row.resize(self.schema.columns.len(), None);
            self.rows.insert(key, row);
        } else {
            self.rows.remove(&key);
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is left.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows in canonical text, values promoted to the schema's types, in the order of that text.
    pub fn canonical_rows(&self) -> Vec<Vec<Option<String>>> {
        let mut rows: Vec<Vec<Option<String>>> = self.rows.values().map(|row| canonical(&self.schema, row)).collect();
        rows.sort_unstable();
        rows
    }

    fn key_of(&self, cells: &[Cell]) -> Key {
        self.key.iter().map(|index| cells.get(*index).and_then(Option::as_ref).map(Datum::canonical)).collect()
    }
}

/// The canonical text of a row of `schema`, values promoted to its types and missing ones null.
pub fn canonical(schema: &TableSchema, cells: &[Cell]) -> Vec<Option<String>> {
    schema
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cell = cells.get(index).and_then(Option::as_ref);
            cell.map(|datum| datum.promoted(column.column_type).canonical())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sluice_change::{Column, ColumnType};

    use super::*;

    fn model() -> Model {
        let columns = vec![Column::new("id", ColumnType::Int), Column::new("name", ColumnType::String)];
        Model::new(TableSchema { columns, key: vec!["id".into()] })
    }

    fn change(op: Op, id: i32, name: &str) -> Change {
        Change { op, cells: vec![Some(Datum::Int(id)), Some(Datum::String(name.into()))], before: None }
    }

    fn rows(model: &Model) -> Vec<String> {
        let text = |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join("=");
        model.canonical_rows().into_iter().map(text).collect()
    }

    #[test]
    fn the_last_change_of_a_key_wins() {
        let mut model = model();
        for change in [
            change(Op::Load, 1, "a"),
            change(Op::Update, 1, "b"),
            change(Op::Update, 2, "never inserted"),
            change(Op::Insert, 3, "c"),
            change(Op::Delete, 3, ""),
            change(Op::Delete, 9, "was never there"),
        ] {
            model.apply(&change);
        }
        assert_eq!(rows(&model), ["1=b", "2=never inserted"]);
    }

    #[test]
    fn a_before_image_removes_the_old_key_and_an_empty_one_nothing() {
        let mut model = model();
        model.apply(&change(Op::Insert, 1, "a"));
        model.apply(&Change { before: Some(vec![None, None]), ..change(Op::Update, 2, "b") });
        model.apply(&Change { before: Some(vec![Some(Datum::Int(1)), None]), ..change(Op::Update, 5, "moved") });
        assert_eq!(rows(&model), ["2=b", "5=moved"]);
    }

    #[test]
    fn a_truncate_empties_the_table_at_its_place() {
        let mut model = model();
        model.apply(&change(Op::Insert, 1, "a"));
        model.apply(&Change { op: Op::Truncate, cells: vec![], before: None });
        model.apply(&change(Op::Insert, 2, "b"));
        assert_eq!(rows(&model), ["2=b"]);
    }
}
