//! What a sample of a table's files tells of how they are written and what identifies a row. Pure functions on samples.

mod dialect;
mod keys;
mod records;

pub use dialect::{Dialect, FileSample, find_dialect};
pub use keys::{KeyFacts, KeyGuess, guess_key};
