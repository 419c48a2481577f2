use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrowPrimitiveType, PrimitiveArray};

use super::decimal::{MOST_DIGITS, POWERS, fitting, scaled_quotient, wide};
use super::kind::{Kind, decimals, doubles, floats, ints, longs};
use crate::kernels::column::{Column, KernelError, Limits, Shape};
use crate::kernels::fill::fill;

/// Digits that a quotient has after the point beyond its dividend's.
const QUOTIENT_DIGITS: u8 = 6;

/// The sum; null if it leaves its type. Of decimals at the larger scale.
pub fn add(left: &Column, right: &Column, limits: Limits) -> Result<Column, KernelError> {
    compute(left, right, limits, Operation::Add)
}

/// The difference; null if it leaves its type. Of decimals at the larger scale.
pub fn subtract(left: &Column, right: &Column, limits: Limits) -> Result<Column, KernelError> {
    compute(left, right, limits, Operation::Subtract)
}

/// The product; null if it leaves its type. Of decimals at the sum of the scales, which is at most 38.
pub fn multiply(left: &Column, right: &Column, limits: Limits) -> Result<Column, KernelError> {
    compute(left, right, limits, Operation::Multiply)
}

/// The quotient; of integers the integral part, of decimals with six more digits after the point than `left` has, halves
/// away from zero. Division by zero is null, of floating-point numbers too.
pub fn divide(left: &Column, right: &Column, limits: Limits) -> Result<Column, KernelError> {
    compute(left, right, limits, Operation::Divide)
}

/// What is left of an integral division, with the sign of `left`; null for a division by zero. Of decimals at the larger
/// scale.
pub fn remainder(left: &Column, right: &Column, limits: Limits) -> Result<Column, KernelError> {
    compute(left, right, limits, Operation::Remainder)
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Arithmetic that says where it has no answer.
trait Number: Copy {
    fn sum(self, other: Self) -> Option<Self>;
    fn difference(self, other: Self) -> Option<Self>;
    fn product(self, other: Self) -> Option<Self>;
    fn quotient(self, other: Self) -> Option<Self>;
    fn rest(self, other: Self) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Number for $integer {
            #[inline]
            fn sum(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            #[inline]
            fn difference(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
            #[inline]
            fn product(self, other: Self) -> Option<Self> {
                self.checked_mul(other)
            }
            #[inline]
            fn quotient(self, other: Self) -> Option<Self> {
                self.checked_div(other)
            }
            #[inline]
            fn rest(self, other: Self) -> Option<Self> {
                // The smallest number divided by -1 leaves its type, but nothing is left of it.
                if other == 0 { None } else { Some(self.wrapping_rem(other)) }
            }
        }
    )*};
}

integers!(i32, i64);

macro_rules! floating {
    ($($float:ty),*) => {$(
        impl Number for $float {
            #[inline]
            fn sum(self, other: Self) -> Option<Self> {
                let value = self + other;
                (value.is_finite() || !self.is_finite() || !other.is_finite()).then_some(value)
            }
            #[inline]
            fn difference(self, other: Self) -> Option<Self> {
                self.sum(-other)
            }
            #[inline]
            fn product(self, other: Self) -> Option<Self> {
                let value = self * other;
                (value.is_finite() || !self.is_finite() || !other.is_finite()).then_some(value)
            }
            #[inline]
            fn quotient(self, other: Self) -> Option<Self> {
                let value = self / other;
                let computed = value.is_finite() || !self.is_finite() || !other.is_finite();
                (computed && other != 0.0).then_some(value)
            }
            #[inline]
            fn rest(self, other: Self) -> Option<Self> {
                (other != 0.0).then(|| self % other)
            }
        }
    )*};
}

floating!(f32, f64);

fn compute(left: &Column, right: &Column, limits: Limits, operation: Operation) -> Result<Column, KernelError> {
    let pair = Pair { left, right, shape: Shape::of([left, right])? };
    match Kind::wider(left, right)? {
        Kind::Int => pair.run::<Int32Type>(ints, operation, limits),
        Kind::Long => pair.run::<Int64Type>(longs, operation, limits),
        Kind::Float => pair.run::<Float32Type>(floats, operation, limits),
        Kind::Double => pair.run::<Float64Type>(doubles, operation, limits),
        Kind::Decimal => pair.run_decimals(operation, limits),
    }
}

struct Pair<'a> {
    left: &'a Column,
    right: &'a Column,
    shape: Shape,
}

