use iceberg::spec::{DataFile, PrimitiveLiteral};

/// Least and greatest value of a column of 64-bit integers or timestamps in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongBounds {
    pub field: i32,
    pub lower: i64,
    pub upper: i64,
}

/// A text that no value of a column in a file sorts below, and one that none sorts above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextBounds {
    pub field: i32,
    pub lower: Box<str>,
    pub upper: Box<str>,
}

pub(super) fn long_bounds(file: &DataFile) -> Vec<LongBounds> {
    let long = |literal: &PrimitiveLiteral| match literal {
        PrimitiveLiteral::Long(value) => Some(*value),
        PrimitiveLiteral::Int(value) => Some(i64::from(*value)),
        _ => None,
    };
    let lower = file.lower_bounds().iter();
    lower
        .filter_map(|(field, lower)| {
            let upper = file.upper_bounds().get(field)?;
            Some(LongBounds { field: *field, lower: long(lower.literal())?, upper: long(upper.literal())? })
        })
        .collect()
}

pub(super) fn text_bounds(file: &DataFile) -> Vec<TextBounds> {
    let text = |literal: &PrimitiveLiteral| match literal {
        PrimitiveLiteral::String(text) => Some(text.as_str().into()),
        _ => None,
    };
    let lower = file.lower_bounds().iter();
    lower
        .filter_map(|(field, lower)| {
            let upper = file.upper_bounds().get(field)?;
            Some(TextBounds { field: *field, lower: text(lower.literal())?, upper: text(upper.literal())? })
        })
        .collect()
}
