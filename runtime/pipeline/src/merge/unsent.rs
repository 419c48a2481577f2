//! Cells that the source did not send: which row each of them takes its value from, and how they are filled in.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave;
use sluice_change::Unsent;
use sluice_index::Location;

use super::{Event, MergePart, NO_ROW};

/// The unsent cells of the rows of one part, by the places of their columns.
#[derive(Debug, Clone)]
pub struct UnsentCells {
    rows: Vec<u32>,
    patterns: Vec<Vec<usize>>,
}

impl UnsentCells {
    /// The cells of `unsent` whose columns are among those of `rows`; `None` where there are none.
    pub fn of(unsent: &Unsent, rows: &RecordBatch) -> Option<Self> {
        let schema = rows.schema();
        let places = |names: &Vec<String>| names.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        let patterns: Vec<Vec<usize>> = unsent.patterns().iter().map(places).collect();
        let any = unsent.rows().iter().any(|pattern| !patterns[*pattern as usize].is_empty());
        any.then(|| Self { rows: unsent.rows().to_vec(), patterns })
    }

    /// The columns that were not sent in a row.
    pub fn columns(&self, row: usize) -> &[usize] {
        self.rows.get(row).and_then(|pattern| self.patterns.get(*pattern as usize)).map_or(&[], Vec::as_slice)
    }
}

/// What a key was before an event, as far as the stretch of changes tells.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
    /// The row that this event left behind, or none if it removed the key.
    Event(Event),
    /// The row that Silver holds for the key of this number, if it does.
    Stored(u32),
}

/// Of each row with unsent cells, what its key was before it.
pub(super) type Befores = HashMap<u32, Before>;

/// Where the value of an unsent cell comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// This row of the changes, by its number over all parts.
    Change(u32),
    /// This row among those that are read back.
    Stored(u32),
}

/// Values that are still missing in the rows of a plan.
#[derive(Debug)]
pub struct Missing {
    /// Rows of Silver to read back, ascending and each once.
    pub wanted: Vec<Location>,
    /// The columns to read of them, by their places, ascending.
    pub columns: Vec<usize>,
    /// Rows with unsent cells of keys that were not there before; these cells are null.
    pub without_row: u64,
    /// By column: the row of the plan (by its place among all of them) and where its value comes from.
    cells: BTreeMap<usize, Vec<(u32, Origin)>>,
    /// The rows of all parts, and where each part begins among the rows numbered over all parts.
    parts: Vec<RecordBatch>,
    starts: Vec<usize>,
}

/// Looks up the origin of every unsent cell of the rows that are written. `None` where nothing is unsent.
pub(super) fn missing(
    parts: &[MergePart],
    befores: &Befores,
    last: &[Event],
    ordinals: &[u32],
    found: &[Location],
) -> Option<Missing> {
    if befores.is_empty() {
        return None;
    }
    let starts: Vec<usize> = parts
        .iter()
        .scan(0, |next, part| {
            let start = *next;
            *next += part.ops.len();
            Some(start)
        })
        .collect();
    let mut search = Search { parts, befores, starts: &starts, found, cells: BTreeMap::new(), without_row: 0 };
    for (event, ordinal) in last.iter().zip(ordinals).filter(|(_, ordinal)| **ordinal != NO_ROW) {
        search.trace(event.row(), *ordinal);
    }
    let Search { cells: by_location, without_row, .. } = search;
    let mut wanted: Vec<Location> = by_location.values().flatten().filter_map(|(_, origin)| origin.err()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut columns = Vec::new();
    let mut cells = BTreeMap::new();
    for (column, found) in by_location {
        if found.iter().any(|(_, origin)| origin.is_err()) {
            columns.push(column);
        }
        let resolved = found.into_iter().map(|(ordinal, origin)| {
            let stored = |at: Location| wanted.binary_search(&at).unwrap_or_default() as u32;
            (ordinal, origin.map_or_else(|at| Origin::Stored(stored(at)), Origin::Change))
        });
        let mut resolved: Vec<(u32, Origin)> = resolved.collect();
        resolved.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        cells.insert(column, resolved);
    }
    let parts = parts.iter().map(|part| part.rows.clone()).collect();
    (without_row > 0 || !cells.is_empty()).then_some(Missing { wanted, columns, without_row, cells, parts, starts })
}

/// A row of the plan by its place, and the row of the changes or of Silver that has the value of one of its cells.
type Traced = (u32, Result<u32, Location>);

struct Search<'a> {
    parts: &'a [MergePart],
    befores: &'a Befores,
    starts: &'a [usize],
    found: &'a [Location],
    /// By column.
    cells: BTreeMap<usize, Vec<Traced>>,
    without_row: u64,
}

