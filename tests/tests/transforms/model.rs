//! What Silver has to be: every change shaped by itself, in order, and applied to a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use sluice_change::{Op, TableSchema};
use sluice_tests::datum::Cell;
use sluice_tests::generator::History;
use sluice_tests::table::Row;
use sluice_tests::{lake_files, write_parquet};
use sluice_transform::{Input, NoComponents, Transform, TransformSettings};

/// Silver and the dead letters.
#[derive(Debug)]
pub struct Expected {
    /// The schema of Silver.
    pub output: TableSchema,
    /// Its rows in canonical text, sorted.
    pub silver: Vec<Row>,
    /// File and row of every record that was rejected, sorted.
    pub rejected: Vec<(String, u64)>,
}

/// What has to come of a history.
pub fn expected(history: &History, settings: &TransformSettings) -> Expected {
    let schema = &history.spec.schema;
    let transform = settings.build(&history.spec.name, &NoComponents).expect("steps that can be built");
    let output = transform.output(schema).expect("steps that go with the table");
    let shaper = Shaper { transform, schema };
    let key: Vec<usize> =
        output.key.iter().map(|name| output.columns.iter().position(|c| c.name == *name).expect("a column")).collect();
    let key_of = |row: &Row| -> Row { key.iter().map(|place| row[*place].clone()).collect() };
    let mut silver: BTreeMap<Row, Row> = BTreeMap::new();
    let mut rejected = history.rejected();
    for record in &history.records {
        let change = &record.change;
        if change.op == Op::Truncate {
            silver.clear();
            continue;
        }
        let old = change.before.as_ref().and_then(|before| shaper.old(&change.cells, before));
        let old = old.map(|cells| shaper.shape(Op::Delete, &cells));
        let new = shaper.shape(change.op, &change.cells);
        let (Some((op, row)), false) = (new, old.as_ref().is_some_and(Option::is_none)) else {
            rejected.push((history.files[record.file].path.clone(), record.row));
            continue;
        };
        if let Some((_, old)) = old.flatten() {
            silver.remove(&key_of(&old));
        }
        match op {
            Op::Delete => drop(silver.remove(&key_of(&row))),
            _ => drop(silver.insert(key_of(&row), row)),
        }
    }
    let mut silver: Vec<Row> = silver.into_values().collect();
    silver.sort_unstable();
    rejected.sort_unstable();
    Expected { output, silver, rejected }
}

struct Shaper<'a> {
    transform: Arc<dyn Transform>,
    schema: &'a TableSchema,
}

impl Shaper<'_> {
    /// One row by itself; `None` where it is rejected.
    fn shape(&self, op: Op, cells: &[Cell]) -> Option<(Op, Row)> {
        let columns = self.schema.columns.iter().enumerate().map(|(place, column)| {
            let cell = cells.get(place).cloned().flatten();
            write_parquet::array(column.column_type, std::iter::once(&cell))
        });
        let rows = RecordBatch::try_from_iter_with_nullable(
            self.schema.columns.iter().zip(columns).map(|(column, array)| (column.name.as_str(), array, true)),
        );
        let rows = sluice_change::conform(&rows.expect("a row"), &self.schema.arrow()).expect("its own types");
        let ordinals = Int64Array::from(vec![0]);
        let input = Input { rows, ops: vec![op], ordinals, times: None, before: None, unsent: None };
        let shaped = self.transform.shape(self.schema, input).expect("steps that run");
        assert_eq!(shaped.ops.len() + shaped.rejects.len(), 1);
        let row = lake_files::texts(&shaped.rows).pop()?;
        Some((shaped.ops[0], row))
    }

    /// The row as it was before, where its key changed.
    fn old(&self, cells: &[Cell], before: &[Cell]) -> Option<Vec<Cell>> {
        let mut old = cells.to_vec();
        for (place, column) in self.schema.columns.iter().enumerate() {
            if let Some(Some(value)) = before.get(place).filter(|_| self.schema.is_key(&column.name)) {
                old[place] = Some(value.clone());
            }
        }
        (old != cells).then_some(old)
    }
}
