//! One order of floating-point numbers: -0 is 0, and NaN is itself and larger than all others.

use arrow_array::{Float32Array, Float64Array};

/// Brings numbers that are equal to the same bits.
pub(super) fn doubles(array: &Float64Array) -> Float64Array {
    array.unary(|value| if value.is_nan() { f64::NAN.abs() } else { value + 0.0 })
}

/// Brings numbers that are equal to the same bits.
pub(super) fn floats(array: &Float32Array) -> Float32Array {
    array.unary(|value| if value.is_nan() { f32::NAN.abs() } else { value + 0.0 })
}
