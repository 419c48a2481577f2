//! Functions over whole columns, run by the host at native speed.
//!
//! A null argument gives null unless a kernel says otherwise, and so does a value that cannot be computed. Arguments of a
//! wrong type, or of different numbers of rows, end the call. Constants go with any number of rows. For the kernels of two
//! numbers, both sides are brought to one type first: int < long < decimal < float < double.

use crate::Column;
#[cfg(target_arch = "wasm32")]
use crate::raw;
#[cfg(not(target_arch = "wasm32"))]
use crate::stand_in;

/// Calls the host; in tests on the author's machine, where there is none, notes the call.
macro_rules! kernel {
    ($name:ident($($raw:expr),*) of $($shown:expr),*) => {{
        #[cfg(target_arch = "wasm32")]
        // SAFETY: the host only reads, within the lengths; texts, lists and columns lie in memory as it expects them.
        let result = Column(unsafe { raw::$name($($raw),*) });
        #[cfg(not(target_arch = "wasm32"))]
        let result = stand_in::kernel(stringify!($name), &[$(&$shown),*]);
        result
    }};
}

#[allow(clippy::should_implement_trait, reason = "the names are those of the contract")]
impl Column {
    /// Lower case, by Unicode's simple rules.
    pub fn lower(self) -> Column {
        kernel!(lower(self.0) of self)
    }

    /// Upper case, by Unicode's simple rules.
    pub fn upper(self) -> Column {
        kernel!(upper(self.0) of self)
    }

    /// Without white space at both ends.
    pub fn trim(self) -> Column {
        kernel!(trim(self.0) of self)
    }

    /// The number of characters (of a `string`) or bytes (of a `binary`), as `int`.
    pub fn length(self) -> Column {
        kernel!(length(self.0) of self)
    }

    /// Characters from `start` (0 is the first; a negative number counts from the end) on, at most `length` of them;
    /// all to the end without it.
    pub fn substring(self, start: i32, length: Option<u32>) -> Column {
        kernel!(substring(self.0, start, u32::from(length.is_some()), length.unwrap_or(0)) of self, start, length)
    }

    /// The part number `index` (0 is the first) between separators; null where there are fewer.
    /// `email.split_part("@", 0)` is the local part of an address.
    pub fn split_part(self, separator: &str, index: u32) -> Column {
        kernel!(split_part(self.0, separator.as_ptr(), separator.len(), index) of self, separator, index)
    }

    /// Every occurrence of `search` replaced.
    pub fn replace(self, search: &str, replacement: &str) -> Column {
        kernel!(replace(self.0, search.as_ptr(), search.len(), replacement.as_ptr(), replacement.len()) of self, search, replacement)
    }

    /// Fills up at the beginning with `fill`'s first character until there are `length` characters.
    pub fn pad_start(self, length: u32, fill: &str) -> Column {
        kernel!(pad_start(self.0, length, fill.as_ptr(), fill.len()) of self, length, fill)
    }

    /// The texts one behind the other, with `separator` between them; null if any is null.
    pub fn concat(parts: &[Column], separator: &str) -> Column {
        kernel!(concat(parts.as_ptr().cast(), parts.len(), separator.as_ptr(), separator.len()) of parts, separator)
    }

    /// Whether the text begins with `prefix`.
    pub fn starts_with(self, prefix: &str) -> Column {
        kernel!(starts_with(self.0, prefix.as_ptr(), prefix.len()) of self, prefix)
    }

    /// Whether the text ends with `suffix`.
    pub fn ends_with(self, suffix: &str) -> Column {
        kernel!(ends_with(self.0, suffix.as_ptr(), suffix.len()) of self, suffix)
    }

    /// Whether the text holds `search`.
    pub fn contains(self, search: &str) -> Column {
        kernel!(contains(self.0, search.as_ptr(), search.len()) of self, search)
    }

    /// Whether the regular expression matches anywhere in the text. The syntax is that of Rust's `regex`: no
    /// look-around and no back-references, so that the time is linear in the text.
    pub fn regex_matches(self, pattern: &str) -> Column {
        kernel!(regex_matches(self.0, pattern.as_ptr(), pattern.len()) of self, pattern)
    }

    /// What group number `group` (0 is the whole match) of the first match holds; null without a match.
    pub fn regex_extract(self, pattern: &str, group: u32) -> Column {
        kernel!(regex_extract(self.0, pattern.as_ptr(), pattern.len(), group) of self, pattern, group)
    }

    /// Every match replaced; `$1` or `${name}` in `replacement` stand for groups.
    pub fn regex_replace(self, pattern: &str, replacement: &str) -> Column {
        kernel!(regex_replace(self.0, pattern.as_ptr(), pattern.len(), replacement.as_ptr(), replacement.len()) of self, pattern, replacement)
    }

    /// What a JSON text holds at `path`, such as `address.city` or `items[0].sku`: texts without their quotes, null for
    /// JSON's null, a missing place or a text that is no JSON, everything else as JSON text.
    pub fn json_field(self, path: &str) -> Column {
        kernel!(json_field(self.0, path.as_ptr(), path.len()) of self, path)
    }

    /// HMAC-SHA-256 of a `string` or `binary`, as `binary` of 32 bytes.
    pub fn hmac(self, key: &[u8]) -> Column {
        kernel!(hmac(self.0, key.as_ptr(), key.len()) of self, key)
    }

    /// SHA-256 of a `string` or `binary`, as `binary` of 32 bytes. Without a key, so whoever can guess a value can
    /// check the guess: for pseudonyms use `hmac`.
    pub fn sha256(self) -> Column {
        kernel!(sha256(self.0) of self)
    }

