//! What a component may import: columns, kernels, diagnostics, and nothing else.

use bytes::Bytes;
use sluice_change::ColumnType;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, WasmList, WasmStr};
use wasmtime::{AsContext, Engine, StoreContextMut};

use super::buffers;
use super::kernel_imports;
use super::said::{Level, MOST_LINE_BYTES, shortened};
use super::state::{Fault, State, charge};
use crate::kernels::{self, Column};

/// The interfaces with functions.
pub(super) const INTERFACES: [&str; 3] =
    ["sluice:transform/columns@1.0.0", "sluice:transform/kernels@1.0.0", "sluice:transform/diagnostics@1.0.0"];

#[derive(ComponentType, Lower)]
#[component(record)]
struct BuffersOut {
    validity: Bytes,
    offsets: Bytes,
    values: Bytes,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct BuffersIn {
    validity: WasmList<u8>,
    offsets: WasmList<u8>,
    values: WasmList<u8>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "the guest makes them")]
enum LevelIn {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// Everything that there is to import.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let [columns, kernels, diagnostics] = INTERFACES;
    let mut into = linker.instance(columns)?;
    into.func_wrap("type-of", |store: StoreContextMut<'_, State>, (of,): (u32,)| {
        let column = store.data().column(of)?;
        let found = ColumnType::from_arrow(column.array().data_type());
        Ok((found.map(|found| found.to_string()).unwrap_or_default(),))
    })?;
    into.func_wrap("read", |mut store: StoreContextMut<'_, State>, (of,): (u32,)| {
        let parts = buffers::encode(store.data().column(of)?.array());
        let bytes = parts.validity.len() + parts.offsets.len() + parts.values.len();
        charge(&mut store, copying(bytes))?;
        Ok((BuffersOut { validity: parts.validity, offsets: parts.offsets, values: parts.values },))
    })?;
    into.func_wrap("make", make)?;
    into.func_wrap("constant", |mut store: StoreContextMut<'_, State>, (name, value): (String, Option<String>)| {
        let column_type = parse_type(&name)?;
        let constant = kernels::constant(column_type, value.as_deref()).map_err(fault)?;
        Ok((store.data_mut().push(constant)?,))
    })?;
    kernel_imports::link(&mut linker.instance(kernels)?)?;
    let mut into = linker.instance(diagnostics)?;
    into.func_wrap("log", |mut store: StoreContextMut<'_, State>, (level, message): (LevelIn, WasmStr)| {
        let level = match level {
            LevelIn::Debug => Level::Debug,
            LevelIn::Info => Level::Info,
            LevelIn::Warn => Level::Warn,
            LevelIn::Error => Level::Error,
        };
        let text = shortened(&message.to_str(&store)?, MOST_LINE_BYTES);
        charge(&mut store, copying(text.len()))?;
        store.data_mut().said.log(level, &text);
        Ok(())
    })?;
    into.func_wrap("metric", |mut store: StoreContextMut<'_, State>, (name, add): (String, f64)| {
        charge(&mut store, copying(name.len()))?;
        store.data_mut().said.add(&name, add);
        Ok(())
    })?;
    Ok(linker)
}

fn make(
    mut store: StoreContextMut<'_, State>,
    (name, rows, data): (String, u32, BuffersIn),
) -> wasmtime::Result<(u32,)> {
    let column_type = parse_type(&name)?;
    let bytes = data.validity.len() + data.offsets.len() + data.values.len();
    charge(&mut store, copying(bytes))?;
    if bytes > store.data().bytes_left() {
        return Err(Fault(format!("it makes a column of {bytes} bytes, more than it may (`max_output`)")).into());
    }
    let context = store.as_context();
    let (validity, offsets, values) =
        (data.validity.as_le_slice(&context), data.offsets.as_le_slice(&context), data.values.as_le_slice(&context));
    let array = buffers::decode(column_type, rows as usize, validity, offsets, values)
        .map_err(|reason| Fault(format!("it made a column of type {column_type} that is none: {reason}")))?;
    Ok((store.data_mut().push(Column::rows(array))?,))
}

/// Fuel for a copy of `bytes` bytes, and for the call.
fn copying(bytes: usize) -> u64 {
    500 + bytes as u64
}

fn parse_type(name: &str) -> wasmtime::Result<ColumnType> {
    Ok(name.parse::<ColumnType>().map_err(|error| Fault(error.to_string()))?)
}

fn fault(error: kernels::KernelError) -> wasmtime::Error {
    Fault(error.to_string()).into()
}
