//! Text to values, exactly: what cannot be represented as the type asks is an [`Unfit`], never rounded.

mod binary;
mod boolean;
mod decimal;
mod float;
mod integer;
mod temporal;
mod text;

use sluice_change::ColumnType;

pub use binary::hex;
pub use boolean::boolean;
pub use decimal::decimal;
pub(crate) use decimal::rescale;
pub use float::{double, float};
pub use integer::{int, long};
pub use temporal::{date, time, timestamp, timestamptz};
pub(crate) use text::unescape;

/// Why a text is no value of a type, as the second half of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit(pub &'static str);

/// Whether `text` is a value of the type.
pub fn fits(column_type: ColumnType, text: &[u8]) -> bool {
    match column_type {
        ColumnType::Boolean => boolean(text).is_ok(),
        ColumnType::Int => int(text).is_ok(),
        ColumnType::Long => long(text).is_ok(),
        ColumnType::Float => float(text).is_ok(),
        ColumnType::Double => double(text).is_ok(),
        ColumnType::Decimal { precision, scale } => decimal(text, precision, scale).is_ok(),
        ColumnType::Date => date(text).is_ok(),
        ColumnType::Time => time(text).is_ok(),
        ColumnType::Timestamp => timestamp(text).is_ok(),
        ColumnType::TimestampTz => timestamptz(text).is_ok(),
        ColumnType::String => std::str::from_utf8(text).is_ok(),
        ColumnType::Binary => hex(text, &mut Vec::new()).is_ok(),
    }
}
