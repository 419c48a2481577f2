//! Placeholder.
use super::state::State;
pub(super) fn link(_linker: &mut wasmtime::component::LinkerInstance<'_, State>) -> wasmtime::Result<()> { Ok(()) }
