use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use iceberg::spec::Transform;
use iceberg::transform::{BoxedTransformFunction, create_transform_function};

use super::error::FilesError;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// A partition transform over whole columns (Iceberg specification, "Partition Transforms").
///
/// Time and integers are computed here: the library's day transform is a day late in the last second of a day
/// before 1970, and its truncation overflows at the smallest integers.
#[derive(Debug)]
pub(super) enum ColumnTransform {
    Identity,
    Year,
    Month,
    Day,
    Hour,
    Truncate(i64, BoxedTransformFunction),
    Library(BoxedTransformFunction),
}

impl ColumnTransform {
    /// The transform; `None` for one whose value is always null.
    pub(super) fn new(transform: Transform) -> Result<Option<Self>, FilesError> {
        let library = || {
            create_transform_function(&transform)
                .map_err(FilesError::iceberg(format!("partition by `{transform}`: rewrite the partition spec")))
        };
        Ok(Some(match transform {
            Transform::Void => return Ok(None),
            Transform::Identity => ColumnTransform::Identity,
            Transform::Year => ColumnTransform::Year,
            Transform::Month => ColumnTransform::Month,
            Transform::Day => ColumnTransform::Day,
            Transform::Hour => ColumnTransform::Hour,
            Transform::Truncate(width) => ColumnTransform::Truncate(i64::from(width), library()?),
            Transform::Bucket(_) | Transform::Unknown => ColumnTransform::Library(library()?),
        }))
    }

    /// The partition value of each row; null where the source is null.
    pub(super) fn apply(&self, source: &ArrayRef) -> Result<ArrayRef, FilesError> {
        match self {
            ColumnTransform::Identity => Ok(Arc::clone(source)),
            ColumnTransform::Year => by_day::<Int32Type>(source, |days| (civil(days).0 - 1970) as i32),
            ColumnTransform::Month => by_day::<Int32Type>(source, |days| {
                let (year, month, _) = civil(days);
                ((year - 1970) * 12 + month - 1) as i32
            }),
            ColumnTransform::Day => by_day::<Date32Type>(source, |days| days as i32),
            // The specification's hour is an int; like the reference implementation, far times wrap.
            ColumnTransform::Hour => match source.data_type() {
                DataType::Date32 => Err(not_a_time(source)),
                _ => by_micros::<Int32Type>(source, |micros| micros.div_euclid(MICROS_PER_HOUR) as i32),
            },
            ColumnTransform::Truncate(width, library) => truncate(source, *width, library),
            ColumnTransform::Library(library) => transform_by(library, source),
        }
    }
}

fn transform_by(library: &BoxedTransformFunction, source: &ArrayRef) -> Result<ArrayRef, FilesError> {
    library
        .transform(Arc::clone(source))
        .map_err(FilesError::iceberg(format!("compute a partition value from {}", source.data_type())))
}

fn truncate(source: &ArrayRef, width: i64, library: &BoxedTransformFunction) -> Result<ArrayRef, FilesError> {
    Ok(match source.data_type() {
        DataType::Int32 => Arc::new(
            source
                .as_primitive::<Int32Type>()
                .unary::<_, Int32Type>(|value| value.wrapping_sub(i64::from(value).rem_euclid(width) as i32)),
        ),
        DataType::Int64 => Arc::new(
            source
                .as_primitive::<Int64Type>()
                .unary::<_, Int64Type>(|value| value.wrapping_sub(value.rem_euclid(width))),
        ),
        _ => return transform_by(library, source),
    })
}

/// Applies `f` to the day of each row, counted from the epoch.
fn by_day<R: ArrowPrimitiveType<Native = i32>>(
    source: &ArrayRef,
    f: impl Fn(i64) -> i32,
) -> Result<ArrayRef, FilesError> {
    match source.as_primitive_opt::<Date32Type>() {
        Some(dates) => Ok(Arc::new(dates.unary::<_, R>(|days| f(i64::from(days))))),
        None => by_micros::<R>(source, |micros| f(micros.div_euclid(MICROS_PER_DAY))),
    }
}

