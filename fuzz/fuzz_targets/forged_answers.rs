//! Answers of a component made of any bytes: the host refuses them or makes sound columns of them.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run forged_answers` from the repository's root.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sluice_transform::host::forged::play(data));
