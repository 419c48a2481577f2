//! Values out of text.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryArray, PrimitiveArray, StringArray};
use sluice_change::ColumnType;
use sluice_decode::parse::{self, Unfit};

use crate::kernels::column::KernelError;
use crate::kernels::fill::{fill, fill_booleans};

/// Values as the tables' CSV writes them; null where a text is none of the type's, or null itself.
pub(in crate::kernels) fn read(texts: &StringArray, to: ColumnType) -> Result<ArrayRef, KernelError> {
    Ok(match to {
        ColumnType::String => Arc::new(texts.clone()),
        ColumnType::Binary => Arc::new(BinaryArray::from(texts.clone())),
        ColumnType::Boolean => Arc::new(fill_booleans(texts.len(), texts.nulls().cloned(), |row| {
            parse::boolean(texts.value(row).as_bytes()).ok()
        })),
        ColumnType::Int => Arc::new(each::<Int32Type>(texts, parse::int)),
        ColumnType::Long => Arc::new(each::<Int64Type>(texts, parse::long)),
        ColumnType::Float => Arc::new(each::<Float32Type>(texts, parse::float)),
        ColumnType::Double => Arc::new(each::<Float64Type>(texts, parse::double)),
        ColumnType::Decimal { precision, scale } => {
            let array = each::<Decimal128Type>(texts, |text| parse::decimal(text, precision, scale));
            Arc::new(array.with_data_type(to.arrow()))
        }
        ColumnType::Date => Arc::new(each::<Date32Type>(texts, parse::date)),
        ColumnType::Time => Arc::new(each::<Time64MicrosecondType>(texts, parse::time)),
        ColumnType::Timestamp => Arc::new(each::<TimestampMicrosecondType>(texts, parse::timestamp)),
        ColumnType::TimestampTz => {
            let array = each::<TimestampMicrosecondType>(texts, parse::timestamptz);
            Arc::new(array.with_data_type(to.arrow()))
        }
    })
}

fn each<T: ArrowPrimitiveType>(
    texts: &StringArray,
    read: impl Fn(&[u8]) -> Result<T::Native, Unfit>,
) -> PrimitiveArray<T> {
    fill(texts.len(), texts.nulls().cloned(), |row| read(texts.value(row).as_bytes()).ok())
}
