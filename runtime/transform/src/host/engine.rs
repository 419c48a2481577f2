//! The two engines, the limits that they share, and the ticks that end what takes too long.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often the deadlines of running batches are looked at.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// What the host runs with.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Threads that run components at the same time: those of the processor pool.
    pub threads: usize,
    /// Largest memory that any component may have, in bytes.
    pub max_memory_bytes: usize,
    /// Bytes of each memory that are kept for the next instance instead of being given back to the system.
    pub keep_resident_bytes: usize,
}

impl HostSettings {
    /// Settings for a pool of `threads` threads.
    pub fn for_threads(threads: usize) -> Self {
        Self { threads: threads.max(1), max_memory_bytes: 1 << 30, keep_resident_bytes: 16 << 20 }
    }
}

/// Core instances of one component: a Python component has over a hundred.
const CORE_INSTANCES: u32 = 200;
/// Memories of one component: a QuickJS component has three.
const MEMORIES: u32 = 4;
/// Tables of one component.
const TABLES: u32 = 24;
/// Stack of a guest, in bytes; a thread of the processor pool has more than this.
const STACK_BYTES: usize = 512 << 10;

/// The engines of a process.
///
/// Counting fuel costs a compiled guest about a tenth and an interpreted one a quarter. A batch that ended so soon that
/// it cannot have used up its fuel needs no counting: it runs on the quick engine, which only has a deadline, and
/// again on the metered one if it did not end in time. So what is rejected depends on fuel alone.
#[derive(Debug)]
pub(super) struct Engines {
    /// With deadlines.
    pub quick: Engine,
    /// With deadlines and fuel.
    pub metered: Engine,
    ticks: Arc<Ticks>,
}

impl Engines {
    pub fn new(settings: &HostSettings) -> wasmtime::Result<Self> {
        let engines = [config(settings, false), config(settings, true)].map(|config| Engine::new(&config));
        let [quick, metered] = engines;
        let (quick, metered) = (quick?, metered?);
        let ticks = Arc::new(Ticks::default());
        let (shared, clocks) = (Arc::clone(&ticks), [quick.weak(), metered.weak()]);
        thread::Builder::new().name("sluice-deadlines".to_owned()).spawn(move || {
            while shared.wait() {
                for engine in &clocks {
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            }
        })?;
        Ok(Self { quick, metered, ticks })
    }

    /// Deadlines count while this is held.
    pub fn running(&self) -> Running<'_> {
        self.ticks.change(|state| state.running += 1);
        Running(&self.ticks)
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.ticks.change(|state| state.ended = true);
    }
}

/// A batch that is being run.
pub(super) struct Running<'a>(&'a Ticks);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.running -= 1);
    }
}

/// Ticks only while something runs, so that an idle process sleeps.
#[derive(Debug, Default)]
struct Ticks {
    state: Mutex<TickState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TickState {
    running: usize,
    ended: bool,
}

impl Ticks {
    fn change(&self, change: impl FnOnce(&mut TickState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = state.running == 0;
        change(&mut state);
        if idle || state.ended {
            self.changed.notify_all();
        }
    }

    /// Waits for the next tick; false once the engines have gone.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.running == 0 && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return false;
        }
        drop(state);
        thread::sleep(TICK);
        true
    }
}

fn config(settings: &HostSettings, metered: bool) -> Config {
    let live = settings.threads as u32 * 2;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(live)
        .total_core_instances(live * CORE_INSTANCES)
        .total_memories(live * MEMORIES)
        .total_tables(live * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .table_elements(100_000)
        .max_memory_size(settings.max_memory_bytes)
        .max_unused_warm_slots(live)
        .linear_memory_keep_resident(settings.keep_resident_bytes)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .consume_fuel(metered)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        // The same bytes on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(STACK_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
