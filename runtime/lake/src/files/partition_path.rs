use std::fmt::Write as _;

use iceberg::spec::{Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, Schema, Struct, Transform, Type};

use super::error::FilesError;
use super::partition::partition_type;
use super::transform::write_date;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The folder of a partition below the table's data folder: `day=2024-02-29/region=eu`, escaped as the reference
/// implementation does; empty where the table has no partitions.
pub fn partition_path(spec: &PartitionSpec, schema: &Schema, partition: &Struct) -> Result<String, FilesError> {
    let mut path = String::new();
    if spec.is_unpartitioned() {
        return Ok(path);
    }
    let types = partition_type(spec, schema)?;
    for ((field, types), value) in spec.fields().iter().zip(types.fields()).zip(partition.iter()) {
        if !path.is_empty() {
            path.push('/');
        }
        escape_into(field.name.as_bytes(), &mut path);
        path.push('=');
        escape_into(human_value(field.transform, types.field_type.as_ref(), value).as_bytes(), &mut path);
    }
    Ok(path)
}

/// A partition value as a person reads it.
fn human_value(transform: Transform, value_type: &Type, value: Option<&Literal>) -> String {
    let Some(Literal::Primitive(value)) = value else { return "null".to_owned() };
    let mut text = String::new();
    let written = match (transform, value_type.as_primitive_type(), value) {
        (Transform::Void, _, _) => text.write_str("null"),
        (Transform::Year, _, PrimitiveLiteral::Int(years)) => write!(text, "{:04}", 1970 + i64::from(*years)),
        (Transform::Month, _, PrimitiveLiteral::Int(months)) => {
            let months = i64::from(*months);
            write!(text, "{:04}-{:02}", 1970 + months.div_euclid(12), months.rem_euclid(12) + 1)
        }
        (Transform::Hour, _, PrimitiveLiteral::Int(hours)) => {
            let hours = i64::from(*hours);
            write_date(hours.div_euclid(24), &mut text).and_then(|()| write!(text, "-{:02}", hours.rem_euclid(24)))
        }
        (_, Some(PrimitiveType::Date), PrimitiveLiteral::Int(days)) => write_date(i64::from(*days), &mut text),
        (_, Some(PrimitiveType::Time), PrimitiveLiteral::Long(micros)) => write_time(*micros, &mut text),
        (_, Some(PrimitiveType::Timestamp), PrimitiveLiteral::Long(micros)) => write_timestamp(*micros, &mut text),
        (_, Some(PrimitiveType::Timestamptz), PrimitiveLiteral::Long(micros)) => {
            write_timestamp(*micros, &mut text).and_then(|()| text.write_str("+00:00"))
        }
        (_, Some(PrimitiveType::Decimal { scale, .. }), PrimitiveLiteral::Int128(unscaled)) => {
            write_decimal(*unscaled, *scale as usize, &mut text)
        }
        (_, _, PrimitiveLiteral::Boolean(value)) => write!(text, "{value}"),
        (_, _, PrimitiveLiteral::Int(value)) => write!(text, "{value}"),
        (_, _, PrimitiveLiteral::Long(value)) => write!(text, "{value}"),
        (_, _, PrimitiveLiteral::Float(value)) => write!(text, "{value:?}"),
        (_, _, PrimitiveLiteral::Double(value)) => write!(text, "{value:?}"),
        (_, _, PrimitiveLiteral::String(value)) => text.write_str(value),
        (_, _, PrimitiveLiteral::Binary(value)) => value.iter().try_for_each(|byte| write!(text, "{byte:02x}")),
        (_, _, PrimitiveLiteral::UInt128(value)) => write!(text, "{}", uuid::Uuid::from_u128(*value)),
        (_, _, PrimitiveLiteral::Int128(value)) => write!(text, "{value}"),
        (_, _, PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin) => text.write_str("null"),
    };
    // A `String` takes everything that is written to it.
    debug_assert!(written.is_ok());
    text
}

fn write_time(micros: i64, out: &mut String) -> std::fmt::Result {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    match micros.rem_euclid(MICROS_PER_SECOND) {
        0 => Ok(()),
        fraction => write!(out, ".{fraction:06}"),
    }
}

fn write_timestamp(micros: i64, out: &mut String) -> std::fmt::Result {
    let day = SECONDS_PER_DAY * MICROS_PER_SECOND;
    write_date(micros.div_euclid(day), out)?;
    out.push('T');
    write_time(micros.rem_euclid(day), out)
}

fn write_decimal(unscaled: i128, scale: usize, out: &mut String) -> std::fmt::Result {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    write!(out, "{sign}{whole}")?;
    if scale > 0 { write!(out, ".{fraction}") } else { Ok(()) }
}

/// Escapes as `java.net.URLEncoder` does, which the reference implementation uses for partition paths.
fn escape_into(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(*byte)),
            b' ' => out.push('+'),
            other => {
                out.push('%');
                out.push(char::from(HEX[usize::from(other >> 4)]));
                out.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iceberg::spec::NestedField;

    use super::*;

    fn path(kind: PrimitiveType, transform: Transform, value: Option<Literal>) -> String {
        let field = Arc::new(NestedField::optional(1, "c", Type::Primitive(kind)));
        let schema = Schema::builder().with_fields([field]).build().unwrap();
        let spec = PartitionSpec::builder(schema.clone()).add_partition_field("c", "p q", transform).unwrap();
        partition_path(&spec.build().unwrap(), &schema, &Struct::from_iter([value])).unwrap()
    }

    #[test]
    fn folders_say_the_value_as_a_person_reads_it() {
        use PrimitiveType::{Date, Decimal, Int, String as Text, Time, Timestamp, Timestamptz};
        let cases = [
            (Text, Transform::Identity, Some(Literal::string("a/b c=é")), "p+q=a%2Fb+c%3D%C3%A9"),
            (Text, Transform::Identity, None, "p+q=null"),
            (Int, Transform::Bucket(8), Some(Literal::int(5)), "p+q=5"),
            (Date, Transform::Identity, Some(Literal::date(-1)), "p+q=1969-12-31"),
            (Date, Transform::Day, Some(Literal::date(19_782)), "p+q=2024-02-29"),
            (Timestamp, Transform::Year, Some(Literal::int(-1)), "p+q=1969"),
            (Timestamp, Transform::Month, Some(Literal::int(-1)), "p+q=1969-12"),
            (Timestamptz, Transform::Hour, Some(Literal::int(25)), "p+q=1970-01-02-01"),
            (
                Timestamptz,
                Transform::Identity,
                Some(Literal::timestamptz(1)),
                "p+q=1970-01-01T00%3A00%3A00.000001%2B00%3A00",
            ),
            (Time, Transform::Identity, Some(Literal::time(3_600_000_000)), "p+q=01%3A00%3A00"),
            (Decimal { precision: 9, scale: 2 }, Transform::Identity, Some(Literal::decimal(-5)), "p+q=-0.05"),
        ];
        for (kind, transform, value, expected) in cases {
            assert_eq!(path(kind, transform, value), expected);
        }
    }

    #[test]
    fn a_table_without_partitions_has_no_folder() {
        let schema = Schema::builder().build().unwrap();
        assert_eq!(partition_path(&PartitionSpec::unpartition_spec(), &schema, &Struct::empty()).unwrap(), "");
    }
}
