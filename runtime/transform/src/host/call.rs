//! One call of a component in an instance of its own.

use std::time::{Duration, Instant};

use sluice_change::TableSchema;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use super::bindings::{Batch, Output, Plan, Setup};
use super::code::Code;
use super::engine::{Engines, TICK};
use super::lend::Lent;
use super::outcome::Outcome;
use super::plan::CheckedPlan;
use super::said::{Said, shortened};
use super::state::{Fault, State, Window};
use crate::ComponentLimits;
use crate::kernels::Column;

/// Most fuel that a processor can get through in a nanosecond; measured are up to 25 units.
const FUEL_PER_NANOSECOND: u64 = 30;
/// Fuel of a call before any row. Instantiation and `configure` of the largest interpreters take a few millions, so honest
/// guests are far from both; loops of compiled code turn slowly for their fuel.
const FUEL_COMPILED: u64 = 300_000_000;
const FUEL_INTERPRETED: u64 = 1_500_000_000;
/// Fuel for what the host does in a call: kernels, copies. Forty of the dearer kernels over every row stay below it.
const FUEL_HOST: u64 = 300_000_000;
const FUEL_HOST_ROW: u64 = 200_000;
const FUEL_HOST_BYTE: u64 = 4_000;
/// Bytes kept of a message.
const MESSAGE_BYTES: usize = 1_000;

/// Why a call gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Because of these rows, every time.
    Rows(String),
    /// It took too long.
    Deadline,
    /// The host could not do its part.
    Host(String),
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time of instantiation, `configure` and `transform`.
    pub nanoseconds: u64,
    /// Fuel, where it was counted.
    pub fuel: Option<u64>,
    /// The most memory that the instance had, in bytes.
    pub peak_memory_bytes: usize,
}

impl Cost {
    /// Of both, one after the other.
    pub fn and(self, other: Cost) -> Cost {
        Cost {
            nanoseconds: self.nanoseconds + other.nanoseconds,
            fuel: self.fuel.zip(other.fuel).map(|(a, b)| a + b),
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
        }
    }
}

/// What it takes to call a component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub engines: &'a Engines,
    pub code: &'a Code,
    pub limits: &'a ComponentLimits,
    pub setup: &'a Setup,
    /// Whether fuel is counted in any case, to tell it.
    pub count_fuel: bool,
}

impl Caller<'_> {
    /// Asks for the plan.
    pub fn configure(&self, input: &TableSchema) -> Result<(CheckedPlan, Said), Failure> {
        let (plan, said, _) = self.run(0, 0, |store, instance| configure(store, instance, self.setup))?;
        let plan = CheckedPlan::new(plan, input).map_err(Failure::Rows)?;
        Ok((plan, said))
    }

    /// Shapes a batch in a fresh instance.
    pub fn transform(&self, plan: &CheckedPlan, lent: &Lent) -> Result<(Outcome, Said, Cost), Failure> {
        self.run(lent.rows, lent.bytes(), |store, instance| {
            let again = configure(store, instance, self.setup)?;
            if again != plan.said {
                return Err(Fault("its `configure` answers something else than before".to_owned()).into());
            }
            let batch = hand_over(store.data_mut(), lent)?;
            let transform = instance.get_typed_func::<(Batch,), (Result<Output, String>,)>(&mut *store, "transform")?;
            let (answer,) = transform.call(&mut *store, (batch,))?;
            let output = answer.map_err(Fault)?;
            Outcome::new(plan, lent.rows, &output, store.data())
        })
    }

    /// Fuel for a call with `rows` rows whose columns take `bytes` bytes.
    ///
    /// Honest guests were seen to take 550 to 1,400 units a row of 29 bytes in C, Rust and Go, and 44,000 to 63,000 in
    /// JavaScript and Python.
    fn fuel(&self, rows: usize, bytes: usize) -> u64 {
        let interpreted = self.code.inspection.interpreted;
        let (per_row, per_byte) = match (self.limits.fuel_per_row, interpreted) {
            (Some(per_row), _) => (per_row, 0),
            (None, false) => (20_000, 200),
            (None, true) => (200_000, 20_000),
        };
        let per_call = if interpreted { FUEL_INTERPRETED } else { FUEL_COMPILED };
        per_call.saturating_add(per_row.saturating_mul(rows as u64)).saturating_add(per_byte * bytes as u64)
    }

    #[allow(clippy::disallowed_methods, reason = "a guard against loops; no row's fate depends on the time")]
    fn run<T>(
        &self,
        rows: usize,
        bytes: usize,
        work: impl Fn(&mut Store<State>, &Instance) -> wasmtime::Result<T>,
    ) -> Result<(T, Said, Cost), Failure> {
        let _running = self.engines.running();
        let fuel = self.fuel(rows, bytes);
        let host_fuel = FUEL_HOST
            .saturating_add(FUEL_HOST_ROW.saturating_mul(rows as u64))
            .saturating_add(FUEL_HOST_BYTE.saturating_mul(bytes as u64));
        // What ends within this time has not used up its fuel.
        let length = Duration::from_nanos(fuel / FUEL_PER_NANOSECOND).min(self.limits.deadline);
        let ticks = (length.as_nanos() / TICK.as_nanos()) as u64;
        if ticks > 0 && !self.count_fuel {
            let begun = Instant::now();
            let window = Some(Window { begun, length });
            let attempt = self.attempt(self.code.quick(), None, ticks, host_fuel, window, &work);
            let took = begun.elapsed();
            let interrupted = matches!(&attempt.result, Err(error) if trap(error) == Some(Trap::Interrupt));
            if !interrupted && took.saturating_sub(attempt.state.host_time()) <= length {
                return attempt.finish(took, None, self.limits);
            }
        }
        let pre = self.code.metered(self.engines).map_err(Failure::Host)?;
        let ticks = (self.limits.deadline.as_nanos() / TICK.as_nanos()).max(1) as u64;
        let begun = Instant::now();
        let attempt = self.attempt(pre, Some(fuel), ticks, host_fuel, None, &work);
        let took = begun.elapsed();
        attempt.finish(took, Some(fuel), self.limits)
    }

    fn attempt<T>(
        &self,
        pre: &InstancePre<State>,
        fuel: Option<u64>,
        ticks: u64,
        host_fuel: u64,
        window: Option<Window>,
        work: impl Fn(&mut Store<State>, &Instance) -> wasmtime::Result<T>,
    ) -> Attempt<T> {
        let limits = self.limits;
        let state = State::new(limits.memory_bytes, limits.max_output_bytes, host_fuel, window);
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| state);
        store.set_epoch_deadline(ticks);
        let mut run = || {
            if let Some(fuel) = fuel {
                store.set_fuel(fuel)?;
            }
            let instance = pre.instantiate(&mut store)?;
            work(&mut store, &instance)
        };
        let result = run();
        let left = fuel.and_then(|_| store.get_fuel().ok());
        Attempt { result, left, state: store.into_data() }
    }
}

