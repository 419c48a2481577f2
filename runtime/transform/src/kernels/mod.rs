//! Functions over whole columns, for components and built-in steps.

mod column;

pub use column::{Column, KernelError};