impl Search<'_> {
    fn columns(&self, row: usize) -> &[usize] {
        let (part, row) = place(self.starts, row);
        self.parts[part].unsent.as_ref().map_or(&[], |unsent| unsent.columns(row))
    }

    /// Follows a key back until every column of the row has a value, or there was no row.
    fn trace(&mut self, mut row: usize, ordinal: u32) {
        let mut open = self.columns(row).to_vec();
        while !open.is_empty() {
            match self.befores.get(&(row as u32)) {
                Some(Before::Event(event)) if !event.removes() => {
                    row = event.row();
                    let unsent = self.columns(row);
                    let (still, sent): (Vec<usize>, Vec<usize>) =
                        open.into_iter().partition(|column| unsent.contains(column));
                    for column in sent {
                        self.cells.entry(column).or_default().push((ordinal, Ok(row as u32)));
                    }
                    open = still;
                }
                Some(Before::Stored(slot)) if self.found[*slot as usize].is_present() => {
                    let at = self.found[*slot as usize];
                    for column in open.drain(..) {
                        self.cells.entry(column).or_default().push((ordinal, Err(at)));
                    }
                }
                _ => {
                    self.without_row += 1;
                    return;
                }
            }
        }
    }
}

/// The part that a row lies in, and its place there.
fn place(starts: &[usize], row: usize) -> (usize, usize) {
    let part = starts.partition_point(|start| *start <= row).saturating_sub(1);
    (part, row - starts.get(part).copied().unwrap_or_default())
}

impl Missing {
    /// Fills in what is missing in the rows of the plan. `stored` holds the columns of the rows that were wanted, in
    /// order and in Silver's types.
    pub fn fill(&self, rows: &[RecordBatch], stored: Option<&RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut filled = Vec::with_capacity(rows.len());
        let mut next = 0;
        for batch in rows {
            let range = next..next + batch.num_rows() as u32;
            next = range.end;
            let mut columns = batch.columns().to_vec();
            for (column, cells) in &self.cells {
                let cells = within(cells, &range);
                if !cells.is_empty() {
                    columns[*column] = self.fill_column(*column, &columns[*column], cells, range.start, stored)?;
                }
            }
            filled.push(RecordBatch::try_new(batch.schema(), columns)?);
        }
        Ok(filled)
    }

    fn fill_column(
        &self,
        column: usize,
        own: &ArrayRef,
        cells: &[(u32, Origin)],
        first: u32,
        stored: Option<&RecordBatch>,
    ) -> Result<ArrayRef, ArrowError> {
        let name = self.parts.first().map(|part| part.schema().field(column).name().clone()).unwrap_or_default();
        let mut sources: Vec<&dyn Array> = vec![own.as_ref()];
        sources.extend(self.parts.iter().map(|part| part.column(column).as_ref()));
        let read_back = stored.and_then(|stored| stored.column_by_name(&name));
        sources.extend(read_back.map(AsRef::as_ref));
        let last = sources.len() - 1;
        let mut indices: Vec<(usize, usize)> = (0..own.len()).map(|row| (0, row)).collect();
        for (ordinal, origin) in cells {
            indices[(ordinal - first) as usize] = match origin {
                Origin::Change(row) => {
                    let (part, row) = place(&self.starts, *row as usize);
                    (part + 1, row)
                }
                Origin::Stored(row) if read_back.is_some() => (last, *row as usize),
                // Silver does not have the column yet, so it is null.
                Origin::Stored(_) => continue,
            };
        }
        interleave(&sources, &indices)
    }
}

fn within<'a>(cells: &'a [(u32, Origin)], range: &Range<u32>) -> &'a [(u32, Origin)] {
    let start = cells.partition_point(|(ordinal, _)| *ordinal < range.start);
    let end = cells.partition_point(|(ordinal, _)| *ordinal < range.end);
    &cells[start..end]
}
