//! Runs WebAssembly components.
