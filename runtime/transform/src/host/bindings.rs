//! The contract's records as they cross: `interface types` of `wit/transform/v1/transform.wit`.

use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct InputColumn {
    pub name: String,
    #[component(name = "data-type")]
    pub data_type: String,
    pub nullable: bool,
    pub key: bool,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct Setup {
    pub table: String,
    pub settings: String,
    pub seed: String,
    pub columns: Vec<InputColumn>,
}

/// A column that a transform writes, as it answered `configure`.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq)]
#[component(record)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type, as in the Iceberg specification.
    #[component(name = "data-type")]
    pub data_type: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is computed from; empty for everything that is read.
    #[component(name = "computed-from")]
    pub computed_from: Vec<String>,
}

/// What a transform is going to do, as it answered `configure`.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq)]
#[component(record)]
pub struct Plan {
    /// Columns that it reads.
    pub reads: Vec<String>,
    /// Columns that it writes.
    pub writes: Vec<OutputColumn>,
    /// Columns that end here.
    pub drops: Vec<String>,
    /// Whether it is shown deletes.
    pub deletes: bool,
    /// Silver's key, where it changes.
    pub key: Vec<String>,
    /// Whether it returns several rows for one.
    #[component(name = "fan-out")]
    pub fan_out: bool,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct Batch {
    pub rows: u32,
    pub columns: Vec<u32>,
    pub ops: u32,
    pub ordinals: u32,
    pub times: u32,
}

#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct Output {
    pub columns: Vec<u32>,
    pub keep: Option<u32>,
    #[component(name = "source-rows")]
    pub source_rows: Option<u32>,
    pub rejected: Option<u32>,
    pub ops: Option<u32>,
}
