//! Components written by hand, so that they can break every rule.

use std::path::{Path, PathBuf};

use sluice_plugin::build::componentize;

/// Where the answer of `transform` is put together.
const ANSWER: u32 = 2_048;
/// Where the answer of `configure` lies.
const PLAN: u32 = 4_096;

/// What a guest promises.
#[derive(Debug, Clone)]
pub struct Promise {
    pub reads: Vec<&'static str>,
    /// Name, type, whether it may be null.
    pub writes: Vec<(&'static str, &'static str, bool)>,
    pub drops: Vec<&'static str>,
    pub deletes: bool,
    pub key: Vec<&'static str>,
    pub fan_out: bool,
}

impl Default for Promise {
    fn default() -> Self {
        Self {
            reads: vec!["id", "email"],
            writes: vec![("out", "string", true)],
            drops: Vec::new(),
            deletes: false,
            key: Vec::new(),
            fan_out: false,
        }
    }
}

/// Lays records out in memory as the canonical ABI has them.
struct Memory {
    bytes: Vec<u8>,
}

impl Memory {
    fn place(&mut self, bytes: &[u8]) -> (u32, u32) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let at = PLAN + self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (at, bytes.len() as u32)
    }

    fn texts(&mut self, texts: &[&str]) -> (u32, u32) {
        let places: Vec<(u32, u32)> = texts.iter().map(|text| self.place(text.as_bytes())).collect();
        let flat: Vec<u8> = places.iter().flat_map(|(at, length)| words(&[*at, *length])).collect();
        (self.place(&flat).0, texts.len() as u32)
    }

    fn plan(promise: &Promise) -> Vec<u8> {
        // The plan itself comes first; what it points at lies behind it.
        let mut memory = Memory { bytes: vec![0; 44] };
        let reads = memory.texts(&promise.reads);
        let columns: Vec<u8> = promise
            .writes
            .iter()
            .flat_map(|(name, data_type, nullable)| {
                let (name, data_type) = (memory.place(name.as_bytes()), memory.place(data_type.as_bytes()));
                words(&[name.0, name.1, data_type.0, data_type.1, u32::from(*nullable), 4, 0])
            })
            .collect();
        let writes = (memory.place(&columns).0, promise.writes.len() as u32);
        let (drops, key) = (memory.texts(&promise.drops), memory.texts(&promise.key));
        let plan = words(&[
            0,
            reads.0,
            reads.1,
            writes.0,
            writes.1,
            drops.0,
            drops.1,
            u32::from(promise.deletes),
            key.0,
            key.1,
            u32::from(promise.fan_out),
        ]);
        memory.bytes[..44].copy_from_slice(&plan);
        memory.bytes
    }
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A component whose `transform` has this body; `$rows`, `$columns` and `$ops` are its arguments, `$id` and `$email` the
/// handles of its columns, and it leaves the address of its answer.
pub fn component(promise: &Promise, body: &str) -> Vec<u8> {
    with_functions(promise, "", body)
}

/// The same with functions of its own.
pub fn with_functions(promise: &Promise, functions: &str, body: &str) -> Vec<u8> {
    let plan = escaped(&Memory::plan(promise));
    let text = format!(
        r#"(module
  (import "sluice:transform/columns@1.0.0" "make"
    (func $make (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "sluice:transform/columns@1.0.0" "read" (func $read (param i32 i32)))
  (import "sluice:transform/diagnostics@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "sluice:transform/kernels@1.0.0" "lower" (func $lower (param i32) (result i32)))
  (import "sluice:transform/kernels@1.0.0" "hmac" (func $hmac (param i32 i32 i32) (result i32)))
  (import "sluice:transform/kernels@1.0.0" "take" (func $take (param i32 i32) (result i32)))
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 65536))
  (data (i32.const 16) "string") (data (i32.const 32) "int") (data (i32.const 48) "long") (data (i32.const 64) "boolean")
  (data (i32.const 80) "a message of the guest") (data (i32.const 112) "\ff\fe\fd\fc")
  (data (i32.const {PLAN}) "{plan}")
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 16))) (i32.const -1))
        (then (unreachable))))
    (local.get $at))
  (func $answer (param $columns i32) (param $count i32) (result i32)
    (i32.store (i32.const {ANSWER}) (i32.const 0))
    (i32.store offset=4 (i32.const {ANSWER}) (local.get $columns))
    (i32.store offset=8 (i32.const {ANSWER}) (local.get $count))
    (i32.const {ANSWER}))
  (func $one (param $column i32) (result i32)
    (i32.store (i32.const 1024) (local.get $column))
    (call $answer (i32.const 1024) (i32.const 1)))
  (func $keep (param $column i32)
    (i32.store offset=12 (i32.const {ANSWER}) (i32.const 1))
    (i32.store offset=16 (i32.const {ANSWER}) (local.get $column)))
  (func $sources (param $column i32)
    (i32.store offset=20 (i32.const {ANSWER}) (i32.const 1))
    (i32.store offset=24 (i32.const {ANSWER}) (local.get $column)))
  (func $rejected (param $column i32)
    (i32.store offset=28 (i32.const {ANSWER}) (i32.const 1))
    (i32.store offset=32 (i32.const {ANSWER}) (local.get $column)))
  (func $has (param $id i32) (param $rows i32) (param $wanted i64) (result i32)
    (local $at i32) (local $row i32)
    (call $read (local.get $id) (i32.const 1536))
    (local.set $at (i32.load offset=16 (i32.const 1536)))
    (block $no
      (loop $next
        (br_if $no (i32.ge_u (local.get $row) (local.get $rows)))
        (if (i64.eq (i64.load (i32.add (local.get $at) (i32.mul (local.get $row) (i32.const 8)))) (local.get $wanted))
          (then (return (i32.const 1))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  {functions}
  (func (export "configure") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const {PLAN}))
  (func (export "transform") (param $rows i32) (param $columns i32) (param $count i32) (param $ops i32) (param $ordinals i32)
    (param $times i32) (result i32)
    (local $id i32) (local $email i32) (local $i i32) (local $x i32)
    (local.set $id (i32.load (local.get $columns)))
    (local.set $email (i32.load offset=4 (local.get $columns)))
    {body})
)"#
    );
    let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("the guest's text is wrong: {error}\n{text}"));
    componentize(&module, None).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes a component where it can be loaded from.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
