//! Calls a kernel without a guest, by its name in the contract and with the arguments that a guest is told.

use serde_json::Value;
use sluice_transform::kernels::{self, Column, KernelError, Limits};

use crate::values::Rows;

/// More than any result here takes.
pub const LIMITS: Limits = Limits { bytes: 1 << 30 };

/// What kernel `name` makes of columns of `rows`.
pub fn call(name: &str, arguments: &[Value], rows: &Rows) -> Result<Column, KernelError> {
    let a = Arguments { list: arguments, rows };
    let l = LIMITS;
    match name {
        "lower" => kernels::lower(&a.column(0), l),
        "upper" => kernels::upper(&a.column(0), l),
        "trim" => kernels::trim(&a.column(0), l),
        "length" => kernels::length(&a.column(0), l),
        "substring" => kernels::substring(&a.column(0), a.number(1) as i32, a.optional(2), l),
        "split-part" => kernels::split_part(&a.column(0), a.text(1), a.number(2) as u32, l),
        "replace" => kernels::replace(&a.column(0), a.text(1), a.text(2), l),
        "pad-start" => kernels::pad_start(&a.column(0), a.number(1) as u32, a.text(2), l),
        "concat" => kernels::concat(&a.columns(0), a.text(1), l),
        "starts-with" => kernels::starts_with(&a.column(0), a.text(1)),
        "ends-with" => kernels::ends_with(&a.column(0), a.text(1)),
        "contains" => kernels::contains(&a.column(0), a.text(1)),
        "regex-matches" => kernels::regex_matches(&a.column(0), a.text(1)),
        "regex-extract" => kernels::regex_extract(&a.column(0), a.text(1), a.number(2) as u32, l),
        "regex-replace" => kernels::regex_replace(&a.column(0), a.text(1), a.text(2), l),
        "json-field" => kernels::json_field(&a.column(0), a.text(1), l),
        "hmac" => kernels::hmac(&a.column(0), &a.bytes(1), l),
        "sha256" => kernels::sha256(&a.column(0), l),
        "keyed-hash" => kernels::keyed_hash(&a.column(0), &a.bytes(1), l),
        "mask" => kernels::mask(&a.column(0), a.number(1) as u32, a.number(2) as u32, a.text(3), l),
        "hex" => kernels::hex(&a.column(0), l),
        "base64" => kernels::base64(&a.column(0), l),
        "cast" => kernels::cast(&a.column(0), a.text(1).parse().expect("a type"), l),
        "add" => kernels::add(&a.column(0), &a.column(1), l),
        "subtract" => kernels::subtract(&a.column(0), &a.column(1), l),
        "multiply" => kernels::multiply(&a.column(0), &a.column(1), l),
        "divide" => kernels::divide(&a.column(0), &a.column(1), l),
        "remainder" => kernels::remainder(&a.column(0), &a.column(1), l),
        "round" => kernels::round(&a.column(0), a.number(1) as i32, l),
        "abs" => kernels::abs(&a.column(0), l),
        "equal" => kernels::equal(&a.column(0), &a.column(1)),
        "not-equal" => kernels::not_equal(&a.column(0), &a.column(1)),
        "less" => kernels::less(&a.column(0), &a.column(1)),
        "less-or-equal" => kernels::less_or_equal(&a.column(0), &a.column(1)),
        "greater" => kernels::greater(&a.column(0), &a.column(1)),
        "greater-or-equal" => kernels::greater_or_equal(&a.column(0), &a.column(1)),
        "is-in" => kernels::is_in(&a.column(0), &a.texts(1)),
        "is-null" => kernels::is_null(&a.column(0)),
        "both" => kernels::both(&a.column(0), &a.column(1)),
        "either" => kernels::either(&a.column(0), &a.column(1)),
        "negate" => kernels::negate(&a.column(0)),
        "coalesce" => kernels::coalesce(&a.columns(0), l),
        "choose" => kernels::choose(&a.column(0), &a.column(1), &a.column(2), l),
        "filter" => kernels::filter(&a.column(0), &a.column(1), l),
        "take" => kernels::take(&a.column(0), &a.column(1), l),
        other => panic!("the contract has no kernel {other}"),
    }
}

/// Arguments as the conformance guests read them.
struct Arguments<'a> {
    list: &'a [Value],
    rows: &'a Rows,
}

impl Arguments<'_> {
    fn column(&self, at: usize) -> Column {
        self.column_of(&self.list[at])
    }

    fn column_of(&self, argument: &Value) -> Column {
        if let Some(name) = argument.as_str().or_else(|| argument["column"].as_str()) {
            return Column::rows(self.rows.column(name).clone());
        }
        let column_type = argument["constant"][0].as_str().expect("a type").parse().expect("a type");
        kernels::constant(column_type, argument["constant"][1].as_str()).expect("a constant")
    }

    fn columns(&self, at: usize) -> Vec<Column> {
        self.list[at]["columns"].as_array().expect("columns").iter().map(|of| self.column_of(of)).collect()
    }

    fn text(&self, at: usize) -> &str {
        self.list[at]["text"].as_str().expect("a text")
    }

    fn texts(&self, at: usize) -> Vec<String> {
        let texts = self.list[at]["texts"].as_array().expect("texts").iter();
        texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    fn number(&self, at: usize) -> i64 {
        self.list[at]["number"].as_i64().expect("a number")
    }

    fn optional(&self, at: usize) -> Option<u32> {
        self.list[at]["number"].as_u64().map(|number| number as u32)
    }

    fn bytes(&self, at: usize) -> Vec<u8> {
        let digits = self.list[at]["bytes"].as_str().expect("bytes");
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}
