//! Shapes that the contract could have had: all buffers pushed with the batch, or the batch as Arrow IPC, beside handles.

use std::hint::black_box;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use bytes::Bytes;
use sluice_benches::Failure;
use wasmtime::component::{Component, InstancePre, Linker, WasmList};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::native;

/// A guest that returns what it got: two functions, for lists of buffers and for one list of bytes.
const SAME: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $enough
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 64)))))
      (local.get $at))
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 1024) (local.get 0)) (i32.store (i32.const 1028) (local.get 1)) (i32.const 1024)))
  (core instance $i (instantiate $m))
  (func (export "columns") (param "columns" (list (tuple (list u8) (list u8) (list u8))))
    (result (list (tuple (list u8) (list u8) (list u8))))
    (canon lift (core func $i "same") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "stream") (param "stream" (list u8)) (result (list u8))
    (canon lift (core func $i "same") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;

type Buffers = (Bytes, Bytes, Bytes);
type Returned = (WasmList<u8>, WasmList<u8>, WasmList<u8>);

/// The guest, ready to be instantiated for each batch as the host does it.
pub struct Shapes {
    engine: Engine,
    same: InstancePre<()>,
}

impl Shapes {
    /// Compiles the guest with the host's settings.
    pub fn new() -> Result<Self, Failure> {
        let mut pool = PoolingAllocationConfig::default();
        pool.linear_memory_keep_resident(16 << 20).max_memory_size(1 << 30).total_memories(8);
        let mut config = Config::new();
        config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, wat::parse_str(SAME)?)?;
        let same = Linker::new(&engine).instantiate_pre(&component)?;
        Ok(Self { engine, same })
    }

    /// Every buffer of the columns as an argument, and back.
    pub fn pushed(&self, rows: &RecordBatch) -> Result<(), Failure> {
        let columns: Vec<Buffers> = rows.columns().iter().skip(1).map(buffers).collect();
        let mut store = self.store();
        let instance = self.same.instantiate(&mut store)?;
        let same = instance.get_typed_func::<(Vec<Buffers>,), (Vec<Returned>,)>(&mut store, "columns")?;
        let (returned,) = same.call(&mut store, (columns,))?;
        for (_, offsets, values) in &returned {
            black_box(Buffer::from_slice_ref(offsets.as_le_slice(&store)));
            black_box(Buffer::from_slice_ref(values.as_le_slice(&store)));
        }
        Ok(())
    }

    /// The batch as an IPC stream, and back; the guest does not look into it, which would cost it the decoding once more.
    pub fn as_ipc(&self, rows: &RecordBatch) -> Result<(), Failure> {
        let mut store = self.store();
        let instance = self.same.instantiate(&mut store)?;
        let same = instance.get_typed_func::<(Bytes,), (WasmList<u8>,)>(&mut store, "stream")?;
        let (returned,) = same.call(&mut store, (native::to_ipc(rows)?.into(),))?;
        black_box(native::from_ipc(returned.as_le_slice(&store))?);
        Ok(())
    }

    fn store(&self) -> Store<()> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(1_000);
        store
    }
}

fn buffers(column: &ArrayRef) -> Buffers {
    struct Held(Buffer);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let data = column.to_data();
    let part =
        |place: usize| data.buffers().get(place).cloned().map_or_else(Bytes::new, |b| Bytes::from_owner(Held(b)));
    if data.buffers().len() > 1 { (Bytes::new(), part(0), part(1)) } else { (Bytes::new(), Bytes::new(), part(0)) }
}
