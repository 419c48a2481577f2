//! Rows that empty the table: no step sees them.

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use sluice_change::{Op, Unsent};

use crate::rows::rows_at;
use crate::{Input, Shaped};

/// The places of rows that empty the table, and those of all others.
#[derive(Debug)]
pub(super) struct Truncates {
    places: Vec<u32>,
    others: UInt32Array,
}

impl Truncates {
    /// Takes them out; nothing is copied where there are none.
    pub fn take_out(input: Input) -> Result<(Input, Option<Self>), ArrowError> {
        if !input.ops.contains(&Op::Truncate) {
            return Ok((input, None));
        }
        let keep = BooleanArray::from_iter(input.ops.iter().map(|op| Some(*op != Op::Truncate)));
        let places = |of_truncates: bool| {
            let all = (0_u32..).zip(&input.ops).filter(move |(_, op)| (**op == Op::Truncate) == of_truncates);
            all.map(|(row, _)| row)
        };
        let found = Self { places: places(true).collect(), others: UInt32Array::from_iter_values(places(false)) };
        Ok((input.filter(&keep)?, Some(found)))
    }

    /// Puts them back at their places.
    pub fn put_back(self, shaped: Shaped) -> Result<Shaped, ArrowError> {
        let sources: UInt32Array = match &shaped.sources {
            Some(sources) => take(&self.others, sources, None)?.as_primitive().clone(),
            None => self.others.clone(),
        };
        let mut rejects = shaped.rejects;
        rejects.iter_mut().for_each(|reject| reject.row = self.others.value(reject.row as usize));
        let length = sources.len();
        let mut order: Vec<Option<u32>> = Vec::with_capacity(length + self.places.len());
        let mut merged = Vec::with_capacity(order.capacity());
        let mut truncates = self.places.iter().copied().peekable();
        for row in 0..=length {
            let before = if row < length { sources.value(row) } else { u32::MAX };
            while let Some(place) = truncates.next_if(|place| *place < before) {
                order.push(None);
                merged.push(place);
            }
            if row < length {
                order.push(Some(row as u32));
                merged.push(before);
            }
        }
        let pattern = |row: &Option<u32>| {
            row.and_then(|row| shaped.unsent.as_ref().map(|unsent| unsent.rows()[row as usize])).unwrap_or(0)
        };
        let unsent = shaped.unsent.as_ref();
        let unsent =
            unsent.and_then(|unsent| Unsent::new(order.iter().map(pattern).collect(), unsent.patterns().to_vec()));
        let ops = order.iter().map(|row| row.map_or(Op::Truncate, |row| shaped.ops[row as usize])).collect();
        let order = UInt32Array::from(order);
        Ok(Shaped {
            ops,
            rows: rows_at(&shaped.rows, &order)?,
            before: shaped.before.as_ref().map(|before| rows_at(before, &order)).transpose()?,
            sources: Some(UInt32Array::from(merged)),
            unsent,
            rejects,
        })
    }
}