    /// SipHash-2-4 of a `string` or `binary` with a key of 16 bytes, as `long`. Quick, and for joins and buckets rather
    /// than for secrecy: 64 bits are few.
    pub fn keyed_hash(self, key: &[u8]) -> Column {
        kernel!(keyed_hash(self.0, key.as_ptr(), key.len()) of self, key)
    }

    /// Every character replaced by `fill`'s first, but for `keep-start` at the beginning and `keep-end` at the end; a
    /// text of no more characters than these two together is replaced whole.
    pub fn mask(self, keep_start: u32, keep_end: u32, fill: &str) -> Column {
        kernel!(mask(self.0, keep_start, keep_end, fill.as_ptr(), fill.len()) of self, keep_start, keep_end, fill)
    }

    /// `binary` as hexadecimal digits in lower case.
    pub fn hex(self) -> Column {
        kernel!(hex(self.0) of self)
    }

    /// `binary` as Base64 (RFC 4648, with padding).
    pub fn base64(self) -> Column {
        kernel!(base64(self.0) of self)
    }

    /// The column in another type; null where a value has no place in it. Text is written and read as in the tables'
    /// CSV: `2024-02-29`, `13:45:00.123456`, `2024-02-29 13:45:00.123456`, `true`, `-12.50`. `string` and `binary` cast
    /// to each other by their bytes.
    pub fn cast(self, data_type: &str) -> Column {
        kernel!(cast(self.0, data_type.as_ptr(), data_type.len()) of self, data_type)
    }

    /// The sum.
    pub fn add(self, right: Column) -> Column {
        kernel!(add(self.0, right.0) of self, right)
    }

    /// The difference.
    pub fn subtract(self, right: Column) -> Column {
        kernel!(subtract(self.0, right.0) of self, right)
    }

    /// The product.
    pub fn multiply(self, right: Column) -> Column {
        kernel!(multiply(self.0, right.0) of self, right)
    }

    /// The quotient; of integers the integral part.
    pub fn divide(self, right: Column) -> Column {
        kernel!(divide(self.0, right.0) of self, right)
    }

    /// What is left of an integral division, with the sign of `left`.
    pub fn remainder(self, right: Column) -> Column {
        kernel!(remainder(self.0, right.0) of self, right)
    }

    /// Rounded to `digits` after the point, halves away from zero; the type stays, but a decimal's scale becomes
    /// `digits` (at least 0) where it was larger.
    pub fn round(self, digits: i32) -> Column {
        kernel!(round(self.0, digits) of self, digits)
    }

    /// The value without its sign.
    pub fn abs(self) -> Column {
        kernel!(abs(self.0) of self)
    }

    /// Whether both are equal.
    pub fn equal(self, right: Column) -> Column {
        kernel!(equal(self.0, right.0) of self, right)
    }

    /// Whether they differ.
    pub fn not_equal(self, right: Column) -> Column {
        kernel!(not_equal(self.0, right.0) of self, right)
    }

    /// Whether `left` is smaller.
    pub fn less(self, right: Column) -> Column {
        kernel!(less(self.0, right.0) of self, right)
    }

    /// Whether `left` is smaller or equal.
    pub fn less_or_equal(self, right: Column) -> Column {
        kernel!(less_or_equal(self.0, right.0) of self, right)
    }

    /// Whether `left` is larger.
    pub fn greater(self, right: Column) -> Column {
        kernel!(greater(self.0, right.0) of self, right)
    }

    /// Whether `left` is larger or equal.
    pub fn greater_or_equal(self, right: Column) -> Column {
        kernel!(greater_or_equal(self.0, right.0) of self, right)
    }

    /// Whether the value is one of `values`, each read as a cast from `string` reads it.
    pub fn is_in(self, values: &[&str]) -> Column {
        #[cfg(target_arch = "wasm32")]
        let texts: Vec<raw::List> = values.iter().map(|value| raw::List::of(value.as_bytes())).collect();
        kernel!(is_in(self.0, texts.as_ptr(), texts.len()) of self, values)
    }

    /// Whether there is no value. Never null.
    pub fn is_null(self) -> Column {
        kernel!(is_null(self.0) of self)
    }

    /// Both; false with one false side even if the other is null.
    pub fn both(self, right: Column) -> Column {
        kernel!(both(self.0, right.0) of self, right)
    }

    /// At least one; true with one true side even if the other is null.
    pub fn either(self, right: Column) -> Column {
        kernel!(either(self.0, right.0) of self, right)
    }

    /// The opposite.
    pub fn negate(self) -> Column {
        kernel!(negate(self.0) of self)
    }

    /// The first value that is not null.
    pub fn coalesce(choices: &[Column]) -> Column {
        kernel!(coalesce(choices.as_ptr().cast(), choices.len()) of choices)
    }

    /// `then` where the condition is true, `otherwise` where it is false or null. Both of one type.
    pub fn choose(self, then: Column, otherwise: Column) -> Column {
        kernel!(choose(self.0, then.0, otherwise.0) of self, then, otherwise)
    }

    /// The rows where the condition is true.
    pub fn filter(self, condition: Column) -> Column {
        kernel!(filter(self.0, condition.0) of self, condition)
    }

    /// Rows by their numbers (`int`, 0 is the first), in this order, repeated if wanted; null for null.
    pub fn take(self, rows: Column) -> Column {
        kernel!(take(self.0, rows.0) of self, rows)
    }
}
