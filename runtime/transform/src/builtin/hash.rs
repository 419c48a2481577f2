use std::str::FromStr;

use arrow_array::ArrayRef;
use sluice_change::{ColumnType, TableSchema};
use sluice_platform::Secret;

use super::{StepError, StepFault, compute, required, retyped, with_columns};
use crate::{Input, Shaped};

/// Replaces values by their HMAC-SHA-256: the same value has the same hash, and only who has the key can make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hash {
    /// The columns; what is neither text nor bytes is hashed as its text.
    pub columns: Vec<String>,
    /// The key.
    pub key: Secret,
    /// How the 32 bytes are written.
    pub encoding: Encoding,
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// 64 hexadecimal digits.
    #[default]
    Hex,
    /// 44 characters of Base64.
    Base64,
    /// The bytes themselves.
    Binary,
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            "binary" => Ok(Self::Binary),
            _ => Err(format!("`{text}` is no choice: use \"hex\", \"base64\" or \"binary\"")),
        }
    }
}

impl Encoding {
    fn column_type(self) -> ColumnType {
        match self {
            Self::Hex | Self::Base64 => ColumnType::String,
            Self::Binary => ColumnType::Binary,
        }
    }
}

impl Hash {
    pub(super) fn canonical(&self) -> String {
        serde_json::json!([self.columns, self.key.reveal(), format!("{:?}", self.encoding)]).to_string()
    }

    pub(super) fn output(&self, input: &TableSchema) -> Result<TableSchema, StepFault> {
        for name in &self.columns {
            let column_type = required(input, name)?.column_type;
            if matches!(column_type, ColumnType::Float | ColumnType::Double) {
                let reason = format!("the column `{name}` is {column_type}: its text is not settled; cast it first");
                return Err(StepFault::of(name, reason));
            }
        }
        retyped(input, self.columns.iter().map(|name| (name.as_str(), self.encoding.column_type())))
    }

    pub(super) fn shape(&self, schema: &TableSchema, input: Input) -> Result<Shaped, StepError> {
        let mut new: Vec<(&str, ArrayRef)> = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let (Some(column), Some(from)) = (input.rows.column_by_name(name), schema.column(name)) else { continue };
            let plain = match from.column_type {
                ColumnType::String | ColumnType::Binary => column.clone(),
                _ => compute::cast(column, ColumnType::String)?,
            };
            let hashed = compute::hmac(&plain, self.key.reveal().as_bytes())?;
            let written = match self.encoding {
                Encoding::Hex => compute::hex(&hashed)?,
                Encoding::Base64 => compute::base64(&hashed)?,
                Encoding::Binary => hashed,
            };
            new.push((name, written));
        }
        let rows = with_columns(&input.rows, new)?;
        Ok(Shaped::untouched(Input { rows, ..input }))
    }
}
