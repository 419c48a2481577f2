//! What comes back from a guest, checked.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, StringArray, new_empty_array, new_null_array};
use arrow_schema::DataType;
use sluice_change::Op;

use super::bindings::Output;
use super::plan::CheckedPlan;
use super::state::{Fault, State};
use crate::kernels::{Limits, repeated};

/// A guest's answer, sound in itself.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// The written columns, all of the same number of rows.
    pub columns: Vec<ArrayRef>,
    /// Rows that stay; `None` for all of them.
    pub keep: Option<BooleanArray>,
    /// The row that each output row comes from; `None` where they are the same.
    pub sources: Option<Int32Array>,
    /// Reasons of rejected rows.
    pub rejected: Option<StringArray>,
    /// Ops of output rows that differ from their sources'.
    pub ops: Option<Vec<Option<Op>>>,
}

impl Outcome {
    /// The answer for no rows.
    pub fn empty(plan: &CheckedPlan) -> Self {
        let columns = plan.writes.iter().map(|write| new_empty_array(&write.column_type.arrow())).collect();
        Self { columns, keep: None, sources: None, rejected: None, ops: None }
    }

    /// The answer that stands for a single row that failed.
    pub fn rejecting(plan: &CheckedPlan, reason: String) -> Self {
        let columns = plan.writes.iter().map(|write| new_null_array(&write.column_type.arrow(), 1)).collect();
        let rejected = Some(StringArray::from(vec![reason]));
        Self { columns, keep: None, sources: None, rejected, ops: None }
    }

    /// Refuses an answer whose rows, with what goes through beside them, would take more than `most` bytes.
    pub fn check_size(&self, passing_bytes: usize, rows: usize, most: usize) -> Result<(), String> {
        let Some(sources) = self.sources.as_ref().filter(|sources| sources.len() > rows) else { return Ok(()) };
        let bytes = (passing_bytes / rows.max(1) + 16).saturating_mul(sources.len());
        if bytes <= most {
            return Ok(());
        }
        Err(format!(
            "it makes {} rows of {rows}, about {bytes} bytes, more than the {most} that it may (`max_output`)",
            sources.len()
        ))
    }

    /// Checks an answer for a batch of `rows` rows.
    pub fn new(plan: &CheckedPlan, rows: usize, output: &Output, state: &State) -> wasmtime::Result<Self> {
        let column = |handle: u32, rows: usize, wanted: &DataType, what: &str| -> wasmtime::Result<ArrayRef> {
            let column = state.column(handle)?;
            let found = column.array().data_type();
            if found != wanted {
                return Err(Fault(format!("it returned {what} of type {found}, and {wanted} was promised")).into());
            }
            if column.is_constant() {
                let limits = Limits { bytes: state.bytes_left() };
                return Ok(
                    repeated(&column, rows, limits).map_err(|error| Fault(format!("it returned {what}: {error}")))?
                );
            }
            match column.array().len() {
                found if found == rows => Ok(column.array().clone()),
                found => Err(Fault(format!("it returned {what} of {found} rows where there are {rows}")).into()),
            }
        };
        if output.columns.len() != plan.writes.len() {
            let (found, wanted) = (output.columns.len(), plan.writes.len());
            return Err(Fault(format!("it returned {found} columns, and {wanted} were promised")).into());
        }
        let sources = match output.source_rows {
            None => None,
            Some(_) if output.keep.is_some() => {
                return Err(Fault("it returned both `keep` and `source-rows`".to_owned()).into());
            }
            Some(handle) => {
                let rows = state.column(handle)?.array().len();
                Some(column(handle, rows, &DataType::Int32, "`source-rows`")?.as_primitive::<Int32Type>().clone())
            }
        };
        if let Some(sources) = &sources {
            check_sources(sources, rows, plan.said.fan_out)?;
        }
        let returned = sources.as_ref().map_or(rows, Array::len);
        let columns = output.columns.iter().zip(&plan.writes);
        let columns = columns
            .map(|(handle, write)| column(*handle, returned, &write.column_type.arrow(), &format!("`{}`", write.name)));
        let columns = columns.collect::<wasmtime::Result<Vec<_>>>()?;
        let keep = output.keep.map(|handle| column(handle, rows, &DataType::Boolean, "`keep`")).transpose()?;
        let rejected = output.rejected.map(|handle| column(handle, rows, &DataType::Utf8, "`rejected`")).transpose()?;
        let ops = output.ops.map(|handle| column(handle, returned, &DataType::Utf8, "`ops`")).transpose()?;
        Ok(Self {
            columns,
            keep: keep.map(|keep| keep.as_boolean().clone()),
            sources,
            rejected: rejected
                .map(|reasons| reasons.as_string::<i32>().clone())
                .filter(|reasons| reasons.null_count() < reasons.len()),
            ops: ops.map(|ops| read_ops(ops.as_string::<i32>())).transpose()?,
        })
    }
}

fn check_sources(sources: &Int32Array, rows: usize, fan_out: bool) -> wasmtime::Result<()> {
    let fault = |reason: String| Err(Fault(format!("its `source-rows` are wrong: {reason}")).into());
    if sources.null_count() > 0 {
        return fault("some are null".to_owned());
    }
    let values = sources.values();
    if let Some(place) = values.iter().position(|row| usize::try_from(*row).map_or(true, |row| row >= rows)) {
        return fault(format!("number {place} is row {}, and there are {rows}", values[place]));
    }
    if let Some(place) = values.windows(2).position(|pair| pair[0] > pair[1]) {
        return fault(format!("they fall from {} to {} at number {place}", values[place], values[place + 1]));
    }
    match values.windows(2).position(|pair| pair[0] == pair[1]) {
        Some(place) if !fan_out => {
            fault(format!("row {} occurs more than once, and its plan does not say `fan-out`", values[place]))
        }
        _ => Ok(()),
    }
}

fn read_ops(ops: &StringArray) -> wasmtime::Result<Vec<Option<Op>>> {
    let read = ops.iter().enumerate().map(|(row, code)| match code {
        None => Ok(None),
        Some(code) => match Op::from_code(code.as_bytes()) {
            Some(op) if op != Op::Truncate => Ok(Some(op)),
            _ => Err(Fault(format!("its op in row {row} is `{code}`: use L, I, U or D")).into()),
        },
    });
    read.collect()
}
