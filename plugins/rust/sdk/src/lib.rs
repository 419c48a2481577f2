//! Write transforms for sluice in Rust: what shapes the rows of a table on their way from the log to the current state.
//!
//! A transform implements [`Transform`] and is named once to [`transform!`]. It says in a [`Plan`] which columns it reads
//! and writes, then gets [`Batch`]es. A [`Column`] has the kernels as methods, which run over whole columns in the host;
//! `texts`, `longs` and the like copy a column's values out, writers such as [`TextWriter`] make new ones. Where speed does
//! not matter, [`Batch::map_rows`] calls a closure with each row.
//!
//! ```
//! use sluice_transform_sdk::{Batch, Output, Plan, Result, Setup, Transform, transform};
//!
//! struct Lower;
//!
//! impl Transform for Lower {
//!     fn configure(_setup: &Setup) -> Result<(Self, Plan)> {
//!         Ok((Lower, Plan::new().read("email").write("email", "string")))
//!     }
//!
//!     fn transform(&self, batch: &Batch) -> Result<Output> {
//!         Ok(Output::new().write("email", batch.column("email").trim().lower()))
//!     }
//! }
//!
//! transform!(Lower);
//! # fn main() {}
//! ```

#[cfg(target_arch = "wasm32")]
mod allocator;
mod column;
mod json;
mod kernels;
mod plan;
#[cfg(target_arch = "wasm32")]
mod raw;
mod read;
mod rows;
#[cfg(not(target_arch = "wasm32"))]
mod stand_in;
mod write;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod export;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use column::{Buffers, Column};
pub use json::{Json, JsonError};
pub use plan::{Batch, InputColumn, Output, Plan, Setup};
pub use read::{Binaries, Booleans, Fixed, Texts, Values};
pub use rows::{Row, Value};
pub use write::{BinaryWriter, BooleanWriter, TextWriter, ValueWriter};

/// A result whose error is any text or error: `Err("no such column".into())` and `?` both work.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A transform. What happens to a row depends on this row, the settings and the seed alone; the host cuts batches as it
/// likes, and each batch gets an instance of its own.
pub trait Transform: Sized {
    /// Says what this transform is going to do with a table. An error says what is wrong with the settings or the table's
    /// columns; the table then stands still until someone mends it.
    fn configure(setup: &Setup) -> Result<(Self, Plan)>;

    /// Shapes a batch. An error, or a panic, counts for all of its rows: the host cuts the batch until only the rows at
    /// fault fail.
    fn transform(&self, batch: &Batch) -> Result<Output>;
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// For the record.
    Info,
    /// For someone to look at.
    Warn,
    /// For someone to act on.
    Error,
}

/// A line for sluice's log. What is too much is counted and left out.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the host only reads, within the length.
    unsafe {
        raw::log(level as u32, message.as_ptr(), message.len());
    }
    #[cfg(not(target_arch = "wasm32"))]
    stand_in::log(level, message);
}

/// Adds to a number that sluice reports for this table under `name`.
pub fn metric(name: &str, add: f64) {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the host only reads, within the length.
    unsafe {
        raw::metric(name.as_ptr(), name.len(), add);
    }
    #[cfg(not(target_arch = "wasm32"))]
    stand_in::metric(name, add);
}

/// Makes a component of a [`Transform`]. Once in a crate.
#[macro_export]
macro_rules! transform {
    ($transform:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "configure")]
            unsafe extern "C" fn configure(
                table: *mut u8,
                table_length: usize,
                settings: *mut u8,
                settings_length: usize,
                seed: *mut u8,
                seed_length: usize,
                columns: *mut u8,
                columns_length: usize,
            ) -> *const u8 {
                // SAFETY: the host calls this export as the canonical ABI says.
                unsafe {
                    $crate::export::configure::<$transform>([
                        (table, table_length),
                        (settings, settings_length),
                        (seed, seed_length),
                        (columns, columns_length),
                    ])
                }
            }

            #[unsafe(export_name = "transform")]
            unsafe extern "C" fn transform(
                rows: u32,
                columns: *mut u8,
                columns_length: usize,
                ops: u32,
                ordinals: u32,
                times: u32,
            ) -> *const u8 {
                // SAFETY: the host calls this export as the canonical ABI says.
                unsafe { $crate::export::transform(rows, (columns, columns_length), [ops, ordinals, times]) }
            }

            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
                // SAFETY: the host calls this export as the canonical ABI says.
                unsafe { $crate::export::realloc(old, old_size, align, new_size) }
            }
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&$crate::Setup) -> $crate::Result<($transform, $crate::Plan)> =
            <$transform as $crate::Transform>::configure;
    };
}
