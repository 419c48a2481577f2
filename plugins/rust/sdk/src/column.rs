//! Columns and their bytes.

#[cfg(target_arch = "wasm32")]
use crate::raw;
#[cfg(not(target_arch = "wasm32"))]
use crate::stand_in;
use crate::{Binaries, Booleans, Fixed, Texts, Values};

/// A column of the batch, which the host holds. Its methods are the kernels, which run over whole columns in the host,
/// and the ways to its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Column(pub(crate) u32);

/// A column's bytes, in Arrow's layout, little-endian.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buffers {
    /// One bit a row, least significant bit first; 1 means that there is a value. Empty: every row has one.
    pub validity: Vec<u8>,
    /// `string` and `binary` only: one `i32` more than rows. Empty for all other types.
    pub offsets: Vec<u8>,
    /// The values, one behind the other.
    pub values: Vec<u8>,
}

impl Column {
    /// The column's type, such as `string` or `decimal(10,2)`.
    pub fn data_type(self) -> String {
        #[cfg(target_arch = "wasm32")]
        {
            let mut result = raw::List::EMPTY;
            // SAFETY: `result` has room for an address and a length; the host fills it with memory of `cabi_realloc`.
            unsafe {
                raw::type_of(self.0, &mut result);
                result.into_text()
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        stand_in::data_type(self)
    }

    /// Copies the column's bytes out of the host. A constant has one row.
    pub fn read(self) -> Buffers {
        #[cfg(target_arch = "wasm32")]
        {
            let mut result = [raw::List::EMPTY; 3];
            // SAFETY: `result` has room for three lists; the host fills it with memory of `cabi_realloc`.
            unsafe {
                raw::read(self.0, &mut result);
                let [validity, offsets, values] = result.map(|list| list.into_vec());
                Buffers { validity, offsets, values }
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        stand_in::read(self)
    }

    /// Makes a column of `rows` rows of bytes. The host checks them and ends the call if they are no column of this type.
    pub fn make(data_type: &str, rows: usize, buffers: &Buffers) -> Column {
        #[cfg(target_arch = "wasm32")]
        {
            let Buffers { validity, offsets, values } = buffers;
            // SAFETY: the host only reads, within the lengths.
            Column(unsafe {
                raw::make(
                    data_type.as_ptr(),
                    data_type.len(),
                    rows as u32,
                    validity.as_ptr(),
                    validity.len(),
                    offsets.as_ptr(),
                    offsets.len(),
                    values.as_ptr(),
                    values.len(),
                )
            })
        }
        #[cfg(not(target_arch = "wasm32"))]
        stand_in::make(data_type, rows, buffers)
    }

    /// A constant, which goes with any number of rows: `value` as a cast from `string` reads it, `None` for null.
    pub fn constant(data_type: &str, value: Option<&str>) -> Column {
        #[cfg(target_arch = "wasm32")]
        {
            let text = value.unwrap_or_default();
            let has_value = u32::from(value.is_some());
            // SAFETY: the host only reads, within the lengths.
            Column(unsafe { raw::constant(data_type.as_ptr(), data_type.len(), has_value, text.as_ptr(), text.len()) })
        }
        #[cfg(not(target_arch = "wasm32"))]
        stand_in::constant(data_type, value)
    }

    /// The values of a `string` column.
    pub fn texts(self) -> Texts {
        self.expect_type(|data_type| data_type == "string", "texts");
        Texts::new(self.read())
    }

    /// The values of a `binary` column.
    pub fn binaries(self) -> Binaries {
        self.expect_type(|data_type| data_type == "binary", "binaries");
        Binaries::new(self.read())
    }

    /// The values of a `boolean` column.
    pub fn booleans(self) -> Booleans {
        self.expect_type(|data_type| data_type == "boolean", "booleans");
        Booleans::new(self.read())
    }

    /// The values of an `int` or `date` (days since 1970-01-01) column.
    pub fn ints(self) -> Values<i32> {
        self.values()
    }

    /// The values of a `long`, `time` (microseconds since midnight), `timestamp` or `timestamptz` (microseconds since
    /// 1970-01-01, UTC) column.
    pub fn longs(self) -> Values<i64> {
        self.values()
    }

    /// The values of a `float` column.
    pub fn floats(self) -> Values<f32> {
        self.values()
    }

    /// The values of a `double` column.
    pub fn doubles(self) -> Values<f64> {
        self.values()
    }

    /// The values of a `decimal(p,s)` column, times ten to the s.
    pub fn decimals(self) -> Values<i128> {
        self.values()
    }

    fn values<T: Fixed>(self) -> Values<T> {
        self.expect_type(T::fits, T::READER);
        Values::new(self.read())
    }

    fn expect_type(self, fits: impl Fn(&str) -> bool, reader: &str) {
        let data_type = self.data_type();
        assert!(fits(&data_type), "a column of type {data_type} cannot be read as {reader}");
    }
}
