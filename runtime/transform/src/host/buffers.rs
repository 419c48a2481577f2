//! Bytes of the contract into Arrow arrays, checked whole, and back.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray, cast::AsArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use sluice_change::ColumnType;

/// A column's bytes on their way to a guest.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// One bit a row; empty where every row has a value.
    pub validity: Bytes,
    /// Of text and bytes only.
    pub offsets: Bytes,
    /// The values.
    pub values: Bytes,
}

/// Makes a column of `rows` rows of a guest's bytes; the error says what is wrong with them.
pub fn decode(
    column_type: ColumnType,
    rows: usize,
    validity: &[u8],
    offsets: &[u8],
    values: &[u8],
) -> Result<ArrayRef, String> {
    let nulls = nulls(rows, validity)?;
    if !matches!(column_type, ColumnType::String | ColumnType::Binary) && !offsets.is_empty() {
        return Err(format!("a column of type {column_type} has no offsets, and {} bytes of them came", offsets.len()));
    }
    Ok(match column_type {
        ColumnType::Boolean => {
            let wanted = rows.div_ceil(8);
            if values.len() < wanted {
                return Err(too_short("values", values.len(), wanted, rows));
            }
            let bits = BooleanBuffer::new(Buffer::from_slice_ref(&values[..wanted]), 0, rows);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        ColumnType::Int => primitive::<Int32Type>(rows, values, nulls)?,
        ColumnType::Long => primitive::<Int64Type>(rows, values, nulls)?,
        ColumnType::Float => primitive::<Float32Type>(rows, values, nulls)?,
        ColumnType::Double => primitive::<Float64Type>(rows, values, nulls)?,
        ColumnType::Date => primitive::<Date32Type>(rows, values, nulls)?,
        ColumnType::Time => time(rows, values, nulls)?,
        ColumnType::Timestamp => primitive::<TimestampMicrosecondType>(rows, values, nulls)?,
        ColumnType::TimestampTz => {
            let array = plain::<TimestampMicrosecondType>(rows, values, nulls)?;
            Arc::new(array.with_data_type(column_type.arrow()))
        }
        ColumnType::Decimal { precision, scale } => decimal(rows, values, nulls, precision, scale)?,
        ColumnType::String => {
            let (offsets, values) = bounded(rows, offsets, values)?;
            let array = StringArray::try_new(offsets, values, nulls);
            Arc::new(array.map_err(|error| format!("its text is not UTF-8, or cut within a character: {error}"))?)
        }
        ColumnType::Binary => {
            let (offsets, values) = bounded(rows, offsets, values)?;
            Arc::new(BinaryArray::try_new(offsets, values, nulls).map_err(|error| error.to_string())?)
        }
    })
}

fn too_short(what: &str, found: usize, wanted: usize, rows: usize) -> String {
    format!("its {what} are {found} bytes long, and {rows} rows take {wanted}")
}

fn nulls(rows: usize, validity: &[u8]) -> Result<Option<NullBuffer>, String> {
    if validity.is_empty() {
        return Ok(None);
    }
    let wanted = rows.div_ceil(8);
    if validity.len() < wanted {
        return Err(too_short("validity bits", validity.len(), wanted, rows));
    }
    let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_slice_ref(&validity[..wanted]), 0, rows));
    Ok(Some(nulls).filter(|nulls| nulls.null_count() > 0))
}

fn plain<T: ArrowPrimitiveType>(
    rows: usize,
    values: &[u8],
    nulls: Option<NullBuffer>,
) -> Result<PrimitiveArray<T>, String> {
    let wanted = rows.checked_mul(size_of::<T::Native>()).ok_or("it has too many rows")?;
    if values.len() != wanted {
        return Err(too_short("values", values.len(), wanted, rows));
    }
    // Copied into memory that is aligned for Arrow; the guest's may begin anywhere, and goes with it.
    let values = ScalarBuffer::new(Buffer::from_slice_ref(values), 0, rows);
    Ok(PrimitiveArray::new(values, nulls))
}

