//! Text.

mod case;
mod join;
mod part;
mod search;

pub use case::{lower, upper};
pub use join::{concat, pad_start};
pub use part::{length, split_part, substring, trim};
pub(super) use search::test;
pub use search::{contains, ends_with, replace, starts_with};

use super::column::KernelError;

/// The character that something is filled with.
pub(super) fn first_character(fill: &str) -> Result<char, KernelError> {
    fill.chars().next().ok_or_else(|| KernelError("`fill` is empty: give it a character".to_owned()))
}
