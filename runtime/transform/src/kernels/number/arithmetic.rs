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

/// Which bits of NaN come out of a computation differs from processor to processor: these are always the same.
macro_rules! one_nan {
    ($value:expr) => {{
        let value = $value;
        if value.is_nan() { Self::NAN } else { value }
    }};
}

macro_rules! floating {
    ($($float:ty),*) => {$(
        impl Number for $float {
            #[inline]
            fn sum(self, other: Self) -> Option<Self> {
                let value = self + other;
                (value.is_finite() || !self.is_finite() || !other.is_finite()).then_some(one_nan!(value))
            }
            #[inline]
            fn difference(self, other: Self) -> Option<Self> {
                self.sum(-other)
            }
            #[inline]
            fn product(self, other: Self) -> Option<Self> {
                let value = self * other;
                (value.is_finite() || !self.is_finite() || !other.is_finite()).then_some(one_nan!(value))
            }
            #[inline]
            fn quotient(self, other: Self) -> Option<Self> {
                let value = self / other;
                let computed = value.is_finite() || !self.is_finite() || !other.is_finite();
                (computed && other != 0.0).then_some(one_nan!(value))
            }
            #[inline]
            fn rest(self, other: Self) -> Option<Self> {
                (other != 0.0).then(|| one_nan!(self % other))
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

#[cfg(test)]
mod tests {
    use arrow_buffer::i256;
    use proptest::prelude::*;
    use sluice_change::ColumnType;

    use super::*;
    use crate::kernels::cast;
    use crate::kernels::samples::{ROOMY, numbers, one, read_numbers, read_texts, texts, words};

    type Kernel = fn(&Column, &Column, Limits) -> Result<Column, KernelError>;

    const KERNELS: [Kernel; 5] = [add, subtract, multiply, divide, remainder];

    fn text(column: &Column) -> Vec<Option<String>> {
        read_texts(&cast(column, ColumnType::String, ROOMY).unwrap())
    }

    fn of(kernel: Kernel, left: (&str, &str), right: (&str, &str)) -> (String, Option<String>) {
        let found = kernel(&one(left.0, Some(left.1)), &one(right.0, Some(right.1)), ROOMY).unwrap();
        assert!(found.is_constant());
        (found.column_type().unwrap().to_string(), text(&found).remove(0))
    }

    fn is(found: (String, Option<String>), column_type: &str, value: Option<&str>) {
        assert_eq!((found.0.as_str(), found.1.as_deref()), (column_type, value));
    }

    #[test]
    fn the_narrower_side_is_widened() {
        is(of(add, ("int", "1"), ("int", "2")), "int", Some("3"));
        is(of(add, ("int", "1"), ("long", "2")), "long", Some("3"));
        is(of(add, ("int", "1"), ("decimal(4,2)", "2.50")), "decimal(13,2)", Some("3.50"));
        is(of(add, ("long", "1"), ("decimal(4,2)", "2.50")), "decimal(22,2)", Some("3.50"));
        is(of(add, ("decimal(4,2)", "2.50"), ("float", "1")), "float", Some("3.5"));
        is(of(add, ("float", "0.5"), ("double", "1")), "double", Some("1.5"));
    }

    #[test]
    fn decimals_are_exact() {
        is(of(add, ("decimal(4,2)", "99.99"), ("decimal(5,3)", "0.001")), "decimal(6,3)", Some("99.991"));
        is(of(subtract, ("decimal(4,2)", "0.00"), ("decimal(4,2)", "99.99")), "decimal(5,2)", Some("-99.99"));
        is(of(multiply, ("decimal(4,2)", "12.50"), ("decimal(4,3)", "-1.005")), "decimal(8,5)", Some("-12.56250"));
        is(of(divide, ("decimal(4,2)", "10.00"), ("decimal(2,1)", "3.0")), "decimal(11,8)", Some("3.33333333"));
        is(of(divide, ("decimal(4,2)", "-20.00"), ("decimal(2,1)", "3.0")), "decimal(11,8)", Some("-6.66666667"));
        is(of(divide, ("decimal(4,2)", "1.00"), ("int", "0")), "decimal(10,8)", None);
        is(of(remainder, ("decimal(4,2)", "-7.50"), ("decimal(3,1)", "2.0")), "decimal(4,2)", Some("-1.50"));
        is(of(remainder, ("decimal(4,2)", "-7.50"), ("int", "0")), "decimal(4,2)", None);
    }

    #[test]
    fn what_leaves_38_digits_is_null_and_what_only_passes_through_more_is_not() {
        let (nines, big) = ("9".repeat(38), "decimal(38,0)");
        is(of(add, (big, &nines), (big, "1")), big, None);
        is(of(subtract, (big, &format!("-{nines}")), (big, "1")), big, None);
        is(of(multiply, (big, &nines), (big, "10")), big, None);
        is(of(multiply, (big, &nines), (big, "-1")), big, Some(&format!("-{nines}")));
        let unit = format!("0.{}1", "0".repeat(37));
        // 10^38 units and more on one side, and in between 10^76.
        is(of(add, ("decimal(38,1)", "1234.5"), ("decimal(38,38)", &unit)), "decimal(38,38)", None);
        is(
            of(remainder, (big, &nines), ("decimal(38,38)", &unit)),
            "decimal(38,38)",
            Some(&format!("0.{}", "0".repeat(38))),
        );
        is(of(divide, ("decimal(38,0)", &nines), ("decimal(38,0)", &nines)), "decimal(38,6)", Some("1.000000"));
        is(of(divide, ("decimal(38,38)", &unit), ("decimal(38,38)", &unit)), "decimal(38,38)", None);
        is(
            of(divide, ("decimal(38,0)", "1"), ("decimal(38,38)", &format!("0.{}", "1".repeat(38)))),
            "decimal(38,6)",
            Some("9.000000"),
        );
        let error = multiply(&one("decimal(38,20)", None), &one("decimal(38,19)", None), ROOMY).unwrap_err();
        assert!(error.to_string().contains("39 digits after the point"), "{error}");
    }

    #[test]
    fn integers_that_leave_their_type_are_null() {
        is(of(add, ("int", "2147483647"), ("int", "1")), "int", None);
        is(of(subtract, ("long", "-9223372036854775808"), ("int", "1")), "long", None);
        is(of(divide, ("int", "-2147483648"), ("int", "-1")), "int", None);
        is(of(remainder, ("int", "-2147483648"), ("int", "-1")), "int", Some("0"));
        is(of(divide, ("int", "-7"), ("int", "2")), "int", Some("-3"));
        is(of(remainder, ("int", "-7"), ("int", "2")), "int", Some("-1"));
        is(of(divide, ("int", "7"), ("int", "0")), "int", None);
        is(of(remainder, ("int", "7"), ("int", "0")), "int", None);
    }

    #[test]
    fn floating_point_numbers_overflow_and_divide_by_zero_to_null() {
        is(of(multiply, ("double", "1e308"), ("double", "10")), "double", None);
        is(of(add, ("float", "3e38"), ("float", "3e38")), "float", None);
        is(of(divide, ("double", "1"), ("double", "-0.0")), "double", None);
        is(of(remainder, ("double", "1"), ("double", "0")), "double", None);
        is(of(add, ("double", "Infinity"), ("double", "1")), "double", Some("Infinity"));
        is(of(subtract, ("double", "Infinity"), ("double", "Infinity")), "double", Some("NaN"));
        is(of(remainder, ("double", "-7.5"), ("double", "2")), "double", Some("-1.5"));
        let nan = subtract(&one("double", Some("Infinity")), &one("float", Some("Infinity")), ROOMY).unwrap();
        assert_eq!(read_numbers::<Float64Type>(&nan)[0].map(f64::to_bits), Some(f64::NAN.to_bits()));
    }

    #[test]
    fn other_types_are_refused() {
        let error = add(&words(["1"]), &one("int", Some("1")), ROOMY).unwrap_err();
        assert_eq!(error.to_string(), "needs a number and got a `string`");
        assert!(add(&one("date", None), &one("int", None), ROOMY).is_err());
        let numbers = cast(&texts(&[Some("1"); 10]), ColumnType::Long, ROOMY).unwrap();
        assert!(add(&numbers, &numbers, Limits { bytes: 79 }).is_err());
    }

    fn naive(kernel: usize, left: i128, right: i128) -> Option<i128> {
        match kernel {
            0 => left.checked_add(right),
            1 => left.checked_sub(right),
            2 => left.checked_mul(right),
            3 => left.checked_div(right),
            _ => left.checked_rem(right),
        }
    }

    fn power(digits: u8) -> i256 {
        (0..digits).fold(i256::ONE, |power, _| power.wrapping_mul(i256::from_i128(10)))
    }

    /// Arithmetic of decimals in 256 bits, at the scale and with the digits of the result.
    fn naive_decimal(kernel: usize, (left, s): (i128, u8), (right, t): (i128, u8), digits: u8) -> Option<i128> {
        let (left, right) = (i256::from_i128(left), i256::from_i128(right));
        let scale = s.max(t);
        let (wide_left, wide_right) = (left.wrapping_mul(power(scale - s)), right.wrapping_mul(power(scale - t)));
        let value = match kernel {
            0 => wide_left.wrapping_add(wide_right),
            1 => wide_left.wrapping_sub(wide_right),
            2 => left.wrapping_mul(right),
            3 => {
                if right == i256::ZERO {
                    return None;
                }
                // Twice the quotient, rounded away from zero to the next even one.
                let two = i256::from_i128(2);
                let twice = left.wrapping_mul(power(6 + t)).wrapping_mul(two).wrapping_div(right);
                let away = if twice.is_negative() { i256::MINUS_ONE } else { i256::ONE };
                twice.wrapping_add(away).wrapping_div(two)
            }
            _ => wide_left.checked_rem(wide_right)?,
        };
        let most = power(digits);
        (value < most && value > most.wrapping_neg()).then(|| value.to_i128().unwrap())
    }

    proptest! {
        #[test]
        fn integers_agree_with_wider_ones(
            rows in prop::collection::vec((prop::option::weighted(0.9, any::<i64>()), prop::option::weighted(0.9, -3_i64..1000)), 0..12),
            swap: bool,
        ) {
            let (mut lefts, mut rights): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            if swap {
                std::mem::swap(&mut lefts, &mut rights);
            }
            let (left, right) = (numbers::<Int64Type>(&lefts, ColumnType::Long), numbers::<Int64Type>(&rights, ColumnType::Long));
            for (number, kernel) in KERNELS.into_iter().enumerate() {
                let expected: Vec<Option<i64>> = lefts.iter().zip(&rights)
                    .map(|(left, right)| naive(number, (*left)?.into(), (*right)?.into())?.try_into().ok())
                    .collect();
                prop_assert_eq!(read_numbers::<Int64Type>(&kernel(&left, &right, ROOMY).unwrap()), expected);
                let expected: Vec<Option<i64>> = lefts.iter()
                    .map(|left| naive(number, (*left)?.into(), 7)?.try_into().ok())
                    .collect();
                let found = kernel(&left, &one("int", Some("7")), ROOMY).unwrap();
                prop_assert!(!found.is_constant());
                prop_assert_eq!(read_numbers::<Int64Type>(&found), expected);
                let expected: Vec<Option<i64>> = rights.iter()
                    .map(|right| naive(number, 7, (*right)?.into())?.try_into().ok())
                    .collect();
                prop_assert_eq!(read_numbers::<Int64Type>(&kernel(&one("int", Some("7")), &right, ROOMY).unwrap()), expected);
                let nothing = kernel(&left, &one("int", None), ROOMY).unwrap();
                prop_assert_eq!(read_numbers::<Int64Type>(&nothing), vec![None; lefts.len()]);
            }
        }

        #[test]
        fn decimals_agree_with_wider_ones(
            rows in prop::collection::vec((any::<i128>(), any::<i128>(), 0_u32..127, 0_u32..127), 1..12),
            s in 0_u8..=19, t in 0_u8..=19,
        ) {
            let most = POWERS[38];
            // Of all sizes.
            let lefts: Vec<Option<i128>> = rows.iter().map(|row| Some((row.0 >> row.2) % most)).collect();
            let rights: Vec<Option<i128>> = rows.iter().map(|row| Some((row.1 >> row.3) % most)).collect();
            let of = |scale: u8| ColumnType::Decimal { precision: 38, scale };
            let (left, right) = (numbers::<Decimal128Type>(&lefts, of(s)), numbers::<Decimal128Type>(&rights, of(t)));
            for (number, kernel) in KERNELS.into_iter().enumerate() {
                let found = kernel(&left, &right, ROOMY).unwrap();
                let ColumnType::Decimal { precision, scale } = found.column_type().unwrap() else { unreachable!() };
                let expected_scale = [s.max(t), s.max(t), s + t, s + 6, s.max(t)][number];
                prop_assert_eq!(scale, expected_scale);
                let expected: Vec<Option<i128>> = lefts.iter().zip(&rights)
                    .map(|(left, right)| naive_decimal(number, (left.unwrap(), s), (right.unwrap(), t), precision))
                    .collect();
                prop_assert_eq!(read_numbers::<Decimal128Type>(&found), expected, "{} {} {}", number, s, t);
            }
        }
    }
}