impl Pair<'_> {
    fn run<T: ArrowPrimitiveType<Native: Number>>(
        &self,
        widen: fn(&Column) -> Result<PrimitiveArray<T>, KernelError>,
        operation: Operation,
        limits: Limits,
    ) -> Result<Column, KernelError> {
        limits.check_rows::<T::Native>(self.shape.rows)?;
        let (left, right) = (widen(self.left)?, widen(self.right)?);
        let array = match operation {
            Operation::Add => self.each(&left, &right, T::Native::sum),
            Operation::Subtract => self.each(&left, &right, T::Native::difference),
            Operation::Multiply => self.each(&left, &right, T::Native::product),
            Operation::Divide => self.each(&left, &right, T::Native::quotient),
            Operation::Remainder => self.each(&left, &right, T::Native::rest),
        };
        Ok(self.shape.column(array))
    }

    fn each<T: ArrowPrimitiveType>(
        &self,
        left: &PrimitiveArray<T>,
        right: &PrimitiveArray<T>,
        compute: impl Fn(T::Native, T::Native) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        let nulls = self.shape.nulls([self.left, self.right]);
        let (lefts, rights) = (left.values(), right.values());
        match (self.left.is_constant(), self.right.is_constant()) {
            (false, false) => fill(self.shape.rows, nulls, |row| compute(lefts[row], rights[row])),
            (false, true) => fill(self.shape.rows, nulls, |row| compute(lefts[row], rights[0])),
            (true, false) => fill(self.shape.rows, nulls, |row| compute(lefts[0], rights[row])),
            (true, true) => fill(1, nulls, |_| compute(lefts[0], rights[0])),
        }
    }

    fn run_decimals(&self, operation: Operation, limits: Limits) -> Result<Column, KernelError> {
        limits.check_rows::<i128>(self.shape.rows)?;
        let (left, left_digits, left_scale) = decimals(self.left)?;
        let (right, right_digits, right_scale) = decimals(self.right)?;
        let (left_whole, right_whole) = (left_digits - left_scale, right_digits - right_scale);
        let scale = left_scale.max(right_scale);
        let factors = (POWERS[usize::from(scale - left_scale)], POWERS[usize::from(scale - right_scale)]);
        let each = |digits: u8, scale: u8, compute: &dyn Fn() -> PrimitiveArray<Decimal128Type>| {
            let array = compute().with_precision_and_scale(digits.min(MOST_DIGITS), scale as i8)?;
            Ok(self.shape.column(array))
        };
        match operation {
            Operation::Add | Operation::Subtract => {
                let digits = (left_whole.max(right_whole) + 1 + scale).min(MOST_DIGITS);
                match operation {
                    Operation::Add => each(digits, scale, &|| {
                        self.each(&left, &right, |left, right| sum((left, factors.0), (right, factors.1), digits))
                    }),
                    _ => each(digits, scale, &|| {
                        self.each(&left, &right, |left, right| {
                            sum((left, factors.0), (right.wrapping_neg(), factors.1), digits)
                        })
                    }),
                }
            }
            Operation::Multiply => {
                let scale = left_scale + right_scale;
                if scale > MOST_DIGITS {
                    return Err(KernelError(format!(
                        "the product has {scale} digits after the point, and {MOST_DIGITS} are the most: round or cast \
                         one side first"
                    )));
                }
                let digits = (left_digits + right_digits).min(MOST_DIGITS);
                each(digits, scale, &|| {
                    self.each(&left, &right, |left, right| fitting(left.checked_mul(right)?, digits))
                })
            }
            Operation::Divide => {
                let scale = (left_scale + QUOTIENT_DIGITS).min(MOST_DIGITS);
                let digits = (left_whole + right_scale + scale).min(MOST_DIGITS);
                // Units divided by units give the scale of the left less that of the right.
                let shift = scale - left_scale + right_scale;
                each(digits, scale, &|| {
                    self.each(&left, &right, |left, right| fitting(quotient(left, right, shift)?, digits))
                })
            }
            Operation::Remainder => {
                let digits = left_whole.min(right_whole) + scale;
                each(digits, scale, &|| {
                    self.each(&left, &right, |left, right| rest((left, factors.0), (right, factors.1)))
                })
            }
        }
    }
}

#[inline]
fn sum(left: (i128, i128), right: (i128, i128), digits: u8) -> Option<i128> {
    let near = || left.0.checked_mul(left.1)?.checked_add(right.0.checked_mul(right.1)?);
    let sum = near().or_else(|| {
        let (left, right) = wide(left, right);
        left.wrapping_add(right).to_i128()
    });
    fitting(sum?, digits)
}

#[inline]
fn quotient(left: i128, right: i128, shift: u8) -> Option<i128> {
    match POWERS.get(usize::from(shift)) {
        Some(factor) => scaled_quotient(left, *factor, right),
        // Beyond 38 digits: the dividend takes what it can, and a divisor of so many digits after the point is small.
        None => scaled_quotient(left.checked_mul(POWERS[usize::from(shift - MOST_DIGITS)])?, POWERS[38], right),
    }
}

#[inline]
fn rest(left: (i128, i128), right: (i128, i128)) -> Option<i128> {
    if right.0 == 0 {
        return None;
    }
    if let (Some(left), Some(right)) = (left.0.checked_mul(left.1), right.0.checked_mul(right.1)) {
        return Some(left.wrapping_rem(right));
    }
    let (left, right) = wide(left, right);
    left.checked_rem(right)?.to_i128()
}
