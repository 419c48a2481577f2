use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use thiserror::Error;

/// Keys of a batch, in the form in which they are compared.
#[derive(Debug, Clone)]
pub enum Keys {
    /// One integer-like column.
    Int(Vec<i64>),
    /// Any other key, as bytes that are equal exactly when the keys are.
    Bytes(ByteKeys),
}

/// Byte strings, end to end.
#[derive(Debug, Clone, Default)]
pub struct ByteKeys {
    data: Vec<u8>,
    ends: Vec<usize>,
}

/// Keys that cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A key column is null, so the row has no key.
    #[error("{count} rows have no value in a key column; a key column may never be null")]
    Null {
        /// How many rows.
        count: usize,
    },
    /// The columns cannot be encoded.
    #[error("the key columns cannot be encoded")]
    Encode(#[from] ArrowError),
    /// Keys of one form were given to an index of the other.
    #[error("the keys have another form than the index: the key's columns changed, rebuild the table")]
    Form,
}

impl ByteKeys {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key at `index`, which must be below [`ByteKeys::len`].
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.data[start..self.ends[index]]
    }

    /// Adds a key.
    pub fn push(&mut self, key: &[u8]) {
        self.data.extend_from_slice(key);
        self.ends.push(self.data.len());
    }

    /// Adds a key that is given in two parts.
    pub(crate) fn push_parts(&mut self, start: &[u8], rest: &[u8]) {
        self.data.extend_from_slice(start);
        self.push(rest);
    }

    /// Takes the last key away.
    pub(crate) fn pop(&mut self) {
        self.ends.pop();
        self.data.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Takes all keys away and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
    }

    /// Bytes of all keys.
    pub(crate) fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Bytes of memory held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.data.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl Keys {
    /// Number of keys.
    pub fn len(&self) -> usize {
        match self {
            Keys::Int(keys) => keys.len(),
            Keys::Bytes(keys) => keys.len(),
        }
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Turns key columns into [`Keys`]; made once a table.
#[derive(Debug)]
pub struct KeyExtractor {
    converter: Option<RowConverter>,
}

impl KeyExtractor {
    /// For key columns of these types, in key order.
    pub fn new(types: &[DataType]) -> Result<Self, KeyError> {
        if let [only] = types
            && is_int_like(only)
        {
            return Ok(Self { converter: None });
        }
        let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        Ok(Self { converter: Some(RowConverter::new(fields)?) })
    }

    /// The keys of all rows. The columns have the types that the extractor was made for.
    pub fn extract(&self, columns: &[ArrayRef]) -> Result<Keys, KeyError> {
        let nulls = columns.iter().map(|column| column.null_count()).max().unwrap_or(0);
        if nulls > 0 {
            return Err(KeyError::Null { count: nulls });
        }
        match &self.converter {
            None => int_keys(&columns[0]).map(Keys::Int),
            Some(converter) => {
                let rows = converter.convert_columns(columns)?;
                let mut keys = ByteKeys::default();
                keys.ends.reserve_exact(rows.num_rows());
                for row in &rows {
                    keys.push(row.data());
                }
                Ok(Keys::Bytes(keys))
            }
        }
    }

    /// An empty set of keys of this form.
    pub fn none(&self) -> Keys {
        match self.converter {
            None => Keys::Int(Vec::new()),
            Some(_) => Keys::Bytes(ByteKeys::default()),
        }
    }
}

fn is_int_like(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

fn int_keys(column: &ArrayRef) -> Result<Vec<i64>, KeyError> {
    Ok(match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)).collect(),
        DataType::Date32 => column.as_primitive::<Date32Type>().values().iter().map(|v| i64::from(*v)).collect(),
        DataType::Int64 => column.as_primitive::<Int64Type>().values().to_vec(),
        DataType::Time64(TimeUnit::Microsecond) => column.as_primitive::<Time64MicrosecondType>().values().to_vec(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
        }
        _ => return Err(KeyError::Form),
    })
}
