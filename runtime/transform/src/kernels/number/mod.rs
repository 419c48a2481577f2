//! Numbers.

mod arithmetic;
pub(super) mod decimal;
mod kind;
mod rounding;
pub(super) mod shortest;

pub use arithmetic::{add, divide, multiply, remainder, subtract};
pub(super) use kind::{Kind, decimals, doubles, floats, longs};
pub use rounding::{abs, round};
