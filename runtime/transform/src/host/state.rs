//! What the host holds for one instance: its columns, its limits, what it said.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use arrow_array::Array;
use wasmtime::{ResourceLimiter, StoreContextMut};

use super::engine::TICK;
use super::said::Said;
use crate::kernels::Column;

/// Most columns that one call may make.
const MOST_COLUMNS: usize = 100_000;

/// A fault that the host found; its text is the message of the trap.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Fault(pub String);

/// The time in which a guest cannot have used up its fuel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub begun: Instant,
    pub length: Duration,
}

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
    host_fuel: u64,
    host_fuel_limit: u64,
    host_time: Duration,
    window: Option<Window>,
    /// What the guest said.
    pub said: Said,
}

impl State {
    pub fn new(most_memory_bytes: usize, most_bytes: usize, host_fuel_limit: u64, window: Option<Window>) -> Self {
        Self {
            columns: Vec::new(),
            held_bytes: 0,
            most_bytes,
            memory_bytes: 0,
            most_memory_bytes,
            peak_memory_bytes: 0,
            memory_refused: false,
            host_fuel: 0,
            host_fuel_limit,
            host_time: Duration::ZERO,
            window,
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

    /// Fuel of what the host did for it, in units.
    pub fn host_fuel(&self) -> u64 {
        self.host_fuel
    }

    /// What there is of it.
    pub fn host_fuel_limit(&self) -> u64 {
        self.host_fuel_limit
    }

    /// Time that the host took for it.
    pub fn host_time(&self) -> Duration {
        self.host_time
    }

    /// The most memory that it had, in bytes.
    pub fn peak_memory_bytes(&self) -> usize {
        self.peak_memory_bytes
    }
}

/// Takes fuel for work that the host does for a guest. It is counted apart from the guest's own, and on every engine.
pub(super) fn charge(store: &mut StoreContextMut<'_, State>, units: u64) -> wasmtime::Result<()> {
    let state = store.data_mut();
    state.host_fuel = state.host_fuel.saturating_add(units);
    if state.host_fuel > state.host_fuel_limit { Err(wasmtime::Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Computes for a guest, on its time but not on that which it may take itself.
#[allow(clippy::disallowed_methods, reason = "a guard against loops; no row's fate depends on the time")]
pub(super) fn compute<T>(store: &mut StoreContextMut<'_, State>, work: impl FnOnce() -> T) -> wasmtime::Result<T> {
    let begun = Instant::now();
    // A defect of a kernel is the host's, and costs this batch and not the process.
    let result = catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| Fault("a kernel panicked, which is a defect of sluice: please report it".to_owned()))?;
    let state = store.data_mut();
    state.host_time += begun.elapsed();
    if let Some(window) = state.window {
        let spent = window.begun.elapsed().saturating_sub(state.host_time);
        let left = window.length.saturating_sub(spent);
        store.set_epoch_deadline((left.as_nanos() / TICK.as_nanos()) as u64 + 1);
    }
    Ok(result)
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
