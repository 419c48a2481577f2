//! What a transform did to each row, cell by cell, for people and machines to look at.

use arrow_schema::ArrowError;
use serde::Serialize;
use sluice_change::Op;
use sluice_transform::Shaped;

use crate::trial::sources;
use crate::{Sample, cells};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It came out.
    Kept,
    /// It was dropped: its key's row leaves Silver.
    Dropped,
    /// It was rejected: it goes to the dead letters.
    Rejected,
    /// Nothing came out for it, without a word.
    Gone,
}

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is as it was.
    Same,
    /// It has another value.
    Changed,
    /// Its column is new.
    Added,
    /// Its column ends here.
    Removed,
}

/// A cell before and after; `None` is NULL, or a column that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellChange {
    /// The column.
    pub column: String,
    /// What became of it.
    pub mark: Mark,
    /// The value before.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
}

/// A row before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// Number of the row in the sample, from 1.
    pub row: usize,
    /// What became of it.
    pub fate: Fate,
    /// What it does, one letter.
    pub op: &'static str,
    /// What it does after the transform.
    pub op_after: Option<&'static str>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Its cells, in the order in which they come out, then those that end here.
    pub cells: Vec<CellChange>,
}

/// The rows of a sample and what came of them, at most `most`, in order. A row that became several is there as often.
pub fn row_changes(sample: &Sample, shaped: &Shaped, most: usize) -> Result<Vec<RowChange>, ArrowError> {
    let sources = sources(shaped);
    let (mut found, mut out, mut rejects) = (Vec::new(), 0, shaped.rejects.iter().peekable());
    for row in 0..sample.len() {
        if found.len() >= most {
            break;
        }
        let op = sample.input.ops[row];
        if let Some(reject) = rejects.next_if(|reject| reject.row as usize == row) {
            let reason = match &reject.column {
                Some(column) => format!("column `{column}`: {}", reject.reason),
                None => reject.reason.clone(),
            };
            found.push(without(sample, row, Fate::Rejected, Some(reason))?);
            continue;
        }
        let from = out;
        while out < sources.len() && sources.value(out) as usize == row && found.len() < most {
            let after = shaped.ops[out];
            let dropped = op != Op::Delete && after == Op::Delete;
            found.push(RowChange {
                row: row + 1,
                fate: if dropped { Fate::Dropped } else { Fate::Kept },
                op: op.code(),
                op_after: Some(after.code()),
                reason: None,
                cells: cells_of(sample, row, shaped, out)?,
            });
            out += 1;
        }
        if out == from {
            found.push(without(sample, row, Fate::Gone, None)?);
        }
    }
    Ok(found)
}

/// A row of which nothing came out.
fn without(sample: &Sample, row: usize, fate: Fate, reason: Option<String>) -> Result<RowChange, ArrowError> {
    let rows = &sample.input.rows;
    let cell = |(place, field): (usize, &std::sync::Arc<arrow_schema::Field>)| {
        let before = cells::text(rows.column(place), row)?;
        Ok(CellChange { column: field.name().clone(), mark: Mark::Removed, before, after: None })
    };
    let cells = rows.schema().fields().iter().enumerate().map(cell).collect::<Result<Vec<_>, ArrowError>>()?;
    let op = sample.input.ops[row].code();
    Ok(RowChange { row: row + 1, fate, op, op_after: None, reason, cells })
}

fn cells_of(sample: &Sample, row: usize, shaped: &Shaped, out: usize) -> Result<Vec<CellChange>, ArrowError> {
    let rows = &sample.input.rows;
    let mut found = Vec::new();
    for (field, column) in shaped.rows.schema().fields().iter().zip(shaped.rows.columns()) {
        let after = cells::text(column, out)?;
        let (mark, before) = match rows.column_by_name(field.name()) {
            Some(column) => {
                let before = cells::text(column, row)?;
                (if before == after { Mark::Same } else { Mark::Changed }, before)
            }
            None => (Mark::Added, None),
        };
        found.push(CellChange { column: field.name().clone(), mark, before, after });
    }
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if shaped.rows.column_by_name(field.name()).is_none() {
            let before = cells::text(column, row)?;
            found.push(CellChange { column: field.name().clone(), mark: Mark::Removed, before, after: None });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::{Upper, sample};
    use crate::{Subject, Trial};

    #[test]
    fn each_row_is_shown_with_its_fate_and_its_cells() {
        let sample = sample("id:long,name:string\n1,a\n2,bad\n3,drop\n4,X\n");
        let trial = Trial::run(&Upper::default() as &dyn Subject, &sample).unwrap();
        let rows = row_changes(&sample, &trial.run.shaped, 10).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.row, row.fate)).collect::<Vec<_>>(),
            [(1, Fate::Kept), (2, Fate::Rejected), (3, Fate::Dropped), (4, Fate::Kept)]
        );
        let name = &rows[0].cells[1];
        assert_eq!((name.mark, name.before.as_deref(), name.after.as_deref()), (Mark::Changed, Some("a"), Some("A")));
        assert_eq!(rows[1].reason.as_deref(), Some("bad is refused"));
        assert_eq!(rows[3].cells.iter().map(|cell| cell.mark).collect::<Vec<_>>(), [Mark::Same, Mark::Same]);
        assert_eq!(row_changes(&sample, &trial.run.shaped, 2).unwrap().len(), 2);
    }
}