/// Applies `f` to the microseconds since the epoch of each row.
fn by_micros<R: ArrowPrimitiveType<Native = i32>>(
    source: &ArrayRef,
    f: impl Fn(i64) -> i32,
) -> Result<ArrayRef, FilesError> {
    let result: PrimitiveArray<R> = match source.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => source.as_primitive::<TimestampMicrosecondType>().unary(f),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            source.as_primitive::<TimestampNanosecondType>().unary(|nanos| f(nanos.div_euclid(1000)))
        }
        _ => return Err(not_a_time(source)),
    };
    Ok(Arc::new(result))
}

fn not_a_time(source: &ArrayRef) -> FilesError {
    FilesError::ColumnType {
        column: "source of a partition field by time".to_owned(),
        expected: DataType::Timestamp(TimeUnit::Microsecond, None),
        found: source.data_type().clone(),
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the proleptic Gregorian calendar.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    // Counts from 0000-03-01, so that the leap day ends a year (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Writes a day as `2024-02-29`.
pub(super) fn write_date(days: i64, out: &mut dyn fmt::Write) -> fmt::Result {
    let (year, month, day) = civil(days);
    write!(out, "{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, Date32Array, Int32Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn apply(transform: Transform, source: ArrayRef) -> ArrayRef {
        ColumnTransform::new(transform).unwrap().unwrap().apply(&source).unwrap()
    }

    #[test]
    fn days_are_floors_on_both_sides_of_the_epoch() {
        let second = 1_000_000;
        let source: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
            Some(0),
            Some(-1),
            Some(MICROS_PER_DAY - 1),
            Some(-MICROS_PER_DAY),
            Some(-MICROS_PER_DAY - 1),
            Some(-MICROS_PER_DAY - second / 2),
            Some(-MICROS_PER_DAY - second),
            None,
        ]));
        let days = apply(Transform::Day, Arc::clone(&source));
        let expected = vec![Some(0), Some(-1), Some(0), Some(-1), Some(-2), Some(-2), Some(-2), None];
        assert_eq!(days.as_primitive::<Date32Type>(), &Date32Array::from(expected));
        let hours = apply(Transform::Hour, source);
        assert_eq!(hours.as_primitive::<Int32Type>().value(1), -1);
        assert_eq!(hours.as_primitive::<Int32Type>().value(4), -25);
    }

    #[test]
    fn years_and_months_agree_with_the_library_over_four_centuries() {
        let source: ArrayRef = Arc::new(Date32Array::from_iter_values((-146_097..146_097).step_by(13)));
        for transform in [Transform::Year, Transform::Month, Transform::Day] {
            let library = create_transform_function(&transform).unwrap().transform(Arc::clone(&source)).unwrap();
            assert_eq!(&apply(transform, Arc::clone(&source)), &library, "{transform}");
        }
    }

    #[test]
    fn truncation_goes_down_and_survives_the_smallest_integers() {
        let ints =
            apply(Transform::Truncate(10), Arc::new(Int32Array::from(vec![Some(1), Some(-1), None, Some(i32::MIN)])));
        let ints = ints.as_primitive::<Int32Type>();
        assert_eq!((ints.value(0), ints.value(1), ints.is_null(2)), (0, -10, true));
        let longs = apply(Transform::Truncate(3), Arc::new(Int64Array::from(vec![i64::MIN, -3, 5])));
        assert_eq!(longs.as_primitive::<Int64Type>().value(1), -3);
        assert_eq!(longs.as_primitive::<Int64Type>().value(2), 3);
    }

    #[test]
    fn the_calendar_knows_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(19_782), (2024, 2, 29));
        let mut text = String::new();
        write_date(-719_528, &mut text).unwrap();
        assert_eq!(text, "0000-01-01");
    }
}