fn primitive<T: ArrowPrimitiveType>(rows: usize, values: &[u8], nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    Ok(Arc::new(plain::<T>(rows, values, nulls)?))
}

const DAY_MICROSECONDS: i64 = 86_400_000_000;

fn time(rows: usize, values: &[u8], nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    let array = plain::<Time64MicrosecondType>(rows, values, nulls)?;
    match array.iter().position(|value| value.is_some_and(|value| !(0..DAY_MICROSECONDS).contains(&value))) {
        None => Ok(Arc::new(array)),
        Some(row) => Err(format!("row {row} is {} microseconds, which is no time of a day", array.value(row))),
    }
}

fn decimal(
    rows: usize,
    values: &[u8],
    nulls: Option<NullBuffer>,
    precision: u8,
    scale: u8,
) -> Result<ArrayRef, String> {
    let array = plain::<Decimal128Type>(rows, values, nulls)?;
    let most = 10_i128.pow(u32::from(precision));
    let fits = |value: i128| value > -most && value < most;
    if let Some(row) = array.iter().position(|value| value.is_some_and(|value| !fits(value))) {
        return Err(format!("row {row} has more than the {precision} digits of decimal({precision},{scale})"));
    }
    let array = array.with_precision_and_scale(precision, scale as i8).map_err(|error| error.to_string())?;
    Ok(Arc::new(array))
}

/// Offsets that rise within `values`.
fn bounded(rows: usize, offsets: &[u8], values: &[u8]) -> Result<(OffsetBuffer<i32>, Buffer), String> {
    let wanted = rows.checked_add(1).and_then(|ends| ends.checked_mul(4)).ok_or("it has too many rows")?;
    if offsets.len() != wanted {
        return Err(too_short("offsets", offsets.len(), wanted, rows));
    }
    let offsets: ScalarBuffer<i32> = ScalarBuffer::new(Buffer::from_slice_ref(offsets), 0, rows + 1);
    if offsets[0] < 0 {
        return Err(format!("its offsets begin at {}", offsets[0]));
    }
    if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        return Err(format!("its offsets fall from {} to {} at row {row}", offsets[row], offsets[row + 1]));
    }
    let end = offsets[rows] as usize;
    if end > values.len() {
        return Err(format!("its offsets end at {end}, beyond its {} bytes of values", values.len()));
    }
    let values = Buffer::from_slice_ref(&values[..end]);
    Ok((OffsetBuffer::new(offsets), values))
}

/// A column's bytes, without a copy where it begins at its buffers' beginnings.
pub(super) fn encode(array: &ArrayRef) -> Parts {
    let validity = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => owned(nulls.inner().sliced()),
        None => Bytes::new(),
    };
    let (offsets, values) = match ColumnType::from_arrow(array.data_type()) {
        Some(ColumnType::Boolean) => (Bytes::new(), owned(array.as_boolean().values().sliced())),
        Some(ColumnType::String) => text(array.as_string::<i32>().offsets(), array.as_string::<i32>().values()),
        Some(ColumnType::Binary) => text(array.as_binary::<i32>().offsets(), array.as_binary::<i32>().values()),
        _ => (Bytes::new(), fixed(array)),
    };
    Parts { validity, offsets, values }
}

fn fixed(array: &ArrayRef) -> Bytes {
    let data = array.to_data();
    let width = data.data_type().primitive_width().unwrap_or(0);
    match data.buffers().first() {
        Some(buffer) => owned(buffer.slice_with_length(data.offset() * width, data.len() * width)),
        None => Bytes::new(),
    }
}

fn text(offsets: &OffsetBuffer<i32>, values: &Buffer) -> (Bytes, Bytes) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = owned(values.slice_with_length(first as usize, (last - first) as usize));
    let offsets = if first == 0 {
        owned(offsets.inner().inner().clone())
    } else {
        owned(Buffer::from_iter(offsets.iter().map(|offset| offset - first)))
    };
    (offsets, values)
}

/// Arrow's memory as it is.
fn owned(buffer: Buffer) -> Bytes {
    struct Held(Buffer);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            self.0.as_slice()
        }
    }
    Bytes::from_owner(Held(buffer))
}
