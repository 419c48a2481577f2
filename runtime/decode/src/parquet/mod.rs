//! AWS DMS files in Parquet.
//!
//! The `parquet` crate reads the columns; what they mean is decided here, from the file's Parquet schema alone.

mod coerce;
mod decoder;
mod describe;
mod footer;
mod layout;
mod natural;
mod rows;
mod settings;
mod wanted;

pub use decoder::parquet_decoder;
pub use describe::{Described, ParquetDescription, describe_parquet};
pub use settings::ParquetSettings;

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

/// Runs the Parquet reader and turns a panic, which damaged files can cause in it, into an error.
fn contained<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the reader gave up");
        Err(ParquetError::General(text.to_owned()))
    })
}
