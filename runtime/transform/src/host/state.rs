//! What the host holds for one instance: its columns, its limits, what it said.

use arrow_array::Array;
use wasmtime::{AsContextMut, ResourceLimiter, StoreContextMut};

use super::said::Said;
use crate::kernels::Column;

/// Most columns that one call may make.
const MOST_COLUMNS: usize = 100_000;

/// A fault that the host found; its text is the message of the trap.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Fault(pub String);

/// What belongs to one instance of a component.
#[derive(Debug)]
pub(super) struct State {
    columns: Vec<Column>,
    held_bytes: usize,
    most_bytes: usize,
    memory_bytes: usize,
    most_memory_bytes: usize,
    peak_memory_bytes: usize,
    /// Whether memory was asked for beyond the limit: a guest that gets none traps without saying why.
    pub memory_refused: bool,
    /// Fuel that kernels took, where the engine counts none.
    kernel_fuel: u64,
    kernel_fuel_limit: u64,
    metered: bool,
    /// What the guest said.
    pub said: Said,
}

impl State {
    pub fn new(most_memory_bytes: usize, most_bytes: usize, metered: bool, kernel_fuel_limit: u64) -> Self {
        Self {
            columns: Vec::new(),
            held_bytes: 0,
            most_bytes,
            memory_bytes: 0,
            most_memory_bytes,
            peak_memory_bytes: 0,
            memory_refused: false,
            kernel_fuel: 0,
            kernel_fuel_limit,
            metered,
            said: Said::default(),
        }
    }

    /// The column of a handle.
    pub fn column(&self, handle: u32) -> wasmtime::Result<Column> {
        match self.columns.get(handle as usize) {
            Some(column) => Ok(column.clone()),
            None => Err(Fault(format!("there is no column with the handle {handle}")).into()),
        }
    }

    /// Takes in a column that the guest made, within its limits.
    pub fn push(&mut self, column: Column) -> wasmtime::Result<u32> {
        self.held_bytes = self.held_bytes.saturating_add(column.array().get_array_memory_size());
        if self.held_bytes > self.most_bytes {
            let most = self.most_bytes;
            return Err(
                Fault(format!("its columns take more than the {most} bytes that it may make (`max_output`)")).into()
            );
        }
        self.lend(column)
    }

    /// Takes in a column of the batch, which costs the guest nothing.
    pub fn lend(&mut self, column: Column) -> wasmtime::Result<u32> {
        if self.columns.len() >= MOST_COLUMNS {
            return Err(Fault(format!("it makes more than {MOST_COLUMNS} columns in one call")).into());
        }
        self.columns.push(column);
        Ok(self.columns.len() as u32 - 1)
    }

    /// Bytes that its columns may still take.
    pub fn bytes_left(&self) -> usize {
        self.most_bytes.saturating_sub(self.held_bytes)
    }

    /// The most memory that it had, in bytes.
    pub fn peak_memory_bytes(&self) -> usize {
        self.peak_memory_bytes
    }
}

/// Takes fuel for work that the host does for a guest.
pub(super) fn charge(store: &mut StoreContextMut<'_, State>, units: u64) -> wasmtime::Result<()> {
    if store.data().metered {
        let left = store.get_fuel()?.checked_sub(units);
        store.as_context_mut().set_fuel(left.unwrap_or(0))?;
        return match left {
            Some(_) => Ok(()),
            None => Err(wasmtime::Trap::OutOfFuel.into()),
        };
    }
    let state = store.data_mut();
    state.kernel_fuel = state.kernel_fuel.saturating_add(units);
    // The metered engine will say whether that was too much.
    if state.kernel_fuel > state.kernel_fuel_limit { Err(wasmtime::Trap::Interrupt.into()) } else { Ok(()) }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let all = self.memory_bytes - current.min(self.memory_bytes) + desired;
        if all > self.most_memory_bytes {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_bytes = all;
        self.peak_memory_bytes = self.peak_memory_bytes.max(all);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1_000_000)
    }
}
