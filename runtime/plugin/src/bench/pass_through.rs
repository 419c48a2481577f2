//! The smallest transform that there can be: it reads nothing and writes nothing. What it costs is the boundary.

use crate::build::{BuildError, componentize};

/// A component whose `configure` and `transform` answer with nothing but zeros, which is an empty plan and an empty
/// output.
pub fn pass_through() -> Result<Vec<u8>, BuildError> {
    let module = wat::parse_str(include_str!("pass_through.wat"));
    componentize(&module.map_err(|error| BuildError::Component(error.to_string()))?, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_component_and_a_small_one() {
        let component = pass_through().unwrap();
        assert_eq!(&component[..8], b"\0asm\x0d\0\x01\0");
        assert!(component.len() < 20_000, "{}", component.len());
    }
}
