//! One value of a row, with the texts under which it appears: in a DMS file, and to a reader that compares.

use std::fmt::Write;

use sluice_change::ColumnType;

/// A value that is not null.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// True or false.
    Boolean(bool),
    /// 32-bit integer.
    Int(i32),
    /// 64-bit integer.
    Long(i64),
    /// 32-bit float.
    Float(f32),
    /// 64-bit float.
    Double(f64),
    /// Unscaled value and scale.
    Decimal(i128, u8),
    /// Days since the epoch.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since the epoch, without a zone.
    Timestamp(i64),
    /// Microseconds since the epoch, UTC.
    TimestampTz(i64),
    /// Text.
    String(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// A value or null.
pub type Cell = Option<Datum>;

impl Datum {
    /// The text under which all readers report this value, so that values can be compared across them.
    ///
    /// Floats are their bits, since no two languages print them alike.
    pub fn canonical(&self) -> String {
        match self {
            Datum::Boolean(value) => value.to_string(),
            Datum::Int(value) => value.to_string(),
            Datum::Long(value) => value.to_string(),
            Datum::Float(value) if value.is_nan() => "nan".to_owned(),
            Datum::Float(value) => format!("{:08x}", value.to_bits()),
            Datum::Double(value) if value.is_nan() => "nan".to_owned(),
            Datum::Double(value) => format!("{:016x}", value.to_bits()),
            Datum::Decimal(unscaled, scale) => decimal(*unscaled, *scale),
            Datum::Date(days) => date(*days),
            Datum::Time(us) => time(*us),
            Datum::Timestamp(us) | Datum::TimestampTz(us) => timestamp(*us),
            Datum::String(text) => text.clone(),
            Datum::Binary(bytes) => hex(bytes),
        }
    }

    /// The text that DMS writes for this value in a CSV file, before quoting.
    pub fn csv(&self) -> String {
        match self {
            Datum::Float(value) => format!("{value:e}"),
            Datum::Double(value) => format!("{value:?}"),
            Datum::Date(_) | Datum::Time(_) | Datum::Timestamp(_) => self.canonical(),
            Datum::TimestampTz(_) => format!("{}+00", self.canonical()),
            other => other.canonical(),
        }
    }

    /// This value in a column that has since been promoted to `wider`.
    pub fn promoted(&self, wider: ColumnType) -> Datum {
        match (self, wider) {
            (Datum::Int(value), ColumnType::Long) => Datum::Long(i64::from(*value)),
            (Datum::Float(value), ColumnType::Double) => Datum::Double(f64::from(*value)),
            (other, _) => other.clone(),
        }
    }
}

/// The canonical text of a row; null stays `None`.
pub fn canonical_row(cells: &[Cell]) -> Vec<Option<String>> {
    cells.iter().map(|cell| cell.as_ref().map(Datum::canonical)).collect()
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `yyyy-MM-dd` of a day since the epoch (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub fn date(days: i32) -> String {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(us: i64) -> String {
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    format!("{:02}:{:02}:{:02}.{us:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `yyyy-MM-dd HH:mm:ss.SSSSSS` of microseconds since the epoch.
pub fn timestamp(us: i64) -> String {
    const DAY_US: i64 = 86_400_000_000;
    let days = i32::try_from(us.div_euclid(DAY_US)).expect("a day that fits");
    format!("{} {}", date(days), time(us.rem_euclid(DAY_US)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_texts_are_what_iso_and_sql_write() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-719_162), "0001-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(timestamp(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(Datum::Decimal(-5, 2).canonical(), "-0.05");
        assert_eq!(Datum::Decimal(1234, 0).canonical(), "1234");
        assert_eq!(Datum::Decimal(1234, 4).canonical(), "0.1234");
        assert_eq!(Datum::Time(86_399_999_999).canonical(), "23:59:59.999999");
    }

    #[test]
    fn a_promoted_float_is_compared_by_its_bits_as_a_double() {
        let float = Datum::Float(1.5);
        assert_eq!(float.promoted(ColumnType::Double).canonical(), Datum::Double(1.5).canonical());
        assert_eq!(float.promoted(ColumnType::Float), float);
    }
}
