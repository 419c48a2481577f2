//! Pseudonyms.

mod digest;
mod encode;
mod mask;

pub use digest::{hmac, keyed_hash, sha256};
pub use encode::{base64, hex};
pub use mask::mask;
