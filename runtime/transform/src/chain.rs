//! Steps one after the other.

/// Transforms one after the other, each fed with what the one before returned.
#[derive(Debug)]
pub struct Chain {}
