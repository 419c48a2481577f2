//! Conditions.

mod compare;
mod floating;
pub(super) mod logic;
mod membership;

pub use compare::{equal, greater, greater_or_equal, less, less_or_equal, not_equal};
pub use logic::{both, either, is_null, negate};
pub use membership::is_in;