/// How a call ended.
struct Attempt<T> {
    result: wasmtime::Result<T>,
    left: Option<u64>,
    state: State,
}

impl<T> Attempt<T> {
    fn finish(
        mut self,
        took: Duration,
        fuel: Option<u64>,
        limits: &ComponentLimits,
    ) -> Result<(T, Said, Cost), Failure> {
        match self.result {
            Ok(value) => {
                let cost = Cost {
                    nanoseconds: took.as_nanos() as u64,
                    fuel: fuel.zip(self.left).map(|(given, left)| given - left + self.state.host_fuel()),
                    peak_memory_bytes: self.state.peak_memory_bytes(),
                };
                Ok((value, std::mem::take(&mut self.state.said), cost))
            }
            Err(error) => Err(failure(&error, &self.state, fuel, limits)),
        }
    }
}

fn configure(store: &mut Store<State>, instance: &Instance, setup: &Setup) -> wasmtime::Result<Plan> {
    let configure = instance.get_typed_func::<(&Setup,), (Result<Plan, String>,)>(&mut *store, "configure")?;
    let (answer,) = configure.call(&mut *store, (setup,))?;
    Ok(answer.map_err(Fault)?)
}

fn hand_over(state: &mut State, lent: &Lent) -> wasmtime::Result<Batch> {
    let mut handle = |array: &arrow_array::ArrayRef| state.lend(Column::rows(array.clone()));
    let columns = lent.columns.iter().map(&mut handle).collect::<wasmtime::Result<Vec<u32>>>()?;
    let (ops, ordinals, times) = (handle(&lent.ops)?, handle(&lent.ordinals)?, handle(&lent.times)?);
    Ok(Batch { rows: lent.rows as u32, columns, ops, ordinals, times })
}

fn trap(error: &wasmtime::Error) -> Option<Trap> {
    error.downcast_ref::<Trap>().copied()
}

/// What an error means, in words for the author.
fn failure(error: &wasmtime::Error, state: &State, fuel: Option<u64>, limits: &ComponentLimits) -> Failure {
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Failure::Host(format!("no room for another instance: {error:#}"));
    }
    let guest = state.said.last_error().map(|line| format!(": {line}")).unwrap_or_default();
    let words = if let Some(fault) = error.downcast_ref::<Fault>() {
        fault.0.clone()
    } else if state.memory_refused {
        format!("it asked for more than the {} bytes of memory that it may have (`memory`){guest}", limits.memory_bytes)
    } else {
        match trap(error) {
            Some(Trap::Interrupt) => return Failure::Deadline,
            Some(Trap::OutOfFuel) => match fuel {
                Some(fuel) if state.host_fuel() <= state.host_fuel_limit() => format!(
                    "it used up its fuel of {fuel} units, which looks like an endless loop (`fuel_per_row` allows \
                     more){guest}"
                ),
                _ => format!("its calls to the host used up the fuel that there is for them{guest}"),
            },
            Some(Trap::StackOverflow) => format!("its stack overflowed, by endless recursion perhaps{guest}"),
            Some(Trap::UnreachableCodeReached) if !guest.is_empty() => format!("it panicked{guest}"),
            Some(trap) => format!("it trapped: {trap}{guest}"),
            None => format!("it broke the boundary's rules: {}{guest}", error.root_cause()),
        }
    };
    Failure::Rows(shortened(&words, MESSAGE_BYTES))
}
