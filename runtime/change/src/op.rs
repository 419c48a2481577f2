use serde::{Deserialize, Serialize};

/// What a change does to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Op {
    /// A row of a full load that came without an operation of its own.
    Load = b'L',
    /// A row that the source inserted (or a full-load row marked so).
    Insert = b'I',
    /// A row that the source updated; the columns hold the after image.
    Update = b'U',
    /// A row that the source deleted; only the key columns need to be filled.
    Delete = b'D',
    /// The whole table was emptied at this place in the order.
    Truncate = b'T',
}

impl Op {
    /// All operations, in the order of their codes' documentation.
    pub const ALL: [Op; 5] = [Op::Load, Op::Insert, Op::Update, Op::Delete, Op::Truncate];

    /// The one-letter code that Bronze stores in `_op`.
    pub fn code(self) -> &'static str {
        match self {
            Op::Load => "L",
            Op::Insert => "I",
            Op::Update => "U",
            Op::Delete => "D",
            Op::Truncate => "T",
        }
    }

    /// Reads a one-letter code as [`Op::code`] writes it.
    pub fn from_code(code: &[u8]) -> Option<Op> {
        match code {
            b"L" => Some(Op::Load),
            b"I" => Some(Op::Insert),
            b"U" => Some(Op::Update),
            b"D" => Some(Op::Delete),
            b"T" => Some(Op::Truncate),
            _ => None,
        }
    }

    /// Whether the change leaves a row behind (load, insert and update all do).
    pub fn is_upsert(self) -> bool {
        matches!(self, Op::Load | Op::Insert | Op::Update)
    }
}
