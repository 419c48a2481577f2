//! The imports as the canonical ABI writes them: texts and lists are an address and a length, an option is a flag and a
//! value, and a result of more than one number goes to an address that the caller names.

#[link(wasm_import_module = "sluice:transform/columns@1.0.0")]
unsafe extern "C" {
    #[link_name = "type-of"]
    pub fn type_of(of: u32, result: *mut List);
    pub fn read(of: u32, result: *mut [List; 3]);
    pub fn make(
        data_type: *const u8,
        data_type_length: usize,
        rows: u32,
        validity: *const u8,
        validity_length: usize,
        offsets: *const u8,
        offsets_length: usize,
        values: *const u8,
        values_length: usize,
    ) -> u32;
    pub fn constant(
        data_type: *const u8,
        data_type_length: usize,
        has_value: u32,
        value: *const u8,
        value_length: usize,
    ) -> u32;
}

#[link(wasm_import_module = "sluice:transform/diagnostics@1.0.0")]
unsafe extern "C" {
    pub fn log(level: u32, message: *const u8, message_length: usize);
    pub fn metric(name: *const u8, name_length: usize, add: f64);
}

#[link(wasm_import_module = "sluice:transform/kernels@1.0.0")]
unsafe extern "C" {
    pub fn lower(text: u32) -> u32;
    pub fn upper(text: u32) -> u32;
    pub fn trim(text: u32) -> u32;
    pub fn length(of: u32) -> u32;
    pub fn substring(text: u32, start: i32, has_length: u32, length: u32) -> u32;
    #[link_name = "split-part"]
    pub fn split_part(text: u32, separator: *const u8, separator_length: usize, index: u32) -> u32;
    pub fn replace(
        text: u32,
        search: *const u8,
        search_length: usize,
        replacement: *const u8,
        replacement_length: usize,
    ) -> u32;
    #[link_name = "pad-start"]
    pub fn pad_start(text: u32, length: u32, fill: *const u8, fill_length: usize) -> u32;
    pub fn concat(parts: *const u32, count: usize, separator: *const u8, separator_length: usize) -> u32;
    #[link_name = "starts-with"]
    pub fn starts_with(text: u32, prefix: *const u8, prefix_length: usize) -> u32;
    #[link_name = "ends-with"]
    pub fn ends_with(text: u32, suffix: *const u8, suffix_length: usize) -> u32;
    pub fn contains(text: u32, search: *const u8, search_length: usize) -> u32;
    #[link_name = "regex-matches"]
    pub fn regex_matches(text: u32, pattern: *const u8, pattern_length: usize) -> u32;
    #[link_name = "regex-extract"]
    pub fn regex_extract(text: u32, pattern: *const u8, pattern_length: usize, group: u32) -> u32;
    #[link_name = "regex-replace"]
    pub fn regex_replace(
        text: u32,
        pattern: *const u8,
        pattern_length: usize,
        replacement: *const u8,
        replacement_length: usize,
    ) -> u32;
    #[link_name = "json-field"]
    pub fn json_field(text: u32, path: *const u8, path_length: usize) -> u32;
    pub fn hmac(of: u32, key: *const u8, key_length: usize) -> u32;
    pub fn sha256(of: u32) -> u32;
    #[link_name = "keyed-hash"]
    pub fn keyed_hash(of: u32, key: *const u8, key_length: usize) -> u32;
    pub fn mask(text: u32, keep_start: u32, keep_end: u32, fill: *const u8, fill_length: usize) -> u32;
    pub fn hex(of: u32) -> u32;
    pub fn base64(of: u32) -> u32;
    pub fn cast(of: u32, data_type: *const u8, data_type_length: usize) -> u32;
    pub fn add(left: u32, right: u32) -> u32;
    pub fn subtract(left: u32, right: u32) -> u32;
    pub fn multiply(left: u32, right: u32) -> u32;
    pub fn divide(left: u32, right: u32) -> u32;
    pub fn remainder(left: u32, right: u32) -> u32;
    pub fn round(of: u32, digits: i32) -> u32;
    pub fn abs(of: u32) -> u32;
    pub fn equal(left: u32, right: u32) -> u32;
    #[link_name = "not-equal"]
    pub fn not_equal(left: u32, right: u32) -> u32;
    pub fn less(left: u32, right: u32) -> u32;
    #[link_name = "less-or-equal"]
    pub fn less_or_equal(left: u32, right: u32) -> u32;
    pub fn greater(left: u32, right: u32) -> u32;
    #[link_name = "greater-or-equal"]
    pub fn greater_or_equal(left: u32, right: u32) -> u32;
    #[link_name = "is-in"]
    pub fn is_in(of: u32, values: *const List, count: usize) -> u32;
    #[link_name = "is-null"]
    pub fn is_null(of: u32) -> u32;
    pub fn both(left: u32, right: u32) -> u32;
    pub fn either(left: u32, right: u32) -> u32;
    pub fn negate(of: u32) -> u32;
    pub fn coalesce(choices: *const u32, count: usize) -> u32;
    pub fn choose(condition: u32, then: u32, otherwise: u32) -> u32;
    pub fn filter(of: u32, condition: u32) -> u32;
    pub fn take(of: u32, rows: u32) -> u32;
}

/// A text or a list, as it lies in memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct List {
    pub address: *mut u8,
    pub length: usize,
}

impl List {
    pub const EMPTY: List = List { address: std::ptr::null_mut(), length: 0 };

    /// What `items` holds, for the host to read while they live.
    pub fn of<T>(items: &[T]) -> List {
        List { address: items.as_ptr().cast_mut().cast(), length: items.len() }
    }

    /// Takes over what the host wrote.
    ///
    /// # Safety
    ///
    /// The host wrote `length` items into memory that it got of `cabi_realloc`, and nothing else owns them.
    pub unsafe fn into_vec<T>(self) -> Vec<T> {
        if self.length == 0 {
            return Vec::new();
        }
        // SAFETY: by the caller; `cabi_realloc` hands out the global allocator's memory of this very size.
        unsafe { Vec::from_raw_parts(self.address.cast(), self.length, self.length) }
    }

    /// Takes over a text that the host wrote.
    ///
    /// # Safety
    ///
    /// As `into_vec`; the canonical ABI has no texts but in UTF-8.
    pub unsafe fn into_text(self) -> String {
        // SAFETY: by the caller.
        unsafe { String::from_utf8_unchecked(self.into_vec()) }
    }
}
