//! A guest that answers with anything at all, made of any bytes: for the property test below and for `fuzz/`.
#![allow(clippy::expect_used, reason = "what it finds has to stop the test")]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use sluice_change::{Column as TableColumn, ColumnType, Op, TableSchema, Unsent};

use super::assemble::{Shown, assemble};
use super::bindings::{Output, OutputColumn, Plan};
use super::buffers::{decode, encode};
use super::outcome::Outcome;
use super::plan::CheckedPlan;
use super::state::State;
use crate::kernels::Column;
use crate::{Input, Shaped};

const TYPES: [&str; 13] = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "decimal(9,2)",
    "decimal(38,10)",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "string",
    "binary",
];

/// Plays a guest whose every choice comes out of `data`, and checks that its answer is refused or sound.
pub fn play(data: &[u8]) {
    let mut guest = Guest { data };
    let input = guest.input();
    let Ok(plan) = CheckedPlan::new(guest.plan(), &schema()) else { return };
    let shown = Shown::of(&input.ops, &plan);
    let rows = shown.len(input.ops.len());
    let mut state = State::new(1 << 20, 1 << 20, u64::MAX, None);
    let output = guest.output(&plan, rows, &mut state);
    let Ok(outcome) = Outcome::new(&plan, rows, &output, &state) else { return };
    let returned = outcome.sources.as_ref().map_or(rows, Array::len);
    for (column, write) in outcome.columns.iter().zip(&plan.writes) {
        sound(column, write.column_type, returned);
    }
    let shaped = assemble(&plan, &input, &shown, outcome).expect("an answer that was accepted can be put together");
    check(&plan, &input, &shaped);
}

fn sound(array: &ArrayRef, column_type: ColumnType, rows: usize) {
    assert_eq!((array.data_type(), array.len()), (&column_type.arrow(), rows));
    array.to_data().validate_full().expect("a column that was accepted is Arrow");
}

fn check(plan: &CheckedPlan, input: &Input, shaped: &Shaped) {
    let rows = shaped.ops.len();
    for column in shaped.rows.columns() {
        assert_eq!(column.len(), rows);
        column.to_data().validate_full().expect("a column that comes out is Arrow");
    }
    let sources: Vec<u32> = match &shaped.sources {
        Some(sources) => sources.values().to_vec(),
        None => (0..input.ops.len() as u32).collect(),
    };
    assert_eq!(sources.len(), rows);
    assert!(sources.is_sorted() && sources.iter().all(|row| (*row as usize) < input.ops.len()));
    let rejected: Vec<u32> = shaped.rejects.iter().map(|reject| reject.row).collect();
    assert!(rejected.is_sorted_by(|a, b| a < b) && rejected.iter().all(|row| (*row as usize) < input.ops.len()));
    assert!(rejected.iter().all(|row| sources.binary_search(row).is_err()));
    for write in plan.writes.iter().filter(|write| !write.nullable) {
        let column = shaped.rows.column_by_name(&write.name).expect("what is written comes out");
        let unsent = |row: usize| {
            shaped
                .unsent
                .as_ref()
                .is_some_and(|unsent| unsent.patterns()[unsent.rows()[row] as usize].contains(&write.name))
        };
        let shown = |row: usize| !matches!(shaped.ops[row], Op::Delete | Op::Truncate);
        assert!((0..rows).all(|row| column.is_valid(row) || !shown(row) || unsent(row)), "{}", write.name);
    }
}

fn schema() -> TableSchema {
    TableSchema {
        columns: vec![
            TableColumn::new("id", ColumnType::Long),
            TableColumn::new("a", ColumnType::String),
            TableColumn::new("b", ColumnType::Int),
        ],
        key: vec!["id".to_owned()],
    }
}

/// Choices, taken from bytes; without any left all are the first.
struct Guest<'a> {
    data: &'a [u8],
}

