//! Functions over whole columns, for components and built-in steps.
//!
//! They are those of `interface kernels` in `wit/transform/v1/transform.wit`, under the same names, and `docs/kernels.md`
//! shows each. All of them are pure: the same columns give the same bytes on every machine. A null argument gives null
//! unless the function says otherwise; a value that cannot be computed is null; what is wrong with the arguments
//! themselves is a [`KernelError`]. Functions whose result may be larger than what they are given take [`Limits`].
//!
//! They run on the thread of their caller and never wait: a batch is as much work as a thread should get at once.

mod cast;
mod choice;
mod column;
mod condition;
mod fill;
mod hash;
mod json;
mod number;
mod regex;
#[cfg(test)]
mod samples;
mod text;
mod writer;

pub use cast::{cast, constant};
pub use choice::{choose, coalesce, filter, repeated, take};
pub use column::{Column, KernelError, Limits};
pub use condition::{
    both, either, equal, greater, greater_or_equal, is_in, is_null, less, less_or_equal, negate, not_equal,
};
pub use hash::{base64, hex, hmac, keyed_hash, mask, sha256};
pub use json::json_field;
pub use number::{abs, add, divide, multiply, remainder, round, subtract};
pub use regex::{regex_extract, regex_matches, regex_replace};
pub use text::{
    concat, contains, ends_with, length, lower, pad_start, replace, split_part, starts_with, substring, trim, upper,
};