impl Guest<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.data.split_first().unwrap_or((&0, &[]));
        self.data = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// True for one byte in `of`.
    fn rarely(&mut self, of: u8) -> bool {
        self.byte() % of == of - 1
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// Almost always `count`.
    fn near(&mut self, count: usize) -> usize {
        match self.byte() {
            255 => count + 1,
            254 => count.saturating_sub(1),
            253 => self.below(64),
            _ => count,
        }
    }

    fn input(&mut self) -> Input {
        let rows = self.below(24);
        let ops: Vec<Op> = (0..rows).map(|_| Op::ALL[self.below(Op::ALL.len())]).collect();
        let ids = Int64Array::from_iter_values(0..rows as i64);
        let texts: StringArray = (0..rows).map(|row| (row % 3 > 0).then(|| format!("text {row}"))).collect();
        let numbers: Int32Array = (0..rows).map(|row| (row % 4 > 0).then_some(row as i32)).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(ids.clone()), Arc::new(texts), Arc::new(numbers)];
        let fields: Vec<Field> =
            schema().columns.iter().map(|column| Field::new(&column.name, column.column_type.arrow(), true)).collect();
        let before = self.rarely(3).then(|| {
            let keys = Schema::new(vec![fields[0].clone()]);
            RecordBatch::try_new(Arc::new(keys), vec![Arc::new(ids.clone())]).expect("one column")
        });
        let patterns = vec![vec![], vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        let unsent = if self.rarely(3) {
            Unsent::new((0..rows).map(|_| self.below(3) as u32).collect(), patterns)
        } else {
            None
        };
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("three columns");
        Input { rows, ops, ordinals: ids, times: None, before, unsent }
    }

    fn plan(&mut self) -> Plan {
        let names = ["b", "c", "d", "id", "a"];
        let writes = (0..self.below(4)).map(|place| OutputColumn {
            name: names[(place + self.below(2)) % names.len()].to_owned(),
            data_type: TYPES[self.below(TYPES.len())].to_owned(),
            nullable: !self.rarely(3),
            computed_from: if self.rarely(3) { vec!["a".to_owned()] } else { vec![] },
        });
        let writes: Vec<OutputColumn> = writes.collect();
        let own_key = self.rarely(2);
        Plan {
            reads: vec!["a".to_owned(), "b".to_owned()],
            drops: if self.rarely(4) { vec!["a".to_owned()] } else { vec![] },
            deletes: own_key || self.rarely(2),
            key: match writes.first() {
                Some(first) if own_key => vec!["id".to_owned(), first.name.clone()],
                _ => vec![],
            },
            fan_out: own_key && self.rarely(2),
            writes,
        }
    }

    fn output(&mut self, plan: &CheckedPlan, rows: usize, state: &mut State) -> Output {
        let sources = self.rarely(2).then(|| self.sources(rows, plan.said.fan_out));
        let returned = sources.as_ref().map_or(rows, Array::len);
        let source_rows = sources.map(|sources| self.hand(state, Column::rows(Arc::new(sources))));
        let columns = plan.writes.iter().map(|write| self.column(write.column_type, returned, state)).collect();
        let keep = (source_rows.is_none() && self.rarely(2)).then(|| self.column(ColumnType::Boolean, rows, state));
        let rejected = self.rarely(3).then(|| self.column(ColumnType::String, rows, state));
        let ops = self.rarely(3).then(|| self.ops(returned, state));
        Output { columns, keep, source_rows, rejected, ops }
    }

    fn hand(&mut self, state: &mut State, column: Column) -> u32 {
        let handle = state.push(column).unwrap_or(u32::MAX);
        if self.rarely(64) { u32::from(self.byte()) } else { handle }
    }

    /// Row numbers, mostly such as they have to be.
    fn sources(&mut self, rows: usize, fan_out: bool) -> Int32Array {
        let mut sources = Vec::new();
        for row in 0..rows as i32 {
            let times = if fan_out { self.below(3) } else { usize::from(!self.rarely(4)) };
            sources.extend(std::iter::repeat_n(Some(row), times));
        }
        if self.rarely(8) {
            sources.push(if self.rarely(2) { None } else { Some(self.byte() as i8 as i32) });
        }
        sources.into_iter().collect()
    }

    fn ops(&mut self, rows: usize, state: &mut State) -> u32 {
        let codes = ["L", "I", "U", "D"];
        let ops: StringArray = (0..rows)
            .map(|_| match self.byte() {
                255 => Some("T"),
                254 => Some("update"),
                byte => codes.get(usize::from(byte % 6)).copied(),
            })
            .collect();
        self.hand(state, Column::rows(Arc::new(ops)))
    }

    /// A column out of bytes: mostly of this type and so many rows.
    fn column(&mut self, column_type: ColumnType, rows: usize, state: &mut State) -> u32 {
        let column_type =
            if self.rarely(32) { TYPES[self.below(TYPES.len())].parse().expect("a type") } else { column_type };
        let constant = self.rarely(8);
        let rows = if constant { 1 } else { self.near(rows) };
        let (validity, offsets, values) = self.buffers(column_type, rows);
        let Ok(array) = decode(column_type, rows, &validity, &offsets, &values) else { return u32::MAX };
        sound(&array, column_type, rows);
        let parts = encode(&array);
        let again = decode(column_type, rows, &parts.validity, &parts.offsets, &parts.values);
        assert_eq!(array.to_data(), again.expect("what was read can be made").to_data());
        let column = if constant { Column::constant(array).expect("one row") } else { Column::rows(array) };
        self.hand(state, column)
    }

    fn buffers(&mut self, column_type: ColumnType, rows: usize) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let bytes = if self.rarely(2) { 0 } else { self.near(rows.div_ceil(8)) };
        let validity = self.bytes(bytes);
        match column_type {
            ColumnType::Boolean => {
                let bytes = self.near(rows.div_ceil(8));
                (validity, Vec::new(), self.bytes(bytes))
            }
            ColumnType::String | ColumnType::Binary => {
                let mut offsets = vec![if self.rarely(16) { self.byte() as i8 as i32 } else { 0 }];
                for _ in 1..self.near(rows + 1) {
                    let step = if self.rarely(64) { -1 } else { self.below(6) as i32 };
                    offsets.push(offsets.last().copied().unwrap_or(0).wrapping_add(step));
                }
                let end = offsets.last().copied().unwrap_or(0).max(0) as usize;
                let bytes = self.near(end);
                let mut values = self.bytes(bytes);
                if !self.rarely(4) {
                    values.iter_mut().for_each(|byte| *byte &= 0x7f);
                }
                (validity, offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect(), values)
            }
            fixed => {
                let width = fixed.arrow().primitive_width().expect("all others have a width");
                let bytes = self.near(rows * width);
                let mut values = self.bytes(bytes);
                // Decimals and times that are out of range are refused: mostly keep them small.
                if !self.rarely(8) {
                    values.chunks_mut(width).for_each(|value| value.iter_mut().skip(3).for_each(|byte| *byte = 0));
                }
                let offsets = if self.rarely(64) { self.bytes(4) } else { Vec::new() };
                (validity, offsets, values)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn whatever_a_guest_returns_is_refused_or_sound(data in prop::collection::vec(any::<u8>(), 0..1_200)) {
            play(&data);
        }
    }

    #[test]
    fn a_guest_that_always_chooses_the_first_is_heard() {
        play(&[]);
        play(&[5; 400]);
    }
}
